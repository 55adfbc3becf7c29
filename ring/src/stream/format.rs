//! Format of a generation: type and shape of a frame, length of the ring, rate, and clock.

use crate::{Clock, Dtype, Error, Result};

/// Largest rank of a frame.
pub const MAX_RANK: usize = 8;

/// Largest size of times and samples, in bytes. With frames rounded up and with records and trailer, a ring still has
/// fewer than `isize::MAX`.
const MAX_BYTES: u64 = 7 << 60;

/// Dtype, frame shape, rate, length and clock of one generation.
#[derive(Clone, Debug, PartialEq)]
pub struct Format {
    dtype: Dtype,
    frame_shape: Vec<u64>,
    rate_hz: f64,
    frames: u64,
    clock: Clock,
}

impl Format {
    /// A format of `frames` frames of shape `frame_shape` (rank 0..=8, each at least 1; `[]` is one sample per frame)
    /// at `rate_hz` frames per second (0: irregular or unknown), with times on the source's own clock
    /// ([`on_clock`](Self::on_clock) names another).
    ///
    /// # Errors
    /// [`Error::BadFormat`] if a value is out of range or the ring's size overflows.
    pub fn new(dtype: Dtype, frame_shape: &[u64], rate_hz: f64, frames: u64) -> Result<Self> {
        let bad = |reason: String| Err(Error::BadFormat { reason });
        if frame_shape.len() > MAX_RANK {
            return bad(format!(
                "frame shape {frame_shape:?} has rank {}, expected at most {MAX_RANK}",
                frame_shape.len()
            ));
        }
        if frame_shape.contains(&0) {
            return bad(format!("frame shape {frame_shape:?} has a dimension of 0, expected each to be at least 1"));
        }
        if !(rate_hz.is_finite() && rate_hz >= 0.0) {
            return bad(format!("rate {rate_hz} Hz, expected a finite number, 0 or more"));
        }
        if !(1..=u64::from(u32::MAX)).contains(&frames) {
            return bad(format!("{frames} frames, expected 1..=4294967295"));
        }
        let format = Self { dtype, frame_shape: frame_shape.to_vec(), rate_hz, frames, clock: Clock::Source };
        let bytes = format.checked_frame_bytes().and_then(|bytes| bytes.checked_add(8)?.checked_mul(frames));
        if bytes.is_none_or(|bytes| bytes > MAX_BYTES) {
            return Err(format.overflow());
        }
        Ok(format)
    }

    /// This format, with times on `clock`.
    pub fn on_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// What the times are of.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// Type of a sample.
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// Shape of one frame, outermost dimension first; empty for one sample per frame.
    pub fn frame_shape(&self) -> &[u64] {
        &self.frame_shape
    }

    /// Frames per second along the buffered axis; 0 if irregular or unknown.
    pub fn rate_hz(&self) -> f64 {
        self.rate_hz
    }

    /// Frames that the ring is to hold or, in the format of a ring that is read, holds.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Samples in one frame.
    pub fn frame_samples(&self) -> u64 {
        // Cannot overflow: checked by `new`, or by the check that `from_checked` requires.
        self.frame_shape.iter().product()
    }

    /// Bytes of one frame.
    pub fn frame_bytes(&self) -> u64 {
        self.frame_samples() * self.dtype.size() as u64
    }

    /// The error for a ring of this format that no address space can hold.
    pub(crate) fn overflow(&self) -> Error {
        let Self { dtype, frame_shape, frames, .. } = self;
        Error::BadFormat {
            reason: format!("{frames} frames of shape {frame_shape:?} and type {dtype} overflow the address space"),
        }
    }

    pub(crate) fn checked_frame_bytes(&self) -> Option<u64> {
        checked_frame_bytes(self.dtype, &self.frame_shape)
    }

    /// A format whose ring has been checked.
    pub(crate) fn from_checked(dtype: Dtype, frame_shape: Vec<u64>, rate_hz: f64, frames: u64, clock: Clock) -> Self {
        Self { dtype, frame_shape, rate_hz, frames, clock }
    }
}

pub(crate) fn checked_frame_bytes(dtype: Dtype, frame_shape: &[u64]) -> Option<u64> {
    frame_shape.iter().try_fold(dtype.size() as u64, |product, &dim| product.checked_mul(dim))
}
