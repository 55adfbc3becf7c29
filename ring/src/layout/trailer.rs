//! A ring's trailer: its last 4096 bytes.

use super::fields::fields;
use super::{MAX_RANK, SEGMENT_UNIT};
use crate::{Clock, ClockId, GenerationClock};

fields! {
    /// A private copy of a trailer, unchecked. Its atomic words were copied at about the same time, in no order.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub(crate) struct RawTrailer, 4096 bytes;
    0   magic: u64 as last,
    8   major: u16,
    10  minor: u16,
    12  must_understand: u32,
    16  stream_id: u64,
    24  generation: u32,
    28  epoch: u32,
    32  base: u64,
    40  frames: u64,
    48  frame_bytes: u64,
    56  rate: f64,
    64  samples_offset: u64,
    72  index_offset: u64,
    80  records: u32,
    84  record_bytes: u32,
    88  dtype: u32,
    92  rank: u32,
    96  dims: [u64; MAX_RANK],
    160 meta_generation: u32,
    168 created_ns: i64,
    176 created_mono_ns: u64,
    /// What the times are of: [`Clock`](crate::Clock).
    192 clock: u32,
    /// Which CLOCK_MONOTONIC `created_mono_ns` and the records' `mono_ns` are of.
    208 clock_id: [u8; 16],
    256 reserved: u64 as atomic,
    264 reserved_chunks: u64 as atomic,
    384 committed: u64 as atomic,
    392 committed_chunks: u64 as atomic,
    400 committed_meta_generation: u32 as atomic,
}

pub(crate) const LENGTH: u64 = RawTrailer::LENGTH as u64;
pub(crate) const MAGIC_VALUE: u64 = u64::from_le_bytes(*b"DORASHMR");

const _: () = {
    // The two pairs of counters have a 128-byte block each: processors prefetch neighbouring lines in pairs.
    assert!(at::reserved.offset() / 128 == at::reserved_chunks.offset() / 128);
    assert!(at::clock_id.end() <= at::reserved.offset() / 128 * 128);
    assert!(at::reserved_chunks.end() <= at::committed.offset() / 128 * 128);
    // On the line of the commit, which a reader loads anyway.
    assert!(at::committed.offset().is_multiple_of(64) && at::committed_chunks.end() <= at::committed.offset() + 64);
    assert!(at::committed_meta_generation.end() <= at::committed.offset() + 64);
    assert!(LENGTH.is_multiple_of(128) && SEGMENT_UNIT.is_multiple_of(LENGTH));
};

impl RawTrailer {
    /// The generation's clock, and when it was created.
    pub fn generation_clock(&self) -> GenerationClock {
        GenerationClock {
            clock: Clock::from_code(self.clock),
            id: ClockId(self.clock_id),
            created_ns: self.created_ns,
            created_mono_ns: self.created_mono_ns,
        }
    }
}
