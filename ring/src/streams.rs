//! All streams of the machine, and what dead writers left behind.

use std::collections::HashSet;

use crate::error::io_error;
use crate::ezmsg;
use crate::layout::{NO_GENERATION, RawFooter, footer, get_u32, get_u64, header, trailer};
use crate::names::{ANCHOR_SUFFIX, MAX_NAME_BYTES, SHM_DIR, SegmentName};
use crate::os::{self, FileStat, Opened};
use crate::reader::{Info, Reader, ReaderOptions};
use crate::writer::{finish_if_dead, neighbours, read_fully, remove_unfinished};
use crate::{Result, shorten};

/// A stream as [`streams`] found it.
#[derive(Clone, Debug)]
pub enum StreamInfo {
    /// A stream of this process's user or of root, with everything that a reader would be told.
    Stream(Box<Info>),
    /// Another user's stream, which is not opened unless the user is named ([`ReaderOptions::owner`]).
    OtherUser {
        /// Name of the header segment; the stream's own name is inside.
        segment: String,
        /// User id of its writer.
        owner: u32,
    },
    /// Something of ours that cannot be read, and why.
    Unreadable {
        /// Name of the header segment.
        segment: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A stream that ezmsg itself wrote. Its name is not in its header.
    Ezmsg {
        /// Name of the header segment.
        segment: String,
        /// ezmsg's struct version, 1 or 2.
        struct_version: u32,
        /// The signal's key, if it has one.
        key: Option<String>,
    },
}

fn allowed(owner: u32) -> bool {
    owner == 0 || owner == os::effective_user()
}

/// All streams of the machine, sorted by the names of their segments.
///
/// # Errors
/// [`Error::Io`](crate::Error::Io) when the shared-memory folder cannot be listed.
pub fn streams() -> Result<Vec<StreamInfo>> {
    let names = os::list().map_err(io_error("listing", SHM_DIR))?;
    let anchored: HashSet<&str> =
        names.iter().filter(|(_, is_anchor)| *is_anchor).map(|(name, _)| name.as_str()).collect();
    let mut found = Vec::new();
    for (segment, is_anchor) in &names {
        if *is_anchor {
            found.extend(anchored_stream(segment));
        } else if !anchored.contains(segment.as_str()) {
            found.extend(ezmsg_stream(segment));
        }
    }
    Ok(found)
}

/// The stream whose header has this anchor; `None` for anchors of rings and metadata.
fn anchored_stream(segment: &str) -> Option<StreamInfo> {
    let anchor = format!("{segment}{ANCHOR_SUFFIX}");
    let stat = os::stat_name(&anchor).ok()??;
    if !stat.is_file {
        return None;
    }
    if !allowed(stat.owner) {
        // Of a foreign segment only the length is known: headers are the only ones this short.
        let owner = stat.owner;
        return (stat.length == header::LENGTH as u64)
            .then(|| StreamInfo::OtherUser { segment: segment.to_owned(), owner });
    }
    let unreadable = |reason: String| StreamInfo::Unreadable { segment: segment.to_owned(), reason };
    let opened = match os::open_segment(&anchor, false) {
        Ok(opened) => opened,
        Err(error) => {
            return (stat.length == header::LENGTH as u64)
                .then(|| unreadable(io_error("opening", &anchor)(error).to_string()));
        }
    };
    let bytes = header_bytes(&opened)?;
    // Its writer is about to remove it, or had no time to.
    if get_u32(&bytes[..], header::STATE) == header::STATE_CLOSED {
        return None;
    }
    let name = name_in(&bytes);
    if shorten(&name) != segment {
        return Some(unreadable(format!("its header says it is stream {name:?}, whose segment has another name")));
    }
    let info = Reader::open(&name, ReaderOptions::default()).and_then(|reader| reader.info());
    Some(match info {
        Ok(info) => StreamInfo::Stream(Box::new(info)),
        Err(error) => unreadable(error.to_string()),
    })
}

/// A copy of a header of ours; `None` for any other file.
fn header_bytes(opened: &Opened) -> Option<Box<[u8; header::LENGTH]>> {
    let mut bytes = Box::new([0; header::LENGTH]);
    let read = read_fully(&opened.file, &mut bytes[..], 0).ok()?;
    (read == bytes.len() && get_u64(&bytes[..], header::MAGIC) == header::MAGIC_VALUE).then_some(bytes)
}

fn name_in(bytes: &[u8; header::LENGTH]) -> String {
    let length = (get_u32(bytes, header::NAME_LEN) as usize).min(MAX_NAME_BYTES);
    String::from_utf8_lossy(&bytes[header::NAME..header::NAME + length]).into_owned()
}

fn ezmsg_stream(segment: &str) -> Option<StreamInfo> {
    let stat = os::stat_name(segment).ok()??;
    if !stat.is_file || !allowed(stat.owner) {
        return None;
    }
    let opened = os::open_segment(segment, false).ok()?;
    let mut bytes = [0; ezmsg::header::LENGTH];
    let read = read_fully(&opened.file, &mut bytes, 0).ok()?;
    let foreign = ezmsg::header::peek(&bytes).filter(|_| read == bytes.len())?;
    // A header of ours starts with ezmsg's fields too; without its anchor it is a leftover.
    if header_bytes(&opened).is_some() {
        return None;
    }
    Some(StreamInfo::Ezmsg { segment: segment.to_owned(), struct_version: foreign.struct_version, key: foreign.key })
}

/// What a segment is, as far as its own bytes tell.
enum Kind {
    Header,
    /// A ring or a metadata segment of this stream.
    PartOf(u64),
    Unfinished,
}

fn kind(opened: &Opened) -> Option<Kind> {
    let length = opened.stat.length;
    let word = |offset: u64| -> Option<u64> {
        let mut bytes = [0; 8];
        let read = read_fully(&opened.file, &mut bytes, offset).ok()?;
        (read == bytes.len()).then(|| u64::from_le_bytes(bytes))
    };
    if length >= header::LENGTH as u64 && word(header::MAGIC as u64)? == header::MAGIC_VALUE {
        return Some(Kind::Header);
    }
    if length >= trailer::LENGTH && word(length - trailer::LENGTH)? == trailer::MAGIC_VALUE {
        return word(length - trailer::LENGTH + trailer::STREAM_ID as u64).map(Kind::PartOf);
    }
    if length >= footer::LENGTH && word(length - footer::LENGTH)? == footer::MAGIC_VALUE {
        let mut bytes = [0; footer::LENGTH as usize];
        read_fully(&opened.file, &mut bytes, length - footer::LENGTH).ok()?;
        return Some(Kind::PartOf(RawFooter::decode(&bytes).stream_id));
    }
    Some(Kind::Unfinished)
}

/// Opens a file of our own user.
fn open_own(name: &str) -> Option<Opened> {
    let stat: FileStat = os::stat_name(name).ok()??;
    if !stat.is_file || stat.owner != os::effective_user() {
        return None;
    }
    os::open_segment(name, false).ok()
}

/// Removes what dead writers of this user left behind: their streams, and rings and descriptions that belong to no
/// stream any more. Attached readers see these streams closed. Never touches anything whose writer lives, and nothing of
/// ezmsg's. Returns the names of the removed streams and segments.
///
/// # Errors
/// [`Error::Io`](crate::Error::Io) when the shared-memory folder cannot be listed or something cannot be removed.
pub fn clean() -> Result<Vec<String>> {
    let mut removed = Vec::new();
    let list = || os::list().map_err(io_error("listing", SHM_DIR));
    for (segment, is_anchor) in list()? {
        let name = if is_anchor { format!("{segment}{ANCHOR_SUFFIX}") } else { segment.clone() };
        let Some(opened) = open_own(&name) else { continue };
        if !matches!(kind(&opened), Some(Kind::Header)) {
            continue;
        }
        let stream = header_bytes(&opened).map_or_else(|| segment.clone(), |bytes| name_in(&bytes));
        if is_anchor {
            if finish_if_dead(&segment)? {
                removed.push(stream);
            }
        } else if open_own(&format!("{segment}{ANCHOR_SUFFIX}")).is_none()
            && !os::is_write_locked(&opened.file).map_err(io_error("asking for the lock of", &segment))?
            && os::unlink_if(&segment, opened.stat.id).map_err(io_error("removing", &segment))?
        {
            removed.push(stream);
        }
    }
    // Candidates first, then the streams that live: what a live writer makes in between is no candidate.
    let mut candidates = Vec::new();
    for (segment, is_anchor) in list()? {
        let name = if is_anchor { format!("{segment}{ANCHOR_SUFFIX}") } else { segment.clone() };
        let Some(opened) = open_own(&name) else { continue };
        match kind(&opened) {
            Some(Kind::PartOf(stream_id)) => candidates.push((segment, name, opened, Some(stream_id))),
            // ezmsg's data segments have no magic either, but never an anchor.
            Some(Kind::Unfinished) if is_anchor => candidates.push((segment, name, opened, None)),
            _ => {}
        }
    }
    let (stream_ids, being_made) = living(&list()?);
    for (segment, name, opened, stream_id) in candidates {
        let gone = match stream_id {
            Some(stream_id) => {
                !stream_ids.contains(&stream_id)
                    && os::unlink_if(&name, opened.stat.id).map_err(io_error("removing", &name))?
            }
            None => !being_made.contains(&segment) && remove_unfinished(&name)?,
        };
        if gone {
            removed.push(name);
        }
    }
    removed.sort();
    removed.dedup();
    Ok(removed)
}

/// The stream_ids of all headers that are left, and the segment names that their writers may be making right now.
fn living(names: &[(String, bool)]) -> (HashSet<u64>, HashSet<String>) {
    let mut stream_ids = HashSet::new();
    let mut being_made = HashSet::new();
    for (segment, is_anchor) in names {
        // By either name: a live writer's header may be waiting for the other one to be put back.
        let name = if *is_anchor { format!("{segment}{ANCHOR_SUFFIX}") } else { segment.clone() };
        let Some(opened) = open_own(&name) else { continue };
        let Some(bytes) = header_bytes(&opened) else { continue };
        let name = name_in(&bytes);
        stream_ids.insert(get_u64(&bytes[..], header::STREAM_ID));
        let generation = Some(get_u32(&bytes[..], header::GENERATION)).filter(|&number| number != NO_GENERATION);
        let (rings, metas) = neighbours(generation, get_u32(&bytes[..], header::META_GENERATION));
        being_made.extend(rings.into_iter().map(|generation| SegmentName::ring(&name, generation).public));
        being_made.extend(metas.into_iter().map(|meta| SegmentName::metadata(&name, meta).public));
    }
    (stream_ids, being_made)
}
