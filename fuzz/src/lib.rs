//! A dead stream as three files, whose bytes are the fuzzer's.
//!
//! The targets work in /dev/shm, under one name: run them by `cargo xtask fuzz`, which gives them a /dev/shm of their own.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use dora_shm_ring::{Frames, Message, MessageReader, Outcome, Reader, ReaderOptions, SHM_DIR, Start, shorten};

/// The stream that every input is of.
pub const NAME: &str = "fuzz";

/// Lengths of ring and metadata segments are multiples of this.
pub const UNIT: u64 = 16384;
/// Longest segments, in units: the ring, and the description.
pub const MOST_UNITS: [u64; 2] = [8, 4];

/// The regions of an input, in its order: ezmsg's first fields, our header from its magic to the end of the name, the
/// ring's trailer, its first chunk records, the description's footer. What comes then is the JSON.
pub const EZMSG: (u64, usize) = (0, 64);
pub const HEADER: (u64, usize) = (2048, 288);
pub const TRAILER: usize = 400;
pub const RECORDS: usize = 256;
pub const FOOTER: usize = 64;
/// Bytes before the regions: units of the ring, units of the description.
pub const PREFIX: usize = 2;

pub fn paths() -> [PathBuf; 3] {
    ["", "/buffer0", "/meta1"].map(|part| PathBuf::from(SHM_DIR).join(shorten(&format!("{NAME}{part}"))))
}

pub fn anchor(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".anchor");
    name.into()
}

/// The stream's files, open.
pub struct Stage {
    files: [File; 3],
    lengths: [u64; 3],
}

impl Stage {
    /// Makes the three files anew, under both of their names.
    pub fn new() -> Self {
        let files = paths().map(|path| {
            for name in [&path, &anchor(&path)] {
                let _ = std::fs::remove_file(name);
            }
            let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path).expect("/dev/shm");
            std::fs::hard_link(&path, anchor(&path)).expect("/dev/shm");
            file
        });
        Self { files, lengths: [0; 3] }
    }

    /// Gives a file its length, all zero and with its memory reserved.
    fn set_length(&mut self, file: usize, length: u64) {
        if self.lengths[file] != length {
            self.files[file].set_len(0).expect("/dev/shm");
        }
        self.files[file].write_all_at(&vec![0; length as usize], 0).expect("/dev/shm");
        self.lengths[file] = length;
    }

    /// Puts what the input says into the files.
    pub fn put(&mut self, input: &[u8]) {
        let mut input = Input(input);
        let units = |byte: u8, most: u64| (1 + u64::from(byte) % most) * UNIT;
        self.set_length(0, 4096);
        let length = units(input.byte(), MOST_UNITS[0]);
        self.set_length(1, length);
        let length = units(input.byte(), MOST_UNITS[1]);
        self.set_length(2, length);
        self.patch(0, EZMSG.0, input.take(EZMSG.1));
        self.patch(0, HEADER.0, input.take(HEADER.1));
        let trailer = input.take(TRAILER);
        self.patch(1, self.lengths[1] - 4096, trailer);
        let index = trailer.get(72..80).map_or(0, |bytes| u64::from_le_bytes(bytes.try_into().expect("eight")));
        let records = input.take(RECORDS);
        if index.checked_add(RECORDS as u64).is_some_and(|end| end <= self.lengths[1]) {
            self.patch(1, index, records);
        }
        let footer = input.take(FOOTER);
        let at = footer.get(40..48).map_or(0, |bytes| u64::from_le_bytes(bytes.try_into().expect("eight")));
        let json = input.take(usize::MAX);
        if at.checked_add(json.len() as u64).is_some_and(|end| end <= self.lengths[2]) {
            self.patch(2, at, json);
        }
        self.patch(2, self.lengths[2] - 64, footer);
    }

    /// Stores bytes into one of the files where they stand; what would be beyond its end is left out.
    pub fn patch(&self, file: usize, offset: u64, bytes: &[u8]) {
        let room = self.lengths[file].saturating_sub(offset).min(bytes.len() as u64);
        self.files[file].write_all_at(&bytes[..room as usize], offset).expect("/dev/shm");
    }

    /// Length of a file.
    pub fn length(&self, file: usize) -> u64 {
        self.lengths[file]
    }
}

impl Default for Stage {
    fn default() -> Self {
        Self::new()
    }
}

/// An input, taken from its front. What is missing is not there.
pub struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    pub fn take(&mut self, bytes: usize) -> &'a [u8] {
        let (now, later) = self.0.split_at(bytes.min(self.0.len()));
        self.0 = later;
        now
    }

    pub fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }

    pub fn number(&mut self) -> u64 {
        let mut bytes = [0; 8];
        let taken = self.take(8);
        bytes[..taken.len()].copy_from_slice(taken);
        u64::from_le_bytes(bytes)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Calls what a reader of frames has; what it gives must fit together.
pub fn frames(start: Start) -> dora_shm_ring::Result<()> {
    let mut reader = Reader::open(NAME, ReaderOptions::default().start(start))?;
    let mut frames = Frames::new();
    reader.latest(u64::MAX, &mut frames)?;
    let within = reader.frames_within(0.5)?;
    reader.latest(within, &mut frames)?;
    reader.info()?;
    reader.wait(Duration::ZERO)?;
    for most in [5, u64::MAX] {
        read(&mut reader, &mut frames, most)?;
    }
    view(&mut reader)?;
    let lost = reader.lost();
    reader.skip_to_newest()?;
    assert_eq!(reader.lost(), lost);
    let _ = (reader.lag(), reader.next_event(), reader.description().cloned());
    Ok(())
}

pub fn read(reader: &mut Reader, frames: &mut Frames, most: u64) -> dora_shm_ring::Result<()> {
    if reader.read(frames, most)?.is_data() {
        let frame_bytes = reader.format().map_or(0, |format| format.frame_bytes());
        assert!(!frames.is_empty() && frames.frames() <= most);
        assert_eq!(frames.samples().len() as u64, frames.frames() * frame_bytes);
    }
    Ok(())
}

pub fn view(reader: &mut Reader) -> dora_shm_ring::Result<()> {
    if let Outcome::Data(view) = reader.view(u64::MAX)? {
        let (first, frames) = (view.first(), view.frames());
        let mut times = Vec::new();
        view.copy_times_to(&mut times);
        let bytes: usize = view.samples().iter().map(|run| run.to_vec().len()).sum();
        assert_eq!(times.len() as u64, frames);
        assert_eq!(Some(bytes as u64), reader.format().map(|format| format.frame_bytes() * frames));
        let whole = reader.finish(view);
        assert!(whole.start >= first && whole.end == first + frames);
    }
    Ok(())
}

/// As [`frames`], of messages.
pub fn messages(start: Start) -> dora_shm_ring::Result<()> {
    let mut reader = MessageReader::open(NAME, ReaderOptions::default().start(start))?;
    let mut message = Message::new();
    for _ in 0..3 {
        reader.wait(Duration::ZERO)?;
        next(&mut reader, &mut message)?;
        message_view(&mut reader)?;
    }
    let lost = reader.lost();
    reader.skip_to_newest()?;
    assert_eq!(reader.lost(), lost);
    let _ = (reader.lag(), reader.next_event(), reader.description().cloned());
    reader.info().map(|_| ())
}

pub fn next(reader: &mut MessageReader, message: &mut Message) -> dora_shm_ring::Result<()> {
    if reader.next(message)?.is_data() {
        assert_eq!(message.times().len() as u64, message.info().frames);
    }
    Ok(())
}

pub fn message_view(reader: &mut MessageReader) -> dora_shm_ring::Result<()> {
    if let Outcome::Data(view) = reader.view()? {
        let mut times = Vec::new();
        view.copy_times_to(&mut times);
        assert_eq!(times.len() as u64, view.info().frames);
        std::hint::black_box(view.samples().map(|run| run.to_vec()));
        reader.finish(view);
    }
    Ok(())
}
