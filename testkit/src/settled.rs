//! Replaces the values in segments that differ in every run with fixed ones: identities, clocks, the writer's process
//! ID.

use crate::segments::{Bytes, footer_at, header_at, record_at, trailer_at};

/// The stream's identity: beyond 2^63, so that a reader that uses signed integers fails.
pub const STREAM_ID: u64 = 0xFEDC_BA98_7654_3210;
/// Unix time in nanoseconds at which the stream and its rings were created.
pub const CREATED_NS: i64 = 1_700_000_000_000_000_000;
/// Time of CLOCK_MONOTONIC in nanoseconds at which rings were created and the first message was committed.
pub const MONO_NS: u64 = 1_000_000_007;
/// Nanoseconds between two messages.
pub const CHUNK_NS: u64 = 40_000_000;
/// Which CLOCK_MONOTONIC that is. It does not read the same backwards.
pub const CLOCK_ID: [u8; 16] = *b"dora-shm vectors";
/// The writer's process ID.
pub const WRITER_PID: u32 = 4242;

/// Sets the fixed values of a header.
pub fn header(header: &mut Bytes) {
    header.store(header_at::STREAM_ID, &STREAM_ID.to_le_bytes());
    header.store(header_at::CREATED_NS, &CREATED_NS.to_le_bytes());
    header.store(header_at::WRITER_PID, &WRITER_PID.to_le_bytes());
    // After a takeover the writer clears this word as soon as it has seen that no reader waits.
    header.store(header_at::WAKING, &0u32.to_le_bytes());
}

/// Sets the fixed values of a ring.
pub fn ring(ring: &mut Bytes) {
    let trailer = ring.trailer();
    let index = ring.u64(trailer + trailer_at::INDEX_OFFSET);
    let records = u64::from(ring.u32(trailer + trailer_at::RECORDS));
    let reserved = ring.u64(trailer + trailer_at::RESERVED_CHUNKS);
    for chunk in reserved.saturating_sub(records)..reserved {
        let mono_ns = index + record_at::LENGTH * (chunk % records) + record_at::MONO_NS;
        // A record that its writer did not reach is all zero.
        if ring.u64(mono_ns) != 0 {
            ring.store(mono_ns, &(MONO_NS + CHUNK_NS * chunk).to_le_bytes());
        }
    }
    ring.store(trailer + trailer_at::STREAM_ID, &STREAM_ID.to_le_bytes());
    ring.store(trailer + trailer_at::CREATED_NS, &CREATED_NS.to_le_bytes());
    ring.store(trailer + trailer_at::CREATED_MONO_NS, &MONO_NS.to_le_bytes());
    ring.store(trailer + trailer_at::CLOCK_ID, &CLOCK_ID);
}

/// Sets the fixed values of a description.
pub fn metadata(metadata: &mut Bytes) {
    let footer = metadata.footer();
    metadata.store(footer + footer_at::STREAM_ID, &STREAM_ID.to_le_bytes());
}
