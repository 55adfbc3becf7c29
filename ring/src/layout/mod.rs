//! Where every byte of a segment is, and the one check that untrusted geometry passes through.
//!
//! The tables are those of `SPEC.md`; the assertions at the end of each block fail the build when an offset moves.

#[cfg(test)]
mod spec_tables;

use crate::stream::format::{Format, checked_frame_bytes};
use crate::{Dtype, Error, Result};

pub(crate) const MAJOR: u16 = 1;
pub(crate) const MINOR: u16 = 0;
/// Largest rank of a frame.
pub const MAX_RANK: usize = 8;
/// Lengths of ring and metadata segments are multiples of this, so that they are whole pages on every system.
pub(crate) const SEGMENT_UNIT: u64 = 16384;
/// Bytes of the chunk index entry.
pub(crate) const RECORD_BYTES: u64 = 64;
/// Longest metadata segment that a reader maps.
pub(crate) const MAX_METADATA_BYTES: u64 = 64 << 20;
/// `generation` of a stream that has no ring yet.
pub(crate) const NO_GENERATION: u32 = u32::MAX;
/// `final_position` of a stream whose total is not known.
pub(crate) const UNKNOWN_POSITION: u64 = u64::MAX;

/// Offsets of the header segment.
pub(crate) mod header {
    pub const LENGTH: usize = 4096;
    pub const MAGIC: usize = 2048;
    pub const MAJOR: usize = 2056;
    pub const MINOR: usize = 2058;
    pub const MUST_UNDERSTAND: usize = 2060;
    pub const STREAM_ID: usize = 2064;
    pub const CREATED_NS: usize = 2072;
    pub const BELL: usize = 2112;
    pub const WAKE: usize = 2176;
    pub const STATE: usize = 2180;
    pub const GENERATION: usize = 2184;
    pub const META_GENERATION: usize = 2188;
    pub const EPOCH: usize = 2192;
    pub const WRITER_PID: usize = 2196;
    pub const FINAL_POSITION: usize = 2200;
    pub const WAKING: usize = 2208;
    pub const NAME_LEN: usize = 2304;
    pub const NAME: usize = 2308;

    pub const MAGIC_VALUE: u64 = u64::from_le_bytes(*b"DORASHMH");
    pub const STATE_OPEN: u32 = 1;
    pub const STATE_CLOSED: u32 = 2;
    /// Sleepers are woken after every event but a write.
    pub const WAKING_NOT_FOR_WRITES: u32 = 0;
    /// Sleepers are woken after every event.
    pub const WAKING_ALWAYS: u32 = 1;

    const _: () = {
        assert!(crate::ezmsg::header::LENGTH <= MAGIC);
        // Not on the line of the words that follow each write.
        assert!(BELL >= CREATED_NS + 8 && BELL.is_multiple_of(64) && BELL + 64 <= WAKE);
        assert!(MAGIC == 2048 && STREAM_ID == MAGIC + 16 && CREATED_NS == STREAM_ID + 8);
        // What a reader polls is one 128-byte block, and each atomic is aligned to its size.
        assert!(WAKE.is_multiple_of(128) && WAKING == FINAL_POSITION + 8 && WAKING + 4 <= WAKE + 128);
        assert!(STATE == WAKE + 4 && GENERATION == STATE + 4 && META_GENERATION == GENERATION + 4);
        assert!(EPOCH == META_GENERATION + 4 && WRITER_PID == EPOCH + 4 && FINAL_POSITION == WRITER_PID + 4);
        assert!(FINAL_POSITION.is_multiple_of(8));
        assert!(NAME_LEN == 2304 && NAME == NAME_LEN + 4);
        assert!(NAME + crate::stream::name::MAX_NAME_BYTES <= LENGTH);
    };
}

/// Offsets within a ring's trailer, its last [`TRAILER_BYTES`](trailer::LENGTH) bytes.
pub(crate) mod trailer {
    pub const LENGTH: u64 = 4096;
    pub const MAGIC: usize = 0;
    pub const MAJOR: usize = 8;
    pub const MINOR: usize = 10;
    pub const MUST_UNDERSTAND: usize = 12;
    pub const STREAM_ID: usize = 16;
    pub const GENERATION: usize = 24;
    pub const EPOCH: usize = 28;
    pub const BASE: usize = 32;
    pub const FRAMES: usize = 40;
    pub const FRAME_BYTES: usize = 48;
    pub const RATE: usize = 56;
    pub const SAMPLES_OFFSET: usize = 64;
    pub const INDEX_OFFSET: usize = 72;
    pub const RECORDS: usize = 80;
    pub const RECORD_BYTES: usize = 84;
    pub const DTYPE: usize = 88;
    pub const RANK: usize = 92;
    pub const DIMS: usize = 96;
    pub const META_GENERATION: usize = 160;
    pub const CREATED_NS: usize = 168;
    pub const CREATED_MONO_NS: usize = 176;
    pub const RESERVED: usize = 256;
    pub const RESERVED_CHUNKS: usize = 264;
    pub const COMMITTED: usize = 384;
    pub const COMMITTED_CHUNKS: usize = 392;
    pub const COMMITTED_META_GENERATION: usize = 400;

    pub const MAGIC_VALUE: u64 = u64::from_le_bytes(*b"DORASHMR");

    const _: () = {
        assert!(GENERATION == STREAM_ID + 8 && EPOCH == GENERATION + 4 && BASE == EPOCH + 4);
        assert!(FRAMES == BASE + 8 && FRAME_BYTES == FRAMES + 8 && RATE == FRAME_BYTES + 8);
        assert!(SAMPLES_OFFSET == RATE + 8 && INDEX_OFFSET == SAMPLES_OFFSET + 8 && RECORDS == INDEX_OFFSET + 8);
        assert!(RECORD_BYTES == RECORDS + 4 && DTYPE == RECORD_BYTES + 4 && RANK == DTYPE + 4 && DIMS == RANK + 4);
        assert!(META_GENERATION == DIMS + 8 * super::MAX_RANK && CREATED_NS == META_GENERATION + 8);
        assert!(CREATED_MONO_NS == CREATED_NS + 8 && CREATED_MONO_NS + 8 <= RESERVED);
        // The two pairs of counters have a 128-byte block each: neighbouring lines are prefetched in pairs.
        assert!(RESERVED.is_multiple_of(128) && RESERVED_CHUNKS == RESERVED + 8);
        assert!(COMMITTED == RESERVED + 128 && COMMITTED_CHUNKS == COMMITTED + 8);
        // On the line of the commit, which a reader has to look at anyway.
        assert!(COMMITTED_META_GENERATION == COMMITTED_CHUNKS + 8);
        assert!(LENGTH.is_multiple_of(128) && super::SEGMENT_UNIT.is_multiple_of(LENGTH));
    };
}

/// Offsets within a chunk record.
pub(crate) mod record {
    pub const FIRST: usize = 0;
    pub const FRAMES: usize = 8;
    pub const SEND_NS: usize = 16;
    pub const MONO_NS: usize = 24;
    pub const META_GENERATION: usize = 32;
    pub const FLAGS: usize = 36;

    const _: () = assert!(FLAGS + 4 + 24 == super::RECORD_BYTES as usize);
}

/// Offsets within a metadata segment's footer, its last 64 bytes.
pub(crate) mod footer {
    pub const LENGTH: u64 = 64;
    pub const MAGIC: usize = 0;
    pub const MAJOR: usize = 8;
    pub const MINOR: usize = 10;
    pub const MUST_UNDERSTAND: usize = 12;
    pub const STREAM_ID: usize = 16;
    pub const META_GENERATION: usize = 24;
    pub const AUX_LEN: usize = 32;
    pub const JSON_OFFSET: usize = 40;
    pub const JSON_LEN: usize = 48;

    pub const MAGIC_VALUE: u64 = u64::from_le_bytes(*b"DORASHMM");

    const _: () = {
        assert!(META_GENERATION == STREAM_ID + 8 && AUX_LEN == META_GENERATION + 8);
        assert!(JSON_OFFSET == AUX_LEN + 8 && JSON_LEN == JSON_OFFSET + 8 && JSON_LEN + 16 == LENGTH as usize);
    };
}

/// Geometry of a ring: everything that says where a frame or a record is. Only made by [`Geometry::plan`] (the
/// writer's side) and [`Geometry::check`] (from shared memory), so every offset in it lies inside the segment.
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

/// Fewest and most chunk records of a ring.
const MIN_RECORDS: u64 = 64;
const MAX_RECORDS: u64 = 65536;

impl Geometry {
    /// Lays out a ring of `format` whose first chunk has `first_chunk_frames` frames.
    pub fn plan(format: &Format, first_chunk_frames: u64) -> Result<Self> {
        let overflow = || Error::BadFormat {
            reason: format!(
                "{} frames of shape {:?} and type {} overflow the address space",
                format.frames(),
                format.frame_shape(),
                format.dtype()
            ),
        };
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
    /// A sentence that says what was expected and what was found.
    pub fn check(raw: &RawTrailer, length: u64) -> std::result::Result<(Self, Format), String> {
        if length < SEGMENT_UNIT || !length.is_multiple_of(SEGMENT_UNIT) || length > isize::MAX as u64 {
            return Err(format!("a ring of {length} bytes, expected a multiple of {SEGMENT_UNIT}"));
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
        Ok((geometry, Format::from_checked(dtype, dims.to_vec(), raw.rate, raw.frames)))
    }
}

/// Rounds the frames up to a multiple of 8, so that samples start on a 64-byte boundary, when that costs little.
fn rounded_frames(frames: u64) -> u64 {
    let rounded = frames.next_multiple_of(8);
    if frames >= 8 * 16 && rounded <= u64::from(u32::MAX) { rounded } else { frames }
}

fn records_for(frames: u64, samples: u64, first_chunk_frames: u64) -> u64 {
    let at_least = |wanted: u64| wanted.max(MIN_RECORDS).next_power_of_two().min(MAX_RECORDS);
    let per_frame = at_least(frames);
    if per_frame * RECORD_BYTES <= samples / 8 { per_frame } else { at_least(2 * frames / first_chunk_frames.max(1)) }
}

/// A trailer's immutable fields as they stand in shared memory, unchecked.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct RawTrailer {
    pub magic: u64,
    pub major: u16,
    pub minor: u16,
    pub must_understand: u32,
    pub stream_id: u64,
    pub generation: u32,
    pub epoch: u32,
    pub base: u64,
    pub frames: u64,
    pub frame_bytes: u64,
    pub rate: f64,
    pub samples_offset: u64,
    pub index_offset: u64,
    pub records: u32,
    pub record_bytes: u32,
    pub dtype: u32,
    pub rank: u32,
    pub dims: [u64; MAX_RANK],
    pub meta_generation: u32,
    pub created_ns: i64,
    pub created_mono_ns: u64,
}

/// Bytes of a trailer that hold its immutable fields.
pub(crate) const TRAILER_FIXED_BYTES: usize = trailer::RESERVED;

impl RawTrailer {
    pub fn decode(bytes: &[u8; TRAILER_FIXED_BYTES]) -> Self {
        let mut dims = [0; MAX_RANK];
        for (i, dim) in dims.iter_mut().enumerate() {
            *dim = get_u64(bytes, trailer::DIMS + 8 * i);
        }
        Self {
            magic: get_u64(bytes, trailer::MAGIC),
            major: get_u16(bytes, trailer::MAJOR),
            minor: get_u16(bytes, trailer::MINOR),
            must_understand: get_u32(bytes, trailer::MUST_UNDERSTAND),
            stream_id: get_u64(bytes, trailer::STREAM_ID),
            generation: get_u32(bytes, trailer::GENERATION),
            epoch: get_u32(bytes, trailer::EPOCH),
            base: get_u64(bytes, trailer::BASE),
            frames: get_u64(bytes, trailer::FRAMES),
            frame_bytes: get_u64(bytes, trailer::FRAME_BYTES),
            rate: f64::from_bits(get_u64(bytes, trailer::RATE)),
            samples_offset: get_u64(bytes, trailer::SAMPLES_OFFSET),
            index_offset: get_u64(bytes, trailer::INDEX_OFFSET),
            records: get_u32(bytes, trailer::RECORDS),
            record_bytes: get_u32(bytes, trailer::RECORD_BYTES),
            dtype: get_u32(bytes, trailer::DTYPE),
            rank: get_u32(bytes, trailer::RANK),
            dims,
            meta_generation: get_u32(bytes, trailer::META_GENERATION),
            created_ns: get_u64(bytes, trailer::CREATED_NS) as i64,
            created_mono_ns: get_u64(bytes, trailer::CREATED_MONO_NS),
        }
    }

    pub fn encode(&self) -> [u8; TRAILER_FIXED_BYTES] {
        let mut bytes = [0; TRAILER_FIXED_BYTES];
        put(&mut bytes, trailer::MAGIC, &self.magic.to_le_bytes());
        put(&mut bytes, trailer::MAJOR, &self.major.to_le_bytes());
        put(&mut bytes, trailer::MINOR, &self.minor.to_le_bytes());
        put(&mut bytes, trailer::MUST_UNDERSTAND, &self.must_understand.to_le_bytes());
        put(&mut bytes, trailer::STREAM_ID, &self.stream_id.to_le_bytes());
        put(&mut bytes, trailer::GENERATION, &self.generation.to_le_bytes());
        put(&mut bytes, trailer::EPOCH, &self.epoch.to_le_bytes());
        put(&mut bytes, trailer::BASE, &self.base.to_le_bytes());
        put(&mut bytes, trailer::FRAMES, &self.frames.to_le_bytes());
        put(&mut bytes, trailer::FRAME_BYTES, &self.frame_bytes.to_le_bytes());
        put(&mut bytes, trailer::RATE, &self.rate.to_bits().to_le_bytes());
        put(&mut bytes, trailer::SAMPLES_OFFSET, &self.samples_offset.to_le_bytes());
        put(&mut bytes, trailer::INDEX_OFFSET, &self.index_offset.to_le_bytes());
        put(&mut bytes, trailer::RECORDS, &self.records.to_le_bytes());
        put(&mut bytes, trailer::RECORD_BYTES, &self.record_bytes.to_le_bytes());
        put(&mut bytes, trailer::DTYPE, &self.dtype.to_le_bytes());
        put(&mut bytes, trailer::RANK, &self.rank.to_le_bytes());
        for (i, dim) in self.dims.iter().enumerate() {
            put(&mut bytes, trailer::DIMS + 8 * i, &dim.to_le_bytes());
        }
        put(&mut bytes, trailer::META_GENERATION, &self.meta_generation.to_le_bytes());
        put(&mut bytes, trailer::CREATED_NS, &self.created_ns.to_le_bytes());
        put(&mut bytes, trailer::CREATED_MONO_NS, &self.created_mono_ns.to_le_bytes());
        bytes
    }
}

/// A metadata segment's footer as it stands in shared memory, unchecked.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct RawFooter {
    pub magic: u64,
    pub major: u16,
    pub minor: u16,
    pub must_understand: u32,
    pub stream_id: u64,
    pub meta_generation: u32,
    pub aux_len: u64,
    pub json_offset: u64,
    pub json_len: u64,
}

impl RawFooter {
    pub fn decode(bytes: &[u8; footer::LENGTH as usize]) -> Self {
        Self {
            magic: get_u64(bytes, footer::MAGIC),
            major: get_u16(bytes, footer::MAJOR),
            minor: get_u16(bytes, footer::MINOR),
            must_understand: get_u32(bytes, footer::MUST_UNDERSTAND),
            stream_id: get_u64(bytes, footer::STREAM_ID),
            meta_generation: get_u32(bytes, footer::META_GENERATION),
            aux_len: get_u64(bytes, footer::AUX_LEN),
            json_offset: get_u64(bytes, footer::JSON_OFFSET),
            json_len: get_u64(bytes, footer::JSON_LEN),
        }
    }

    pub fn encode(&self) -> [u8; footer::LENGTH as usize] {
        let mut bytes = [0; footer::LENGTH as usize];
        put(&mut bytes, footer::MAGIC, &self.magic.to_le_bytes());
        put(&mut bytes, footer::MAJOR, &self.major.to_le_bytes());
        put(&mut bytes, footer::MINOR, &self.minor.to_le_bytes());
        put(&mut bytes, footer::MUST_UNDERSTAND, &self.must_understand.to_le_bytes());
        put(&mut bytes, footer::STREAM_ID, &self.stream_id.to_le_bytes());
        put(&mut bytes, footer::META_GENERATION, &self.meta_generation.to_le_bytes());
        put(&mut bytes, footer::AUX_LEN, &self.aux_len.to_le_bytes());
        put(&mut bytes, footer::JSON_OFFSET, &self.json_offset.to_le_bytes());
        put(&mut bytes, footer::JSON_LEN, &self.json_len.to_le_bytes());
        bytes
    }
}

/// One entry of the chunk index: what one `write` brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    /// Position of the first frame.
    pub first: u64,
    /// How many frames; 0 for an empty message.
    pub frames: u64,
    /// When the message was sent, Unix nanoseconds.
    pub send_ns: i64,
    /// CLOCK_MONOTONIC when it was committed, nanoseconds.
    pub mono_ns: u64,
    /// The description in force.
    pub meta_generation: u32,
}

impl Record {
    pub fn decode(bytes: &[u8; RECORD_BYTES as usize]) -> Self {
        Self {
            first: get_u64(bytes, record::FIRST),
            frames: get_u64(bytes, record::FRAMES),
            send_ns: get_u64(bytes, record::SEND_NS) as i64,
            mono_ns: get_u64(bytes, record::MONO_NS),
            meta_generation: get_u32(bytes, record::META_GENERATION),
        }
    }

    pub fn encode(&self) -> [u8; RECORD_BYTES as usize] {
        let mut bytes = [0; RECORD_BYTES as usize];
        put(&mut bytes, record::FIRST, &self.first.to_le_bytes());
        put(&mut bytes, record::FRAMES, &self.frames.to_le_bytes());
        put(&mut bytes, record::SEND_NS, &self.send_ns.to_le_bytes());
        put(&mut bytes, record::MONO_NS, &self.mono_ns.to_le_bytes());
        put(&mut bytes, record::META_GENERATION, &self.meta_generation.to_le_bytes());
        bytes
    }
}

pub(crate) fn get_u16(bytes: &[u8], offset: usize) -> u16 {
    u16::from_le_bytes([bytes[offset], bytes[offset + 1]])
}

pub(crate) fn get_u32(bytes: &[u8], offset: usize) -> u32 {
    let mut array = [0; 4];
    array.copy_from_slice(&bytes[offset..offset + 4]);
    u32::from_le_bytes(array)
}

pub(crate) fn get_u64(bytes: &[u8], offset: usize) -> u64 {
    let mut array = [0; 8];
    array.copy_from_slice(&bytes[offset..offset + 8]);
    u64::from_le_bytes(array)
}

pub(crate) fn put(bytes: &mut [u8], offset: usize, value: &[u8]) {
    bytes[offset..offset + value.len()].copy_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_structures_survive_encoding() {
        let trailer = RawTrailer {
            magic: trailer::MAGIC_VALUE,
            major: 1,
            minor: 2,
            must_understand: 3,
            stream_id: 4,
            generation: 5,
            epoch: 6,
            base: 7,
            frames: 8,
            frame_bytes: 9,
            rate: 10.5,
            samples_offset: 11,
            index_offset: 12,
            records: 13,
            record_bytes: 14,
            dtype: 15,
            rank: 16,
            dims: [17, 18, 19, 20, 21, 22, 23, 24],
            meta_generation: 25,
            created_ns: -26,
            created_mono_ns: 27,
        };
        assert_eq!(RawTrailer::decode(&trailer.encode()), trailer);
        let record = Record { first: 1, frames: 2, send_ns: -3, mono_ns: 4, meta_generation: 5 };
        assert_eq!(Record::decode(&record.encode()), record);
        let footer = RawFooter { magic: 1, major: 2, aux_len: 3, json_offset: 4, json_len: 5, ..Default::default() };
        assert_eq!(RawFooter::decode(&footer.encode()), footer);
    }

    fn raw_of(format: &Format, geometry: &Geometry) -> RawTrailer {
        let mut dims = [0; MAX_RANK];
        dims[..format.frame_shape().len()].copy_from_slice(format.frame_shape());
        RawTrailer {
            frames: geometry.frames,
            frame_bytes: geometry.frame_bytes,
            rate: format.rate_hz(),
            samples_offset: geometry.samples_offset,
            index_offset: geometry.index_offset,
            records: geometry.records as u32,
            record_bytes: RECORD_BYTES as u32,
            dtype: format.dtype().code(),
            rank: format.frame_shape().len() as u32,
            dims,
            ..Default::default()
        }
    }

    #[test]
    fn every_planned_ring_passes_the_check_that_readers_make() {
        for dtype in Dtype::ALL {
            for shape in [&[][..], &[1], &[3], &[480, 640, 3], &[1, 2, 1, 2, 1, 2, 1, 2]] {
                for frames in [1, 2, 7, 100, 127, 128, 129, 5000] {
                    let format = Format::new(dtype, shape, 10.0, frames).unwrap();
                    let geometry = Geometry::plan(&format, 3).unwrap();
                    let (checked, read) = Geometry::check(&raw_of(&format, &geometry), geometry.length).unwrap();
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
        let good = raw_of(&format, &geometry);
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
}
