//! Readers of every kind, each with a ledger that checks every read.

use std::cell::Cell;
use std::time::{Duration, Instant};

use dora_shm_ring::{
    Description, Frames, Info, Liveness, Message, MessageInfo, MessageReader, Outcome, Reader, ReaderOptions,
    SharedBytes, Start, Wait,
};

use crate::ledger::{Account, Ledger, Place};
use crate::until::PATIENCE;

/// A way to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Copies frames, and waits for new ones.
    Wait,
    /// Copies frames, and polls for new ones.
    Poll,
    /// Borrows frames in place.
    View,
    /// Copies whole messages.
    Messages,
    /// Borrows whole messages in place.
    MessageViews,
}

impl Kind {
    /// Every way to read.
    pub const ALL: [Self; 5] = [Self::Wait, Self::Poll, Self::View, Self::Messages, Self::MessageViews];

    /// The kind's name as an argument of a program.
    pub fn word(self) -> &'static str {
        match self {
            Self::Wait => "wait",
            Self::Poll => "poll",
            Self::View => "view",
            Self::Messages => "messages",
            Self::MessageViews => "message-views",
        }
    }
}

impl std::str::FromStr for Kind {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.word() == word)
            .ok_or_else(|| format!("{word:?} is not a kind of reader; expected one of {:?}", Self::ALL.map(Self::word)))
    }
}

/// Options of a reader that begins at the oldest frame.
pub fn oldest() -> ReaderOptions {
    ReaderOptions::default().start(Start::Oldest)
}

enum Inner {
    Frames(Reader, Frames),
    Messages(MessageReader, Message),
}

/// A reader with its ledger.
pub struct Follower<A = Ledger> {
    kind: Kind,
    inner: Inner,
    /// What it has read and lost.
    pub ledger: A,
    /// A copy of a view, which is checked after the view has been finished.
    copied: Copied,
    /// For a reader of views: the stream to which it was last attached, and its position there.
    attached: Cell<Option<Attached>>,
}

#[derive(Default)]
struct Copied {
    samples: Vec<u8>,
    times: Vec<f64>,
}

impl Copied {
    fn take(&mut self, samples: &[SharedBytes], copy_times_to: impl FnOnce(&mut Vec<f64>)) {
        self.samples.resize(samples.iter().map(SharedBytes::len).sum(), 0);
        let mut to = &mut self.samples[..];
        for run in samples {
            let (these, rest) = to.split_at_mut(run.len());
            run.copy_to(these);
            to = rest;
        }
        self.times.clear();
        copy_times_to(&mut self.times);
    }
}

#[derive(Clone, Copy)]
struct Attached {
    stream_id: u64,
    position: u64,
    /// Total number of frames read and lost at that time.
    accounted: u64,
}

/// The result of one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// This number of frames was read and found correct.
    Read(u64),
    /// An empty message or a new generation.
    Moved,
    /// Nothing was new.
    Nothing,
    /// The stream was closed.
    Closed,
}

impl Follower {
    /// Opens a stream.
    ///
    /// # Errors
    /// Those of [`Reader::open`].
    pub fn open(name: &str, kind: Kind, options: &ReaderOptions, ledger: Ledger) -> dora_shm_ring::Result<Self> {
        let ledger = if kind == Kind::View { ledger.with_unseen_ends() } else { ledger };
        Self::open_with(name, kind, options, ledger)
    }

    /// Follows with a reader of frames that is open already.
    pub fn of_frames(reader: Reader, ledger: Ledger) -> Self {
        Self::new(Kind::Wait, Inner::Frames(reader, Frames::new()), ledger)
    }

    /// Follows with a reader of messages that is open already.
    pub fn of_messages(reader: MessageReader, ledger: Ledger) -> Self {
        Self::new(Kind::Messages, Inner::Messages(reader, Message::new()), ledger)
    }

    /// A reader that copies frames and one that copies messages.
    ///
    /// # Errors
    /// Those of [`Reader::open`].
    pub fn open_both(name: &str, options: &ReaderOptions, ledger: &Ledger) -> dora_shm_ring::Result<[Self; 2]> {
        let open = |kind| Self::open(name, kind, options, ledger.clone());
        Ok([open(Kind::Wait)?, open(Kind::Messages)?])
    }

    /// The place that the reader has reached, according to its ledger.
    pub fn place(&self) -> Place {
        let place = self.ledger.place(self.lost());
        let Inner::Frames(reader, _) = &self.inner else { return place };
        if self.kind != Kind::View {
            return place;
        }
        // A reader of views does not see a stream's end, so the ledger cannot attribute a loss before a frame of the
        // next stream is read. The reader itself has the stream's identity.
        let accounted = self.ledger.read + reader.lost();
        let info = reader.info().ok();
        if let Some(info) = info.as_ref().filter(|info| info.stream_id.is_some() && info.generation.is_some()) {
            let base = info.stream_position - info.position;
            let position = base + reader.position();
            self.attached.set(info.stream_id.map(|stream_id| Attached { stream_id, position, accounted }));
        }
        match self.attached.get() {
            Some(attached) if attached.stream_id != place.stream_id => Place {
                stream_id: attached.stream_id,
                position: attached.position + (accounted - attached.accounted),
                ended: place.ended,
            },
            _ => place,
        }
    }

    /// Position in the stream up to which everything has been read or counted as lost.
    pub fn position(&self) -> u64 {
        self.place().position
    }
}

impl<A: Account> Follower<A> {
    /// Like [`open`](Self::open), with any kind of ledger.
    ///
    /// # Errors
    /// Those of [`Reader::open`].
    pub fn open_with(name: &str, kind: Kind, options: &ReaderOptions, ledger: A) -> dora_shm_ring::Result<Self> {
        let options = options.clone();
        let inner = match kind {
            Kind::Wait | Kind::Poll | Kind::View => Inner::Frames(Reader::open(name, options)?, Frames::new()),
            Kind::Messages | Kind::MessageViews => Inner::Messages(MessageReader::open(name, options)?, Message::new()),
        };
        Ok(Self::new(kind, inner, ledger))
    }

    fn new(kind: Kind, inner: Inner, ledger: A) -> Self {
        Self { kind, inner, ledger, copied: Copied::default(), attached: Cell::new(None) }
    }

    /// The way in which it reads.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Number of frames that the reader has counted as lost.
    pub fn lost(&self) -> u64 {
        match &self.inner {
            Inner::Frames(reader, _) => reader.lost(),
            Inner::Messages(reader, _) => reader.lost(),
        }
    }

    /// The stream's description.
    pub fn description(&self) -> Option<&Description> {
        match &self.inner {
            Inner::Frames(reader, _) => reader.description().map(|description| &**description),
            Inner::Messages(reader, _) => reader.description().map(|description| &**description),
        }
    }

    /// The state of the stream.
    ///
    /// # Errors
    /// Those of [`Reader::info`].
    pub fn info(&self) -> dora_shm_ring::Result<Info> {
        match &self.inner {
            Inner::Frames(reader, _) => reader.info(),
            Inner::Messages(reader, _) => reader.info(),
        }
    }

    /// Whether the stream lives. It counts as idle after [`PATIENCE`].
    ///
    /// # Errors
    /// Those of [`Reader::liveness`].
    pub fn liveness(&mut self) -> dora_shm_ring::Result<Liveness> {
        match &mut self.inner {
            Inner::Frames(reader, _) => reader.liveness(PATIENCE),
            Inner::Messages(reader, _) => reader.liveness(PATIENCE),
        }
    }

    /// Waits once.
    ///
    /// # Errors
    /// The reader's error as a sentence. Also if the wait took longer than `timeout` plus [`PATIENCE`].
    pub fn wait(&mut self, timeout: Duration) -> Result<Wait, String> {
        let started = Instant::now();
        let result = match &mut self.inner {
            Inner::Frames(reader, _) => reader.wait(timeout),
            Inner::Messages(reader, _) => reader.wait(timeout),
        };
        let took = started.elapsed();
        if took > timeout + PATIENCE {
            return Err(format!("a wait with a timeout of {timeout:?} took {took:?}"));
        }
        result.map_err(|error| format!("{:?} reader: the wait failed: {error:?}", self.kind))
    }

    /// Reads once and enters the result into the ledger.
    ///
    /// # Errors
    /// A sentence with the reader's error, or with the difference from what the ledger expected.
    pub fn step(&mut self) -> Result<Step, String> {
        let before = self.ledger.read();
        let step = match (&mut self.inner, self.kind) {
            (Inner::Frames(reader, _), Kind::View) => view(reader, &mut self.copied, &mut self.ledger),
            (Inner::Frames(reader, frames), _) => read(reader, frames, &mut self.ledger),
            (Inner::Messages(reader, _), Kind::MessageViews) => {
                view_message(reader, &mut self.copied, &mut self.ledger)
            }
            (Inner::Messages(reader, message), _) => next(reader, message, &mut self.ledger),
        };
        match step.map_err(|sentence| format!("{:?}: {sentence}", self.kind))? {
            Step::Read(_) if self.ledger.read() == before => Ok(Step::Moved),
            Step::Read(_) => Ok(Step::Read(self.ledger.read() - before)),
            Step::Closed => {
                let lost = self.lost();
                self.ledger.close(lost)?;
                Ok(Step::Closed)
            }
            step => Ok(step),
        }
    }

    /// Reads until nothing is new, at most for [`PATIENCE`], since the writer may be faster. Returns whether the stream
    /// was closed.
    ///
    /// # Errors
    /// Those of [`step`](Self::step).
    pub fn drain(&mut self) -> Result<bool, String> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            match self.step()? {
                Step::Read(_) | Step::Moved => {}
                Step::Nothing => return Ok(false),
                Step::Closed => return Ok(true),
            }
        }
        Ok(false)
    }
}

/// Frames were read. [`Follower::step`] takes their number from the ledger.
const READ: Step = Step::Read(0);

fn sentence(error: dora_shm_ring::Error) -> String {
    format!("{error:?}")
}

fn step_of<T>(outcome: Outcome<T>) -> Step {
    match outcome {
        Outcome::Data(_) => READ,
        Outcome::Generation => Step::Moved,
        Outcome::Nothing => Step::Nothing,
        Outcome::Closed => Step::Closed,
    }
}

fn read(reader: &mut Reader, frames: &mut Frames, ledger: &mut impl Account) -> Result<Step, String> {
    let step = step_of(reader.read(frames, u64::MAX).map_err(sentence)?);
    if step == READ {
        ledger.enter(frames.samples(), frames.times(), frames.lost())?;
    }
    Ok(step)
}

fn view(reader: &mut Reader, copied: &mut Copied, ledger: &mut impl Account) -> Result<Step, String> {
    let view = match reader.view(u64::MAX).map_err(sentence)? {
        Outcome::Data(view) => view,
        other => return Ok(step_of(other)),
    };
    let (first, frames) = (view.first(), view.frames());
    copied.take(&view.samples(), |times| view.copy_times_to(times));
    let frame_bytes = copied.samples.len() / (frames.max(1) as usize);
    let whole = reader.finish(view);
    if whole.end != first + frames || whole.start < first {
        return Err(format!("a view of {frames} frames from position {first} reports the range {whole:?} as whole"));
    }
    if whole.is_empty() {
        return Ok(Step::Moved);
    }
    let skip = (whole.start - first) as usize;
    let lost = ledger.not_entered(reader.lost())?;
    ledger.enter(&copied.samples[skip * frame_bytes..], &copied.times[skip..], lost)?;
    Ok(READ)
}

fn next(reader: &mut MessageReader, message: &mut Message, ledger: &mut impl Account) -> Result<Step, String> {
    let step = step_of(reader.next(message).map_err(sentence)?);
    if step == READ {
        enter_message(ledger, message.info(), message.samples(), message.times())?;
    }
    Ok(step)
}

fn view_message(reader: &mut MessageReader, copied: &mut Copied, ledger: &mut impl Account) -> Result<Step, String> {
    let view = match reader.view().map_err(sentence)? {
        Outcome::Data(view) => view,
        other => return Ok(step_of(other)),
    };
    let info = *view.info();
    copied.take(&view.samples(), |times| view.copy_times_to(times));
    if !reader.finish(view) {
        return Ok(Step::Moved);
    }
    enter_message(ledger, &info, &copied.samples, &copied.times)?;
    Ok(READ)
}

fn enter_message(ledger: &mut impl Account, info: &MessageInfo, samples: &[u8], times: &[f64]) -> Result<(), String> {
    if info.frames == 0 {
        return ledger.enter_empty(info);
    }
    if times.len() as u64 != info.frames {
        return Err(format!("{} times for {info:?}", times.len()));
    }
    ledger.enter(samples, times, info.lost)?;
    ledger.check_message(info)
}
