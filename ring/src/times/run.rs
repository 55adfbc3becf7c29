//! The times of one message's frames.

use crate::{Clock, GenerationClock};

use super::far_off::OffRate;
use super::line::Line;
use super::seconds::Seconds;

/// The times that a [`Stamper`](super::Stamper) gives to the frames of one message.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Run {
    line: Line,
    first: u64,
    frames: u64,
    jump: bool,
    warning: Option<OffRate>,
}

impl Run {
    pub(super) fn new(line: Line, first: u64, frames: u64, jump: bool, warning: Option<OffRate>) -> Self {
        Self { line, first, frames, jump, warning }
    }

    /// Number of frames.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Whether the first frame does not follow the frame before it: frames were lost, or the source paused. The first
    /// message of a clock does not jump.
    pub fn jumps(&self) -> bool {
        self.jump
    }

    /// The device is further off its nominal rate than 3 %, and is followed from now on. Set once in a clock's life.
    pub fn warning(&self) -> Option<OffRate> {
        self.warning
    }

    /// The step from frame to frame in seconds: 1 / rate, changed by at most 5 % while the clock is led to where it
    /// belongs.
    pub fn step_s(&self) -> f64 {
        self.line.step().to_f64()
    }

    /// Seconds on the clock of a generation, by its pair of clocks. On [`Clock::Source`], which only the
    /// source can read, they are those of Unix time.
    pub fn on(&self, generation: &GenerationClock) -> RunTimes {
        match generation.clock {
            Clock::Monotonic => self.on_monotonic(),
            _ => self.on_unix(generation.created_ns.saturating_sub_unsigned(generation.created_mono_ns)),
        }
    }

    /// Seconds of CLOCK_MONOTONIC. They are negative for frames from before the machine started.
    pub fn on_monotonic(&self) -> RunTimes {
        RunTimes { first: self.line.at(self.first), step: self.line.step() }
    }

    /// Seconds since 1970. `offset_ns` is Unix time minus CLOCK_MONOTONIC: `created_ns` - `created_mono_ns` of the
    /// generation.
    ///
    /// Until 2038, a double holds such times in steps of 2^-22 s (238 ns). Times rise strictly up to 4 MHz; their steps
    /// are even within 5 % up to 200 kHz. Use [`on_monotonic`](Self::on_monotonic) for faster streams, whose times are
    /// not strictly rising here.
    pub fn on_unix(&self, offset_ns: i64) -> RunTimes {
        RunTimes { first: self.line.at(self.first) + Seconds::from_ns(offset_ns.into()), step: self.line.step() }
    }
}

/// The times of a [`Run`] on one clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RunTimes {
    first: Seconds,
    step: Seconds,
}

impl RunTimes {
    /// The time of frame `frame` of the message, in seconds: the double nearest to anchor + count x step, where the
    /// anchor may lie many messages back. `frame` must be below [`Run::frames`].
    #[inline]
    pub fn at(&self, frame: u64) -> f64 {
        (self.first + self.step.times_within_range(frame)).to_f64()
    }
}
