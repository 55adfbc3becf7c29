//! The recipe of a message, which is the member `message` of a stream's description: how a message is rebuilt from its
//! frames.
//!
//! One object:
//!
//! | member | value | meaning |
//! |---|---|---|
//! | `version` | `1` | another number is refused |
//! | `arrow` | type | the Arrow type of the message |
//! | `rows` | integer or `null` | length of the array; `null`: as many as the samples fill |
//! | `shape` | list of integers, at most one of them `null` | the message's shape in the source's order. `null` is the buffered axis: as many as the message has frames. Without a `null` every message is one frame |
//! | `dims` | list of strings | a name for each of `shape` |
//! | `parameters` | object | parameters that the source sent with each message, with their types: `{"sample_rate":{"integer":1000}}` |
//! | `per_message` | list of strings | parameters that the source sent with some or all messages, and that are made from each message's frames: `shape`, `axis_offset`, `axis_values`, and the members `offset` and `data` of the buffered axis in the parameter `axes` (`axes_offset`, `axes_data`), which are converted from seconds to the axis' own unit of time |
//! | `types` | object | types of `shape`, `axis_offset` and `axis_values`, if they are not `list_int`, `float` and `list_float`: `{"axis_offset":"integer"}` |
//!
//! A type is `{"number": dtype}` with a dtype's numpy name (`bool` is Arrow's Boolean), or one of
//! `{"fixed_size_list": list}`, `{"list": list}`, `{"large_list": list}` with `{"length": integer or null, "item":
//! field}`, or `{"struct": [field, ...]}`. A field is `{"name", "nullable", "type"}` and, if it has any, `"metadata"`,
//! an object of strings. All lists of one column have the same length. At most one of `rows` and the lengths of the
//! outermost lists is `null`: it follows from the number of samples.
//!
//! From frames to message: sample `(o * n + f) * i + k` of the message is sample `o * i + k` of frame `f`, where `n` is
//! the number of frames, `o` ranges over the product of `shape` before the buffered axis, and `i` over that after it.
//! The samples fill the columns of the type row by row, depth first, converted to the columns' types if these differ.

use std::collections::BTreeMap;

use dora_node_api::Parameter;
use dora_shm_ring::{Attr, Dtype};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::array::payload::MAX_DEPTH;
use crate::params::attr::attr;
use crate::params::read::whole;
use crate::rebuild::error::RebuildError;

/// The version of the recipes that this crate reads and writes.
pub const RECIPE_VERSION: u32 = 1;

/// How one message is rebuilt from its frames. See the [module](self) for its JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// [`RECIPE_VERSION`].
    pub version: u32,
    /// The Arrow type of the message.
    pub arrow: ArrowType,
    /// Length of the array; `None`: as many rows as the samples fill.
    pub rows: Option<u64>,
    /// The message's shape in the source's order, `None` for the buffered axis.
    pub shape: Vec<Option<u64>>,
    /// A name for each of `shape`.
    pub dims: Vec<String>,
    /// Parameters as the source sent them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", with = "tagged")]
    pub parameters: BTreeMap<String, Attr>,
    /// Parameters whose values are made from the frames.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub per_message: Vec<PerMessage>,
    /// Types of `shape`, `axis_offset` and `axis_values` among them, if they are not the usual ones.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub types: BTreeMap<String, ParamType>,
}

/// An Arrow type in which each value has the same number of numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ArrowType {
    /// A fixed-size number.
    Number(#[serde(with = "dtype_name")] Dtype),
    /// FixedSizeList.
    FixedSizeList(ArrowList),
    /// List, of one length.
    List(ArrowList),
    /// LargeList, of one length.
    LargeList(ArrowList),
    /// Struct.
    Struct(Vec<ArrowField>),
}

/// A list of one length.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ArrowList {
    /// Number of items; `None`: it follows from the number of samples.
    pub length: Option<u64>,
    /// The items' field.
    pub item: Box<ArrowField>,
}

/// Name and type of a column, or of the items of a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ArrowField {
    /// Its name.
    pub name: String,
    /// Whether the source's type allows nulls.
    pub nullable: bool,
    /// Arrow's own metadata.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// Its type.
    #[serde(rename = "type")]
    pub arrow_type: ArrowType,
}

/// Type of a number, or of a list of numbers, in a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum ParamType {
    Integer,
    Float,
    String,
    ListInt,
    ListFloat,
    ListString,
}

/// A parameter, or a part of one, that is made from the frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PerMessage {
    /// `shape`.
    Shape,
    /// `axis_offset`: the first frame's time.
    AxisOffset,
    /// `axis_values`: every frame's time.
    AxisValues,
    /// `offset` of the buffered axis in `axes`: the first frame's time, in the axis' unit.
    AxesOffset,
    /// `data` of the buffered axis in `axes`: every frame's time, likewise.
    AxesData,
}

/// The value of a parameter, if a recipe can hold it. It cannot hold timestamps or floats that are not finite.
pub(crate) fn sent(value: &Parameter) -> Option<Attr> {
    attr(value).filter(|attr| match attr {
        Attr::Float(value) => value.is_finite(),
        Attr::ListFloat(values) => values.iter().all(|value| value.is_finite()),
        Attr::Timestamp(_) => false,
        _ => true,
    })
}

impl ParamType {
    pub(crate) fn of(value: &Parameter) -> Option<Self> {
        Some(match value {
            Parameter::Integer(_) => Self::Integer,
            Parameter::Float(_) => Self::Float,
            Parameter::String(_) => Self::String,
            Parameter::ListInt(_) => Self::ListInt,
            Parameter::ListFloat(_) => Self::ListFloat,
            Parameter::ListString(_) => Self::ListString,
            Parameter::Bool(_) | Parameter::Timestamp(_) => return None,
        })
    }

    /// `value` in this type, or a float if the type cannot represent it.
    pub(crate) fn number(self, value: f64) -> Parameter {
        match (self, whole(value)) {
            (Self::Integer, Some(integer)) => Parameter::Integer(integer),
            (Self::String, _) => Parameter::String(value.to_string()),
            _ => Parameter::Float(value),
        }
    }

    /// `values` as a list of this type, or of floats if the type cannot represent them.
    pub(crate) fn list(self, values: Vec<f64>) -> Parameter {
        match self {
            Self::ListInt => match values.iter().map(|value| whole(*value)).collect() {
                Some(integers) => Parameter::ListInt(integers),
                None => Parameter::ListFloat(values),
            },
            Self::ListString => Parameter::ListString(values.iter().map(f64::to_string).collect()),
            _ => Parameter::ListFloat(values),
        }
    }

    /// A shape in this type, or as a list of integers if the type cannot represent it.
    pub(crate) fn shape(self, dims: Vec<i64>) -> Parameter {
        match (self, dims.as_slice()) {
            (Self::Integer, &[dim]) => Parameter::Integer(dim),
            (Self::String, _) => Parameter::String(format!("{dims:?}")),
            (Self::ListFloat, _) => Parameter::ListFloat(dims.iter().map(|dim| *dim as f64).collect()),
            (Self::ListString, _) => Parameter::ListString(dims.iter().map(i64::to_string).collect()),
            _ => Parameter::ListInt(dims),
        }
    }
}

impl Recipe {
    /// The recipe as JSON.
    ///
    /// # Panics
    /// If `parameters` hold a timestamp, which a recipe cannot have.
    pub fn to_json(&self) -> Value {
        serde_json::to_value(self).expect("a recipe has string keys, and values that JSON can hold")
    }

    /// Reads a recipe. The JSON is not trusted.
    ///
    /// # Errors
    /// [`RebuildError::Version`] for another version, [`RebuildError::Recipe`] if the JSON is not a recipe or
    /// contradicts itself.
    pub fn from_json(json: &Value) -> Result<Self, RebuildError> {
        match json.get("version").and_then(Value::as_u64) {
            Some(version) if version == u64::from(RECIPE_VERSION) => {}
            Some(version) => return Err(RebuildError::Version { found: version }),
            None => return Err(RebuildError::recipe("member version is not an integer")),
        }
        let recipe = Self::deserialize(json).map_err(|error| RebuildError::recipe(error.to_string()))?;
        recipe.check()?;
        Ok(recipe)
    }

    /// Adds a parameter that a mirror makes for each message, in the type `kind`.
    pub(crate) fn make(&mut self, made: PerMessage, key: &str, kind: ParamType, usual: ParamType) {
        self.per_message.push(made);
        if kind != usual {
            self.types.insert(key.to_owned(), kind);
        }
    }

    /// Index of the buffered axis in `shape`.
    pub(crate) fn axis(&self) -> Option<usize> {
        self.shape.iter().position(Option::is_none)
    }

    fn check(&self) -> Result<(), RebuildError> {
        if self.shape.len() != self.dims.len() {
            let found = format!("{} dims for a shape of {}", self.dims.len(), self.shape.len());
            return Err(RebuildError::recipe(found));
        }
        if self.shape.iter().filter(|dim| dim.is_none()).count() > 1 {
            return Err(RebuildError::recipe("shape has more than one null"));
        }
        let open = usize::from(self.rows.is_none()) + self.arrow.check(true, 0)?;
        if open > 1 {
            return Err(RebuildError::recipe("more than one of rows and the lists' lengths is null"));
        }
        Ok(())
    }
}

impl ArrowType {
    /// Number of lists without a length.
    fn check(&self, is_outermost: bool, depth: usize) -> Result<usize, RebuildError> {
        if depth > MAX_DEPTH {
            return Err(RebuildError::recipe(format!("the type is nested deeper than {MAX_DEPTH} levels")));
        }
        match self {
            Self::Number(_) => Ok(0),
            Self::FixedSizeList(list) | Self::List(list) | Self::LargeList(list) => {
                if list.length.is_none() && !is_outermost {
                    return Err(RebuildError::recipe("a list in a struct of several columns has no length"));
                }
                if list.length.is_some_and(|length| i32::try_from(length).is_err()) {
                    return Err(RebuildError::recipe(format!("a list has {:?} items", list.length)));
                }
                Ok(usize::from(list.length.is_none()) + list.item.arrow_type.check(is_outermost, depth + 1)?)
            }
            Self::Struct(fields) => fields.iter().try_fold(0, |sum, field| {
                Ok(sum + field.arrow_type.check(is_outermost && fields.len() == 1, depth + 1)?)
            }),
        }
    }

    /// Numbers in one value, if a list without a length has `open` items. `None`: they cannot be counted.
    pub(crate) fn numbers(&self, open: u64) -> Option<u64> {
        match self {
            Self::Number(_) => Some(1),
            Self::FixedSizeList(list) | Self::List(list) | Self::LargeList(list) => {
                list.item.arrow_type.numbers(open)?.checked_mul(list.length.unwrap_or(open))
            }
            Self::Struct(fields) => {
                fields.iter().try_fold(0_u64, |sum, field| sum.checked_add(field.arrow_type.numbers(open)?))
            }
        }
    }
}

mod dtype_name {
    use dora_shm_ring::Dtype;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(dtype: &Dtype, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(dtype.name())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Dtype, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// Attributes that name their type: `{"integer":1000}`.
mod tagged {
    use std::collections::BTreeMap;

    use dora_shm_ring::Attr;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(remote = "Attr", rename_all = "snake_case")]
    enum Tagged {
        Bool(bool),
        Integer(i64),
        Float(f64),
        String(String),
        ListInt(Vec<i64>),
        ListFloat(Vec<f64>),
        ListString(Vec<String>),
        #[serde(skip)]
        Timestamp(i64),
    }

    #[derive(Serialize)]
    struct Borrowed<'a>(#[serde(with = "Tagged")] &'a Attr);

    #[derive(Deserialize)]
    struct Owned(#[serde(with = "Tagged")] Attr);

    pub fn serialize<S: Serializer>(attrs: &BTreeMap<String, Attr>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(attrs.iter().map(|(name, attr)| (name, Borrowed(attr))))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, Attr>, D::Error> {
        let attrs = BTreeMap::<String, Owned>::deserialize(deserializer)?;
        Ok(attrs.into_iter().map(|(name, Owned(attr))| (name, attr)).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;

    const HEADING: &str = "\n### How one message is rebuilt\n";

    /// The section of the page about this member, and its table: member and meaning.
    fn page() -> (&'static str, Vec<(&'static str, &'static str)>) {
        let page = include_str!("../../../SPEC.md");
        let (_, section) = page.split_once(HEADING).expect("the page has the section");
        let section = section.split_once("\n###").expect("another section follows").0;
        let rows = section.lines().filter_map(|line| {
            let (member, meaning) = line.strip_prefix("| `")?.split_once("` |")?;
            Some((member, meaning))
        });
        (section, rows.collect())
    }

    /// The words of a text in backticks or quotes: those that occur in the JSON.
    fn quoted(text: &str) -> BTreeSet<&str> {
        text.split('`').skip(1).step_by(2).map(|word| word.trim_matches('"')).collect()
    }

    fn everything() -> Value {
        let field = |name: &str, arrow_type| ArrowField {
            name: name.into(),
            nullable: true,
            metadata: BTreeMap::from([("unit".into(), "V".into())]),
            arrow_type,
        };
        let list = |length, item| ArrowList { length, item: Box::new(item) };
        let number = ArrowType::Number(Dtype::F32);
        let large = ArrowType::LargeList(list(Some(2), field("item", number.clone())));
        let lists = ArrowType::List(list(Some(2), field("item", large)));
        let fixed = ArrowType::FixedSizeList(list(Some(2), field("item", lists)));
        let sent = [
            Attr::Bool(true),
            Attr::Integer(1),
            Attr::Float(0.5),
            Attr::String("a".into()),
            Attr::ListInt(vec![1]),
            Attr::ListFloat(vec![0.5]),
            Attr::ListString(vec!["a".into()]),
        ];
        let recipe = Recipe {
            version: RECIPE_VERSION,
            arrow: ArrowType::Struct(vec![field("x", fixed), field("y", number)]),
            rows: None,
            shape: vec![None, Some(9)],
            dims: vec!["time".into(), "ch".into()],
            parameters: sent.into_iter().enumerate().map(|(i, sent)| (i.to_string(), sent)).collect(),
            per_message: vec![
                PerMessage::Shape,
                PerMessage::AxisOffset,
                PerMessage::AxisValues,
                PerMessage::AxesOffset,
                PerMessage::AxesData,
            ],
            types: BTreeMap::from([("axis_offset".into(), ParamType::Integer), ("shape".into(), ParamType::String)]),
        };
        assert_eq!(Recipe::from_json(&recipe.to_json()).unwrap(), recipe);
        recipe.to_json()
    }

    fn keys(value: &Value, into: &mut BTreeSet<String>) {
        match value {
            Value::Object(members) => members.iter().for_each(|(key, value)| {
                into.insert(key.clone());
                keys(value, into);
            }),
            Value::Array(entries) => entries.iter().for_each(|entry| keys(entry, into)),
            _ => {}
        }
    }

    #[test]
    fn the_page_has_every_member_and_no_other() {
        let (_, table) = page();
        let members: BTreeSet<_> = table.iter().map(|(member, _)| (*member).to_owned()).collect();
        let written: BTreeSet<_> = everything().as_object().unwrap().keys().cloned().collect();
        assert_eq!(members, written);
        let meaning = |member: &str| table.iter().find(|(name, _)| *name == member).unwrap().1;
        assert!(meaning("version").contains("another number: refuse"));
        let kinds: BTreeSet<_> = everything()["parameters"]
            .as_object()
            .unwrap()
            .values()
            .flat_map(|sent| sent.as_object().unwrap().keys().cloned().collect::<Vec<_>>())
            .collect();
        assert!(kinds.iter().all(|kind| quoted(meaning("parameters")).contains(&**kind)), "{kinds:?}");
        let made: Vec<_> = everything()["per_message"].as_array().unwrap().clone();
        for word in &made {
            assert!(quoted(meaning("per_message")).contains(word.as_str().unwrap()), "{word}");
        }
        use ParamType::*;
        for (name, usual) in [("shape", ListInt), ("axis_offset", Float), ("axis_values", ListFloat)] {
            let usual = serde_json::to_value(usual).unwrap();
            let words = quoted(meaning("types"));
            assert!(words.contains(name) && words.contains(usual.as_str().unwrap()), "{name} {usual}");
        }
        for word in [Integer, Float, String, ListInt, ListFloat, ListString].map(serde_json::to_value) {
            assert!(quoted(meaning("parameters")).contains(word.unwrap().as_str().unwrap()));
        }
    }

    #[test]
    fn the_page_has_every_word_of_a_type() {
        let (section, _) = page();
        let mut words = BTreeSet::new();
        keys(&everything()["arrow"], &mut words);
        // The key of the metadata is the source's own.
        words.remove("unit");
        for word in words {
            assert!(section.contains(&format!("\"{word}\"")), "{word:?} is not in the section");
        }
    }

    #[test]
    fn members_that_may_be_absent_may_be_absent() {
        let json =
            json!({"version": 1, "arrow": {"number": "float32"}, "rows": null, "shape": [null], "dims": ["time"]});
        let recipe = Recipe::from_json(&json).unwrap();
        assert_eq!(recipe.to_json(), json);
    }
}
