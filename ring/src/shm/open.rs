//! Opening a stream's segments for reading: everything found there is hostile until it has passed here.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use crate::error::io_error;
use crate::ezmsg;
use crate::layout::{Geometry, MAJOR, MAX_METADATA_BYTES, RawFooter, SEGMENT_UNIT, footer, header, trailer};
use crate::protocol::wake::Listening;
use crate::shm::memory::{HeaderMemory, RingMemory};
use crate::shm::read_fully;
use crate::shm::{self, FileId, Opened, ReadMapping};
use crate::stream::name::{MAX_NAME_BYTES, SegmentName};
use crate::{Description, Error, Format, Result};

/// Whose segments a reader opens.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Owner {
    /// This process's user, or root.
    OwnOrRoot,
    /// This user and nobody else.
    User(u32),
}

impl Owner {
    fn allows(self, user: u32) -> bool {
        match self {
            Owner::OwnOrRoot => user == 0 || user == shm::effective_user(),
            Owner::User(only) => user == only,
        }
    }

    fn expected(self) -> String {
        match self {
            Owner::OwnOrRoot => format!("{} (this process) or 0 (root)", shm::effective_user()),
            Owner::User(only) => only.to_string(),
        }
    }
}

pub(crate) fn corrupt(segment: &str, reason: impl Into<String>) -> Error {
    Error::Corrupt { segment: segment.to_owned(), reason: reason.into() }
}

/// Opens a public name; `None` when it is absent.
pub(crate) fn open_public(segment: &str, owner: Owner) -> Result<Option<Opened>> {
    let opened = match shm::open_segment(segment, false) {
        Ok(opened) => opened,
        Err(error) => {
            return match error.raw_os_error() {
                Some(libc::ENOENT) => Ok(None),
                Some(libc::EACCES | libc::EPERM) => Err(Error::Permission { segment: segment.to_owned() }),
                Some(libc::ELOOP) => Err(corrupt(segment, "it is a symbolic link, expected a regular file")),
                Some(libc::ENXIO) => Err(corrupt(segment, "it is not a regular file")),
                _ => Err(io_error("opening", segment)(error)),
            };
        }
    };
    if !opened.stat.is_file {
        return Err(corrupt(segment, "it is not a regular file"));
    }
    if !owner.allows(opened.stat.owner) {
        return Err(Error::WrongOwner {
            segment: segment.to_owned(),
            found: opened.stat.owner,
            expected: owner.expected(),
        });
    }
    Ok(Some(opened))
}

fn check_version(segment: &str, major: u16, minor: u16, must_understand: u32) -> Result<()> {
    if major == MAJOR && must_understand == 0 {
        Ok(())
    } else {
        Err(Error::Version { segment: segment.to_owned(), major, minor, must_understand })
    }
}

/// A header that has been opened and checked.
pub(crate) struct HeaderSegment {
    pub words: HeaderMemory,
    pub stream_id: u64,
    pub created_ns: i64,
    pub id: FileId,
    /// Whose the stream is: its rings and metadata must belong to the same user.
    pub owner: u32,
    pub segment: String,
    /// For asking who holds the writer's lock, and for the sleeper's lock.
    pub file: OwnedFd,
    pub listening: Listening,
    _map: ReadMapping,
}

/// Opens the header of the stream `name`; `None` when there is none yet.
pub(crate) fn open_header(name: &str, owner: Owner) -> Result<Option<HeaderSegment>> {
    let segment = SegmentName::header(name).public;
    let Some(Opened { file, stat }) = open_public(&segment, owner)? else { return Ok(None) };
    if stat.length < header::LENGTH as u64 {
        return refuse_ezmsg(name, &segment, &file).map(|()| None);
    }
    let map = ReadMapping::new(&file, header::LENGTH).map_err(io_error("mapping", &segment))?;
    // SAFETY: mapped with a header's length, on a page; `_map` keeps it as long as the words.
    let words = unsafe { HeaderMemory::new(map.start()) };
    let raw = words.copy();
    if !raw.has_magic() {
        refuse_ezmsg(name, &segment, &file)?;
        return Err(corrupt(&segment, "it has neither our magic nor ezmsg's"));
    }
    check_version(&segment, raw.major, raw.minor, raw.must_understand)?;
    if !(1..=MAX_NAME_BYTES).contains(&(raw.name_len as usize)) {
        return Err(corrupt(&segment, format!("a name of {} bytes, expected 1..={MAX_NAME_BYTES}", raw.name_len)));
    }
    if raw.name_bytes() != name.as_bytes() {
        let found = String::from_utf8_lossy(raw.name_bytes()).into_owned();
        return Err(corrupt(&segment, format!("it is the header of stream {found:?}, expected {name:?}")));
    }
    if raw.stream_id == 0 {
        return Err(corrupt(&segment, "stream_id is 0"));
    }
    Ok(Some(HeaderSegment {
        words,
        stream_id: raw.stream_id,
        created_ns: raw.created_ns,
        id: stat.id,
        owner: stat.owner,
        segment,
        file,
        listening: Listening::default(),
        _map: map,
    }))
}

/// An error if the segment was written by ezmsg, or looks like a header of ours that is damaged; nothing if it is not
/// ready.
fn refuse_ezmsg(name: &str, segment: &str, file: &OwnedFd) -> Result<()> {
    let mut bytes = [0; header::LENGTH];
    let read = read_fully(file, &mut bytes, 0).map_err(io_error("reading the header of", name))?;
    let Some((theirs, rest)) = bytes[..read].split_first_chunk::<{ ezmsg::header::LENGTH }>() else { return Ok(()) };
    match ezmsg::header::peek(theirs) {
        // ezmsg stores nothing behind its own fields; ours begin like them and go on.
        Some(_) if rest.iter().any(|&byte| byte != 0) => {
            Err(corrupt(segment, "it begins as ezmsg's headers do and goes on as none of ours does"))
        }
        Some(foreign) => Err(Error::Ezmsg { name: name.to_owned(), struct_version: foreign.struct_version }),
        None => Ok(()),
    }
}

/// A ring that has been opened and checked.
pub(crate) struct RingSegment {
    pub memory: RingMemory,
    pub format: Format,
    pub generation: u32,
    /// Of the writer that made it.
    pub epoch: u32,
    pub base: u64,
    /// The description in force when the generation began.
    pub meta_generation: u32,
    pub created_mono_ns: u64,
    pub segment: String,
    /// What `memory` points into; views hold on to it.
    pub map: Arc<ReadMapping>,
}

/// What opening a ring found.
pub(crate) enum FoundRing {
    Ring(Box<RingSegment>),
    Absent,
    /// A ring of another stream or generation: the header is out of date.
    OfAnotherStream,
}

/// Opens the ring of a generation.
pub(crate) fn open_ring(name: &str, header: &HeaderSegment, generation: u32, max_bytes: u64) -> Result<FoundRing> {
    let segment = SegmentName::ring(name, generation).public;
    let Some(Opened { file, stat }) = open_public(&segment, Owner::User(header.owner))? else {
        return Ok(FoundRing::Absent);
    };
    let length = stat.length;
    if length < SEGMENT_UNIT || !length.is_multiple_of(SEGMENT_UNIT) || length > isize::MAX as u64 {
        return Err(corrupt(&segment, format!("{length} bytes, expected a multiple of {SEGMENT_UNIT}")));
    }
    if length > max_bytes {
        return Err(Error::TooLarge { needed: length, limit: max_bytes });
    }
    // A writer reserves all of a ring. Of one with holes, each frame that is read would take memory, up to any length.
    if stat.allocated < length {
        return Err(corrupt(&segment, format!("only {} of its {length} bytes are reserved", stat.allocated)));
    }
    let map = ReadMapping::new(&file, length as usize).map_err(io_error("mapping", &segment))?;
    // SAFETY: mapped, `length` bytes, a multiple of 16384.
    let raw = unsafe { RingMemory::raw_trailer(map.start(), length) };
    if raw.magic != trailer::MAGIC_VALUE {
        return Err(corrupt(&segment, "its trailer has another magic than a ring's"));
    }
    check_version(&segment, raw.major, raw.minor, raw.must_understand)?;
    if raw.stream_id != header.stream_id || raw.generation != generation {
        return Ok(FoundRing::OfAnotherStream);
    }
    let (geometry, format) = Geometry::check(&raw, length).map_err(|reason| corrupt(&segment, reason))?;
    // SAFETY: mapped, and the geometry has just been checked against its length; `map` keeps it.
    let memory = unsafe { RingMemory::new(map.start(), geometry) };
    Ok(FoundRing::Ring(Box::new(RingSegment {
        memory,
        format,
        generation,
        epoch: raw.epoch,
        base: raw.base,
        meta_generation: raw.meta_generation,
        created_mono_ns: raw.created_mono_ns,
        segment,
        map: Arc::new(map),
    })))
}

/// Reads a description; `None` when it is gone, or of another stream.
pub(crate) fn open_description(
    name: &str,
    header: &HeaderSegment,
    meta_generation: u32,
) -> Result<Option<Description>> {
    let segment = SegmentName::metadata(name, meta_generation).public;
    let Some(Opened { file, stat }) = open_public(&segment, Owner::User(header.owner))? else { return Ok(None) };
    let length = stat.length;
    if !(SEGMENT_UNIT..=MAX_METADATA_BYTES).contains(&length) || !length.is_multiple_of(SEGMENT_UNIT) {
        return Err(corrupt(
            &segment,
            format!("{length} bytes, expected a multiple of {SEGMENT_UNIT}, at most {MAX_METADATA_BYTES}"),
        ));
    }
    let read = |to: &mut [u8], offset: u64| -> Result<()> {
        match read_fully(&file, to, offset) {
            Ok(read) if read == to.len() => Ok(()),
            Ok(_) => Err(corrupt(&segment, "it became shorter while it was read")),
            Err(error) => Err(io_error("reading", &segment)(error)),
        }
    };
    let mut bytes = [0; footer::LENGTH as usize];
    read(&mut bytes, length - footer::LENGTH)?;
    let raw = RawFooter::decode(&bytes);
    if raw.magic != footer::MAGIC_VALUE {
        return Err(corrupt(&segment, "its footer has another magic than a description's"));
    }
    check_version(&segment, raw.major, raw.minor, raw.must_understand)?;
    if raw.stream_id != header.stream_id || raw.meta_generation != meta_generation {
        return Ok(None);
    }
    let end = raw.json_offset.checked_add(raw.json_len);
    if end.is_none_or(|end| end > length - footer::LENGTH) {
        return Err(corrupt(
            &segment,
            format!("{} bytes of JSON at {} do not fit into its {length} bytes", raw.json_len, raw.json_offset),
        ));
    }
    let mut json = vec![0; raw.json_len as usize];
    read(&mut json, raw.json_offset)?;
    Description::from_json(&json).map(Some).map_err(|reason| corrupt(&segment, reason))
}

/// The file that has the stream's public name now.
pub(crate) fn public_id(segment: &str) -> io::Result<Option<FileId>> {
    Ok(shm::stat_name(segment)?.map(|stat| stat.id))
}
