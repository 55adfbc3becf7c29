//! What dead writers left behind, and its removal.

use std::collections::HashSet;

use crate::Result;
use crate::error::io_error;
use crate::layout::RawHeader;
use crate::shm::open::{Kind, kind, open_own, read_header};
use crate::shm::{self, FileStat, Opened};
use crate::stream::name::SHM_DIR;
use crate::stream::name::{ANCHOR_SUFFIX, SegmentName};
use crate::writer::{finish_if_dead, neighbours, remove_unfinished};

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
        let Some(opened) = open_own(&file_name(&segment, is_anchor), false) else { continue };
        let stream_id = match kind(&opened) {
            Some(Kind::PartOf(stream_id)) => Some(stream_id),
            Some(Kind::Other) if is_anchor && opened.stat.length > 0 && !is_held(&opened, &segment)? => None,
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
        let Some(opened) = open_own(&file_name(segment, *is_anchor), false) else { continue };
        let Some(header) = header_of(&opened).filter(|_| !seen.contains(&opened.stat.id)) else { continue };
        let mended = !*is_anchor && open_own(&file_name(segment, true), false).is_some();
        // A writer that has just closed its stream lets go of a header that has no name any more.
        if mended || is_held(&opened, segment)? || !is_there(segment, *is_anchor, &opened.stat) {
            continue;
        }
        seen.insert(opened.stat.id);
        dead.push(segment.clone());
        let leftover = Leftover {
            stream: Some(header.name_lossy()),
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

/// A copy of a header of ours; `None` for any other file.
fn header_of(opened: &Opened) -> Option<Box<RawHeader>> {
    read_header(&opened.file).ok()?
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
        let Some(opened) = open_own(&name, false) else { continue };
        let Some(Kind::Header(header)) = kind(&opened) else { continue };
        let stream = header.name_lossy();
        if is_anchor {
            if finish_if_dead(&segment)? {
                removed.push(stream);
            }
        } else if open_own(&file_name(&segment, true), false).is_none()
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
        let Some(opened) = open_own(&name, false) else { continue };
        match kind(&opened) {
            Some(Kind::PartOf(stream_id)) => candidates.push((segment, name, opened, Some(stream_id))),
            // ezmsg's data segments have no magic either, but never an anchor.
            Some(Kind::Other) if is_anchor => candidates.push((segment, name, opened, None)),
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
        let Some(opened) = open_own(&name, false) else { continue };
        let Some(header) = header_of(&opened) else { continue };
        let name = header.name_lossy();
        stream_ids.insert(header.stream_id);
        let (rings, metas) = neighbours(header.current_generation(), header.meta_generation);
        being_made.extend(rings.into_iter().map(|generation| SegmentName::ring(&name, generation).public));
        being_made.extend(metas.into_iter().map(|meta| SegmentName::metadata(&name, meta).public));
    }
    (stream_ids, being_made)
}
