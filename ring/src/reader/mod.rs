//! The reading half of a stream: thin wrappers around the one cursor (`protocol::cursor`).

mod any;
mod info;
mod lookup;
mod mapped;
mod message_reader;
mod notifier;
mod options;
mod spin;
mod stream;
mod wait;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

pub use info::{Info, RingLayout};
pub use message_reader::{Message, MessageReader, MessageView};
pub use notifier::Notifier;
pub use options::{Interrupter, Lag, ReaderOptions, Wait};

use crate::frames::view::View;
use crate::frames::{Frames, Lent, LentTimes};
use crate::protocol::cursor::{Came, Copied, Cursor, MessageInfo, Outcome, Plan, Source as _, Unit};
use crate::stream::{Event, Liveness, WriterId, name};
use crate::{Description, Format, Result, shm};
use any::AnyStream;
use stream::Stream as _;
use wait::Waiter;

/// A cursor that is attached to the stream `name`, if that exists.
fn open(name: &str, options: &ReaderOptions, unit: Unit) -> Result<Cursor<AnyStream>> {
    name::check_name(name)?;
    let came = Came { unix_ns: shm::unix_ns(), mono_ns: shm::monotonic_ns() };
    let stream = AnyStream::new(name, options.of_owner(), options.max_ring_bytes);
    let plan = Plan { unit, start: options.start, each_description: options.each_description };
    let mut cursor = Cursor::new(stream, plan, Some(came));
    cursor.begin()?;
    Ok(cursor)
}

/// The methods that readers of frames and of messages share.
macro_rules! reader_methods {
    () => {
        /// Blocks until there is something to read, at most `timeout`. Unless [`spin`](ReaderOptions::spin) is set, it
        /// sleeps in the kernel and wakes four times a second to check whether the writer lives (or, while the stream
        /// does not exist, twenty times a second to look for it). No other method blocks. Another thread can end the
        /// wait with an [`interrupter`](Self::interrupter).
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

        /// Takes the oldest event that has not been taken yet. Events report what happens to a stream apart from its
        /// frames. Never blocks, and makes no system call.
        pub fn next_event(&mut self) -> Option<Event> {
            self.cursor.events().take()
        }

        /// Skips everything that is committed, generations included, without counting it as lost. Returns the most
        /// important outcome on the way: the stream's end, else a new generation, else how many frames were skipped,
        /// else nothing. Never blocks. The number of steps is bounded, even if the writer is faster than this call.
        ///
        /// # Errors
        /// Those of [`open`](Self::open), and [`Error::Corrupt`](crate::Error::Corrupt).
        pub fn skip_to_newest(&mut self) -> Result<Outcome<u64>> {
            self.cursor.skip_to_newest()
        }

        /// Format of the ring that is read; `None` before there is a ring.
        pub fn format(&self) -> Option<&Format> {
            self.cursor.source().format()
        }

        /// Clock of the times in the ring that is read, with which they are converted to another one
        /// ([`GenerationClock::times_on`](crate::GenerationClock::times_on)); `None` before there is a ring, or if ezmsg
        /// wrote the stream.
        pub fn clock(&self) -> Option<$crate::GenerationClock> {
            self.cursor.source().clock()
        }

        /// Whether the description in force was gone before it could be read. [`description`](Self::description) then
        /// returns another one of the same generation, or `None`.
        pub fn description_missed(&self) -> bool {
            self.cursor.description_missed()
        }

        /// The generation that is read; `None` before there is a ring.
        pub fn generation(&self) -> Option<u32> {
            self.cursor.ring().map(|ring| ring.generation)
        }

        /// The writer that made the ring that is read. If it changes, the stream was restarted.
        pub fn writer_of_ring(&self) -> Option<WriterId> {
            self.cursor.source().ring_writer()
        }

        /// The current or last writer of the stream that the reader is attached to. If it differs from
        /// [`writer_of_ring`](Self::writer_of_ring), it has taken the stream over, and the reader has not reached a
        /// ring of it yet.
        pub fn newest_writer(&self) -> Option<WriterId> {
            self.cursor.source().newest_writer()
        }

        /// Position of the next frame in its generation.
        pub fn position(&self) -> u64 {
            self.cursor.position()
        }

        /// Exact total number of frames lost since the reader was opened.
        pub fn lost(&self) -> u64 {
            self.cursor.lost()
        }

        /// How far the reader is behind the writer.
        pub fn lag(&self) -> Lag {
            stream::lag(&self.cursor)
        }

        /// State of the stream; [`Liveness::Idle`] after `idle_after` without a message. If this finds the writer dead,
        /// that is also an event.
        ///
        /// # Errors
        /// [`Error::Io`](crate::Error::Io) if the system cannot determine whether the stream's lock is held.
        pub fn liveness(&mut self, idle_after: Duration) -> Result<Liveness> {
            stream::liveness(&mut self.cursor, idle_after)
        }

        /// Everything that is known about the stream.
        ///
        /// # Errors
        /// As [`liveness`](Self::liveness).
        pub fn info(&self) -> Result<Info> {
            stream::info(&self.cursor, self.waiter.idle_after())
        }
    };
}
use reader_methods;

/// A cursor over the frames of a stream. It maps the stream read-only, so it cannot slow, block or damage it.
///
/// Every frame is delivered whole or counted as lost, exactly once. A reader follows the stream through its
/// generations, and from one writer to the next.
///
/// Only [`wait`](Self::wait) blocks. The other methods return what there is; if a stream, a ring or a description does
/// not exist yet or has lost its name, the next call looks for it again. They take as long as their system calls and
/// copies. No writer can make them take longer, since each loop over a writer's data is bounded.
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
/// # Streams that ezmsg wrote
///
/// A reader also reads streams of ezmsg-tools 0.6 and 0.10 (struct versions 1 and 2 of its header), as far as those
/// formats allow; [`Info::ezmsg`] identifies such a stream. Of the promises above, only these hold then: a reader
/// cannot damage the stream, and each value is checked before it is used.
///
/// - **Frames.** Positions are computed from the header's index and laps. Frames that the writer has overwritten by the
///   time a copy is checked are counted as lost. ezmsg's writer does not announce what it will overwrite, so a torn
///   frame is unlikely but possible. When a generation is over, its unread frames are counted as lost, as far as the
///   reader has seen them.
/// - **Times.** Version 2 stores one for each frame. Version 1 stores none: a frame's time is its position divided by
///   the rate (seconds since the generation began), or NaN without a rate.
/// - **Waiting** is polling, since ezmsg's writer does not wake readers: every millisecond while frames arrive, every
///   20 ms after 0.16 s without any.
/// - **Messages.** ezmsg's writer does not record which frames were sent together. The frames that one poll finds are a
///   message, sent when they were found. With [`each_description`](ReaderOptions::each_description), the description is
///   that of the newest poll.
/// - **Views** are copies. [`Lag::time`] is the time since a poll found the oldest unread frame.
/// - **Descriptions** are decoded from a pickle, and no code in it is ever executed. If the pickle requires a call or
///   is broken, the samples can still be read: [`description`](Self::description) returns `None`,
///   [`description_missed`](Self::description_missed) returns true, and
///   [`EzmsgInfo::refused`](crate::EzmsgInfo::refused) holds the reason.
/// - **The end** is [`Outcome::Closed`], a quarter of a second after the writer has removed the stream cleanly. A
///   reader cannot detect that a writer was killed; it follows the next stream of the name at once.
pub struct Reader {
    cursor: Cursor<AnyStream>,
    waiter: Waiter,
}

impl Reader {
    /// Attaches to the stream `name`. If that does not exist, the reader attaches as soon as it does. Never blocks.
    ///
    /// # Errors
    /// [`Error::BadName`](crate::Error::BadName), or the error for the segment found under that name (`Corrupt`,
    /// `Version`, `WrongOwner`, `Permission`, `Ezmsg`, `Unsupported`, `TooLarge`).
    pub fn open(name: &str, options: ReaderOptions) -> Result<Reader> {
        Ok(Self { cursor: open(name, &options, Unit::Frames)?, waiter: Waiter::new(&options) })
    }

    /// Copies new frames into `into`, at most `max_frames`, and replaces its old content. Returns how many were copied.
    /// Never blocks.
    ///
    /// A reader that was lapped continues half a ring behind the writer, so that it is not lapped again at once.
    /// [`Frames::lost`] counts the frames that it skips.
    ///
    /// # Errors
    /// [`Error::Corrupt`](crate::Error::Corrupt) if shared memory contradicts the protocol. The reader has then
    /// detached from the stream, and attaches anew at the next read.
    pub fn read(&mut self, into: &mut Frames, max_frames: u64) -> Result<Outcome<u64>> {
        into.clear();
        let outcome = self.cursor.read(into, max_frames, false).inspect_err(|_| into.clear())?;
        let copied = outcome.data().unwrap_or_default();
        into.set_copied(&copied, self.format());
        Ok(outcome.map(|copied| copied.frames))
    }

    /// As [`read`](Self::read), into the caller's memory: at most `times.len()` frames. `samples` must have exactly the
    /// size of that many frames; its old content does not matter. Never blocks.
    ///
    /// A new format is reported by [`Outcome::Generation`] before a frame in that format is read.
    ///
    /// # Errors
    /// [`Error::BadArgument`](crate::Error::BadArgument) if `samples` has another size; nothing is read then. Otherwise
    /// as [`read`](Self::read).
    pub fn read_into(&mut self, samples: &mut [u8], times: &mut [f64]) -> Result<Outcome<Copied>> {
        self.read_lent(samples, times, false)
    }

    /// As [`read_into`](Self::read_into), but only for frames that directly follow those read before: with none lost in
    /// between, from the same generation and, with [`each_description`](ReaderOptions::each_description), under the
    /// same description. Otherwise returns [`Outcome::Nothing`], and the next `read_into` returns the frames. Never
    /// blocks.
    ///
    /// This fills a block of a given number of frames with several reads.
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

    /// As [`read_into`](Self::read_into), without the samples: copies the times of new frames, at most `times.len()`.
    /// The frames count as read. Never blocks.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_times_into(&mut self, times: &mut [f64]) -> Result<Outcome<Copied>> {
        let max_frames = times.len() as u64;
        self.cursor.read(&mut LentTimes(times), max_frames, false)
    }

    /// Moves on to the next generation, or to the stream's end, if nothing is left to read in this one, and reports it
    /// as [`read`](Self::read) does. [`Outcome::Data`] holds the number of frames left to read in this one. Never
    /// blocks.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn advance(&mut self) -> Result<Outcome<u64>> {
        self.cursor.advance()
    }

    /// Skips new frames, at most `max_frames`: as [`read`](Self::read), without the copy. They count as read. Never
    /// blocks.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn skip(&mut self, max_frames: u64) -> Result<Outcome<Copied>> {
        self.cursor.pass(max_frames)
    }

    /// Skips new frames up to the newest that last `seconds`, as [`frames_within`](Self::frames_within) counts them. Use
    /// it to begin some seconds back, right after opening a reader at the oldest frame. Events of the skipped frames are
    /// dropped. Frames that are written during the call are not skipped. Never blocks.
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

    /// How many frames are currently committed and not read.
    pub fn unread(&self) -> u64 {
        self.cursor.unread()
    }

    /// Lends new frames in place, at most `max_frames`. The writer may overwrite them at any moment. Only
    /// [`finish`](Self::finish) reports which of them were whole, so do not act on their content before that. Never
    /// blocks.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn view(&mut self, max_frames: u64) -> Result<Outcome<View>> {
        self.cursor.view(max_frames)
    }

    /// Takes a view back and moves behind it. Returns the positions that were whole throughout: the end of the view, or
    /// all of it. The others are counted as lost. For a view of a ring that the reader has left, the range is empty.
    /// Never blocks.
    pub fn finish(&mut self, view: View) -> Range<u64> {
        self.cursor.finish(&view)
    }

    /// The description of the newest frames of the ring that is read, or, with
    /// [`each_description`](ReaderOptions::each_description), of those that were read last. A description that has been
    /// published since and has no frames yet takes effect with its first frame.
    pub fn description(&self) -> Option<&Arc<Description>> {
        self.cursor.description()
    }

    /// Adds to `into` the messages that contain the frames at `positions` of the generation that is read, and the empty
    /// messages directly before each of these frames, oldest first. The first and the last message with frames may
    /// contain other frames, too. Never blocks.
    ///
    /// An empty message thus belongs to the frame that follows it. A reader that asks for the positions of all that it
    /// reads, by copy or by view, finds each empty message exactly once, unless it loses or skips that frame. An empty
    /// message alone is no update for a reader of frames. To find those behind the newest frame at once, ask for the
    /// position of the next frame, which has not been written; only a [`MessageReader`] finds those behind the last frame
    /// of a stream that is closed.
    ///
    /// If a generation ends with empty messages, they belong to the first frame of the next one with frames: they come
    /// first, with the [`generation`](MessageInfo::generation) in which they were written, where `positions` contain 0.
    ///
    /// Messages whose records have been overwritten are left out. That may happen before their frames are overwritten.
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
