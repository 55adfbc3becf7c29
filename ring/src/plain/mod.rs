//! The protocol, and the cursor that every reader is made of, over plain memory of this process, which Miri and valgrind
//! can check.

mod beginnings;
mod concurrent;
mod single_thread;
mod source;
#[cfg(target_arch = "x86_64")]
mod streaming;

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::cell::Cell;
use std::ops::Range;

use crate::layout::{Geometry, NO_GENERATION, Record, header};
use crate::protocol::copy::{Stores, racing_copy};
use crate::protocol::cursor::Unit;
use crate::protocol::sync::Ordering;
use crate::protocol::{self, Counters, RingWords as _};
use crate::shm::memory::{HeaderMemory, RingMemory, runs};
use crate::{Dtype, Format};
use source::{Copy, cursor};

/// Zeroed, page-aligned memory, freed when dropped.
struct Pages {
    start: *mut u8,
    layout: Layout,
}

// SAFETY: plain memory; the tests are responsible for how threads access it.
unsafe impl Send for Pages {}
// SAFETY: as above.
unsafe impl Sync for Pages {}

impl Pages {
    fn new(length: usize) -> Self {
        let layout = Layout::from_size_align(length, 4096).unwrap();
        // SAFETY: the length is not 0.
        let start = unsafe { alloc_zeroed(layout) };
        if start.is_null() {
            handle_alloc_error(layout);
        }
        Self { start, layout }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this layout.
        unsafe { dealloc(self.start, self.layout) };
    }
}

/// A header and one of its rings.
struct Memory {
    header: HeaderMemory,
    ring: RingMemory,
    _pages: [Pages; 2],
}

const FRAME_SAMPLES: u64 = 3;

impl Memory {
    /// A ring of `frames` frames of three u32, for chunks of `chunk_frames`.
    fn new(frames: u64, chunk_frames: u64) -> Self {
        Self::of(&Format::new(Dtype::U32, &[FRAME_SAMPLES], 0.0, frames).unwrap(), chunk_frames)
    }

    fn of(format: &Format, chunk_frames: u64) -> Self {
        let geometry = Geometry::plan(format, chunk_frames).unwrap();
        let pages = [Pages::new(header::LENGTH), Pages::new(geometry.length as usize)];
        // SAFETY: zeroed, aligned, as long as a header, and kept as long as the value.
        let header = unsafe { HeaderMemory::new(pages[0].start) };
        // SAFETY: zeroed, aligned, as long as the geometry states, and kept as long as the value.
        let ring = unsafe { RingMemory::new(pages[1].start, geometry) };
        header.state().store(header::STATE_OPEN, Ordering::Relaxed);
        header.generation().store(NO_GENERATION, Ordering::Relaxed);
        Self { header, ring, _pages: pages }
    }
}

/// The samples of the frame at `position`.
fn samples_at(position: u64) -> [u32; FRAME_SAMPLES as usize] {
    let low = position as u32;
    [low, !low, low.rotate_left(16)]
}

fn time_at(position: u64) -> f64 {
    position as f64 * 0.5
}

/// Writes chunks of frames whose content follows from their position.
struct PlainWriter<'a> {
    memory: &'a Memory,
    counters: Counters,
    meta_generation: Cell<u32>,
}

impl<'a> PlainWriter<'a> {
    fn new(memory: &'a Memory) -> Self {
        Self { memory, counters: Counters::default(), meta_generation: Cell::new(1) }
    }

    fn store(&self, positions: Range<u64>) {
        let ring = &self.memory.ring;
        let mut position = positions.start;
        for run in runs(&positions, ring.frames()) {
            ring.store_times(run, |i| time_at(position + i));
            let bytes: Vec<u8> =
                (position..position + run.frames).flat_map(samples_at).flat_map(u32::to_le_bytes).collect();
            let (to, length) = ring.samples(run);
            assert_eq!(length, bytes.len());
            // SAFETY: the run's samples lie in the ring, and `bytes` is as long. Readers may race: see `racing_copy`.
            unsafe { racing_copy(bytes.as_ptr(), to, length) };
            position += run.frames;
        }
    }

    fn write(&mut self, frames: u64) {
        let mut counters = self.counters;
        let record = |first| Record {
            first,
            frames,
            send_ns: 7,
            mono_ns: 8,
            meta_generation: self.meta_generation.get(),
            flags: 0,
        };
        protocol::write(
            &self.memory.header,
            &self.memory.ring,
            &mut counters,
            frames,
            Stores::MayStream,
            |p| self.store(p),
            record,
            || {},
        );
        self.counters = counters;
    }
}

/// Copies `range`, which the ring holds, and checks the frames that are whole. Returns the position of the first one.
#[track_caller]
fn check(memory: &Memory, range: Range<u64>) -> u64 {
    let (mut cursor, mut copy) = (cursor(memory, Unit::Frames), Copy::default());
    cursor.settle().unwrap();
    let copied = cursor.copy_at(range.clone(), &mut copy).unwrap();
    assert_eq!(copied.first + copied.frames, range.end);
    copy.check(&(copied.first..range.end));
    copied.first
}

fn generation(memory: &Memory, generation: u32) {
    protocol::switch(&memory.header, generation, || {});
    assert_eq!(memory.header.generation().load(Ordering::Relaxed), generation);
}
