//! The values of metadata parameters, which may arrive as strings.

use dora_node_api::{Metadata, MetadataParameters, Parameter};
use dora_shm_ring::{Clock, ClockId, Dtype};

use crate::params::keys::{
    self, AXIS_OFFSET, CHANNELS, CLOCK, CLOCK_ID, DIMS, DTYPE, ENCODING, HEIGHT, SAMPLE_RATE, SEQUENCE, SHAPE,
    STREAM_DIM, WIDTH,
};
use crate::refusal::Reason;
use crate::settings::MessageSettings;

/// Send time of a message, in nanoseconds since the Unix epoch.
pub fn send_ns(metadata: &Metadata) -> i64 {
    let since_epoch = metadata.timestamp().get_time().to_duration();
    i64::try_from(since_epoch.as_nanos()).unwrap_or(i64::MAX)
}

/// What the parameters state about the shape and the dims of a message.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Hints {
    pub shape: Option<Vec<u64>>,
    pub dims: Option<Vec<String>>,
    pub stream_dim: Option<String>,
    /// Hz; 0: irregular or unknown.
    pub sample_rate_hz: Option<f64>,
    pub channels: Option<u64>,
    pub width: Option<u64>,
    pub height: Option<u64>,
    pub encoding: Option<String>,
}

impl Hints {
    /// # Errors
    /// [`Reason::Parameter`] for a value that cannot be understood, unless a setting replaces it. `width`, `height` and
    /// `encoding` are never an error, because they may describe another array; `channels` is checked by
    /// [`Hints::check_channels`].
    pub(crate) fn read(parameters: &MetadataParameters, settings: &MessageSettings) -> Result<Self, Reason> {
        let count = |key| parameters.get(key).and_then(integer).and_then(|n| u64::try_from(n).ok()).filter(|&n| n > 0);
        let rate = |value: &Parameter| float(value).filter(|rate| rate.is_finite() && *rate >= 0.0);
        Ok(Self {
            shape: replaced(
                settings.shape.is_some(),
                read(parameters, SHAPE, "a list of integers, each 0 or more", shape),
            )?,
            dims: replaced(settings.dims.is_some(), read(parameters, DIMS, "a list of names", strings))?,
            stream_dim: replaced(settings.axis.is_some(), read(parameters, STREAM_DIM, "the name of a dim", string))?,
            sample_rate_hz: replaced(
                settings.sample_rate_hz.is_some(),
                read(parameters, SAMPLE_RATE, "a number of Hz, finite and 0 or more", rate),
            )?,
            channels: count(CHANNELS),
            width: count(WIDTH),
            height: count(HEIGHT),
            encoding: parameters.get(ENCODING).and_then(string),
        })
    }

    /// To be called if the shape may depend on `channels`. A list is an attribute: the channels' names.
    ///
    /// # Errors
    /// [`Reason::Parameter`] if it is not a number of channels.
    pub(crate) fn check_channels(&self, parameters: &MetadataParameters) -> Result<(), Reason> {
        match parameters.get(CHANNELS).filter(|value| !keys::is_list(value)) {
            Some(value) if self.channels.is_none() => Err(unreadable(CHANNELS, value, "a whole number, 1 or more")),
            _ => Ok(()),
        }
    }
}

/// The parameter `dtype`, for bytes. For numbers it is an attribute like any other: the array has their type, and a
/// source that sends `dtype` means the array that this one was made from.
pub(crate) fn dtype(parameters: &MetadataParameters) -> Result<Option<Dtype>, Reason> {
    read(parameters, DTYPE, "a numpy name such as float32", |value| string(value)?.parse().ok())
}

/// The parameter `axis_offset`.
pub(crate) fn axis_offset(parameters: &MetadataParameters) -> Result<Option<f64>, Reason> {
    read(parameters, AXIS_OFFSET, "a finite number", |value| float(value).filter(|offset| offset.is_finite()))
}

/// The parameter `clock`. `None`: it is absent, or an attribute like any other. `monotonic` counts only beside the
/// `clock_id` of `ours`, this machine's monotonic clock.
pub(crate) fn clock(parameters: &MetadataParameters, ours: ClockId) -> Option<Clock> {
    let Some(Parameter::String(name)) = parameters.get(CLOCK) else { return None };
    let clock: Clock = name.parse().ok()?;
    let is_ours = || match parameters.get(CLOCK_ID) {
        Some(Parameter::String(id)) => ours.is_known() && id.parse::<ClockId>().is_ok_and(|id| id == ours),
        _ => false,
    };
    (clock != Clock::Monotonic || is_ours()).then_some(clock)
}

/// The parameter `sequence`, if it is a number.
pub(crate) fn sequence(parameters: &MetadataParameters) -> Option<i64> {
    parameters.get(SEQUENCE).and_then(integer)
}

/// The reason for refusing a parameter that cannot be understood.
pub(crate) fn unreadable(key: &str, value: &Parameter, expected: &str) -> Reason {
    const LONGEST: usize = 60;
    let mut found = format!("{value:?}");
    if let Some((end, _)) = found.char_indices().nth(LONGEST) {
        found.truncate(end);
        found.push_str("...");
    }
    Reason::Parameter { key: key.to_owned(), found, expected: expected.to_owned() }
}

fn read<T>(
    parameters: &MetadataParameters,
    key: &str,
    expected: &str,
    read: impl FnOnce(&Parameter) -> Option<T>,
) -> Result<Option<T>, Reason> {
    let Some(value) = parameters.get(key) else { return Ok(None) };
    read(value).map(Some).ok_or_else(|| unreadable(key, value, expected))
}

/// What was read; `None` instead of an error if a setting `is_set` that replaces the parameter.
fn replaced<T>(is_set: bool, read: Result<Option<T>, Reason>) -> Result<Option<T>, Reason> {
    if is_set { Ok(read.unwrap_or(None)) } else { read }
}

pub(crate) fn integer(value: &Parameter) -> Option<i64> {
    match value {
        Parameter::Integer(value) => Some(*value),
        Parameter::Float(value) => whole(*value),
        Parameter::String(text) => {
            let text = text.trim();
            text.parse().ok().or_else(|| whole(text.parse().ok()?))
        }
        _ => None,
    }
}

/// `value`, if it is a whole number that a double represents exactly.
pub(crate) fn whole(value: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    (value.fract() == 0.0 && value.abs() <= EXACT).then_some(value as i64)
}

pub(crate) fn float(value: &Parameter) -> Option<f64> {
    match value {
        Parameter::Integer(value) => Some(*value as f64),
        Parameter::Float(value) => Some(*value),
        Parameter::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

pub(crate) fn string(value: &Parameter) -> Option<String> {
    match value {
        Parameter::String(text) => Some(text.clone()),
        _ => None,
    }
}

/// The parameter `key`: a text, or the digits of a number.
pub(crate) fn name(value: &Parameter) -> Option<String> {
    match value {
        Parameter::Integer(value) => Some(value.to_string()),
        _ => string(value),
    }
}

pub(crate) fn shape(value: &Parameter) -> Option<Vec<u64>> {
    let integers = match value {
        Parameter::ListInt(values) => values.clone(),
        Parameter::ListFloat(values) => values.iter().map(|value| whole(*value)).collect::<Option<_>>()?,
        Parameter::ListString(values) => values.iter().map(|text| text.trim().parse().ok()).collect::<Option<_>>()?,
        Parameter::String(text) => items(text).map(|item| item.parse().ok()).collect::<Option<_>>()?,
        Parameter::Integer(value) => vec![*value],
        _ => return None,
    };
    integers.into_iter().map(|n| u64::try_from(n).ok()).collect()
}

fn strings(value: &Parameter) -> Option<Vec<String>> {
    match value {
        Parameter::ListString(names) => Some(names.clone()),
        Parameter::String(text) => Some(items(text).map(str::to_owned).collect()),
        // Python does not give the type of an empty list.
        Parameter::ListInt(values) if values.is_empty() => Some(Vec::new()),
        Parameter::ListFloat(values) if values.is_empty() => Some(Vec::new()),
        _ => None,
    }
}

/// The items of a list in a text: `[a, b]`, `(a, b)` or `a, b`.
fn items(text: &str) -> impl Iterator<Item = &str> {
    text.trim()
        .trim_start_matches(['[', '('])
        .trim_end_matches([']', ')'])
        .split(',')
        .map(|item| item.trim().trim_matches(['\'', '"']))
        .filter(|item| !item.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(key: &str, value: Parameter) -> MetadataParameters {
        MetadataParameters::from([(key.to_owned(), value)])
    }

    fn hints(parameters: &MetadataParameters) -> Result<Hints, Reason> {
        Hints::read(parameters, &MessageSettings::default())
    }

    fn text(text: &str) -> Parameter {
        Parameter::String(text.to_owned())
    }

    #[test]
    fn numbers_that_arrive_as_strings_are_read() {
        assert_eq!(hints(&parameters(WIDTH, text("7"))).unwrap().width, Some(7));
        assert_eq!(hints(&parameters(WIDTH, text("7.0"))).unwrap().width, Some(7));
        assert_eq!(hints(&parameters(SAMPLE_RATE, text(" 1e3 "))).unwrap().sample_rate_hz, Some(1000.0));
        assert_eq!(axis_offset(&parameters(AXIS_OFFSET, text("-0.5"))).unwrap(), Some(-0.5));
        assert_eq!(sequence(&parameters(SEQUENCE, text("12"))), Some(12));
        for shape in [text("[2, 3]"), text("(2, 3)"), text("2,3"), Parameter::ListString(vec!["2".into(), "3".into()])]
        {
            assert_eq!(hints(&parameters(SHAPE, shape)).unwrap().shape, Some(vec![2, 3]));
        }
        let dims = hints(&parameters(DIMS, text("['time', 'ch']"))).unwrap().dims;
        assert_eq!(dims, Some(vec!["time".to_owned(), "ch".to_owned()]));
    }

    #[test]
    fn a_value_that_cannot_be_read_is_refused_by_name() {
        for (key, value, found) in [
            (SHAPE, text("circle"), "circle"),
            (SHAPE, Parameter::ListInt(vec![-1]), "-1"),
            (DIMS, Parameter::Integer(2), "Integer(2)"),
            (SAMPLE_RATE, text("fast"), "fast"),
            (SAMPLE_RATE, Parameter::Float(f64::NAN), "NaN"),
            (SAMPLE_RATE, Parameter::Integer(-1), "-1"),
            (STREAM_DIM, Parameter::Integer(0), "Integer(0)"),
        ] {
            let reason = hints(&parameters(key, value)).unwrap_err().to_string();
            assert!(reason.contains(key) && reason.contains(found), "{reason}");
        }
        assert!(dtype(&parameters(DTYPE, text("complex64"))).unwrap_err().to_string().contains("DTYPE"));
        let long = dtype(&parameters(DTYPE, text(&"é".repeat(1000)))).unwrap_err().to_string();
        assert!(long.len() < 400, "{long}");
    }

    #[test]
    fn parameters_that_may_describe_another_array_are_never_refused() {
        for value in [text("wide"), Parameter::Bool(true), Parameter::Integer(-3), Parameter::Integer(0)] {
            assert_eq!(hints(&parameters(WIDTH, value)).unwrap().width, None);
        }
        assert_eq!(hints(&parameters(ENCODING, Parameter::Integer(3))).unwrap().encoding, None);
    }

    #[test]
    fn a_clock_is_unix_or_the_source_s_or_the_monotonic_clock_of_this_machine() {
        let ours = ClockId([7; 16]);
        let sent = |name: &str, id: Option<ClockId>| {
            let mut sent = parameters(CLOCK, text(name));
            sent.extend(id.map(|id| (CLOCK_ID.to_owned(), text(&id.to_string()))));
            sent
        };
        for (sent, expected) in [
            (sent("unix", None), Some(Clock::Unix)),
            (sent("source", Some(ours)), Some(Clock::Source)),
            (sent("monotonic", Some(ours)), Some(Clock::Monotonic)),
            (sent("monotonic", Some(ClockId([8; 16]))), None),
            (sent("monotonic", None), None),
            (sent("TAI", Some(ours)), None),
            (sent("Unix", None), None),
            (parameters(CLOCK, Parameter::Integer(1)), None),
            (MetadataParameters::default(), None),
        ] {
            assert_eq!(clock(&sent, ours), expected, "{sent:?}");
        }
        assert_eq!(clock(&sent("monotonic", Some(ClockId::UNKNOWN)), ClockId::UNKNOWN), None);
    }
}
