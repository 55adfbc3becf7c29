//! Reads the description that ezmsg publishes with its samples: the inverse of [`pickle`](super::pickle).

use std::collections::BTreeMap;

use serde_json::{Map, Number, Value, json};

use super::unpickle::{self, Element, Plain};
use crate::{Attr, Axis, Description};

/// The only version of the dict.
const VERSION: i64 = 1;
/// How many omitted parts are named at most.
const MAX_LEFT_OUT: usize = 64;

/// The content of a metadata segment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Metadata {
    pub description: Description,
    /// Parts that a description cannot represent, each with its name and its type.
    pub left_out: Vec<String>,
}

/// Reads the pickle of a metadata segment. Executes no code in it.
///
/// # Errors
/// The reason for which the pickle is refused.
pub(crate) fn decode(pickle: &[u8]) -> Result<Metadata, String> {
    let value = unpickle::decode(pickle).map_err(|reason| format!("the metadata's pickle is refused: {reason}"))?;
    let mut out = Reading::default();
    let description = out.description(value).map_err(|reason| format!("the metadata is not ezmsg's: {reason}"))?;
    if out.more > 0 {
        out.left_out.push(format!("{} more", out.more));
    }
    Ok(Metadata { description, left_out: out.left_out })
}

#[derive(Default)]
struct Reading {
    left_out: Vec<String>,
    /// Number of omitted parts that are not named.
    more: usize,
}

impl Reading {
    fn leave_out(&mut self, what: &str, name: &str, why: &str) {
        if self.left_out.len() >= MAX_LEFT_OUT {
            self.more += 1;
            return;
        }
        let short: String = name.chars().take(80).collect();
        self.left_out.push(format!("{what} {short:?}: {why}"));
    }

    fn description(&mut self, value: Plain) -> Result<Description, String> {
        let mut members: BTreeMap<String, Plain> = table(value, "it")?.into_iter().collect();
        match members.remove("version") {
            Some(Plain::Integer(VERSION)) => {}
            other => return Err(format!("its version is {}, expected {VERSION}", shown(other.as_ref()))),
        }
        let Some(Plain::List(dims, _)) = members.remove("dims") else { return Err("dims is not a list".to_owned()) };
        let dims = dims.into_iter().map(|dim| text(dim, "a name in dims")).collect::<Result<Vec<_>, _>>()?;
        let buffered = optional_text(members.remove("buffered_axis"), "buffered_axis")?;
        let mut axes = BTreeMap::new();
        for (name, axis) in optional_table(members.remove("axes"), "axes")? {
            if let Some(axis) = self.axis(&name, axis, buffered.as_ref() == Some(&name))? {
                axes.insert(name, axis);
            }
        }
        let mut attrs = BTreeMap::new();
        for (name, value) in optional_table(members.remove("attrs"), "attrs")? {
            match attr(value) {
                Ok(value) => _ = attrs.insert(name, value),
                Err(why) => self.leave_out("attribute", &name, why),
            }
        }
        Ok(Description {
            dims,
            axes,
            attrs,
            key: optional_text(members.remove("key"), "key")?.unwrap_or_default(),
            stream_dim: optional_text(members.remove("stream_dim"), "stream_dim")?,
            message: None,
        })
    }

    /// `None` for an unknown kind of axis.
    fn axis(&mut self, name: &str, value: Plain, is_buffered: bool) -> Result<Option<Axis>, String> {
        let mut members: BTreeMap<String, Plain> = table(value, "an axis")?.into_iter().collect();
        let unit = optional_text(members.remove("unit"), "the unit of an axis")?.unwrap_or_default();
        match members.remove("kind") {
            Some(Plain::Text(kind)) if kind == "linear" => {
                let gain = float(members.remove("gain").as_ref()).ok_or("the gain of an axis is not a number")?;
                // The buffered axis' coordinates are the frames' times.
                let offset = float(members.remove("offset").as_ref()).filter(|_| !is_buffered);
                Ok(Some(Axis::Linear { unit, gain, offset }))
            }
            Some(Plain::Text(kind)) if kind == "coord" => {
                let data = match members.remove("data").filter(|_| !is_buffered) {
                    Some(Plain::List(values, _)) => {
                        match values.into_iter().map(label).collect::<Result<Vec<_>, _>>() {
                            Ok(data) => Some(data),
                            Err(why) => {
                                self.leave_out("data of axis", name, why);
                                None
                            }
                        }
                    }
                    Some(Plain::None) | None => None,
                    Some(other) => {
                        self.leave_out("data of axis", name, kind_of(&other));
                        None
                    }
                };
                Ok(Some(Axis::Coord { unit, data }))
            }
            other => {
                self.leave_out("axis", name, kind_of(&other.unwrap_or(Plain::None)));
                Ok(None)
            }
        }
    }
}

/// An attribute's value, or the reason why it cannot be one.
fn attr(value: Plain) -> Result<Attr, &'static str> {
    Ok(match value {
        Plain::Bool(value) => Attr::Bool(value),
        Plain::Integer(value) => Attr::Integer(value),
        Plain::Float(value) => Attr::Float(value),
        Plain::Text(value) => Attr::String(value),
        Plain::Timestamp(ns) => Attr::Timestamp(ns),
        Plain::List(values, element) => list(values, element)?,
        other => return Err(kind_of(&other)),
    })
}

/// A list of one type. Integers among floats become floats if floats hold them exactly. An empty list without a type is
/// a list of floats.
fn list(values: Vec<Plain>, element: Option<Element>) -> Result<Attr, &'static str> {
    if values.is_empty() {
        return Ok(match element {
            Some(Element::Integer) => Attr::ListInt(Vec::new()),
            Some(Element::Text) => Attr::ListString(Vec::new()),
            Some(Element::Float) | None => Attr::ListFloat(Vec::new()),
        });
    }
    if values.iter().all(|value| matches!(value, Plain::Integer(_))) {
        let integer = |value| if let Plain::Integer(value) = value { Some(value) } else { None };
        return Ok(Attr::ListInt(values.into_iter().filter_map(integer).collect()));
    }
    if values.iter().all(|value| matches!(value, Plain::Text(_))) {
        let text = |value| if let Plain::Text(value) = value { Some(value) } else { None };
        return Ok(Attr::ListString(values.into_iter().filter_map(text).collect()));
    }
    if let Some(floats) = values.iter().map(|value| float(Some(value))).collect() {
        return Ok(Attr::ListFloat(floats));
    }
    Err(match values.into_iter().find(|value| !matches!(value, Plain::Text(_)) && float(Some(value)).is_none()) {
        Some(Plain::List(..)) => "a list of lists, or an array of more than one dimension",
        Some(Plain::Bool(_)) => "a list with booleans",
        Some(Plain::Table(_)) => "a list of dicts, or a structured array",
        Some(Plain::Other(what)) => what,
        _ => "a list of several types",
    })
}

/// A coordinate or label, or the reason why it cannot be one.
fn label(value: Plain) -> Result<Value, &'static str> {
    Ok(match value {
        Plain::None => Value::Null,
        Plain::Bool(value) => value.into(),
        Plain::Integer(value) => value.into(),
        Plain::Unsigned(value) => value.into(),
        Plain::Float(value) => match Number::from_f64(value) {
            Some(number) => Value::Number(number),
            // `SPEC.md` specifies these forms, since JSON has no such numbers.
            None if value.is_nan() => json!({"$float": "nan"}),
            None if value > 0.0 => json!({"$float": "inf"}),
            None => json!({"$float": "-inf"}),
        },
        Plain::Text(value) => Value::String(value),
        Plain::Timestamp(ns) => json!({"$timestamp_ns": ns}),
        Plain::List(values, _) => Value::Array(values.into_iter().map(label).collect::<Result<_, _>>()?),
        Plain::Table(members) => {
            let members = members.into_iter().map(|(name, value)| label(value).map(|value| (name, value)));
            Value::Object(members.collect::<Result<Map<_, _>, &'static str>>()?)
        }
        Plain::Other(what) => return Err(what),
    })
}

/// A number as a float, if a float holds it exactly.
fn float(value: Option<&Plain>) -> Option<f64> {
    match value? {
        Plain::Float(value) => Some(*value),
        Plain::Integer(value) if value.unsigned_abs() <= 1 << 53 => Some(*value as f64),
        _ => None,
    }
}

fn table(value: Plain, what: &str) -> Result<Vec<(String, Plain)>, String> {
    match value {
        Plain::Table(members) => Ok(members),
        other => Err(format!("{what} is {}, expected a dict", kind_of(&other))),
    }
}

fn optional_table(value: Option<Plain>, what: &str) -> Result<Vec<(String, Plain)>, String> {
    match value {
        None | Some(Plain::None) => Ok(Vec::new()),
        Some(value) => table(value, what),
    }
}

fn text(value: Plain, what: &str) -> Result<String, String> {
    match value {
        Plain::Text(text) => Ok(text),
        other => Err(format!("{what} is {}, expected a string", kind_of(&other))),
    }
}

fn optional_text(value: Option<Plain>, what: &str) -> Result<Option<String>, String> {
    match value {
        None | Some(Plain::None) => Ok(None),
        Some(value) => text(value, what).map(Some),
    }
}

fn shown(value: Option<&Plain>) -> String {
    match value {
        None => "missing".to_owned(),
        Some(Plain::Integer(value)) => value.to_string(),
        Some(other) => kind_of(other).to_owned(),
    }
}

fn kind_of(value: &Plain) -> &'static str {
    match value {
        Plain::None => "None",
        Plain::Bool(_) => "a boolean",
        Plain::Integer(_) => "an integer",
        Plain::Unsigned(_) => "an integer above the range of int64",
        Plain::Float(_) => "a float",
        Plain::Text(_) => "a string",
        Plain::Timestamp(_) => "a timestamp",
        Plain::List(..) => "a list",
        Plain::Table(_) => "a dict",
        Plain::Other(what) => what,
    }
}

#[cfg(test)]
mod tests;
