//! Loom's memory as the source of the real cursor.

use std::ops::Range;

use super::memory::{FRAMES, Frame, FramesOf, RECORDS, Ring, Stream, record_of};
use crate::layout::{NO_GENERATION, Record, UNKNOWN_POSITION, header};
use crate::protocol::cursor::{Beginning, Came, RingFacts, Source, Stand, Start, Status, Unit, Update};
use crate::protocol::order::{self, Mutation, mutated};
use crate::protocol::sync::Ordering;
use crate::protocol::{self, Committed, HeaderWords as _, RingWords as _};
use crate::stream::WriterId;
use crate::{Description, Error, Result};

/// Bytes of a frame.
pub const FRAME_BYTES: u64 = 16;

/// A modelled stream as one reader sees it.
pub struct Model<'a> {
    stream: &'a Stream,
    unit: Unit,
    /// The ring that is read, and its constant facts.
    ring: Option<(&'a Ring, RingFacts)>,
}

impl<'a> Model<'a> {
    pub fn new(stream: &'a Stream, unit: Unit) -> Self {
        Self { stream, unit, ring: None }
    }

    pub fn memory(&self) -> Option<&'a Ring> {
        self.ring.map(|(ring, _)| ring)
    }

    fn current(&self) -> (&'a Ring, RingFacts) {
        self.ring.expect("called only while there is a ring")
    }

    fn copy_whole_into(&self, positions: &Range<u64>, committed: u64, copy: impl FnOnce(&Ring)) -> u64 {
        let (ring, _) = self.current();
        let judged = protocol::copy_whole(&FramesOf(ring), positions, committed, || copy(ring));
        judged.unwrap_or_else(|reserved| {
            // Readers of a correct stream may rely on this.
            assert!(mutated(Mutation::NoReserve), "{reserved:?}: committed before it was reserved");
            positions.start
        })
    }
}

/// Frames, with the content that was loaded when they were lent.
pub struct Lent {
    pub range: Range<u64>,
    pub frames: Vec<Frame>,
}

impl Source for Model<'_> {
    type View = Lent;

    fn find_stream(&mut self) -> Result<bool> {
        Ok(true)
    }

    fn let_go(&mut self) {
        self.ring = None;
    }

    fn status(&mut self) -> Result<Status> {
        let closed = self.stream.header.state().load(order::generation_load()) == header::STATE_CLOSED;
        let generation = self.stream.header.generation().load(order::generation_load());
        Ok(Status { closed, generation: (generation != NO_GENERATION).then_some(generation) })
    }

    fn open_ring(&mut self, generation: u32) -> Result<bool> {
        let ring = self.stream.ring(generation);
        if !ring.can_be_opened() {
            return Ok(false);
        }
        let facts = RingFacts {
            generation,
            base: ring.base.load(Ordering::Relaxed),
            frames: FRAMES,
            frame_bytes: FRAME_BYTES,
            records: RECORDS,
            meta_generation: 0,
        };
        self.ring = Some((ring, facts));
        Ok(true)
    }

    fn could_open(&self, generation: u32) -> bool {
        self.stream.ring(generation).can_be_opened()
    }

    fn open_kept(&mut self, generation: u32, stand: Stand) -> Result<bool> {
        Ok(self.could_open_kept(generation, stand) && self.open_ring(generation)?)
    }

    fn could_open_kept(&self, generation: u32, stand: Stand) -> bool {
        let Stand::After(seen) = stand else { unreachable!("readers of the model predate the stream") };
        // The numbers before the first wrap.
        let Some(ring) = self.stream.rings.get(generation as usize) else { return false };
        ring.can_be_opened() && ring.base.load(Ordering::Relaxed) >= seen
    }

    fn is_gone(&self) -> bool {
        false
    }

    fn final_position(&self) -> Option<u64> {
        let header = &self.stream.header;
        if header.state().load(order::generation_load()) != header::STATE_CLOSED {
            return None;
        }
        Some(header.final_position().load(Ordering::Relaxed)).filter(|&total| total != UNKNOWN_POSITION)
    }

    fn wake(&self) -> Option<u32> {
        Some(protocol::load_wake(&self.stream.header))
    }

    fn ring_writer(&self) -> Option<WriterId> {
        None
    }

    fn newest_writer(&self) -> Option<WriterId> {
        None
    }

    fn is_younger_than(&self, _came: &Came) -> bool {
        true
    }

    fn ring(&self) -> Option<RingFacts> {
        self.ring.map(|(_, facts)| facts)
    }

    fn beginning(&self, _start: Start, _unit: Unit) -> Option<Beginning> {
        unreachable!("readers of the model predate the stream")
    }

    fn update(&mut self, is_new: impl Fn(Committed) -> bool) -> Result<Update> {
        let (ring, _) = self.current();
        Ok(match self.unit {
            Unit::Frames => protocol::update(&self.stream.header, &FramesOf(ring), is_new),
            Unit::Messages => protocol::update(&self.stream.header, ring, is_new),
        })
    }

    fn committed(&self) -> u64 {
        self.current().0.committed().load(Ordering::Acquire)
    }

    /// Constant, since it is only a hint, and modelling it would multiply the executions.
    fn described(&self) -> u32 {
        0
    }

    fn held(&self) -> Range<u64> {
        unreachable!("readers of the model look nothing up")
    }

    /// None, since modelling the lookup of empty messages at each switch would multiply the executions. It loads records
    /// as readers of messages do.
    fn chunks(&self) -> Range<u64> {
        0..0
    }

    fn record(&self, chunk: u64) -> Option<Record> {
        let (ring, facts) = self.current();
        let record = protocol::record(ring, chunk)?;
        let expected = record_of(facts.generation, chunk, record.first, record.frames);
        assert_eq!(record, expected, "a torn record was accepted as that of chunk {chunk}");
        Some(record)
    }

    fn copy_whole(
        &mut self,
        positions: &Range<u64>,
        committed: u64,
        _times: &mut [f64],
        samples: &mut [u8],
    ) -> Result<u64> {
        Ok(self.copy_whole_into(positions, committed, |ring| {
            for (position, bytes) in positions.clone().zip(samples.chunks_exact_mut(FRAME_BYTES as usize)) {
                let [first, second] = ring.load_frame(position).map(u64::to_le_bytes);
                bytes[..8].copy_from_slice(&first);
                bytes[8..].copy_from_slice(&second);
            }
        }))
    }

    fn copy_times_whole(&self, _positions: &Range<u64>, _times: &mut [f64]) -> Option<u64> {
        unreachable!("frames of the model have no times")
    }

    fn lend(&mut self, positions: &Range<u64>) -> Result<Option<Lent>> {
        let (ring, _) = self.current();
        let frames = positions.clone().map(|position| ring.load_frame(position)).collect();
        Ok(Some(Lent { range: positions.clone(), frames }))
    }

    fn lent(view: &Lent) -> Range<u64> {
        view.range.clone()
    }

    fn judge(&self, view: &Lent) -> Option<u64> {
        Some(self.copy_whole_into(&view.range, 0, |_| ()))
    }

    fn newest_description(&self) -> Option<u32> {
        None
    }

    fn open_description(&mut self, _meta_generation: u32) -> Result<Option<Description>> {
        Ok(None)
    }

    fn corrupt(&self, reason: String) -> Error {
        panic!("a correct stream was reported as corrupt: {reason}")
    }

    fn corrupt_header(&self, reason: String) -> Error {
        self.corrupt(reason)
    }
}
