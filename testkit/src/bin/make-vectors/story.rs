//! What writers do in a case, step by step. It is played twice: by real writers, and by the model of what a reader must
//! find afterwards.

use dora_shm_ring::{Description, Dtype};
use serde_json::Value;

pub struct Case {
    /// Its folder.
    pub folder: &'static str,
    /// The stream is called [`PREFIX`](dora_shm_testkit::vectors::PREFIX) and this.
    pub stream: &'static str,
    pub steps: Vec<Step>,
}

#[derive(Clone)]
pub enum Step {
    /// The next generation.
    Begin(Ring),
    /// Another description of the same generation.
    Describe(Described),
    /// A message of so many frames.
    Chunk(u64),
    /// The writer is killed; the next step is the next writer's.
    Killed,
    /// The writer is killed at this failpoint (`src/protocol/failpoint.rs`) of a message of so many frames, before the commit.
    KilledInChunk(&'static str, u64),
    /// The writer is killed at this failpoint of a switch to another generation.
    KilledInBegin(&'static str, Ring),
    /// The writer is killed while it closes the stream, which says so, but still has its names.
    KilledInClose,
}

#[derive(Clone)]
pub struct Ring {
    pub dtype: Dtype,
    pub frame_shape: &'static [u64],
    pub rate_hz: f64,
    /// The ring may have a few more.
    pub frames: u64,
    pub first_chunk_frames: u64,
    /// Value on the buffered axis of the frame at a position.
    pub time: fn(u64) -> f64,
    /// When a chunk was sent.
    pub send_ns: fn(u64) -> i64,
    pub described: Described,
}

/// A description, and the JSON that `SPEC.md` asks for it, written by hand.
#[derive(Clone)]
pub struct Described {
    pub description: Description,
    pub json: Value,
}

impl Step {
    /// The failpoint of a step at which its writer dies; `None` for all steps that a writer survives.
    pub fn stop(&self) -> Option<&'static str> {
        match self {
            Step::KilledInChunk(label, _) | Step::KilledInBegin(label, _) => Some(label),
            Step::KilledInClose => Some("K4"),
            _ => None,
        }
    }

    /// Whether its writer is dead afterwards.
    pub fn kills(&self) -> bool {
        matches!(self, Step::Killed) || self.stop().is_some()
    }
}
