//! Times of messages that come without any.

use super::arrivals::Arrivals;
use super::run::Run;
use super::sample_clock::SampleClock;

/// Gives times to the messages of a source that sends none: by the [`SampleClock`] if the source states a rate, else by
/// when its messages came.
///
/// Without a rate, the last frame of a message was taken when the message came. The frames before it are spread over the
/// time since the last message, but no further apart than is usual. No frame is before the frame before it.
///
/// Keep it when a generation of the same rate and clock begins: the times of the new one continue those of the old one.
#[derive(Clone, Debug)]
pub struct Stamper(By);

// One of them is made for a stream, and kept.
#[allow(clippy::large_enum_variant)]
#[derive(Clone, Debug)]
enum By {
    Rate(SampleClock),
    Arrival(Arrivals),
}

impl Stamper {
    /// Begins with a source that states `rate_hz` frames per second. With `None`, 0, and a rate that a [`SampleClock`]
    /// cannot have, times are by arrival.
    pub fn new(rate_hz: Option<f64>) -> Self {
        match rate_hz.map(SampleClock::new) {
            Some(Ok(clock)) => Self(By::Rate(clock)),
            _ => Self(By::Arrival(Arrivals::default())),
        }
    }

    /// The stated rate, in frames per second. `None`: times are by arrival.
    pub fn rate_hz(&self) -> Option<f64> {
        match &self.0 {
            By::Rate(clock) => Some(clock.stated_hz()),
            By::Arrival(_) => None,
        }
    }

    /// Gives times to the frames of one message, which came at `came_mono_ns` (CLOCK_MONOTONIC). An empty message
    /// changes nothing.
    pub fn stamp(&mut self, frames: u64, came_mono_ns: u64) -> Run {
        match &mut self.0 {
            By::Rate(clock) => clock.stamp(frames, came_mono_ns),
            By::Arrival(arrivals) => arrivals.stamp(frames, came_mono_ns),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_rate_that_a_sample_clock_can_have_gives_times_by_rate() {
        for (stated_hz, expected) in [
            (Some(1000.0), Some(1000.0)),
            (Some(0.1), Some(0.1)),
            (Some(0.0), None),
            (Some(-1.0), None),
            (Some(1e12), None),
            (Some(f64::NAN), None),
            (None, None),
        ] {
            assert_eq!(Stamper::new(stated_hz).rate_hz(), expected, "{stated_hz:?}");
        }
    }

    #[test]
    fn times_follow_the_rate_if_one_is_stated_and_the_arrivals_otherwise() {
        // The second message comes 10 ms late.
        for (rate_hz, expected) in [(Some(100.0), [1.1, 1.2]), (None, [1.1, 1.21])] {
            let mut stamper = Stamper::new(rate_hz);
            let lasts = [1_100_000_000, 1_210_000_000].map(|came_ns| {
                let run = stamper.stamp(10, came_ns);
                (run.on_monotonic().at(9) * 1e6).round() / 1e6
            });
            assert_eq!(lasts, expected, "{rate_hz:?}");
        }
    }
}
