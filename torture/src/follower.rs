//! Readers of every kind, each with its book, and threads that follow a stream through everything that happens to it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use dora_shm_ring::{
    Frames, Info, Liveness, Message, MessageReader, Outcome, Reader, ReaderOptions, SharedBytes, Start, Wait,
};

use crate::book::{Book, Place};
use crate::tally::Tally;

/// How long anything may take that takes milliseconds when all is well.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// How much longer than asked a wait may take on a machine with more to do than it has cores.
const SLACK: Duration = Duration::from_secs(5);

/// A way to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// Sleeps until there is something, copies frames.
    Wait,
    /// Asks again and again, copies frames.
    Poll,
    /// Frames in place.
    View,
    /// Whole messages, copied.
    Messages,
    /// Whole messages in place.
    MessageViews,
}

pub const ALL_KINDS: [Kind; 5] = [Kind::Wait, Kind::Poll, Kind::View, Kind::Messages, Kind::MessageViews];

enum Inner {
    Frames(Reader, Frames),
    Messages(MessageReader, Message),
}

/// What a follower accounts in.
pub trait Account: std::fmt::Debug {
    /// Frames that were entered so far.
    fn read(&self) -> u64;
    /// Frames that were read at once, `lost` of which were announced before the first.
    fn enter(&mut self, samples: &[u8], times: &[f64], lost: u64) -> Result<(), String>;
    /// A message without frames, before which `lost` were announced; it stands at `stream_position`.
    fn enter_empty(&mut self, stream_position: u64, lost: u64) -> Result<(), String>;
    /// After a message that ended at `stream_position`.
    fn is_at(&self, stream_position: u64) -> Result<(), String>;
    /// The stream was closed; the reader has counted `lost_in_all` since it began.
    fn close(&mut self, lost_in_all: u64) -> Result<(), String>;
    /// What the reader has announced since the book last took it up.
    fn not_entered(&self, lost_in_all: u64) -> Result<u64, String>;
}

/// A reader with its book.
pub struct Follower<B = Book> {
    kind: Kind,
    inner: Inner,
    pub book: B,
    /// What was copied out of a view, to be judged when it has been given back.
    samples: Vec<u8>,
    times: Vec<f64>,
    /// Of a view's reader: the stream it was last attached to, and where in it.
    attached: Option<Attached>,
}

#[derive(Clone, Copy)]
struct Attached {
    stream_id: u64,
    position: u64,
    /// Frames read and lost by then, in all.
    accounted: u64,
}

/// What became of one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// So many frames were read and found right.
    Read(u64),
    /// An empty message, a new ring.
    Moved,
    Nothing,
    Closed,
}

pub fn oldest() -> ReaderOptions {
    ReaderOptions::default().start(Start::Oldest)
}

impl Follower {
    pub fn open(name: &str, kind: Kind, options: &ReaderOptions, book: Book) -> dora_shm_ring::Result<Self> {
        Self::open_with(name, kind, options, if kind == Kind::View { book.with_untold_ends() } else { book })
    }

    /// Where the reader stands by its book.
    pub fn place(&mut self) -> Place {
        let place = self.book.place(self.lost());
        let Inner::Frames(reader, _) = &self.inner else { return place };
        if self.kind != Kind::View {
            return place;
        }
        // A view's reader is not told of a stream's end, so the book cannot tell to which stream a loss belongs before it
        // reads of the next one. The reader itself can.
        let accounted = self.book.read + reader.lost();
        let info = reader.info().ok();
        if let Some(info) = info.as_ref().filter(|info| info.stream_id.is_some() && info.generation.is_some()) {
            let base = info.stream_position - info.position;
            self.attached =
                info.stream_id.map(|stream_id| Attached { stream_id, position: base + reader.position(), accounted });
        }
        match self.attached {
            Some(attached) if attached.stream_id != place.stream_id => Place {
                stream_id: attached.stream_id,
                position: attached.position + (accounted - attached.accounted),
                ended: place.ended,
            },
            _ => place,
        }
    }
}

impl<B: Account> Follower<B> {
    pub fn open_with(name: &str, kind: Kind, options: &ReaderOptions, book: B) -> dora_shm_ring::Result<Self> {
        let options = options.clone();
        let inner = match kind {
            Kind::Wait | Kind::Poll | Kind::View => Inner::Frames(Reader::open(name, options)?, Frames::new()),
            Kind::Messages | Kind::MessageViews => Inner::Messages(MessageReader::open(name, options)?, Message::new()),
        };
        Ok(Self { kind, inner, book, samples: Vec::new(), times: Vec::new(), attached: None })
    }

    pub fn lost(&self) -> u64 {
        match &self.inner {
            Inner::Frames(reader, _) => reader.lost(),
            Inner::Messages(reader, _) => reader.lost(),
        }
    }

    pub fn info(&self) -> dora_shm_ring::Result<Info> {
        match &self.inner {
            Inner::Frames(reader, _) => reader.info(),
            Inner::Messages(reader, _) => reader.info(),
        }
    }

    pub fn liveness(&mut self) -> dora_shm_ring::Result<Liveness> {
        match &mut self.inner {
            Inner::Frames(reader, _) => reader.liveness(PATIENCE),
            Inner::Messages(reader, _) => reader.liveness(PATIENCE),
        }
    }

    /// One wait, which must not last much longer than `timeout`.
    pub fn wait(&mut self, timeout: Duration) -> Result<Wait, String> {
        let started = Instant::now();
        let result = match &mut self.inner {
            Inner::Frames(reader, _) => reader.wait(timeout),
            Inner::Messages(reader, _) => reader.wait(timeout),
        };
        let took = started.elapsed();
        if took > timeout + SLACK {
            return Err(format!("a wait of {timeout:?} took {took:?}"));
        }
        result.map_err(|error| format!("wait of {:?}: {error:?}", self.kind))
    }

    /// One read, entered into the book.
    pub fn step(&mut self) -> Result<Step, String> {
        let kind = self.kind;
        let told = |error| format!("{kind:?}: {error:?}");
        let before = self.book.read();
        let outcome = match (&mut self.inner, kind) {
            (Inner::Frames(reader, _), Kind::View) => {
                let view = match reader.view(u64::MAX).map_err(told)? {
                    Outcome::Data(view) => view,
                    Outcome::Nothing => return Ok(Step::Nothing),
                    Outcome::Generation => return Ok(Step::Moved),
                    Outcome::Closed => {
                        let lost = self.lost();
                        self.book.close(lost)?;
                        return Ok(Step::Closed);
                    }
                };
                let (first, frames) = (view.first(), view.frames());
                copy_to(&view.samples(), &mut self.samples);
                view.copy_times_to(&mut self.times);
                let frame_bytes = self.samples.len() / (frames.max(1) as usize);
                let whole = reader.finish(view);
                if whole.end != first + frames || whole.start < first {
                    return Err(format!("a view of {frames} frames from {first} was whole from {whole:?}"));
                }
                if whole.is_empty() {
                    return Ok(Step::Moved);
                }
                let skip = (whole.start - first) as usize;
                let lost = self.book.not_entered(reader.lost())?;
                self.book.enter(&self.samples[skip * frame_bytes..], &self.times[skip..], lost)?;
                Outcome::Data(())
            }
            (Inner::Frames(reader, frames), _) => {
                let outcome = reader.read(frames, u64::MAX).map_err(told)?;
                if outcome.is_data() {
                    self.book.enter(frames.samples(), frames.times(), frames.lost())?;
                }
                outcome.map(|_| ())
            }
            (Inner::Messages(reader, _), Kind::MessageViews) => match reader.view().map_err(told)? {
                Outcome::Data(view) => {
                    let info = *view.info();
                    copy_to(&view.samples(), &mut self.samples);
                    view.copy_times_to(&mut self.times);
                    if !reader.finish(view) {
                        return Ok(Step::Moved);
                    }
                    enter_message(&mut self.book, &info, &self.samples, &self.times)?;
                    Outcome::Data(())
                }
                Outcome::Generation => Outcome::Generation,
                Outcome::Nothing => Outcome::Nothing,
                Outcome::Closed => Outcome::Closed,
            },
            (Inner::Messages(reader, message), _) => {
                let outcome = reader.next(message).map_err(told)?;
                if outcome.is_data() {
                    enter_message(&mut self.book, message.info(), message.samples(), message.times())?;
                }
                outcome.map(|_| ())
            }
        };
        Ok(match outcome {
            Outcome::Data(_) if self.book.read() > before => Step::Read(self.book.read() - before),
            Outcome::Data(_) | Outcome::Generation => Step::Moved,
            Outcome::Nothing => Step::Nothing,
            Outcome::Closed => {
                let lost = self.lost();
                self.book.close(lost)?;
                Step::Closed
            }
        })
    }

    /// Reads until there is nothing new; whether the stream was closed.
    pub fn drain(&mut self, tally: &Tally) -> Result<bool, String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.step()? {
                Step::Read(frames) => tally.checked(frames),
                Step::Moved => {}
                Step::Nothing => return Ok(false),
                Step::Closed => return Ok(true),
            }
            if Instant::now() > deadline {
                // A writer that is faster keeps us here; that is no fault.
                return Ok(false);
            }
        }
    }
}

/// Copies the runs of a view, one behind the other.
fn copy_to(runs: &[SharedBytes], into: &mut Vec<u8>) {
    into.resize(runs.iter().map(SharedBytes::len).sum(), 0);
    let mut rest = &mut into[..];
    for run in runs {
        let (part, behind) = rest.split_at_mut(run.len());
        run.copy_to(part);
        rest = behind;
    }
}

fn enter_message(
    book: &mut impl Account,
    info: &dora_shm_ring::MessageInfo,
    samples: &[u8],
    times: &[f64],
) -> Result<(), String> {
    if info.frames == 0 {
        return book.enter_empty(info.stream_position, info.lost);
    }
    if times.len() as u64 != info.frames {
        return Err(format!("{} times of {info:?}", times.len()));
    }
    book.enter(samples, times, info.lost)?;
    book.is_at(info.stream_position + info.frames)
}

/// How far all followers have to come before they may end: a stream, and its frames in all.
#[derive(Default)]
pub struct Goal(OnceLock<(u64, u64)>);

impl Goal {
    pub fn set(&self, stream_id: u64, position: u64) {
        let _ = self.0.set((stream_id, position));
    }
}

/// Where the followers of a campaign stand, for those who wait for them.
#[derive(Default)]
pub struct Places(Mutex<Vec<(Kind, Place)>>);

impl Places {
    fn with<T>(&self, change: impl FnOnce(&mut Vec<(Kind, Place)>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// One more, before its thread runs: who waits for all must know of it.
    pub fn join(&self, kind: Kind) -> usize {
        self.with(|places| {
            places.push((kind, Place::default()));
            places.len() - 1
        })
    }

    pub fn now(&self) -> Vec<(Kind, Place)> {
        self.with(|places| places.clone())
    }

    /// Waits until every follower has accounted for all `position` frames of the stream; how long it took. An error says
    /// who has not.
    pub fn all_reach(&self, tally: &Tally, stream_id: u64, position: u64) -> Result<Duration, String> {
        self.all_are(tally, stream_id, position, |place| has_reached(place, stream_id, position))
    }

    /// As [`all_reach`](Self::all_reach), of a stream that is closed: who waits for a stream looks for its name every
    /// 50 ms only, and one that came and was closed in between was never there for that reader.
    pub fn all_reach_if_they_came(&self, tally: &Tally, stream_id: u64, position: u64) -> Result<Duration, String> {
        self.all_are(tally, stream_id, position, |place| {
            has_reached(place, stream_id, position) || (place.stream_id == 0 && place.position == 0)
        })
    }

    fn all_are(
        &self,
        tally: &Tally,
        stream_id: u64,
        position: u64,
        reached: impl Fn(&Place) -> bool,
    ) -> Result<Duration, String> {
        let started = Instant::now();
        loop {
            let behind: Vec<_> = self.now().into_iter().filter(|(_, place)| !reached(place)).collect();
            if behind.is_empty() || tally.is_over() {
                return Ok(started.elapsed());
            }
            if started.elapsed() > PATIENCE {
                return Err(format!("of stream {stream_id:#x} with {position} frames, these know less: {behind:?}"));
            }
            std::thread::sleep(Duration::from_micros(200));
        }
    }
}

/// Whether the book says that all `position` frames of the stream are accounted for.
fn has_reached(place: &Place, stream_id: u64, position: u64) -> bool {
    // A stream all of whose frames were lost has been told no name by any of them.
    if place.ended.is_some_and(|(ended, total)| [stream_id, 0].contains(&ended) && total == position) {
        return true;
    }
    // Nor does anybody say which it is before its first frame.
    (place.stream_id == stream_id || place.stream_id == 0) && place.position == position
}

/// Follows the stream through everything until the goal is set and reached. What is wrong goes to the tally.
/// `me` is its number among `places`.
pub fn follow(mut follower: Follower, tally: &Tally, goal: &Goal, places: &Places, me: usize) {
    if let Err(defect) = follow_to_goal(&mut follower, tally, goal, |place| places.with(|all| all[me].1 = place)) {
        tally.defect(&format!("{:?} reader: {defect}", follower.kind));
    }
    tally.lost(follower.lost());
}

fn follow_to_goal(follower: &mut Follower, tally: &Tally, goal: &Goal, publish: impl Fn(Place)) -> Result<(), String> {
    static TURN: AtomicU64 = AtomicU64::new(0);
    let mut deadline = None;
    while !tally.is_over() {
        match follower.kind {
            Kind::Wait | Kind::Messages => {
                // Short ones to see the goal, and long ones, which a wake-up must end.
                let long = TURN.fetch_add(1, Ordering::Relaxed).is_multiple_of(2);
                follower.wait(Duration::from_millis(if long { 300 } else { 20 }))?;
            }
            Kind::View => _ = follower.wait(Duration::from_millis(1))?,
            // Two cores are soon taken by those who poll without end.
            Kind::Poll | Kind::MessageViews => std::thread::sleep(Duration::from_micros(50)),
        }
        for _ in 0..64 {
            match follower.step()? {
                Step::Read(frames) => tally.checked(frames),
                Step::Moved => {}
                Step::Nothing => break,
                Step::Closed => tally.closed(),
            }
        }
        let place = follower.place();
        publish(place);
        if let Some(&(stream_id, position)) = goal.0.get() {
            if has_reached(&place, stream_id, position) {
                return Ok(());
            }
            let deadline = *deadline.get_or_insert_with(|| Instant::now() + PATIENCE);
            if Instant::now() > deadline {
                return Err(format!(
                    "the stream {stream_id:#x} has {position} frames; after {PATIENCE:?} the book says {:?}, {} lost; \
                     the stream is {:?}",
                    follower.book,
                    follower.lost(),
                    follower.info()
                ));
            }
        }
    }
    Ok(())
}
