//! Recordings: files of Arrow IPC streams, one per generation, one after the other. `docs/recording.md` describes them.
//!
//! A row is a message. The properties that all messages of a generation share ([`Generation`]) are in the metadata of
//! its stream's schema (`schema`). Rows are gathered into batches, and taken out of them again (`rows`). Whole streams
//! are written (`writer`) and read (`reader`). A file may end anywhere, since a recorder may be killed.

mod kind;
mod player;
mod reader;
mod recorder;
mod rows;
mod schema;
#[cfg(test)]
mod tests;
mod writer;

use dora_shm_ring::{Description, Format, GenerationClock, WriterId};

pub use player::{Pace, Pause, Played, Player};
pub use reader::{Part, RecordingReader};
pub use recorder::{Counts, End, Limits, Recorder, Step, StepError};
pub use rows::{Batch, BatchBuilder, Row, RowInfo, frames_array};
pub use schema::{frame_field, sent_type};
pub use writer::RecordingWriter;

/// The properties that all messages of a generation share.
#[derive(Clone, Debug, PartialEq)]
pub struct Generation {
    /// Name of the stream that was recorded.
    pub stream: String,
    /// Its format; `frames` is the number that its ring actually held.
    pub format: Format,
    /// Its clock, and when it was created on both of its machine's clocks. `None`: the recording does not say, as those
    /// of earlier versions, or ezmsg wrote the stream.
    pub clock: Option<GenerationClock>,
    /// Its number in the stream.
    pub number: u32,
    /// Its writer.
    pub writer: WriterId,
    /// Frames of the stream before this generation.
    pub base: u64,
    /// Time at which its recording began, in Unix nanoseconds.
    pub started_ns: i64,
    /// The description of its first recorded message; each message has its own, too.
    pub description: Option<Description>,
    /// For a stream that ezmsg wrote: the struct version of its header.
    pub ezmsg: Option<u32>,
}
