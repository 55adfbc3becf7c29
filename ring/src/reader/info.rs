//! Facts about a stream apart from its frames: its state, its writer, and how far the reader is behind.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Lag;
use super::any::AnyStream;
use crate::ezmsg::open_header;
use crate::ezmsg::source::{EzmsgInfo, Facts};
use crate::layout::{Geometry, NO_GENERATION, header, trailer};
use crate::protocol::RingWords as _;
use crate::protocol::cursor::{Cursor, Source as _};
use crate::shm;
use crate::stream::Liveness;
use crate::{Description, Error, Format, Result};

/// Everything that is known about a stream.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Info {
    /// The stream's name.
    pub name: String,
    /// Name of the header segment in shared memory.
    pub segment: String,
    /// State of the stream.
    pub liveness: Liveness,
    /// Identity of the stream, which changes with each close. `None`: there is no stream, or ezmsg wrote it.
    pub stream_id: Option<u64>,
    /// When the stream was created, Unix nanoseconds.
    pub created_ns: Option<i64>,
    /// User ID of the writer.
    pub owner: Option<u32>,
    /// Process ID that the writer gives itself: a hint, not verified.
    pub writer_pid: Option<u32>,
    /// 1 for the stream's first writer, plus one for each takeover.
    pub epoch: Option<u32>,
    /// The generation that is read; `None` before the first.
    pub generation: Option<u32>,
    /// Format of the ring that is read, with the number of frames that it actually holds.
    pub format: Option<Format>,
    /// Size of the ring's segment, in bytes.
    pub ring_bytes: Option<u64>,
    /// Frames committed in this generation.
    pub position: u64,
    /// Frames committed in all generations of this stream. If ezmsg wrote it: since the generation in which the reader
    /// attached.
    pub stream_position: u64,
    /// Messages committed in this generation; 0 if ezmsg wrote the stream.
    pub chunks: u64,
    /// When the newest message was committed, CLOCK_MONOTONIC in nanoseconds; `None` before the first message, or if
    /// ezmsg wrote the stream.
    pub newest_ns: Option<u64>,
    /// Layout of the ring's segment; `None` if ezmsg wrote the stream.
    pub layout: Option<RingLayout>,
    /// Measured frames per second, also if the format states no rate. If ezmsg wrote the stream: measured since the
    /// reader attached.
    pub measured_rate_hz: Option<f64>,
    /// As [`Reader::description`](super::Reader::description).
    pub description: Option<Arc<Description>>,
    /// Further facts if ezmsg wrote the stream; else `None`.
    pub ezmsg: Option<EzmsgInfo>,
}

impl Info {
    /// A stream of which only the name is known.
    fn new(name: &str, segment: &str) -> Self {
        Self {
            name: name.to_owned(),
            segment: segment.to_owned(),
            liveness: Liveness::Absent,
            stream_id: None,
            created_ns: None,
            owner: None,
            writer_pid: None,
            epoch: None,
            generation: None,
            format: None,
            ring_bytes: None,
            position: 0,
            stream_position: 0,
            chunks: 0,
            newest_ns: None,
            layout: None,
            measured_rate_hz: None,
            description: None,
            ezmsg: None,
        }
    }
}

/// Layout of a ring's segment (`SPEC.md`, ring segment).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RingLayout {
    /// Offset of the samples, in bytes. The times are at 0.
    pub samples_offset: u64,
    /// Offset of the chunk records, in bytes.
    pub records_offset: u64,
    /// How many of the newest messages have a record.
    pub records: u64,
    /// Offset of the trailer, with which the segment ends.
    pub trailer_offset: u64,
}

impl From<&Geometry> for RingLayout {
    fn from(geometry: &Geometry) -> Self {
        Self {
            samples_offset: geometry.samples_offset,
            records_offset: geometry.index_offset,
            records: geometry.records,
            trailer_offset: geometry.length - trailer::LENGTH,
        }
    }
}

/// State of the stream (`SPEC.md`, "Liveness"). A death that it finds becomes an event.
pub(super) fn liveness(cursor: &mut Cursor<AnyStream>, idle_after: Duration) -> Result<Liveness> {
    let liveness = poll_liveness(cursor, idle_after)?;
    if liveness == Liveness::Dead {
        cursor.notice_death();
    }
    Ok(liveness)
}

fn poll_liveness(cursor: &Cursor<AnyStream>, idle_after: Duration) -> Result<Liveness> {
    if cursor.has_ended() {
        return Ok(Liveness::Closed);
    }
    if let Some(ezmsg) = cursor.source().ezmsg() {
        return ezmsg.liveness();
    }
    let mapped = cursor.source().mapped();
    let found;
    let header = match mapped.header() {
        Some(header) => header,
        None => match open_header(mapped.name(), mapped.owner()) {
            Err(Error::Ezmsg { .. }) => return Ok(Liveness::Ezmsg),
            Ok(Some(header)) => {
                found = header;
                &found
            }
            _ => return Ok(Liveness::Absent),
        },
    };
    // L1 before L2: a writer stores "closed" before it releases its lock.
    let held = shm::is_write_locked(&header.file)
        .map_err(crate::error::io_error("asking for the lock of", &header.segment))?;
    let closed = header.words.state().load(Ordering::Acquire) == header::STATE_CLOSED;
    let generation = header.words.generation().load(Ordering::Acquire);
    Ok(match (closed, held, generation == NO_GENERATION) {
        // For a new reader, a closed stream is absent.
        (true, _, _) if mapped.header().is_none() => Liveness::Absent,
        (true, _, _) => Liveness::Closed,
        (false, false, _) => Liveness::Dead,
        (false, true, true) => Liveness::Waiting,
        (false, true, false) => {
            // The age of the newest message in a ring that is being drained does not show whether the writer is idle in
            // the current one.
            let current = cursor.ring().is_some_and(|ring| ring.generation == generation);
            let newest = current.then(|| cursor.newest_record()).flatten();
            let idle = newest.is_some_and(|(_, record)| {
                Duration::from_nanos(shm::monotonic_ns().saturating_sub(record.mono_ns)) > idle_after
            });
            if idle { Liveness::Idle } else { Liveness::Live }
        }
    })
}

/// How far the cursor is behind the writer.
pub(super) fn lag(cursor: &Cursor<AnyStream>) -> Lag {
    let frames = cursor.unread();
    if frames == 0 {
        return Lag::default();
    }
    let oldest = cursor.record_of(cursor.position());
    let age_ns = oldest.map_or(0, |record| shm::monotonic_ns().saturating_sub(record.mono_ns));
    Lag { frames, time: Duration::from_nanos(age_ns) }
}

/// Format of the ring that is read.
pub(super) fn format(cursor: &Cursor<AnyStream>) -> Option<&Format> {
    match cursor.source().ezmsg() {
        Some(ezmsg) => ezmsg.format(),
        None => cursor.source().mapped().ring_segment().map(|ring| &ring.format),
    }
}

/// Everything that is known about the stream.
pub(super) fn info(cursor: &Cursor<AnyStream>, idle_after: Duration) -> Result<Info> {
    let liveness = poll_liveness(cursor, idle_after)?;
    let mut info = match cursor.source().ezmsg() {
        Some(ezmsg) => ezmsg_info(cursor, ezmsg.facts()?),
        None => mapped_info(cursor),
    };
    info.liveness = liveness;
    info.description = cursor.description().cloned();
    Ok(info)
}

fn ezmsg_info(cursor: &Cursor<AnyStream>, facts: Facts) -> Info {
    let mut info = Info::new(cursor.source().name(), &facts.segment);
    info.owner = Some(facts.owner);
    info.generation = cursor.ring().map(|ring| ring.generation);
    info.format = format(cursor).cloned();
    info.ring_bytes = facts.ring_bytes;
    info.position = facts.position;
    info.stream_position = facts.stream_position;
    info.measured_rate_hz = facts.measured_rate_hz;
    info.ezmsg = Some(facts.info);
    info
}

fn mapped_info(cursor: &Cursor<AnyStream>) -> Info {
    let stream = cursor.source().mapped();
    let mut info = Info::new(stream.name(), stream.segment());
    if let Some(header) = stream.header() {
        info.stream_id = Some(header.stream_id);
        info.created_ns = Some(header.created_ns);
        info.owner = Some(header.owner);
        info.writer_pid = Some(header.words.writer_pid().load(Ordering::Relaxed)).filter(|&pid| pid != 0);
        info.epoch = Some(header.words.epoch().load(Ordering::Acquire));
    }
    if let Some(ring) = stream.ring_segment() {
        let geometry = ring.memory.geometry();
        info.generation = Some(ring.generation);
        info.format = Some(ring.format.clone());
        info.ring_bytes = Some(geometry.length);
        info.position = stream.committed();
        info.stream_position = ring.base.saturating_add(info.position);
        info.chunks = ring.memory.committed_chunks().load(Ordering::Acquire);
        info.newest_ns = cursor.newest_record().map(|(_, record)| record.mono_ns);
        info.layout = Some(RingLayout::from(geometry));
        info.measured_rate_hz = measured_rate_hz(cursor, geometry.records);
    }
    info
}

/// Frames per second, measured over the newer half of the chunk records.
fn measured_rate_hz(cursor: &Cursor<AnyStream>, records: u64) -> Option<f64> {
    let (newest_chunk, newest) = cursor.newest_record()?;
    let oldest = cursor.source().record(newest_chunk.saturating_sub(records / 2))?;
    let seconds = newest.mono_ns.checked_sub(oldest.mono_ns)? as f64 * 1e-9;
    let frames = newest.first.checked_sub(oldest.first)? as f64;
    (seconds > 0.0 && frames > 0.0).then(|| frames / seconds)
}
