//! A stream's segments as files.

use std::path::{Path, PathBuf};

#[path = "places.rs"]
mod places;

pub use places::*;

/// All files of a stream, of the generations that tests come to.
pub fn of(stream: &str) -> Vec<PathBuf> {
    let numbers = (0..160).chain(u32::MAX - 8..=u32::MAX);
    let publics = std::iter::once(header(stream))
        .chain(numbers.flat_map(|number| [ring(stream, number), metadata(stream, number)]));
    publics.flat_map(|public| [anchor(&public), public]).filter(|path| path.symlink_metadata().is_ok()).collect()
}

/// Little-endian words of a segment as they stand in the file.
pub struct Bytes(pub Vec<u8>);

impl Bytes {
    #[track_caller]
    pub fn of(path: &Path) -> Self {
        Self(std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
    }

    pub fn u32(&self, offset: usize) -> u32 {
        u32::from_le_bytes(self.0[offset..offset + 4].try_into().unwrap())
    }

    pub fn u64(&self, offset: usize) -> u64 {
        u64::from_le_bytes(self.0[offset..offset + 8].try_into().unwrap())
    }
}

/// Stores bytes into a segment where they stand.
#[track_caller]
pub fn patch(path: &Path, offset: u64, bytes: &[u8]) {
    use std::os::unix::fs::FileExt;
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(bytes, offset).unwrap();
}
