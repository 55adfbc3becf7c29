//! Channels of a stream: every sample of a frame, with its label and unit, and which of them are chosen.

use dora_shm_ring::{Attr, Axis, Description, Format};
use eyre::bail;
use serde_json::Value;

use super::range::short;

/// The names of a frame's samples.
#[derive(Clone, Debug, PartialEq)]
pub struct Channels {
    /// Labels along each dimension of the frame.
    labels: Vec<Vec<String>>,
    /// Name of the sample of a frame without dimensions.
    scalar: String,
    units: Units,
    count: usize,
}

#[derive(Clone, Debug, PartialEq)]
enum Units {
    Same(String),
    Each(Vec<String>),
}

/// Most labels that are kept of a dimension.
const MOST_LABELS: u64 = 1 << 16;

impl Channels {
    pub fn new(format: &Format, description: Option<&Description>) -> Self {
        let shape = format.frame_shape();
        let count = format.frame_samples() as usize;
        let labels = (0..shape.len()).map(|i| dimension_labels(shape[i], i, shape.len(), description)).collect();
        let key = description.map(|description| description.key.clone()).filter(|key| !key.is_empty());
        Self { labels, scalar: key.unwrap_or_else(|| "value".to_owned()), units: units(count, description), count }
    }

    pub fn count(&self) -> usize {
        self.count
    }

    /// The channel's labels along each dimension, the last one fastest: `Cz`, or `left.3` with two dimensions.
    pub fn label(&self, channel: usize) -> String {
        let mut rest = channel;
        let mut parts = Vec::with_capacity(self.labels.len());
        for labels in self.labels.iter().rev() {
            parts.push(labels.get(rest % labels.len().max(1)).cloned().unwrap_or_default());
            rest /= labels.len().max(1);
        }
        if parts.is_empty() {
            return self.scalar.clone();
        }
        parts.reverse();
        parts.join(".")
    }

    /// Unit of a channel's samples; empty if unknown.
    pub fn unit(&self, channel: usize) -> &str {
        match &self.units {
            Units::Same(unit) => unit,
            Units::Each(units) => units.get(channel).map_or("", String::as_str),
        }
    }

    /// The channels that a list such as `0-7,12,Cz` names, ascending: numbers from 0, ranges of numbers, labels. An
    /// empty list names all.
    ///
    /// # Errors
    /// A sentence with the word that is not a channel, and what was expected.
    pub fn choose(&self, list: &str) -> eyre::Result<Vec<usize>> {
        let mut chosen = Vec::new();
        for word in list.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            // Labels first: they may look like numbers.
            if let Some(channel) = self.labelled(word) {
                chosen.push(channel);
                continue;
            }
            let (first, last) = word.split_once('-').unwrap_or((word, word));
            let (Ok(first), Ok(last)) = (first.trim().parse::<usize>(), last.trim().parse::<usize>()) else {
                bail!(
                    "no channel is called {word:?}; expected labels ({}), numbers or ranges such as 0-7",
                    self.some()
                );
            };
            if first > last || last >= self.count {
                bail!("there is no channel {word:?}; expected numbers from 0 to {}", self.count - 1);
            }
            chosen.extend(first..=last);
        }
        chosen.sort_unstable();
        chosen.dedup();
        Ok(if chosen.is_empty() { (0..self.count).collect() } else { chosen })
    }

    fn labelled(&self, word: &str) -> Option<usize> {
        let mut alike = None;
        for channel in 0..self.count.min(MOST_LABELS as usize) {
            let label = self.label(channel);
            if label == word {
                return Some(channel);
            }
            if alike.is_none() && label.eq_ignore_ascii_case(word) {
                alike = Some(channel);
            }
        }
        alike
    }

    fn some(&self) -> String {
        let mut labels: Vec<String> = (0..self.count.min(3)).map(|channel| self.label(channel)).collect();
        if self.count > 3 {
            labels.push("...".to_owned());
        }
        labels.join(", ")
    }
}

/// Labels of dimension `i` of the frame, which has `rank`.
fn dimension_labels(length: u64, i: usize, rank: usize, description: Option<&Description>) -> Vec<String> {
    let length = length.min(MOST_LABELS) as usize;
    // The buffered axis comes first.
    let dim = description.and_then(|description| description.dims.get(i + 1));
    let axis = dim.and_then(|dim| description.and_then(|description| description.axes.get(dim)));
    let number = |index: usize| match dim {
        Some(dim) if rank == 1 => format!("{dim} {index}"),
        None if rank == 1 => format!("ch {index}"),
        _ => index.to_string(),
    };
    let with_unit = |value: f64, unit: &str| {
        if unit.is_empty() { short(value) } else { format!("{} {unit}", short(value)) }
    };
    (0..length)
        .map(|index| match axis {
            Some(Axis::Coord { unit, data: Some(data) }) => match data.get(index) {
                Some(Value::String(label)) => clean(label),
                Some(Value::Number(value)) => with_unit(value.as_f64().unwrap_or(f64::NAN), unit),
                Some(Value::Object(object)) => match object.get("label").or_else(|| object.get("name")) {
                    Some(Value::String(label)) => clean(label),
                    _ => number(index),
                },
                _ => number(index),
            },
            Some(Axis::Linear { unit, gain, offset }) if *gain != 0.0 && !(*gain == 1.0 && unit.is_empty()) => {
                with_unit(offset.unwrap_or(0.0) + gain * index as f64, unit)
            }
            _ => number(index),
        })
        .collect()
}

/// A writer's label without control characters, which could move a terminal's cursor.
fn clean(label: &str) -> String {
    label.chars().filter(|c| !c.is_control()).take(64).collect()
}

fn units(count: usize, description: Option<&Description>) -> Units {
    let attrs = description.map(|description| &description.attrs);
    let attr = attrs.and_then(|attrs| ["unit", "units"].iter().find_map(|name| attrs.get(*name)));
    match attr {
        Some(Attr::String(unit)) => Units::Same(clean(unit)),
        Some(Attr::ListString(units)) if units.len() == count => {
            let units: Vec<String> = units.iter().map(|unit| clean(unit)).collect();
            match units.first() {
                Some(first) if units.iter().all(|unit| unit == first) => Units::Same(first.clone()),
                _ => Units::Each(units),
            }
        }
        _ => units_of_labels(count, description).unwrap_or(Units::Same(String::new())),
    }
}

/// Units that the labels themselves contain: `{"label": "Cz", "unit": "uV"}`.
fn units_of_labels(count: usize, description: Option<&Description>) -> Option<Units> {
    let description = description?;
    let [_, dim] = &description.dims[..] else { return None };
    let Some(Axis::Coord { data: Some(data), .. }) = description.axes.get(dim) else { return None };
    let unit = |value: &Value| Some(clean(value.as_object()?.get("unit")?.as_str()?));
    let units: Vec<String> = data.iter().map(unit).collect::<Option<_>>()?;
    let first = units.first()?.clone();
    let same = units.iter().all(|unit| *unit == first);
    (units.len() == count).then_some(if same { Units::Same(first) } else { Units::Each(units) })
}

#[cfg(test)]
mod tests {
    use dora_shm_ring::Dtype;
    use serde_json::json;

    use super::*;

    fn channels(shape: &[u64], description: &Description) -> Channels {
        Channels::new(&Format::new(Dtype::F32, shape, 0.0, 8).unwrap(), Some(description))
    }

    fn labelled(data: Vec<Value>) -> Description {
        let mut description = Description { dims: vec!["time".into(), "ch".into()], ..Description::default() };
        description.axes.insert("ch".into(), Axis::Coord { unit: String::new(), data: Some(data) });
        description
    }

    fn all(channels: &Channels) -> Vec<String> {
        (0..channels.count()).map(|channel| channels.label(channel)).collect()
    }

    #[test]
    fn labels_are_those_of_the_axis_or_numbers() {
        assert_eq!(all(&channels(&[2], &labelled(vec![json!("Cz"), json!({"label": "Pz", "x": 0})]))), ["Cz", "Pz"]);
        assert_eq!(all(&channels(&[2], &labelled(vec![json!(1.5), json!({})]))), ["1.5", "ch 1"]);
        assert_eq!(all(&channels(&[2], &Description::default())), ["ch 0", "ch 1"]);
        assert_eq!(all(&channels(&[], &Description { key: "speed".into(), ..Description::default() })), ["speed"]);
        assert_eq!(all(&channels(&[2, 3], &Description::default())), ["0.0", "0.1", "0.2", "1.0", "1.1", "1.2"]);
        let mut linear = labelled(vec![]);
        linear.axes.insert("ch".into(), Axis::Linear { unit: "Hz".into(), gain: 0.5, offset: Some(10.0) });
        assert_eq!(all(&channels(&[2], &linear)), ["10 Hz", "10.5 Hz"]);
    }

    #[test]
    fn a_label_cannot_move_the_cursor() {
        assert_eq!(all(&channels(&[1], &labelled(vec![json!("\x1b[2JCz\n")]))), ["[2JCz"]);
    }

    #[test]
    fn units_come_from_the_attributes_or_the_labels() {
        let mut description = labelled(vec![json!({"label": "a", "unit": "V"}), json!({"label": "b", "unit": "A"})]);
        let found = channels(&[2], &description);
        assert_eq!((found.unit(0), found.unit(1)), ("V", "A"));
        description.attrs.insert("units".into(), Attr::ListString(vec!["mV".into(), "mV".into()]));
        assert_eq!(channels(&[2], &description).unit(1), "mV");
        description.attrs.insert("unit".into(), Attr::String("uV".into()));
        assert_eq!(channels(&[2], &description).unit(1), "uV");
        assert_eq!(channels(&[2], &Description::default()).unit(0), "");
    }

    #[test]
    fn channels_are_chosen_by_number_range_and_label() {
        let found = channels(&[4], &labelled(vec![json!("Fz"), json!("Cz"), json!("Pz"), json!("7")]));
        assert_eq!(found.choose("2-3, cz").unwrap(), [1, 2, 3]);
        assert_eq!(found.choose("7").unwrap(), [3], "a label that looks like a number");
        assert_eq!(found.choose("").unwrap(), [0, 1, 2, 3]);
        assert_eq!(
            found.choose("Oz").unwrap_err().to_string(),
            "no channel is called \"Oz\"; expected labels (Fz, Cz, Pz, ...), numbers or ranges such as 0-7"
        );
        assert_eq!(
            found.choose("3-9").unwrap_err().to_string(),
            "there is no channel \"3-9\"; expected numbers from 0 to 3"
        );
        assert!(found.choose("3-1").is_err());
    }
}
