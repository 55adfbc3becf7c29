//! Says once that the rate that a source states contradicts its messages.

use dora_shm_ring::times::StatedRate;

/// Compares the stated rate of a stream with what comes.
#[derive(Debug, Default)]
pub struct RateCheck {
    current: Option<(f64, StatedRate)>,
    has_warned: bool,
}

impl RateCheck {
    /// Counts a message of a stream that states `rate_hz`, which came at `came_mono_ns` (CLOCK_MONOTONIC). Returns a
    /// warning, once.
    pub fn message(&mut self, rate_hz: Option<f64>, frames: u64, came_mono_ns: u64) -> Option<String> {
        let Some(rate_hz) = rate_hz else {
            self.current = None;
            return None;
        };
        if self.current.as_ref().is_none_or(|(current_hz, _)| *current_hz != rate_hz) {
            (self.current, self.has_warned) = (Some((rate_hz, StatedRate::new(rate_hz))), false);
        }
        let come_hz = self.current.as_mut()?.1.add(frames, came_mono_ns)?;
        self.has_warned = true;
        Some(warning(rate_hz, come_hz))
    }

    /// Whether the current rate contradicts the messages.
    pub fn has_warned(&self) -> bool {
        self.has_warned
    }
}

fn warning(stated_hz: f64, come_hz: f64) -> String {
    let found = format!("the stated rate is {stated_hz} Hz, but about {come_hz:.1} frames come per second");
    if come_hz < stated_hz {
        format!(
            "{found}; if the rows of a message are frames, set FRAMES: rows; else set SAMPLE_RATE to the rate of the \
             frames"
        )
    } else {
        format!(
            "{found}; set SAMPLE_RATE to the rate of the frames, or FRAMES: message if a message is one frame (FRAMES: \
             rows makes each row one)"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The warnings about blocks of `frames` frames, ten a second for half a minute.
    fn warnings(check: &mut RateCheck, rate_hz: Option<f64>, frames: u64) -> Vec<String> {
        (0..300).filter_map(|i| check.message(rate_hz, frames, i * 100_000_000)).collect()
    }

    #[test]
    fn a_rate_that_contradicts_the_messages_is_said_once_with_the_setting_that_names_rows() {
        for (rate_hz, frames) in [(16_000.0, 1), (10.0, 1600)] {
            let mut check = RateCheck::default();
            let warnings = warnings(&mut check, Some(rate_hz), frames);
            let come_hz = format!("about {:.1} frames", 10.0 * frames as f64);
            assert!(check.has_warned());
            assert!(
                matches!(&warnings[..], [one] if one.contains(&come_hz)
                    && one.contains(&format!("{rate_hz} Hz"))
                    && one.contains("FRAMES: rows")
                    && one.contains("SAMPLE_RATE")),
                "{warnings:?}"
            );
        }
    }

    #[test]
    fn a_rate_that_fits_or_is_not_stated_is_not_warned_of_and_another_rate_is_judged_anew() {
        let mut check = RateCheck::default();
        assert_eq!(warnings(&mut check, Some(16_000.0), 1600), [""; 0]);
        assert_eq!(warnings(&mut check, None, 1600), [""; 0]);
        assert_eq!(warnings(&mut check, Some(100.0), 1600).len(), 1);
        assert_eq!(check.message(Some(16_000.0), 1600, 0), None);
        assert!(!check.has_warned());
    }
}
