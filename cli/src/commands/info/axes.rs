//! Axes and attributes of a description, for people.

use dora_shm_ring::{Attr, Axis};
use serde_json::Value;

use crate::text::printable;

/// The coordinates of an axis.
pub fn axis(axis: &Axis) -> String {
    match axis {
        Axis::Linear { unit, gain, offset } => {
            let from = offset.map(|offset| format!(" from {}", with_unit(offset, unit))).unwrap_or_default();
            format!("steps of {}{from}", with_unit(*gain, unit))
        }
        Axis::Coord { unit, data: None } if unit.is_empty() => "a coordinate with each frame".to_owned(),
        Axis::Coord { unit, data: None } => format!("a coordinate with each frame, in {}", printable(unit)),
        Axis::Coord { unit, data: Some(data) } => {
            let labels: Vec<String> = data.iter().map(label).collect();
            let of = if unit.is_empty() { String::new() } else { format!(" ({})", printable(unit)) };
            format!("{}{of}", labels.join(", "))
        }
    }
}

/// A label, or a coordinate without one.
pub fn label(value: &Value) -> String {
    match value {
        Value::String(label) => printable(label),
        Value::Object(members) => match members.get("label") {
            Some(Value::String(label)) => {
                let others: Vec<String> = members
                    .iter()
                    .filter(|(name, _)| *name != "label")
                    .map(|(name, value)| format!("{} {}", printable(name), label_of(value)))
                    .collect();
                let others = if others.is_empty() { String::new() } else { format!(" ({})", others.join(" ")) };
                format!("{}{others}", printable(label))
            }
            _ => printable(&value.to_string()),
        },
        other => printable(&other.to_string()),
    }
}

fn label_of(value: &Value) -> String {
    match value {
        Value::String(text) => printable(text),
        other => printable(&other.to_string()),
    }
}

/// The value of an attribute.
pub fn attr(attr: &Attr) -> String {
    let list = |items: Vec<String>| format!("[{}]", items.join(", "));
    match attr {
        Attr::Bool(value) => value.to_string(),
        Attr::Integer(value) => value.to_string(),
        Attr::Float(value) => number(*value),
        Attr::String(text) => printable(text),
        Attr::ListInt(values) => list(values.iter().map(i64::to_string).collect()),
        Attr::ListFloat(values) => list(values.iter().copied().map(number).collect()),
        Attr::ListString(values) => list(values.iter().map(|text| printable(text)).collect()),
        Attr::Timestamp(ns) => time(*ns),
    }
}

fn with_unit(value: f64, unit: &str) -> String {
    if unit.is_empty() { number(value) } else { format!("{} {}", number(value), printable(unit)) }
}

/// A number with all its digits; with an exponent if it is below 0.001, or 10^9 and more.
fn number(value: f64) -> String {
    let plain = value == 0.0 || !value.is_finite() || (1e-3..1e9).contains(&value.abs());
    if plain { value.to_string() } else { format!("{value:e}") }
}

/// A point in time, in UTC.
pub fn time(unix_ns: i64) -> String {
    chrono::DateTime::from_timestamp_nanos(unix_ns).format("%Y-%m-%d %H:%M:%S%.3f UTC").to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn axes_are_printed_with_their_units_and_all_their_labels() {
        let linear = Axis::Linear { unit: "s".into(), gain: 0.001, offset: None };
        assert_eq!(axis(&linear), "steps of 0.001 s");
        let linear = Axis::Linear { unit: String::new(), gain: 3e-5, offset: Some(2.5) };
        assert_eq!(axis(&linear), "steps of 3e-5 from 2.5");
        let labels =
            Axis::Coord { unit: String::new(), data: Some(vec![json!("Fp1"), json!({"label": "Cz", "x": 0.5})]) };
        assert_eq!(axis(&labels), "Fp1, Cz (x 0.5)");
        let numbers = Axis::Coord { unit: "Hz".into(), data: Some(vec![json!(1), json!(2.5)]) };
        assert_eq!(axis(&numbers), "1, 2.5 (Hz)");
        assert_eq!(axis(&Axis::Coord { unit: "s".into(), data: None }), "a coordinate with each frame, in s");
    }

    #[test]
    fn attributes_are_printed_by_their_types() {
        assert_eq!(attr(&Attr::Float(1e-7)), "1e-7");
        assert_eq!(attr(&Attr::Float(f64::NAN)), "NaN");
        assert_eq!(attr(&Attr::ListFloat(vec![1.0, 2.5])), "[1, 2.5]");
        assert_eq!(attr(&Attr::String("a\nb".into())), "a\\nb");
        assert_eq!(attr(&Attr::Timestamp(1_700_000_000_123_000_000)), "2023-11-14 22:13:20.123 UTC");
        assert_eq!(attr(&Attr::Timestamp(i64::MIN)), time(i64::MIN));
    }
}
