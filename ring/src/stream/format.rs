//! Format of a generation: what one frame is, how many the ring holds, and at which rate they come.

use crate::layout::{Geometry, MAX_RANK};
use crate::{Dtype, Error, Result};

/// Dtype, frame shape, rate and length of one generation.
#[derive(Clone, Debug, PartialEq)]
pub struct Format {
    dtype: Dtype,
    frame_shape: Vec<u64>,
    rate_hz: f64,
    frames: u64,
}

impl Format {
    /// A format of `frames` frames of shape `frame_shape` (rank 0..=8, each at least 1; `[]` is one sample per frame)
    /// at `rate_hz` frames a second (0: irregular or unknown).
    ///
    /// # Errors
    /// [`Error::BadFormat`] when a value is out of range or the ring's size overflows.
    pub fn new(dtype: Dtype, frame_shape: &[u64], rate_hz: f64, frames: u64) -> Result<Self> {
        let bad = |reason: String| Err(Error::BadFormat { reason });
        if frame_shape.len() > MAX_RANK {
            return bad(format!(
                "frame shape {frame_shape:?} has rank {}, at most {MAX_RANK} is possible",
                frame_shape.len()
            ));
        }
        if frame_shape.contains(&0) {
            return bad(format!("frame shape {frame_shape:?} has a dimension of 0, each must be at least 1"));
        }
        if !(rate_hz.is_finite() && rate_hz >= 0.0) {
            return bad(format!("rate {rate_hz} Hz, expected a finite number, 0 or more"));
        }
        if !(1..=u64::from(u32::MAX)).contains(&frames) {
            return bad(format!("{frames} frames, expected 1..=4294967295"));
        }
        let format = Self { dtype, frame_shape: frame_shape.to_vec(), rate_hz, frames };
        Geometry::plan(&format, 1)?;
        Ok(format)
    }

    /// Type of a sample.
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// Shape of one frame, outermost dimension first; empty for one sample per frame.
    pub fn frame_shape(&self) -> &[u64] {
        &self.frame_shape
    }

    /// Frames a second along the buffered axis; 0 when irregular or unknown.
    pub fn rate_hz(&self) -> f64 {
        self.rate_hz
    }

    /// Frames that the ring holds (when asked for), or really holds (when read from a ring).
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Samples in one frame.
    pub fn frame_samples(&self) -> u64 {
        // Cannot overflow: `new` and `Geometry::check` multiplied it out.
        self.frame_shape.iter().product()
    }

    /// Bytes of one frame.
    pub fn frame_bytes(&self) -> u64 {
        self.frame_samples() * self.dtype.size() as u64
    }

    /// Bytes of shared memory that a ring of this format takes, when its first chunk has `first_chunk_frames` frames
    /// (it decides how many chunk records there are).
    ///
    /// # Errors
    /// [`Error::BadFormat`] when the size overflows.
    pub fn ring_bytes(&self, first_chunk_frames: u64) -> Result<u64> {
        Ok(Geometry::plan(self, first_chunk_frames)?.length)
    }

    pub(crate) fn checked_frame_bytes(&self) -> Option<u64> {
        checked_frame_bytes(self.dtype, &self.frame_shape)
    }

    /// For geometry that `Geometry::check` has already verified.
    pub(crate) fn from_checked(dtype: Dtype, frame_shape: Vec<u64>, rate_hz: f64, frames: u64) -> Self {
        Self { dtype, frame_shape, rate_hz, frames }
    }
}

pub(crate) fn checked_frame_bytes(dtype: Dtype, frame_shape: &[u64]) -> Option<u64> {
    frame_shape.iter().try_fold(dtype.size() as u64, |product, &dim| product.checked_mul(dim))
}
