//! The header segment, one per stream.

use super::fields::fields;
use super::{MAX_NAME_BYTES, NO_GENERATION};

fields! {
    /// A private copy of a header, unchecked. Its atomic words were copied at about the same time, in no order.
    #[derive(Clone, Debug, PartialEq)]
    pub(crate) struct RawHeader, 4096 bytes;
    /// The part that an unmodified `EZShmMirror` reads.
    0    ezmsg: [u8; 1334],
    2048 magic: u64 as last,
    2056 major: u16,
    2058 minor: u16,
    2060 must_understand: u32,
    2064 stream_id: u64,
    2072 created_ns: i64,
    2112 doorbell: u32 as atomic,
    2176 wake: u32 as atomic,
    2180 state: u32 as atomic,
    2184 generation: u32 as atomic,
    2188 meta_generation: u32 as atomic,
    2192 epoch: u32 as atomic,
    2196 writer_pid: u32 as atomic,
    2200 final_position: u64 as atomic,
    2208 waking: u32 as atomic,
    2304 name_len: u32,
    2308 name: [u8; 1024],
    /// Messages that the writer was given and did not write.
    3456 refused: u64 as atomic,
    /// Messages that the queue of the writer's input dropped, as far as the writer knows.
    3464 dropped: u64 as atomic,
    /// Messages that are missing by the source's sequence.
    3472 gaps: u64 as atomic,
    /// Epoch of the writer that stored these counts.
    3480 counted_by: u32 as atomic,
}

pub(crate) const LENGTH: usize = RawHeader::LENGTH;
pub(crate) const MAGIC_VALUE: u64 = u64::from_le_bytes(*b"DORASHMH");
pub(crate) const STATE_OPEN: u32 = 1;
pub(crate) const STATE_CLOSED: u32 = 2;
/// Waiters are woken after every event except a write.
pub(crate) const WAKING_NOT_FOR_WRITES: u32 = 0;
/// Waiters are woken after every event.
pub(crate) const WAKING_ALWAYS: u32 = 1;

const _: () = {
    // The words that a reader polls are in one 128-byte block, without the doorbell.
    assert!(at::wake.offset().is_multiple_of(128) && at::waking.end() <= at::wake.offset() + 128);
    assert!(at::doorbell.offset() / 128 != at::wake.offset() / 128);
    assert!(at::name.bytes() == MAX_NAME_BYTES);
    // The counts have a 128-byte block of their own, which no reader of data loads.
    assert!(at::refused.offset().is_multiple_of(128) && at::counted_by.end() <= at::refused.offset() + 128);
    assert!(at::name.end() <= at::refused.offset());
};

impl RawHeader {
    pub fn has_magic(&self) -> bool {
        self.magic == MAGIC_VALUE
    }

    pub fn is_closed(&self) -> bool {
        self.state == STATE_CLOSED
    }

    /// The current generation; `None` before the first.
    pub fn current_generation(&self) -> Option<u32> {
        Some(self.generation).filter(|&generation| generation != NO_GENERATION)
    }

    /// The bytes of the stream's name; all of the field if `name_len` is larger.
    pub fn name_bytes(&self) -> &[u8] {
        &self.name[..(self.name_len as usize).min(MAX_NAME_BYTES)]
    }

    /// The stream's name. Bytes that are not UTF-8 are replaced.
    pub fn name_lossy(&self) -> String {
        String::from_utf8_lossy(self.name_bytes()).into_owned()
    }
}
