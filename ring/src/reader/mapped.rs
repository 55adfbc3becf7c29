//! A stream in this library's format as a cursor's source: mapped segments, which were checked when they were opened.

use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::info::{Info, RingLayout};
use super::stream::Stream;
use crate::error::io_error;
use crate::ezmsg;
use crate::frames::view::View;
use crate::layout::{NO_GENERATION, Record, UNKNOWN_POSITION, header};
use crate::protocol::cursor::{Beginning, Came, RingFacts, Source, Stand, Start, Status, Unit, Update};
use crate::protocol::wake::SLICE;
use crate::protocol::{self, Committed, HeaderWords as _, RingWords as _, counts};
use crate::shm;
use crate::shm::open::{self, HeaderSegment, Owner, RingSegment, corrupt};
use crate::stream::{Liveness, SegmentName, WriterId};
use crate::{Description, Error, Format, GenerationClock, Result};

/// A stream in shared memory.
pub(crate) struct MappedStream {
    name: String,
    segment: String,
    owner: Owner,
    max_ring_bytes: u64,
    header: Option<Box<HeaderSegment>>,
    ring: Option<Box<RingSegment>>,
}

impl MappedStream {
    /// The stream `name`, which is not looked for yet.
    pub fn new(name: &str, owner: Owner, max_ring_bytes: u64) -> Self {
        let segment = SegmentName::header(name).public;
        Self { name: name.to_owned(), segment, owner, max_ring_bytes, header: None, ring: None }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn owner(&self) -> Owner {
        self.owner
    }

    pub fn max_ring_bytes(&self) -> u64 {
        self.max_ring_bytes
    }

    /// The newest chunk and its record, if it is whole.
    fn newest_record(&self) -> Option<(u64, Record)> {
        let chunk = self.chunks().end.checked_sub(1)?;
        self.record(chunk).map(|record| (chunk, record))
    }

    /// Frames per second, measured over the newer half of the chunk records.
    fn measured_rate_hz(&self, records: u64) -> Option<f64> {
        let (newest_chunk, newest) = self.newest_record()?;
        let oldest = self.record(newest_chunk.saturating_sub(records / 2))?;
        let seconds = newest.mono_ns.checked_sub(oldest.mono_ns)? as f64 * 1e-9;
        let frames = newest.first.checked_sub(oldest.first)? as f64;
        (seconds > 0.0 && frames > 0.0).then(|| frames / seconds)
    }

    /// The ring of an earlier generation that was kept, if a cursor there has still to read all of it.
    fn find_kept(&self, generation: u32, stand: Stand) -> Result<Option<Box<RingSegment>>> {
        let Some(header) = &self.header else { return Ok(None) };
        let found = match open::open_ring(&self.name, header, generation, self.max_ring_bytes) {
            Ok(found) => found,
            // For example too many open files, which does not last.
            Err(error @ Error::Io { .. }) => return Err(error),
            // The current ring can be read without it.
            Err(_) => None,
        };
        Ok(found.filter(|ring| match stand {
            Stand::After(seen) => ring.base >= seen,
            Stand::Waiting(came) => Self::is_younger(header, ring, &came),
        }))
    }

    /// Whether a stream was created at or after `came`. The header's wall clock may have been set in the meantime; the
    /// monotonic clock of its first ring cannot be set.
    fn is_younger(header: &HeaderSegment, ring: &RingSegment, came: &Came) -> bool {
        came.unix_ns <= header.created_ns || (ring.base == 0 && came.mono_ns <= ring.clock.created_mono_ns)
    }

    /// Acquire, as R2 and partner of K3: a reader that sees the end sees the final position.
    fn is_closed(header: &HeaderSegment) -> bool {
        header.words.state().load(Ordering::Acquire) == header::STATE_CLOSED
    }
}

impl Source for MappedStream {
    type View = View;

    fn find_stream(&mut self) -> Result<bool> {
        if self.header.is_none() {
            // A closed header is about to be removed by its writer: for a new reader, the stream is absent.
            let found = ezmsg::open_header(&self.name, self.owner)?;
            self.header = found.filter(|header| !Self::is_closed(header));
        }
        Ok(self.header.is_some())
    }

    fn let_go(&mut self) {
        self.header = None;
        self.ring = None;
    }

    fn status(&mut self) -> Result<Status> {
        let Some(header) = &self.header else { return Ok(Status { closed: false, generation: None }) };
        let closed = Self::is_closed(header);
        let generation = header.words.generation().load(Ordering::Acquire);
        Ok(Status { closed, generation: (generation != NO_GENERATION).then_some(generation) })
    }

    fn open_ring(&mut self, generation: u32) -> Result<bool> {
        let Some(header) = &self.header else { return Ok(false) };
        let Some(ring) = open::open_ring(&self.name, header, generation, self.max_ring_bytes)? else {
            return Ok(false);
        };
        self.ring = Some(ring);
        Ok(true)
    }

    fn open_kept(&mut self, generation: u32, stand: Stand) -> Result<bool> {
        let Some(ring) = self.find_kept(generation, stand)? else { return Ok(false) };
        self.ring = Some(ring);
        Ok(true)
    }

    fn could_open_kept(&self, generation: u32, stand: Stand) -> bool {
        !matches!(self.find_kept(generation, stand), Ok(None))
    }

    fn could_open(&self, generation: u32) -> bool {
        let Some(header) = &self.header else { return true };
        let found = open::open_ring(&self.name, header, generation, self.max_ring_bytes);
        !matches!(found, Ok(None))
    }

    fn is_gone(&self) -> bool {
        self.header.as_deref().is_some_and(Self::is_closed) || self.is_replaced()
    }

    fn final_position(&self) -> Option<u64> {
        let header = self.header.as_ref().filter(|header| Self::is_closed(header))?;
        let total = header.words.final_position().load(Ordering::Relaxed);
        (total != UNKNOWN_POSITION).then_some(total)
    }

    fn wake(&self) -> Option<u32> {
        self.header.as_ref().map(|header| protocol::load_wake(&header.words))
    }

    fn ring_writer(&self) -> Option<WriterId> {
        let (header, ring) = (self.header.as_ref()?, self.ring.as_ref()?);
        Some(WriterId { stream_id: header.stream_id, epoch: ring.epoch })
    }

    fn newest_writer(&self) -> Option<WriterId> {
        let header = self.header.as_ref()?;
        // Acquire, partner of the Release store in T2.
        Some(WriterId { stream_id: header.stream_id, epoch: header.words.epoch().load(Ordering::Acquire) })
    }

    fn is_younger_than(&self, came: &Came) -> bool {
        let (Some(header), Some(ring)) = (&self.header, &self.ring) else { return false };
        Self::is_younger(header, ring, came)
    }

    #[inline]
    fn ring(&self) -> Option<RingFacts> {
        self.ring.as_ref().map(|ring| RingFacts {
            generation: ring.generation,
            base: ring.base,
            frames: ring.memory.frames(),
            frame_bytes: ring.memory.geometry().frame_bytes,
            records: ring.memory.records(),
            meta_generation: ring.meta_generation,
        })
    }

    fn beginning(&self, start: Start, unit: Unit) -> Option<Beginning> {
        Beginning::in_ring(&self.ring.as_ref()?.memory, start, unit)
    }

    #[inline]
    fn update(&mut self, is_new: impl Fn(Committed) -> bool) -> Result<Update> {
        let (Some(header), Some(ring)) = (&self.header, &self.ring) else {
            return Err(self.corrupt_header("the cursor has a ring and no header".to_owned()));
        };
        Ok(protocol::update(&header.words, &ring.memory, is_new))
    }

    #[inline]
    fn committed(&self) -> u64 {
        // Acquire, as R3.
        self.ring.as_ref().map_or(0, |ring| ring.memory.committed().load(Ordering::Acquire))
    }

    #[inline]
    fn described(&self) -> u32 {
        // Relaxed: the Acquire load of the commit came before.
        self.ring.as_ref().map_or(0, |ring| ring.memory.committed_meta_generation().load(Ordering::Relaxed))
    }

    fn held(&self) -> Range<u64> {
        let Some(ring) = &self.ring else { return 0..0 };
        let committed = self.committed();
        let reserved = protocol::recheck(&ring.memory).frames;
        // A correct writer never reserves less than it has committed, nor keeps more frames than fit into the ring.
        reserved.max(committed).saturating_sub(ring.memory.frames()).min(committed)..committed
    }

    fn chunks(&self) -> Range<u64> {
        let Some(ring) = &self.ring else { return 0..0 };
        // Acquire, as R3.
        let newest = ring.memory.committed_chunks().load(Ordering::Acquire);
        // A correct writer never reserves less than it has committed, nor keeps more records than fit into the ring.
        let reserved = protocol::recheck(&ring.memory).chunks.max(newest);
        reserved.saturating_sub(ring.memory.records()).min(newest)..newest
    }

    #[inline]
    fn record(&self, chunk: u64) -> Option<Record> {
        protocol::record(&self.ring.as_ref()?.memory, chunk)
    }

    #[inline]
    fn expect_copy(&self, position: u64) {
        if let Some(ring) = &self.ring {
            ring.memory.expect_copy(position);
        }
    }

    #[inline]
    fn copy_whole(
        &mut self,
        positions: &Range<u64>,
        committed: u64,
        times: &mut [f64],
        samples: &mut [u8],
    ) -> Result<u64> {
        let Some(ring) = &self.ring else { return Ok(positions.end) };
        let copy = || {
            ring.memory.copy_times(positions, times);
            ring.memory.copy_samples(positions, samples);
        };
        protocol::copy_whole(&ring.memory, positions, committed, copy).map_err(|reserved| {
            self.corrupt(format!("reserved is {}, expected at least the {committed} frames committed", reserved.frames))
        })
    }

    fn copy_times_whole(&self, positions: &Range<u64>, times: &mut [f64]) -> Option<u64> {
        let ring = self.ring.as_ref()?;
        protocol::copy_whole(&ring.memory, positions, 0, || ring.memory.copy_times(positions, times)).ok()
    }

    #[inline]
    fn lend(&mut self, positions: &Range<u64>) -> Result<Option<View>> {
        Ok(self.ring.as_ref().map(|ring| View::of_ring(ring, positions.clone())))
    }

    fn lent(view: &View) -> Range<u64> {
        view.range()
    }

    #[inline]
    fn judge(&self, view: &View) -> Option<u64> {
        let memory = view.memory_in(&self.ring.as_ref()?.map)?;
        Some(protocol::recheck(memory).whole_from(memory.frames(), &view.range()))
    }

    fn newest_description(&self) -> Option<u32> {
        // Acquire, partner of M3.
        self.header.as_ref().map(|header| header.words.meta_generation().load(Ordering::Acquire))
    }

    fn open_description(&mut self, meta_generation: u32) -> Result<Option<Description>> {
        let Some(header) = &self.header else { return Ok(None) };
        open::open_description(&self.name, header, meta_generation)
    }

    fn corrupt(&self, reason: String) -> Error {
        corrupt(self.ring.as_ref().map_or(&self.segment, |ring| &ring.segment), reason)
    }

    fn corrupt_header(&self, reason: String) -> Error {
        corrupt(&self.segment, reason)
    }
}

impl Stream for MappedStream {
    fn format(&self) -> Option<&Format> {
        self.ring.as_ref().map(|ring| &ring.format)
    }

    fn clock(&self) -> Option<GenerationClock> {
        self.ring.as_ref().map(|ring| ring.clock)
    }

    fn liveness(&self, idle_after: Duration) -> Result<Liveness> {
        let found;
        let header = match self.header.as_deref() {
            Some(header) => header,
            None => match ezmsg::open_header(&self.name, self.owner) {
                Err(Error::Ezmsg { .. }) => return Ok(Liveness::Ezmsg),
                Ok(Some(header)) => {
                    found = header;
                    &found
                }
                _ => return Ok(Liveness::Absent),
            },
        };
        // L1 before L2: a writer stores "closed" before it releases its lock.
        let held = shm::is_write_locked(&header.file).map_err(io_error("asking for the lock of", &header.segment))?;
        let closed = header.words.state().load(Ordering::Acquire) == header::STATE_CLOSED;
        let generation = header.words.generation().load(Ordering::Acquire);
        Ok(match (closed, held, generation == NO_GENERATION) {
            // For a new reader, a closed stream is absent.
            (true, _, _) if self.header.is_none() => Liveness::Absent,
            (true, _, _) => Liveness::Closed,
            (false, false, _) => Liveness::Dead,
            (false, true, true) => Liveness::Waiting,
            (false, true, false) => {
                // The age of the newest message in a ring that is being drained does not show whether the writer is idle in
                // the current one.
                let current = self.ring().is_some_and(|ring| ring.generation == generation);
                let newest = current.then(|| self.newest_record()).flatten();
                let idle = newest.is_some_and(|(_, record)| {
                    Duration::from_nanos(shm::monotonic_ns().saturating_sub(record.mono_ns)) > idle_after
                });
                if idle { Liveness::Idle } else { Liveness::Live }
            }
        })
    }

    fn info(&self) -> Result<Info> {
        let mut info = Info::new(&self.name, &self.segment);
        if let Some(header) = &self.header {
            info.stream_id = Some(header.stream_id);
            info.created_ns = Some(header.created_ns);
            info.owner = Some(header.owner);
            info.writer_pid = Some(header.words.writer_pid().load(Ordering::Relaxed)).filter(|&pid| pid != 0);
            info.epoch = Some(header.words.epoch().load(Ordering::Acquire));
            info.counted = counts::load(&header.words);
        }
        if let Some(ring) = &self.ring {
            let geometry = ring.memory.geometry();
            info.generation = Some(ring.generation);
            info.format = Some(ring.format.clone());
            info.clock = Some(ring.clock);
            info.ring_bytes = Some(geometry.length);
            info.position = self.committed();
            info.stream_position = ring.base.saturating_add(info.position);
            info.chunks = ring.memory.committed_chunks().load(Ordering::Acquire);
            info.newest_ns = self.newest_record().map(|(_, record)| record.mono_ns);
            info.layout = Some(RingLayout::from(geometry));
            info.measured_rate_hz = self.measured_rate_hz(geometry.records);
        }
        Ok(info)
    }

    fn wake_word(&self) -> Option<&AtomicU32> {
        self.header.as_ref().map(|header| header.words.wake())
    }

    fn longest_sleep(&mut self) -> Duration {
        let has_ring = self.ring.is_some();
        let Some(header) = &mut self.header else { return SLICE };
        let (mut listening, now) = (std::mem::take(&mut header.listening), Instant::now());
        let longest = listening.longest_sleep(header.words.waking(), &**header, now, has_ring);
        header.listening = listening;
        longest
    }

    fn is_replaced(&self) -> bool {
        let now = open::public_id(&self.segment);
        self.header.as_ref().is_some_and(|header| now.is_ok_and(|id| id.is_some_and(|id| id != header.id)))
    }

    fn times_messages(&self) -> bool {
        true
    }
}
