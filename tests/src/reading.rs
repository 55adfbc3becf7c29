//! Readers outside any graph, in the test's process.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dora_shm_dataflows::judge::Judge;
use dora_shm_dataflows::signal::CHANNELS;
use dora_shm_ring::{
    Description, Format, Frames, Message, MessageInfo, MessageReader, Outcome, Reader, ReaderOptions, Start,
};

use crate::record::receipt;
use crate::until::{PATIENCE, until};

/// Timeout of a reader's wait. The test checks its condition between two waits.
const SLICE: Duration = Duration::from_millis(20);

/// A message as a reader received it.
pub struct Received {
    /// Its position, the time of sending, and the losses before it.
    pub info: MessageInfo,
    /// The format of its generation.
    pub format: Format,
    /// Its description; `None` if it was removed before the reader reached the message.
    pub description: Option<Arc<Description>>,
    /// Its samples.
    pub samples: Vec<u8>,
}

/// A reader of messages that begins at the oldest one. If it is opened before the graph starts, it misses nothing.
///
/// # Panics
/// When the stream cannot be opened.
pub fn message_reader(stream: &str) -> MessageReader {
    let options = ReaderOptions::default().start(Start::Oldest);
    MessageReader::open(stream, options).expect("a stream can be opened before it exists")
}

/// Reads every message until the stream closes.
///
/// # Panics
/// When nothing arrives for [`PATIENCE`], or on any error.
pub fn messages_until_closed(reader: &mut MessageReader) -> Vec<Received> {
    let mut all = Vec::new();
    while !read_messages(reader, &mut all) {}
    all
}

/// Reads every message until the stream closes, and writes a receipt for each into `folder`.
///
/// # Panics
/// Like [`messages_until_closed`], and when a receipt cannot be written.
pub fn messages_with_receipts(reader: &mut MessageReader, folder: &Path) -> Vec<Received> {
    std::fs::create_dir_all(folder).expect("a folder for the receipts");
    let mut all = Vec::new();
    while !read_messages(reader, &mut all) {
        std::fs::write(receipt(folder, all.len() - 1), []).expect("a receipt can be written");
    }
    all
}

/// Reads messages until `frames` frames are accounted for, as read or as lost.
///
/// # Panics
/// When nothing arrives for [`PATIENCE`], when the stream closes before, or on any error.
pub fn messages(reader: &mut MessageReader, frames: u64) -> Vec<Received> {
    let mut all = Vec::<Received>::new();
    while all.iter().map(|message| message.info.frames + message.info.lost).sum::<u64>() < frames {
        assert!(!read_messages(reader, &mut all), "the stream closed after {} messages", all.len());
    }
    all
}

/// Waits for the next message and reads it. Returns `true` if the stream has closed instead.
fn read_messages(reader: &mut MessageReader, all: &mut Vec<Received>) -> bool {
    let mut message = Message::default();
    let start = Instant::now();
    loop {
        match reader.next(&mut message).expect("a healthy stream") {
            Outcome::Data(_) => {
                all.push(Received {
                    info: *message.info(),
                    format: reader.format().expect("a message has a format").clone(),
                    description: reader.description().cloned(),
                    samples: message.samples().to_vec(),
                });
                return false;
            }
            Outcome::Generation => {}
            Outcome::Nothing => {
                reader.wait(SLICE).expect("a healthy stream");
            }
            Outcome::Closed => return true,
        }
        assert!(start.elapsed() < PATIENCE, "no message for {PATIENCE:?}; {} so far", all.len());
    }
}

/// A reader of the synthetic signal with a judge.
pub struct SignalReader {
    /// The reader.
    pub reader: Reader,
    /// The judge of the frames so far.
    pub judge: Judge,
    /// The formats of the generations seen so far, one after the other.
    pub formats: Vec<Format>,
    /// Whether the stream has closed.
    pub closed: bool,
    frames: Frames,
}

impl SignalReader {
    /// A reader that is opened before the signal begins and must receive every frame.
    ///
    /// # Panics
    /// When the stream cannot be opened.
    pub fn open(stream: &str) -> Self {
        Self::open_with(stream, Judge::from_the_start())
    }

    /// A reader that may join in the middle and begins at the oldest frame that is left.
    ///
    /// # Panics
    /// When the stream cannot be opened.
    pub fn join(stream: &str) -> Self {
        Self::open_with(stream, Judge::default())
    }

    fn open_with(stream: &str, judge: Judge) -> Self {
        let options = ReaderOptions::default().start(Start::Oldest);
        let reader = Reader::open(stream, options).expect("a stream can be opened before it exists");
        // If the stream exists already, the reader is attached to a generation and will not report it.
        let formats = reader.format().cloned().into_iter().collect();
        Self { reader, judge, formats, closed: false, frames: Frames::default() }
    }

    /// Reads until nothing is new.
    ///
    /// # Panics
    /// On any error, or when the samples are not float32.
    pub fn poll(&mut self) {
        loop {
            match self.reader.read(&mut self.frames, u64::MAX).expect("a healthy stream") {
                Outcome::Data(_) => {
                    let samples = self.frames.samples_as::<f32>().expect("float32 frames");
                    for frame in samples.chunks(CHANNELS) {
                        self.judge.check(frame);
                    }
                }
                Outcome::Generation => self.formats.push(self.reader.format().expect("a generation's format").clone()),
                Outcome::Nothing => return,
                Outcome::Closed => {
                    self.closed = true;
                    return;
                }
            }
        }
    }

    /// Reads until `condition` holds.
    ///
    /// # Panics
    /// When it does not hold within [`PATIENCE`], with a message that contains `what`.
    pub fn until(&mut self, what: &str, condition: impl Fn(&Self) -> bool) {
        until(what, || {
            self.poll();
            if !condition(self) {
                self.reader.wait(SLICE).expect("a healthy stream");
            }
            condition(self).then_some(())
        });
    }

    /// Reads until `count` more frames have arrived.
    ///
    /// # Panics
    /// When they do not arrive within [`PATIENCE`].
    pub fn more(&mut self, count: u64) {
        let wanted = self.judge.frames + count;
        self.until(&format!("{count} more frames arrive"), |reader| reader.judge.frames >= wanted);
    }

    /// Reads until the stream closes.
    ///
    /// # Panics
    /// When it does not close within [`PATIENCE`].
    pub fn until_closed(&mut self) {
        self.until("the stream closes", |reader| reader.closed);
    }
}
