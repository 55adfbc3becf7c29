//! The reading half of a stream.

mod answers;
mod attachment;
mod back;
mod descriptions;
mod due;
mod foreign;
mod frames;
mod info;
pub(crate) mod listening;
mod message;
mod messages;
mod notifier;
pub(crate) mod start;
mod target;
mod view;
mod waiting;

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

pub use answers::{
    Foreign, Info, Interrupter, Lag, Liveness, Outcome, ReaderOptions, RingLayout, Start, Wait, WriterId,
};
pub use frames::{Frames, Sample};
pub use message::{Message, MessageInfo, MessageOutcome, MessageReader, MessageView};
pub use notifier::Notifier;
pub use target::Copied;
pub use view::{SharedBytes, View, ViewOutcome};

use crate::protocol::{self, RingWords as _};
use crate::{Description, Error, Format, Result};
use attachment::{Attachment, Polled, Unit};
use foreign::{EitherReader, ForeignStream};
use target::{Lent, Target};

/// Most bytes that are copied between two checks: a lapped reader notices before it has copied much in vain.
pub(crate) const PIECE_BYTES: u64 = 1 << 20;

/// A cursor over the frames of a stream. It maps the stream read-only: it cannot slow, block or hurt it.
///
/// Every frame is delivered whole or counted as lost, exactly once. A reader moves on with the stream's generations and
/// with its writers, dead or restarted.
///
/// Only [`wait`](Self::wait) sleeps. Everything else answers with what is there: a stream, a ring or a description that is
/// not there yet, or has lost its name, is looked for again by the next call. It takes as long as its system calls and
/// its copies, and no writer can make it take more: each loop over what a writer says has an end of its own.
///
/// ```no_run
/// use std::time::Duration;
/// use dora_shm_ring::{Frames, Outcome, Reader, ReaderOptions, Wait};
///
/// let mut reader = Reader::open("demo", ReaderOptions::default())?;
/// let mut frames = Frames::new();
/// loop {
///     if reader.wait(Duration::from_secs(1))? != Wait::Ready {
///         continue;
///     }
///     if reader.read(&mut frames, u64::MAX)? == Outcome::Data {
///         println!("{} frames from {}, {} lost", frames.frames(), frames.first(), frames.lost());
///     }
/// }
/// # Ok::<(), dora_shm_ring::Error>(())
/// ```
///
/// # Streams that ezmsg itself wrote
///
/// ezmsg-tools 0.6 and 0.10 (struct versions 1 and 2 of its header) are read as well as they can be; [`Info::foreign`]
/// tells that a stream is one of theirs. Nothing above is then promised but this: a reader cannot hurt the stream, and what
/// is found there is checked before it is believed.
///
/// - **Frames.** Positions are made of the header's index and laps. What the writer has overwritten by the time a copy is
///   checked is lost and counted. Its writer does not say beforehand what it will overwrite: a torn frame is unlikely, and
///   cannot be excluded. Of a generation that is over, frames not read yet are counted as lost as far as they were seen.
/// - **Times.** Version 2 has one for each frame. Version 1 has none: a frame's time is its position divided by the rate
///   (seconds since the generation began), or NaN without a rate.
/// - **Waiting** is polling, since such a writer wakes nobody: every millisecond while frames come, every 20 ms after
///   0.16 s without.
/// - **Messages**: it does not tell which frames came together. [`messages`](Self::messages) gives one, sent when the newest
///   frames were found; and with [`each_description`](ReaderOptions::each_description) the description is that of the
///   newest look.
/// - **Views** are copies. [`Lag::time`] is the time since the newest look that found something.
/// - **Descriptions** are decoded from a pickle, of which nothing is ever run. One that wants to call something, or is
///   broken, leaves the samples as they are: there is no [`description`](Self::description),
///   [`description_missed`](Self::description_missed) is true, and [`Foreign::refused`] has the reason.
/// - **The end** is [`Outcome::Closed`], a quarter of a second after the writer has removed the stream in order. A writer
///   that was killed is not seen to be dead; the next one of the name is followed at once.
pub struct Reader {
    attachment: Attachment,
    foreign: Option<Box<ForeignStream>>,
}

impl Reader {
    /// Attaches to the stream `name`, or, if it does not exist, will attach as soon as it does. Never blocks.
    ///
    /// # Errors
    /// [`Error::BadName`](crate::Error::BadName); whatever is wrong with what is found under that name
    /// (`Corrupt`, `Version`, `WrongOwner`, `Permission`, `Foreign`, `Unsupported`, `TooLarge`).
    pub fn open(name: &str, options: ReaderOptions) -> Result<Reader> {
        let (attachment, foreign) = foreign::open(name, options, Unit::Frames)?;
        Ok(Self { attachment, foreign })
    }

    /// Sleeps until there is something to read, at most `timeout`. Unless it may [`spin`](ReaderOptions::spin), it uses no CPU
    /// meanwhile: it wakes four times a second to see whether the writer lives (and, while the stream does not exist, twenty
    /// times to look for it). The one call that sleeps; another thread ends it by an [`interrupter`](Self::interrupter).
    ///
    /// # Errors
    /// Those of [`open`](Self::open).
    pub fn wait(&mut self, timeout: Duration) -> Result<Wait> {
        foreign::wait(&mut self.attachment, &mut self.foreign, timeout)
    }

    /// Copies what is new, at most `max_frames`, into `into`, whose old content is gone. Never blocks.
    ///
    /// A reader that was lapped goes on half a ring behind the writer, so that it is not lapped again at once; what it
    /// passes over is in [`Frames::lost`].
    ///
    /// # Errors
    /// [`Error::Corrupt`](crate::Error::Corrupt) when shared memory contradicts the protocol: the reader has let go of
    /// the stream and attaches anew when read again.
    pub fn read(&mut self, into: &mut Frames, max_frames: u64) -> Result<Outcome> {
        into.clear();
        if max_frames == 0 {
            return Ok(Outcome::Nothing);
        }
        let (outcome, copied) = self.read_to(into, max_frames, false).inspect_err(|_| into.clear())?;
        into.set_copied(&copied, self.format());
        Ok(outcome)
    }

    /// As [`read`](Self::read), into memory of the caller's: at most as many frames as `times` has room for. `samples` has
    /// room for as many bytes as they have, and any content. Never blocks.
    ///
    /// A new format is told by [`Outcome::Generation`] before a frame of it is read.
    ///
    /// # Errors
    /// [`Error::BadArgument`](crate::Error::BadArgument) when `samples` has another size, with nothing read; else as
    /// [`read`](Self::read).
    pub fn read_into(&mut self, samples: &mut [u8], times: &mut [f64]) -> Result<(Outcome, Copied)> {
        self.read_lent(samples, times, false)
    }

    /// As [`read_into`](Self::read_into), but only what goes on from the frames that were read before: of the same
    /// generation and, with [`each_description`](ReaderOptions::each_description), description, and with none lost in
    /// between. Else this is [`Outcome::Nothing`], and the next `read_into` gives what is there. Never blocks.
    ///
    /// So a read of a certain number of frames is made of several.
    ///
    /// # Errors
    /// As [`read_into`](Self::read_into).
    pub fn continue_into(&mut self, samples: &mut [u8], times: &mut [f64]) -> Result<(Outcome, Copied)> {
        self.read_lent(samples, times, true)
    }

    fn read_lent(&mut self, samples: &mut [u8], times: &mut [f64], continuing: bool) -> Result<(Outcome, Copied)> {
        if times.is_empty() {
            return Ok((Outcome::Nothing, Copied::default()));
        }
        self.check_room(samples, times)?;
        let max_frames = times.len() as u64;
        self.read_to(&mut Lent { samples, times }, max_frames, continuing)
    }

    fn read_to(&mut self, into: &mut impl Target, max_frames: u64, continuing: bool) -> Result<(Outcome, Copied)> {
        self.either(
            into,
            |reader, into| reader.read_own(*into, max_frames, continuing),
            |foreign, own, into| foreign.read(own, *into, max_frames, continuing),
        )
    }

    fn read_own(&mut self, into: &mut impl Target, max_frames: u64, continuing: bool) -> Result<(Outcome, Copied)> {
        // Lapped while copying the first piece: again. A reader too slow gets an answer, not a loop.
        for _ in 0..4 {
            let committed = match self.attachment.poll()? {
                Polled::Data(committed) => committed.frames,
                Polled::Nothing => break,
                Polled::Moved => return Ok((Outcome::Generation, Copied::default())),
                Polled::Closed => return Ok((Outcome::Closed, Copied::default())),
            };
            let mut copied = self.copy_new(committed, max_frames, into, continuing)?;
            if copied.frames > 0 {
                copied.lost = self.attachment.take_pending_lost();
                return Ok((Outcome::Data, copied));
            }
            if continuing {
                break;
            }
        }
        Ok((Outcome::Nothing, Copied::default()))
    }

    /// R4 to R7, in pieces, up to `committed`. No frames when the first piece was lapped, or does not go on from what was
    /// read before and is asked to.
    fn copy_new(
        &mut self,
        committed: u64,
        max_frames: u64,
        into: &mut impl Target,
        continuing: bool,
    ) -> Result<Copied> {
        let Some(ring) = self.attachment.ring() else { return Ok(Copied::default()) };
        let ring_frames = ring.memory.frames();
        let ahead = committed - (ring_frames / 2).max(1).min(committed);
        let oldest = committed.saturating_sub(ring_frames);
        if continuing && (self.attachment.next < oldest || self.attachment.pending_lost() > 0) {
            return Ok(Copied::default());
        }
        if self.attachment.next < oldest {
            // Lapped already: go on where the writer does not come again at once.
            self.attachment.lose_up_to(ahead);
        }
        let next = self.attachment.next;
        let wanted = next..committed.min(next.saturating_add(max_frames));
        let wanted = self.attachment.readable(wanted, continuing)?;

        let Some(ring) = self.attachment.ring.take() else { return Ok(Copied::default()) };
        let memory = &ring.memory;
        memory.expect_copy(wanted.start);
        let frame_bytes = memory.geometry().frame_bytes;
        let mut copied = Copied { first: wanted.start, generation: ring.generation, ..Copied::default() };
        let piece_frames = (PIECE_BYTES / frame_bytes).max(1);
        let mut failure = None;
        while self.attachment.next < wanted.end {
            let piece = self.attachment.next..wanted.end.min(self.attachment.next.saturating_add(piece_frames));
            let done = copied.frames..copied.frames + (piece.end - piece.start);
            into.make_room(done.end, frame_bytes);
            let bytes = (done.start * frame_bytes) as usize..(done.end * frame_bytes) as usize;
            memory.copy_times(&piece, &mut into.times()[done.start as usize..done.end as usize]);
            memory.copy_samples(&piece, &mut into.samples()[bytes]);
            let reserved = protocol::recheck(memory);
            if reserved.frames < committed {
                failure = Some(format!("reserved is {}, below the {committed} committed", reserved.frames));
                break;
            }
            let whole = reserved.whole_from(ring_frames, &piece);
            if whole == piece.start {
                self.attachment.deliver_up_to(piece.end);
                copied.frames = done.end;
                continue;
            }
            if copied.frames == 0 && !continuing {
                self.attachment.lose_up_to(whole.max(ahead).min(committed));
            }
            break;
        }
        self.attachment.ring = Some(ring);
        match failure {
            Some(reason) => Err(self.attachment.corrupt(reason)),
            None => Ok(copied),
        }
    }

    /// Moves on to the next generation, or to the stream's end, if nothing is left to read in this one; says so as
    /// [`read`](Self::read) does. [`Outcome::Data`]: there is something to read here. Never blocks.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn advance(&mut self) -> Result<Outcome> {
        self.either((), |reader, ()| reader.advance_own(), |foreign, own, ()| foreign.advance(own))
    }

    fn advance_own(&mut self) -> Result<Outcome> {
        Ok(match self.attachment.poll()? {
            Polled::Data(_) => Outcome::Data,
            Polled::Nothing => Outcome::Nothing,
            Polled::Moved => Outcome::Generation,
            Polled::Closed => Outcome::Closed,
        })
    }

    /// Frames that are committed and not read, at this moment.
    pub fn unread(&self) -> u64 {
        if self.foreign.is_some() {
            return self.lag().frames;
        }
        let committed = self.attachment.ring().map_or(0, |ring| ring.memory.committed().load(Ordering::Acquire));
        committed.saturating_sub(self.attachment.next)
    }

    fn check_room(&self, samples: &[u8], times: &[f64]) -> Result<()> {
        let Some(format) = self.format() else { return Ok(()) };
        let expected = (times.len() as u64).checked_mul(format.frame_bytes());
        if expected == Some(samples.len() as u64) {
            return Ok(());
        }
        let (found, frames, bytes) = (samples.len(), times.len(), format.frame_bytes());
        Err(Error::BadArgument {
            reason: format!("room for {found} bytes of samples, expected that of {frames} frames of {bytes} bytes"),
        })
    }

    /// Lends what is new, at most `max_frames`, in place. The writer may overwrite it at any moment: what was whole is
    /// known when it is given back to [`finish`](Self::finish), so act on nothing read from it before that. Never blocks.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn view(&mut self, max_frames: u64) -> Result<ViewOutcome> {
        self.either((), |reader, ()| reader.view_own(max_frames), |foreign, own, ()| foreign.view(own, max_frames))
    }

    fn view_own(&mut self, max_frames: u64) -> Result<ViewOutcome> {
        if max_frames == 0 {
            return Ok(ViewOutcome::Nothing);
        }
        let committed = match self.attachment.poll()? {
            Polled::Data(committed) => committed.frames,
            Polled::Nothing => return Ok(ViewOutcome::Nothing),
            Polled::Moved => return Ok(ViewOutcome::Generation),
            Polled::Closed => return Ok(ViewOutcome::Closed),
        };
        let Some(ring) = self.attachment.ring() else { return Ok(ViewOutcome::Nothing) };
        let oldest = committed.saturating_sub(ring.memory.frames());
        let start = self.attachment.next.max(oldest);
        let end = committed.min(start.saturating_add(max_frames));
        let wanted = self.attachment.readable(start..end, false)?;
        let Some(ring) = self.attachment.ring() else { return Ok(ViewOutcome::Nothing) };
        ring.memory.expect_copy(wanted.start);
        Ok(ViewOutcome::Frames(View::new(ring, wanted)))
    }

    /// Takes a view back and moves the cursor behind it. Returns the positions that were whole all the time: the end of
    /// the view, or all of it. What was not is counted as lost. A view of a ring that the reader has left is empty. Never
    /// blocks.
    pub fn finish(&mut self, view: View) -> Range<u64> {
        if let Some(foreign) = &mut self.foreign {
            return foreign.finish(&mut self.attachment, &view);
        }
        let range = view.range();
        let memory = self.attachment.ring().and_then(|ring| view.memory_in(&ring.map));
        let Some(memory) = memory.filter(|_| range.end >= self.attachment.next) else {
            return range.end..range.end;
        };
        let reserved = protocol::recheck(memory);
        let whole = reserved.whole_from(memory.frames(), &range).max(self.attachment.next);
        self.attachment.lose_up_to(whole);
        if whole < range.end {
            self.attachment.deliver_up_to(range.end);
            self.attachment.take_pending_lost();
        }
        whole..range.end
    }

    /// Format of the ring that is read; `None` before there is one.
    pub fn format(&self) -> Option<&Format> {
        match &self.foreign {
            Some(foreign) => foreign.format(),
            None => self.attachment.ring().map(|ring| &ring.format),
        }
    }

    /// The description of the newest frames of the ring that is read, or, with
    /// [`each_description`](ReaderOptions::each_description), of those that were read last. One that was published since,
    /// and has no frames yet, comes with its first.
    pub fn description(&self) -> Option<&Arc<Description>> {
        match &self.foreign {
            Some(foreign) => foreign.description(),
            None => self.attachment.description(),
        }
    }

    /// Whether the description in force was gone before it could be read; then [`description`](Self::description) is
    /// another one of the same generation, or none.
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

    /// The writer that made the ring that is read; another one than before means that the stream was restarted.
    pub fn writer_of_ring(&self) -> Option<WriterId> {
        match &self.foreign {
            Some(foreign) => foreign.writer(),
            None => self.attachment.writer_of_ring(),
        }
    }

    /// The writer that has the stream that the reader is attached to, or last had it. Another one than
    /// [`writer_of_ring`](Self::writer_of_ring) has taken the stream over and begun no ring yet, or its ring comes next.
    pub fn newest_writer(&self) -> Option<WriterId> {
        match &self.foreign {
            Some(foreign) => foreign.writer(),
            None => self.attachment.newest_writer(),
        }
    }

    /// Adds to `into` the messages that brought the frames at `positions` of the generation that is read, oldest first;
    /// the first and the last one may have brought others, too. Messages without frames are left out, and so are those
    /// whose records have been overwritten, which may happen before their frames are. Never blocks.
    pub fn messages(&self, positions: Range<u64>, into: &mut Vec<MessageInfo>) {
        match &self.foreign {
            Some(foreign) => into.extend(foreign.message(positions)),
            None => self.attachment.messages(positions, into),
        }
    }

    /// Position of the next frame that will be read.
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

    /// How the stream is; [`Liveness::Idle`] after `idle_after` without a message.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) when the system does not tell who holds the stream's lock.
    pub fn liveness(&self, idle_after: Duration) -> Result<Liveness> {
        match &self.foreign {
            Some(foreign) => foreign.liveness(&self.attachment),
            None => self.attachment.liveness(idle_after),
        }
    }

    /// Everything that can be told of the stream.
    ///
    /// # Errors
    /// As [`liveness`](Self::liveness).
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

impl EitherReader for Reader {
    fn parts(&mut self) -> (&mut Attachment, &mut Option<Box<ForeignStream>>) {
        (&mut self.attachment, &mut self.foreign)
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader")
            .field("name", &self.attachment.name)
            .field("generation", &self.generation())
            .field("position", &self.position())
            .field("lost", &self.lost())
            .finish_non_exhaustive()
    }
}
