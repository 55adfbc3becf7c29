//! The sample clock: even times for the frames of a source that states a rate and sends no times.

use super::elapsed_s;
use super::far_off::{FarOff, OffRate, REACH};
use super::line::{Line, Point};
use super::run::Run;
use super::seconds::Seconds;
use super::slope::Slope;
use super::stretch::{Stretch, has_risen, is_falling};
use super::window::Window;
use crate::{Error, Result};

/// Messages that are late by more than this, and by more than two messages, for a whole window, make a jump.
const LATE_S: f64 = 0.25;
/// So do messages that are late by more than this and two messages, for half a second.
const VERY_LATE_S: f64 = 1.0;
const MESSAGES: f64 = 2.0;
/// The largest change of a step, as a part of it, by which times are led to where they belong.
const LEAD: f64 = 0.05;
/// Times are led so fast that they would arrive after this long, or with the message if that is longer.
const ARRIVES_S: f64 = 0.5;
/// Differences below this are left alone.
const LEFT_ALONE_S: f64 = 5e-6;
/// Doubles hold Unix seconds in steps of 2^-22 s. The step of a stream whose period is longer is always longer, too.
const UNIX_STEP_S: f64 = 1.0 / (1 << 22) as f64 * (1.0 + 1e-6);
/// A fall below this is noise.
const NOISE_S: f64 = 0.002;
/// A raise above this is made whole, a smaller one by half: it may be noise.
const WHOLE_RAISE_S: f64 = 0.01;
/// A message that is earlier than this is no matter of the rate.
const EARLY_S: f64 = 0.02;
const RATES_HZ: std::ops::RangeInclusive<f64> = 1e-6..=1e9;

/// Gives times to the frames of a source that states a rate.
///
/// Frames are taken to be as even as the source's oscillator makes them; messages are taken to come some delay after
/// their **last** frame. So the clock keeps a line, one time for each frame by its running number, below all arrivals:
/// it follows the least delay of the last two seconds or eight messages, and learns the device's true rate within 3 %
/// of the stated one. The times that it gives follow that line by steps that are at most 5 % off the learned rate.
///
/// - Times rise strictly, always. Each is computed from an anchor and a count, so no rounding adds up.
/// - A late burst moves nothing, however long the link stalled and however fast it drains.
/// - If messages stay late (by 0.25 s or two messages for a window, or by 1 s and two messages for half a second) and do
///   not catch up by at least 50 ms or a tenth of their lateness in half a second, frames are missing or the source
///   paused: the next message [jumps](Run::jumps). A link that catches up more slowly is taken for a pause.
/// - A device that is further off its rate than 3 % for ten seconds is followed at the rate measured, with one
///   [warning](Run::warning).
/// - If frames come faster than the rate says (a burst at the start), the first times lie in the future by the length of
///   the burst, and are led back by 5 %.
///
/// The least delay itself cannot be known: times are late by it.
///
/// A new generation of the same rate and clock takes this object over as it is. The clock reads no other clock, never
/// blocks, and allocates only when it is made.
#[derive(Clone, Debug)]
pub struct SampleClock {
    stated_hz: f64,
    stated: Seconds,
    /// The period around which the clock learns: the stated one, or the one measured of a device that is far off.
    around: Seconds,
    warned: bool,
    /// The newest arrival.
    now_ns: u64,
    /// Running number of the next frame.
    next: u64,
    lines: Option<Lines>,
    window: Window,
    slope: Slope,
    far_off: FarOff,
    very_late: Stretch,
}

/// When frames were taken, and the times that they get.
#[derive(Clone, Copy, Debug)]
struct Lines {
    taken: Line,
    given: Line,
}

impl SampleClock {
    /// A clock for a stream of `rate_hz` frames per second, from 10^-6 to 10^9.
    ///
    /// # Errors
    /// [`Error::BadArgument`] for any other rate.
    pub fn new(rate_hz: f64) -> Result<Self> {
        if !RATES_HZ.contains(&rate_hz) {
            return Err(Error::BadArgument {
                reason: format!(
                    "rate {rate_hz} Hz, expected {:e} to {:e}: frames of any other rate need times of their own",
                    RATES_HZ.start(),
                    RATES_HZ.end()
                ),
            });
        }
        let stated = Seconds::period(rate_hz);
        Ok(Self {
            stated_hz: rate_hz,
            stated,
            around: stated,
            warned: false,
            now_ns: 0,
            next: 0,
            lines: None,
            window: Window::new(),
            slope: Slope::new(),
            far_off: FarOff::default(),
            very_late: Stretch::default(),
        })
    }

    /// Begins anew, as if nothing had come yet.
    pub fn reset(&mut self) {
        if let Ok(new) = Self::new(self.stated_hz) {
            *self = new;
        }
    }

    /// The rate that was stated, in frames per second.
    pub fn stated_hz(&self) -> f64 {
        self.stated_hz
    }

    /// The rate learned so far, in frames per second: the stated one until arrivals contradict it.
    pub fn learned_hz(&self) -> f64 {
        match &self.lines {
            Some(lines) if lines.taken.step() != self.stated => 1.0 / lines.taken.step().to_f64(),
            _ => self.stated_hz,
        }
    }

    /// Gives times to the frames of one message, which came at `came_mono_ns` (CLOCK_MONOTONIC): when its last frame had
    /// been taken and it had travelled. An empty message changes nothing.
    pub fn stamp(&mut self, frames: u64, came_mono_ns: u64) -> Run {
        let Some(further) = frames.checked_sub(1) else { return self.nothing() };
        let (first, last) = (self.next, self.next.saturating_add(further));
        let point = Point { frame: last, came_ns: came_mono_ns };
        let Some(mut lines) = self.lines else { return self.begin(frames, point) };
        let since_last_s = elapsed_s(self.now_ns, came_mono_ns);
        self.now_ns = self.now_ns.max(came_mono_ns);
        self.next = last.saturating_add(1);

        let longest = self.window.longest().max(frames);
        let messages_s = MESSAGES * lines.taken.step().to_f64() * longest as f64;
        let late_s = LATE_S.max(messages_s);
        if self.window.is_due(self.now_ns) {
            self.look_back(&mut lines, late_s);
        }
        let mut lateness_s = lines.taken.lateness_s(&point);
        let measured_s = self.far_off.add(self.now_ns, point, lateness_s, self.around.to_f64());
        let warning = measured_s.and_then(|period_s| self.follow(&mut lines, point, period_s));
        if measured_s.is_some() {
            lateness_s = lines.taken.lateness_s(&point);
        }
        if lateness_s < 0.0 {
            // Delays only add: what came earlier than expected was taken earlier.
            lines.taken.shift(lateness_s);
            if lateness_s < -EARLY_S.max(since_last_s / 5.0) {
                self.slope.shift_before(point.frame, lateness_s);
            }
            lateness_s = 0.0;
        }
        self.window.add(self.now_ns, point, frames, &lines.taken);
        if lateness_s > VERY_LATE_S + messages_s {
            if let Some(seconds) = self.very_late.add(self.now_ns, lateness_s, late_s) {
                self.move_later(&mut lines, seconds);
            }
        } else {
            self.very_late.end();
        }
        let jump = steer(&mut lines, first, frames, late_s);
        self.lines = Some(lines);
        Run::new(lines.given, first, frames, jump, warning)
    }

    /// The run of an empty message.
    fn nothing(&self) -> Run {
        let line = self.lines.map_or_else(|| Line::new(0, Seconds::from_ns(0), self.stated), |lines| lines.given);
        Run::new(line, self.next, 0, false, None)
    }

    /// The first message is all that is known: its last frame was taken when it came.
    fn begin(&mut self, frames: u64, point: Point) -> Run {
        let line = Line::new(point.frame, Seconds::from_ns(point.came_ns.into()), self.around);
        self.lines = Some(Lines { taken: line, given: line });
        (self.now_ns, self.next) = (point.came_ns, point.frame.saturating_add(1));
        self.far_off.add(point.came_ns, point, 0.0, self.around.to_f64());
        self.window.add(point.came_ns, point, frames, &line);
        Run::new(line, point.frame - (frames - 1), frames, false, None)
    }

    /// Judges a whole window, whose last cell has ended.
    fn look_back(&mut self, lines: &mut Lines, late_s: f64) {
        let Some(earliest) = self.window.close() else { return };
        let Some(seen) = self.window.lateness(&lines.taken) else {
            self.slope.add(earliest, &lines.taken);
            return;
        };
        if seen.least_s > late_s {
            if !is_falling(seen.fall_s, seen.newest_s) && !has_risen(seen.below_all_s, seen.newest_s) {
                self.move_later(lines, seen.recent_s);
            }
            return;
        }
        let cell_s = lines.taken.lateness_s(&earliest);
        if cell_s > late_s || (cell_s > WHOLE_RAISE_S && is_falling(seen.below_all_s, cell_s)) {
            // Frames are late and may catch up: rate and phase stay as they were.
            return;
        }
        let catches_up = seen.below_all_s > NOISE_S.max(seen.least_s / 10.0)
            || (seen.least_s > WHOLE_RAISE_S && is_falling(seen.fall_s, seen.least_s));
        if seen.least_s > 0.0 && !catches_up {
            // If all cells of the window are late alike, frames were lost, which says nothing about the rate.
            let lost = seen.worst_cell_s - seen.least_s < seen.least_s / 2.0;
            if lost {
                self.slope.shift_before(seen.oldest_frame, seen.least_s);
            }
            let whole = lost || seen.least_s > WHOLE_RAISE_S;
            lines.taken.shift(if whole { seen.least_s } else { seen.least_s / 2.0 });
        }
        self.slope.add(earliest, &lines.taken);
        let difference_s = self.slope.difference_s(&lines.taken);
        if difference_s != 0.0 {
            let around_s = self.around.to_f64();
            let step_s = lines.taken.step().to_f64() + difference_s;
            let fraction = (step_s / around_s - 1.0).clamp(-REACH, REACH);
            lines.taken.turn(seen.best.frame, self.around.stretched(fraction));
        }
    }

    /// Frames are missing: what comes from now on was taken later than the line says.
    fn move_later(&mut self, lines: &mut Lines, seconds: f64) {
        lines.taken.shift(seconds);
        self.slope.shift_before(self.next, seconds);
        self.window.keep_recent();
        self.very_late.end();
    }

    /// Follows a device at the period measured, which is the stated one if that is near. Returns the first warning.
    fn follow(&mut self, lines: &mut Lines, point: Point, measured_s: f64) -> Option<OffRate> {
        if !RATES_HZ.contains(&(1.0 / measured_s)) {
            return None;
        }
        let off = (measured_s / self.stated.to_f64() - 1.0).abs();
        self.around = if off <= REACH { self.stated } else { Seconds::from_f64(measured_s) };
        lines.taken.turn(point.frame, self.around);
        self.slope.clear();
        let warn = off > REACH && !self.warned;
        self.warned |= warn;
        warn.then_some(OffRate { stated_hz: self.stated_hz, measured_hz: 1.0 / measured_s })
    }
}

/// Chooses the step of a message's frames, so that the times given approach the line. Returns whether they jump to it.
fn steer(lines: &mut Lines, first: u64, frames: u64, late_s: f64) -> bool {
    let Lines { taken, given } = lines;
    let period_s = taken.step().to_f64();
    // The last frame's time is given already, so that frames after it rise by whole steps.
    let last = first - 1;
    let behind_s = (taken.at(last) - given.at(last)).to_f64();
    if behind_s > late_s {
        *given = Line::new(first, taken.at(first), taken.step());
        return true;
    }
    if behind_s.abs() <= LEFT_ALONE_S {
        if given.step() != taken.step() {
            given.turn(last, taken.step());
        }
        return false;
    }
    let arrives_s = ARRIVES_S.max(period_s * frames as f64);
    let step = taken.step().stretched((behind_s / arrives_s).clamp(-LEAD, LEAD));
    given.turn(last, step.max(taken.step().min(Seconds::from_f64(UNIX_STEP_S))));
    false
}
