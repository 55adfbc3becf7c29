//! What an Arrow array is made of: rows, lists of equal length, and columns of numbers.

use std::ops::Range;

use arrow::array::{Array, AsArray, GenericListArray, OffsetSizeTrait};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, FieldRef};
use dora_shm_ring::Dtype;

use crate::array::arrow_types::number;
use crate::array::select::{Selection, join, numeric_paths};
use crate::refusal::Reason;

/// Deepest nesting of lists and structs.
pub(crate) const MAX_DEPTH: usize = 16;

/// The structure of an array whose rows all have the same number of values.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Payload {
    pub root: Node,
    /// The columns of numbers, depth first.
    pub columns: Vec<Column>,
    /// Length of the array.
    pub rows: u64,
}

/// The list or bytes whose length may differ from message to message: its index from the outside in, and its length.
pub(crate) type Open = Option<(usize, u64)>;

/// One value of a row: a number, a list of a known length, or a struct.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    /// A number of `Payload::columns[index]`.
    Number { index: usize },
    /// `length` bytes, which are numbers of `Payload::columns[index]`.
    Bytes { kind: BytesKind, length: u64, index: usize },
    /// `length` items.
    List { kind: ListKind, length: u64, item: FieldRef, child: Box<Node> },
    /// The chosen columns.
    Struct(Vec<Member>),
}

/// A chosen column of a struct.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Member {
    /// Its index among all columns of the struct.
    pub column: usize,
    pub field: FieldRef,
    pub node: Node,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ListKind {
    Fixed,
    List,
    Large,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BytesKind {
    Fixed,
    Binary,
    Large,
}

/// A column of numbers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Column {
    /// Names of the struct columns that lead to it, joined by dots; empty outside structs.
    pub path: String,
    /// Type of its numbers in the array.
    pub dtype: Dtype,
    /// Whether they are bytes whose element type has to come from elsewhere.
    pub bytes: bool,
}

impl Payload {
    /// The structure of the columns of `array` that `fields` chooses. `None`: there are no values.
    ///
    /// # Errors
    /// If a row is not a fixed number of numbers.
    pub(crate) fn new(array: &dyn Array, fields: &[String]) -> Result<Option<Self>, Reason> {
        if array.is_empty() || *array.data_type() == DataType::Null {
            return Ok(None);
        }
        let selection = Selection::new(array.data_type(), fields)?;
        let mut walk = Walk { whole: array.data_type(), columns: Vec::new(), nulls: Vec::new() };
        let root = walk.node(array, 0..array.len(), &selection, "", 0)?;
        let Walk { columns, nulls, .. } = walk;
        if let Some(path) = nulls.into_iter().next() {
            // A column of type Null on its own stands for an empty column (YOLO without boxes).
            if columns.is_empty() {
                return Ok(None);
            }
            let fields = numeric_paths(array.data_type());
            return Err(Reason::NotNumeric { path, found: DataType::Null.to_string(), fields });
        }
        if let (Some(column), true) = (columns.iter().find(|column| column.bytes), columns.len() > 1) {
            return Err(Reason::BytesAmongOthers { path: column.path.clone() });
        }
        let payload = Self { root, columns, rows: array.len() as u64 };
        Ok(if payload.root.numbers() == 0 { None } else { Some(payload) })
    }

    /// The column, if there is exactly one.
    pub(crate) fn only(&self) -> Option<&Column> {
        match self.columns.as_slice() {
            [column] => Some(column),
            _ => None,
        }
    }

    /// Whether it is a plain vector: nothing indicates that its rows are frames.
    pub(crate) fn is_vector(&self) -> bool {
        matches!(self.root, Node::Number { .. }) || (self.rows == 1 && self.is_bytes())
    }

    fn is_bytes(&self) -> bool {
        self.only().is_some_and(|column| column.bytes)
    }
}

impl Node {
    /// Numbers in one value; for bytes, the number of bytes.
    pub(crate) fn numbers(&self) -> u64 {
        match self {
            Self::Number { .. } => 1,
            Self::Bytes { length, .. } => *length,
            Self::List { length, child, .. } => length.saturating_mul(child.numbers()),
            Self::Struct(members) => members.iter().fold(0, |sum, member| member.node.numbers().saturating_add(sum)),
        }
    }

    /// Numbers in one value, with the length in `open` for the list or bytes that it names.
    pub(crate) fn numbers_with(&self, open: Open) -> u64 {
        match (self, open) {
            (_, None) | (Self::Number { .. }, _) => self.numbers(),
            (Self::Bytes { .. }, Some((0, length))) => length,
            (Self::List { child, .. }, Some((0, length))) => length.saturating_mul(child.numbers()),
            (Self::List { length, child, .. }, Some((list, open))) => {
                length.saturating_mul(child.numbers_with(Some((list - 1, open))))
            }
            (Self::Struct(members), open) => {
                members.iter().fold(0, |sum, member| member.node.numbers_with(open).saturating_add(sum))
            }
            (Self::Bytes { .. }, _) => self.numbers(),
        }
    }

    /// Shape of one value. Columns of equal shapes form a dimension of their own; other columns are concatenated.
    pub(crate) fn shape(&self) -> Vec<u64> {
        match self {
            Self::Number { .. } => Vec::new(),
            Self::Bytes { length, .. } => vec![*length],
            Self::List { length, child, .. } => std::iter::once(*length).chain(child.shape()).collect(),
            Self::Struct(_) => {
                let mut shapes = Vec::new();
                self.collect_shapes(&mut shapes);
                match shapes.as_slice() {
                    [only] => only.clone(),
                    [first, rest @ ..] if rest.iter().all(|shape| shape == first) => {
                        std::iter::once(shapes.len() as u64).chain(first.iter().copied()).collect()
                    }
                    _ => vec![self.numbers()],
                }
            }
        }
    }

    /// Number of columns of a struct, if there are several and all have the same shape.
    pub(crate) fn equal_columns(&self) -> Option<usize> {
        let mut shapes = Vec::new();
        self.collect_shapes(&mut shapes);
        (shapes.len() > 1 && shapes.windows(2).all(|pair| pair[0] == pair[1])).then_some(shapes.len())
    }

    /// Number of nested lists, from the outside in, that each hold all the numbers of a value.
    pub(crate) fn outermost_lists(&self) -> usize {
        match self {
            Self::List { child, .. } => 1 + child.outermost_lists(),
            Self::Struct(members) if members.len() == 1 => members[0].node.outermost_lists(),
            _ => 0,
        }
    }

    /// Shapes of the parts of a struct that are not structs themselves.
    fn collect_shapes(&self, shapes: &mut Vec<Vec<u64>>) {
        match self {
            Self::Struct(members) => members.iter().for_each(|member| member.node.collect_shapes(shapes)),
            other => shapes.push(other.shape()),
        }
    }
}

struct Walk<'a> {
    whole: &'a DataType,
    columns: Vec<Column>,
    /// Paths of columns of type Null.
    nulls: Vec<String>,
}

impl Walk<'_> {
    fn node(
        &mut self,
        array: &dyn Array,
        rows: Range<usize>,
        selection: &Selection,
        path: &str,
        depth: usize,
    ) -> Result<Node, Reason> {
        if depth > MAX_DEPTH {
            return Err(Reason::TooComplex { found: format!("more than {MAX_DEPTH} levels"), limit: MAX_DEPTH });
        }
        let data_type = array.data_type();
        if let Some(dtype) = number(data_type) {
            return Ok(Node::Number { index: self.column(path, dtype, false) });
        }
        let bytes =
            |walk: &mut Self, kind, length| Node::Bytes { kind, length, index: walk.column(path, Dtype::U8, true) };
        match data_type {
            DataType::Null => {
                self.nulls.push(path.to_owned());
                Ok(Node::Struct(Vec::new()))
            }
            DataType::Binary => {
                let length = common_length(array.as_binary::<i32>().value_offsets(), array.nulls(), &rows, path)?;
                Ok(bytes(self, BytesKind::Binary, length))
            }
            DataType::LargeBinary => {
                let length = common_length(array.as_binary::<i64>().value_offsets(), array.nulls(), &rows, path)?;
                Ok(bytes(self, BytesKind::Large, length))
            }
            DataType::FixedSizeBinary(length) => Ok(bytes(self, BytesKind::Fixed, length_of(*length))),
            DataType::FixedSizeList(item, length) => {
                let (length, list) = (length_of(*length), array.as_fixed_size_list());
                let items = rows.start * length as usize..rows.end * length as usize;
                let child = self.node(list.values(), items, selection, path, depth + 1)?;
                Ok(Node::List { kind: ListKind::Fixed, length, item: item.clone(), child: Box::new(child) })
            }
            DataType::List(item) => {
                self.list(array.as_list::<i32>(), ListKind::List, item, rows, selection, path, depth)
            }
            DataType::LargeList(item) => {
                self.list(array.as_list::<i64>(), ListKind::Large, item, rows, selection, path, depth)
            }
            DataType::Struct(fields) => {
                let columns = array.as_struct().columns();
                let mut member = |column: usize, selection: &Selection| {
                    let field = &fields[column];
                    let path = join(path, field.name());
                    let node = self.node(&columns[column], rows.clone(), selection, &path, depth + 1)?;
                    Ok(Member { column, field: field.clone(), node })
                };
                let members: Result<Vec<_>, _> = match selection {
                    Selection::All => (0..columns.len()).map(|column| member(column, &Selection::All)).collect(),
                    Selection::Columns(chosen) => {
                        chosen.iter().map(|(column, selection)| member(*column, selection)).collect()
                    }
                };
                members.map(Node::Struct)
            }
            other => Err(Reason::NotNumeric {
                path: path.to_owned(),
                found: other.to_string(),
                fields: numeric_paths(self.whole),
            }),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the list and its kind besides the arguments of `node`")]
    fn list<O: OffsetSizeTrait>(
        &mut self,
        list: &GenericListArray<O>,
        kind: ListKind,
        item: &FieldRef,
        rows: Range<usize>,
        selection: &Selection,
        path: &str,
        depth: usize,
    ) -> Result<Node, Reason> {
        let length = common_length(list.value_offsets(), list.nulls(), &rows, path)?;
        let items = offset_range(list.value_offsets(), &rows);
        let child = self.node(list.values(), items, selection, path, depth + 1)?;
        Ok(Node::List { kind, length, item: item.clone(), child: Box::new(child) })
    }

    fn column(&mut self, path: &str, dtype: Dtype, bytes: bool) -> usize {
        self.columns.push(Column { path: path.to_owned(), dtype, bytes });
        self.columns.len() - 1
    }
}

/// Arrow's lengths are never negative.
fn length_of(length: i32) -> u64 {
    u64::try_from(length).unwrap_or(0)
}

/// Items of the lists `rows`.
pub(crate) fn offset_range<O: OffsetSizeTrait>(offsets: &[O], rows: &Range<usize>) -> Range<usize> {
    offsets[rows.start].as_usize()..offsets[rows.end].as_usize()
}

/// The length that all of the lists `rows` have.
///
/// # Errors
/// [`Reason::Ragged`] if rows that are not null differ, [`Reason::Nulls`] if only null rows do.
fn common_length<O: OffsetSizeTrait>(
    offsets: &[O],
    nulls: Option<&NullBuffer>,
    rows: &Range<usize>,
    path: &str,
) -> Result<u64, Reason> {
    let length = |row: usize| (offsets[row + 1] - offsets[row]).as_usize() as u64;
    let valid = || rows.clone().filter(|row| nulls.is_none_or(|nulls| nulls.is_valid(*row))).map(length);
    let (shortest, longest) = (valid().min(), valid().max());
    let common = longest.unwrap_or(0);
    if shortest.unwrap_or(0) != common {
        return Err(Reason::Ragged { path: path.to_owned(), shortest: shortest.unwrap_or(0), longest: common });
    }
    if rows.clone().any(|row| length(row) != common) {
        // Null rows of lists have been normalised before, if there is a length for them; those of bytes have not.
        return Err(Reason::Nulls { path: path.to_owned(), dtype: Dtype::U8 });
    }
    Ok(common)
}

/// Whether each of the lists `rows` has `length` items.
pub(crate) fn have_length<O: OffsetSizeTrait>(offsets: &[O], rows: &Range<usize>, length: u64) -> bool {
    offsets[rows.start..=rows.end].windows(2).all(|pair| (pair[1] - pair[0]).as_usize() as u64 == length)
}
