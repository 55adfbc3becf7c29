//! Times that follow from an anchor and a count.

use super::seconds::Seconds;

/// The time of every frame, by its running number: an anchor, and a step.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    /// Running number of the frame at the anchor.
    frame: u64,
    /// Its time.
    time: Seconds,
    step: Seconds,
}

impl Line {
    pub fn new(frame: u64, time: Seconds, step: Seconds) -> Self {
        Self { frame, time, step }
    }

    pub fn step(&self) -> Seconds {
        self.step
    }

    /// The time of frame `frame`, which may lie before the anchor.
    pub fn at(&self, frame: u64) -> Seconds {
        self.time + self.step.times(i128::from(frame) - i128::from(self.frame))
    }

    /// How much later than this line says a message came, in seconds.
    pub fn lateness_s(&self, point: &Point) -> f64 {
        (Seconds::from_ns(point.came_ns.into()) - self.at(point.frame)).to_f64()
    }

    /// Moves the line later by `seconds`.
    pub fn shift(&mut self, seconds: f64) {
        self.time = self.time + Seconds::from_f64(seconds);
    }

    /// Gives the line another step from the anchor `frame` on; the time of that frame stays.
    pub fn turn(&mut self, frame: u64, step: Seconds) {
        *self = Self { frame, time: self.at(frame), step };
    }
}

/// A message: its last frame, and when it came.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    /// Running number of the last frame.
    pub frame: u64,
    /// CLOCK_MONOTONIC.
    pub came_ns: u64,
}
