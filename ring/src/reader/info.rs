//! Facts about a stream apart from its frames: its state, its writer, and how far the reader is behind.

use std::sync::Arc;

use crate::ezmsg::source::EzmsgInfo;
use crate::layout::{Geometry, trailer};
use crate::protocol::counts::Counted;
use crate::stream::Liveness;
use crate::{Description, Format, GenerationClock};

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
    /// What the current or last writer was given and did not write, since it came. `None`: it keeps no counts, as a writer
    /// of version 1.0 of the format, or there is no stream.
    pub counted: Option<Counted>,
    /// The generation that is read; `None` before the first.
    pub generation: Option<u32>,
    /// Format of the ring that is read, with the number of frames that it actually holds.
    pub format: Option<Format>,
    /// Clock of the times in that ring, and when it was created on both of the machine's clocks; `None` if ezmsg wrote
    /// the stream.
    pub clock: Option<GenerationClock>,
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
    pub(super) fn new(name: &str, segment: &str) -> Self {
        Self {
            name: name.to_owned(),
            segment: segment.to_owned(),
            liveness: Liveness::Absent,
            stream_id: None,
            created_ns: None,
            owner: None,
            writer_pid: None,
            epoch: None,
            counted: None,
            generation: None,
            format: None,
            clock: None,
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
