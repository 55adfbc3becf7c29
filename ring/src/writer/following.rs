//! Whether the times of a chunk follow those before it (`SPEC.md`, chunk record: flags).

use crate::layout::record::DISCONTINUITY;

/// Least distance from the expected time that counts, in the unit of the times: 1 us of seconds. Unix seconds in a
/// double are rounded to a quarter of that.
const LEAST: f64 = 1e-6;

/// The times of the generation that is being written, as far as the next chunk is compared with them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Following {
    /// Time of the newest frame; NaN before the first, which follows anything.
    last: f64,
    /// From one frame to the next; 0 without a rate.
    step: f64,
    /// Largest distance from the expected time that is still continuous.
    tolerance: f64,
}

impl Following {
    /// Before the first frame of a generation of `rate_hz` frames per second, or 0.
    pub fn new(rate_hz: f64) -> Self {
        let step = if rate_hz > 0.0 { 1.0 / rate_hz } else { 0.0 };
        Self { last: f64::NAN, step, tolerance: (step / 2.0).max(LEAST) }
    }

    /// Time of the newest frame; NaN before the first.
    pub fn last(&self) -> f64 {
        self.last
    }

    /// The flags of the chunk whose first and last frames have these times, which is being recorded.
    #[inline]
    pub fn flags(&mut self, first: f64, last: f64) -> u32 {
        // A time that is not a number is neither lower nor off.
        let is_off =
            if self.step > 0.0 { (first - (self.last + self.step)).abs() > self.tolerance } else { first < self.last };
        self.last = last;
        if is_off { DISCONTINUITY } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which chunks, each of one frame, are flagged.
    fn flagged(rate_hz: f64, times: &[f64]) -> Vec<bool> {
        let mut following = Following::new(rate_hz);
        times.iter().map(|&time| following.flags(time, time) == DISCONTINUITY).collect()
    }

    #[test]
    fn with_a_rate_a_time_that_is_off_by_more_than_half_a_step_is_flagged() {
        assert_eq!(
            flagged(100.0, &[7.0, 7.010, 7.024, 7.034, 7.044, 7.060]),
            [false, false, false, false, false, true]
        );
        // One frame is missing; one came twice; back in time.
        assert_eq!(flagged(100.0, &[7.0, 7.020, 7.030, 7.030, 0.0]), [false, true, false, true, true]);
    }

    #[test]
    fn with_a_rate_what_is_off_by_less_than_a_microsecond_is_not_flagged() {
        // Half a step is 0.25 us, less than the rounding of Unix seconds.
        let start = 1_700_000_000.0;
        assert_eq!(flagged(2e6, &[start, start + 1.4e-6, start + 1.4e-6, start + 4e-6]), [false, false, false, true]);
    }

    #[test]
    fn without_a_rate_only_a_lower_time_is_flagged() {
        assert_eq!(flagged(0.0, &[5.0, 5.0, 1e9, 4.999, 5.0]), [false, false, false, true, false]);
    }

    #[test]
    fn times_that_are_not_numbers_are_not_flagged() {
        for rate_hz in [0.0, 10.0] {
            assert_eq!(flagged(rate_hz, &[f64::NAN, 1.0, f64::NAN, 7.0]), [false; 4], "{rate_hz}");
        }
    }

    #[test]
    fn a_chunk_is_compared_with_the_last_frame_of_the_one_before_it() {
        let mut following = Following::new(10.0);
        assert_eq!(following.flags(0.0, 0.9), 0);
        assert_eq!(following.flags(1.0, 1.9), 0);
        assert_eq!(following.flags(1.0, 1.9), DISCONTINUITY);
        assert_eq!(following.flags(2.0, 5.0), 0);
    }
}
