//! Segments as files: opened without following links or blocking, filled under the anchor, linked when complete.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{self, AtFlags, CWD, FallocateFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::stream::name::SHM_DIR;
use crate::stream::name::{ANCHOR_SUFFIX, SEGMENT_PREFIX};

/// Identity of a file: two names with the same one are the same file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    /// The file's inode number. No other file has it while this one exists, nor for a long time after.
    pub fn number(self) -> u64 {
        self.inode
    }
}

/// What `stat` reports about a segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FileStat {
    pub id: FileId,
    pub owner: u32,
    pub length: u64,
    /// Bytes of memory that the file has; fewer than `length` if it has holes.
    pub allocated: u64,
    pub links: u64,
    pub is_file: bool,
}

impl From<fs::Stat> for FileStat {
    // The type of st_nlink differs between architectures.
    #[allow(clippy::unnecessary_cast)]
    fn from(stat: fs::Stat) -> Self {
        Self {
            id: FileId { device: stat.st_dev, inode: stat.st_ino },
            owner: stat.st_uid,
            length: u64::try_from(stat.st_size).unwrap_or(0),
            allocated: u64::try_from(stat.st_blocks).unwrap_or(0).saturating_mul(512),
            links: stat.st_nlink as u64,
            is_file: FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile,
        }
    }
}

impl FileStat {
    /// Whether it is a regular file of this process's own user.
    pub fn is_own_file(&self) -> bool {
        self.is_file && self.owner == effective_user()
    }

    pub fn of(file: impl AsFd) -> io::Result<Self> {
        Ok(fs::fstat(file)?.into())
    }
}

/// A segment that is open, and what `fstat` reported before anything was read.
#[derive(Debug)]
pub(crate) struct Opened {
    pub file: OwnedFd,
    pub stat: FileStat,
}

fn path(name: &str) -> String {
    format!("{SHM_DIR}/{name}")
}

/// A symbolic link is refused (`ELOOP`), a FIFO does not block, a child does not inherit.
const SAFE_OPEN: OFlags = OFlags::CLOEXEC.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::NOCTTY);

/// Opens a segment by one of its names, for reading only or for writing too.
pub(crate) fn open_segment(name: &str, write: bool) -> io::Result<Opened> {
    let access = if write { OFlags::RDWR } else { OFlags::RDONLY };
    let file = fs::open(path(name), access | SAFE_OPEN, Mode::empty())?;
    let stat = FileStat::of(&file)?;
    Ok(Opened { file, stat })
}

/// Opens an anchor for writing, and creates it empty if it is absent (`exclusive`: fails if it exists).
pub(crate) fn create_anchor(name: &str, exclusive: bool) -> io::Result<Opened> {
    let exclusive = if exclusive { OFlags::EXCL } else { OFlags::empty() };
    let flags = OFlags::RDWR | OFlags::CREATE | exclusive | SAFE_OPEN;
    let file = fs::open(path(name), flags, Mode::RUSR | Mode::WUSR)?;
    let stat = FileStat::of(&file)?;
    Ok(Opened { file, stat })
}

/// The file that has a name, without following a link; `None` if there is none.
pub(crate) fn stat_name(name: &str) -> io::Result<Option<FileStat>> {
    match fs::statat(CWD, path(name), AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat.into())),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

/// Gives the file of `existing` the further name `new`.
pub(crate) fn link(existing: &str, new: &str) -> io::Result<()> {
    Ok(fs::linkat(CWD, path(existing), CWD, path(new), AtFlags::empty())?)
}

/// Links an open file under its `missing` name, by the name that is `left`.
pub(crate) fn relink(id: FileId, left: &str, missing: &str) -> io::Result<()> {
    match stat_name(left)? {
        Some(stat) if stat.id == id => link(left, missing),
        _ => Err(Errno::NOENT.into()),
    }
}

/// Removes a name; an absent one is fine.
pub(crate) fn unlink(name: &str) -> io::Result<bool> {
    match fs::unlink(path(name)) {
        Ok(()) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// Removes a name if this file has it. Returns whether it did.
pub(crate) fn unlink_if(name: &str, id: FileId) -> io::Result<bool> {
    Ok(stat_name(name)?.is_some_and(|stat| stat.id == id) && unlink(name)?)
}

/// Bytes reserved per call, so that a signal does not restart a large reservation.
const RESERVE_SLICE: u64 = 16 << 20;

/// Sets the file's length and reserves memory for all of it, so that no later store can fail.
pub(crate) fn reserve(file: impl AsFd, length: u64) -> io::Result<()> {
    let mut done = 0;
    while done < length {
        let slice = RESERVE_SLICE.min(length - done);
        match fs::fallocate(&file, FallocateFlags::empty(), done, slice) {
            Ok(()) => done += slice,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

/// Sets the exact permission bits; the umask does not matter.
pub(crate) fn set_mode(file: impl AsFd, mode: u32) -> io::Result<()> {
    Ok(fs::fchmod(file, Mode::from_raw_mode(mode))?)
}

/// Bytes of shared memory that are free.
pub(crate) fn free_bytes() -> u64 {
    match fs::statvfs(SHM_DIR) {
        // A tmpfs without a limit has no blocks to count.
        Ok(stat) if stat.f_blocks == 0 => u64::MAX,
        Ok(stat) => stat.f_bavail.saturating_mul(stat.f_frsize),
        Err(_) => 0,
    }
}

/// The names in the shared-memory folder that can be segments: (name without the anchor's ending, is an anchor).
pub(crate) fn list() -> io::Result<Vec<(String, bool)>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(SHM_DIR)? {
        let name = entry?.file_name();
        let Some(name) = name.to_str().filter(|name| name.starts_with(SEGMENT_PREFIX)) else { continue };
        match name.strip_suffix(ANCHOR_SUFFIX) {
            Some(stem) => names.push((stem.to_owned(), true)),
            None => names.push((name.to_owned(), false)),
        }
    }
    names.sort();
    Ok(names)
}

/// The user whose segments this process may write.
pub(crate) fn effective_user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// A random number that is not 0.
pub(crate) fn random_id() -> io::Result<u64> {
    loop {
        let mut bytes = [0; 8];
        if rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())? == bytes.len() {
            let id = u64::from_le_bytes(bytes);
            if id != 0 {
                return Ok(id);
            }
        }
    }
}

pub(crate) fn read_fully(file: &OwnedFd, to: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut done = 0;
    while done < to.len() {
        match rustix::io::pread(file, &mut to[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(n) => done += n,
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(done)
}
