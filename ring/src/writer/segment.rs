//! A segment of the writer's own: made under its anchor, linked when whole, kept under both names, removed in order.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use crate::error::io_error;
use crate::protocol::failpoint;
use crate::shm::{self, FileId, FileStat, Opened, WriteMapping};
use crate::stream::name::SegmentName;
use crate::{Error, Result};

/// What became of a segment's two names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// Both names stand for it.
    Whole,
    /// Somebody else's file has the public name.
    Taken,
    /// Both names are gone; the file lives only as long as it is open.
    Lost,
}

pub(crate) struct Segment {
    pub name: SegmentName,
    pub id: FileId,
    /// For `fstat`; of a header not the locked descriptor.
    file: OwnedFd,
    pub map: Arc<WriteMapping>,
}

impl Segment {
    /// Makes a segment of `length` bytes under its anchor, all zero and with its memory reserved; `fill` writes it; then
    /// it gets `mode` and its public name. Whatever stood under either name before is an orphan and goes. `stream` is for
    /// errors.
    pub fn create(
        stream: &str,
        name: SegmentName,
        length: u64,
        mode: u32,
        points: &CreatePoints,
        fill: impl FnOnce(&Arc<WriteMapping>),
    ) -> Result<Segment> {
        shm::unlink(&name.public).map_err(io_error("removing", &name.public))?;
        shm::unlink(&name.anchor).map_err(io_error("removing", &name.anchor))?;
        failpoint::point(points.removed);
        // Looked at first, so that a ring that cannot fit does not take away everybody's room while it fails.
        let free = shm::free_bytes();
        if free < length {
            return Err(Error::NoSpace { needed: length, free });
        }
        let Opened { file, stat } =
            shm::create_anchor(&name.anchor, true).map_err(io_error("creating", &name.anchor))?;
        let made = (|| {
            shm::reserve(&file, length).map_err(|error| no_space(error, length, &name.anchor))?;
            let map =
                WriteMapping::new(&name.anchor, stat.id, length as usize).map_err(io_error("mapping", &name.anchor))?;
            let map = Arc::new(map);
            failpoint::point(points.reserved);
            fill(&map);
            failpoint::point(points.filled);
            shm::set_mode(&file, mode).map_err(io_error("setting the mode of", &name.anchor))?;
            // A writer that has lost the stream to us and not noticed it may have put back an orphan's public name while we
            // removed its anchor: that is an orphan still.
            for attempt in 0.. {
                match shm::link(&name.anchor, &name.public) {
                    Ok(()) => break,
                    Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                        return Err(io_error("linking", &name.public)(error));
                    }
                    Err(_) if attempt == 3 => return Err(taken(stream, &name)),
                    Err(_) => shm::unlink(&name.public).map_err(io_error("removing", &name.public))?,
                }
            }
            Ok(map)
        })();
        match made {
            Ok(map) => {
                failpoint::point(points.linked);
                Ok(Segment { name, id: stat.id, file, map })
            }
            Err(error) => {
                let _ = shm::unlink_if(&name.anchor, stat.id);
                drop(file);
                // What is free once the part that was reserved has been given back.
                Err(match error {
                    Error::NoSpace { needed, .. } => Error::NoSpace { needed, free: shm::free_bytes() },
                    other => other,
                })
            }
        }
    }

    /// A segment that exists already and has been checked: `opened` by `by_name`.
    pub fn adopt(name: SegmentName, opened: Opened, by_name: &str, length: usize) -> Result<Segment> {
        let map = WriteMapping::new(by_name, opened.stat.id, length).map_err(io_error("mapping", by_name))?;
        Ok(Segment { name, id: opened.stat.id, file: opened.file, map: Arc::new(map) })
    }

    /// A descriptor that carries no lock of the writer's.
    pub fn file(&self) -> &OwnedFd {
        &self.file
    }

    /// Puts a missing name back.
    pub fn keep(&self) -> io::Result<Kept> {
        // A name can come back or go between any two steps: look again a few times, then at the next turn.
        for _ in 0..4 {
            let stat = FileStat::of(&self.file)?;
            if stat.links >= 2 {
                return Ok(Kept::Whole);
            }
            if stat.links == 0 {
                return Ok(Kept::Lost);
            }
            let public = shm::stat_name(&self.name.public)?;
            let result = match public {
                Some(stat) if stat.id == self.id => shm::relink(self.id, &self.name.public, &self.name.anchor),
                Some(_) => return Ok(Kept::Taken),
                None => shm::relink(self.id, &self.name.anchor, &self.name.public),
            };
            match result {
                Err(error) if matches!(error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound) => {}
                result => result?,
            }
        }
        Ok(Kept::Whole)
    }

    /// Removes both names, public first, leaving foreign files alone.
    pub fn unlink(&self, between: &'static str) {
        // A name that cannot be removed is left to the next owner of the stream, who removes orphans.
        let _ = shm::unlink_if(&self.name.public, self.id);
        failpoint::point(between);
        let _ = shm::unlink_if(&self.name.anchor, self.id);
    }
}

/// Stop points on the way to a segment.
pub(crate) struct CreatePoints {
    pub removed: &'static str,
    pub reserved: &'static str,
    pub filled: &'static str,
    pub linked: &'static str,
}

/// `ENOSPC` becomes an error that says how much is missing.
pub(crate) fn no_space(error: io::Error, needed: u64, name: &str) -> Error {
    // A length that no file of the system can have, or no memory for the pages: to the user the same as no room.
    match error.raw_os_error() {
        Some(libc::ENOSPC | libc::ENOMEM | libc::EFBIG) => Error::NoSpace { needed, free: shm::free_bytes() },
        _ => io_error("reserving memory for", name)(error),
    }
}

/// The error for a public name that is not ours.
pub(crate) fn taken(stream: &str, name: &SegmentName) -> Error {
    let found = match shm::stat_name(&name.public) {
        Ok(Some(stat)) if stat.is_file => format!("a file of {} bytes of user {}", stat.length, stat.owner),
        Ok(Some(stat)) => format!("not a regular file, of user {}", stat.owner),
        _ => "gone by now".to_owned(),
    };
    Error::NameTaken { name: stream.to_owned(), segment: name.public.clone(), found }
}
