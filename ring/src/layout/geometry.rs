//! The geometry of a ring: where its frames and records are, planned by a writer or checked by a reader.

use super::record::Record;
use super::trailer::{self, RawTrailer};
use super::{MAX_RANK, SEGMENT_UNIT};
use crate::stream::format::checked_frame_bytes;
use crate::{Clock, Dtype, Format, Result};

/// Bytes of a chunk record.
pub(crate) const RECORD_BYTES: u64 = Record::LENGTH as u64;

/// Where the frames and records of a ring are. Only made by [`Geometry::plan`] (for a writer) and [`Geometry::check`]
/// (from shared memory), so that every offset lies inside the segment.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Geometry {
    /// Frames in the ring (N).
    pub frames: u64,
    /// Bytes of one frame.
    pub frame_bytes: u64,
    /// Chunk records (C), a power of two.
    pub records: u64,
    /// Bytes before the samples: 8 N, the times.
    pub samples_offset: u64,
    /// Bytes before the chunk records.
    pub index_offset: u64,
    /// Bytes of the segment (L).
    pub length: u64,
}

/// Least and largest number of chunk records in a ring.
const MIN_RECORDS: u64 = 64;
pub(crate) const MAX_RECORDS: u64 = 65536;

impl Geometry {
    /// Lays out a ring of `format` whose first chunk has `first_chunk_frames` frames.
    pub fn plan(format: &Format, first_chunk_frames: u64) -> Result<Self> {
        let overflow = || format.overflow();
        let frame_bytes = format.checked_frame_bytes().ok_or_else(overflow)?;
        let frames = rounded_frames(format.frames());
        let samples = frames.checked_mul(frame_bytes).ok_or_else(overflow)?;
        let records = records_for(frames, samples, first_chunk_frames);
        let samples_offset = 8 * frames;
        let length = || {
            let index_offset = samples_offset.checked_add(samples)?.checked_next_multiple_of(64)?;
            let end = index_offset.checked_add(records * RECORD_BYTES)?.checked_add(trailer::LENGTH)?;
            Some((index_offset, end.checked_next_multiple_of(SEGMENT_UNIT)?))
        };
        let (index_offset, length) = length().ok_or_else(overflow)?;
        if length > isize::MAX as u64 {
            return Err(overflow());
        }
        Ok(Self { frames, frame_bytes, records, samples_offset, index_offset, length })
    }

    /// Bytes before the trailer (T).
    pub fn trailer_offset(&self) -> u64 {
        self.length - trailer::LENGTH
    }

    /// Checks a trailer that was copied from a segment of `length` bytes.
    ///
    /// # Errors
    /// A sentence with what was expected and what was found.
    pub fn check(raw: &RawTrailer, length: u64) -> std::result::Result<(Self, Format), String> {
        if length < SEGMENT_UNIT || !length.is_multiple_of(SEGMENT_UNIT) || length > isize::MAX as u64 {
            return Err(format!("length {length}, expected a multiple of {SEGMENT_UNIT}"));
        }
        let dtype = Dtype::from_code(raw.dtype).ok_or_else(|| format!("dtype code {}, expected 1..=12", raw.dtype))?;
        let rank = raw.rank as usize;
        if rank > MAX_RANK {
            return Err(format!("rank {rank}, expected 0..={MAX_RANK}"));
        }
        let (dims, unused) = raw.dims.split_at(rank);
        if dims.contains(&0) {
            return Err(format!("dims {dims:?}, expected each to be at least 1"));
        }
        if unused.iter().any(|&dim| dim != 0) {
            return Err(format!("unused dims {unused:?}, expected zeros"));
        }
        if checked_frame_bytes(dtype, dims) != Some(raw.frame_bytes) {
            return Err(format!("frame_bytes {}, expected the product of {dims:?} and {dtype}", raw.frame_bytes));
        }
        if !(1..=u64::from(u32::MAX)).contains(&raw.frames) {
            return Err(format!("{} frames, expected 1..=4294967295", raw.frames));
        }
        if !(raw.rate.is_finite() && raw.rate >= 0.0) {
            return Err(format!("rate {} Hz, expected a finite number, 0 or more", raw.rate));
        }
        if raw.samples_offset != 8 * raw.frames {
            return Err(format!("samples_offset {}, expected {}", raw.samples_offset, 8 * raw.frames));
        }
        if !raw.index_offset.is_multiple_of(64) {
            return Err(format!("index_offset {}, expected a multiple of 64", raw.index_offset));
        }
        let samples_end =
            raw.frames.checked_mul(raw.frame_bytes).and_then(|bytes| bytes.checked_add(raw.samples_offset));
        if samples_end.is_none_or(|end| end > raw.index_offset) {
            return Err(format!("the samples end after index_offset {}", raw.index_offset));
        }
        let records = u64::from(raw.records);
        if !(MIN_RECORDS..=MAX_RECORDS).contains(&records) || !records.is_power_of_two() {
            return Err(format!("{records} chunk records, expected a power of two in {MIN_RECORDS}..={MAX_RECORDS}"));
        }
        if u64::from(raw.record_bytes) != RECORD_BYTES {
            return Err(format!("record_bytes {}, expected {RECORD_BYTES}", raw.record_bytes));
        }
        let index_end = raw.index_offset.checked_add(records * RECORD_BYTES);
        if index_end.is_none_or(|end| end > length - trailer::LENGTH) {
            return Err(format!("the chunk records end after the trailer's start, {}", length - trailer::LENGTH));
        }
        let geometry = Self {
            frames: raw.frames,
            frame_bytes: raw.frame_bytes,
            records,
            samples_offset: raw.samples_offset,
            index_offset: raw.index_offset,
            length,
        };
        let clock = Clock::from_code(raw.clock);
        Ok((geometry, Format::from_checked(dtype, dims.to_vec(), raw.rate, raw.frames, clock)))
    }

    /// The fields of a trailer that say where the frames of `format` and their records are.
    pub fn fields(&self, format: &Format) -> RawTrailer {
        let mut dims = [0; MAX_RANK];
        dims[..format.frame_shape().len()].copy_from_slice(format.frame_shape());
        RawTrailer {
            frames: self.frames,
            frame_bytes: self.frame_bytes,
            rate: format.rate_hz(),
            samples_offset: self.samples_offset,
            index_offset: self.index_offset,
            records: self.records as u32,
            record_bytes: RECORD_BYTES as u32,
            dtype: format.dtype().code(),
            rank: format.frame_shape().len() as u32,
            dims,
            clock: format.clock().code(),
            ..RawTrailer::default()
        }
    }
}

impl Format {
    /// Bytes of shared memory that a ring of this format takes. `first_chunk_frames`, the number of frames of the first
    /// chunk, decides how many chunk records there are.
    ///
    /// # Errors
    /// [`BadFormat`](crate::Error::BadFormat) if the size overflows.
    pub fn ring_bytes(&self, first_chunk_frames: u64) -> Result<u64> {
        Ok(Geometry::plan(self, first_chunk_frames)?.length)
    }
}

/// Rounds the frames up to a multiple of 8 if that costs little, so that the samples start on a 64-byte boundary.
fn rounded_frames(frames: u64) -> u64 {
    let rounded = frames.next_multiple_of(8);
    if frames >= 8 * 16 && rounded <= u64::from(u32::MAX) { rounded } else { frames }
}

fn records_for(frames: u64, samples: u64, first_chunk_frames: u64) -> u64 {
    let at_least = |wanted: u64| wanted.max(MIN_RECORDS).next_power_of_two().min(MAX_RECORDS);
    let per_frame = at_least(frames);
    if per_frame * RECORD_BYTES <= samples / 8 { per_frame } else { at_least(2 * frames / first_chunk_frames.max(1)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_planned_ring_passes_the_check_that_readers_make() {
        for dtype in Dtype::ALL {
            for shape in [&[][..], &[1], &[3], &[480, 640, 3], &[1, 2, 1, 2, 1, 2, 1, 2]] {
                for frames in [1, 2, 7, 100, 127, 128, 129, 5000] {
                    let format = Format::new(dtype, shape, 10.0, frames).unwrap();
                    let geometry = Geometry::plan(&format, 3).unwrap();
                    let (checked, read) = Geometry::check(&geometry.fields(&format), geometry.length).unwrap();
                    assert_eq!(checked, geometry);
                    assert_eq!(read.frames(), geometry.frames);
                    assert!(geometry.frames >= frames && geometry.frames < frames + 8);
                }
            }
        }
    }

    #[test]
    fn frames_are_rounded_only_where_eight_are_a_sixteenth_of_the_ring() {
        assert_eq!(rounded_frames(127), 127);
        assert_eq!(rounded_frames(129), 136);
        assert_eq!(rounded_frames(u64::from(u32::MAX)), u64::from(u32::MAX));
    }

    #[test]
    fn geometry_that_does_not_fit_its_segment_is_refused_by_name() {
        let format = Format::new(Dtype::F32, &[3, 2], 10.0, 200).unwrap();
        let geometry = Geometry::plan(&format, 1).unwrap();
        let good = geometry.fields(&format);
        let refused = |name: &str, change: &dyn Fn(&mut RawTrailer)| {
            let mut raw = good;
            change(&mut raw);
            let reason = Geometry::check(&raw, geometry.length).expect_err(name);
            assert!(reason.contains(name), "{name}: {reason}");
        };
        refused("dtype", &|raw| raw.dtype = 13);
        refused("rank", &|raw| raw.rank = 9);
        refused("rank", &|raw| raw.rank = u32::MAX);
        refused("dims", &|raw| raw.dims[1] = 0);
        refused("dims", &|raw| raw.dims[5] = 1);
        refused("frame_bytes", &|raw| raw.dims = [u64::MAX / 2, u64::MAX, 0, 0, 0, 0, 0, 0]);
        refused("frame_bytes", &|raw| raw.frame_bytes += 1);
        refused("frames", &|raw| raw.frames = 0);
        refused("frames", &|raw| raw.frames = 1 << 32);
        refused("rate", &|raw| raw.rate = f64::NAN);
        refused("rate", &|raw| raw.rate = -1.0);
        refused("samples_offset", &|raw| raw.samples_offset += 8);
        refused("index_offset", &|raw| raw.index_offset += 8);
        refused("index_offset", &|raw| raw.index_offset = 64);
        refused("records", &|raw| raw.records = 96);
        refused("records", &|raw| raw.records = 1 << 20);
        refused("record_bytes", &|raw| raw.record_bytes = 32);
        refused("trailer", &|raw| raw.index_offset = geometry.length - trailer::LENGTH);
        refused("trailer", &|raw| raw.index_offset = u64::MAX - 63);
        for length in [0, 4096, geometry.length - 1, geometry.length + 4096] {
            assert!(Geometry::check(&good, length).is_err(), "{length}");
        }
    }

    #[test]
    fn formats_whose_size_overflows_are_refused() {
        assert!(Format::new(Dtype::F64, &[1 << 40, 1 << 40], 0.0, 1).is_err());
        assert!(Format::new(Dtype::F64, &[1 << 58], 0.0, 1 << 20).is_err());
        assert!(Format::new(Dtype::U8, &[u64::MAX / 2], 0.0, 1).is_err());
    }

    #[test]
    fn the_largest_formats_have_a_geometry() {
        for (frame_bytes, frames) in [((7 << 60) - 8, 1), ((7 << 60) / 129 - 8, 129), (1, u64::from(u32::MAX))] {
            let format = Format::new(Dtype::U8, &[frame_bytes], 0.0, frames).unwrap();
            assert!(Geometry::plan(&format, 1).is_ok(), "{frame_bytes} {frames}");
        }
    }
}
