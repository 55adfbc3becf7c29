//! The parameter `axes`: coordinates along the dims of a message, as JSON.

use std::collections::BTreeMap;

use dora_node_api::Parameter;
use dora_shm_ring::{Axis, Description};
use serde_json::{Map, Value, json};

use crate::params::keys::AXES;
use crate::params::read::unreadable;
use crate::params::time_unit::{SECOND, TimeUnit};
use crate::refusal::Reason;

/// Axes by the name of their dim. Unlike in a description, the buffered one has its offset or its data.
pub(crate) type Axes = BTreeMap<String, Axis>;

pub(crate) const EXPECTED: &str = "a JSON object by dim: {\"kind\":\"linear\",\"unit\":...,\"gain\":...,\"offset\":...} or \
                        {\"kind\":\"coord\",\"unit\":...,\"data\":[...]}";

/// # Errors
/// [`Reason::Parameter`] if `text` is not such an object.
pub(crate) fn parse(text: &str) -> Result<Axes, Reason> {
    let object: Option<Map<String, Value>> = serde_json::from_str(text).ok();
    object
        .and_then(|axes| axes.into_iter().map(|(dim, axis)| Some((dim, read(axis)?))).collect())
        .ok_or_else(|| unreadable(AXES, &Parameter::String(text.to_owned()), EXPECTED))
}

fn read(axis: Value) -> Option<Axis> {
    let Value::Object(mut members) = axis else { return None };
    let unit = match members.remove("unit") {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(unit)) => unit,
        Some(_) => return None,
    };
    match members.get("kind")?.as_str()? {
        "linear" => {
            let gain = members.get("gain")?.as_f64()?;
            let offset = match members.get("offset") {
                None | Some(Value::Null) => None,
                Some(offset) => Some(offset.as_f64()?),
            };
            Some(Axis::Linear { unit, gain, offset })
        }
        "coord" => match members.remove("data") {
            None | Some(Value::Null) => Some(Axis::Coord { unit, data: None }),
            Some(Value::Array(data)) => Some(Axis::Coord { unit, data: Some(data) }),
            Some(_) => None,
        },
        _ => None,
    }
}

/// The axes of `description` as the text of the parameter, which [`parse`] and a sink's checks accept. `None`: there
/// are none. The frames have the shape `frame_shape`. The buffered axis has neither offset nor data: these come with
/// the frames.
pub(crate) fn to_json(description: &Description, frame_shape: &[u64]) -> Option<String> {
    let mut axes = Map::new();
    for (i, dim) in description.dims.iter().enumerate() {
        let size = i.checked_sub(1).and_then(|i| frame_shape.get(i)).copied();
        let axis = match description.axes.get(dim) {
            Some(Axis::Linear { unit, gain, offset }) if gain.is_finite() => {
                let mut axis = json!({"kind": "linear", "unit": unit, "gain": gain});
                if let Some(offset) = offset.filter(|offset| size.is_some() && offset.is_finite()) {
                    axis["offset"] = offset.into();
                }
                axis
            }
            Some(Axis::Coord { unit, data }) => {
                let mut axis = json!({"kind": "coord", "unit": unit});
                if let Some(data) = data.as_ref().filter(|data| size == Some(data.len() as u64)) {
                    axis["data"] = data.clone().into();
                }
                axis
            }
            _ => continue,
        };
        axes.insert(dim.clone(), axis);
    }
    (!axes.is_empty()).then(|| Value::Object(axes).to_string())
}

/// The coordinates along a dim, one number per index.
///
/// # Errors
/// [`Reason::Parameter`] if `data` is not `count` numbers.
pub(crate) fn coordinates(dim: &str, data: &[Value], count: u64) -> Result<Vec<f64>, Reason> {
    check_count(dim, data, count)?;
    let numbers: Option<Vec<f64>> = data.iter().map(Value::as_f64).collect();
    numbers.ok_or_else(|| Reason::Parameter {
        key: AXES.to_owned(),
        found: format!("not one number per frame along `{dim}`"),
        expected: "one number per frame along the buffered axis".to_owned(),
    })
}

pub(crate) fn unit(axis: &Axis) -> &str {
    match axis {
        Axis::Linear { unit, .. } | Axis::Coord { unit, .. } => unit,
    }
}

/// Whether its unit is the second, or unknown.
pub(crate) fn is_in_seconds(axis: &Axis) -> bool {
    matches!(unit(axis), "" | SECOND)
}

/// The unit to convert to seconds. For an axis other than time, it is the second, which leaves the numbers as they are.
pub(crate) fn time_unit(axis: &Axis) -> TimeUnit {
    TimeUnit::named(unit(axis)).unwrap_or(TimeUnit::SECOND)
}

/// # Errors
/// [`Reason::Parameter`] if `value` is not a finite number of seconds.
pub(crate) fn to_seconds(unit: TimeUnit, value: f64) -> Result<f64, Reason> {
    let seconds = unit.to_seconds(value);
    let misfit = || Reason::Parameter {
        key: AXES.to_owned(),
        found: format!("{value:e} along the buffered axis"),
        expected: "a time of a finite number of seconds".to_owned(),
    };
    if seconds.is_finite() { Ok(seconds) } else { Err(misfit()) }
}

/// # Errors
/// [`Reason::Parameter`] if `data` does not have one entry for each of the `size` indices of a dim.
pub(crate) fn check_count(dim: &str, data: &[Value], size: u64) -> Result<(), Reason> {
    if data.len() as u64 == size {
        return Ok(());
    }
    Err(Reason::Parameter {
        key: AXES.to_owned(),
        found: format!("{} entries along `{dim}`", data.len()),
        expected: format!("{size}, the size of this dim"),
    })
}

/// The part of `axes` that holds for one message only: where its frames begin, or where each of them is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passing {
    Offset,
    Data,
}

impl Passing {
    pub(crate) fn of(axis: &Axis) -> Option<Self> {
        match axis {
            Axis::Linear { offset: Some(_), .. } => Some(Self::Offset),
            Axis::Coord { data: Some(_), .. } => Some(Self::Data),
            _ => None,
        }
    }

    pub(crate) fn member(self) -> &'static str {
        match self {
            Self::Offset => "offset",
            Self::Data => "data",
        }
    }

    /// `text` without this part.
    pub(crate) fn strip(self, text: &str, dim: &str) -> Option<String> {
        let mut axes: Value = serde_json::from_str(text).ok()?;
        axes.get_mut(dim)?.as_object_mut()?.remove(self.member());
        Some(axes.to_string())
    }

    /// `text` with this part for frames at `times`, converted to the unit of the axis.
    pub(crate) fn restore(self, text: &str, dim: &str, times: impl Iterator<Item = f64>) -> Option<String> {
        let mut axes: Value = serde_json::from_str(text).ok()?;
        let axis = axes.get_mut(dim)?.as_object_mut()?;
        let unit = axis.get("unit").and_then(Value::as_str).and_then(TimeUnit::named).unwrap_or(TimeUnit::SECOND);
        let mut times = times.map(|time| Value::from(unit.number_of(time)));
        let value = match self {
            Self::Offset => times.next()?,
            Self::Data => times.collect(),
        };
        axis.insert(self.member().to_owned(), value);
        Some(axes.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_axis_are_read() {
        let axes = parse(
            r#"{"time":{"kind":"linear","unit":"s","gain":0.001,"offset":5},
                "ch":{"kind":"coord","unit":"","data":["Cz",{"label":"Pz","x":0.5}]},"y":{"kind":"coord"}}"#,
        )
        .unwrap();
        assert_eq!(axes["time"], Axis::Linear { unit: "s".into(), gain: 0.001, offset: Some(5.0) });
        let Axis::Coord { data: Some(data), .. } = &axes["ch"] else { panic!("{axes:?}") };
        assert_eq!((data.len(), &data[0]), (2, &Value::from("Cz")));
        assert_eq!(axes["y"], Axis::Coord { unit: String::new(), data: None });
    }

    #[test]
    fn everything_else_is_refused_with_what_was_expected() {
        for text in [
            "",
            "axes",
            "[]",
            r#"{"a":1}"#,
            r#"{"a":{"kind":"log","gain":1}}"#,
            r#"{"a":{"kind":"linear"}}"#,
            r#"{"a":{"kind":"linear","gain":"1"}}"#,
            r#"{"a":{"kind":"coord","data":{}}}"#,
            r#"{"a":{"kind":"coord","unit":7}}"#,
        ] {
            let reason = parse(text).unwrap_err().to_string();
            assert!(reason.contains("axes") && reason.contains("linear"), "{reason}");
        }
    }

    #[test]
    fn what_belongs_to_one_message_is_taken_out_and_put_back() {
        let text = r#"{"time":{"kind":"linear","unit":"s","gain":0.5,"offset":2.5}}"#;
        let bare = Passing::Offset.strip(text, "time").unwrap();
        assert!(!bare.contains("offset"));
        let back = Passing::Offset.restore(&bare, "time", [2.5, 3.0].into_iter()).unwrap();
        assert_eq!(parse(&back).unwrap(), parse(text).unwrap());

        let text = r#"{"time":{"kind":"coord","unit":"s","data":[2.5,2.75]}}"#;
        let bare = Passing::Data.strip(text, "time").unwrap();
        let back = Passing::Data.restore(&bare, "time", [2.5, 2.75].into_iter()).unwrap();
        assert_eq!(parse(&back).unwrap(), parse(text).unwrap());
    }
}
