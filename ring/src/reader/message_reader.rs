//! Reads a stream message by message.

use std::sync::Arc;
use std::time::Duration;

use super::any::AnyStream;
use super::stream::{self, Stream as _};
use super::wait::Waiter;
use super::{Info, Interrupter, Lag, ReaderOptions, Wait, open, reader_methods};
use crate::frames::AlignedBytes;
use crate::frames::view::{SharedBytes, View};
use crate::protocol::cursor::{Cursor, MessageInfo, Outcome, Source as _, Target, Unit};
use crate::stream::{Event, Liveness, WriterId};
use crate::{Description, Format, Result};

/// A message copied out of a stream.
#[derive(Clone, Default)]
pub struct Message {
    info: MessageInfo,
    samples: AlignedBytes,
    times: Vec<f64>,
}

impl Message {
    /// An empty message; the first read allocates memory.
    pub fn new() -> Self {
        Self::default()
    }

    /// Facts about the message, apart from its frames.
    pub fn info(&self) -> &MessageInfo {
        &self.info
    }

    /// The samples in C order, frame after frame.
    pub fn samples(&self) -> &[u8] {
        self.samples.as_slice()
    }

    /// One value per frame on the buffered axis; seconds for a time axis.
    pub fn times(&self) -> &[f64] {
        &self.times
    }
}

impl Target for Message {
    fn make_room(&mut self, frames: u64, frame_bytes: u64) {
        self.samples.set_length((frames * frame_bytes) as usize);
        self.times.resize(frames as usize, 0.0);
    }

    fn parts(&mut self) -> (&mut [f64], &mut [u8]) {
        (&mut self.times, self.samples.as_mut_slice())
    }
}

/// A message lent in place by [`MessageReader::view`].
#[derive(Debug)]
pub struct MessageView {
    info: MessageInfo,
    view: View,
}

impl MessageView {
    /// Facts about the message, apart from its frames.
    pub fn info(&self) -> &MessageInfo {
        &self.info
    }

    /// Copies the times into `into`, as [`View::copy_times_to`].
    pub fn copy_times_to(&self, into: &mut Vec<f64>) {
        self.view.copy_times_to(into);
    }

    /// The samples, in order; the second part is empty unless the message wraps around the ring's end.
    pub fn samples(&self) -> [SharedBytes; 2] {
        self.view.samples()
    }

    /// The times in order, as [`View::times_bytes`].
    pub fn times_bytes(&self) -> [SharedBytes; 2] {
        self.view.times_bytes()
    }
}

/// A cursor over the messages of a stream. Each message is delivered whole, or all its frames are counted as lost.
///
/// Everything documented for [`Reader`](super::Reader) holds, except that the unit is a message.
///
/// A stream that ezmsg wrote does not record where its messages end. There, a message is the frames that one poll
/// finds, at most 1 MiB or half the ring (and at least one frame), sent when they were found.
/// [`Start::Last`](crate::Start) counts frames.
pub struct MessageReader {
    cursor: Cursor<AnyStream>,
    waiter: Waiter,
}

impl MessageReader {
    /// As [`Reader::open`](super::Reader::open). Never blocks.
    ///
    /// # Errors
    /// As [`Reader::open`](super::Reader::open).
    pub fn open(name: &str, options: ReaderOptions) -> Result<Self> {
        Ok(Self { cursor: open(name, &options, Unit::Messages)?, waiter: Waiter::new(&options) })
    }

    /// Copies the next message into `into`. Never blocks.
    ///
    /// # Errors
    /// As [`Reader::read`](super::Reader::read).
    pub fn next(&mut self, into: &mut Message) -> Result<Outcome<MessageInfo>> {
        let outcome = self.cursor.next_message(into)?;
        into.info = outcome.data().unwrap_or(into.info);
        Ok(outcome)
    }

    /// Lends the next message in place; see [`Reader::view`](super::Reader::view). Never blocks.
    ///
    /// # Errors
    /// As [`Reader::read`](super::Reader::read).
    pub fn view(&mut self) -> Result<Outcome<MessageView>> {
        Ok(self.cursor.view_message()?.map(|(info, view)| MessageView { info, view }))
    }

    /// Takes a message back and moves on. `true`: it was whole throughout. `false`: it was lapped, and its frames are
    /// counted as lost. Never blocks.
    pub fn finish(&mut self, message: MessageView) -> bool {
        self.cursor.finish_message(&message.info, &message.view)
    }

    /// The description in force for the message last returned.
    pub fn description(&self) -> Option<&Arc<Description>> {
        self.cursor.description()
    }

    reader_methods!();
}

impl std::fmt::Debug for MessageReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MessageReader")
            .field("name", &self.cursor.source().name())
            .field("generation", &self.generation())
            .field("lost", &self.lost())
            .finish_non_exhaustive()
    }
}
