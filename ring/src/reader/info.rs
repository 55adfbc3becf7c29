//! What can be told of a stream beside its frames: how it is, how far behind the reader is, and whose it is.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::attachment::Attachment;
use super::{Info, Lag, Liveness, RingLayout, WriterId};
use crate::layout::{Geometry, NO_GENERATION, Record, header, trailer};
use crate::protocol::RingWords as _;
use crate::shm;
use crate::shm::open::open_header;
use crate::{Error, Result};

impl Attachment {
    pub fn liveness(&self, idle_after: Duration) -> Result<Liveness> {
        if self.ended {
            return Ok(Liveness::Closed);
        }
        let found;
        let header = match &self.header {
            Some(header) => header,
            None => match open_header(&self.name, self.owner()) {
                Err(Error::Foreign { .. }) => return Ok(Liveness::Foreign),
                Ok(Some(header)) => {
                    found = header;
                    &found
                }
                _ => return Ok(Liveness::Absent),
            },
        };
        // L1 before L2: a writer that lets go has said "closed" before.
        let held = shm::is_write_locked(&header.file)
            .map_err(crate::error::io_error("asking for the lock of", &header.segment))?;
        let closed = header.words.state_word().load(Ordering::Acquire) == header::STATE_CLOSED;
        let generation = header.words.generation_word().load(Ordering::Acquire);
        Ok(match (closed, held, generation == NO_GENERATION) {
            // To newcomers a closed stream is absent already.
            (true, _, _) if self.header.is_none() => Liveness::Absent,
            (true, _, _) => Liveness::Closed,
            (false, false, _) => Liveness::Dead,
            (false, true, true) => Liveness::Waiting,
            (false, true, false) => {
                // What a ring that is being drained was last given says nothing of the one that the writer is at.
                let current = self.ring().is_some_and(|ring| ring.generation == generation);
                let newest = current.then(|| self.newest_record()).flatten();
                let idle = newest.is_some_and(|(_, record)| {
                    Duration::from_nanos(shm::monotonic_ns().saturating_sub(record.mono_ns)) > idle_after
                });
                if idle { Liveness::Idle } else { Liveness::Live }
            }
        })
    }

    /// The newest chunk and its record, if it is whole.
    fn newest_record(&self) -> Option<(u64, Record)> {
        let ring = self.ring.as_ref()?;
        let chunk = ring.memory.committed_chunks().load(Ordering::Acquire).checked_sub(1)?;
        self.record(chunk).map(|record| (chunk, record))
    }

    /// Frames a second over what the chunk records remember: of streams that do not state their rate.
    fn measured_rate_hz(&self) -> Option<f64> {
        let (newest_chunk, newest) = self.newest_record()?;
        let ring = self.ring.as_ref()?;
        let oldest_chunk = newest_chunk.saturating_sub(ring.memory.records() / 2);
        let oldest = self.record(oldest_chunk)?;
        let seconds = newest.mono_ns.checked_sub(oldest.mono_ns)? as f64 * 1e-9;
        let frames = newest.first.checked_sub(oldest.first)? as f64;
        (seconds > 0.0 && frames > 0.0).then(|| frames / seconds)
    }

    /// How far the cursor is behind the writer.
    pub fn lag(&self) -> Lag {
        let Some(ring) = &self.ring else { return Lag::default() };
        let committed = ring.memory.committed().load(Ordering::Acquire);
        let frames = committed.saturating_sub(self.next);
        if frames == 0 {
            return Lag::default();
        }
        let age = self.record_of(self.next).map_or(0, |record| shm::monotonic_ns().saturating_sub(record.mono_ns));
        Lag { frames, time: Duration::from_nanos(age) }
    }

    /// The writer that made the ring that is read.
    pub fn writer_of_ring(&self) -> Option<WriterId> {
        let (header, ring) = (self.header.as_ref()?, self.ring()?);
        Some(WriterId { stream_id: header.stream_id, epoch: ring.epoch })
    }

    /// The writer that has, or last had, the stream.
    pub fn newest_writer(&self) -> Option<WriterId> {
        let header = self.header.as_ref()?;
        // Acquire, partner of the Release store in T2.
        Some(WriterId { stream_id: header.stream_id, epoch: header.words.epoch().load(Ordering::Acquire) })
    }

    pub fn info(&self) -> Result<Info> {
        let header = self.header.as_ref();
        let ring = self.ring();
        let position = ring.map_or(0, |ring| ring.memory.committed().load(Ordering::Acquire));
        Ok(Info {
            name: self.name.clone(),
            segment: self.segment.clone(),
            liveness: self.liveness(self.options.idle_after)?,
            stream_id: header.map(|header| header.stream_id),
            created_ns: header.map(|header| header.created_ns),
            owner: header.map(|header| header.owner),
            writer_pid: header.map(|header| header.words.writer_pid().load(Ordering::Relaxed)).filter(|&pid| pid != 0),
            epoch: header.map(|header| header.words.epoch().load(Ordering::Acquire)),
            generation: ring.map(|ring| ring.generation),
            format: ring.map(|ring| ring.format.clone()),
            ring_bytes: ring.map(|ring| ring.memory.geometry().length),
            position,
            stream_position: ring.map_or(0, |ring| ring.base.saturating_add(position)),
            chunks: ring.map_or(0, |ring| ring.memory.committed_chunks().load(Ordering::Acquire)),
            newest_ns: self.newest_record().map(|(_, record)| record.mono_ns),
            layout: ring.map(|ring| layout_of(ring.memory.geometry())),
            measured_rate_hz: self.measured_rate_hz(),
            description: self.description().cloned(),
            foreign: None,
        })
    }
}

fn layout_of(geometry: &Geometry) -> RingLayout {
    RingLayout {
        samples_offset: geometry.samples_offset,
        records_offset: geometry.index_offset,
        records: geometry.records,
        trailer_offset: geometry.length - trailer::LENGTH,
    }
}
