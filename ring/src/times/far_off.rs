//! A device whose rate is not the one it states.

use std::fmt;

use super::elapsed_s;
use super::line::Point;

/// A probe lasts at least this long and this many messages.
const PROBE_S: f64 = 2.4;
const PROBE_MESSAGES: u64 = 3;
/// How many probes in a row must agree, how long they must last, and by how much each and all must be off.
const PROBES: u64 = 4;
const LASTS_S: f64 = 10.0;
const EACH: f64 = 0.02;
/// How far from the rate that it assumes the clock learns: further, and the device counts as being off.
pub const REACH: f64 = 0.03;
/// Messages that are later than this are on their way to being in time again, and so come faster than they are sent.
const LATE_S: f64 = 0.02;

/// A device that is further off the stated rate than 3 %.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OffRate {
    /// The rate that was stated.
    pub stated_hz: f64,
    /// The rate that was measured over ten seconds or more, and is followed from now on.
    pub measured_hz: f64,
}

impl fmt::Display for OffRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stated_hz, measured_hz } = self;
        write!(
            f,
            "frames come at {measured_hz:.6} Hz, but the stated rate is {stated_hz} Hz; their times follow the frames"
        )
    }
}

#[derive(Clone, Copy, Debug)]
struct Probe {
    since_ns: u64,
    messages: u64,
    /// The message that is the earliest by the assumed rate, and how late it was.
    best: Point,
    late_s: f64,
}

/// Watches whether the messages of ten seconds agree that the rate is off.
#[derive(Clone, Debug, Default)]
pub struct FarOff {
    probe: Option<Probe>,
    /// The earliest message of the last probe.
    last: Option<Point>,
    /// Where the probes that agree began, their number, and whether the device is faster.
    begin: Option<Point>,
    agree: u64,
    faster: bool,
}

impl FarOff {
    /// Adds a message that was `late_s` late. Returns the period measured, in seconds, if for ten seconds the device
    /// has been off `period_s`.
    pub fn add(&mut self, now_ns: u64, point: Point, late_s: f64, period_s: f64) -> Option<f64> {
        let from = self.probe.map_or(point, |probe| probe.best);
        // By the assumed rate, this message is so much later than the probe's earliest.
        let later_s = difference_s(from, point) - (point.frame - from.frame) as f64 * period_s;
        let new = Probe { since_ns: now_ns, messages: 0, best: point, late_s };
        let probe = self.probe.get_or_insert(new);
        probe.messages += 1;
        if later_s <= 0.0 {
            (probe.best, probe.late_s) = (point, late_s);
        }
        if probe.messages < PROBE_MESSAGES || elapsed_s(probe.since_ns, now_ns) < PROBE_S {
            return None;
        }
        let probe = self.probe.take()?;
        self.probed(probe, period_s)
    }

    fn probed(&mut self, probe: Probe, period_s: f64) -> Option<f64> {
        let last = self.last.replace(probe.best)?;
        let off = slope_s(last, probe.best) / period_s - 1.0;
        let faster = off < 0.0;
        // Frames that catch up come faster than they were taken, and are late.
        if off.abs() < EACH || (faster && probe.late_s > LATE_S) {
            self.agree = 0;
            return None;
        }
        if self.agree == 0 || self.faster != faster {
            (self.agree, self.faster, self.begin) = (0, faster, Some(last));
        }
        self.agree += 1;
        let begin = self.begin?;
        let measured_s = slope_s(begin, probe.best);
        let long = self.agree >= PROBES && difference_s(begin, probe.best) >= LASTS_S - PROBE_S / 2.0;
        (long && (measured_s / period_s - 1.0).abs() > REACH).then(|| {
            self.agree = 0;
            measured_s
        })
    }
}

fn difference_s(from: Point, to: Point) -> f64 {
    if to.came_ns >= from.came_ns { elapsed_s(from.came_ns, to.came_ns) } else { -elapsed_s(to.came_ns, from.came_ns) }
}

/// Seconds a frame from one message to a later one.
fn slope_s(from: Point, to: Point) -> f64 {
    difference_s(from, to) / (to.frame - from.frame).max(1) as f64
}
