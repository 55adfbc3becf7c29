//! The cursor over plain memory: the production loop, without files and without other processes.

use std::ops::Range;

use super::{FRAME_SAMPLES, Memory, PlainWriter, samples_at, time_at};
use crate::layout::{NO_GENERATION, Record, UNKNOWN_POSITION, header};
use crate::protocol::cursor::{
    Beginning, Came, Cursor, Outcome, Plan, RingFacts, Source, Stand, Start, Status, Target, Unit, Update,
};
use crate::protocol::sync::Ordering;
use crate::protocol::{self, Committed, RingWords as _};
use crate::stream::WriterId;
use crate::{Description, Error, Result};

/// A stream with one ring, its first generation.
pub(super) struct Plain<'a> {
    memory: &'a Memory,
    open: bool,
}

impl Source for Plain<'_> {
    type View = Range<u64>;

    fn find_stream(&mut self) -> Result<bool> {
        Ok(true)
    }

    fn let_go(&mut self) {
        self.open = false;
    }

    fn status(&mut self) -> Result<Status> {
        let closed = self.memory.header.state().load(Ordering::Acquire) == header::STATE_CLOSED;
        let generation = self.memory.header.generation().load(Ordering::Acquire);
        Ok(Status { closed, generation: (generation != NO_GENERATION).then_some(generation) })
    }

    fn open_ring(&mut self, generation: u32) -> Result<bool> {
        self.open |= generation == 0;
        Ok(generation == 0)
    }

    fn open_kept(&mut self, _generation: u32, _stand: Stand) -> Result<bool> {
        Ok(false)
    }

    fn could_open_kept(&self, _generation: u32, _stand: Stand) -> bool {
        false
    }

    fn could_open(&self, generation: u32) -> bool {
        generation == 0
    }

    fn is_gone(&self) -> bool {
        false
    }

    fn final_position(&self) -> Option<u64> {
        Some(self.memory.header.final_position().load(Ordering::Relaxed)).filter(|&total| total != UNKNOWN_POSITION)
    }

    fn wake(&self) -> Option<u32> {
        Some(protocol::load_wake(&self.memory.header))
    }

    fn ring_writer(&self) -> Option<WriterId> {
        None
    }

    fn newest_writer(&self) -> Option<WriterId> {
        None
    }

    fn is_younger_than(&self, _came: &Came) -> bool {
        false
    }

    fn ring(&self) -> Option<RingFacts> {
        let ring = &self.memory.ring;
        self.open.then(|| RingFacts {
            generation: 0,
            base: 0,
            frames: ring.frames(),
            frame_bytes: ring.geometry().frame_bytes,
            records: ring.records(),
            meta_generation: 0,
        })
    }

    fn beginning(&self, start: Start, unit: Unit) -> Option<Beginning> {
        Beginning::in_ring(&self.memory.ring, start, unit)
    }

    fn update(&mut self, is_new: impl Fn(Committed) -> bool) -> Result<Update> {
        Ok(protocol::update(&self.memory.header, &self.memory.ring, is_new))
    }

    fn committed(&self) -> u64 {
        self.memory.ring.committed().load(Ordering::Acquire)
    }

    fn described(&self) -> u32 {
        0
    }

    fn held(&self) -> Range<u64> {
        let committed = self.committed();
        committed.saturating_sub(self.memory.ring.frames())..committed
    }

    fn chunks(&self) -> Range<u64> {
        let newest = self.memory.ring.committed_chunks().load(Ordering::Acquire);
        newest.saturating_sub(self.memory.ring.records())..newest
    }

    fn record(&self, chunk: u64) -> Option<Record> {
        protocol::record(&self.memory.ring, chunk)
    }

    fn copy_whole(
        &mut self,
        positions: &Range<u64>,
        committed: u64,
        times: &mut [f64],
        samples: &mut [u8],
    ) -> Result<u64> {
        let ring = &self.memory.ring;
        let copy = || {
            ring.copy_times(positions, times);
            ring.copy_samples(positions, samples);
        };
        protocol::copy_whole(ring, positions, committed, copy).map_err(|reserved| self.corrupt(format!("{reserved:?}")))
    }

    fn copy_times_whole(&self, positions: &Range<u64>, times: &mut [f64]) -> Option<u64> {
        let ring = &self.memory.ring;
        protocol::copy_whole(ring, positions, 0, || ring.copy_times(positions, times)).ok()
    }

    fn lend(&mut self, positions: &Range<u64>) -> Result<Option<Range<u64>>> {
        Ok(Some(positions.clone()))
    }

    fn lent(view: &Range<u64>) -> Range<u64> {
        view.clone()
    }

    fn judge(&self, view: &Range<u64>) -> Option<u64> {
        Some(protocol::recheck(&self.memory.ring).whole_from(self.memory.ring.frames(), view))
    }

    fn newest_description(&self) -> Option<u32> {
        None
    }

    fn open_description(&mut self, _meta_generation: u32) -> Result<Option<Description>> {
        Ok(None)
    }

    fn corrupt(&self, reason: String) -> Error {
        Error::Corrupt { segment: "plain memory".to_owned(), reason }
    }

    fn corrupt_header(&self, reason: String) -> Error {
        self.corrupt(reason)
    }
}

/// Frames that were copied, from the first one on.
#[derive(Default)]
pub(super) struct Copy {
    times: Vec<f64>,
    pub(super) samples: Vec<u8>,
}

impl Target for Copy {
    fn make_room(&mut self, frames: u64, frame_bytes: u64) {
        self.times.resize(frames as usize, 0.0);
        self.samples.resize((frames * frame_bytes) as usize, 0);
    }

    fn parts(&mut self) -> (&mut [f64], &mut [u8]) {
        (&mut self.times, &mut self.samples)
    }
}

impl Copy {
    /// Copies the frames of `view`, then finishes it. Returns the positions that were whole throughout, and keeps their
    /// frames only.
    pub(super) fn take(&mut self, cursor: &mut Cursor<Plain<'_>>, view: &Range<u64>) -> Range<u64> {
        let ring = &cursor.source().memory.ring;
        let (frames, frame_bytes) = (view.end - view.start, ring.geometry().frame_bytes);
        self.make_room(frames, frame_bytes);
        ring.copy_times(view, &mut self.times);
        ring.copy_samples(view, &mut self.samples);
        let whole = cursor.finish(view);
        self.drop_front(whole.start - view.start, frames, frame_bytes);
        whole
    }

    /// Checks that it begins with the frames of `positions`.
    #[track_caller]
    pub(super) fn check(&self, positions: &Range<u64>) {
        let frames = (positions.end - positions.start) as usize;
        let (samples, rest) = self.samples[..frames * 4 * FRAME_SAMPLES as usize].as_chunks();
        assert!(rest.is_empty());
        let samples: Vec<u32> = samples.iter().map(|&bytes| u32::from_le_bytes(bytes)).collect();
        assert_eq!(samples, positions.clone().flat_map(samples_at).collect::<Vec<_>>());
        assert_eq!(self.times[..frames], positions.clone().map(time_at).collect::<Vec<_>>());
    }
}

/// A cursor that predates the stream, so that it begins at the first frame.
pub(super) fn cursor(memory: &Memory, unit: Unit) -> Cursor<Plain<'_>> {
    let plan = Plan { unit, start: Start::Newest, each_description: false };
    Cursor::new(Plain { memory, open: false }, plan, None)
}

#[test]
fn every_frame_is_copied_once_or_counted_as_lost_lap_after_lap() {
    for (frames, chunk, reads_after) in [(1, 1, 1), (7, 3, 1), (8, 8, 2), (10, 3, 5)] {
        let memory = Memory::new(frames, chunk);
        let mut writer = PlainWriter::new(&memory);
        super::generation(&memory, 0);
        let (mut cursor, mut copy) = (cursor(&memory, Unit::Frames), Copy::default());
        assert_eq!(cursor.read(&mut copy, 1, false).unwrap(), Outcome::Generation);
        let (mut read, mut written) = (0, 0);
        for round in 0..if cfg!(miri) { 12 } else { 200 } {
            writer.write(chunk);
            written += chunk;
            if round % reads_after == 0 {
                while let Outcome::Data(copied) = cursor.read(&mut copy, 4, false).unwrap() {
                    copy.check(&(copied.first..copied.first + copied.frames));
                    read += copied.frames;
                }
                assert_eq!((cursor.position(), read + cursor.lost()), (written, written));
                assert!(cursor.would_block().unwrap().is_some());
            }
        }
        assert_eq!(cursor.lost() == 0, chunk * reads_after <= memory.ring.frames());
    }
}

#[test]
fn every_message_is_copied_whole_or_its_frames_are_counted_as_lost() {
    let memory = Memory::new(10, 3);
    let mut writer = PlainWriter::new(&memory);
    super::generation(&memory, 0);
    let (mut cursor, mut copy) = (cursor(&memory, Unit::Messages), Copy::default());
    assert_eq!(cursor.next_message(&mut copy).unwrap().map(|_| ()), Outcome::Generation);
    let (mut read, mut written, mut messages) = (0, 0, 0);
    for round in 0..if cfg!(miri) { 12 } else { 200 } {
        let frames = round % 4;
        writer.write(frames);
        written += frames;
        if round % 7 == 6 {
            while let Outcome::Data(info) = cursor.next_message(&mut copy).unwrap() {
                copy.check(&(info.first..info.first + info.frames));
                assert_eq!(info.frames, info.chunk % 4);
                (read, messages) = (read + info.frames, messages + 1);
            }
            assert_eq!(read + cursor.lost(), written);
        }
    }
    assert!(messages > 0 && cursor.lost() > 0);
}

#[test]
fn a_view_is_whole_until_the_writer_laps_it() {
    let memory = Memory::new(10, 3);
    let mut writer = PlainWriter::new(&memory);
    super::generation(&memory, 0);
    let mut cursor = cursor(&memory, Unit::Frames);
    assert_eq!(cursor.view(9).unwrap(), Outcome::Generation);
    writer.write(8);
    let view = cursor.view(u64::MAX).unwrap().data().unwrap();
    writer.write(6);
    assert_eq!((cursor.finish(&view), cursor.lost()), (4..8, 4));
    let view = cursor.view(2).unwrap().data().unwrap();
    assert_eq!((cursor.finish(&view), cursor.lost()), (8..10, 4));
}

#[test]
fn a_stream_that_is_closed_is_drained_and_reported_once() {
    let memory = Memory::new(10, 3);
    let mut writer = PlainWriter::new(&memory);
    super::generation(&memory, 0);
    let (mut cursor, mut copy) = (cursor(&memory, Unit::Frames), Copy::default());
    assert_eq!(cursor.read(&mut copy, 1, false).unwrap(), Outcome::Generation);
    writer.write(3);
    protocol::close(&memory.header, 5);
    assert!(cursor.read(&mut copy, 9, false).unwrap().is_data());
    assert_eq!(cursor.read(&mut copy, 9, false).unwrap(), Outcome::Closed);
    assert_eq!(cursor.lost(), 2, "the frames missed up to the final position");
}

#[test]
fn skipped_frames_do_not_count_as_lost() {
    let memory = Memory::new(10, 3);
    let mut writer = PlainWriter::new(&memory);
    super::generation(&memory, 0);
    let mut cursor = cursor(&memory, Unit::Frames);
    assert_eq!(cursor.skip_to_newest().unwrap(), Outcome::Generation);
    assert_eq!(cursor.skip_to_newest().unwrap(), Outcome::Nothing);
    for _ in 0..9 {
        writer.write(3);
    }
    assert_eq!(cursor.skip_to_newest().unwrap(), Outcome::Data(27));
    assert_eq!((cursor.position(), cursor.lost()), (27, 0));
}
