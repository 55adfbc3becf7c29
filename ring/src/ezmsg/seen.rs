//! What a header that ezmsg wrote states about its stream: struct versions 1 and 2.
//!
//! ezmsg's writer does not announce a write, and stores the index and the number of laps one after the other. Positions
//! are therefore only as exact as these two fields allow.

use super::chars::dtype_of;
use super::header::{LENGTH, MAX_DIMS, NO_GENERATION, at, has_magic, peek};
use crate::stream::MAX_RANK;
use crate::stream::format::checked_frame_bytes;
use crate::{Clock, Dtype, Format};

/// Whether the struct version is supported: 1 is that of ezmsg-tools 0.6, 2 that of 0.10.
pub(crate) fn is_read(struct_version: u32) -> bool {
    matches!(struct_version, 1 | 2)
}

/// A private copy of a header.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen([u8; LENGTH]);

/// Why a header describes no ring that can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The header contradicts itself.
    Corrupt(String),
    /// The header is valid, but a [`Format`] cannot describe its frames.
    Unsupported(String),
}

impl Seen {
    /// `None` if the magic is missing: the header has not been filled yet.
    pub fn new(bytes: [u8; LENGTH]) -> Option<Self> {
        has_magic(&bytes).then_some(Self(bytes))
    }

    pub fn struct_version(&self) -> u32 {
        at::struct_version.get(&self.0)
    }

    /// The signal's key, if it can be decoded.
    pub fn key(&self) -> Option<String> {
        peek(&self.0)?.key
    }

    /// Whether both describe the same ring; the position may differ.
    pub fn is_same_ring_as(&self, other: &Self) -> bool {
        self.0[..at::wrap_counter.offset()] == other.0[..at::wrap_counter.offset()]
    }

    /// Whether the header may be read and there is a ring.
    pub fn is_valid(&self) -> bool {
        at::bvalid.get(&self.0) != 0 && self.generation().is_some()
    }

    /// Number of the ring; `None` before the first.
    pub fn generation(&self) -> Option<u32> {
        Some(at::buffer_generation.get(&self.0)).filter(|&generation| generation != NO_GENERATION)
    }

    pub fn laps(&self) -> u64 {
        at::wrap_counter.get(&self.0)
    }

    pub fn index(&self) -> u64 {
        at::write_index.get(&self.0)
    }

    /// Number of the description; 0 before the first.
    pub fn meta_generation(&self) -> u32 {
        at::meta_generation.get(&self.0)
    }

    /// Bytes of its pickle.
    pub fn aux_nbytes(&self) -> u32 {
        at::aux_nbytes.get(&self.0)
    }

    /// Where the frames of the ring are.
    pub fn layout(&self) -> Result<Layout, Refusal> {
        let corrupt = |reason: String| Err(Refusal::Corrupt(reason));
        let unsupported = |reason: String| Err(Refusal::Unsupported(reason));
        let ndim = at::ndim.get(&self.0) as usize;
        if !(1..=MAX_DIMS).contains(&ndim) {
            return corrupt(format!("{ndim} dimensions, expected 1..={MAX_DIMS}"));
        }
        let dims: Vec<u64> = at::shape.get(&self.0)[..ndim].iter().map(|&dim| dim.into()).collect();
        let (frames, frame_shape) = (dims[0], &dims[1..]);
        if frames == 0 {
            return corrupt("its ring has 0 frames, expected at least 1".to_owned());
        }
        let rate = at::srate.get(&self.0);
        if !(rate.is_finite() && rate >= 0.0) {
            return corrupt(format!("rate {rate} Hz, expected a finite number, 0 or more"));
        }
        let char = at::dtype.get(&self.0);
        let Some(dtype) = dtype_of(char) else {
            let shown = char::from(char).escape_debug();
            // The remaining characters of numpy. Objects are addresses in the writer's memory.
            return if b"gFDGSUVOMm".contains(&char) {
                unsupported(format!("its samples have numpy's type {shown}, expected one of {:?}", Dtype::ALL))
            } else {
                corrupt(format!("{shown} is not a numpy type"))
            };
        };
        if frame_shape.len() > MAX_RANK {
            return unsupported(format!("its frames have rank {}, expected at most {MAX_RANK}", frame_shape.len()));
        }
        if frame_shape.contains(&0) {
            return unsupported(format!("its frames, of shape {frame_shape:?}, have no samples"));
        }
        let has_times = self.struct_version() >= 2;
        let samples_offset = if has_times { 8 * frames } else { 0 };
        let size = || {
            let frame_bytes = checked_frame_bytes(dtype, frame_shape)?;
            let length = frames.checked_mul(frame_bytes)?.checked_add(samples_offset)?;
            (length <= isize::MAX as u64).then_some((frame_bytes, length))
        };
        let Some((frame_bytes, length)) = size() else {
            return corrupt(format!("{frames} frames of shape {frame_shape:?} overflow the address space"));
        };
        let format = Format::from_checked(dtype, frame_shape.to_vec(), rate, frames, Clock::Source);
        Ok(Layout { format, frames, frame_bytes, has_times, samples_offset, length })
    }
}

/// Where the frames of a ring are. All values are checked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Layout {
    pub format: Format,
    /// Frames in the ring (N).
    pub frames: u64,
    pub frame_bytes: u64,
    /// Version 2: the segment begins with one f64 per frame.
    pub has_times: bool,
    pub samples_offset: u64,
    /// Length that the segment must have, in bytes.
    pub length: u64,
}

/// The writer's position, computed from its index and its laps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Track {
    frames: u64,
    position: u64,
}

impl Track {
    /// The track of a ring of `frames`, at the first poll.
    pub fn begin(frames: u64, seen: &Seen) -> Result<Self, String> {
        let mut track = Self { frames, position: 0 };
        track.position = track.exactly(seen)?;
        Ok(track)
    }

    /// Frames written since the generation began.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Laps times N plus index. Indices 0 and N are the same place.
    fn exactly(&self, seen: &Seen) -> Result<u64, String> {
        let (laps, index) = (seen.laps(), seen.index());
        if index > self.frames {
            return Err(format!("write_index {index} is behind the {} frames of the ring", self.frames));
        }
        let position = laps.checked_mul(self.frames).and_then(|start| start.checked_add(index));
        position.ok_or_else(|| format!("{laps} laps of {} frames overflow", self.frames))
    }

    /// The position in `seen`, a header of the same generation; `None` if it shows none.
    ///
    /// At the end of a lap, ezmsg's writer resets the index before it counts the lap; the lap is then counted here. A
    /// header that is not valid keeps its last counters until a new generation sets them to 0.
    pub fn poll(&self, seen: &Seen) -> Result<Option<u64>, String> {
        let exactly = self.exactly(seen)?;
        if exactly >= self.position {
            return Ok(Some(exactly));
        }
        if !seen.is_valid() {
            return Ok(None);
        }
        match exactly.checked_add(self.frames) {
            Some(next_lap) if next_lap >= self.position => Ok(Some(next_lap)),
            _ => Err(format!(
                "it went back to lap {}, index {}, after {} frames",
                seen.laps(),
                seen.index(),
                self.position
            )),
        }
    }

    /// Moves on to the position that [`poll`](Self::poll) returned. Returns whether that is further than before.
    pub fn advance(&mut self, position: Option<u64>) -> bool {
        let position = position.unwrap_or(0);
        let is_new = position > self.position;
        self.position = self.position.max(position);
        is_new
    }
}

#[cfg(test)]
mod tests;
