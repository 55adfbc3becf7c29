//! What happens to a stream apart from its frames.

use std::sync::Arc;

use crate::Description;

/// Identity of one of a stream's writers; each writer has a different one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WriterId {
    /// Identity of the stream, which changes with each close.
    pub stream_id: u64,
    /// 1 for the stream's first writer, plus one for each takeover.
    pub epoch: u32,
}

/// Kind of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// The reader moved on to another ring, or to its first one.
    NewGeneration,
    /// The description changed within a generation.
    NewDescription,
    /// Another writer has the stream: it took over from a dead one, or created the stream anew.
    WriterRestarted,
    /// The writer is gone: it closed the stream (`orderly`), or it died.
    WriterGone {
        /// Whether it closed the stream.
        orderly: bool,
    },
}

/// Something that happened to a stream, apart from its frames.
///
/// The place where the reader begins is not an event. Events are in the order in which the reader noticed them. It
/// notices them when it reads, views, advances, waits or determines the stream's liveness. It keeps the newest 64.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// The generation that the reader was in; `None` without a ring.
    pub generation: Option<u32>,
    /// Position of the reader's next frame: the event happened before that frame.
    pub position: u64,
    /// The description that the reader held.
    pub description: Option<Arc<Description>>,
}

/// State of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Liveness {
    /// No stream has that name.
    Absent,
    /// ezmsg wrote it; whether its writer lives cannot be determined.
    Ezmsg,
    /// Its writer lives and has not begun a ring yet.
    Waiting,
    /// Its writer lives.
    Live,
    /// Its writer lives, but has not written anything for a while. A stopped process (SIGSTOP) is idle, too.
    Idle,
    /// Its writer died without closing it. The remaining frames can be read; the next writer takes the stream over.
    Dead,
    /// Its writer closed it.
    Closed,
}

impl Liveness {
    /// The word for it in outputs for users and scripts.
    pub fn name(self) -> &'static str {
        match self {
            Liveness::Absent => "absent",
            Liveness::Ezmsg => "ezmsg",
            Liveness::Waiting => "waiting",
            Liveness::Live => "live",
            Liveness::Idle => "idle",
            Liveness::Dead => "dead",
            Liveness::Closed => "closed",
        }
    }
}
