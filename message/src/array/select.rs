//! Choosing columns of a struct by path.

use arrow::datatypes::{DataType, Field};

use crate::array::arrow_types::number;
use crate::refusal::Reason;

/// The columns that `FIELD` chooses, as a tree over the structs of an Arrow type. Lists add no level.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Selection {
    All,
    /// Each column and the selection inside it, in the order in which `FIELD` names them first.
    Columns(Vec<(usize, Selection)>),
}

impl Selection {
    /// The selection by `paths` in a value of type `data_type`; everything if there are no paths.
    ///
    /// # Errors
    /// [`Reason::UnknownField`] for a path that leads nowhere, [`Reason::NoStruct`] if there are no columns.
    pub(crate) fn new(data_type: &DataType, paths: &[String]) -> Result<Self, Reason> {
        if paths.is_empty() {
            return Ok(Self::All);
        }
        if !has_struct(data_type) {
            return Err(Reason::NoStruct { field: paths.join(", ") });
        }
        let mut selection = Self::Columns(Vec::new());
        for path in paths {
            if !selection.add(data_type, path) {
                return Err(Reason::UnknownField { field: path.clone(), fields: numeric_paths(data_type) });
            }
        }
        Ok(selection)
    }

    /// Adds `path`. Returns false if it leads nowhere.
    fn add(&mut self, data_type: &DataType, path: &str) -> bool {
        if path.is_empty() {
            *self = Self::All;
            return true;
        }
        let fields = match data_type {
            DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
                return self.add(item.data_type(), path);
            }
            DataType::Struct(fields) => fields,
            _ => return false,
        };
        let Self::Columns(columns) = self else { return true };
        // A name may contain dots: every column whose name begins the path is tried.
        for (column, field) in fields.iter().enumerate() {
            let Some(rest) = rest_of(path, field) else { continue };
            let known = columns.iter().position(|(known, _)| *known == column);
            let mut inner = match known {
                Some(index) => columns[index].1.clone(),
                None => Self::Columns(Vec::new()),
            };
            if inner.add(field.data_type(), rest) {
                match known {
                    Some(index) => columns[index].1 = inner,
                    None => columns.push((column, inner)),
                }
                return true;
            }
        }
        false
    }
}

/// Whether the values, or the items of its lists, have columns.
fn has_struct(data_type: &DataType) -> bool {
    match data_type {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            has_struct(item.data_type())
        }
        other => matches!(other, DataType::Struct(_)),
    }
}

/// The rest of `path` after the name of `field`.
pub(crate) fn rest_of<'a>(path: &'a str, field: &Field) -> Option<&'a str> {
    let rest = path.strip_prefix(field.name().as_str())?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix('.') }
}

/// Paths of all columns that hold numbers, lists of them, or bytes.
pub(crate) fn numeric_paths(data_type: &DataType) -> Vec<String> {
    let mut paths = Vec::new();
    collect(data_type, "", 0, &mut paths);
    paths
}

fn collect(data_type: &DataType, path: &str, depth: usize, paths: &mut Vec<String>) {
    const DEEPEST: usize = 16;
    match data_type {
        _ if depth > DEEPEST => {}
        DataType::Struct(fields) => {
            for field in fields {
                collect(field.data_type(), &join(path, field.name()), depth + 1, paths);
            }
        }
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            collect(item.data_type(), path, depth + 1, paths);
        }
        DataType::Binary | DataType::LargeBinary | DataType::FixedSizeBinary(_) if !path.is_empty() => {
            paths.push(path.to_owned());
        }
        other if number(other).is_some() && !path.is_empty() => paths.push(path.to_owned()),
        _ => {}
    }
}

pub(crate) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
