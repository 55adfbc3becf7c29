//! How a stream is to be read, and what readers answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::{Description, Format, shm};

/// Where a reader begins in a stream that is there already. A reader that came before the stream's first ring always
/// begins at its first frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// The oldest that is still there.
    Oldest,
    /// Only what comes from now on.
    #[default]
    Newest,
    /// The last `n` frames (of a [`MessageReader`](super::MessageReader): messages) that are there, then what comes.
    Last(u64),
}

/// How a stream is read.
#[derive(Clone, Debug)]
pub struct ReaderOptions {
    /// Where to begin; default [`Start::Newest`].
    pub start: Start,
    /// Read the stream of this user. Default: only streams of this process's own user or root.
    pub owner: Option<u32>,
    /// Largest ring that is mapped, in bytes. Default: no limit.
    pub max_ring_bytes: u64,
    /// A live stream without a new message for this long is called [`Liveness::Idle`]; default 1 s.
    pub idle_after: Duration,
    /// A [`Reader`](super::Reader)'s read or view ends where the description changes, so that
    /// [`Reader::description`](super::Reader::description) is the one of the frames that it gave. Default: it is that of the
    /// ring's newest frames. (Each message of a [`MessageReader`](super::MessageReader) comes with its own in any case.)
    pub each_description: bool,
    /// For a steady stream: a wait does not sleep but polls from this long before the next message is due until this long
    /// after, so that the message is seen within a microsecond instead of after the 10 to 50 us in which a system wakes a
    /// thread. It costs that much of a core's time each message, and all of a core where messages come closer together.
    /// When one is due is told by the distances of the last eight. 100 to 300 us are of use: less is shorter than the
    /// system's own delay in waking the reader in time. It needs a core that nobody else wants: where all are busy, what the
    /// reader waits for only comes later. Of a stream that ezmsg wrote, ignored. Default: zero, always to sleep.
    pub spin: Duration,
}

impl Default for ReaderOptions {
    fn default() -> Self {
        Self {
            start: Start::Newest,
            owner: None,
            max_ring_bytes: isize::MAX as u64,
            idle_after: Duration::from_secs(1),
            each_description: false,
            spin: Duration::ZERO,
        }
    }
}

/// What became of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// There is something to read: data, a new generation, or the stream's end.
    Ready,
    /// The time is over, or the writer has just died (which ends a wait early, once); how the stream is.
    Quiet(Liveness),
    /// [`Interrupter::interrupt`] was called.
    Interrupted,
}

/// What became of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Something was read.
    Data,
    /// There is nothing new.
    Nothing,
    /// The reader moved on to a new ring, whose format and description are in force now. Read again.
    Generation,
    /// The stream was closed and everything of it has been read or counted as lost. Said once; later reads follow the
    /// next writer of that name.
    Closed,
}

/// How a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Liveness {
    /// There is no stream of that name.
    Absent,
    /// ezmsg itself wrote it; whether its writer lives cannot be known ([`Info::foreign`]).
    Foreign,
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

/// How far a reader is behind its writer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lag {
    /// Frames that are committed and not read.
    pub frames: u64,
    /// Time since the oldest of them was committed.
    pub time: Duration,
}

/// Which of a stream's writers: each has another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WriterId {
    /// Of the stream; a new one after every close.
    pub stream_id: u64,
    /// 1 for the stream's first writer, one more for each that took over from a dead one.
    pub epoch: u32,
}

/// Everything that can be told of a stream.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Info {
    pub name: String,
    /// Name of the header segment in shared memory.
    pub segment: String,
    pub liveness: Liveness,
    pub stream_id: Option<u64>,
    /// When the stream was created, Unix nanoseconds.
    pub created_ns: Option<i64>,
    /// User id of the writer.
    pub owner: Option<u32>,
    /// A hint: the process that says it writes the stream.
    pub writer_pid: Option<u32>,
    /// 1 for the stream's first writer, one more for each that took over.
    pub epoch: Option<u32>,
    pub generation: Option<u32>,
    /// Of the reader's ring, with the frames that it really holds.
    pub format: Option<Format>,
    /// Shared memory that the ring takes.
    pub ring_bytes: Option<u64>,
    /// Frames committed in this generation.
    pub position: u64,
    /// Frames committed in all generations of this stream.
    pub stream_position: u64,
    /// Messages committed in this generation.
    pub chunks: u64,
    /// When the newest of them was committed, CLOCK_MONOTONIC in nanoseconds; `None` before the first, and of a stream that
    /// ezmsg wrote.
    pub newest_ns: Option<u64>,
    /// Where things are in the ring's segment; of a stream that ezmsg wrote, `None`.
    pub layout: Option<RingLayout>,
    /// Frames a second as they really came; also where the format states no rate.
    pub measured_rate_hz: Option<f64>,
    /// As [`Reader::description`](super::Reader::description).
    pub description: Option<Arc<Description>>,
    /// Of a stream that ezmsg itself wrote. Of such a one `stream_position` counts from the generation on at which the
    /// reader came, `chunks` is 0, and the rate is measured since then.
    pub foreign: Option<Foreign>,
}

/// Where things are in a ring's segment (`SPEC.md`, ring segment).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingLayout {
    /// Offset of the samples, in bytes. The times are at 0.
    pub samples_offset: u64,
    /// Offset of the chunk records, in bytes.
    pub records_offset: u64,
    /// How many messages have a record: the ring remembers no more.
    pub records: u64,
    /// Offset of the trailer, with which the segment ends.
    pub trailer_offset: u64,
}

/// What is known of a stream that ezmsg itself wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// 1: ezmsg-tools 0.6, whose frames have no times. 2: ezmsg-tools 0.10.
    pub struct_version: u32,
    /// The signal's key as the header has it, where it can be read.
    pub key: Option<String>,
    /// Why the description in force cannot be read; `None` when it was read, or there is none.
    pub refused: Option<String>,
    /// What that description says and a [`Description`] has no word for, each with its name and what it is.
    pub left_out: Vec<String>,
}

/// Ends another thread's [`Reader::wait`](super::Reader::wait).
#[derive(Clone, Debug)]
pub struct Interrupter {
    pub(super) word: Arc<AtomicU32>,
}

impl Interrupter {
    /// Makes the current wait, or the next one, return [`Wait::Interrupted`] at once. (On kernels before 5.16: within
    /// 250 ms.)
    pub fn interrupt(&self) {
        // Release, partner of the Acquire load in `wait`.
        self.word.fetch_add(1, Ordering::Release);
        shm::private_wake(&self.word);
    }
}
