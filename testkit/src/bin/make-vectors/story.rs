//! What the writers do in a case, step by step. Real writers play it, and so does the model of what a reader must find
//! afterwards.

use dora_shm_ring::{Clock, Description, Dtype};
use serde_json::Value;

pub struct Case {
    /// The case's folder.
    pub folder: &'static str,
    /// The stream's name without its prefix, [`PREFIX`](dora_shm_testkit::vectors::PREFIX).
    pub stream: &'static str,
    pub steps: Vec<Step>,
}

#[derive(Clone)]
pub enum Step {
    /// The next generation begins.
    Begin(Ring),
    /// The generation gets another description.
    Describe(Described),
    /// A message of this number of frames.
    Chunk(u64),
    /// The writer states these totals of messages: refused, dropped, gaps.
    Count([u64; 3]),
    /// The writer is killed. The next step is that of the next writer.
    Killed,
    /// The writer is killed at this failpoint (`ring/src/protocol/failpoint.rs`), before the commit of a message of
    /// this number of frames.
    KilledInChunk(&'static str, u64),
    /// The writer is killed at this failpoint of a switch to this generation.
    KilledInBegin(&'static str, Ring),
    /// The writer is killed while it closes the stream, whose state is closed, but which still has its names.
    KilledInClose,
}

#[derive(Clone)]
pub struct Ring {
    pub dtype: Dtype,
    pub frame_shape: &'static [u64],
    pub rate_hz: f64,
    /// Least number of frames in the ring, which may have a few more.
    pub frames: u64,
    pub first_chunk_frames: u64,
    pub clock: Clock,
    /// The value on the buffered axis of the frame at a position.
    pub time: fn(u64) -> f64,
    /// The time at which a chunk was sent, in Unix nanoseconds.
    pub send_ns: fn(u64) -> i64,
    pub described: Described,
}

/// A description, and its JSON according to `SPEC.md`, written by hand.
#[derive(Clone)]
pub struct Described {
    pub description: Description,
    pub json: Value,
}

impl Step {
    /// The failpoint at which the step's writer dies; `None` if there is none.
    pub fn stop(&self) -> Option<&'static str> {
        match self {
            Step::KilledInChunk(label, _) | Step::KilledInBegin(label, _) => Some(label),
            Step::KilledInClose => Some("K4"),
            _ => None,
        }
    }

    /// Whether the step's writer is dead afterwards.
    pub fn kills(&self) -> bool {
        matches!(self, Step::Killed) || self.stop().is_some()
    }
}
