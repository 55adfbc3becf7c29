//! A stream as the messages that were written, one at a time.

use std::sync::Arc;
use std::time::Duration;

use super::attachment::{Attachment, Polled, Unit};
use super::foreign::{self, EitherReader, ForeignStream};
use super::frames::AlignedBytes;
use super::{Info, Interrupter, Lag, Liveness, Outcome, PIECE_BYTES, ReaderOptions, SharedBytes, View, Wait, WriterId};
use crate::layout::Record;
use crate::protocol::{self, Committed, RingWords as _};
use crate::{Description, Format, Result};

/// What is known of a message beside its frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MessageInfo {
    /// Number of the message in its generation.
    pub chunk: u64,
    /// Position of its first frame in its generation.
    pub first: u64,
    /// How many frames it has; 0 for an empty message.
    pub frames: u64,
    /// When it was sent, Unix nanoseconds.
    pub send_ns: i64,
    /// CLOCK_MONOTONIC when it was committed, nanoseconds.
    pub mono_ns: u64,
    /// Frames lost just before it, since the message before: exact.
    pub lost: u64,
    /// The generation it belongs to.
    pub generation: u32,
    /// Position of its first frame in the stream, over all generations.
    pub stream_position: u64,
}

/// A message copied out of a stream.
#[derive(Clone, Default)]
pub struct Message {
    pub(super) info: MessageInfo,
    pub(super) samples: AlignedBytes,
    pub(super) times: Vec<f64>,
}

impl Message {
    /// No message yet; the first read makes room.
    pub fn new() -> Self {
        Self::default()
    }

    /// What is known of it beside its frames.
    pub fn info(&self) -> &MessageInfo {
        &self.info
    }

    /// Its samples in C order, frame after frame.
    pub fn samples(&self) -> &[u8] {
        self.samples.as_slice()
    }

    /// One value per frame on the buffered axis; seconds for a time axis.
    pub fn times(&self) -> &[f64] {
        &self.times
    }
}

/// A message lent in place by [`MessageReader::view`].
#[derive(Debug)]
pub struct MessageView {
    pub(super) info: MessageInfo,
    pub(super) view: View,
}

impl MessageView {
    /// What is known of it beside its frames.
    pub fn info(&self) -> &MessageInfo {
        &self.info
    }

    /// The times, in order; the second part is empty unless the message wraps round the ring's end.
    pub fn times(&self) -> [&[f64]; 2] {
        self.view.times()
    }

    /// The samples, in order; the second part is empty unless the message wraps round the ring's end.
    pub fn samples(&self) -> [SharedBytes; 2] {
        self.view.samples()
    }
}

/// What became of [`MessageReader::view`].
#[derive(Debug)]
pub enum MessageOutcome {
    /// A message in place.
    Message(MessageView),
    /// There is nothing new.
    Nothing,
    /// The reader moved on to a new ring; see [`Outcome::Generation`].
    Generation,
    /// See [`Outcome::Closed`].
    Closed,
}

/// A cursor over the messages of a stream: each comes whole, or all its frames are counted as lost.
///
/// Everything said of [`Reader`](super::Reader) holds; only the unit is another.
///
/// A stream that ezmsg itself wrote does not say where its messages end: there a message is what is new at a look, at most
/// 1 MiB or half the ring (and one frame at least), sent at the moment when it was found. [`Start::Last`](super::Start)
/// counts frames.
pub struct MessageReader {
    attachment: Attachment,
    foreign: Option<Box<ForeignStream>>,
}

enum Found {
    Record(u64, Record),
    Other(Outcome),
}

impl MessageReader {
    /// As [`Reader::open`](super::Reader::open). Never blocks.
    ///
    /// # Errors
    /// As there.
    pub fn open(name: &str, options: ReaderOptions) -> Result<Self> {
        let (attachment, foreign) = foreign::open(name, options, Unit::Messages)?;
        Ok(Self { attachment, foreign })
    }

    /// As [`Reader::wait`](super::Reader::wait): the one call that sleeps.
    ///
    /// # Errors
    /// As there.
    pub fn wait(&mut self, timeout: Duration) -> Result<Wait> {
        foreign::wait(&mut self.attachment, &mut self.foreign, timeout)
    }

    /// Copies the next message into `into`. Never blocks.
    ///
    /// # Errors
    /// As [`Reader::read`](super::Reader::read).
    pub fn next(&mut self, into: &mut Message) -> Result<Outcome> {
        self.either(into, |reader, into| reader.next_own(into), |foreign, own, into| foreign.next(own, into))
    }

    fn next_own(&mut self, into: &mut Message) -> Result<Outcome> {
        // A message that is lapped while it is copied is lost; after four of them the caller gets an answer.
        for _ in 0..4 {
            let (chunk, record) = match self.find()? {
                Found::Record(chunk, record) => (chunk, record),
                Found::Other(outcome) => return Ok(outcome),
            };
            let whole = self.copy(&record, into)?;
            self.pass(&record, chunk, whole);
            if whole {
                into.info = self.info_of(chunk, &record);
                return Ok(Outcome::Data);
            }
        }
        Ok(Outcome::Nothing)
    }

    /// Lends the next message in place; see [`Reader::view`](super::Reader::view). Never blocks.
    ///
    /// # Errors
    /// As [`Reader::read`](super::Reader::read).
    pub fn view(&mut self) -> Result<MessageOutcome> {
        self.either((), |reader, ()| reader.view_own(), |foreign, own, ()| foreign.message_view(own))
    }

    fn view_own(&mut self) -> Result<MessageOutcome> {
        let (chunk, record) = match self.find()? {
            Found::Record(chunk, record) => (chunk, record),
            Found::Other(Outcome::Generation) => return Ok(MessageOutcome::Generation),
            Found::Other(Outcome::Closed) => return Ok(MessageOutcome::Closed),
            Found::Other(_) => return Ok(MessageOutcome::Nothing),
        };
        let Some(ring) = self.attachment.ring() else { return Ok(MessageOutcome::Nothing) };
        ring.memory.expect_copy(record.first);
        let view = View::new(ring, record.first..record.first + record.frames);
        let pending = self.attachment.pending_lost();
        let info = MessageInfo { lost: pending, ..self.info_without_loss(chunk, &record) };
        Ok(MessageOutcome::Message(MessageView { info, view }))
    }

    /// Takes a message back and moves on. `true`: it was whole all the time. `false`: it was lapped, and its frames are
    /// counted as lost. Never blocks.
    pub fn finish(&mut self, message: MessageView) -> bool {
        if let Some(foreign) = &mut self.foreign {
            return foreign.finish_message(&mut self.attachment, &message);
        }
        let memory = self.attachment.ring().and_then(|ring| message.view.memory_in(&ring.map));
        let Some(memory) = memory.filter(|_| message.info.chunk == self.attachment.next_chunk) else { return false };
        let range = message.view.range();
        let whole = protocol::recheck(memory).whole_from(memory.frames(), &range) == range.start;
        let record = Record { first: message.info.first, frames: message.info.frames, ..Record::default() };
        self.pass(&record, message.info.chunk, whole);
        if whole {
            self.attachment.take_pending_lost();
        }
        whole
    }

    fn pass(&mut self, record: &Record, chunk: u64, whole: bool) {
        let end = record.first + record.frames;
        if whole {
            self.attachment.deliver_up_to(end);
        } else {
            self.attachment.lose_up_to(end);
        }
        self.attachment.next_chunk = chunk + 1;
    }

    fn info_of(&mut self, chunk: u64, record: &Record) -> MessageInfo {
        MessageInfo { lost: self.attachment.take_pending_lost(), ..self.info_without_loss(chunk, record) }
    }

    fn info_without_loss(&self, chunk: u64, record: &Record) -> MessageInfo {
        let ring = self.attachment.ring();
        MessageInfo {
            chunk,
            first: record.first,
            frames: record.frames,
            send_ns: record.send_ns,
            mono_ns: record.mono_ns,
            lost: 0,
            generation: ring.map_or(0, |ring| ring.generation),
            stream_position: ring.map_or(0, |ring| ring.base + record.first),
        }
    }

    /// The record of the next message that is committed and not lapped, and its description.
    fn find(&mut self) -> Result<Found> {
        // A reader too slow, or a writer that claims to be always ahead, gets an answer, not a loop.
        for _ in 0..4 {
            let committed = match self.attachment.poll()? {
                Polled::Data(committed) => committed,
                Polled::Nothing => return Ok(Found::Other(Outcome::Nothing)),
                Polled::Moved => return Ok(Found::Other(Outcome::Generation)),
                Polled::Closed => return Ok(Found::Other(Outcome::Closed)),
            };
            let chunk = self.attachment.next_chunk;
            let Some(record) = self.attachment.record(chunk) else {
                self.skip_lapped(committed)?;
                continue;
            };
            let Some(end) = record.first.checked_add(record.frames).filter(|_| record.first == self.attachment.next)
            else {
                let reason = format!(
                    "the record of chunk {chunk} says frames {}+{}, expected the first to be {}",
                    record.first, record.frames, self.attachment.next
                );
                return Err(self.attachment.corrupt(reason));
            };
            if end > committed.frames {
                // Its frames are not committed. If this ring is over, they never will be.
                return Ok(match self.attachment.over_before(end)? {
                    Some(Polled::Moved) => Found::Other(Outcome::Generation),
                    Some(Polled::Closed) => Found::Other(Outcome::Closed),
                    _ => Found::Other(Outcome::Nothing),
                });
            }
            let ring_frames = self.attachment.ring().map_or(0, |ring| ring.memory.frames());
            if record.first < committed.frames.saturating_sub(ring_frames) {
                self.skip_lapped(committed)?;
                continue;
            }
            self.attachment.hold_description(record.meta_generation)?;
            return Ok(Found::Record(chunk, record));
        }
        Ok(Found::Other(Outcome::Nothing))
    }

    /// Lapped: goes on at the first message of the newer half of the ring, or at the newest message where that is too
    /// long, counting what is passed over as lost.
    fn skip_lapped(&mut self, committed: Committed) -> Result<()> {
        let Some(ring) = self.attachment.ring() else { return Ok(()) };
        let memory = &ring.memory;
        let ahead = committed.frames - (memory.frames() / 2).max(1).min(committed.frames);
        let kept = (memory.records() / 2).max(1);
        let first_chunk = self.attachment.next_chunk.max(committed.chunks.saturating_sub(kept));
        let newest = committed.chunks - 1;
        let mut found = None;
        for chunk in first_chunk..=newest {
            let Some(record) = self.attachment.record(chunk) else { continue };
            let exists = record.first.checked_add(record.frames).is_some_and(|end| end <= committed.frames);
            if exists && record.first >= self.attachment.next {
                found = Some((chunk, record));
                if record.first >= ahead {
                    break;
                }
            }
        }
        let Some((chunk, record)) = found else {
            // Everything up to here has been lapped meanwhile; the next look sees newer messages.
            return Ok(());
        };
        let oldest = committed.frames.saturating_sub(memory.frames());
        // A single message longer than the ring: passed over, too.
        let (position, chunk) =
            if record.first < oldest { (record.first + record.frames, chunk + 1) } else { (record.first, chunk) };
        self.attachment.lose_up_to(position);
        self.attachment.next_chunk = chunk;
        Ok(())
    }

    /// Copies a message, in pieces. Whether it was whole.
    fn copy(&mut self, record: &Record, into: &mut Message) -> Result<bool> {
        let Some(ring) = self.attachment.ring() else { return Ok(false) };
        let memory = &ring.memory;
        let frame_bytes = memory.geometry().frame_bytes;
        into.samples.set_length((record.frames * frame_bytes) as usize);
        into.times.resize(record.frames as usize, 0.0);
        let piece_frames = (PIECE_BYTES / frame_bytes).max(1);
        let mut done = 0;
        while done < record.frames {
            let frames = piece_frames.min(record.frames - done);
            let piece = record.first + done..record.first + done + frames;
            let (from, to) = (done as usize, (done + frames) as usize);
            memory.copy_times(&piece, &mut into.times[from..to]);
            let bytes = from * frame_bytes as usize..to * frame_bytes as usize;
            memory.copy_samples(&piece, &mut into.samples.as_mut_slice()[bytes]);
            let reserved = protocol::recheck(memory);
            if reserved.frames < piece.end {
                let reason = format!("reserved is {}, below the {} committed", reserved.frames, piece.end);
                return Err(self.attachment.corrupt(reason));
            }
            if reserved.whole_from(memory.frames(), &piece) != piece.start {
                return Ok(false);
            }
            done += frames;
        }
        Ok(true)
    }

    /// Format of the ring that is read; `None` before there is one.
    pub fn format(&self) -> Option<&Format> {
        match &self.foreign {
            Some(foreign) => foreign.format(),
            None => self.attachment.ring().map(|ring| &ring.format),
        }
    }

    /// The description in force for the message last returned.
    pub fn description(&self) -> Option<&Arc<Description>> {
        match &self.foreign {
            Some(foreign) => foreign.description(),
            None => self.attachment.description(),
        }
    }

    /// Whether that message's description was gone before it could be read; then an older one is given, or none.
    pub fn description_missed(&self) -> bool {
        match &self.foreign {
            Some(foreign) => foreign.description_missed(),
            None => self.attachment.description_missed(),
        }
    }

    /// The generation that is read.
    pub fn generation(&self) -> Option<u32> {
        match &self.foreign {
            Some(foreign) => foreign.generation(),
            None => self.attachment.ring().map(|ring| ring.generation),
        }
    }

    /// As [`Reader::writer_of_ring`](super::Reader::writer_of_ring): another one than before means that the stream was
    /// restarted.
    pub fn writer_of_ring(&self) -> Option<WriterId> {
        match &self.foreign {
            Some(foreign) => foreign.writer(),
            None => self.attachment.writer_of_ring(),
        }
    }

    /// Position of the next message's first frame in its generation.
    pub fn position(&self) -> u64 {
        self.attachment.next
    }

    /// Frames lost since the reader began, in all: exact.
    pub fn lost(&self) -> u64 {
        self.attachment.lost()
    }

    /// How far the cursor is behind the writer.
    pub fn lag(&self) -> Lag {
        match &self.foreign {
            Some(foreign) => foreign.lag(&self.attachment),
            None => self.attachment.lag(),
        }
    }

    /// As [`Reader::liveness`](super::Reader::liveness).
    ///
    /// # Errors
    /// As there.
    pub fn liveness(&self, idle_after: Duration) -> Result<Liveness> {
        match &self.foreign {
            Some(foreign) => foreign.liveness(&self.attachment),
            None => self.attachment.liveness(idle_after),
        }
    }

    /// As [`Reader::info`](super::Reader::info).
    ///
    /// # Errors
    /// As there.
    pub fn info(&self) -> Result<Info> {
        match &self.foreign {
            Some(foreign) => foreign.info(&self.attachment),
            None => self.attachment.info(),
        }
    }

    /// A handle with which another thread ends a [`wait`](Self::wait).
    pub fn interrupter(&mut self) -> Interrupter {
        self.attachment.interrupter()
    }
}

impl EitherReader for MessageReader {
    fn parts(&mut self) -> (&mut Attachment, &mut Option<Box<ForeignStream>>) {
        (&mut self.attachment, &mut self.foreign)
    }
}

impl std::fmt::Debug for MessageReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MessageReader")
            .field("name", &self.attachment.name)
            .field("generation", &self.generation())
            .field("next_chunk", &self.attachment.next_chunk)
            .field("lost", &self.lost())
            .finish_non_exhaustive()
    }
}
