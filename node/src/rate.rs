//! The rate of a stream whose source states none, measured by the send times of its messages.

/// Length of the window in which messages are counted to measure their rate.
const WINDOW_NS: i64 = 500_000_000;

/// Two send times alone give a rate only if they are at least this far apart: a source may begin with a burst.
const SHORTEST_PAIR_NS: i64 = 10_000_000;

/// Counts the frames of messages, and the time in which they were sent.
#[derive(Debug, Default)]
pub struct RateMeter {
    /// Send time of the first message, in nanoseconds since the Unix epoch.
    first_ns: Option<i64>,
    last_ns: i64,
    messages: u64,
    /// Frames after the first message.
    frames: u64,
}

impl RateMeter {
    /// Counts a message.
    pub fn count(&mut self, send_ns: i64, frames: u64) {
        match self.first_ns {
            None => self.first_ns = Some(send_ns),
            Some(_) => self.frames = self.frames.saturating_add(frames),
        }
        self.last_ns = send_ns;
        self.messages += 1;
    }

    /// The rate of the first messages of a stream, in frames per second. `None`: their send times do not give one.
    pub fn first_rate_hz(&self) -> Option<f64> {
        let shortest = if self.messages == 2 { SHORTEST_PAIR_NS } else { 1 };
        self.elapsed_ns().filter(|elapsed| *elapsed >= shortest)?;
        self.rate_hz()
    }

    /// Counts a message. At the end of each window of half a second, returns the rate in it, in frames per second.
    pub fn count_in_windows(&mut self, send_ns: i64, frames: u64) -> Option<f64> {
        self.count(send_ns, frames);
        // If the source's clock was set back, the window starts again.
        if self.elapsed_ns().is_some_and(|elapsed| elapsed < WINDOW_NS) {
            return None;
        }
        let rate_hz = self.rate_hz();
        *self = Self::default();
        self.count(send_ns, 0);
        rate_hz
    }

    /// Time from the first message to the last. `None`: negative, or more than can be counted.
    fn elapsed_ns(&self) -> Option<i64> {
        self.last_ns.checked_sub(self.first_ns?).filter(|elapsed| *elapsed >= 0)
    }

    fn rate_hz(&self) -> Option<f64> {
        let elapsed_ns = self.elapsed_ns().filter(|elapsed| *elapsed > 0)?;
        (self.frames > 0).then(|| self.frames as f64 / (elapsed_ns as f64 * 1e-9))
    }
}

/// A rate in words: the one that is stated, else the one that was measured.
pub fn text(stated_hz: Option<f64>, measured_hz: Option<f64>) -> String {
    match (stated_hz, measured_hz) {
        (Some(rate), _) => format!("{rate} Hz"),
        (None, Some(rate)) => format!("rate not stated, about {rate:.1} Hz measured"),
        (None, None) => "rate unknown".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;

    #[test]
    fn the_first_rate_is_what_followed_the_first_message_over_its_time() {
        for (sent, expected) in [
            (&[][..], None),
            (&[(5, 1)], None),
            (&[(5, 1), (5, 1)], None),
            (&[(9, 1), (5, 1)], None),
            (&[(0, 1), (MS, 1)], None),
            (&[(0, 1), (MS, 1), (2 * MS, 1)], Some(1000.0)),
            (&[(0, 1), (10 * MS, 1)], Some(100.0)),
            (&[(0, 500), (10 * MS, 10), (20 * MS, 10)], Some(1000.0)),
            (&[(0, 10), (10 * MS, 0)], None),
            (&[(i64::MIN, 1), (i64::MAX, 1)], None),
        ] {
            let mut meter = RateMeter::default();
            sent.iter().for_each(|&(send_ns, frames)| meter.count(send_ns, frames));
            assert_eq!(meter.first_rate_hz(), expected, "{sent:?}");
        }
    }

    #[test]
    fn the_rate_of_each_window_is_that_of_the_frames_after_its_first_message() {
        let mut meter = RateMeter::default();
        let mut found = Vec::new();
        // 10 frames every 100 ms, then every 10 ms.
        let slow = (0..=5).map(|i| i * 100 * MS);
        let fast = (1..=50).map(|i| 500 * MS + i * 10 * MS);
        for send_ns in slow.chain(fast) {
            found.extend(meter.count_in_windows(send_ns, 10));
        }
        assert_eq!(found, [100.0, 1000.0]);
    }

    #[test]
    fn a_clock_that_was_set_back_restarts_the_window() {
        let mut meter = RateMeter::default();
        assert_eq!(meter.count_in_windows(1000 * MS, 1), None);
        assert_eq!(meter.count_in_windows(0, 1), None);
        assert_eq!(meter.count_in_windows(i64::MIN, 1), None);
        assert_eq!(meter.count_in_windows(i64::MIN + 500 * MS, 5), Some(10.0));
    }
}
