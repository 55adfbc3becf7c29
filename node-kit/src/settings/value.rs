//! Values of settings: YAML, or text that holds YAML (what an environment variable is).

use std::time::Duration;

use serde_yaml::Value;

use super::error::{Result, SettingsError};

/// The value of a key, and the error for a value that does not fit.
pub(super) struct Setting<'a> {
    pub key: &'a str,
    pub value: &'a Value,
}

impl Setting<'_> {
    pub fn bad(&self, expected: impl Into<String>) -> SettingsError {
        let found = match self.value {
            Value::String(text) => format!("{text:?}"),
            other => serde_yaml::to_string(other).map_or_else(|_| "something else".into(), |yaml| inline(&yaml)),
        };
        SettingsError::BadValue { key: self.key.to_owned(), expected: expected.into(), found }
    }

    /// The value as it was written. Numbers and booleans of YAML become their text.
    pub fn verbatim(&self, expected: &str) -> Result<String> {
        match self.value {
            Value::String(text) => Ok(text.clone()),
            Value::Number(number) => Ok(number.to_string()),
            Value::Bool(bool) => Ok(bool.to_string()),
            _ => Err(self.bad(expected)),
        }
    }

    pub fn nonempty(&self, expected: &str) -> Result<String> {
        let text = self.verbatim(expected)?;
        if text.trim().is_empty() { Err(self.bad(expected)) } else { Ok(text) }
    }

    /// The name of a stream.
    pub fn stream_name(&self) -> Result<String> {
        let name = self.verbatim("a name")?;
        dora_shm_ring::check_name(&name).map_err(|error| self.bad(format!("a stream's name ({error})")))?;
        Ok(name)
    }

    /// `a.b` or `a.b,c`: taken as written, except for blanks around a path.
    pub fn paths(&self, expected: &str) -> Result<Vec<String>> {
        let text = self.verbatim(expected)?;
        let paths: Vec<String> = text.split(',').map(|path| path.trim().to_owned()).collect();
        let has_gap = |path: &String| path.split('.').any(str::is_empty);
        if paths.iter().any(has_gap) { Err(self.bad(expected)) } else { Ok(paths) }
    }

    /// A finite number for which `fits` holds.
    pub fn float(&self, expected: &str, fits: impl Fn(f64) -> bool) -> Result<f64> {
        let number = self.parsed().as_f64().filter(|number| number.is_finite() && fits(*number));
        number.ok_or_else(|| self.bad(expected))
    }

    /// A whole number in `1..=largest`.
    pub fn count(&self, expected: &str, largest: u64) -> Result<u64> {
        let count = whole(&self.parsed()).filter(|count| (1..=largest).contains(count));
        count.ok_or_else(|| self.bad(expected))
    }

    /// `[480, 640, 3]`, `480,640,3`, or one number: whole numbers, each at least 1. `[]` and an empty text have none.
    pub fn sizes(&self, expected: &str, longest: usize) -> Result<Vec<u64>> {
        let items = self.items().filter(|items| items.len() <= longest);
        let sizes = items.and_then(|items| items.iter().map(whole).collect::<Option<Vec<_>>>());
        sizes.filter(|sizes| sizes.iter().all(|&size| size >= 1)).ok_or_else(|| self.bad(expected))
    }

    /// `[time, ch]` or `time,ch`: names, none of them twice or empty.
    pub fn names(&self, expected: &str) -> Result<Vec<String>> {
        let items = self.items().filter(|items| !items.is_empty());
        let names = items
            .and_then(|items| items.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>());
        let distinct = |names: &Vec<String>| names.iter().enumerate().all(|(i, name)| !names[..i].contains(name));
        names
            .filter(|names| names.iter().all(|name| !name.trim().is_empty()) && distinct(names))
            .ok_or_else(|| self.bad(expected))
    }

    /// `true` or `false`.
    pub fn flag(&self) -> Result<bool> {
        self.parsed().as_bool().ok_or_else(|| self.bad("true or false"))
    }

    /// One of a few words, by position in `words`.
    pub fn word<T: Copy>(&self, words: &[(&str, T)]) -> Result<T> {
        let text = self.parsed();
        words.iter().find(|(word, _)| text.as_str() == Some(word)).map(|&(_, meaning)| meaning).ok_or_else(|| {
            let words: Vec<_> = words.iter().map(|&(word, _)| word).collect();
            self.bad(format!("one of {}", words.join(", ")))
        })
    }

    /// The value with text read as YAML. Text that is not YAML stays text.
    pub fn parsed(&self) -> Value {
        parse(self.value)
    }

    fn items(&self) -> Option<Vec<Value>> {
        match self.parsed() {
            Value::Null if self.value.as_str().is_some_and(|text| text.trim().is_empty()) => Some(Vec::new()),
            Value::Sequence(items) => Some(items.iter().map(parse).collect()),
            Value::String(text) => Some(text.split(',').map(|item| parse(&Value::String(item.to_owned()))).collect()),
            Value::Number(number) => Some(vec![Value::Number(number)]),
            _ => None,
        }
    }
}

fn parse(value: &Value) -> Value {
    match value {
        Value::String(text) => match serde_yaml::from_str(text.trim()) {
            Ok(parsed) => parsed,
            Err(_) => Value::String(text.trim().to_owned()),
        },
        other => other.clone(),
    }
}

/// A whole number, even if written as `2.0`.
fn whole(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| {
        let number = value.as_f64()?;
        // 2^53: up to there every whole f64 is exact.
        (number.fract() == 0.0 && (0.0..9_007_199_254_740_992.0).contains(&number)).then_some(number as u64)
    })
}

fn inline(yaml: &str) -> String {
    let lines: Vec<_> = yaml.trim_end().lines().map(str::trim).collect();
    lines.join(" ")
}

/// A time span such as `20ms`, `1.5s`, `250us` or `2min`; at least a nanosecond, at most a day.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let unit_at = text.find(|c: char| c.is_ascii_alphabetic() || c == 'µ')?;
    let (number, unit) = text.split_at(unit_at);
    let seconds_per_unit = match unit {
        "ns" => 1e-9,
        "us" | "µs" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "min" => 60.0,
        _ => return None,
    };
    let seconds = number.trim().parse::<f64>().ok()? * seconds_per_unit;
    (1e-9..=86_400.0).contains(&seconds).then(|| Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::String(text.to_owned())
    }

    fn yaml(text: &str) -> Value {
        serde_yaml::from_str(text).unwrap()
    }

    fn setting(value: &Value) -> Setting<'_> {
        Setting { key: "K", value }
    }

    #[test]
    fn lists_of_sizes_are_read_in_every_notation() {
        for (value, expected) in [
            (text("[480, 640, 3]"), Some(vec![480, 640, 3])),
            (text("480,640,3"), Some(vec![480, 640, 3])),
            (text(" 480 , 640 "), Some(vec![480, 640])),
            (text("64"), Some(vec![64])),
            (text("[]"), Some(vec![])),
            (yaml("[480, 640]"), Some(vec![480, 640])),
            (yaml("7"), Some(vec![7])),
            (yaml("[]"), Some(vec![])),
            (text(""), Some(vec![])),
            (text(" "), Some(vec![])),
            (text("null"), None),
            (text("~"), None),
            (Value::Null, None),
            (text("480,,3"), None),
            (text("0,3"), None),
            (text("-1"), None),
            (text("1.5"), None),
            (text("a,b"), None),
            (text("{a: 1}"), None),
            (text("1,2,3,4,5"), None),
        ] {
            assert_eq!(setting(&value).sizes("sizes", 4).ok(), expected, "{value:?}");
        }
    }

    #[test]
    fn names_must_be_distinct_words() {
        for (value, expected) in [
            (text("time,ch"), Some(vec!["time", "ch"])),
            (text("[time, y, x]"), Some(vec!["time", "y", "x"])),
            (text("time"), Some(vec!["time"])),
            (yaml("[time, ch]"), Some(vec!["time", "ch"])),
            (text("time,time"), None),
            (text("time,"), None),
            (text("[]"), None),
            (text(""), None),
            (text("1,2"), None),
        ] {
            let expected = expected.map(|names| names.into_iter().map(str::to_owned).collect::<Vec<_>>());
            assert_eq!(setting(&value).names("names").ok(), expected, "{value:?}");
        }
    }

    #[test]
    fn numbers_are_finite_and_in_range() {
        let positive = |number: f64| number > 0.0;
        for (value, expected) in [
            (text("2"), Some(2.0)),
            (text(" 0.5 "), Some(0.5)),
            (text("1e3"), Some(1000.0)),
            (yaml("2.5"), Some(2.5)),
            (text("0"), None),
            (text("-1"), None),
            (text(".inf"), None),
            (text(".nan"), None),
            (text("two"), None),
            (text("2s"), None),
            (text(""), None),
            (text("true"), None),
        ] {
            assert_eq!(setting(&value).float("seconds", positive).ok(), expected, "{value:?}");
        }
        for (value, expected) in [
            (text("1"), Some(1)),
            (text("10"), Some(10)),
            (text("2.0"), Some(2)),
            (text("0"), None),
            (text("11"), None),
            (text("1.5"), None),
            (text("-3"), None),
        ] {
            assert_eq!(setting(&value).count("frames", 10).ok(), expected, "{value:?}");
        }
    }

    #[test]
    fn a_bad_value_is_shown_with_what_was_expected() {
        let value = text("two");
        let error = setting(&value).float("seconds, more than 0", |_| true).unwrap_err();
        assert_eq!(error.to_string(), "setting K: expected seconds, more than 0, found \"two\"");
        let value = yaml("[1, two]");
        let error = setting(&value).word(&[("message", ()), ("rows", ())]).unwrap_err();
        assert_eq!(error.to_string(), "setting K: expected one of message, rows, found - 1 - two");
    }

    #[test]
    fn durations_need_a_unit() {
        for (written, expected) in [
            ("20ms", Some(Duration::from_millis(20))),
            ("1.5 s", Some(Duration::from_millis(1500))),
            ("250us", Some(Duration::from_micros(250))),
            ("250µs", Some(Duration::from_micros(250))),
            ("2min", Some(Duration::from_secs(120))),
            ("20", None),
            ("0ms", None),
            ("-1s", None),
            ("ms", None),
            ("1h", None),
            ("nan s", None),
            ("1e9s", None),
        ] {
            assert_eq!(duration(written), expected, "{written}");
        }
    }
}
