//! Counters of what was read of a stream, and the figures that each line shows.

use std::collections::VecDeque;
use std::time::Duration;

use dora_shm_ring::{Lag, MessageInfo};

/// A rate is measured over at least this many messages, if they come fast enough.
const FEWEST_MESSAGES: u64 = 5;
/// ... and over no longer than this.
const LONGEST_WINDOW_NS: u64 = 10_000_000_000;

/// Totals at the moment when a message was committed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Mark {
    ns: u64,
    frames: u64,
    bytes: u64,
    messages: u64,
}

#[derive(Debug, Default)]
pub struct Meter {
    /// Frames read and lost, messages and bytes since the watch began, and when the newest message was committed.
    total: Mark,
    lost: u64,
    read: u64,
    /// The message that was counted last: its stream, its generation and its number there.
    newest: Option<(u64, u32, u64)>,
    /// The totals at earlier lines, oldest first, all different.
    marks: VecDeque<Mark>,
    lag: Lag,
    latencies_ns: Vec<u64>,
}

/// The figures of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reading {
    pub rate_hz: f64,
    pub messages_hz: f64,
    pub bytes_per_s: f64,
    pub read: u64,
    pub lost: u64,
    /// Messages without frames.
    pub empty: u64,
    pub lag: Lag,
    pub latency: Option<Latency>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    pub min: Duration,
    pub median: Duration,
    pub max: Duration,
}

impl Meter {
    /// Counts frames that were read or skipped, and the `lost` frames before them.
    pub fn take(&mut self, frames: u64, lost: u64, frame_bytes: u64) {
        self.read += frames;
        self.lost += lost;
        let all = frames.saturating_add(lost);
        self.total.frames = self.total.frames.saturating_add(all);
        self.total.bytes = self.total.bytes.saturating_add(all.saturating_mul(frame_bytes));
    }

    /// Records the newest message of the frames that [`take`](Self::take) has counted, in the stream `stream_id`. The
    /// first message of a ring also counts those before it in that ring. If messages have no number (ezmsg), each call
    /// counts one.
    pub fn newest(&mut self, stream_id: u64, message: &MessageInfo) {
        let before = self.newest.filter(|(id, generation, _)| (*id, *generation) == (stream_id, message.generation));
        let messages = match (before, self.newest) {
            (Some((_, _, chunk)), _) => message.chunk.saturating_sub(chunk),
            (None, Some(_)) => message.chunk.saturating_add(1),
            // The first message of all: those before it were not watched.
            (None, None) => 1,
        };
        let messages = messages.max(u64::from(message.mono_ns > self.total.ns));
        self.total.messages = self.total.messages.saturating_add(messages);
        self.newest = Some((stream_id, message.generation, message.chunk));
        self.total.ns = self.total.ns.max(message.mono_ns);
        if before.is_none() {
            // The pause between the last message of one ring and the first of the next must not count for the rate.
            self.marks.clear();
        }
        if self.marks.is_empty() {
            // The first message's frames are not counted: it is unknown over what time they came.
            self.marks.push_back(self.total);
        }
    }

    /// Records how far behind this reader was when it woke up.
    pub fn lag(&mut self, lag: Lag) {
        self.lag.frames = self.lag.frames.max(lag.frames);
        self.lag.time = self.lag.time.max(lag.time);
    }

    /// Records the time from a message's commit to this reader's copy.
    pub fn latency(&mut self, ns: u64) {
        self.latencies_ns.push(ns);
    }

    /// The figures for a line that is printed now. Lag and latency are those since the last line.
    pub fn read(&mut self, now_ns: u64) -> Reading {
        let (rate_hz, messages_hz, bytes_per_s) = self.rates(now_ns);
        if self.marks.back().is_some_and(|mark| mark.ns < self.total.ns) {
            self.marks.push_back(self.total);
        }
        while self.marks.len() > 1 && self.marks[1].ns.saturating_add(LONGEST_WINDOW_NS) < self.total.ns {
            self.marks.pop_front();
        }
        Reading {
            rate_hz,
            messages_hz,
            bytes_per_s,
            read: self.read,
            lost: self.lost,
            empty: 0,
            lag: std::mem::take(&mut self.lag),
            latency: latency(&mut std::mem::take(&mut self.latencies_ns)),
        }
    }

    /// Rates from one commit to another, so that they do not depend on when the lines are printed. All 0 once the next
    /// messages are overdue.
    fn rates(&self, now_ns: u64) -> (f64, f64, f64) {
        let enough = |mark: &&Mark| self.total.messages.saturating_sub(mark.messages) >= FEWEST_MESSAGES;
        let before = |mark: &&Mark| mark.ns < self.total.ns;
        let marks = || self.marks.iter().rev().filter(before);
        let Some(from) = marks().find(enough).or_else(|| marks().next_back()) else { return (0.0, 0.0, 0.0) };
        let span_ns = self.total.ns - from.ns;
        let messages = self.total.messages.saturating_sub(from.messages).max(1);
        let quiet_ns = now_ns.saturating_sub(self.total.ns);
        // Two messages are missing, and a second has passed.
        if quiet_ns > 1_000_000_000 && quiet_ns / 2 > span_ns / messages {
            return (0.0, 0.0, 0.0);
        }
        let per_second = |count: u64| count as f64 / (span_ns as f64 * 1e-9);
        (
            per_second(self.total.frames.saturating_sub(from.frames)),
            per_second(messages),
            per_second(self.total.bytes.saturating_sub(from.bytes)),
        )
    }
}

fn latency(all_ns: &mut [u64]) -> Option<Latency> {
    all_ns.sort_unstable();
    let (min, max) = (*all_ns.first()?, *all_ns.last()?);
    let [min, median, max] = [min, all_ns[all_ns.len() / 2], max].map(Duration::from_nanos);
    Some(Latency { min, median, max })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn message(chunk: u64, mono_ns: u64) -> MessageInfo {
        let mut info = MessageInfo::default();
        (info.chunk, info.mono_ns) = (chunk, mono_ns);
        info
    }

    fn lag(frames: u64, us: u64) -> Lag {
        let mut lag = Lag::default();
        (lag.frames, lag.time) = (frames, Duration::from_micros(us));
        lag
    }

    fn of_next_ring(mut info: MessageInfo) -> MessageInfo {
        info.generation = 1;
        info
    }

    /// `n` messages of ten frames of four bytes, one each `step_ns`.
    fn feed(meter: &mut Meter, from: u64, n: u64, step_ns: u64) {
        for chunk in from..from + n {
            meter.take(10, 0, 4);
            meter.newest(1, &message(chunk, SECOND + chunk * step_ns));
        }
    }

    #[test]
    fn rates_do_not_depend_on_when_they_are_read() {
        let mut meter = Meter::default();
        feed(&mut meter, 0, 1, SECOND / 100);
        meter.read(SECOND);
        feed(&mut meter, 1, 99, SECOND / 100);
        // Nine tenths of the way to the next message.
        let reading = meter.read(2 * SECOND - SECOND / 1000);
        assert_eq!((reading.rate_hz.round(), reading.messages_hz.round()), (1000.0, 100.0));
        assert_eq!((reading.bytes_per_s.round(), reading.read, reading.lost), (4000.0, 1000, 0));
    }

    #[test]
    fn a_slow_stream_is_measured_over_several_lines() {
        let mut meter = Meter::default();
        for chunk in 0..8 {
            feed(&mut meter, chunk, 1, 2 * SECOND);
            for line in 0..4 {
                let reading = meter.read(SECOND + chunk * 2 * SECOND + line * SECOND / 2);
                let expected = if chunk == 0 { 0.0 } else { 5.0 };
                assert!((reading.rate_hz - expected).abs() < 1e-9, "{chunk} {line} {reading:?}");
            }
        }
    }

    #[test]
    fn a_stream_that_stands_still_has_no_rate() {
        let mut meter = Meter::default();
        feed(&mut meter, 0, 10, SECOND / 10);
        assert!(meter.read(2 * SECOND).rate_hz > 99.0);
        assert_eq!(meter.read(4 * SECOND).rate_hz, 0.0);
        assert_eq!(Meter::default().read(SECOND), Reading::default());
    }

    #[test]
    fn lost_frames_count_for_the_rate_and_are_reported() {
        let mut meter = Meter::default();
        feed(&mut meter, 0, 1, SECOND);
        meter.take(10, 90, 4);
        meter.newest(1, &message(10, 2 * SECOND));
        let reading = meter.read(2 * SECOND);
        assert_eq!((reading.rate_hz, reading.messages_hz, reading.lost), (100.0, 10.0, 90));
    }

    #[test]
    fn a_rate_is_that_of_one_ring_however_long_the_pause_before_it() {
        let mut meter = Meter::default();
        feed(&mut meter, 0, 100, SECOND / 100);
        meter.read(2 * SECOND);
        let in_ring = |chunk| of_next_ring(message(chunk, 9 * SECOND + chunk * SECOND / 50));
        for chunk in 0..50 {
            meter.take(2, 0, 4);
            meter.newest(1, &in_ring(chunk));
        }
        let reading = meter.read(10 * SECOND);
        assert_eq!((reading.rate_hz.round(), reading.messages_hz.round()), (100.0, 50.0));
        // The same after another writer created a new stream.
        meter.take(2, 0, 4);
        meter.newest(2, &message(0, 20 * SECOND));
        meter.take(2, 0, 4);
        meter.newest(2, &message(1, 20 * SECOND + SECOND / 4));
        assert_eq!(meter.read(20 * SECOND + SECOND / 4).rate_hz, 8.0);
    }

    #[test]
    fn messages_are_counted_over_generations_and_restarts() {
        let mut meter = Meter::default();
        meter.newest(1, &message(500, SECOND));
        meter.newest(1, &message(510, SECOND + 10));
        meter.newest(1, &of_next_ring(message(4, SECOND + 20)));
        meter.newest(2, &message(0, SECOND + 30));
        assert_eq!(meter.total.messages, 1 + 10 + 5 + 1);
    }

    #[test]
    fn lag_and_latency_are_those_since_the_last_line() {
        let mut meter = Meter::default();
        meter.lag(lag(3, 7));
        meter.lag(lag(1, 9));
        for ns in [5, 1, 3] {
            meter.latency(ns);
        }
        let reading = meter.read(0);
        assert_eq!(reading.lag, lag(3, 9));
        let [min, median, max] = [1, 3, 5].map(Duration::from_nanos);
        assert_eq!(reading.latency, Some(Latency { min, median, max }));
        assert_eq!(meter.read(0), Reading::default());
    }
}
