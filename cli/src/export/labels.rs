//! Names for the samples of a frame, and the labels along its dimensions.

use dora_shm_ring::{Axis, Description, Format};
use serde_json::Value;

/// The name of dimension `dim` of a frame, the buffered axis being 0.
pub fn dim(description: Option<&Description>, dim: usize) -> String {
    let named = description.and_then(|description| description.dims.get(dim));
    named.cloned().unwrap_or_else(|| if dim == 0 { "time".to_owned() } else { format!("dim_{dim}") })
}

/// The label at each index of a dimension, if it has labels.
pub fn along(description: Option<&Description>, name: &str, length: u64) -> Option<Vec<String>> {
    match description?.axes.get(name)? {
        Axis::Coord { data: Some(data), .. } if data.len() as u64 == length => Some(data.iter().map(label).collect()),
        _ => None,
    }
}

/// A label: a text, a number, or an object that has one.
fn label(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(members) => match members.get("label") {
            Some(Value::String(text)) => text.clone(),
            _ => value.to_string(),
        },
        other => other.to_string(),
    }
}

/// A name for each sample of a frame, in C order: labels if there are any, otherwise the dimension and the index,
/// joined by `/`. A frame of one sample without a name is called `value`.
pub fn of_samples(description: Option<&Description>, format: &Format) -> Vec<String> {
    let mut names = vec![String::new()];
    for (index, &length) in format.frame_shape().iter().enumerate() {
        let name = dim(description, index + 1);
        let labels = along(description, &name, length)
            .unwrap_or_else(|| (0..length).map(|index| format!("{name}[{index}]")).collect());
        let join = |before: &String, label: &String| {
            if before.is_empty() { label.clone() } else { format!("{before}/{label}") }
        };
        names = names.iter().flat_map(|before| labels.iter().map(move |label| join(before, label))).collect();
    }
    if format.frame_shape().is_empty() {
        let key = description.map(|description| description.key.clone()).filter(|key| !key.is_empty());
        names = vec![key.unwrap_or_else(|| "value".to_owned())];
    }
    names
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use dora_shm_ring::Dtype;
    use serde_json::json;

    use super::*;

    #[test]
    fn samples_are_named_by_their_labels_or_by_their_indices() {
        let format = |shape: &[u64]| Format::new(Dtype::U8, shape, 0.0, 8).unwrap();
        let data = Some(vec![json!("Fz"), json!({"label": "Cz", "x": 0.5})]);
        let axes = BTreeMap::from([("ch".to_owned(), Axis::Coord { unit: String::new(), data })]);
        let described =
            Description { dims: vec!["time".into(), "y".into(), "ch".into()], axes, ..Description::default() };
        assert_eq!(of_samples(Some(&described), &format(&[2, 2])), ["y[0]/Fz", "y[0]/Cz", "y[1]/Fz", "y[1]/Cz"]);
        assert_eq!(of_samples(Some(&described), &format(&[1, 3])), ["y[0]/ch[0]", "y[0]/ch[1]", "y[0]/ch[2]"]);
        assert_eq!(of_samples(None, &format(&[2])), ["dim_1[0]", "dim_1[1]"]);
        assert_eq!(of_samples(None, &format(&[])), ["value"]);
    }
}
