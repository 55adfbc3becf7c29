//! Times of a source that states no rate: by when its messages came.

use super::elapsed_s;
use super::line::Line;
use super::run::Run;
use super::seconds::Seconds;

/// This many intervals show how far apart frames usually are.
const INTERVALS: usize = 16;

/// Gives times to the frames of a source that states no rate.
///
/// The last frame of a message was taken when the message came. The frames before it are spread over the time since the
/// last message, but no further apart than is usual: the upper quartile of the newest 16 intervals, so that neither a
/// pause nor messages that come in pairs change it. Frames of the first message all have its time. No frame is before
/// the frame before it.
#[derive(Clone, Debug, Default)]
pub struct Arrivals {
    /// Time of the newest frame, CLOCK_MONOTONIC.
    last_ns: Option<u64>,
    /// Running number of the next frame.
    next: u64,
    /// Seconds from frame to frame in the newest messages, in a circle.
    intervals_s: [f64; INTERVALS],
    /// How many messages gave an interval.
    count: usize,
}

impl Arrivals {
    /// Gives times to the frames of one message, which came at `came_mono_ns` (CLOCK_MONOTONIC). An empty message
    /// changes nothing.
    pub fn stamp(&mut self, frames: u64, came_mono_ns: u64) -> Run {
        let first = self.next;
        let time_ns = came_mono_ns.max(self.last_ns.unwrap_or(0));
        let Some(further) = frames.checked_sub(1) else {
            return Run::new(
                Line::new(first, Seconds::from_ns(time_ns.into()), Seconds::from_ns(0)),
                first,
                0,
                false,
                None,
            );
        };
        let step_s = self.last_ns.map_or(0.0, |last_ns| self.step_s(elapsed_s(last_ns, time_ns) / frames as f64));
        let last = first.saturating_add(further);
        (self.last_ns, self.next) = (Some(time_ns), last.saturating_add(1));
        let line = Line::new(last, Seconds::from_ns(time_ns.into()), Seconds::from_f64(step_s));
        Run::new(line, first, frames, false, None)
    }

    /// The step of a message whose frames came `interval_s` apart.
    fn step_s(&mut self, interval_s: f64) -> f64 {
        self.intervals_s[self.count % INTERVALS] = interval_s;
        self.count += 1;
        let mut known = self.intervals_s;
        let known = &mut known[..self.count.min(INTERVALS)];
        known.sort_unstable_by(f64::total_cmp);
        interval_s.min(known[known.len() * 3 / 4])
    }
}

#[cfg(test)]
mod tests {
    use super::super::NS_PER_S;
    use super::*;

    const MS: u64 = 1_000_000;

    /// The times of messages of so many frames that came at these milliseconds, in milliseconds.
    fn stamped(messages: &[(u64, u64)]) -> Vec<Vec<f64>> {
        let mut arrivals = Arrivals::default();
        let times = messages.iter().map(|&(frames, came_ms)| {
            let run = arrivals.stamp(frames, came_ms * MS);
            (0..frames).map(|i| (run.on_monotonic().at(i) * 1e6).round() / 1e3).collect()
        });
        times.collect()
    }

    #[test]
    fn a_frame_alone_has_the_time_at_which_it_came() {
        assert_eq!(stamped(&[(1, 5), (1, 9), (1, 200)]), [[5.0], [9.0], [200.0]]);
    }

    #[test]
    fn frames_are_spread_over_the_time_since_the_last_message_and_the_last_came_now() {
        let expected = [vec![100.0; 4], vec![125.0, 150.0, 175.0, 200.0], vec![250.0, 300.0]];
        assert_eq!(stamped(&[(4, 100), (4, 200), (2, 300)]), expected);
    }

    #[test]
    fn after_a_pause_frames_are_as_far_apart_as_usual() {
        let before: Vec<(u64, u64)> = (1..=20).map(|i| (10, i * 100)).collect();
        let messages = [&before[..], &[(10, 60_000), (10, 60_100), (10, 90_000)]].concat();
        for (message, end) in [(20, 60_000.0), (21, 60_100.0), (22, 90_000.0)] {
            let expected: Vec<f64> = (0..10).map(|i| end - 90.0 + 10.0 * f64::from(i)).collect();
            assert_eq!(stamped(&messages)[message], expected);
        }
    }

    #[test]
    fn two_messages_a_tick_are_spread_over_the_tick_and_at_its_end() {
        let messages: Vec<(u64, u64)> = (1..=20).flat_map(|i| [(2, i * 10), (2, i * 10)]).collect();
        let times = stamped(&messages);
        assert_eq!(times[38..], [[195.0, 200.0], [200.0, 200.0]]);
    }

    #[test]
    fn no_frame_is_before_the_frame_before_it_whatever_comes() {
        let mut arrivals = Arrivals::default();
        let mut newest = f64::NEG_INFINITY;
        let mut random = 1u64;
        for _ in 0..20_000 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (frames, came_ns) = ((random >> 33) % 50, (random >> 40) % 100 * MS + random % 1000);
            let run = arrivals.stamp(frames, came_ns);
            for i in 0..frames {
                let time = run.on_monotonic().at(i);
                assert!(time >= newest, "{time} after {newest}");
                newest = time;
            }
        }
    }

    #[test]
    fn an_empty_message_changes_nothing() {
        let times = stamped(&[(2, 100), (0, 150), (2, 200)]);
        assert_eq!(times, [vec![100.0, 100.0], vec![], vec![150.0, 200.0]]);
    }

    #[test]
    fn any_numbers_are_taken() {
        for frames in [0, 1, 2, u64::MAX] {
            let mut arrivals = Arrivals::default();
            for came_ns in [0, u64::MAX, 1, u64::MAX, NS_PER_S] {
                assert!(arrivals.stamp(frames, came_ns).on_monotonic().at(0).is_finite());
            }
        }
    }
}
