//! A stream as files that tests change or replace in one way after another.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use dora_shm_ring::{Attr, Axis, Description, Writer, WriterOptions};

use crate::segments::{self, Bytes, anchor};
use crate::signal;

/// Number of frames in the specimen's ring.
pub const RING_FRAMES: u64 = 32;
/// Number of frames that were written: 5 messages of 8 frames, and one without frames.
pub const WRITTEN: u64 = 40;

/// Copies of the files of a stream that was written and closed. When the specimen is dropped, the stream's names are
/// removed.
#[derive(Debug)]
pub struct Specimen {
    /// The stream's name.
    pub name: String,
    /// The header.
    pub header: Bytes,
    /// The ring of generation 0.
    pub ring: Bytes,
    /// The description with meta_generation 1.
    pub metadata: Bytes,
}

/// The specimen's description: dims, an axis and an attribute.
pub fn description() -> Description {
    let mut description = signal::description("specimen");
    description.dims = vec!["time".into(), "word".into()];
    description.axes.insert("time".into(), Axis::Linear { unit: "s".into(), gain: 0.001, offset: None });
    description.attrs.insert("gain".into(), Attr::ListFloat(vec![1.5, 2.5]));
    description
}

/// Begins the specimen's ring and writes its messages.
///
/// # Errors
/// Those of the writer.
pub fn write(writer: &mut Writer) -> dora_shm_ring::Result<()> {
    writer.begin(&signal::format(RING_FRAMES), &description(), 8)?;
    [8, 8, 0, 8, 8, 8].into_iter().try_for_each(|frames| signal::write(writer, frames))
}

impl Specimen {
    /// Writes a stream, keeps a copy of its files, and closes it.
    ///
    /// # Errors
    /// Those of the writer.
    ///
    /// # Panics
    /// When a segment cannot be read.
    pub fn new(name: &str) -> dora_shm_ring::Result<Self> {
        let mut writer = Writer::create(name, WriterOptions::default())?;
        write(&mut writer)?;
        let [header, ring, metadata] = segments::publics(name).map(|path| Bytes::of(&path));
        Ok(Self { name: name.to_owned(), header, ring, metadata })
    }

    /// The public names of header, ring and description.
    pub fn paths(&self) -> [PathBuf; 3] {
        segments::publics(&self.name)
    }

    /// The public names of header, ring and description, with their bytes.
    pub fn files(&self) -> [(PathBuf, &Bytes); 3] {
        let [header, ring, metadata] = self.paths();
        [(header, &self.header), (ring, &self.ring), (metadata, &self.metadata)]
    }

    /// Restores the stream's files under both names, as those of a stream whose writer is dead.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn put(&self) -> io::Result<()> {
        self.files().iter().try_for_each(|(path, bytes)| put(path, &bytes.0))
    }

    /// Removes all names of the stream.
    ///
    /// # Errors
    /// When a name cannot be removed.
    pub fn remove(&self) -> io::Result<()> {
        self.paths().iter().try_for_each(|path| remove(path).and_then(|()| remove(&anchor(path))))
    }
}

impl Drop for Specimen {
    fn drop(&mut self) {
        let _ = self.remove();
    }
}

/// Removes a file of any kind or an empty folder. Succeeds if there is none.
///
/// # Errors
/// When it cannot be removed.
pub fn remove(path: &Path) -> io::Result<()> {
    match path.symlink_metadata() {
        Ok(found) if found.is_dir() => fs::remove_dir(path),
        Ok(_) => fs::remove_file(path),
        Err(_) => Ok(()),
    }
}

/// Writes a segment under both of its names, with the mode that a writer gives it.
///
/// # Errors
/// When a file cannot be written.
pub fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    remove(path)?;
    remove(&anchor(path))?;
    fs::write(path, bytes)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    fs::hard_link(path, anchor(path))
}
