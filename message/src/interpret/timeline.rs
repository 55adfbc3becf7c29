//! What is remembered of the times that a source gives, so that messages that lack them can follow.

use dora_shm_ring::{Clock, Times};

use crate::settings::StampedFrame;

/// Number of consecutive messages without times after which a source counts as one that gives none.
const PATIENCE: u32 = 8;

/// Number of intervals that the usual one is taken from.
const REMEMBERED: usize = 8;

/// The times of the messages so far, on the clock of the newest message that had some.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    before: Option<Before>,
    usual: Intervals,
    /// Consecutive messages without times.
    missing: u32,
}

/// The frames of the message before.
#[derive(Clone, Copy, Debug)]
struct Before {
    first: f64,
    last: f64,
    frames: u64,
    clock: Clock,
}

impl Timeline {
    /// The clock on which a message without times follows the message before. `None`: it does not follow. `must`: even
    /// if many have had none.
    pub(crate) fn carries_on(&self, must: bool) -> Option<Clock> {
        let before = self.before.filter(|_| must || self.missing < PATIENCE)?;
        Some(before.clock)
    }

    /// The times of `frames` frames of which one is at `time`. `step` is that of the rate; 0: unknown. Then the frames
    /// are spread over the time since the message before, but no further apart than is usual.
    pub(crate) fn stamped<'v>(
        &self,
        time: f64,
        frame: StampedFrame,
        frames: u64,
        step: f64,
        values: &'v mut Vec<f64>,
    ) -> Times<'v> {
        let step = match step {
            0.0 if frames > 1 => self.spread(time, frame, frames),
            step => step,
        };
        match frame {
            StampedFrame::First => Times::Linear { start: time, step },
            // As values, so that the time of the last frame is exact.
            StampedFrame::Last => {
                values.clear();
                values.extend((0..frames).rev().map(|behind| time - behind as f64 * step));
                Times::Values(values)
            }
        }
    }

    /// The times of frames that follow the frame before by one step, and each other. `step` is that of the rate; 0:
    /// unknown, so it is the usual interval.
    pub(crate) fn carried(&self, step: f64) -> Times<'static> {
        let step = if step == 0.0 { self.usual.median().unwrap_or(0.0) } else { step };
        Times::Linear { start: self.before.map_or(0.0, |before| before.last) + step, step }
    }

    /// Seconds per frame, at a rate that is not known.
    fn spread(&self, time: f64, frame: StampedFrame, frames: u64) -> f64 {
        let since = self.before.and_then(|before| match frame {
            StampedFrame::First => interval(before.first, time, before.frames),
            StampedFrame::Last => interval(before.last, time, frames),
        });
        match (since, self.usual.median()) {
            (Some(since), Some(usual)) => since.min(usual),
            (since, usual) => since.or(usual).unwrap_or(0.0),
        }
    }

    /// Takes the times of a message that had some. `stamped`: the only frame whose time it stated, if the times of the
    /// others are guessed.
    pub(crate) fn given(&mut self, times: Times<'_>, frames: u64, stamped: Option<StampedFrame>, clock: Clock) {
        let Some((first, last)) = ends(times, frames) else { return };
        match self.before {
            Some(before) if before.clock == clock => self.usual.add(match stamped {
                Some(StampedFrame::First) => interval(before.first, first, before.frames),
                _ => interval(before.last, last, frames),
            }),
            _ => self.usual = Intervals::default(),
        }
        self.before = Some(Before { first, last, frames, clock });
        self.missing = 0;
    }

    /// Takes the times of a message that follows the one before.
    pub(crate) fn followed(&mut self, times: Times<'_>, frames: u64) {
        if let (Some((first, last)), Some(before)) = (ends(times, frames), &mut self.before) {
            *before = Before { first, last, frames, clock: before.clock };
        }
        self.missing = self.missing.saturating_add(1);
    }

    /// Forgets everything: the next times may be of another clock, or the sink made those before.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// The part of the time from `before` to `now` that each of `frames` frames takes. `None`: it is not a time span.
fn interval(before: f64, now: f64, frames: u64) -> Option<f64> {
    Some((now - before) / frames as f64).filter(|interval| interval.is_finite() && *interval > 0.0)
}

/// The times of the first and of the last of `frames` frames.
fn ends(times: Times<'_>, frames: u64) -> Option<(f64, f64)> {
    match times {
        Times::Linear { start, step } => Some((start, start + frames.checked_sub(1)? as f64 * step)),
        Times::Values(values) => Some((*values.first()?, *values.last()?)),
        Times::Run(run) => Some((run.at(0), run.at(frames.checked_sub(1)?))),
    }
}

/// The newest intervals between frames, in seconds.
#[derive(Clone, Copy, Debug, Default)]
struct Intervals {
    newest: [f64; REMEMBERED],
    added: usize,
}

impl Intervals {
    fn add(&mut self, interval: Option<f64>) {
        if let Some(interval) = interval {
            self.newest[self.added % REMEMBERED] = interval;
            self.added = self.added.wrapping_add(1);
        }
    }

    /// The median, of which a pause or a burst among the newest messages changes little.
    fn median(&self) -> Option<f64> {
        let mut intervals = self.newest;
        let intervals = &mut intervals[..self.added.min(REMEMBERED)];
        intervals.sort_unstable_by(f64::total_cmp);
        intervals.get(intervals.len().saturating_sub(1) / 2).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(times: Times<'_>, frames: u64) -> Vec<f64> {
        match times {
            Times::Linear { start, step } => (0..frames).map(|i| start + i as f64 * step).collect(),
            Times::Values(values) => values.to_vec(),
            Times::Run(run) => (0..frames).map(|i| run.at(i)).collect(),
        }
    }

    /// A timeline after messages of one frame at these times.
    fn after(times: &[f64]) -> Timeline {
        let mut timeline = Timeline::default();
        times.iter().for_each(|time| timeline.given(Times::Values(&[*time]), 1, None, Clock::Source));
        timeline
    }

    fn stamped(timeline: &Timeline, time: f64, frame: StampedFrame, frames: u64, step: f64) -> Vec<f64> {
        let mut values = Vec::new();
        all(timeline.stamped(time, frame, frames, step, &mut values), frames)
    }

    #[test]
    fn one_time_is_that_of_the_first_or_of_the_last_frame() {
        let timeline = Timeline::default();
        assert_eq!(stamped(&timeline, 5.0, StampedFrame::First, 3, 0.25), [5.0, 5.25, 5.5]);
        assert_eq!(stamped(&timeline, 5.0, StampedFrame::Last, 3, 0.25), [4.5, 4.75, 5.0]);
        assert_eq!(stamped(&timeline, 5.0, StampedFrame::Last, 1, 0.0), [5.0]);
        // With nothing to go by, all frames have this time.
        assert_eq!(stamped(&timeline, 5.0, StampedFrame::First, 2, 0.0), [5.0, 5.0]);
    }

    #[test]
    fn the_last_frame_has_exactly_the_time_that_was_stated() {
        let time = 1_700_000_000.123_456_7;
        let times = stamped(&Timeline::default(), time, StampedFrame::Last, 1000, 1.0 / 30_000.0);
        assert_eq!(times.last(), Some(&time));
    }

    #[test]
    fn without_a_rate_frames_are_spread_over_the_time_since_the_message_before() {
        let timeline = after(&[10.0]);
        assert_eq!(stamped(&timeline, 12.0, StampedFrame::Last, 4, 0.0), [10.5, 11.0, 11.5, 12.0]);
        // After a pause they are no further apart than is usual.
        let timeline = after(&[10.0, 10.5, 11.0]);
        assert_eq!(stamped(&timeline, 99.0, StampedFrame::Last, 3, 0.0), [98.0, 98.5, 99.0]);
        assert_eq!(stamped(&timeline, 99.0, StampedFrame::First, 3, 0.0), [99.0, 99.5, 100.0]);
        // When time went back, the usual interval is left.
        assert_eq!(stamped(&timeline, 3.0, StampedFrame::Last, 2, 0.0), [2.5, 3.0]);
    }

    #[test]
    fn messages_of_several_frames_give_the_interval_of_one() {
        let mut timeline = Timeline::default();
        for time in [10.0, 11.0, 12.0] {
            let times = stamped(&timeline, time, StampedFrame::First, 4, 0.0);
            timeline.given(Times::Values(&times), 4, Some(StampedFrame::First), Clock::Source);
        }
        assert_eq!(stamped(&timeline, 13.0, StampedFrame::First, 4, 0.0), [13.0, 13.25, 13.5, 13.75]);
    }

    #[test]
    fn a_message_without_times_follows_by_one_step() {
        let timeline = after(&[10.0, 10.5, 11.0]);
        assert_eq!(all(timeline.carried(0.25), 2), [11.25, 11.5]);
        assert_eq!(all(timeline.carried(0.0), 2), [11.5, 12.0]);
        // One message gives no interval.
        assert_eq!(all(after(&[10.0]).carried(0.0), 1), [10.0]);
    }

    #[test]
    fn a_source_that_has_given_no_times_for_long_gives_none() {
        let mut timeline = after(&[10.0]);
        for _ in 0..PATIENCE {
            assert_eq!(timeline.carries_on(false), Some(Clock::Source));
            timeline.followed(timeline.carried(0.5), 1);
        }
        assert_eq!(timeline.carries_on(false), None);
        assert_eq!(timeline.carries_on(true), Some(Clock::Source));
        assert_eq!(all(timeline.carried(0.5), 1), [14.5]);
        timeline.clear();
        assert_eq!(timeline.carries_on(true), None);
    }

    #[test]
    fn intervals_are_not_measured_across_clocks() {
        let mut timeline = after(&[10.0, 10.5]);
        timeline.given(Times::Values(&[1_700_000_000.0]), 1, None, Clock::Unix);
        assert_eq!(timeline.usual.median(), None);
        assert_eq!(timeline.carries_on(false), Some(Clock::Unix));
    }
}
