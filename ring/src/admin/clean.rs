//! What dead writers left behind, and its removal.

use std::collections::HashSet;

use super::list::{name_in, raw_header};
use crate::Result;
use crate::error::io_error;
use crate::layout::{RawFooter, footer, header, trailer};
use crate::shm::{self, FileStat, Opened, read_fully};
use crate::stream::name::{ANCHOR_SUFFIX, SHM_DIR, SegmentName};
use crate::writer::{finish_if_dead, neighbours, remove_unfinished};

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
    if length >= header::LENGTH as u64 && word(header::at::magic.offset() as u64)? == header::MAGIC_VALUE {
        return Some(Kind::Header);
    }
    if length >= trailer::LENGTH && word(length - trailer::LENGTH)? == trailer::MAGIC_VALUE {
        return word(length - trailer::LENGTH + trailer::at::stream_id.offset() as u64).map(Kind::PartOf);
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
    let stat: FileStat = shm::stat_name(name).ok()??;
    if !stat.is_file || stat.owner != shm::effective_user() {
        return None;
    }
    shm::open_segment(name, false).ok()
}

/// What a dead writer of this user left behind: a stream, or parts of one that is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leftover {
    /// The stream's name; `None` for parts whose header is gone, which had it.
    pub stream: Option<String>,
    /// Whether its writer had closed it and died before it had removed it. Such a stream is absent to readers.
    pub closed: bool,
    /// Names of its segments, each without the ending of the writer's own name of it.
    pub segments: Vec<String>,
    /// Shared memory that they take.
    pub bytes: u64,
}

/// What [`clean`] would remove, if it were called now. Changes nothing.
///
/// # Errors
/// [`Error::Io`](crate::Error::Io) when the shared-memory folder cannot be listed, or the system does not tell who holds a
/// lock.
pub fn leftovers() -> Result<Vec<Leftover>> {
    let list = || shm::list().map_err(io_error("listing", SHM_DIR));
    // As in `clean`: candidates first, then the streams that live.
    let mut parts = Vec::new();
    let mut seen = HashSet::new();
    for (segment, is_anchor) in list()? {
        let Some(opened) = open_own(&file_name(&segment, is_anchor)) else { continue };
        let stream_id = match kind(&opened) {
            Some(Kind::PartOf(stream_id)) => Some(stream_id),
            Some(Kind::Unfinished) if is_anchor && opened.stat.length > 0 && !is_held(&opened, &segment)? => None,
            _ => continue,
        };
        if seen.insert(opened.stat.id) {
            parts.push((segment, is_anchor, stream_id, opened.stat));
        }
    }
    let names = list()?;
    let mut found: Vec<(Option<u64>, Leftover)> = Vec::new();
    let mut dead = Vec::new();
    for (segment, is_anchor) in &names {
        let Some(opened) = open_own(&file_name(segment, *is_anchor)) else { continue };
        let Some(header) = raw_header(&opened).filter(|_| !seen.contains(&opened.stat.id)) else { continue };
        let mended = !*is_anchor && open_own(&file_name(segment, true)).is_some();
        // A writer that has just closed its stream lets go of a header that has no name any more.
        if mended || is_held(&opened, segment)? || !is_there(segment, *is_anchor, &opened.stat) {
            continue;
        }
        seen.insert(opened.stat.id);
        dead.push(segment.clone());
        let leftover = Leftover {
            stream: Some(name_in(&header)),
            closed: header.is_closed(),
            segments: vec![segment.clone()],
            bytes: opened.stat.allocated,
        };
        found.push((Some(header.stream_id), leftover));
    }
    let alive: Vec<(String, bool)> = names.into_iter().filter(|(segment, _)| !dead.contains(segment)).collect();
    let (stream_ids, being_made) = living(&alive);
    for (segment, is_anchor, stream_id, stat) in parts {
        let lives = stream_id.map_or_else(|| being_made.contains(&segment), |id| stream_ids.contains(&id));
        // A stream that was closed meanwhile has taken its parts with it, before its header.
        if lives || !is_there(&segment, is_anchor, &stat) {
            continue;
        }
        let bytes = stat.allocated;
        match found.iter_mut().find(|(id, _)| stream_id.is_some() && *id == stream_id) {
            Some((_, leftover)) => {
                leftover.segments.push(segment);
                leftover.bytes += bytes;
            }
            None => {
                let leftover = Leftover { stream: None, closed: false, segments: vec![segment], bytes };
                found.push((stream_id, leftover));
            }
        }
    }
    Ok(found.into_iter().map(|(_, leftover)| leftover).collect())
}

fn file_name(segment: &str, is_anchor: bool) -> String {
    if is_anchor { format!("{segment}{ANCHOR_SUFFIX}") } else { segment.to_owned() }
}

/// Whether a file still has the name by which it was found.
fn is_there(segment: &str, is_anchor: bool, stat: &FileStat) -> bool {
    shm::stat_name(&file_name(segment, is_anchor)).is_ok_and(|now| now.is_some_and(|now| now.id == stat.id))
}

fn is_held(opened: &Opened, segment: &str) -> Result<bool> {
    shm::is_write_locked(&opened.file).map_err(io_error("asking for the lock of", segment))
}

/// Removes what dead writers of this user left behind: their streams, and rings and descriptions that belong to no
/// stream any more. Attached readers see these streams closed. Never touches anything whose writer lives, and nothing of
/// ezmsg's. Returns the names of the removed streams and segments.
///
/// # Errors
/// [`Error::Io`](crate::Error::Io) when the shared-memory folder cannot be listed or something cannot be removed.
pub fn clean() -> Result<Vec<String>> {
    let mut removed = Vec::new();
    let list = || shm::list().map_err(io_error("listing", SHM_DIR));
    for (segment, is_anchor) in list()? {
        let name = file_name(&segment, is_anchor);
        let Some(opened) = open_own(&name) else { continue };
        if !matches!(kind(&opened), Some(Kind::Header)) {
            continue;
        }
        let stream = raw_header(&opened).map_or_else(|| segment.clone(), |header| name_in(&header));
        if is_anchor {
            if finish_if_dead(&segment)? {
                removed.push(stream);
            }
        } else if open_own(&file_name(&segment, true)).is_none()
            && !is_held(&opened, &segment)?
            && shm::unlink_if(&segment, opened.stat.id).map_err(io_error("removing", &segment))?
        {
            removed.push(stream);
        }
    }
    // Candidates first, then the streams that live: what a live writer makes in between is no candidate.
    let mut candidates = Vec::new();
    for (segment, is_anchor) in list()? {
        let name = file_name(&segment, is_anchor);
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
                    && shm::unlink_if(&name, opened.stat.id).map_err(io_error("removing", &name))?
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
        let name = file_name(segment, *is_anchor);
        let Some(opened) = open_own(&name) else { continue };
        let Some(header) = raw_header(&opened) else { continue };
        let name = name_in(&header);
        stream_ids.insert(header.stream_id);
        let (rings, metas) = neighbours(header.current_generation(), header.meta_generation);
        being_made.extend(rings.into_iter().map(|generation| SegmentName::ring(&name, generation).public));
        being_made.extend(metas.into_iter().map(|meta| SegmentName::metadata(&name, meta).public));
    }
    (stream_ids, being_made)
}
