//! The reading half of a stream: faces of the one cursor (`protocol::cursor`).

mod any;
mod info;
mod lookup;
mod mapped;
mod message_reader;
mod notifier;
mod options;
mod spin;
mod wait;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

pub use info::{Info, RingLayout};
pub use message_reader::{Message, MessageReader, MessageView};
pub use notifier::Notifier;
pub use options::{Interrupter, Lag, ReaderOptions, Wait};

use crate::frames::view::View;
use crate::frames::{Frames, Lent};
use crate::protocol::cursor::{Came, Copied, Cursor, MessageInfo, Outcome, Plan, Source as _, Unit};
use crate::stream::{Event, Liveness, WriterId, name};
use crate::{Description, Format, Result, shm};
use any::AnyStream;
use wait::Waiter;

/// A cursor that has attached to the stream `name`, if there is one.
fn open(name: &str, options: &ReaderOptions, unit: Unit) -> Result<Cursor<AnyStream>> {
    name::check_name(name)?;
    let came = Came { unix_ns: shm::unix_ns(), mono_ns: shm::monotonic_ns() };
    let stream = AnyStream::new(name, options.of_owner(), options.max_ring_bytes);
    let plan = Plan { unit, start: options.start, each_description: options.each_description };
    let mut cursor = Cursor::new(stream, plan, Some(came));
    cursor.begin()?;
    Ok(cursor)
}

/// What readers of frames and of messages have in common.
macro_rules! reader_methods {
    () => {
        /// Sleeps until there is something to read, at most `timeout`. Unless it may [`spin`](ReaderOptions::spin), it uses
        /// no CPU meanwhile: it wakes four times a second to see whether the writer lives (and, while the stream does not
        /// exist, twenty times to look for it). The one call that sleeps; another thread ends it by an
        /// [`interrupter`](Self::interrupter).
        ///
        /// # Errors
        /// Those of [`open`](Self::open).
        pub fn wait(&mut self, timeout: Duration) -> Result<Wait> {
            self.waiter.wait(&mut self.cursor, timeout)
        }

        /// A handle with which another thread ends a [`wait`](Self::wait).
        pub fn interrupter(&mut self) -> Interrupter {
            self.waiter.interrupter()
        }

        /// What happened to the stream beside its frames: the oldest event that was not taken yet. Never blocks, and makes
        /// no system call.
        pub fn next_event(&mut self) -> Option<Event> {
            self.cursor.events().take()
        }

        /// Passes everything that is there, generations included, without counting it as lost. Returns the most important
        /// thing that was met on the way: the stream's end, else a new generation, else how many frames were passed, else
        /// nothing. Never blocks. A writer that is faster is not chased for ever.
        ///
        /// # Errors
        /// Those of [`open`](Self::open), and [`Error::Corrupt`](crate::Error::Corrupt).
        pub fn skip_to_newest(&mut self) -> Result<Outcome<u64>> {
            self.cursor.skip_to_newest()
        }

        /// Format of the ring that is read; `None` before there is one.
        pub fn format(&self) -> Option<&Format> {
            info::format(&self.cursor)
        }

        /// Whether the description in force was gone before it could be read; then [`description`](Self::description) is
        /// another one of the same generation, or none.
        pub fn description_missed(&self) -> bool {
            self.cursor.description_missed()
        }

        /// The generation that is read.
        pub fn generation(&self) -> Option<u32> {
            self.cursor.ring().map(|ring| ring.generation)
        }

        /// The writer that made the ring that is read; another one than before means that the stream was restarted.
        pub fn writer_of_ring(&self) -> Option<WriterId> {
            self.cursor.source().ring_writer()
        }

        /// The writer that has the stream that the reader is attached to, or last had it. If it is not the one of
        /// [`writer_of_ring`](Self::writer_of_ring), it has taken the stream over and begun no ring yet, or its ring comes
        /// next.
        pub fn newest_writer(&self) -> Option<WriterId> {
            self.cursor.source().newest_writer()
        }

        /// Position of the next frame in its generation.
        pub fn position(&self) -> u64 {
            self.cursor.position()
        }

        /// Frames lost since the reader began, in all: exact.
        pub fn lost(&self) -> u64 {
            self.cursor.lost()
        }

        /// How far the reader is behind the writer.
        pub fn lag(&self) -> Lag {
            info::lag(&self.cursor)
        }

        /// How the stream is; [`Liveness::Idle`] after `idle_after` without a message. A death that is found is an event.
        ///
        /// # Errors
        /// [`Error::Io`](crate::Error::Io) when the system does not say who holds the stream's lock.
        pub fn liveness(&mut self, idle_after: Duration) -> Result<Liveness> {
            info::liveness(&mut self.cursor, idle_after)
        }

        /// Everything that can be told of the stream.
        ///
        /// # Errors
        /// As [`liveness`](Self::liveness).
        pub fn info(&self) -> Result<Info> {
            info::info(&self.cursor, self.waiter.idle_after())
        }
    };
}
use reader_methods;

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
///     if let Outcome::Data(_) = reader.read(&mut frames, u64::MAX)? {
///         println!("{} frames from {}, {} lost", frames.frames(), frames.first(), frames.lost());
///     }
/// }
/// # Ok::<(), dora_shm_ring::Error>(())
/// ```
///
/// # Streams that ezmsg itself wrote
///
/// ezmsg-tools 0.6 and 0.10 (struct versions 1 and 2 of its header) are read as well as they can be; [`Info::ezmsg`]
/// shows that a stream is one of theirs. Nothing above is then promised but this: a reader cannot hurt the stream, and what
/// is found there is checked before it is believed.
///
/// - **Frames.** Positions are made of the header's index and laps. What the writer has overwritten by the time a copy is
///   checked is lost and counted. Its writer does not say beforehand what it will overwrite: a torn frame is unlikely, and
///   cannot be excluded. Of a generation that is over, frames not read yet are counted as lost as far as they were seen.
/// - **Times.** Version 2 has one for each frame. Version 1 has none: a frame's time is its position divided by the rate
///   (seconds since the generation began), or NaN without a rate.
/// - **Waiting** is polling, since such a writer wakes nobody: every millisecond while frames come, every 20 ms after
///   0.16 s without.
/// - **Messages**: it does not say which frames came together. What is new at a look is a message, sent when it was found;
///   and with [`each_description`](ReaderOptions::each_description) the description is that of the newest look.
/// - **Views** are copies. [`Lag::time`] is the time since a look found the oldest unread frame.
/// - **Descriptions** are decoded from a pickle, of which nothing is ever run. One that wants to call something, or is
///   broken, leaves the samples as they are: there is no [`description`](Self::description),
///   [`description_missed`](Self::description_missed) is true, and [`EzmsgInfo::refused`](crate::EzmsgInfo::refused) has the reason.
/// - **The end** is [`Outcome::Closed`], a quarter of a second after the writer has removed the stream in order. A writer
///   that was killed is not seen to be dead; the next one of the name is followed at once.
pub struct Reader {
    cursor: Cursor<AnyStream>,
    waiter: Waiter,
}

impl Reader {
    /// Attaches to the stream `name`, or, if it does not exist, will attach as soon as it does. Never blocks.
    ///
    /// # Errors
    /// [`Error::BadName`](crate::Error::BadName); whatever is wrong with what is found under that name
    /// (`Corrupt`, `Version`, `WrongOwner`, `Permission`, `Ezmsg`, `Unsupported`, `TooLarge`).
    pub fn open(name: &str, options: ReaderOptions) -> Result<Reader> {
        Ok(Self { cursor: open(name, &options, Unit::Frames)?, waiter: Waiter::new(&options) })
    }

    /// Copies what is new, at most `max_frames`, into `into`, whose old content is gone. Returns how many frames they are.
    /// Never blocks.
    ///
    /// A reader that was lapped goes on half a ring behind the writer, so that it is not lapped again at once; what it
    /// passes over is in [`Frames::lost`].
    ///
    /// # Errors
    /// [`Error::Corrupt`](crate::Error::Corrupt) when shared memory contradicts the protocol: the reader has let go of
    /// the stream and attaches anew when read again.
    pub fn read(&mut self, into: &mut Frames, max_frames: u64) -> Result<Outcome<u64>> {
        into.clear();
        let outcome = self.cursor.read(into, max_frames, false).inspect_err(|_| into.clear())?;
        let copied = outcome.data().unwrap_or_default();
        into.set_copied(&copied, self.format());
        Ok(outcome.map(|copied| copied.frames))
    }

    /// As [`read`](Self::read), into memory of the caller's: at most as many frames as `times` has room for. `samples` has
    /// room for as many bytes as they have, and any content. Never blocks.
    ///
    /// A new format is reported by [`Outcome::Generation`] before a frame of it is read.
    ///
    /// # Errors
    /// [`Error::BadArgument`](crate::Error::BadArgument) when `samples` has another size, with nothing read; else as
    /// [`read`](Self::read).
    pub fn read_into(&mut self, samples: &mut [u8], times: &mut [f64]) -> Result<Outcome<Copied>> {
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
    pub fn continue_into(&mut self, samples: &mut [u8], times: &mut [f64]) -> Result<Outcome<Copied>> {
        self.read_lent(samples, times, true)
    }

    fn read_lent(&mut self, samples: &mut [u8], times: &mut [f64], continuing: bool) -> Result<Outcome<Copied>> {
        if times.is_empty() {
            return Ok(Outcome::Nothing);
        }
        self.cursor.check_room(times.len(), samples.len())?;
        let max_frames = times.len() as u64;
        self.cursor.read(&mut Lent { samples, times }, max_frames, continuing)
    }

    /// Moves on to the next generation, or to the stream's end, if nothing is left to read in this one; reports it as
    /// [`read`](Self::read) does. [`Outcome::Data`]: there are so many frames to read here. Never blocks.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn advance(&mut self) -> Result<Outcome<u64>> {
        self.cursor.advance()
    }

    /// Passes new frames, at most `max_frames`, as [`read`](Self::read) does, without copying them: they count as read.
    /// Never blocks.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn skip(&mut self, max_frames: u64) -> Result<Outcome<Copied>> {
        self.cursor.pass(max_frames)
    }

    /// Passes new frames up to the first one that is less than `seconds` older than the newest, by their times: for a reader
    /// that has just begun at the oldest frame, and is to begin some seconds back. What it passes is not an event. Frames that
    /// are written meanwhile are not passed. Never blocks.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn skip_to_last(&mut self, seconds: f64) -> Result<()> {
        let mut passed = self.unread().saturating_sub(self.frames_within(seconds)?);
        while passed > 0
            && let Outcome::Data(skipped) = self.skip(passed)?
        {
            passed -= skipped.frames.min(passed);
        }
        self.cursor.events().clear();
        Ok(())
    }

    /// Frames that are committed and not read, at this moment.
    pub fn unread(&self) -> u64 {
        self.cursor.unread()
    }

    /// Lends what is new, at most `max_frames`, in place. The writer may overwrite it at any moment: what was whole is
    /// known when it is given back to [`finish`](Self::finish), so act on nothing read from it before that. Never blocks.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn view(&mut self, max_frames: u64) -> Result<Outcome<View>> {
        self.cursor.view(max_frames)
    }

    /// Takes a view back and moves behind it. Returns the positions that were whole all the time: the end of the view, or
    /// all of it. What was not is counted as lost. A view of a ring that the reader has left is empty. Never blocks.
    pub fn finish(&mut self, view: View) -> Range<u64> {
        self.cursor.finish(&view)
    }

    /// The description of the newest frames of the ring that is read, or, with
    /// [`each_description`](ReaderOptions::each_description), of those that were read last. One that was published since,
    /// and has no frames yet, comes with its first.
    pub fn description(&self) -> Option<&Arc<Description>> {
        self.cursor.description()
    }

    /// Adds to `into` the messages that brought the frames at `positions` of the generation that is read, oldest first;
    /// the first and the last one may have brought others, too. Messages without frames are left out, and so are those
    /// whose records have been overwritten, which may happen before their frames are. Never blocks.
    pub fn messages(&self, positions: Range<u64>, into: &mut Vec<MessageInfo>) {
        self.cursor.messages(positions, into);
    }

    reader_methods!();
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader")
            .field("name", &self.cursor.source().name())
            .field("generation", &self.generation())
            .field("position", &self.position())
            .field("lost", &self.lost())
            .finish_non_exhaustive()
    }
}
