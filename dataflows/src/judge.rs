//! Checks that the frames that arrive are the signal, whole and in the order of the source.

use crate::signal::{CHANNELS, COUNTER_PERIOD, Signal};

/// Checks the frames of the signal one after the other.
#[derive(Default)]
pub struct Judge {
    signal: Signal,
    next: Option<u64>,
    /// Number at the source of the first frame seen.
    first: Option<u64>,
    /// Number of frames seen so far.
    pub frames: u64,
    /// Number of the source's frames that are missing, from the gaps in its counter.
    pub missing: u64,
    /// Number of frames with a sample that differs from what the source sends.
    pub wrong: u64,
}

impl Judge {
    /// A judge that expects the source's first frame first.
    pub fn from_the_start() -> Self {
        Self { next: Some(0), ..Self::default() }
    }

    /// Checks the next frame, one sample per channel. Returns its number at the source, or `None` if it is wrong.
    pub fn check(&mut self, samples: &[f32]) -> Option<u64> {
        self.frames += 1;
        let counter = samples.first().copied().unwrap_or(f32::NAN);
        if samples.len() != CHANNELS || !(0.0..COUNTER_PERIOD as f32).contains(&counter) || counter.fract() != 0.0 {
            self.wrong += 1;
            return None;
        }
        let expected = self.next.unwrap_or(counter as u64);
        // The counter wraps, but never goes back, so the distance is the number of missing frames.
        let gap = (counter as u64 + COUNTER_PERIOD - expected % COUNTER_PERIOD) % COUNTER_PERIOD;
        if gap > COUNTER_PERIOD / 2 {
            self.wrong += 1;
            return None;
        }
        let frame = expected + gap;
        self.missing += gap;
        self.next = Some(frame + 1);
        self.first.get_or_insert(frame);
        if samples.iter().enumerate().any(|(channel, &sample)| sample != self.signal.sample(frame, channel)) {
            self.wrong += 1;
            return None;
        }
        Some(frame)
    }

    /// Counts the frames after the last one seen as missing. The source has sent `frames` frames in total.
    pub fn finish(&mut self, frames: u64) {
        self.missing += frames.saturating_sub(self.next.unwrap_or(0));
    }

    /// Number of frames that are missing between frames that were seen, of which a reader and a sink can know.
    pub fn missing_between(&self) -> u64 {
        let (Some(first), Some(next)) = (self.first, self.next) else { return 0 };
        next - first - (self.frames - self.wrong)
    }

    /// Whether every frame was correct and none is missing.
    pub fn is_content(&self) -> bool {
        self.missing == 0 && self.wrong == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(number: u64) -> Vec<f32> {
        let mut samples = Vec::new();
        Signal::default().push_frame(number, &mut samples);
        samples
    }

    #[test]
    fn the_whole_signal_is_accepted_also_when_the_counter_starts_again() {
        let mut judge = Judge::default();
        for number in COUNTER_PERIOD - 3..COUNTER_PERIOD + 3 {
            assert!(judge.check(&frame(number)).is_some());
        }
        assert!(judge.is_content());
        assert_eq!(judge.frames, 6);
    }

    #[test]
    fn frames_left_out_at_the_start_in_the_middle_and_at_the_end_are_missing() {
        let mut judge = Judge::from_the_start();
        for number in [2, 3, 7] {
            assert_eq!(judge.check(&frame(number)), Some(number));
        }
        judge.finish(10);
        assert_eq!((judge.missing, judge.missing_between(), judge.wrong), (2 + 3 + 2, 3, 0));
    }

    #[test]
    fn a_changed_sample_and_a_frame_that_arrives_again_are_wrong() {
        let mut judge = Judge::from_the_start();
        let mut changed = frame(0);
        changed[5] += 1.0;
        assert_eq!(judge.check(&changed), None);
        assert!(judge.check(&frame(1)).is_some());
        assert_eq!(judge.check(&frame(1)), None);
        assert_eq!(judge.check(&frame(2)[..63]), None);
        assert_eq!(judge.wrong, 3);
    }
}
