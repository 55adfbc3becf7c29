//! The rate of a stream that states none, while it runs: the first messages may have been slower than those that follow.

/// How long messages are counted before their rate is believed.
const WINDOW_NS: i64 = 500_000_000;

/// Counts frames by their send times.
#[derive(Debug, Default)]
pub struct RateWatch {
    /// Send time of the message with which the window begins, Unix ns, and frames since then without its own.
    window: Option<(i64, u64)>,
}

impl RateWatch {
    /// Counts a message; at the end of a window, its frames a second.
    pub fn count(&mut self, send_ns: i64, frames: u64) -> Option<f64> {
        let Some((begin_ns, counted)) = &mut self.window else {
            self.window = Some((send_ns, 0));
            return None;
        };
        *counted = counted.saturating_add(frames);
        // The source's clock may have been set: a window that lasts less than nothing begins anew.
        let elapsed_ns = send_ns.checked_sub(*begin_ns).filter(|elapsed| *elapsed >= 0);
        let rate_hz = elapsed_ns.map(|elapsed| *counted as f64 / (elapsed as f64 * 1e-9));
        match elapsed_ns {
            Some(elapsed) if elapsed < WINDOW_NS => None,
            _ => {
                self.window = Some((send_ns, 0));
                rate_hz
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;

    #[test]
    fn the_rate_of_each_window_is_that_of_the_frames_after_its_first_message() {
        let mut watch = RateWatch::default();
        let mut found = Vec::new();
        // 10 frames every 100 ms, then every 10 ms.
        let slow = (0..=5).map(|i| i * 100 * MS);
        let fast = (1..=50).map(|i| 500 * MS + i * 10 * MS);
        for send_ns in slow.chain(fast) {
            found.extend(watch.count(send_ns, 10));
        }
        assert_eq!(found, [100.0, 1000.0]);
    }

    #[test]
    fn a_clock_that_was_set_back_begins_the_window_anew() {
        let mut watch = RateWatch::default();
        assert_eq!(watch.count(1000 * MS, 1), None);
        assert_eq!(watch.count(0, 1), None);
        assert_eq!(watch.count(i64::MIN, 1), None);
        assert_eq!(watch.count(i64::MIN + 500 * MS, 5), Some(10.0));
    }
}
