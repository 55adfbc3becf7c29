//! The one loop of every reader: its place in a stream, what it has lost, and what it delivers next.
//!
//! A [`Cursor`] is generic over where the frames come from ([`Source`]): mapped rings, files that ezmsg wrote, the
//! model checker's memory. `Reader`, `MessageReader` and `Notifier` are thin wrappers around it, and loom explores this
//! code. The steps carry the labels of `SPEC.md`.

mod beginning;
mod descriptions;
mod events;
mod frames;
mod kept;
mod lookup;
mod messages;
mod source;

pub(crate) use beginning::Beginning;
#[cfg(not(loom))]
pub(crate) use beginning::Ends;
pub use beginning::Start;
pub(crate) use events::Events;
pub use frames::Copied;
pub(crate) use frames::Target;
pub use messages::MessageInfo;
pub(crate) use source::{Came, RingFacts, Source, Stand, Status};

use std::sync::Arc;

pub(crate) use super::Update;
use super::{Committed, Over, Snapshot, is_over};
use crate::stream::{Event, EventKind, WriterId};
use crate::{Description, Error, Result};
use descriptions::Descriptions;

/// How often a call tries again if the writer overtakes it, so that a slow reader cannot loop forever.
const TRIES: usize = 4;

/// How many generations that begin while a ring is being opened are followed in one call.
const MOST_GENERATIONS: usize = 16;

/// How many moves [`Cursor::skip_to_newest`] makes at most, so that a writer that is always ahead cannot keep it
/// forever.
const MOST_SKIPS: usize = 64;

/// The result of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome<T> {
    /// Something was read.
    Data(T),
    /// Nothing is new.
    Nothing,
    /// The reader moved on to a new ring, whose format and description apply to the frames that follow. Read again.
    Generation,
    /// The stream was closed, and each of its frames has been read or counted as lost. Reported once; later reads
    /// follow the next stream of that name.
    Closed,
}

impl<T> Outcome<T> {
    /// Whether something was read.
    pub fn is_data(&self) -> bool {
        matches!(self, Self::Data(_))
    }

    /// What was read.
    pub fn data(self) -> Option<T> {
        match self {
            Self::Data(data) => Some(data),
            _ => None,
        }
    }

    /// The same outcome with `change` applied to what was read.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Outcome<U> {
        match self {
            Self::Data(data) => Outcome::Data(change(data)),
            Self::Nothing => Outcome::Nothing,
            Self::Generation => Outcome::Generation,
            Self::Closed => Outcome::Closed,
        }
    }
}

/// The unit in which a cursor counts, which determines the counter that shows something new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Frames,
    Messages,
}

/// How a cursor follows its stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub unit: Unit,
    pub start: Start,
    /// A read ends where the description changes.
    pub each_description: bool,
}

/// How far attaching got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reached {
    Ring,
    /// There is no stream, or its ring cannot be found yet.
    Nothing,
    /// There is a stream without a ring yet; its first ring will be an event.
    Stream,
    /// The stream has ended in the meantime, and the cursor has detached from it.
    End,
}

/// What the cursor has reached and not reported to its caller yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unreported {
    Generation,
    End,
}

/// How to sleep until there may be something new.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sleep {
    /// The value of the header's wake word at which nothing was new; `None` without a header.
    pub wake: Option<u32>,
    /// Whether to poll again soon, since no event announces what the cursor waits for.
    pub retry: bool,
}

/// Where a reader continues after it was lapped in a ring of `ring_frames`: half a ring behind the writer, so that it
/// is not lapped again at once, and at least one frame behind it, if there is one.
#[inline]
pub(crate) fn resume_position(committed: u64, ring_frames: u64) -> u64 {
    committed - (ring_frames / 2).max(1).min(committed)
}

/// Frames that were not delivered.
#[derive(Clone, Copy, Debug, Default)]
struct Losses {
    /// Since the cursor began.
    total: u64,
    /// Since something was delivered.
    pending: u64,
    /// See [`Beginning::not_lost_below`].
    not_lost_below: u64,
}

impl Losses {
    fn count(&mut self, frames: u64) {
        // A hostile writer can claim any number of frames, in one stream after the other.
        self.total = self.total.saturating_add(frames);
        self.pending = self.pending.saturating_add(frames);
    }
}

/// A position in a stream of frames or messages, which only moves forwards.
pub(crate) struct Cursor<S> {
    source: S,
    plan: Plan,
    /// Position of the next frame to deliver in this generation.
    next: u64,
    /// The next chunk to deliver; kept by cursors over messages only.
    next_chunk: u64,
    losses: Losses,
    /// The empty messages between the last frame of the rings before and the first of this one, for a cursor over frames.
    before_ring: Vec<MessageInfo>,
    /// Whether the cursor had to wait for the stream, or was attached to the one before it.
    waited: bool,
    /// When the cursor was opened. `None` once it certainly predates the next ring's stream, which it then reads from
    /// the first frame on.
    came: Option<Came>,
    /// Whether kept rings are passed over: while everything is skipped, and after the cursor has detached from a stream
    /// that contradicts the protocol, since it would return to the ring that does.
    passes_kept: bool,
    unreported: Option<Unreported>,
    descriptions: Descriptions,
    /// The snapshot that showed nothing new at the cursor's place, so that a sleep may rely on it.
    quiet: Option<Snapshot>,
    /// The writer that the cursor last saw.
    writer: Option<WriterId>,
    events: Events,
}

impl<S: Source> Cursor<S> {
    /// A cursor that was opened at `came`; `None`: before any stream existed.
    pub fn new(source: S, plan: Plan, came: Option<Came>) -> Self {
        Self {
            source,
            plan,
            next: 0,
            next_chunk: 0,
            losses: Losses::default(),
            before_ring: Vec::new(),
            waited: came.is_none(),
            came,
            passes_kept: false,
            unreported: None,
            descriptions: Descriptions::default(),
            quiet: None,
            writer: None,
            events: Events::default(),
        }
    }

    /// Attaches, if there is a stream. The place where the cursor begins is not an event, and neither is the end of an
    /// earlier stream.
    pub fn begin(&mut self) -> Result<()> {
        self.attach()?;
        self.unreported = None;
        self.losses = Losses { not_lost_below: self.losses.not_lost_below, ..Losses::default() };
        self.events.clear();
        Ok(())
    }

    pub fn source(&self) -> &S {
        &self.source
    }

    pub fn source_mut(&mut self) -> &mut S {
        &mut self.source
    }

    /// The facts of the ring that is read.
    pub fn ring(&self) -> Option<RingFacts> {
        self.source.ring()
    }

    /// Position of the next frame in its generation.
    pub fn position(&self) -> u64 {
        self.next
    }

    /// Number of the next message in its generation, for a cursor over messages.
    #[cfg(loom)]
    pub fn next_chunk(&self) -> u64 {
        self.next_chunk
    }

    /// Frames lost since the cursor began.
    pub fn lost(&self) -> u64 {
        self.losses.total
    }

    /// Whether the stream has ended and the caller has not been notified.
    pub fn has_ended(&self) -> bool {
        self.unreported == Some(Unreported::End)
    }

    pub fn events(&mut self) -> &mut Events {
        &mut self.events
    }

    /// Position of the next frame in the stream, over all generations.
    fn stream_position(&self) -> Option<u64> {
        self.source.ring().map(|ring| ring.base + self.next)
    }

    /// A1 to A5, if there is no ring yet.
    #[inline]
    fn attach(&mut self) -> Result<Reached> {
        if self.source.ring().is_some() { Ok(Reached::Ring) } else { self.attach_anew() }
    }

    fn attach_anew(&mut self) -> Result<Reached> {
        if self.has_ended() {
            // The end is reported before the next stream begins.
            return Ok(Reached::End);
        }
        if !self.source.find_stream()? {
            self.waited = true;
            return Ok(Reached::Nothing);
        }
        let Status { closed, generation } = self.source.status()?;
        match generation {
            Some(generation) => self.enter_ring(generation),
            None => {
                self.waited = true;
                self.came = None;
                if closed {
                    self.leave_stream()?;
                    return Ok(Reached::End);
                }
                Ok(Reached::Stream)
            }
        }
    }

    /// A4: opens the ring of `generation`, or of a newer one if the stream has moved on in the meantime, or an earlier one
    /// that was kept for this cursor. Never blocks: if the ring has no name, the next call looks for it again.
    fn enter_ring(&mut self, mut generation: u32) -> Result<Reached> {
        let (seen, trailing) = (self.stream_position(), self.trailing_messages());
        let from = self.source.ring().map(|ring| ring.generation);
        let stand = self.stand();
        for _ in 0..MOST_GENERATIONS {
            let opened = self.source.open_ring(generation);
            // A ring that follows the cursor's stand at once spares looking for others between the two.
            let follows = matches!(opened, Ok(true)) && self.follows(stand);
            if (!follows && self.open_kept(from, generation, stand)?) || opened? {
                self.start_in_ring(seen, trailing)?;
                return Ok(Reached::Ring);
            }
            let now = self.source.status()?.generation;
            match now {
                Some(now) if now != generation => generation = now,
                _ if self.source.is_gone() => {
                    self.leave_stream()?;
                    return Ok(Reached::End);
                }
                _ => return Ok(Reached::Nothing),
            }
        }
        Ok(Reached::Nothing)
    }

    /// Begins in the ring that the source has just opened. `seen`: how many frames of the stream the cursor had passed
    /// at the end of the previous ring; `None` if this is its first ring. `trailing`: the empty messages behind those
    /// frames.
    fn start_in_ring(&mut self, seen: Option<u64>, trailing: Vec<MessageInfo>) -> Result<()> {
        let Some(ring) = self.source.ring() else { return Ok(()) };
        let seen = seen.or_else(|| self.was_there_first().then_some(0));
        if let Some(seen) = seen.filter(|&seen| ring.base < seen) {
            // The position belongs to the old ring: without detaching, its frames would be read again.
            return Err(self.corrupt(format!("its base is {}, but {seen} frames came before", ring.base)));
        }
        self.came = None;
        self.passes_kept = false;
        self.quiet = None;
        // If the frame that follows them is lost, so are they.
        self.before_ring = if seen == Some(ring.base) { trailing } else { Vec::new() };
        (self.next, self.next_chunk, self.losses.not_lost_below) = (0, 0, 0);
        self.unreported = Some(Unreported::Generation);
        self.descriptions.enter_ring(ring.meta_generation);
        match seen {
            Some(seen) => {
                self.losses.count(ring.base - seen);
                self.source.begin_at(0);
            }
            None => {
                self.waited = true;
                self.start_in_the_middle(ring)?;
            }
        }
        if self.plan.each_description && self.source.committed() > self.next {
            // The description of the first frame, rather than of the newest.
            self.readable(self.next..self.next + 1, false)?;
        } else {
            self.refresh_description()?;
        }
        self.descriptions.in_force();
        self.notice_ring_writer();
        self.push_event(EventKind::NewGeneration);
        Ok(())
    }

    /// Whether the cursor predates the first frame of the stream. Having waited for the stream is not enough, since a
    /// running stream may have lacked its public name for a moment.
    fn was_there_first(&self) -> bool {
        self.waited && self.came.as_ref().is_none_or(|came| self.source.is_younger_than(came))
    }

    /// A6.
    fn start_in_the_middle(&mut self, ring: RingFacts) -> Result<()> {
        // A writer that follows the protocol cannot overtake eight tries by at least 64 chunks each, between a few
        // loads.
        let Some(begin) = (0..8).find_map(|_| self.source.beginning(self.plan.start, self.plan.unit)) else {
            return Err(self.corrupt("its newest chunk records are overwritten whenever they are read".to_owned()));
        };
        if ring.base.checked_add(begin.position).is_none() {
            let reason = format!("base {} and {} committed frames overflow", ring.base, begin.position);
            return Err(self.corrupt(reason));
        }
        self.source.begin_at(begin.position);
        (self.next, self.next_chunk) = (begin.position, begin.chunk);
        self.losses.not_lost_below = begin.not_lost_below;
        Ok(())
    }

    /// Moves to `position` in this ring; the frames in between were delivered.
    #[inline]
    fn deliver_up_to(&mut self, position: u64) {
        self.next = position;
        // From the first frame delivered on, every gap is a loss.
        self.losses.not_lost_below = 0;
        self.quiet = None;
    }

    /// Moves to `position` in this ring; the frames in between were lost.
    fn lose_up_to(&mut self, position: u64) {
        self.losses.count(position.saturating_sub(self.next.max(self.losses.not_lost_below)));
        self.next = position;
        self.quiet = None;
    }

    /// Frames lost since the last delivery; taken at each delivery.
    #[inline]
    fn take_pending_lost(&mut self) -> u64 {
        std::mem::take(&mut self.losses.pending)
    }

    /// Detaches from a stream that contradicts the protocol, and returns the error.
    fn corrupt(&mut self, reason: String) -> Error {
        let error = self.source.corrupt(reason);
        self.detach();
        error
    }

    /// Detaches if `result` shows that the stream contradicts the protocol.
    #[inline]
    fn checked<T>(&mut self, result: Result<T>) -> Result<T> {
        if matches!(result, Err(Error::Corrupt { .. })) {
            self.detach();
        }
        result
    }

    /// Detaches from a stream whose segment was truncated, and returns the error.
    pub fn truncated(&mut self) -> Error {
        self.corrupt("it was truncated".to_owned())
    }

    /// Detaches from the stream, without reporting anything to the caller.
    pub fn detach(&mut self) {
        self.source.let_go();
        self.descriptions = Descriptions::default();
        self.before_ring = Vec::new();
        (self.next, self.next_chunk, self.losses.not_lost_below) = (0, 0, 0);
        self.waited = true;
        self.passes_kept = true;
        self.unreported = None;
        self.quiet = None;
    }

    /// The stream has ended: the next one of the name is read from its first frame on.
    fn expect_another(&mut self) {
        self.detach();
        self.came = None;
        self.passes_kept = false;
    }

    /// The stream has ended: counts the frames missed up to its final position, and detaches.
    fn leave_stream(&mut self) -> Result<()> {
        let mut result = Ok(());
        if let Some(total) = self.source.final_position() {
            let seen = self.stream_position().unwrap_or(0);
            if total < seen {
                let reason = format!("it was closed after {total} frames, but {seen} have been there");
                result = Err(self.source.corrupt_header(reason));
            }
            self.losses.count(total.saturating_sub(seen));
        }
        self.push_event(EventKind::WriterGone { orderly: true });
        self.expect_another();
        self.unreported = Some(Unreported::End);
        result
    }

    /// R1 to R3 and R8.
    #[inline]
    pub fn poll(&mut self) -> Result<Outcome<Committed>> {
        let Some(ring) = self.source.ring().filter(|_| self.unreported.is_none()) else { return self.poll_attaching() };
        let update = self.update()?;
        match update {
            Update::Committed(committed) => {
                self.take_in(ring, committed)?;
                Ok(Outcome::Data(committed))
            }
            update => self.poll_quiet(ring, update),
        }
    }

    /// As [`poll`](Self::poll), if there is no ring, or if something is unreported.
    #[cold]
    fn poll_attaching(&mut self) -> Result<Outcome<Committed>> {
        self.attach()?;
        Ok(match self.unreported.take() {
            Some(Unreported::Generation) => Outcome::Generation,
            Some(Unreported::End) => Outcome::Closed,
            None => Outcome::Nothing,
        })
    }

    /// As [`poll`](Self::poll), if nothing is new.
    fn poll_quiet(&mut self, ring: RingFacts, update: Update) -> Result<Outcome<Committed>> {
        match update {
            Update::Committed(committed) => Ok(Outcome::Data(committed)),
            Update::Nothing(snapshot) => {
                self.take_in(ring, snapshot.committed)?;
                self.notice_newest_writer();
                Ok(self.move_on(ring, snapshot)?.unwrap_or(Outcome::Nothing))
            }
            Update::Replaced(committed) => {
                self.take_in(ring, committed)?;
                self.lose_up_to(committed.frames);
                self.expect_another();
                Ok(Outcome::Nothing)
            }
        }
    }

    /// Handles the result of every poll: checks the counters, and holds the description that they name.
    #[inline]
    fn take_in(&mut self, ring: RingFacts, committed: Committed) -> Result<()> {
        self.check_committed(ring, committed)?;
        // A reader of frames holds the newest description, whose number is next to the counters.
        let holds_newest = self.plan.unit == Unit::Frames && !self.plan.each_description;
        if holds_newest && self.descriptions.may_be_new(self.source.described()) {
            self.refresh_description()?;
        }
        Ok(())
    }

    /// What is new at the cursor's place.
    #[inline]
    fn update(&mut self) -> Result<Update> {
        let (next, next_chunk) = (self.next, self.next_chunk);
        let update = match self.plan.unit {
            Unit::Frames => self.source.update(|committed| committed.frames != next),
            Unit::Messages => self.source.update(|committed| committed.chunks != next_chunk),
        };
        self.checked(update)
    }

    /// Counters only grow, and no stream has more than 2^64 frames.
    #[inline]
    fn check_committed(&mut self, ring: RingFacts, committed: Committed) -> Result<()> {
        let is_wrong = committed.frames < self.next
            || (self.plan.unit == Unit::Messages && committed.chunks < self.next_chunk)
            || ring.base.checked_add(committed.frames).is_none();
        if is_wrong { Err(self.refuse_committed(ring, committed)) } else { Ok(()) }
    }

    #[cold]
    fn refuse_committed(&mut self, ring: RingFacts, committed: Committed) -> Error {
        let (next, next_chunk) = (self.next, self.next_chunk);
        let Committed { frames, chunks } = committed;
        self.corrupt(if ring.base.checked_add(frames).is_none() {
            format!("base {} and {frames} committed frames overflow", ring.base)
        } else {
            format!(
                "committed went back to {frames} frames and {chunks} chunks, expected at least {next} and {next_chunk}"
            )
        })
    }

    /// R8, once `snapshot` shows that nothing is left to deliver. `None`: more may follow.
    fn move_on<T>(&mut self, ring: RingFacts, snapshot: Snapshot) -> Result<Option<Outcome<T>>> {
        match is_over(&snapshot, ring.generation) {
            Over::No => {
                self.quiet = Some(snapshot);
                Ok(None)
            }
            Over::NextGeneration(generation) => {
                self.lose_up_to(snapshot.committed.frames);
                let reached = self.enter_ring(generation)?;
                self.unreported = None;
                Ok(match reached {
                    Reached::Ring => Some(Outcome::Generation),
                    // The stream ended before its next ring could be opened.
                    Reached::End => Some(Outcome::Closed),
                    Reached::Nothing | Reached::Stream => None,
                })
            }
            Over::Closed => {
                self.lose_up_to(snapshot.committed.frames);
                self.leave_stream()?;
                self.unreported = None;
                Ok(Some(Outcome::Closed))
            }
        }
    }

    /// R9: how to sleep, if [`poll`](Self::poll) would find nothing. Skips nothing that a reader could miss.
    pub fn would_block(&mut self) -> Result<Option<Sleep>> {
        if self.unreported.is_some() {
            return Ok(None);
        }
        let Some(ring) = self.source.ring() else {
            // Only attaching shows what there is, and the result is kept. R1: the word is loaded before that.
            let wake = self.source.wake();
            return Ok(match self.attach()? {
                Reached::Ring | Reached::End => None,
                Reached::Nothing => Some(Sleep { wake, retry: true }),
                Reached::Stream => Some(Sleep { wake, retry: wake.is_none() }),
            });
        };
        if let Some(snapshot) = self.quiet.take() {
            return Ok(Some(Sleep { wake: Some(snapshot.wake), retry: false }));
        }
        let update = self.source.update(|_| false);
        let Update::Nothing(snapshot) = self.checked(update)? else { return Ok(None) };
        let committed = snapshot.committed;
        let new = match self.plan.unit {
            Unit::Frames => committed.frames != self.next,
            Unit::Messages => committed.chunks != self.next_chunk && !self.is_uncommitted(committed),
        };
        let retry = match is_over(&snapshot, ring.generation) {
            Over::No => Some(false),
            Over::Closed => None,
            Over::NextGeneration(generation) => (!self.could_enter(generation)?).then_some(true),
        };
        Ok(retry.filter(|_| !new).map(|retry| Sleep { wake: Some(snapshot.wake), retry }))
    }

    /// Whether [`enter_ring`](Self::enter_ring) would reach a ring, an end or an error.
    fn could_enter(&mut self, generation: u32) -> Result<bool> {
        let stand = self.stand();
        let from = self.source.ring().map(|ring| ring.generation);
        let is_kept = |kept| stand.is_some_and(|stand| self.source.could_open_kept(kept, stand));
        Ok(self.source.could_open(generation)
            || kept::between(from, generation).any(is_kept)
            || self.source.status()?.generation != Some(generation)
            || self.source.is_gone())
    }

    /// Skips everything that is committed, generations included, without counting a loss. Returns the first of these
    /// that it met: the stream's end, a new generation, frames and their number, nothing.
    pub fn skip_to_newest(&mut self) -> Result<Outcome<u64>> {
        let (lost, passes_kept) = (self.losses.total, self.passes_kept);
        let found = self.skip();
        if found.is_ok() {
            self.passes_kept = passes_kept;
        }
        // Entering a generation counts the skipped frames of earlier ones as lost, which is undone here.
        (self.losses.total, self.losses.pending) = (lost, 0);
        found
    }

    fn skip(&mut self) -> Result<Outcome<u64>> {
        let (mut found, mut passed) = (Outcome::Nothing, 0);
        for _ in 0..MOST_SKIPS {
            self.passes_kept = true;
            let met = match self.poll()? {
                Outcome::Data(committed) => self.pass_all(committed)?,
                other => other.map(|_| 0),
            };
            match met {
                Outcome::Nothing => break,
                Outcome::Generation => found = Outcome::Generation,
                Outcome::Closed => return Ok(Outcome::Closed),
                Outcome::Data(frames) => {
                    passed += frames;
                    if found != Outcome::Generation {
                        found = Outcome::Data(passed);
                    }
                }
            }
        }
        Ok(found)
    }

    /// Skips what is committed. Returns how many frames that was, or, if nothing can be skipped, the outcome instead.
    fn pass_all(&mut self, committed: Committed) -> Result<Outcome<u64>> {
        if self.plan.unit == Unit::Messages {
            let chunk = self.behind_whole_messages(committed);
            if chunk == self.next_chunk {
                // The next message's frames are not committed. If the ring is sealed, they never will be.
                let end = self.source.record(chunk).map_or(self.next, |record| record.end());
                return Ok(self.move_on_before(end)?.unwrap_or(Outcome::Nothing));
            }
            self.next_chunk = chunk;
        }
        let frames = committed.frames.saturating_sub(self.next);
        self.deliver_up_to(committed.frames);
        Ok(Outcome::Data(frames))
    }

    /// Reports a restart if the ring's writer differs from the one last seen. A writer that preceded that one is not
    /// reported.
    fn notice_ring_writer(&mut self) {
        let found = self.source.ring_writer();
        let is_older =
            |writer: WriterId, seen: WriterId| writer.stream_id == seen.stream_id && writer.epoch < seen.epoch;
        if !found.zip(self.writer).is_some_and(|(found, seen)| is_older(found, seen)) {
            self.notice_writer(found);
        }
    }

    /// Reports a restart if another writer has taken the stream over and has not begun a ring yet.
    #[inline]
    fn notice_newest_writer(&mut self) {
        let newest = self.source.newest_writer();
        if newest != self.writer {
            self.notice_writer(newest);
        }
    }

    fn notice_writer(&mut self, found: Option<WriterId>) {
        let Some(found) = found else { return };
        if self.writer.replace(found).is_some_and(|before| before != found) {
            self.push_event(EventKind::WriterRestarted);
        }
    }

    /// Reports that the writer was found dead, once for each writer.
    pub fn notice_death(&mut self) {
        let dead = self.source.newest_writer();
        if self.events.is_first_death_of(dead) {
            self.push_event(EventKind::WriterGone { orderly: false });
        }
    }

    fn push_event(&mut self, kind: EventKind) {
        self.events.push(Event {
            kind,
            generation: self.source.ring().map(|ring| ring.generation),
            position: self.next,
            description: self.description().cloned(),
        });
    }

    /// The description held, if it applies to frames of this ring.
    pub fn description(&self) -> Option<&Arc<Description>> {
        self.descriptions.held()
    }
}
