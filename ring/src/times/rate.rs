//! What comes a second, measured over whole windows.

use super::elapsed_s;

/// What comes in the first second is left out: it contains what queued up before the start.
const LEFT_OUT_S: f64 = 1.0;
/// A window lasts at least this long and this many messages.
const WINDOW_S: f64 = 1.0;
const WINDOW_MESSAGES: u64 = 10;
/// A stated rate contradicts the messages if it is this many times too high or too low, in two windows in a row.
const CONTRADICTS: f64 = 5.0;
const CONTRADICTING_WINDOWS: u32 = 2;

/// How much came.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Amount {
    /// Messages, empty ones included.
    pub messages: f64,
    /// Frames.
    pub frames: f64,
    /// Bytes of payload.
    pub bytes: f64,
}

impl Amount {
    pub(super) fn message(frames: u64, bytes: u64) -> Self {
        Self { messages: 1.0, frames: frames as f64, bytes: bytes as f64 }
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            messages: self.messages + other.messages,
            frames: self.frames + other.frames,
            bytes: self.bytes + other.bytes,
        }
    }

    pub(super) fn times(self, factor: f64) -> Self {
        Self { messages: self.messages * factor, frames: self.frames * factor, bytes: self.bytes * factor }
    }

    pub(super) fn max(self, other: Self) -> Self {
        Self {
            messages: self.messages.max(other.messages),
            frames: self.frames.max(other.frames),
            bytes: self.bytes.max(other.bytes),
        }
    }
}

/// What came in a window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// How much came.
    pub amount: Amount,
    /// In how many seconds.
    pub seconds: f64,
}

impl Measured {
    /// How much came a second.
    pub fn per_second(&self) -> Amount {
        self.amount.times(1.0 / self.seconds)
    }
}

/// Measures how much comes a second, by when messages came.
///
/// It counts in whole windows of at least a second and ten messages, and leaves out the first second. It does not look
/// at intervals: two messages a tick, or ten at once, would make them a measure of the link.
#[derive(Clone, Debug, Default)]
pub struct RateMeter {
    first_ns: Option<u64>,
    /// When the window began, with a message that does not belong to it.
    since_ns: Option<u64>,
    amount: Amount,
}

impl RateMeter {
    /// A meter to which nothing has come.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a message, which came at `came_mono_ns` (CLOCK_MONOTONIC). Returns what the window had that it ends.
    pub fn add(&mut self, frames: u64, bytes: u64, came_mono_ns: u64) -> Option<Measured> {
        let first_ns = *self.first_ns.get_or_insert(came_mono_ns);
        let Some(since_ns) = self.since_ns else {
            if elapsed_s(first_ns, came_mono_ns) >= LEFT_OUT_S {
                self.since_ns = Some(came_mono_ns);
            }
            return None;
        };
        self.amount = self.amount.plus(Amount::message(frames, bytes));
        let seconds = elapsed_s(since_ns, came_mono_ns);
        if seconds < WINDOW_S || self.amount.messages < WINDOW_MESSAGES as f64 {
            return None;
        }
        self.since_ns = Some(came_mono_ns);
        Some(Measured { amount: std::mem::take(&mut self.amount), seconds })
    }
}

/// Compares a stated rate with what comes.
#[derive(Clone, Debug)]
pub struct StatedRate {
    stated_hz: f64,
    meter: RateMeter,
    contradicting: u32,
    /// Whether more came in them than stated, and what came.
    more: bool,
    frames: f64,
    seconds: f64,
    reported: bool,
}

impl StatedRate {
    /// Expects `stated_hz` frames a second.
    pub fn new(stated_hz: f64) -> Self {
        Self {
            stated_hz,
            meter: RateMeter::new(),
            contradicting: 0,
            more: false,
            frames: 0.0,
            seconds: 0.0,
            reported: false,
        }
    }

    /// Adds a message of `frames` frames, which came at `came_mono_ns` (CLOCK_MONOTONIC). Returns the frames per second
    /// that come, once, if they contradict the stated rate by more than five times in two windows in a row.
    pub fn add(&mut self, frames: u64, came_mono_ns: u64) -> Option<f64> {
        if self.reported {
            return None;
        }
        let measured = self.meter.add(frames, 0, came_mono_ns)?;
        let ratio = measured.per_second().frames / self.stated_hz;
        let contradicts = !(1.0 / CONTRADICTS..=CONTRADICTS).contains(&ratio);
        if !contradicts || self.more != (ratio > 1.0) {
            // A stall of the link makes too few, and then too many.
            (self.contradicting, self.more, self.frames, self.seconds) = (0, ratio > 1.0, 0.0, 0.0);
        }
        if !contradicts {
            return None;
        }
        self.contradicting += 1;
        self.frames += measured.amount.frames;
        self.seconds += measured.seconds;
        self.reported = self.contradicting >= CONTRADICTING_WINDOWS;
        self.reported.then_some(self.frames / self.seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    /// What the windows of these messages of one frame of 8 bytes measured.
    fn windows(came_ns: impl Iterator<Item = u64>) -> Vec<Measured> {
        let mut meter = RateMeter::new();
        came_ns.filter_map(|came_ns| meter.add(1, 8, came_ns)).collect()
    }

    #[test]
    fn a_window_is_at_least_a_second_and_ten_messages_long() {
        for (rate_hz, seconds) in [(1, 10.0), (5, 2.0), (10, 1.0), (20, 1.0), (1000, 1.0)] {
            let windows = windows((0..rate_hz * 40).map(|i| 5 * S + i * S / rate_hz));
            assert!(!windows.is_empty());
            for window in windows {
                assert!((window.seconds - seconds).abs() < 1e-9, "{rate_hz} Hz: {window:?}");
                let per_second = window.per_second();
                assert!((per_second.messages - rate_hz as f64).abs() < 1e-6, "{rate_hz} Hz: {window:?}");
                assert_eq!((per_second.frames, per_second.bytes), (per_second.messages, per_second.messages * 8.0));
            }
        }
    }

    #[test]
    fn the_first_second_is_left_out() {
        // A hundred messages at once, and then ten a second.
        let queued = std::iter::repeat_n(5 * S, 100);
        let windows = windows(queued.chain((1..100).map(|i| 5 * S + i * S / 10)));
        assert!(windows.iter().all(|window| window.per_second().messages == 10.0), "{windows:?}");
    }

    #[test]
    fn two_messages_a_tick_and_batches_of_ten_are_measured_as_what_they_are() {
        let two_a_tick = windows((0..600).map(|i| (i / 2) * S / 30 + (i % 2) * 200_000));
        let batches = windows((0..1000).map(|i| (i / 10) * S / 10 + (i % 10) * 100_000));
        for (windows, rate_hz) in [(two_a_tick, 60.0), (batches, 100.0)] {
            assert!(windows.len() > 5);
            for window in windows {
                assert!((window.per_second().frames / rate_hz - 1.0).abs() < 0.1, "{rate_hz} Hz: {window:?}");
            }
        }
    }

    fn reports(stated_hz: f64, frames: u64, messages_hz: u64) -> Vec<f64> {
        let mut stated = StatedRate::new(stated_hz);
        (0..messages_hz * 60).filter_map(|i| stated.add(frames, i * S / messages_hz)).collect()
    }

    #[test]
    fn a_rate_that_contradicts_the_messages_more_than_fivefold_is_reported_once() {
        // Sound of 16 kHz whose rows are taken for frames, and the other way round.
        for (stated_hz, frames, messages_hz) in [(16_000.0, 1, 10), (10.0, 1600, 10), (100.0, 1, 19)] {
            let reports = reports(stated_hz, frames, messages_hz);
            let come_hz = (frames * messages_hz) as f64;
            assert!(reports.len() == 1 && (reports[0] / come_hz - 1.0).abs() < 0.01, "{stated_hz} Hz: {reports:?}");
        }
    }

    #[test]
    fn a_rate_within_five_times_is_not_reported() {
        for (stated_hz, frames, messages_hz) in [(16_000.0, 1600, 10), (100.0, 1, 21), (100.0, 1, 480)] {
            assert!(reports(stated_hz, frames, messages_hz).is_empty(), "{stated_hz} Hz");
        }
    }

    #[test]
    fn a_stall_of_the_link_contradicts_no_rate() {
        let mut stated = StatedRate::new(10.0);
        for i in 0..600u64 {
            let sent_ns = i * S / 10;
            let came_ns = if (20 * S..40 * S).contains(&sent_ns) { 40 * S + i } else { sent_ns };
            assert_eq!(stated.add(1, came_ns), None, "message {i}");
        }
    }
}
