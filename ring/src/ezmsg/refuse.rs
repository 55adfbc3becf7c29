//! Opens a header, and refuses one that ezmsg wrote.

use std::os::fd::OwnedFd;

use super::header::{LENGTH, peek};
use crate::error::io_error;
use crate::layout::header;
use crate::shm::open::{self, FoundHeader, HeaderSegment, Owner, corrupt};
use crate::shm::read_fully;
use crate::stream::SegmentName;
use crate::{Error, Result};

/// Opens the header of the stream `name`; `None` if there is none yet.
///
/// # Errors
/// [`Error::Ezmsg`] if ezmsg wrote it, and those of opening a segment.
pub(crate) fn open_header(name: &str, owner: Owner) -> Result<Option<Box<HeaderSegment>>> {
    let (file, is_long) = match open::open_header(name, owner)? {
        FoundHeader::Absent => return Ok(None),
        FoundHeader::Header(found) => return Ok(Some(found)),
        FoundHeader::Unknown(file, is_long) => (file, is_long),
    };
    let segment = SegmentName::header(name).public;
    refuse(name, &segment, &file)?;
    if is_long { Err(corrupt(&segment, "it has neither dora-shm's magic nor ezmsg's")) } else { Ok(None) }
}

/// Returns an error if ezmsg wrote the segment, or if it seems to be a damaged header of this library. Accepts a header
/// that is not ready yet.
fn refuse(name: &str, segment: &str, file: &OwnedFd) -> Result<()> {
    let mut bytes = [0; header::LENGTH];
    let read = read_fully(file, &mut bytes, 0).map_err(io_error("reading the header of", name))?;
    let Some((theirs, rest)) = bytes[..read].split_first_chunk::<LENGTH>() else { return Ok(()) };
    match peek(theirs) {
        // ezmsg stores nothing behind its own fields. This library's headers begin with the same fields and continue.
        Some(_) if rest.iter().any(|&byte| byte != 0) => {
            Err(corrupt(segment, "it begins as an ezmsg header and continues as neither ezmsg's nor dora-shm's do"))
        }
        Some(found) => Err(Error::Ezmsg { name: name.to_owned(), struct_version: found.struct_version }),
        None => Ok(()),
    }
}
