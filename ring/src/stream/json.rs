//! The JSON of a description, as stored in a metadata segment.
//!
//! One object, UTF-8, at most 16 MiB, nested at most 128 deep:
//!
//! | member | value |
//! |---|---|
//! | `version` | `1` |
//! | `dims` | list of strings, the buffered axis first |
//! | `buffered_axis` | the first of `dims`, or `null` when there are none |
//! | `axes` | object, by name of the dimension: an axis |
//! | `attrs` | object, by name: an attribute |
//! | `key` | string, empty when the source has none |
//! | `stream_dim` | string or `null` |
//! | `message` | any value, or `null` |
//!
//! An axis is `{"kind":"linear","unit":string,"gain":real}` with `"offset":real` unless it is unknown, or
//! `{"kind":"coord","unit":string}` with `"data":[...]` unless it is unknown. An entry of `data` is a string, a
//! number, or any other value.
//!
//! A real is a number, or one of the values that JSON numbers lack: `{"$float":"nan"}`, `{"$float":"inf"}`,
//! `{"$float":"-inf"}`.
//!
//! An attribute is one of:
//!
//! | attribute | JSON |
//! |---|---|
//! | boolean | `true`, `false` |
//! | integer | a number without `.`, `e` and `E`, in the range of 64 bits signed |
//! | float | a number with `.`, `e` or `E` (`1.0`, `-0.0`, `1e300`), or `{"$float":...}` |
//! | string | a string |
//! | list of one or more integers, floats or strings | a list of the above, all of one type |
//! | empty list | `{"$integers":[]}`, `{"$floats":[]}`, `{"$strings":[]}` |
//! | timestamp | `{"$timestamp_ns":integer}`, nanoseconds since the Unix epoch |
//!
//! Later minor versions may add to it: a reader ignores members, kinds of axis and `$` tags of attributes that it does
//! not know.

use std::collections::BTreeMap;

use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::{Attr, Axis, Description, Error};

const VERSION: u64 = 1;

/// Longest document. Parsed, it may take about ten times as much.
pub(crate) const MAX_JSON_BYTES: usize = 16 << 20;

/// Deepest nesting of a free value (`message`, an entry of an axis' `data`). The whole document stays below the 128
/// levels at which serde_json stops.
const MAX_VALUE_DEPTH: usize = 100;

impl Description {
    /// The description as the JSON that `SPEC.md` specifies (metadata segment).
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(&Document(self)).expect("a description has string keys only and goes into memory")
    }

    /// Parses the JSON that [`to_json`](Self::to_json) writes. The bytes may come from an untrusted source.
    ///
    /// # Errors
    /// [`Error::BadArgument`] with what was expected and what was found.
    pub fn from_json(json: &[u8]) -> crate::Result<Self> {
        Self::parse(json).map_err(|reason| Error::BadArgument { reason })
    }

    /// As [`from_json`](Self::from_json), for callers that make their own error.
    ///
    /// # Errors
    /// A sentence with what was expected and what was found.
    pub(crate) fn parse(json: &[u8]) -> Result<Self, String> {
        if json.len() > MAX_JSON_BYTES {
            return Err(format!("the JSON has {} bytes, expected at most {MAX_JSON_BYTES}", json.len()));
        }
        let document: Value =
            serde_json::from_slice(json).map_err(|error| format!("the JSON cannot be parsed: {error}"))?;
        let mut members = object(document, "the JSON")?;
        match members.remove("version") {
            Some(Value::Number(version)) if version.as_u64() == Some(VERSION) => {}
            Some(other) => return Err(format!("version {}, expected {VERSION}", shown(&other))),
            None => return Err("member version is missing".to_owned()),
        }
        let dims = match members.remove("dims") {
            Some(Value::Array(dims)) => {
                dims.into_iter().map(|dim| string(dim, "a name in dims")).collect::<Result<Vec<_>, _>>()?
            }
            Some(other) => return Err(wrong("dims", "a list of strings", &other)),
            None => return Err("member dims is missing".to_owned()),
        };
        let buffered_axis = optional_string(members.remove("buffered_axis"), "buffered_axis")?;
        if buffered_axis.is_some() && buffered_axis.as_ref() != dims.first() {
            return Err(format!("buffered_axis {buffered_axis:?}, expected the first of dims, {:?}", dims.first()));
        }
        let mut axes = BTreeMap::new();
        for (name, value) in optional_object(members.remove("axes"), "axes")? {
            if let Some(axis) = axis(value, &name)? {
                axes.insert(name, axis);
            }
        }
        let mut attrs = BTreeMap::new();
        for (name, value) in optional_object(members.remove("attrs"), "attrs")? {
            if let Some(attr) = attr(value, &name)? {
                attrs.insert(name, attr);
            }
        }
        Ok(Self {
            dims,
            axes,
            attrs,
            key: optional_string(members.remove("key"), "key")?.unwrap_or_default(),
            stream_dim: optional_string(members.remove("stream_dim"), "stream_dim")?,
            message: members.remove("message").filter(|message| !message.is_null()),
        })
    }

    /// Checks that every reader can read this description of frames of rank `rank`: as many dims as the ring has (or
    /// none, if they are unknown), with different names, and JSON within the limits of [`from_json`](Self::from_json).
    ///
    /// # Errors
    /// A sentence with what was expected and what was found.
    pub(crate) fn check(&self, rank: usize) -> Result<(), String> {
        if !self.dims.is_empty() && self.dims.len() != rank + 1 {
            return Err(format!(
                "the description has the {} dims {:?}, expected {}: the buffered axis and those of the frame",
                self.dims.len(),
                self.dims,
                rank + 1
            ));
        }
        if let Some(twice) = self.dims.iter().enumerate().find(|(i, dim)| self.dims[..*i].contains(dim)) {
            return Err(format!("the description has two dims named {:?}, expected different names", twice.1));
        }
        let too_deep = |what: &str| Err(format!("{what} is nested deeper than {MAX_VALUE_DEPTH} levels"));
        for (name, axis) in &self.axes {
            if let Axis::Coord { data: Some(data), .. } = axis
                && data.iter().any(|value| depth(value) > MAX_VALUE_DEPTH)
            {
                return too_deep(&format!("the data of axis {name:?}"));
            }
        }
        if self.message.as_ref().is_some_and(|message| depth(message) > MAX_VALUE_DEPTH) {
            return too_deep("the description of the message");
        }
        let length = self.to_json().len();
        if length > MAX_JSON_BYTES {
            return Err(format!("the description takes {length} bytes as JSON, expected at most {MAX_JSON_BYTES}"));
        }
        Ok(())
    }
}

/// Levels of lists and objects in `value`, counted no further than one beyond the limit.
fn depth(value: &Value) -> usize {
    fn below(value: &Value, budget: usize) -> usize {
        let inner = |value| below(value, budget - 1);
        match value {
            _ if budget == 0 => 0,
            Value::Array(values) => 1 + values.iter().map(inner).max().unwrap_or(0),
            Value::Object(members) => 1 + members.values().map(inner).max().unwrap_or(0),
            _ => 0,
        }
    }
    below(value, MAX_VALUE_DEPTH + 1)
}

struct Document<'a>(&'a Description);

impl Serialize for Document<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Description { dims, axes, attrs, key, stream_dim, message } = self.0;
        let mut members = serializer.serialize_map(Some(8))?;
        members.serialize_entry("version", &VERSION)?;
        members.serialize_entry("dims", dims)?;
        members.serialize_entry("buffered_axis", &self.0.buffered_axis())?;
        members.serialize_entry("axes", &ByName(axes, AxisJson))?;
        members.serialize_entry("attrs", &ByName(attrs, AttrJson))?;
        members.serialize_entry("key", key)?;
        members.serialize_entry("stream_dim", stream_dim)?;
        members.serialize_entry("message", message)?;
        members.end()
    }
}

/// An object whose values are written through a wrapper.
struct ByName<'a, T, W>(&'a BTreeMap<String, T>, fn(&'a T) -> W);

impl<'a, T, W: Serialize> Serialize for ByName<'a, T, W> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, self.1(value))))
    }
}

struct AxisJson<'a>(&'a Axis);

impl Serialize for AxisJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(None)?;
        match self.0 {
            Axis::Linear { unit, gain, offset } => {
                members.serialize_entry("kind", "linear")?;
                members.serialize_entry("unit", unit)?;
                members.serialize_entry("gain", &Real(*gain))?;
                if let Some(offset) = offset {
                    members.serialize_entry("offset", &Real(*offset))?;
                }
            }
            Axis::Coord { unit, data } => {
                members.serialize_entry("kind", "coord")?;
                members.serialize_entry("unit", unit)?;
                if let Some(data) = data {
                    members.serialize_entry("data", data)?;
                }
            }
        }
        members.end()
    }
}

struct AttrJson<'a>(&'a Attr);

impl Serialize for AttrJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        const NOTHING: [(); 0] = [];
        match self.0 {
            Attr::Bool(value) => serializer.serialize_bool(*value),
            Attr::Integer(value) => serializer.serialize_i64(*value),
            Attr::Float(value) => Real(*value).serialize(serializer),
            Attr::String(value) => serializer.serialize_str(value),
            Attr::ListInt(values) if values.is_empty() => tagged(serializer, "$integers", &NOTHING),
            Attr::ListInt(values) => values.serialize(serializer),
            Attr::ListFloat(values) if values.is_empty() => tagged(serializer, "$floats", &NOTHING),
            Attr::ListFloat(values) => {
                let mut list = serializer.serialize_seq(Some(values.len()))?;
                for value in values {
                    list.serialize_element(&Real(*value))?;
                }
                list.end()
            }
            Attr::ListString(values) if values.is_empty() => tagged(serializer, "$strings", &NOTHING),
            Attr::ListString(values) => values.serialize(serializer),
            Attr::Timestamp(ns) => tagged(serializer, "$timestamp_ns", ns),
        }
    }
}

struct Real(f64);

impl Serialize for Real {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_finite() {
            return serializer.serialize_f64(self.0);
        }
        let name = if self.0.is_nan() {
            "nan"
        } else if self.0 > 0.0 {
            "inf"
        } else {
            "-inf"
        };
        tagged(serializer, "$float", name)
    }
}

fn tagged<S: Serializer, T: Serialize + ?Sized>(serializer: S, tag: &str, value: &T) -> Result<S::Ok, S::Error> {
    let mut members = serializer.serialize_map(Some(1))?;
    members.serialize_entry(tag, value)?;
    members.end()
}

/// `None` for a kind of axis that a later version added.
fn axis(value: Value, name: &str) -> Result<Option<Axis>, String> {
    let what = |member: &str| format!("{member} of axis {name:?}");
    let mut members = object(value, &format!("axis {name:?}"))?;
    let kind = match members.remove("kind") {
        Some(kind) => string(kind, &what("kind"))?,
        None => return Err(format!("{} is missing", what("kind"))),
    };
    let unit = optional_string(members.remove("unit"), &what("unit"))?.unwrap_or_default();
    match kind.as_str() {
        "linear" => {
            let Some(gain) = members.remove("gain") else { return Err(format!("{} is missing", what("gain"))) };
            let offset = match members.remove("offset") {
                None | Some(Value::Null) => None,
                Some(offset) => Some(real(&offset, &what("offset"))?),
            };
            Ok(Some(Axis::Linear { unit, gain: real(&gain, &what("gain"))?, offset }))
        }
        "coord" => match members.remove("data") {
            None | Some(Value::Null) => Ok(Some(Axis::Coord { unit, data: None })),
            Some(Value::Array(data)) => Ok(Some(Axis::Coord { unit, data: Some(data) })),
            Some(other) => Err(wrong(&what("data"), "a list", &other)),
        },
        _ => Ok(None),
    }
}

/// `None` for a type of attribute that a later version added.
fn attr(value: Value, name: &str) -> Result<Option<Attr>, String> {
    let what = format!("attribute {name:?}");
    Ok(Some(match value {
        Value::Bool(value) => Attr::Bool(value),
        Value::String(value) => Attr::String(value),
        Value::Number(ref number) if number.is_f64() => Attr::Float(real(&value, &what)?),
        Value::Number(_) => Attr::Integer(integer(&value, &what)?),
        Value::Array(values) => list(values, &what)?,
        Value::Object(ref members) => {
            let (Some((tag, inside)), 1) = (members.iter().next(), members.len()) else {
                return Err(wrong(&what, "one member that begins with $", &value));
            };
            let empty = || match inside {
                Value::Array(values) if values.is_empty() => Ok(()),
                other => Err(wrong(&format!("{tag} of {what}"), "an empty list", other)),
            };
            match tag.as_str() {
                "$float" => Attr::Float(real(&value, &what)?),
                "$timestamp_ns" => Attr::Timestamp(integer(inside, &what)?),
                "$integers" => empty().map(|()| Attr::ListInt(Vec::new()))?,
                "$floats" => empty().map(|()| Attr::ListFloat(Vec::new()))?,
                "$strings" => empty().map(|()| Attr::ListString(Vec::new()))?,
                unknown if unknown.starts_with('$') => return Ok(None),
                _ => return Err(wrong(&what, "one member that begins with $", &value)),
            }
        }
        Value::Null => return Err(wrong(&what, "a boolean, number, string, list or tagged object", &value)),
    }))
}

/// A plain list: the type of its first entry is the type of all.
fn list(values: Vec<Value>, what: &str) -> Result<Attr, String> {
    let what = format!("an entry of {what}");
    match values.first() {
        Some(Value::String(_)) => {
            Ok(Attr::ListString(values.into_iter().map(|value| string(value, &what)).collect::<Result<_, _>>()?))
        }
        Some(Value::Number(first)) if !first.is_f64() => {
            Ok(Attr::ListInt(values.iter().map(|value| integer(value, &what)).collect::<Result<_, _>>()?))
        }
        Some(Value::Number(_) | Value::Object(_)) => {
            let float = |value: &Value| match value {
                Value::Number(number) if !number.is_f64() => Err(wrong(&what, "a float as the others are", value)),
                value => real(value, &what),
            };
            Ok(Attr::ListFloat(values.iter().map(float).collect::<Result<_, _>>()?))
        }
        Some(other) => Err(wrong(&what, "an integer, a float or a string", other)),
        None => Err(format!("{what} is missing: an empty list needs a tag for its type")),
    }
}

fn real(value: &Value, what: &str) -> Result<f64, String> {
    let special = |value: &Value| match value.as_object()?.get("$float")?.as_str()? {
        "nan" => Some(f64::NAN),
        "inf" => Some(f64::INFINITY),
        "-inf" => Some(f64::NEG_INFINITY),
        _ => None,
    };
    value
        .as_f64()
        .or_else(|| special(value))
        .ok_or_else(|| wrong(what, "a number or {\"$float\":\"nan\"}, \"inf\" or \"-inf\"", value))
}

fn integer(value: &Value, what: &str) -> Result<i64, String> {
    value.as_i64().ok_or_else(|| wrong(what, "an integer of 64 bits", value))
}

fn string(value: Value, what: &str) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text),
        other => Err(wrong(what, "a string", &other)),
    }
}

fn optional_string(value: Option<Value>, what: &str) -> Result<Option<String>, String> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(value) => string(value, what).map(Some),
    }
}

fn object(value: Value, what: &str) -> Result<Map<String, Value>, String> {
    match value {
        Value::Object(members) => Ok(members),
        other => Err(wrong(what, "an object", &other)),
    }
}

fn optional_object(value: Option<Value>, what: &str) -> Result<Map<String, Value>, String> {
    value.map_or_else(|| Ok(Map::new()), |value| object(value, what))
}

fn wrong(what: &str, expected: &str, found: &Value) -> String {
    format!("{what} is {}, expected {expected}", shown(found))
}

/// A value's text, shortened, since a hostile writer may have stored any length.
fn shown(value: &Value) -> String {
    match value {
        Value::Array(values) => format!("a list of {}", values.len()),
        Value::Object(members) => format!("an object of {} members", members.len()),
        Value::String(text) if text.len() > 40 => format!("a string of {} bytes", text.len()),
        scalar => scalar.to_string(),
    }
}

#[cfg(test)]
pub(crate) mod tests;
