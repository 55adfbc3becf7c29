//! A dead stream as three files whose bytes are a fuzzer's input. The test of the fuzzers' corpus uses it too.
//!
//! All processes use the same stream name, so each must run in a private `/dev/shm`, as `cargo xtask fuzz` does.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use crate::segments::{Bytes, anchor, footer_at, publics, trailer_at};

/// Name of the stream of every input.
pub const NAME: &str = "fuzz";

/// The lengths of ring and metadata segments are multiples of this number of bytes.
pub const UNIT: u64 = 16384;
/// Largest lengths of the ring and of the description, in units.
pub const MOST_UNITS: [u64; 2] = [8, 4];

/// Number of bytes before the regions: one for the units of the ring, one for those of the description.
pub const PREFIX: usize = 2;
/// The first region of an input, as offset and length in the header: ezmsg's first fields.
pub const EZMSG: (u64, usize) = (0, 64);
/// The second region: our header from its magic to the end of the name.
pub const HEADER: (u64, usize) = (2048, 288);
/// Length of the third region, the start of the ring's trailer.
pub const TRAILER: usize = 400;
/// Length of the fourth region, the ring's first chunk records.
pub const RECORDS: usize = 256;
/// Length of the fifth region, the description's footer. The rest of an input is the JSON.
pub const FOOTER: usize = 64;

/// Offset of the trailer's `index_offset` in an input.
pub const INDEX_OFFSET: usize = PREFIX + EZMSG.1 + HEADER.1 + trailer_at::INDEX_OFFSET as usize;

/// The public names of header, ring and description.
pub fn paths() -> [PathBuf; 3] {
    publics(NAME)
}

/// The input that describes the stream with these segments.
pub fn input_of([header, ring, metadata]: [&Bytes; 3]) -> Vec<u8> {
    let units = |segment: &Bytes| (segment.len() / UNIT - 1) as u8;
    let index = ring.u64(ring.trailer() + trailer_at::INDEX_OFFSET) as usize;
    let footer = metadata.footer();
    let json = metadata.u64(footer + footer_at::JSON_OFFSET) as usize;
    [
        &[units(ring), units(metadata)],
        &header.0[..EZMSG.1],
        &header.0[HEADER.0 as usize..][..HEADER.1],
        &ring.0[ring.trailer() as usize..][..TRAILER],
        &ring.0[index..][..RECORDS],
        &metadata.0[footer as usize..],
        &metadata.0[json..][..metadata.u64(footer + footer_at::JSON_LEN) as usize],
    ]
    .concat()
}

/// The stream's open files.
#[derive(Debug)]
pub struct Files {
    files: [File; 3],
    lengths: [u64; 3],
}

impl Files {
    /// Creates the three files under both of their names.
    ///
    /// # Panics
    /// When they cannot be created.
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

    /// Sets a file's length and fills it with zeros, which also reserves its memory.
    fn set_length(&mut self, file: usize, length: u64) {
        if self.lengths[file] != length {
            self.files[file].set_len(0).expect("/dev/shm");
        }
        self.files[file].write_all_at(&vec![0; length as usize], 0).expect("/dev/shm");
        self.lengths[file] = length;
    }

    /// Writes an input into the files.
    ///
    /// # Panics
    /// When a file cannot be written.
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
        self.patch(1, self.lengths[1] - trailer_at::LENGTH, trailer);
        let records = input.take(RECORDS);
        let index = Bytes(trailer.to_vec()).get_u64(trailer_at::INDEX_OFFSET).unwrap_or(0);
        if index.checked_add(RECORDS as u64).is_some_and(|end| end <= self.lengths[1]) {
            self.patch(1, index, records);
        }
        let footer = input.take(FOOTER);
        let json = input.take(usize::MAX);
        let at = Bytes(footer.to_vec()).get_u64(footer_at::JSON_OFFSET).unwrap_or(0);
        if at.checked_add(json.len() as u64).is_some_and(|end| end <= self.lengths[2]) {
            self.patch(2, at, json);
        }
        self.patch(2, self.lengths[2] - footer_at::LENGTH, footer);
    }

    /// Stores bytes into one of the files in place. Bytes beyond its end are left out.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn patch(&self, file: usize, offset: u64, bytes: &[u8]) {
        let room = self.lengths[file].saturating_sub(offset).min(bytes.len() as u64);
        self.files[file].write_all_at(&bytes[..room as usize], offset).expect("/dev/shm");
    }

    /// Length of a file.
    pub fn length(&self, file: usize) -> u64 {
        self.lengths[file]
    }
}

impl Default for Files {
    fn default() -> Self {
        Self::new()
    }
}

/// An input that is consumed from its front. Missing bytes are left out or read as 0.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    /// The next bytes, at most `bytes`.
    pub fn take(&mut self, bytes: usize) -> &'a [u8] {
        let (now, later) = self.0.split_at(bytes.min(self.0.len()));
        self.0 = later;
        now
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }

    /// The next eight bytes as a little-endian number.
    pub fn number(&mut self) -> u64 {
        let mut bytes = [0; 8];
        let taken = self.take(8);
        bytes[..taken.len()].copy_from_slice(taken);
        u64::from_le_bytes(bytes)
    }

    /// Whether the input is consumed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
