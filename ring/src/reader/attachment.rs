//! What both kinds of readers share: being attached to a stream, following its generations and writers, counting what
//! is lost, sleeping.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::descriptions::Descriptions;
use super::{Interrupter, Liveness, ReaderOptions, start};
use crate::layout::{NO_GENERATION, Record, UNKNOWN_POSITION, header};
use crate::protocol::{self, Committed, Look, News, Over, RingWords as _};
use crate::shm;
use crate::shm::open::{self, FoundRing, HeaderSegment, Owner, RingSegment, corrupt, open_header, open_ring};
use crate::stream::name::{SegmentName, check_name};
use crate::{Error, Result};

/// Pause between two looks for a stream that does not exist yet, or whose ring has lost its name.
const ATTACH_PAUSE: Duration = Duration::from_millis(50);

/// Whether there is something to read.
pub(super) enum Polled {
    /// The ring has something that the cursor has not passed: what is committed.
    Data(Committed),
    Nothing,
    /// The reader moved on to another ring.
    Moved,
    /// The stream was closed and has been drained. Said once.
    Closed,
}

/// How far attaching came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reached {
    Ring,
    /// There is no stream, or no ring, yet.
    NotYet,
    /// The stream has ended meanwhile, and the reader has let go of it.
    End,
}

/// Which counter tells that there is something new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Frames,
    Messages,
}

pub(super) struct Attachment {
    pub name: String,
    pub(super) segment: String,
    pub(super) options: ReaderOptions,
    pub(super) unit: Unit,
    pub(super) header: Option<HeaderSegment>,
    pub ring: Option<Box<RingSegment>>,
    /// Position of the next frame to deliver in this generation.
    pub next: u64,
    /// The next chunk to deliver; kept by message readers only.
    pub next_chunk: u64,
    /// Frames lost since the first read, in all.
    lost: u64,
    /// Frames lost since something was delivered.
    pending_lost: u64,
    /// See [`start::Beginning`].
    pub(super) not_lost_below: u64,
    /// The reader had to wait for the stream, or was attached to the one before it.
    pub(super) waited: bool,
    /// When the reader came; `None` once it is sure that it was there before the next ring's stream, which it then reads
    /// from the first frame on.
    came: Option<Came>,
    /// Pause between two looks for what does not exist yet.
    pub(super) attach_pause: Duration,
    /// A ring that the reader has come to and not told its caller of.
    pub(super) entered: bool,
    /// The end of a stream that the reader has not told its caller of.
    pub(super) ended: bool,
    pub(super) descriptions: Descriptions,
    pub(super) interrupts: Arc<AtomicU32>,
    pub(super) interrupts_seen: u32,
    pub(super) liveness_told: Option<Liveness>,
}

/// A point in time, by both clocks.
struct Came {
    unix_ns: i64,
    mono_ns: u64,
}

impl Came {
    fn now() -> Self {
        Self { unix_ns: shm::unix_ns(), mono_ns: shm::monotonic_ns() }
    }

    /// Whether the stream is younger. The clock of its header may have been set in between; that of its first ring not.
    fn is_before(&self, header: &HeaderSegment, ring: &RingSegment) -> bool {
        self.unix_ns <= header.created_ns || (ring.base == 0 && self.mono_ns <= ring.created_mono_ns)
    }
}

impl Attachment {
    /// Attached to nothing yet.
    pub fn new(name: &str, options: ReaderOptions, unit: Unit) -> Result<Self> {
        check_name(name)?;
        Ok(Self {
            name: name.to_owned(),
            segment: SegmentName::header(name).public,
            options,
            unit,
            header: None,
            ring: None,
            next: 0,
            next_chunk: 0,
            lost: 0,
            pending_lost: 0,
            not_lost_below: 0,
            waited: false,
            came: Some(Came::now()),
            attach_pause: ATTACH_PAUSE,
            entered: false,
            ended: false,
            descriptions: Descriptions::default(),
            interrupts: Arc::new(AtomicU32::new(0)),
            interrupts_seen: 0,
            liveness_told: None,
        })
    }

    /// Where the reader begins is no news, and a stream that ended before that is none of its.
    pub fn begin_here(&mut self) {
        self.entered = false;
        self.ended = false;
        (self.lost, self.pending_lost) = (0, 0);
    }

    /// The stream, of whatever kind, is over: the next one of the name is read from its first frame on.
    pub fn expect_another(&mut self) {
        self.detach();
        self.came = None;
    }

    pub fn options(&self) -> &ReaderOptions {
        &self.options
    }

    pub fn owner(&self) -> Owner {
        self.options.owner.map_or(Owner::OwnOrRoot, Owner::User)
    }

    /// Looks less often, or more often, for a stream that does not exist.
    pub fn set_attach_pause(&mut self, pause: Duration) {
        self.attach_pause = pause;
    }

    pub fn ring(&self) -> Option<&RingSegment> {
        self.ring.as_deref()
    }

    /// A1 to A5, where there is no ring yet.
    pub fn attach(&mut self) -> Result<Reached> {
        if self.ring.is_some() {
            return Ok(Reached::Ring);
        }
        if self.ended {
            // Told first, before the next stream begins.
            return Ok(Reached::End);
        }
        if self.header.is_none() {
            let found = open_header(&self.name, self.owner())?;
            // A closed header's writer is about to remove it: to newcomers the stream is absent. Acquire, as R2.
            let open = found.filter(|header| header.words.state_word().load(Ordering::Acquire) != header::STATE_CLOSED);
            if open.is_none() {
                self.waited = true;
                return Ok(Reached::NotYet);
            }
            self.header = open;
        }
        let Some(header) = &self.header else { return Ok(Reached::NotYet) };
        // Acquire, as R2.
        let closed = header.words.state_word().load(Ordering::Acquire) == header::STATE_CLOSED;
        let generation = header.words.generation_word().load(Ordering::Acquire);
        if generation == NO_GENERATION {
            self.waited = true;
            self.came = None;
            if closed {
                self.leave_stream()?;
                return Ok(Reached::End);
            }
            return Ok(Reached::NotYet);
        }
        self.enter_ring(generation)
    }

    /// A4: opens the ring of `generation`, or of the generation that the header has come to by then. Never sleeps: a ring
    /// without a name is looked for again by the next call, and [`wait`](Self::wait) pauses in between.
    fn enter_ring(&mut self, mut generation: u32) -> Result<Reached> {
        // A writer that begins generation after generation is not chased for ever.
        for _ in 0..16 {
            let Some(header) = &self.header else { return Ok(Reached::NotYet) };
            match open_ring(&self.name, header, generation, self.options.max_ring_bytes)? {
                FoundRing::Ring(ring) => {
                    self.start_in(ring)?;
                    return Ok(Reached::Ring);
                }
                FoundRing::OfAnotherStream | FoundRing::Absent => {}
            }
            let now = header.words.generation_word().load(Ordering::Acquire);
            if now == generation {
                if self.is_gone(header) {
                    self.leave_stream()?;
                    return Ok(Reached::End);
                }
                return Ok(Reached::NotYet);
            }
            generation = now;
        }
        Ok(Reached::NotYet)
    }

    /// Whether a ring of `header` that cannot be found will never be found.
    fn is_gone(&self, header: &HeaderSegment) -> bool {
        header.words.state_word().load(Ordering::Acquire) == header::STATE_CLOSED
            || open::public_id(&self.segment).is_ok_and(|id| id.is_some_and(|id| id != header.id))
    }

    /// Whether [`enter_ring`](Self::enter_ring) would come to a ring, an end or an error.
    pub(super) fn could_enter(&self, generation: u32) -> bool {
        let Some(header) = &self.header else { return true };
        match open_ring(&self.name, header, generation, self.options.max_ring_bytes) {
            Ok(FoundRing::Ring(_)) | Err(_) => true,
            Ok(FoundRing::OfAnotherStream | FoundRing::Absent) => {
                header.words.generation_word().load(Ordering::Acquire) != generation || self.is_gone(header)
            }
        }
    }

    /// Makes `ring` the current one: after another ring, or as the first one of the reader or of a stream.
    fn start_in(&mut self, ring: Box<RingSegment>) -> Result<()> {
        let seen = match &self.ring {
            Some(old) => Some(old.base + self.next),
            None if self.was_there_first(&ring) => Some(0),
            None => None,
        };
        let missed = match seen.map(|seen| ring.base.checked_sub(seen).ok_or(seen)) {
            Some(Err(seen)) => {
                // The cursor is of the old ring: without letting go, what was read of it would be read again.
                self.detach();
                let reason = format!("its base is {}, but {seen} frames came before", ring.base);
                return Err(corrupt(&ring.segment, reason));
            }
            Some(Ok(missed)) => Some(missed),
            None => None,
        };
        self.came = None;
        self.next = 0;
        self.next_chunk = 0;
        self.not_lost_below = 0;
        self.entered = true;
        self.descriptions.enter(ring.meta_generation);
        match missed {
            Some(missed) => {
                self.count_lost(missed);
                self.ring = Some(ring);
            }
            None => {
                self.ring = Some(ring);
                self.waited = true;
                self.start_in_the_middle()?;
            }
        }
        let at_cursor = self.committed_at_cursor();
        if self.options.each_description && !at_cursor.is_empty() {
            return self.readable(at_cursor, false).map(|_| ());
        }
        self.refresh_description()
    }

    /// The next frame, if it is committed.
    fn committed_at_cursor(&self) -> Range<u64> {
        // Acquire, as R3.
        let committed = self.ring().map_or(0, |ring| ring.memory.committed().load(Ordering::Acquire));
        self.next..committed.min(self.next.saturating_add(1)).max(self.next)
    }

    /// What of `range` a read may take: with [`each_description`](ReaderOptions::each_description), up to where the
    /// description changes; and with `continuing`, only what has the same one as the frames before.
    pub fn readable(&mut self, range: Range<u64>, continuing: bool) -> Result<Range<u64>> {
        if !self.options.each_description || range.is_empty() {
            return Ok(range);
        }
        let (number, end) = self.described_alike(&range);
        let same = number.is_none_or(|number| self.holds_description(number) || self.has_missed(number));
        if continuing && !same {
            return Ok(range.start..range.start);
        }
        self.hold_or_miss(number)?;
        Ok(range.start..end)
    }

    /// Whether the reader came before the first frame of the stream that `ring` is of. Having waited for it is not enough: a
    /// stream that runs may have been without its public name for a moment.
    fn was_there_first(&self, ring: &RingSegment) -> bool {
        let came_first = |came: &Came| self.header.as_ref().is_some_and(|header| came.is_before(header, ring));
        self.waited && self.came.as_ref().is_none_or(came_first)
    }

    fn start_in_the_middle(&mut self) -> Result<()> {
        let start = self.options.start;
        let Some(ring) = &self.ring else { return Ok(()) };
        let begin = match self.unit {
            Unit::Frames => Some(start::of_frames(&ring.memory, start)),
            // Overtaken so often by 64 chunks and more, between a few loads each time, is no writer of ours.
            Unit::Messages => (0..8).find_map(|_| start::of_messages(&ring.memory, start)),
        };
        let Some(begin) = begin else {
            return Err(self.corrupt("its newest chunk records are overwritten whenever they are read".to_owned()));
        };
        if ring.base.checked_add(begin.position).is_none() {
            let reason = format!("base {} and {} committed frames overflow", ring.base, begin.position);
            return Err(self.corrupt(reason));
        }
        (self.next, self.next_chunk, self.not_lost_below) = (begin.position, begin.chunk, begin.not_lost_below);
        Ok(())
    }

    fn count_lost(&mut self, frames: u64) {
        // A hostile writer can claim any number, one stream after the other.
        self.lost = self.lost.saturating_add(frames);
        self.pending_lost = self.pending_lost.saturating_add(frames);
    }

    /// Frames lost since something was delivered; asked when something is.
    pub fn take_pending_lost(&mut self) -> u64 {
        std::mem::take(&mut self.pending_lost)
    }

    /// Frames lost since something was delivered.
    pub fn pending_lost(&self) -> u64 {
        self.pending_lost
    }

    /// Moves the cursor to `position` in this ring; what it passes was delivered.
    pub fn deliver_up_to(&mut self, position: u64) {
        self.next = position;
        // From the first frame delivered on, every gap is a loss.
        self.not_lost_below = 0;
    }

    /// Moves the cursor to `position` in this ring; what it passes was lost.
    pub fn lose_up_to(&mut self, position: u64) {
        self.count_lost(position.saturating_sub(self.next.max(self.not_lost_below)));
        self.next = position;
    }

    /// Detaches for good from a stream that contradicts the protocol.
    pub fn corrupt(&mut self, reason: String) -> Error {
        let segment = self.ring.as_ref().map_or_else(|| self.segment.clone(), |ring| ring.segment.clone());
        self.detach();
        corrupt(&segment, reason)
    }

    pub(super) fn detach(&mut self) {
        self.header = None;
        self.ring = None;
        self.descriptions = Descriptions::default();
        self.next = 0;
        self.next_chunk = 0;
        self.waited = true;
        self.not_lost_below = 0;
        self.entered = false;
    }

    /// The stream is over for this reader: counts what its final position says was missed, and lets go.
    fn leave_stream(&mut self) -> Result<()> {
        let mut result = Ok(());
        if let Some(header) = &self.header {
            // Acquire, partner of K3: who sees the end sees the final position.
            let closed = header.words.state_word().load(Ordering::Acquire) == header::STATE_CLOSED;
            let total = header.words.final_position_word().load(Ordering::Relaxed);
            let seen = self.ring.as_ref().map_or(0, |ring| ring.base + self.next);
            if closed && total != UNKNOWN_POSITION {
                if total < seen {
                    result = Err(corrupt(
                        &self.segment,
                        format!("it was closed after {total} frames, but {seen} have been there"),
                    ));
                }
                self.count_lost(total.saturating_sub(seen));
            }
        }
        self.expect_another();
        self.ended = true;
        result
    }

    /// R1 to R3 and R8.
    pub fn poll(&mut self) -> Result<Polled> {
        loop {
            if self.attach()? == Reached::NotYet {
                return Ok(Polled::Nothing);
            }
            if std::mem::take(&mut self.ended) {
                return Ok(Polled::Closed);
            }
            if std::mem::take(&mut self.entered) {
                return Ok(Polled::Moved);
            }
            let (Some(header), Some(ring)) = (&self.header, &self.ring) else { continue };
            let (next, next_chunk) = (self.next, self.next_chunk);
            let news = match self.unit {
                Unit::Frames => {
                    protocol::look_for_news(&header.words, &ring.memory, |committed| committed.frames != next)
                }
                Unit::Messages => {
                    protocol::look_for_news(&header.words, &ring.memory, |committed| committed.chunks != next_chunk)
                }
            };
            let committed = match news {
                News::Committed(committed) => committed,
                News::Nothing(look) => look.committed,
            };
            if committed.frames < next || committed.chunks < next_chunk {
                return Err(self.corrupt(format!(
                    "committed went back to {} frames and {} chunks, expected at least {next} and {next_chunk}",
                    committed.frames, committed.chunks
                )));
            }
            let base = ring.base;
            if base.checked_add(committed.frames).is_none() {
                return Err(self.corrupt(format!("base {base} and {} committed frames overflow", committed.frames)));
            }
            // Relaxed: the Acquire load of the commit came before.
            let described = ring.memory.committed_meta_generation().load(Ordering::Relaxed);
            let newest_is_held = self.unit == Unit::Frames && !self.options.each_description;
            if newest_is_held && self.may_be_news(described) {
                self.refresh_description()?;
            }
            return match news {
                News::Committed(committed) => Ok(Polled::Data(committed)),
                News::Nothing(look) => Ok(self.over(&look)?.unwrap_or(Polled::Nothing)),
            };
        }
    }

    /// R8, once nothing that can be delivered is left under `look`.
    pub fn over(&mut self, look: &Look) -> Result<Option<Polled>> {
        let Some(ring) = &self.ring else { return Ok(None) };
        match protocol::is_over(look, ring.generation) {
            Over::No => Ok(None),
            Over::NextGeneration(generation) => {
                self.lose_up_to(look.committed.frames);
                Ok(match self.enter_ring(generation)? {
                    Reached::Ring => {
                        self.entered = false;
                        Some(Polled::Moved)
                    }
                    // It ended before its next ring could be opened.
                    Reached::End => {
                        self.ended = false;
                        Some(Polled::Closed)
                    }
                    Reached::NotYet => None,
                })
            }
            Over::Closed => {
                self.lose_up_to(look.committed.frames);
                self.leave_stream()?;
                self.ended = false;
                Ok(Some(Polled::Closed))
            }
        }
    }

    /// R8 for a message that ends at `end`, whose record is there and whose frames are not. `None` also if they are by now.
    pub fn over_before(&mut self, end: u64) -> Result<Option<Polled>> {
        let (Some(header), Some(ring)) = (&self.header, &self.ring) else { return Ok(None) };
        let look = protocol::look(&header.words, &ring.memory);
        if look.committed.frames >= end { Ok(None) } else { self.over(&look) }
    }

    /// A copy of a chunk's record; `None` when it has been lapped.
    pub fn record(&self, chunk: u64) -> Option<Record> {
        let ring = self.ring.as_ref()?;
        let record = ring.memory.load_record(chunk & (ring.memory.records() - 1));
        protocol::recheck(&ring.memory).record_is_whole(chunk, ring.memory.records()).then_some(record)
    }

    pub fn lost(&self) -> u64 {
        self.lost
    }

    pub fn interrupter(&self) -> Interrupter {
        Interrupter { word: self.interrupts.clone() }
    }
}
