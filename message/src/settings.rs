//! The sink's settings that decide what a message means.

use dora_shm_ring::{Clock, Dtype};

/// What the user specifies about the messages of one input. Whatever is unset is derived from each message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MessageSettings {
    /// `AXIS`: name of the dim along which frames are buffered.
    pub axis: Option<String>,
    /// `SAMPLE_RATE`: frames per second, finite and at least 0 (0: irregular). It overrides the source's `sample_rate`,
    /// and does not affect how many frames a message has.
    pub sample_rate_hz: Option<f64>,
    /// `SHAPE`: shape of one frame, without the buffered axis; each dimension at least 1, `[]` is one sample. It
    /// overrides the source's `shape`. The source's `dims` then only name dims: those of the message if there is one
    /// more than the frame has and one of them is the buffered axis, else those of the frame. The source's rate applies
    /// if its frames are the same. A shape that has the source's `width` before its `height` is refused, unless `dims`
    /// is set.
    pub shape: Option<Vec<u64>>,
    /// `DIMS`: a name for each dimension of the message, in the message's order; or, when the buffered axis is not
    /// among them, for each dimension of a frame.
    pub dims: Option<Vec<String>>,
    /// `DTYPE`: how bytes are read; other numbers are converted to it. A message with a value that it cannot represent
    /// is refused: a value out of range (for bool: other than 0 and 1), a NaN or a fraction if it is an integer type,
    /// or an integer that a float type would round. Conversions between float types round fractions.
    pub dtype: Option<Dtype>,
    /// `FIELD`: paths into a struct, the steps separated by dots (`pose.position`). Empty: all of it.
    pub fields: Vec<String>,
    /// `FRAMES`: how many frames a message is.
    pub frames: FrameRule,
    /// `KEY`: name of the signal, instead of the source's `key`.
    pub key: Option<String>,
    /// `TIME`: what has the times of the frames: the name of a parameter (`timestamp`), or the path of a struct's field
    /// (`header.stamp`), the steps separated by dots. It may hold numbers, a timestamp, or structs of `sec` and
    /// `nanosec` (or `nsec`); one value for each frame, or one for the message.
    pub time: Option<String>,
    /// `TIME_UNIT`: unit of the numbers that `TIME` names. Unset: integers are nanoseconds, floats are seconds. A
    /// timestamp, and a struct of `sec` and `nanosec`, state their unit themselves.
    pub time_unit: Option<TimestampUnit>,
    /// `TIME_OF`: which frame a single value of `TIME` is the time of.
    pub time_of: StampedFrame,
    /// `CLOCK`: the clock of the times that the source gives, instead of its parameter `clock`. Of times that the sink
    /// makes, `monotonic` changes the clock; they are never on `source`.
    pub clock: Option<Clock>,
}

/// Unit of the numbers that `TIME` names (`TIME_UNIT`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampUnit {
    /// `s`
    Seconds,
    /// `ms`
    Milliseconds,
    /// `us`
    Microseconds,
    /// `ns`
    Nanoseconds,
}

impl TimestampUnit {
    /// How many of it are a second.
    pub(crate) fn per_second(self) -> i64 {
        match self {
            Self::Seconds => 1,
            Self::Milliseconds => 1_000,
            Self::Microseconds => 1_000_000,
            Self::Nanoseconds => 1_000_000_000,
        }
    }
}

/// Which frame of a message has the time that the message states (`TIME_OF`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StampedFrame {
    /// `first`: the others follow it.
    #[default]
    First,
    /// `last`: the others are before it.
    Last,
}

/// How many frames a message is (`FRAMES`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FrameRule {
    /// `auto`: as the message states.
    #[default]
    Auto,
    /// `message`: each message is one frame.
    Message,
    /// `rows`: each row along the buffered axis is one; in a flat vector, each run of `SHAPE` samples.
    Rows,
}

impl MessageSettings {
    /// Whether `other` takes the times of frames from the same place, and on the same clock.
    pub(crate) fn has_same_times(&self, other: &Self) -> bool {
        self.time == other.time
            && self.time_unit == other.time_unit
            && self.time_of == other.time_of
            && self.clock == other.clock
    }
}
