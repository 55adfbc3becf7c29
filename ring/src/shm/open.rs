//! The only way to open a segment: everything found in shared memory is untrusted until it has been checked here.
//!
//! Readers, writers, the list of streams and cleaning open different names, and handle a refusal differently. The
//! checks are the same for all of them, in the order of `SPEC.md` (hostile input), on private copies.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use crate::error::io_error;
use crate::layout::{
    Geometry, MAX_METADATA_BYTES, RawFooter, RawHeader, RawTrailer, SEGMENT_UNIT, Version, footer, header, trailer,
};
use crate::protocol::wake::Listening;
use crate::shm::memory::{HeaderMemory, RingMemory};
use crate::shm::{self, FileId, FileStat, Opened, ReadMapping, read_fully};
use crate::stream::name::{MAX_NAME_BYTES, SegmentName};
use crate::{Description, Error, Format, GenerationClock, Result};

/// Whose segments a reader opens.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Owner {
    /// This process's user, or root.
    OwnOrRoot,
    /// Only this user.
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

/// Opens a public name; `None` if it is absent.
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

/// Opens a file of this process's own user, for reading, or also for writing. `None`: the name is not that of such a
/// file.
pub(crate) fn open_own(name: &str, write: bool) -> Option<Opened> {
    // Checked first, since opening a file of another kind can have an effect.
    shm::stat_name(name).ok()?.filter(FileStat::is_own_file)?;
    shm::open_segment(name, write).ok().filter(|opened| opened.stat.is_own_file())
}

fn check_version(segment: &str, version: Version) -> Result<()> {
    if version.is_known() {
        return Ok(());
    }
    let Version { major, minor, must_understand } = version;
    Err(Error::Version { segment: segment.to_owned(), major, minor, must_understand })
}

/// A private copy of a header, read through a descriptor. `None`: the file is shorter, or is not a header of this
/// library.
pub(crate) fn read_header(file: &OwnedFd) -> io::Result<Option<Box<RawHeader>>> {
    let mut bytes = [0; header::LENGTH];
    let read = read_fully(file, &mut bytes, 0)?;
    Ok((read == bytes.len()).then(|| Box::new(RawHeader::decode(&bytes))).filter(|raw| raw.has_magic()))
}

/// Checks a header of this library: its version, and that it is the header of the stream `name`.
pub(crate) fn check_header(segment: &str, raw: &RawHeader, name: &str) -> Result<()> {
    check_version(segment, raw.version())?;
    if !(1..=MAX_NAME_BYTES).contains(&(raw.name_len as usize)) {
        return Err(corrupt(segment, format!("its name has {} bytes, expected 1..={MAX_NAME_BYTES}", raw.name_len)));
    }
    if raw.name_bytes() != name.as_bytes() {
        let found = raw.name_lossy();
        return Err(corrupt(segment, format!("it is the header of stream {found:?}, expected {name:?}")));
    }
    if raw.stream_id == 0 {
        return Err(corrupt(segment, "stream_id is 0"));
    }
    Ok(())
}

/// Checks the file of a ring. Returns its length.
pub(crate) fn check_ring_file(segment: &str, stat: &FileStat, max_bytes: u64) -> Result<u64> {
    let length = stat.length;
    if length < SEGMENT_UNIT || !length.is_multiple_of(SEGMENT_UNIT) || length > isize::MAX as u64 {
        return Err(corrupt(segment, format!("{length} bytes, expected a multiple of {SEGMENT_UNIT}")));
    }
    if length > max_bytes {
        return Err(Error::TooLarge { needed: length, limit: max_bytes });
    }
    // A writer reserves all memory of a ring. In a ring with holes, reading frames would allocate memory without limit.
    if stat.allocated < length {
        return Err(corrupt(segment, format!("only {} of its {length} bytes are reserved", stat.allocated)));
    }
    Ok(length)
}

/// Checks the trailer of a ring of `length` bytes. `None`: it belongs to another stream or generation.
pub(crate) fn check_trailer(
    segment: &str,
    raw: &RawTrailer,
    length: u64,
    stream_id: u64,
    generation: u32,
) -> Result<Option<(Geometry, Format)>> {
    if raw.magic != trailer::MAGIC_VALUE {
        return Err(corrupt(segment, "its trailer has another magic than a ring's"));
    }
    check_version(segment, raw.version())?;
    if raw.stream_id != stream_id || raw.generation != generation {
        return Ok(None);
    }
    Geometry::check(raw, length).map(Some).map_err(|reason| corrupt(segment, reason))
}

/// Reads and checks the footer of a metadata segment. `None`: it belongs to another stream or description.
pub(crate) fn read_footer(
    segment: &str,
    opened: &Opened,
    stream_id: u64,
    meta_generation: u32,
) -> Result<Option<RawFooter>> {
    let length = opened.stat.length;
    if !(SEGMENT_UNIT..=MAX_METADATA_BYTES).contains(&length) || !length.is_multiple_of(SEGMENT_UNIT) {
        return Err(corrupt(
            segment,
            format!("{length} bytes, expected a multiple of {SEGMENT_UNIT}, at most {MAX_METADATA_BYTES}"),
        ));
    }
    let mut bytes = [0; RawFooter::LENGTH];
    read_exactly(segment, opened, &mut bytes, length - footer::LENGTH)?;
    let raw = RawFooter::decode(&bytes);
    if raw.magic != footer::MAGIC_VALUE {
        return Err(corrupt(segment, "its footer has another magic than a description's"));
    }
    check_version(segment, raw.version())?;
    if raw.stream_id != stream_id || raw.meta_generation != meta_generation {
        return Ok(None);
    }
    let end = raw.json_offset.checked_add(raw.json_len);
    if end.is_none_or(|end| end > length - footer::LENGTH) {
        return Err(corrupt(
            segment,
            format!("{} bytes of JSON at {} do not fit into its {length} bytes", raw.json_len, raw.json_offset),
        ));
    }
    Ok(Some(raw))
}

fn read_exactly(segment: &str, opened: &Opened, to: &mut [u8], offset: u64) -> Result<()> {
    match read_fully(&opened.file, to, offset) {
        Ok(read) if read == to.len() => Ok(()),
        Ok(_) => Err(corrupt(segment, "it was truncated while it was read")),
        Err(error) => Err(io_error("reading", segment)(error)),
    }
}

/// The kind of a file, judged by its bytes.
pub(crate) enum Kind {
    /// A header of this library, of any version.
    Header,
    /// A ring or a metadata segment of this stream_id.
    PartOf(u64),
    /// A ring or a metadata segment of an unknown version. Its stream_id may be elsewhere.
    UnknownPart,
    /// Anything else: unfinished, or not made by this library.
    Other,
}

/// Determines a file's kind from its beginning and its end. `None`: it cannot be read.
pub(crate) fn kind(opened: &Opened) -> Option<Kind> {
    if read_header(&opened.file).ok()?.is_some() {
        return Some(Kind::Header);
    }
    let part =
        |version: Version, stream_id| if version.is_known() { Kind::PartOf(stream_id) } else { Kind::UnknownPart };
    if let Some(raw) = read_end(opened)?.map(|bytes| RawTrailer::decode(&bytes))
        && raw.magic == trailer::MAGIC_VALUE
    {
        return Some(part(raw.version(), raw.stream_id));
    }
    if let Some(raw) = read_end(opened)?.map(|bytes| RawFooter::decode(&bytes))
        && raw.magic == footer::MAGIC_VALUE
    {
        return Some(part(raw.version(), raw.stream_id));
    }
    Some(Kind::Other)
}

/// The last `N` bytes of a file. The inner `None`: it is shorter.
fn read_end<const N: usize>(opened: &Opened) -> Option<Option<[u8; N]>> {
    let Some(start) = opened.stat.length.checked_sub(N as u64) else { return Some(None) };
    let mut bytes = [0; N];
    let read = read_fully(&opened.file, &mut bytes, start).ok()?;
    Some((read == N).then_some(bytes))
}

/// A header that has been opened and checked.
pub(crate) struct HeaderSegment {
    pub words: HeaderMemory,
    pub stream_id: u64,
    pub created_ns: i64,
    pub id: FileId,
    /// The owner of the stream: its rings and metadata must belong to the same user.
    pub owner: u32,
    pub segment: String,
    /// For testing the writer's lock, and for the waiter lock.
    pub file: OwnedFd,
    pub listening: Listening,
    _map: ReadMapping,
}

/// The file that has the name of a stream's header.
pub(crate) enum FoundHeader {
    Absent,
    Header(Box<HeaderSegment>),
    /// Without this library's magic: not ready yet, made by another program, or damaged. Whether it has a header's
    /// length.
    Unknown(OwnedFd, bool),
}

/// Opens the header of the stream `name`.
pub(crate) fn open_header(name: &str, owner: Owner) -> Result<FoundHeader> {
    let segment = SegmentName::header(name).public;
    let Some(Opened { file, stat }) = open_public(&segment, owner)? else { return Ok(FoundHeader::Absent) };
    if stat.length < header::LENGTH as u64 {
        return Ok(FoundHeader::Unknown(file, false));
    }
    let map = ReadMapping::new(&file, header::LENGTH).map_err(io_error("mapping", &segment))?;
    // SAFETY: mapped with a header's length, on a page; `_map` keeps it as long as the words.
    let words = unsafe { HeaderMemory::new(map.start()) };
    let raw = words.copy();
    if !raw.has_magic() {
        return Ok(FoundHeader::Unknown(file, true));
    }
    check_header(&segment, &raw, name)?;
    Ok(FoundHeader::Header(Box::new(HeaderSegment {
        words,
        stream_id: raw.stream_id,
        created_ns: raw.created_ns,
        id: stat.id,
        owner: stat.owner,
        segment,
        file,
        listening: Listening::default(),
        _map: map,
    })))
}

/// A ring that has been opened and checked.
pub(crate) struct RingSegment {
    pub memory: RingMemory,
    pub format: Format,
    pub generation: u32,
    /// Epoch of the writer that made it.
    pub epoch: u32,
    pub base: u64,
    /// The description that was current when the generation began.
    pub meta_generation: u32,
    /// Its clock, and when it was created.
    pub clock: GenerationClock,
    pub segment: String,
    /// The mapping that `memory` points into; views keep it alive.
    pub map: Arc<ReadMapping>,
}

/// Opens the ring of a generation. `None`: it is absent, or belongs to another stream or generation, since the header
/// has moved on.
pub(crate) fn open_ring(
    name: &str,
    header: &HeaderSegment,
    generation: u32,
    max_bytes: u64,
) -> Result<Option<Box<RingSegment>>> {
    let segment = SegmentName::ring(name, generation).public;
    let Some(Opened { file, stat }) = open_public(&segment, Owner::User(header.owner))? else { return Ok(None) };
    let length = check_ring_file(&segment, &stat, max_bytes)?;
    let map = ReadMapping::new(&file, length as usize).map_err(io_error("mapping", &segment))?;
    // SAFETY: mapped, `length` bytes, a multiple of 16384.
    let raw = unsafe { RingMemory::raw_trailer(map.start(), length) };
    let Some((geometry, format)) = check_trailer(&segment, &raw, length, header.stream_id, generation)? else {
        return Ok(None);
    };
    // SAFETY: mapped, and the geometry has just been checked against its length; `map` keeps it.
    let memory = unsafe { RingMemory::new(map.start(), geometry) };
    Ok(Some(Box::new(RingSegment {
        memory,
        format,
        generation,
        epoch: raw.epoch,
        base: raw.base,
        meta_generation: raw.meta_generation,
        clock: raw.generation_clock(),
        segment,
        map: Arc::new(map),
    })))
}

/// Reads a description. `None`: it is absent, or belongs to another stream or has another number.
pub(crate) fn open_description(
    name: &str,
    header: &HeaderSegment,
    meta_generation: u32,
) -> Result<Option<Description>> {
    let segment = SegmentName::metadata(name, meta_generation).public;
    let Some(opened) = open_public(&segment, Owner::User(header.owner))? else { return Ok(None) };
    let Some(raw) = read_footer(&segment, &opened, header.stream_id, meta_generation)? else { return Ok(None) };
    let mut json = vec![0; raw.json_len as usize];
    read_exactly(&segment, &opened, &mut json, raw.json_offset)?;
    Description::parse(&json).map(Some).map_err(|reason| corrupt(&segment, reason))
}

/// The file that currently has the stream's public name.
pub(crate) fn public_id(segment: &str) -> io::Result<Option<FileId>> {
    Ok(shm::stat_name(segment)?.map(|stat| stat.id))
}
