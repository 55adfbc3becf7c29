//! How many frames a ring has.

use dora_shm_message::Plan;
use dora_shm_node_kit::settings::{Length, SinkSettings};
use dora_shm_ring::{Clock, Dtype, Error, Format};

/// What a ring is made for.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub dtype: Dtype,
    pub frame_shape: &'a [u64],
    /// Rate that the stream states, Hz.
    pub rate_hz: Option<f64>,
    /// Frames in the seconds of `BUF_DUR` by what came, if the stream states no rate.
    pub measured_frames: Option<f64>,
    /// What the times are of.
    pub clock: Clock,
    /// Frames of the largest known chunk.
    pub chunk_frames: u64,
}

impl<'a> Request<'a> {
    pub fn new(plan: &'a Plan, measured_frames: Option<f64>, chunk_frames: u64) -> Self {
        let (dtype, frame_shape, rate_hz) = (plan.dtype(), plan.frame_shape(), plan.rate_hz());
        Self { dtype, frame_shape, rate_hz, measured_frames, clock: plan.clock(), chunk_frames }
    }

    /// The number of frames for `length`. A duration gives at least two chunks: while the writer fills one, a reader
    /// has the other. A number of frames is used as it is.
    fn frames(&self, length: Length) -> u64 {
        let frames = match length {
            Length::Frames(frames) => frames,
            Length::Duration(seconds) => {
                let wanted = self.rate_hz.map(|rate_hz| seconds * rate_hz).or(self.measured_frames);
                // The cast saturates.
                (wanted.unwrap_or_default().ceil() as u64).max(self.chunk_frames.saturating_mul(2))
            }
        };
        frames.clamp(1, u32::MAX.into())
    }

    fn format(&self, frames: u64) -> Result<Format, Error> {
        let format = Format::new(self.dtype, self.frame_shape, self.rate_hz.unwrap_or(0.0), frames)?;
        Ok(format.on_clock(self.clock))
    }

    /// Bytes of a ring of `frames` frames; `u64::MAX` if there cannot be such a ring.
    fn bytes(&self, frames: u64) -> u64 {
        self.format(frames)
            .and_then(|format| format.ring_bytes(expected_chunk_frames(frames, self.chunk_frames)))
            .unwrap_or(u64::MAX)
    }
}

/// The chunk size from which the number of chunk records of a ring of `frames` frames follows: at most that of the
/// known chunks.
///
/// A source may continue with far smaller messages than its first ones, and a mirror reads back only as far as there
/// are records. This many records take 64 KiB.
pub fn expected_chunk_frames(frames: u64, known_chunk_frames: u64) -> u64 {
    const RECORDS: u64 = 1024;
    known_chunk_frames.min(2 * frames / RECORDS).max(1)
}

/// The format of the ring for `settings`, and whether `MAX_BYTES` makes it shorter than `BUF_DUR`.
///
/// # Errors
/// If `BUF_FRAMES` frames, or a single frame, exceed `MAX_BYTES`. The error names the setting to change.
pub fn ring_format(request: &Request<'_>, settings: &SinkSettings) -> Result<(Format, bool), String> {
    let wanted = request.frames(settings.length);
    let limit = settings.max_bytes;
    let bytes = request.bytes(wanted);
    if bytes <= limit {
        return request.format(wanted).map(|format| (format, false)).map_err(|error| error.to_string());
    }
    if let Length::Frames(frames) = settings.length {
        return Err(format!(
            "BUF_FRAMES: {frames} frames need {}, more than MAX_BYTES {limit}; lower BUF_FRAMES or raise MAX_BYTES",
            shown(bytes),
        ));
    }
    let least = request.bytes(1);
    if least > limit {
        return Err(format!(
            "a ring of a single frame of shape {:?} {} needs {}, more than MAX_BYTES {limit}; raise MAX_BYTES",
            request.frame_shape,
            request.dtype,
            shown(least),
        ));
    }
    // `fits` frames fit and `too_many` do not: bisect.
    let (mut fits, mut too_many) = (1, wanted);
    while too_many - fits > 1 {
        let middle = fits + (too_many - fits) / 2;
        if request.bytes(middle) <= limit { fits = middle } else { too_many = middle }
    }
    request.format(fits).map(|format| (format, true)).map_err(|error| error.to_string())
}

fn shown(bytes: u64) -> String {
    if bytes == u64::MAX { "more bytes than can be counted".into() } else { format!("{bytes} bytes") }
}

/// The chunk size to make a longer ring for, if a ring of `ring_frames` holds fewer than two chunks of `chunk_frames`
/// and its length is the sink's choice. It is a power of two, so that growing chunks cost few generations.
pub fn grown(length: Length, ring_frames: u64, chunk_frames: u64) -> Option<u64> {
    let needed = chunk_frames.saturating_mul(2);
    let chosen_by_sink = matches!(length, Length::Duration(_));
    (chosen_by_sink && needed > ring_frames).then(|| needed.checked_next_power_of_two().unwrap_or(needed) / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(rate_hz: Option<f64>, measured_frames: Option<f64>, chunk_frames: u64) -> Request<'static> {
        let (dtype, clock) = (Dtype::F32, Clock::Unix);
        Request { dtype, frame_shape: &[64], rate_hz, measured_frames, clock, chunk_frames }
    }

    fn settings(length: Length, max_bytes: u64) -> SinkSettings {
        SinkSettings { length, max_bytes, ..SinkSettings::default() }
    }

    #[test]
    fn a_duration_becomes_frames_by_the_rate_that_is_stated_or_else_by_what_came() {
        for (length, request, expected) in [
            (Length::Duration(2.0), request(Some(1000.0), None, 10), 2000),
            (Length::Duration(2.0), request(Some(1000.0), Some(7.0), 10), 2000),
            (Length::Duration(2.0), request(None, Some(499.5), 10), 500),
            (Length::Duration(2.0), request(None, None, 1), 2),
            (Length::Duration(0.0001), request(Some(100.0), None, 0), 1),
            (Length::Duration(2.0), request(None, None, 1000), 2000),
            (Length::Duration(1e30), request(Some(1.0), None, 1), u64::from(u32::MAX)),
            (Length::Frames(7), request(Some(1000.0), None, 1000), 7),
        ] {
            assert_eq!(request.frames(length), expected, "{length:?} {request:?}");
        }
    }

    #[test]
    fn a_ring_keeps_records_for_messages_far_smaller_than_the_first() {
        // Two seconds at 16 kHz, first in a block of half a second, then in blocks of 10 ms.
        let expected = expected_chunk_frames(32_000, 8000);
        assert!(2 * 32_000 / expected >= 32_000 / 160, "{expected}");
        assert_eq!(expected_chunk_frames(32_000, 4), 4);
        assert_eq!(expected_chunk_frames(60, 0), 1);
    }

    #[test]
    fn a_measured_rate_sets_the_length_and_is_not_stated() {
        let (format, _) =
            ring_format(&request(None, Some(250.0), 1), &settings(Length::Duration(1.0), 1 << 30)).unwrap();
        assert_eq!((format.frames(), format.rate_hz()), (250, 0.0));
        let (format, _) =
            ring_format(&request(Some(50.0), None, 1), &settings(Length::Duration(1.0), 1 << 30)).unwrap();
        assert_eq!((format.frames(), format.rate_hz()), (50, 50.0));
    }

    #[test]
    fn a_duration_beyond_the_limit_is_shortened_to_what_fits() {
        let request = request(Some(1000.0), None, 10);
        let limit = 10 << 20;
        let (format, shortened) = ring_format(&request, &settings(Length::Duration(3600.0), limit)).unwrap();
        assert!(shortened);
        assert!(request.bytes(format.frames()) <= limit);
        assert!(format.frames() * format.frame_bytes() > limit / 2, "{} frames", format.frames());
        let (_, shortened) = ring_format(&request, &settings(Length::Duration(1.0), limit)).unwrap();
        assert!(!shortened);
    }

    #[test]
    fn frames_beyond_the_limit_are_refused_by_name() {
        let request = request(Some(1000.0), None, 10);
        let error = ring_format(&request, &settings(Length::Frames(1_000_000), 1 << 20)).unwrap_err();
        assert!(error.contains("BUF_FRAMES") && error.contains("MAX_BYTES 1048576"), "{error}");
        let error = ring_format(&request, &settings(Length::Duration(1.0), 100)).unwrap_err();
        assert!(error.contains("single frame") && error.contains("MAX_BYTES 100"), "{error}");
    }

    #[test]
    fn a_ring_grows_only_for_chunks_of_more_than_half_of_it() {
        let duration = Length::Duration(2.0);
        for (length, ring, chunk, expected) in [
            (duration, 100, 50, None),
            (duration, 100, 51, Some(64)),
            (duration, 100, 64, Some(64)),
            (duration, 100, 65, Some(128)),
            (duration, 1, 1, Some(1)),
            (Length::Frames(100), 100, 500, None),
        ] {
            assert_eq!(grown(length, ring, chunk), expected, "{length:?} {ring} {chunk}");
        }
    }
}
