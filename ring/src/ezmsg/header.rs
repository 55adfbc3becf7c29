//! ezmsg's `ShmemArrMeta`, struct version 2: the first 1334 bytes of a header segment.
//!
//! The writer stores it and never reads it back. An unmodified `EZShmMirror` polls it without any fence, so what it may
//! see depends on the order of the writer's stores: `bvalid` is 0 whenever two fields do not belong together.

use std::sync::atomic::{AtomicU8, Ordering, fence};

use super::chars::char_of;
use crate::Dtype;
use crate::layout::fields::{Field, Value, fields};
use crate::protocol::failpoint;
use crate::stream::MAX_RANK;

fields! {
    /// A private copy of the structure, unchecked. The names are ezmsg's.
    #[derive(Clone, Debug, PartialEq)]
    pub(crate) struct RawMeta, 1334 bytes;
    0    magic: u32,
    4    struct_version: u32,
    8    bvalid: u8,
    9    dtype: u8,
    10   srate: f64,
    18   ndim: u32,
    22   shape: [u32; MAX_DIMS],
    278  buffer_generation: u32,
    282  wrap_counter: u64,
    290  key: [u8; MAX_KEY_BYTES],
    1314 key_len: u32,
    1318 write_index: u64,
    1326 meta_generation: u32,
    1330 aux_nbytes: u32,
}

/// Bytes of the structure.
pub(crate) const LENGTH: usize = RawMeta::LENGTH;
/// Bytes kept for the key.
const MAX_KEY_BYTES: usize = 1024;
/// Entries of `shape`.
pub(super) const MAX_DIMS: usize = 64;

const MAGIC_VALUE: u32 = 0x455A_4D53;
const STRUCT_VERSION_VALUE: u32 = 2;
/// `buffer_generation` while there is no ring.
pub(super) const NO_GENERATION: u32 = u32::MAX;

const _: () = {
    // Misaligned, but each within one cache line, so that x86 stores it in one piece.
    assert!(at::write_index.offset() / 64 == (at::write_index.end() - 1) / 64);
    assert!(at::wrap_counter.offset() / 64 == (at::wrap_counter.end() - 1) / 64);
    assert!(MAX_RANK < MAX_DIMS);
    // Exactly the room that this library's header has for it.
    assert!(LENGTH == crate::layout::header::at::ezmsg.bytes());
};

/// The facts of a generation that ezmsg's header holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EzmsgFormat<'a> {
    pub dtype: Dtype,
    pub rate_hz: f64,
    /// Frames that the ring actually holds (N).
    pub frames: u64,
    pub frame_shape: &'a [u64],
    pub key: &'a str,
    pub buffer_generation: u32,
}

/// The writer's side of the structure in a mapped header segment.
#[derive(Debug)]
pub(crate) struct EzmsgHeader {
    base: *mut u8,
    /// The current format has a dimension that 32 bits cannot hold, so mirrors must not read it.
    hidden: bool,
}

// SAFETY: only this value stores to the memory (contract of `new`), from the thread that holds the `&mut`.
unsafe impl Send for EzmsgHeader {}

impl EzmsgHeader {
    /// # Safety
    /// `base` is valid for stores of [`LENGTH`] bytes for as long as the value lives, and nothing else in this
    /// process stores there.
    pub unsafe fn new(base: *mut u8) -> Self {
        Self { base, hidden: false }
    }

    /// C2: what a mirror finds before the first generation. Expects zeroed memory.
    pub fn placeholders(&mut self) {
        self.set_valid(false);
        self.store(at::struct_version, STRUCT_VERSION_VALUE);
        self.store(at::buffer_generation, NO_GENERATION);
        self.store(at::magic, MAGIC_VALUE);
    }

    /// W9, S1, S9, T1, K1. No store made before `set_valid(true)` is seen after it, none made after
    /// `set_valid(false)` before it.
    pub fn set_valid(&mut self, valid: bool) {
        // SAFETY: in bounds by the contract of `new`; a byte is always aligned.
        let flag = unsafe { AtomicU8::from_ptr(self.base.add(at::bvalid.offset())) };
        if !valid {
            flag.store(0, Ordering::Relaxed);
            fence(Ordering::Release);
        } else if !self.hidden {
            fence(Ordering::Release);
            flag.store(1, Ordering::Relaxed);
        }
    }

    /// S7: stores the next generation, without frames. Call it between `set_valid(false)` and `set_valid(true)`.
    ///
    /// A format that ezmsg's 32-bit fields cannot hold is left invisible to it: `set_valid(true)` does nothing until
    /// the next format.
    pub fn set_format(&mut self, format: &EzmsgFormat<'_>) {
        // A mirror indexes `frames[a:b, :]`, so it needs a dimension in addition to the buffered one.
        let frame_shape = if format.frame_shape.is_empty() { &[1] } else { format.frame_shape };
        let mut shape = [0; MAX_DIMS];
        self.hidden = false;
        let dims = std::iter::once(&format.frames).chain(frame_shape);
        for (&dim, entry) in dims.zip(&mut shape) {
            self.hidden |= u32::try_from(dim).is_err();
            *entry = dim as u32;
        }
        let key = truncated(format.key);
        let mut key_bytes = [0; MAX_KEY_BYTES];
        key_bytes[..key.len()].copy_from_slice(key.as_bytes());

        self.store(at::dtype, char_of(format.dtype));
        failpoint::point("S7-dtype");
        self.store(at::srate, format.rate_hz);
        failpoint::point("S7-rate");
        self.store(at::ndim, 1 + frame_shape.len() as u32);
        failpoint::point("S7-rank");
        self.store(at::shape, shape);
        failpoint::point("S7-shape");
        self.store(at::key, key_bytes);
        failpoint::point("S7-key");
        self.store(at::key_len, key.len() as u32);
        failpoint::point("S7-key-length");
        self.store(at::write_index, 0_u64);
        failpoint::point("S7-index");
        self.store(at::wrap_counter, 0_u64);
        failpoint::point("S7-laps");
        self.store(at::buffer_generation, format.buffer_generation);
    }

    /// W9: stores `position` after a chunk. `lap_ended` is what [`EzmsgPosition::advance`] returned.
    ///
    /// At a wrap, a mirror that polled between the two stores would see a false overflow and N - 1 frames that never
    /// existed, in either order of the stores. `set_valid` keeps it from polling between them.
    #[inline]
    pub fn set_position(&mut self, position: EzmsgPosition, lap_ended: bool) {
        if lap_ended {
            self.set_valid(false);
            failpoint::point("W9-hidden");
            self.store(at::write_index, position.write_index);
            failpoint::point("W9-index");
            self.store(at::wrap_counter, position.wrap_counter);
            failpoint::point("W9-laps");
            self.set_valid(true);
        } else {
            self.store(at::write_index, position.write_index);
        }
    }

    /// M2: a mirror that sees the new generation also sees its length. It may see the new length with the old
    /// generation, so `aux_nbytes` must never shrink.
    pub fn set_metadata(&mut self, aux_nbytes: u32, meta_generation: u32) {
        self.store(at::aux_nbytes, aux_nbytes);
        failpoint::point("M2-length");
        fence(Ordering::Release);
        self.store(at::meta_generation, meta_generation);
    }

    #[inline]
    fn store<T: Value>(&mut self, field: Field<T>, value: T) {
        assert!(field.end() <= LENGTH);
        // SAFETY: in bounds by the assertion and the contract of `new`. The machine is little-endian, so a value in
        // memory has the field's bytes.
        unsafe { self.base.add(field.offset()).cast::<T>().write_unaligned(value) }
    }
}

/// The longest prefix of `key` that fits into the header and does not end inside a character.
fn truncated(key: &str) -> &str {
    &key[..key.floor_char_boundary(MAX_KEY_BYTES)]
}

/// ezmsg's counters: the writer's private copy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct EzmsgPosition {
    /// Slot of the next frame, always below N: while it is N, a mirror returns the whole ring on every poll.
    pub write_index: u64,
    /// Number of completed laps.
    pub wrap_counter: u64,
}

impl EzmsgPosition {
    /// Moves on by `frames` in a ring of `ring_frames` (N, at least 1). Returns whether a lap ended.
    pub fn advance(&mut self, frames: u64, ring_frames: u64) -> bool {
        let mut laps = frames / ring_frames;
        self.write_index += frames % ring_frames;
        if self.write_index >= ring_frames {
            self.write_index -= ring_frames;
            laps += 1;
        }
        self.wrap_counter = self.wrap_counter.wrapping_add(laps);
        laps > 0
    }
}

/// Facts from a header that ezmsg wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PeekedHeader {
    /// 1 (ezmsg-tools 0.6) or 2 (0.10); unchecked, so it may have any value.
    pub struct_version: u32,
    /// The signal's key, if it can be decoded. The stream's name is not in the header.
    pub key: Option<String>,
}

/// Length of the pickle in bytes, as the header states it.
pub(crate) fn aux_nbytes(bytes: &[u8; LENGTH]) -> u32 {
    at::aux_nbytes.get(bytes)
}

/// Whether a header begins with ezmsg's magic.
pub(crate) fn has_magic(bytes: &[u8; LENGTH]) -> bool {
    at::magic.get(bytes) == MAGIC_VALUE
}

/// Recognises ezmsg's header; `None` if its magic is missing.
pub(crate) fn peek(bytes: &[u8; LENGTH]) -> Option<PeekedHeader> {
    if !has_magic(bytes) {
        return None;
    }
    let key_len = at::key_len.get(bytes) as usize;
    let key = at::key.get(bytes).get(..key_len).and_then(readable);
    Some(PeekedHeader { struct_version: at::struct_version.get(bytes), key })
}

/// The text of a key. ezmsg cuts a long key after 1024 bytes, even inside a character; the incomplete character is left
/// out.
fn readable(key: &[u8]) -> Option<String> {
    match std::str::from_utf8(key) {
        Ok(text) => Some(text.to_owned()),
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&key[..error.valid_up_to()]).ok().map(str::to_owned)
        }
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    struct Memory(Box<[u8; LENGTH]>);

    impl Memory {
        fn new() -> Self {
            Self(Box::new([0; LENGTH]))
        }

        fn header(&mut self) -> EzmsgHeader {
            // SAFETY: LENGTH bytes, not borrowed elsewhere while these tests use the header.
            unsafe { EzmsgHeader::new(self.0.as_mut_ptr()) }
        }
    }

    fn format<'a>(frame_shape: &'a [u64], key: &'a str) -> EzmsgFormat<'a> {
        EzmsgFormat { dtype: Dtype::F32, rate_hz: 10.0, frames: 20, frame_shape, key, buffer_generation: 3 }
    }

    #[test]
    fn the_bytes_equal_those_that_ezmsg_wrote_for_the_same_stream() {
        let golden = include_bytes!("../../../tests/vectors/ezmsg/v2/eeg_f32_wrapped/header.bin");
        let mut memory = Memory::new();
        let mut header = memory.header();
        header.placeholders();
        header.set_metadata(699, 1);
        header.set_format(&EzmsgFormat { buffer_generation: 0, ..format(&[3], "eeg/headset-1") });
        header.set_position(EzmsgPosition { write_index: 4, wrap_counter: 1 }, true);
        header.set_valid(true);
        assert_eq!(memory.0.as_slice(), golden);

        let golden = include_bytes!("../../../tests/vectors/ezmsg/v2/image_u8/header.bin");
        let mut memory = Memory::new();
        let mut header = memory.header();
        header.placeholders();
        header.set_metadata(172, 1);
        header.set_format(&EzmsgFormat {
            dtype: Dtype::U8,
            rate_hz: 30.0,
            frames: 3,
            frame_shape: &[4, 5, 3],
            key: "cam0",
            buffer_generation: 0,
        });
        header.set_position(EzmsgPosition { write_index: 2, wrap_counter: 0 }, false);
        header.set_valid(true);
        assert_eq!(memory.0.as_slice(), golden);
    }

    #[test]
    fn a_shorter_format_leaves_nothing_of_a_longer_one() {
        let mut memory = Memory::new();
        let mut header = memory.header();
        header.set_format(&format(&[7; 8], &"k".repeat(1024)));
        header.set_format(&format(&[], "short"));
        assert_eq!(at::ndim.get(&*memory.0), 2);
        assert_eq!(at::shape.get(&*memory.0)[0], 20);
        assert_eq!(at::shape.get(&*memory.0)[1], 1, "a frame of rank 0 is stored as (N, 1)");
        assert!(at::shape.get(&*memory.0)[2..].iter().all(|&dim| dim == 0));
        assert!(at::key.get(&*memory.0)[5..].iter().all(|&byte| byte == 0));
        assert_eq!(at::key_len.get(&*memory.0), 5);
    }

    #[test]
    fn a_format_that_32_bits_cannot_hold_stays_invisible_to_ezmsg() {
        let mut memory = Memory::new();
        let mut header = memory.header();
        header.set_format(&format(&[1 << 32], ""));
        header.set_valid(true);
        header.set_position(EzmsgPosition { write_index: 0, wrap_counter: 1 }, true);
        assert_eq!(at::bvalid.get(&*memory.0), 0);
        let mut header = memory.header();
        header.set_format(&format(&[(1 << 32) - 1], ""));
        header.set_valid(true);
        assert_eq!(at::bvalid.get(&*memory.0), 1);
    }

    #[test]
    fn a_long_key_is_cut_between_characters() {
        // Defect D20: ezmsg cuts after 1024 bytes, inside the last character, so that no reader can decode the key.
        let key = format!("{}é", "k".repeat(1023));
        let mut memory = Memory::new();
        memory.header().placeholders();
        memory.header().set_format(&format(&[3], &key));
        assert_eq!(at::key_len.get(&*memory.0), 1023);
        assert_eq!(peek(&memory.0).unwrap().key.unwrap(), "k".repeat(1023));
        let key = "é".repeat(512);
        memory.header().set_format(&format(&[3], &key));
        assert_eq!(peek(&memory.0).unwrap().key.unwrap(), key);
    }

    #[test]
    fn ezmsgs_headers_are_recognised_by_their_magic_alone() {
        for (golden, struct_version, key) in [
            (include_bytes!("../../../tests/vectors/ezmsg/v2/eeg_f32_wrapped/header.bin"), 2, "eeg/headset-1"),
            (include_bytes!("../../../tests/vectors/ezmsg/v2/image_u8/header.bin"), 2, "cam0"),
            (include_bytes!("../../../tests/vectors/ezmsg/v1/eeg_f32_wrapped/header.bin"), 1, "eeg/headset-1"),
        ] {
            assert_eq!(peek(golden), Some(PeekedHeader { struct_version, key: Some(key.to_owned()) }));
        }
        let mut memory = Memory::new();
        assert_eq!(peek(&memory.0), None);
        memory.header().placeholders();
        let key_of = |memory: &Memory| peek(&memory.0).unwrap().key;
        assert_eq!(key_of(&memory), Some(String::new()));
        at::key.put(&mut *memory.0, [b'k'; MAX_KEY_BYTES]);
        for (key_len, expected) in [(1024, Some(1024)), (1025, None), (u32::MAX, None)] {
            at::key_len.put(&mut *memory.0, key_len);
            assert_eq!(key_of(&memory).map(|key| key.len()), expected);
        }
        at::key_len.put(&mut *memory.0, 1024);
        memory.0[at::key.end() - 1] = 0xC3;
        assert_eq!(key_of(&memory).unwrap().len(), 1023, "the incomplete character is left out");
        memory.0[at::key.offset()] = 0xFF;
        assert_eq!(key_of(&memory), None);
    }

    #[test]
    fn a_full_ring_is_at_index_0_of_the_next_lap() {
        // Defect D1: an index of N makes a mirror return the whole ring on every poll.
        let mut position = EzmsgPosition::default();
        assert!(position.advance(100, 100));
        assert_eq!(position, EzmsgPosition { write_index: 0, wrap_counter: 1 });
        assert!(!position.advance(99, 100));
        assert!(position.advance(1, 100));
        assert_eq!(position, EzmsgPosition { write_index: 0, wrap_counter: 2 });
        assert!(position.advance(250, 100));
        assert_eq!(position, EzmsgPosition { write_index: 50, wrap_counter: 4 });
        assert!(!position.advance(0, 100));
    }

    proptest! {
        #[test]
        #[cfg_attr(miri, ignore = "takes minutes in Miri and runs no unsafe code")]
        fn counters_agree_with_counting_frame_by_frame(
            ring_frames in 1_u64..50,
            chunks in prop::collection::vec(0_u64..200, 1..50),
        ) {
            let (mut position, mut index, mut laps) = (EzmsgPosition::default(), 0, 0);
            for frames in chunks {
                let laps_before = laps;
                for _ in 0..frames {
                    index += 1;
                    if index == ring_frames {
                        (index, laps) = (0, laps + 1);
                    }
                }
                let lap_ended = position.advance(frames, ring_frames);
                prop_assert_eq!(position, EzmsgPosition { write_index: index, wrap_counter: laps });
                prop_assert_eq!(lap_ended, laps > laps_before);
            }
        }

        #[test]
        #[cfg_attr(miri, ignore = "takes minutes in Miri and runs no unsafe code")]
        fn no_position_overflows(start in 0_u64..(1 << 32), frames in any::<u64>()) {
            let mut position = EzmsgPosition { write_index: start, wrap_counter: u64::MAX };
            position.advance(frames, 1 << 32);
            prop_assert!(position.write_index < 1 << 32);
            let total = u128::from(start) + u128::from(frames);
            prop_assert_eq!(u128::from(position.write_index), total % (1 << 32));
        }

        #[test]
        #[cfg_attr(miri, ignore = "takes minutes in Miri and runs no unsafe code")]
        fn no_bytes_make_peek_panic(bytes in prop::collection::vec(any::<u8>(), LENGTH)) {
            let mut bytes: [u8; LENGTH] = bytes.try_into().unwrap();
            let _ = peek(&bytes);
            bytes[..4].copy_from_slice(&MAGIC_VALUE.to_le_bytes());
            prop_assert!(peek(&bytes).is_some());
        }
    }

    #[test]
    fn metadata_and_placeholders_are_where_ezmsg_looks_for_them() {
        let mut memory = Memory::new();
        let mut header = memory.header();
        header.placeholders();
        header.set_metadata(0x0102_0304, 9);
        assert_eq!(at::magic.get(&*memory.0), MAGIC_VALUE);
        assert_eq!(memory.0[..4], *b"SMZE");
        assert_eq!(at::buffer_generation.get(&*memory.0), u32::MAX);
        assert_eq!(at::bvalid.get(&*memory.0), 0);
        assert_eq!(at::aux_nbytes.get(&*memory.0), 0x0102_0304);
        assert_eq!(at::meta_generation.get(&*memory.0), 9);
        assert_eq!(at::write_index.get(&*memory.0), 0);
    }
}
