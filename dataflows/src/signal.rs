//! A synthetic 64-channel signal of which every sample is known in advance.

use std::f64::consts::TAU;

/// Number of channels in a frame.
pub const CHANNELS: usize = 64;

/// Frames per second. An integer, since the wave table holds one second.
pub const RATE_HZ: usize = 1000;

/// Number of frames in a message: 10 ms of signal.
pub const FRAMES_PER_MESSAGE: usize = 10;

/// Peak of the waves, in microvolts.
pub const AMPLITUDE_UV: f64 = 50.0;

/// The frame counter in channel 0 starts again at 0 here, since f32 cannot represent all larger integers.
pub const COUNTER_PERIOD: u64 = 1 << 24;

/// The signal: channel 0 counts frames, channel `c` is a sine of `c` Hz.
pub struct Signal {
    /// One second of a sine of 1 Hz; a sine of `c` Hz takes every `c`-th entry.
    wave: Vec<f32>,
}

impl Default for Signal {
    fn default() -> Self {
        let entry = |index| (AMPLITUDE_UV * (TAU * index as f64 / RATE_HZ as f64).sin()) as f32;
        Self { wave: (0..RATE_HZ).map(entry).collect() }
    }
}

impl Signal {
    /// The sample of `channel` in the source's frame number `frame`.
    pub fn sample(&self, frame: u64, channel: usize) -> f32 {
        if channel == 0 {
            return (frame % COUNTER_PERIOD) as f32;
        }
        self.wave[(frame % RATE_HZ as u64) as usize * channel % RATE_HZ]
    }

    /// Appends the samples of frame number `frame`, one per channel.
    pub fn push_frame(&self, frame: u64, samples: &mut Vec<f32>) {
        samples.extend((0..CHANNELS).map(|channel| self.sample(frame, channel)));
    }
}

/// The labels of the channels, in the order of the channels.
pub fn labels() -> Vec<String> {
    std::iter::once("frame".to_owned()).chain((1..CHANNELS).map(|hz| format!("sine {hz} Hz"))).collect()
}

/// The `axes` parameter of the source's messages.
pub fn axes_json() -> String {
    let labels: Vec<String> = labels().iter().map(|label| format!("{label:?}")).collect();
    format!(
        r#"{{"time":{{"kind":"linear","unit":"s","gain":{}}},"ch":{{"kind":"coord","unit":"","data":[{}]}}}}"#,
        1.0 / RATE_HZ as f64,
        labels.join(",")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_two_frames_differ_until_the_counter_starts_again() {
        let signal = Signal::default();
        assert_eq!(signal.sample(COUNTER_PERIOD - 1, 0), 16_777_215.0);
        assert_ne!(signal.sample(COUNTER_PERIOD - 1, 0), signal.sample(COUNTER_PERIOD - 2, 0));
        assert_eq!(signal.sample(COUNTER_PERIOD, 0), 0.0);
    }

    #[test]
    fn channel_c_has_c_periods_per_second() {
        let signal = Signal::default();
        for channel in [1, 7, 63] {
            let rising = |frame: u64| signal.sample(frame, channel) < 0.0 && signal.sample(frame + 1, channel) >= 0.0;
            assert_eq!((0..RATE_HZ as u64).filter(|&frame| rising(frame)).count(), channel);
        }
    }
}
