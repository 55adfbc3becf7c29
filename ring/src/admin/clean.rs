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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Leftover {
    /// The stream's name; `None` for parts whose header, which had the name, is gone.
    pub stream: Option<String>,
    /// Whether its writer closed the stream, but died before it removed it. For readers, such a stream is absent.
    pub closed: bool,
    /// Public names of its segments.
    pub segments: Vec<String>,
    /// Shared memory that these segments take, in bytes.
    pub bytes: u64,
}

/// Lists what [`clean`] would remove now. Changes nothing.
///
/// # Errors
/// [`Error::Io`](crate::Error::Io) if the shared-memory folder cannot be listed, or if the system cannot determine
/// whether a lock is held.
pub fn leftovers() -> Result<Vec<Leftover>> {
    let mut leftovers: Vec<(Option<u64>, Leftover)> = Vec::new();
    for Remains { segment, stat, what, .. } in plan()? {
        let (segments, bytes) = (vec![segment], stat.allocated);
        let (stream_id, stream, closed) = match what {
            What::Header(header) => (Some(header.stream_id), Some(header.name_lossy()), header.is_closed()),
            What::Part(stream_id) => (Some(stream_id), None, false),
            // It takes no memory, and may belong to a writer that is about to lock it.
            What::Unfinished if stat.length == 0 => continue,
            What::Unfinished => (None, None, false),
        };
        match leftovers.iter_mut().find(|(id, _)| stream.is_none() && stream_id.is_some() && *id == stream_id) {
            Some((_, leftover)) => {
                leftover.segments.extend(segments);
                leftover.bytes += bytes;
            }
            None => leftovers.push((stream_id, Leftover { stream, closed, segments, bytes })),
        }
    }
    Ok(leftovers.into_iter().map(|(_, leftover)| leftover).collect())
}

/// Removes what dead writers of this user left behind: their streams, and rings and descriptions without a stream.
/// Attached readers see these streams closed. It never touches the segments of a live writer, segments that ezmsg made,
/// or a ring or description of a later version. Returns the names of the removed streams and segments.
///
/// # Errors
/// [`Error::Io`](crate::Error::Io) if the shared-memory folder cannot be listed, or a segment cannot be removed.
pub fn clean() -> Result<Vec<String>> {
    let mut removed = Vec::new();
    let mut rest = Vec::new();
    for remains in plan()? {
        let Remains { segment, is_anchor, stat, what } = &remains;
        match what {
            What::Header(header) => {
                let gone = if *is_anchor {
                    finish_if_dead(segment)?
                } else {
                    shm::unlink_if(segment, stat.id).map_err(io_error("removing", segment))?
                };
                if gone {
                    removed.push(header.name_lossy());
                }
            }
            What::Part(_) | What::Unfinished => rest.push(remains),
        }
    }
    // Checked again, since a writer may have taken over a dead stream and its ring in between.
    let living = Living::among(&list()?);
    for Remains { segment, is_anchor, stat, what } in rest {
        let name = file_name(&segment, is_anchor);
        match what {
            What::Part(stream_id) if !living.stream_ids.contains(&stream_id) => {
                for name in [file_name(&segment, false), file_name(&segment, true)] {
                    if shm::unlink_if(&name, stat.id).map_err(io_error("removing", &name))? {
                        removed.push(name);
                    }
                }
            }
            What::Unfinished if !living.is_making(&segment) && remove_unfinished(&name)? => removed.push(name),
            _ => {}
        }
    }
    removed.sort();
    removed.dedup();
    Ok(removed)
}

/// A file of this user without a live writer, under one of its names.
struct Remains {
    /// The public name of the segment.
    segment: String,
    /// Whether the file was found under its anchor.
    is_anchor: bool,
    stat: FileStat,
    what: What,
}

enum What {
    Header(Box<RawHeader>),
    /// A ring or a description of this stream_id.
    Part(u64),
    /// An anchor of a segment that was never finished.
    Unfinished,
}

/// The files to be removed: headers first, each file once.
fn plan() -> Result<Vec<Remains>> {
    // Candidates are listed before live streams, so that a segment that a live writer makes in between is not a
    // candidate.
    let candidates = candidates()?;
    let names = list()?;
    let mut plan = dead_headers(&names)?;
    let is_dead = |segment: &String| plan.iter().any(|header| header.segment == *segment);
    let living = Living::among(&names.into_iter().filter(|(segment, _)| !is_dead(segment)).collect::<Vec<_>>());
    for remains in candidates {
        let lives = match remains.what {
            What::Part(stream_id) => living.stream_ids.contains(&stream_id),
            _ => living.is_making(&remains.segment),
        };
        // If a stream was closed in the meantime, its parts were removed before its header.
        if !lives && is_there(&remains.segment, remains.is_anchor, &remains.stat) {
            plan.push(remains);
        }
    }
    Ok(plan)
}

/// Rings, descriptions and unfinished anchors, including those of live writers.
fn candidates() -> Result<Vec<Remains>> {
    let mut candidates = Vec::new();
    let mut seen = HashSet::new();
    for (segment, is_anchor) in list()? {
        let Some(opened) = open_own(&file_name(&segment, is_anchor), false) else { continue };
        let what = match kind(&opened) {
            Some(Kind::PartOf(stream_id)) => What::Part(stream_id),
            // The data segments of ezmsg have no magic either, but they never have an anchor.
            Some(Kind::Other) if is_anchor && !is_held(&opened, &segment)? => What::Unfinished,
            _ => continue,
        };
        if seen.insert(opened.stat.id) {
            candidates.push(Remains { segment, is_anchor, stat: opened.stat, what });
        }
    }
    Ok(candidates)
}

/// The headers among these names that no writer holds.
fn dead_headers(names: &[(String, bool)]) -> Result<Vec<Remains>> {
    let mut dead: Vec<Remains> = Vec::new();
    for (segment, is_anchor) in names {
        let Some((opened, header)) = header_of(segment, *is_anchor) else { continue };
        let has_anchor = !*is_anchor && open_own(&file_name(segment, true), false).is_some();
        let is_known = dead.iter().any(|other| other.stat.id == opened.stat.id);
        // A writer that has just closed its stream releases a header that no longer has a name.
        if has_anchor || is_known || is_held(&opened, segment)? || !is_there(segment, *is_anchor, &opened.stat) {
            continue;
        }
        let what = What::Header(header);
        dead.push(Remains { segment: segment.clone(), is_anchor: *is_anchor, stat: opened.stat, what });
    }
    Ok(dead)
}

/// What belongs to the streams that have a header.
struct Living {
    stream_ids: HashSet<u64>,
    /// Segments that their writers may be making at the moment.
    being_made: HashSet<String>,
}

impl Living {
    fn among(names: &[(String, bool)]) -> Self {
        let mut living = Self { stream_ids: HashSet::new(), being_made: HashSet::new() };
        // Under either name, since the other one may have been removed and not linked again yet.
        for (_, header) in names.iter().filter_map(|(segment, is_anchor)| header_of(segment, *is_anchor)) {
            let name = header.name_lossy();
            living.stream_ids.insert(header.stream_id);
            let (rings, metas) = neighbours(header.current_generation(), header.meta_generation);
            let rings = rings.into_iter().map(|generation| SegmentName::ring(&name, generation).public);
            let metas = metas.into_iter().map(|meta| SegmentName::metadata(&name, meta).public);
            living.being_made.extend(rings.chain(metas));
        }
        living
    }

    fn is_making(&self, segment: &str) -> bool {
        self.being_made.contains(segment)
    }
}

/// The header with this name, if this library made it.
fn header_of(segment: &str, is_anchor: bool) -> Option<(Opened, Box<RawHeader>)> {
    let opened = open_own(&file_name(segment, is_anchor), false)?;
    let header = read_header(&opened.file).ok()??;
    Some((opened, header))
}

fn list() -> Result<Vec<(String, bool)>> {
    shm::list().map_err(io_error("listing", SHM_DIR))
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
