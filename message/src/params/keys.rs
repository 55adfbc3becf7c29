//! The names of the parameters that a sink or a mirror interprets, and what a sink does with each.

use dora_node_api::Parameter;

pub(crate) const SHAPE: &str = "shape";
pub(crate) const DIMS: &str = "dims";
pub(crate) const DTYPE: &str = "dtype";
pub(crate) const SAMPLE_RATE: &str = "sample_rate";
pub(crate) const AXIS_OFFSET: &str = "axis_offset";
pub(crate) const AXIS_VALUES: &str = "axis_values";
pub(crate) const STREAM_DIM: &str = "stream_dim";
pub(crate) const AXES: &str = "axes";
pub(crate) const KEY: &str = "key";
pub(crate) const SEQUENCE: &str = "sequence";
pub(crate) const CHANNELS: &str = "channels";
pub(crate) const WIDTH: &str = "width";
pub(crate) const HEIGHT: &str = "height";
pub(crate) const ENCODING: &str = "encoding";
pub(crate) const SOURCE_TIMESTAMP: &str = "source_timestamp";
pub(crate) const GENERATION: &str = "generation";
pub(crate) const POSITION: &str = "position";
pub(crate) const LOST: &str = "lost";
pub(crate) const SOURCE_TIME: &str = "source_time";
pub(crate) const CLOCK: &str = "clock";
pub(crate) const CLOCK_ID: &str = "clock_id";
pub(crate) const TIMESTAMP: &str = "timestamp";

/// The attribute by which a sink describes what the samples of a picture are. Sources cannot send it, since names that
/// begin with `_` belong to dora. Mirrors do not send it.
pub(crate) const PICTURE: &str = dora_shm_ring::internal::picture::ATTRIBUTE;

/// What a parameter is to a sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Belongs to one message or to dora, or is one that mirrors add. It is never described.
    Passing,
    /// Defines what the message means. The description has a separate member for it.
    Meaning,
    /// Something else that the source states about its signal.
    Attr,
}

pub(crate) fn role(key: &str, value: &Parameter) -> Role {
    match key {
        _ if key.starts_with('_') => Role::Passing,
        "request_id"
        | "goal_id"
        | "goal_status"
        | "session_id"
        | "segment_id"
        | "seq"
        | "fin"
        | "flush"
        | "open_telemetry_context" => Role::Passing,
        AXIS_OFFSET | AXIS_VALUES | SEQUENCE | SOURCE_TIMESTAMP | GENERATION | POSITION | LOST => Role::Passing,
        SOURCE_TIME if matches!(value, Parameter::Float(_)) => Role::Passing,
        // A change of the clock is noticed by itself, and a mirror sends the clock of the ring. `monotonic` counts only
        // beside the right `clock_id`: `History::attrs` takes out the two if it does.
        CLOCK if is_clock_of_any_machine(value) => Role::Passing,
        TIMESTAMP if !matches!(value, Parameter::Timestamp(_)) => Role::Passing,
        SHAPE | DIMS | DTYPE | SAMPLE_RATE | STREAM_DIM => Role::Meaning,
        // Other nodes may use these two words for something else: a gamepad's axes are a list.
        AXES if !is_list(value) => Role::Meaning,
        KEY if matches!(value, Parameter::String(_) | Parameter::Integer(_)) => Role::Meaning,
        _ => match value {
            Parameter::Timestamp(time) if time.timestamp_nanos_opt().is_none() => Role::Passing,
            _ => Role::Attr,
        },
    }
}

/// Whether a value of the parameter `clock` means the same wherever it is read.
fn is_clock_of_any_machine(value: &Parameter) -> bool {
    matches!(value, Parameter::String(clock) if matches!(clock.as_str(), "unix" | "source"))
}

/// Whether a parameter is a list.
pub(crate) fn is_list(value: &Parameter) -> bool {
    matches!(value, Parameter::ListInt(_) | Parameter::ListFloat(_) | Parameter::ListString(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doras_own_keys_and_timestamps_that_cannot_be_represented_are_not_attributes() {
        let integer = Parameter::Integer(1);
        for key in ["_x", "__dora_startup_marker", "goal_id", "open_telemetry_context", "timestamp", "sequence", "lost"]
        {
            assert_eq!(role(key, &integer), Role::Passing, "{key}");
        }
        let now = chrono::DateTime::from_timestamp_nanos(5);
        assert_eq!(role("timestamp", &Parameter::Timestamp(now)), Role::Attr);
        let far = Parameter::Timestamp(chrono::DateTime::<chrono::Utc>::MAX_UTC);
        assert_eq!(role("deadline", &far), Role::Passing);
        assert_eq!(role("axes", &Parameter::ListFloat(vec![0.5])), Role::Attr);
        assert_eq!(role("axes", &Parameter::String("{}".to_owned())), Role::Meaning);
        assert_eq!(role("axes", &integer), Role::Meaning);
        assert_eq!(role("key", &integer), Role::Meaning);
        assert_eq!(role("key", &Parameter::Float(0.5)), Role::Attr);
        assert_eq!(role("montage", &integer), Role::Attr);
    }

    #[test]
    fn the_clock_and_a_mirror_s_time_are_not_attributes_but_other_values_of_these_names_are() {
        let integer = Parameter::Integer(1);
        assert_eq!(role("source_time", &Parameter::Float(0.5)), Role::Passing);
        assert_eq!(role("source_time", &Parameter::String("noon".to_owned())), Role::Attr);
        for (clock, expected) in [
            (Parameter::String("unix".to_owned()), Role::Passing),
            (Parameter::String("source".to_owned()), Role::Passing),
            (Parameter::String("monotonic".to_owned()), Role::Attr),
            (Parameter::String("TAI".to_owned()), Role::Attr),
            (integer, Role::Attr),
        ] {
            assert_eq!(role("clock", &clock), expected, "{clock:?}");
        }
    }
}
