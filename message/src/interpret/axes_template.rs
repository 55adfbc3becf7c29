//! The parameter `axes` of messages that differ only in where their frames are.

use serde::de::IgnoredAny;
use serde_json::Value;

use crate::describe::source_axes::Placed;
use crate::params::axes::Passing;
use crate::params::time_unit::TimeUnit;

/// The text of `axes` around the offset or the coordinates of the buffered axis.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AxesTemplate {
    before: String,
    after: String,
    passing: Passing,
    unit: TimeUnit,
}

impl AxesTemplate {
    /// The template of `text`, which has `passing` of the axis `dim` in the unit `unit`.
    pub(crate) fn new(text: &str, dim: &str, passing: Passing, unit: TimeUnit) -> Option<Self> {
        let mut expected: Value = serde_json::from_str(text).ok()?;
        let value = expected.get_mut(dim)?.get_mut(passing.member())?;
        // Any other value works here: only with it in the right place does the text mean `expected`.
        let other = match passing {
            Passing::Offset if value.as_f64() == Some(0.0) => "1",
            Passing::Offset => "0",
            Passing::Data => "[]",
        };
        *value = serde_json::from_str(other).ok()?;
        let member = format!("\"{}\"", passing.member());
        text.match_indices(&member).find_map(|(start, _)| {
            let rest = text[start + member.len()..].trim_start().strip_prefix(':')?.trim_start();
            let length = match passing {
                Passing::Offset => rest.find(|c: char| !matches!(c, '0'..='9' | '.' | '+' | '-' | 'e' | 'E')),
                Passing::Data => rest.find(']').map(|end| end + 1),
            };
            let (before, after) = (&text[..text.len() - rest.len()], &rest[length?..]);
            let is_right = serde_json::from_str::<Value>(&format!("{before}{other}{after}")).ok()? == expected;
            is_right.then(|| Self { before: before.to_owned(), after: after.to_owned(), passing, unit })
        })
    }

    /// Reads into `placed` where a text of this template places the frames. Returns false if the text does not fit the
    /// template. Allocates nothing once `placed` has room for as many coordinates.
    pub(crate) fn read(&self, text: &str, placed: &mut Placed) -> bool {
        let Some(value) = text.strip_prefix(&*self.before).and_then(|rest| rest.strip_suffix(&*self.after)) else {
            return false;
        };
        let number =
            |text: &str| number(text).map(|value| self.unit.to_seconds(value)).filter(|value| value.is_finite());
        match (self.passing, placed) {
            (Passing::Offset, placed) => number(value).is_some_and(|offset| {
                *placed = Placed::From(offset);
                true
            }),
            (Passing::Data, Placed::At(coordinates)) => {
                let Some(items) = value.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) else { return false };
                coordinates.clear();
                items.split(',').all(|item| {
                    coordinates.extend(number(item));
                    number(item).is_some()
                })
            }
            (Passing::Data, _) => false,
        }
    }
}

/// A number as JSON writes it.
fn number(text: &str) -> Option<f64> {
    let text = text.trim_matches([' ', '\t', '\n', '\r']);
    let is_number =
        text.starts_with(|c: char| c == '-' || c.is_ascii_digit()) && serde_json::from_str::<IgnoredAny>(text).is_ok();
    text.parse().ok().filter(|number: &f64| is_number && number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_offset_is_read_and_any_other_difference_is_rejected() {
        let text = |offset: &str| {
            format!(
                r#"{{"ch":{{"kind":"linear","offset":7,"gain":1,"unit":"\"offset\":7"}},"time" : {{"kind":"linear","offset" : {offset} ,"gain":0.5}}}}"#
            )
        };
        let template = AxesTemplate::new(&text("7"), "time", Passing::Offset, TimeUnit::SECOND).unwrap();
        let mut placed = Placed::Nowhere;
        for (written, value) in [("7", 7.0), ("-0.25", -0.25), ("1e3", 1000.0), ("0", 0.0)] {
            assert!(template.read(&text(written), &mut placed), "{written}");
            assert_eq!(placed, Placed::From(value));
        }
        for wrong in ["", "x", "+1", "1.", ".5", "01", "1e999", "NaN", "null", "1,\"gain\":2", "\"7\"", "[7]"] {
            assert!(!template.read(&text(wrong), &mut placed), "{wrong}");
        }
        assert!(!template.read(&text("7").replace("0.5", "0.25"), &mut placed));
        assert!(!template.read("", &mut placed));
    }

    #[test]
    fn coordinates_are_read_as_one_number_per_frame() {
        let text =
            |data: &str| format!(r#"{{"time":{{"kind":"coord","unit":"s","data":{data}}},"ch":{{"kind":"coord"}}}}"#);
        let template = AxesTemplate::new(&text("[1, 2.5]"), "time", Passing::Data, TimeUnit::SECOND).unwrap();
        let mut placed = Placed::At(Vec::new());
        assert!(template.read(&text("[ 3,-4.5 ,1e2]"), &mut placed));
        assert_eq!(placed, Placed::At(vec![3.0, -4.5, 100.0]));
        for wrong in ["[]", "[1,]", "[\"a\"]", "[[1]]", "1", "[1,null]", "[1],\"data\":[2]"] {
            assert!(!template.read(&text(wrong), &mut placed), "{wrong}");
        }
    }
}
