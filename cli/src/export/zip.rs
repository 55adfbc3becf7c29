//! Zip archives of entries that are stored as they are, of any length (zip64).
//!
//! The crate `zip` does not fit: an entry's beginning is known only at its end here, since it holds the number of
//! frames, and that crate's features would have dora's dependencies compiled twice.

use std::fs::File;
use std::io::{self, BufWriter, Seek as _, Write};
use std::os::unix::fs::FileExt as _;

use crc32fast::Hasher;

/// Version that a reader has to know: 4.5, zip64.
const NEEDED: u16 = 45;
/// Names are UTF-8.
const FLAGS: u16 = 1 << 11;
/// 1980-01-01, the earliest possible date, so that archives of the same content are the same.
const DATE: u16 = 1 << 5 | 1;
/// "See the zip64 record."
const LONG: u32 = u32::MAX;

/// Where in an entry's header its checksum and its lengths are.
const CHECKSUM_AT: u64 = 14;
const LENGTHS_AT: u64 = 34;

struct Entry {
    name: String,
    at: u64,
    checksum: u32,
    length: u64,
}

/// An archive that is being written.
pub struct Archive {
    file: BufWriter<File>,
    entries: Vec<Entry>,
}

/// An entry that is being written, after its beginning.
pub struct Open {
    name: String,
    at: u64,
    head_at: u64,
    head_length: usize,
    checksum: Hasher,
    length: u64,
}

impl Archive {
    /// Writes into `file`, which is empty.
    pub fn new(file: File) -> Self {
        Self { file: BufWriter::with_capacity(1 << 20, file), entries: Vec::new() }
    }

    /// Begins an entry whose first `head_length` bytes are given at its end.
    pub fn begin(&mut self, name: &str, head_length: usize) -> io::Result<Open> {
        let at = self.file.stream_position()?;
        let name_length =
            u16::try_from(name.len()).map_err(|_| io::Error::other("the name of an array is too long"))?;
        let mut header = Vec::new();
        header.extend(0x0403_4b50_u32.to_le_bytes());
        header.extend([NEEDED, FLAGS, 0, 0, DATE].map(u16::to_le_bytes).concat());
        header.extend([0, LONG, LONG].map(u32::to_le_bytes).concat());
        header.extend([name_length, 20].map(u16::to_le_bytes).concat());
        header.extend(name.as_bytes());
        header.extend([1, 16].map(u16::to_le_bytes).concat());
        header.extend([0; 16]);
        let head_at = at + header.len() as u64;
        header.resize(header.len() + head_length, 0);
        self.file.write_all(&header)?;
        Ok(Open { name: name.to_owned(), at, head_at, head_length, checksum: Hasher::new(), length: 0 })
    }

    /// More of an entry.
    pub fn write(&mut self, entry: &mut Open, bytes: &[u8]) -> io::Result<()> {
        entry.checksum.update(bytes);
        entry.length += bytes.len() as u64;
        self.file.write_all(bytes)
    }

    /// Ends an entry, and writes its beginning.
    pub fn end(&mut self, entry: Open, head: &[u8]) -> io::Result<()> {
        assert_eq!(head.len(), entry.head_length, "the beginning has the announced length");
        let mut checksum = Hasher::new();
        checksum.update(head);
        checksum.combine(&entry.checksum);
        let (checksum, length) = (checksum.finalize(), entry.length + head.len() as u64);
        self.file.flush()?;
        let file = self.file.get_ref();
        file.write_all_at(&checksum.to_le_bytes(), entry.at + CHECKSUM_AT)?;
        file.write_all_at(
            &[length; 2].map(u64::to_le_bytes).concat(),
            entry.at + LENGTHS_AT + entry.name.len() as u64,
        )?;
        file.write_all_at(head, entry.head_at)?;
        self.entries.push(Entry { name: entry.name, at: entry.at, checksum, length });
        Ok(())
    }

    /// Writes the list of the entries.
    pub fn finish(mut self) -> io::Result<()> {
        let at = self.file.stream_position()?;
        let mut list = Vec::new();
        for entry in &self.entries {
            list.extend(0x0201_4b50_u32.to_le_bytes());
            // Made by Unix.
            list.extend([3 << 8 | NEEDED, NEEDED, FLAGS, 0, 0, DATE].map(u16::to_le_bytes).concat());
            list.extend([entry.checksum, LONG, LONG].map(u32::to_le_bytes).concat());
            list.extend([entry.name.len() as u16, 28, 0, 0, 0].map(u16::to_le_bytes).concat());
            list.extend([0o644 << 16, LONG].map(u32::to_le_bytes).concat());
            list.extend(entry.name.as_bytes());
            list.extend([1, 24].map(u16::to_le_bytes).concat());
            list.extend([entry.length, entry.length, entry.at].map(u64::to_le_bytes).concat());
        }
        let (count, length) = (self.entries.len() as u64, list.len() as u64);
        let mut end = Vec::new();
        end.extend(0x0606_4b50_u32.to_le_bytes());
        end.extend(44_u64.to_le_bytes());
        end.extend([3 << 8 | NEEDED, NEEDED].map(u16::to_le_bytes).concat());
        end.extend([0_u32; 2].map(u32::to_le_bytes).concat());
        end.extend([count, count, length, at].map(u64::to_le_bytes).concat());
        end.extend(0x0706_4b50_u32.to_le_bytes());
        end.extend(0_u32.to_le_bytes());
        end.extend((at + length).to_le_bytes());
        end.extend(1_u32.to_le_bytes());
        end.extend(0x0605_4b50_u32.to_le_bytes());
        end.extend([0, 0, u16::MAX, u16::MAX].map(u16::to_le_bytes).concat());
        end.extend([LONG; 2].map(u32::to_le_bytes).concat());
        end.extend(0_u16.to_le_bytes());
        self.file.write_all(&list)?;
        self.file.write_all(&end)?;
        self.file.flush()
    }
}
