//! What happens to a stream beside its frames.

use std::sync::Arc;

use crate::Description;

/// Which of a stream's writers: each has another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WriterId {
    /// Of the stream; a new one after every close.
    pub stream_id: u64,
    /// 1 for the stream's first writer, one more for each that took over from a dead one.
    pub epoch: u32,
}

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// The reader moved on to another ring, or to its first one.
    NewGeneration,
    /// The description changed within a generation.
    NewDescription,
    /// Another writer has the stream: it took over from a dead one, or made the stream anew.
    WriterRestarted,
    /// The writer is gone: it closed the stream (`orderly`), or it died.
    WriterGone {
        /// Whether it closed the stream.
        orderly: bool,
    },
}

/// Something that happened to a stream, beside its frames.
///
/// Where the reader begins is not an event. Events come in the order in which the reader noticed them, which it does when
/// it reads, views, advances, waits or is asked for the stream's liveness. It keeps 64 of them, the newest.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// The generation that was read then; `None` without a ring.
    pub generation: Option<u32>,
    /// Position of the reader's next frame then: the event came before that frame.
    pub position: u64,
    /// The description that was held then.
    pub description: Option<Arc<Description>>,
}

/// How a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Liveness {
    /// There is no stream of that name.
    Absent,
    /// ezmsg itself wrote it; whether its writer lives cannot be known.
    Ezmsg,
    /// Its writer lives and has not begun a ring yet.
    Waiting,
    /// Its writer lives.
    Live,
    /// Its writer lives, but nothing has come for a while. A stopped process (SIGSTOP) is idle, too.
    Idle,
    /// Its writer died without closing it. What is left can be read; the next writer takes it over.
    Dead,
    /// Its writer closed it.
    Closed,
}

impl Liveness {
    /// The word for it that users and scripts see.
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
