//! A segment that the writer owns: made under its anchor, linked when complete, kept linked under both names, removed.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use crate::error::io_error;
use crate::protocol::failpoint;
use crate::shm::{self, FileId, FileStat, Opened, WriteMapping};
use crate::stream::name::SegmentName;
use crate::{Error, Result};

/// What a segment's two names refer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Links {
    /// Both names are the segment's.
    Both,
    /// Another file has the public name.
    Taken,
    /// Both names are gone; the file lives only as long as it is open.
    Lost,
}

/// A segment that is open and mapped for writing.
pub(crate) struct Segment {
    pub name: SegmentName,
    pub id: FileId,
    /// For `fstat`. A header's lock is on a different descriptor.
    file: OwnedFd,
    pub map: Arc<WriteMapping>,
}

impl Segment {
    /// Creates a segment of `length` zero bytes under its anchor, with its memory reserved. Then `fill` writes it, and
    /// it gets `mode` and its public name. A file that already has one of the names is an orphan, and is removed.
    /// `stream` is used in errors.
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
        // Checked first, so that a ring that cannot fit does not temporarily take all free memory.
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
            // A writer that lost the stream to this one, and has not noticed, may have linked an orphan's public name
            // again while its anchor was removed here. It is still an orphan.
            for attempt in 0.. {
                match shm::link(&name.anchor, &name.public) {
                    Ok(()) => break,
                    Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                        return Err(io_error("linking", &name.public)(error));
                    }
                    Err(_) if attempt == 3 => return Err(taken(stream, &name)),
                    Err(_) => _ = shm::unlink(&name.public).map_err(io_error("removing", &name.public))?,
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
                // The free memory, now that the reserved part has been released.
                Err(match error {
                    Error::NoSpace { needed, .. } => Error::NoSpace { needed, free: shm::free_bytes() },
                    other => other,
                })
            }
        }
    }

    /// A segment that exists already and has been checked; `opened` was opened by the name `by_name`.
    pub fn adopt(name: SegmentName, opened: Opened, by_name: &str, length: usize) -> Result<Segment> {
        let map = WriteMapping::new(by_name, opened.stat.id, length).map_err(io_error("mapping", by_name))?;
        Ok(Segment { name, id: opened.stat.id, file: opened.file, map: Arc::new(map) })
    }

    /// A descriptor without the writer's lock.
    pub fn file(&self) -> &OwnedFd {
        &self.file
    }

    /// Links a missing name again.
    pub fn ensure_linked(&self) -> io::Result<Links> {
        // A name can appear or disappear between any two steps, so this is tried a few times, and again at the next
        // check.
        for _ in 0..4 {
            let stat = FileStat::of(&self.file)?;
            if stat.links >= 2 {
                return Ok(Links::Both);
            }
            if stat.links == 0 {
                return Ok(Links::Lost);
            }
            let public = shm::stat_name(&self.name.public)?;
            let result = match public {
                Some(stat) if stat.id == self.id => shm::relink(self.id, &self.name.public, &self.name.anchor),
                Some(_) => return Ok(Links::Taken),
                None => shm::relink(self.id, &self.name.anchor, &self.name.public),
            };
            match result {
                Err(error) if matches!(error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound) => {}
                result => result?,
            }
        }
        Ok(Links::Both)
    }

    /// Removes both names.
    pub fn unlink(&self, between: &'static str) {
        unlink_both(&self.name, self.id, between);
    }

    /// Closes and unmaps the segment, which stays for as long as it has a name or a reader maps it.
    pub fn into_named(self) -> Named {
        Named { bytes: self.map.length() as u64, name: self.name, id: self.id }
    }
}

/// A segment that is neither open nor mapped, and whose names have to be removed later.
pub(crate) struct Named {
    pub name: SegmentName,
    pub id: FileId,
    pub bytes: u64,
}

impl Named {
    /// Removes both names.
    pub fn unlink(&self, between: &'static str) {
        unlink_both(&self.name, self.id, between);
    }
}

/// Removes both names, public first. Leaves a name alone if another file has it.
fn unlink_both(name: &SegmentName, id: FileId, between: &'static str) {
    // A name that cannot be removed is left to the next writer of the stream, which removes orphans.
    let _ = shm::unlink_if(&name.public, id);
    failpoint::point(between);
    let _ = shm::unlink_if(&name.anchor, id);
}

/// Failpoints during the creation of a segment.
pub(crate) struct CreatePoints {
    pub removed: &'static str,
    pub reserved: &'static str,
    pub filled: &'static str,
    pub linked: &'static str,
}

/// Turns `ENOSPC` into an error with the needed and the free memory.
pub(crate) fn no_space(error: io::Error, needed: u64, name: &str) -> Error {
    // A length that no file can have, or no memory for the pages, also means that there is no room.
    match error.raw_os_error() {
        Some(libc::ENOSPC | libc::ENOMEM | libc::EFBIG) => Error::NoSpace { needed, free: shm::free_bytes() },
        _ => io_error("reserving memory for", name)(error),
    }
}

/// The error for a public name that another file has.
pub(crate) fn taken(stream: &str, name: &SegmentName) -> Error {
    Error::NameTaken { name: stream.to_owned(), segment: name.public.clone(), found: what_has_taken(name) }
}

pub(crate) fn what_has_taken(name: &SegmentName) -> String {
    match shm::stat_name(&name.public) {
        Ok(Some(stat)) if stat.is_file => format!("a file of {} bytes of user {}", stat.length, stat.owner),
        Ok(Some(stat)) => format!("not a regular file, of user {}", stat.owner),
        _ => "gone in the meantime".to_owned(),
    }
}
