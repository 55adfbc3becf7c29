//! Acquiring a name: creation and takeover in one routine, and the removal of what a dead writer left.

use std::io;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::segment::{Segment, no_space, taken};
use crate::error::io_error;
use crate::ezmsg::header::EzmsgHeader;
use crate::layout::{
    MAJOR, MAX_METADATA_BYTES, MINOR, NO_GENERATION, RawHeader, UNKNOWN_POSITION, header, kept_generations,
    kept_meta_generations, next_generation, next_meta_generation,
};
use crate::protocol::{self, RingWords as _, counts, failpoint};
use crate::shm::memory::{EveryWaiter, HeaderMemory, RingMemory};
use crate::shm::open::{check_header, check_ring_file, check_trailer, open_own, read_footer, read_header};
use crate::shm::{self, FileStat, Lock, Opened};
use crate::stream::name::SegmentName;
use crate::{Error, Result};

/// Pause while a temporary obstacle is waited for: a writer that is closing, or a process that tests the lock.
const OBSTACLE_PAUSE: Duration = Duration::from_millis(5);

/// The most frames with which a stream can be taken over. No writer gets that far, and a stream that claims more would
/// leave later writers no positions.
const MOST_FRAMES: u64 = 1 << 62;

/// A stream that this process owns, by the lock in it.
pub(crate) struct Acquired {
    pub header: Segment,
    pub words: HeaderMemory,
    pub stream_id: u64,
    pub epoch: u32,
    /// The generation in the header; `ring` is its ring, if there is one.
    pub generation: Option<u32>,
    pub ring: Option<Segment>,
    /// Frames committed under this stream_id so far.
    pub base: u64,
    pub meta_generation: u32,
    pub metadata: Option<Segment>,
    /// The description of the ring's newest frames and its number, if the header names another one already.
    pub ring_metadata: Option<(u32, Segment)>,
    /// The longest pickle that was ever announced to mirrors.
    pub aux_len: u64,
}

/// Acquires the stream `name`: creates it, or takes over what a dead writer left. Waits for a temporary obstacle, but at
/// most for `patience`.
pub(crate) fn acquire(name: &str, mode: u32, patience: Duration) -> Result<(Lock, Acquired)> {
    let names = SegmentName::header(name);
    let end = Instant::now() + patience;
    loop {
        let Opened { file, stat } =
            shm::create_anchor(&names.anchor, false).map_err(|error| not_ours(error, name, &names))?;
        if !stat.is_file {
            return Err(taken(name, &anchor_as_public(&names)));
        }
        if stat.owner != shm::effective_user() {
            return Err(Error::WrongOwner {
                segment: names.anchor,
                found: stat.owner,
                expected: format!("{} (this process)", shm::effective_user()),
            });
        }
        let lock = match Lock::try_take(file).map_err(io_error("locking", &names.anchor))? {
            Ok(lock) => lock,
            Err(file) => {
                let live = shm::is_write_locked(&file).map_err(io_error("asking for the lock of", &names.anchor))?;
                let header = read_header(&file).map_err(io_error("reading", &names.anchor))?;
                // The writer of a closed header is about to release it. A header without magic is being created, or
                // removed by `clean`.
                let passing = header.as_ref().is_none_or(|header| header.is_closed());
                if Instant::now() < end && (passing || !live) {
                    std::thread::sleep(OBSTACLE_PAUSE);
                    continue;
                }
                if !live {
                    return Err(Error::Obstructed { name: name.to_owned() });
                }
                let pid = header.map(|header| header.writer_pid).filter(|&pid| pid != 0);
                return Err(Error::Live { name: name.to_owned(), pid });
            }
        };
        // The name may have been removed, or given to a new file, between the open and the lock.
        let now = shm::stat_name(&names.anchor).map_err(io_error("checking", &names.anchor))?;
        if now.is_none_or(|now| now.id != stat.id) {
            continue;
        }
        match read_header(lock.file()).map_err(io_error("reading", &names.anchor))? {
            Some(header) => {
                let is_good = check_header(&names.anchor, &header, name).is_ok() && header.state == header::STATE_OPEN;
                if is_good && let Some(acquired) = take_over(name, &names, &lock, &header, mode)? {
                    return Ok((lock, acquired));
                }
                finish(name, &names, &lock, &header)?;
            }
            None => return create(name, &names, &lock, mode).map(|acquired| (lock, acquired)),
        }
    }
}

fn not_ours(error: io::Error, name: &str, names: &SegmentName) -> Error {
    match error.raw_os_error() {
        Some(libc::ELOOP | libc::EISDIR | libc::ENXIO | libc::EACCES | libc::EPERM) => {
            taken(name, &anchor_as_public(names))
        }
        _ => io_error("opening", &names.anchor)(error),
    }
}

fn anchor_as_public(names: &SegmentName) -> SegmentName {
    SegmentName { public: names.anchor.clone(), anchor: names.anchor.clone() }
}

/// A second open of the header, whose description does not carry the lock, and its mapping.
fn map_header(names: &SegmentName, lock: &Lock) -> Result<(Segment, HeaderMemory)> {
    let anchor = &names.anchor;
    let opened = shm::open_segment(anchor, true).map_err(io_error("opening", anchor))?;
    let locked = shm::FileStat::of(lock.file()).map_err(io_error("checking", anchor))?;
    if opened.stat.id != locked.id {
        return Err(io_error("opening", anchor)(io::Error::other("it was replaced by another file")));
    }
    let segment = Segment::adopt(names.clone(), opened, anchor, header::LENGTH)?;
    // SAFETY: the mapping is as long as a header and starts on a page. The segment that owns it stays with the words,
    // in `Acquired` and then in the service, which is stopped before it is unmapped.
    let words = unsafe { HeaderMemory::new(segment.map.start()) };
    Ok((segment, words))
}

/// C1 to C6. The anchor is locked by this process and holds no header.
fn create(name: &str, names: &SegmentName, lock: &Lock, mode: u32) -> Result<Acquired> {
    failpoint::point("C0");
    let unlink_anchor = |error| {
        let _ = shm::unlink(&names.anchor);
        error
    };
    rustix::fs::ftruncate(lock.file(), 0).map_err(|errno| io_error("emptying", &names.anchor)(errno.into()))?;
    shm::reserve(lock.file(), header::LENGTH as u64)
        .map_err(|error| unlink_anchor(no_space(error, header::LENGTH as u64, &names.anchor)))?;
    failpoint::point("C1");
    let (segment, words) = map_header(names, lock).map_err(unlink_anchor)?;
    // SAFETY: the words of a mapped header.
    let mut ezmsg = unsafe { EzmsgHeader::new(words.start()) };
    ezmsg.placeholders();
    failpoint::point("C2");
    let stream_id = shm::random_id().map_err(io_error("generating", "a random number")).map_err(unlink_anchor)?;
    let mut raw = RawHeader {
        major: MAJOR,
        minor: MINOR,
        stream_id,
        created_ns: shm::unix_ns(),
        state: header::STATE_OPEN,
        generation: NO_GENERATION,
        epoch: 1,
        writer_pid: std::process::id(),
        final_position: UNKNOWN_POSITION,
        counted_by: 1,
        name_len: name.len() as u32,
        ..RawHeader::default()
    };
    raw.name[..name.len()].copy_from_slice(name.as_bytes());
    words.fill(&raw);
    failpoint::point("C3");
    // Release, partner of the Acquire load in `HeaderMemory::copy`.
    words.magic().store(header::MAGIC_VALUE, Ordering::Release);
    failpoint::point("C4");
    shm::set_mode(lock.file(), mode).map_err(io_error("setting the mode of", &names.anchor)).map_err(unlink_anchor)?;
    failpoint::point("C5");
    link_header(name, names, &segment).map_err(unlink_anchor)?;
    failpoint::point("C6");
    Ok(Acquired {
        header: segment,
        words,
        stream_id,
        epoch: 1,
        generation: None,
        ring: None,
        base: 0,
        meta_generation: 0,
        metadata: None,
        ring_metadata: None,
        aux_len: 0,
    })
}

/// C6 and the header's part of T4: gives the header its public name. Removes a file that has it only if that is an old
/// leftover.
fn link_header(name: &str, names: &SegmentName, segment: &Segment) -> Result<()> {
    loop {
        match shm::link(&names.anchor, &names.public) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(io_error("linking", &names.public)(error)),
        }
        let Some(there) = shm::stat_name(&names.public).map_err(io_error("checking", &names.public))? else {
            continue;
        };
        if there.id == segment.id {
            return Ok(());
        }
        if !is_leftover(&names.public) {
            return Err(taken(name, names));
        }
        shm::unlink_if(&names.public, there.id).map_err(io_error("removing", &names.public))?;
    }
}

/// Whether a public name is that of a header without an owner, which can be locked.
fn is_leftover(public: &str) -> bool {
    let Some(Opened { file, .. }) = open_own(public, true) else { return false };
    matches!(read_header(&file), Ok(Some(_))) && matches!(Lock::try_take(file), Ok(Ok(_)))
}

/// A ring of this stream as found in shared memory, checked.
struct FoundRing {
    segment: Segment,
    /// The description of its newest frames.
    meta_generation: u32,
    /// Frames committed under the stream_id up to the end of this ring.
    end: u64,
}

fn find_ring(name: &str, stream_id: u64, generation: u32) -> Option<FoundRing> {
    let names = SegmentName::ring(name, generation);
    let (opened, by_name) = open_either(&names)?;
    let length = check_ring_file(&by_name, &opened.stat, u64::MAX).ok()?;
    let segment = Segment::adopt(names, opened, &by_name, length as usize).ok()?;
    // SAFETY: mapped, `length` bytes long, a multiple of 16384.
    let raw = unsafe { RingMemory::raw_trailer(segment.map.start(), length) };
    let (geometry, _) = check_trailer(&by_name, &raw, length, stream_id, generation).ok()??;
    // SAFETY: mapped, and the geometry has just been checked against its length.
    let ring = unsafe { RingMemory::new(segment.map.start(), geometry) };
    // Acquire, partner of W8, to see the dead writer's last commit.
    let committed = ring.committed().load(Ordering::Acquire);
    let reserved = ring.reserved().load(Ordering::Relaxed);
    let end = raw.base.checked_add(committed).filter(|&end| end <= MOST_FRAMES && committed <= reserved)?;
    let meta_generation = ring.committed_meta_generation().load(Ordering::Relaxed);
    Some(FoundRing { segment, meta_generation, end })
}

/// Opens a segment of this stream by its anchor, else by its public name. Also returns the name by which it was opened.
fn open_either(names: &SegmentName) -> Option<(Opened, String)> {
    [&names.anchor, &names.public].into_iter().find_map(|name| Some((open_own(name, true)?, name.clone())))
}

/// The metadata of this stream as found in shared memory, checked, and the bytes of its padded pickle.
fn find_metadata(name: &str, stream_id: u64, meta_generation: u32) -> Option<(Segment, u64)> {
    let names = SegmentName::metadata(name, meta_generation);
    let (opened, by_name) = open_either(&names)?;
    let raw = read_footer(&by_name, &opened, stream_id, meta_generation).ok()??;
    let length = opened.stat.length;
    let segment = Segment::adopt(names, opened, &by_name, length as usize).ok()?;
    (raw.aux_len <= length).then_some((segment, raw.aux_len))
}

/// T1 to T5. `None`: the header's ring is absent or fails a check, and the stream has to be finished.
fn take_over(name: &str, names: &SegmentName, lock: &Lock, header: &RawHeader, mode: u32) -> Result<Option<Acquired>> {
    let stream_id = header.stream_id;
    let generation = header.current_generation();
    let found = match generation {
        None => None,
        Some(generation) => match find_ring(name, stream_id, generation) {
            Some(found) => Some(found),
            None => return Ok(None),
        },
    };
    let meta_generation = header.meta_generation;
    let metadata = (meta_generation != 0).then(|| find_metadata(name, stream_id, meta_generation)).flatten();
    // A writer that died between M3 and S8 left a header whose description is that of a generation that never came.
    // The frames of the ring have another one.
    let of_frames = found.as_ref().map(|found| found.meta_generation).filter(|&of| of != 0 && of != meta_generation);
    let ring_metadata = of_frames.and_then(|of| Some((of, find_metadata(name, stream_id, of)?.0)));
    let (segment, words) = map_header(names, lock)?;
    // SAFETY: the words of a mapped header.
    let mut ezmsg = unsafe { EzmsgHeader::new(words.start()) };
    ezmsg.set_valid(false);
    failpoint::point("T1");
    words.writer_pid().store(std::process::id(), Ordering::Relaxed);
    let epoch = header.epoch.wrapping_add(1).max(1);
    counts::begin_epoch(&words, epoch);
    failpoint::point("T2");
    remove_orphans(name, generation, meta_generation, ring_metadata.as_ref().map(|&(of_frames, _)| of_frames));
    if metadata.is_none() {
        // It belongs to another stream or fails a check, and would never be removed later.
        remove_names(&SegmentName::metadata(name, meta_generation), || {});
    }
    failpoint::point("T3");
    shm::set_mode(lock.file(), mode).map_err(io_error("setting the mode of", &names.anchor))?;
    link_header(name, names, &segment)?;
    let (ring, base) = match found {
        Some(found) => (Some(found.segment), found.end),
        None => (None, 0),
    };
    let (metadata, footer_aux_len) = metadata.map_or((None, 0), |(segment, aux_len)| (Some(segment), aux_len));
    // Mirrors may hold either length. A length that no pickle has is not worth a segment of that size.
    let announced = u64::from(crate::ezmsg::header::aux_nbytes(&header.ezmsg));
    let announced = if announced <= MAX_METADATA_BYTES / 2 { announced } else { 0 };
    let aux_len = footer_aux_len.max(announced);
    let of_frames = ring_metadata.as_ref().map(|(_, segment)| segment);
    for segment in ring.iter().chain(&metadata).chain(of_frames) {
        // If a name cannot be linked now, the service thread tries again.
        let _ = segment.ensure_linked();
    }
    failpoint::point("T4");
    protocol::bump(&words.with_waker(EveryWaiter));
    failpoint::point("T5");
    Ok(Some(Acquired {
        header: segment,
        words,
        stream_id,
        epoch,
        generation,
        ring,
        base,
        meta_generation,
        metadata,
        ring_metadata,
        aux_len,
    }))
}

/// T3: removes the segments that a dead writer kept for late readers, and those of a switch or a publication during
/// which it died. Spares the description `of_frames`.
fn remove_orphans(name: &str, generation: Option<u32>, meta_generation: u32, of_frames: Option<u32>) {
    let (rings, metas) = neighbours(generation, meta_generation);
    for ring in rings.into_iter().filter(|&ring| Some(ring) != generation) {
        remove_names(&SegmentName::ring(name, ring), || failpoint::point("T3-half"));
    }
    for meta in metas.into_iter().filter(|&meta| meta != meta_generation && Some(meta) != of_frames) {
        remove_names(&SegmentName::metadata(name, meta), || failpoint::point("T3-metadata"));
    }
}

/// The generations and metadata generations of segments that can exist while the header names these two.
pub(crate) fn neighbours(generation: Option<u32>, meta_generation: u32) -> (Vec<u32>, Vec<u32>) {
    let rings = match generation {
        None => vec![0],
        Some(generation) => {
            let others = [generation, next_generation(Some(generation))];
            kept_generations(generation).chain(others).collect()
        }
    };
    let others = [meta_generation, next_meta_generation(meta_generation)];
    (rings, kept_meta_generations(meta_generation).chain(others).collect())
}

/// Calls `between` if there was a public name to remove.
fn remove_names(names: &SegmentName, between: impl FnOnce()) {
    if shm::unlink(&names.public).is_ok_and(|was_there| was_there) {
        between();
    }
    let _ = shm::unlink(&names.anchor);
}

/// Ends a dead writer's stream that cannot be taken over: K1 to K7, as far as its header can be used.
pub(crate) fn finish(name: &str, names: &SegmentName, lock: &Lock, header: &RawHeader) -> Result<()> {
    let (segment, words) = map_header(names, lock)?;
    let stream_id = header.stream_id;
    let generation = header.current_generation();
    if !header.is_closed() {
        let total = match generation {
            None => Some(0),
            Some(generation) => find_ring(name, stream_id, generation).map(|found| found.end),
        };
        // SAFETY: the words of a mapped header.
        unsafe { EzmsgHeader::new(words.start()) }.set_valid(false);
        protocol::close(&words.with_waker(EveryWaiter), total.unwrap_or(UNKNOWN_POSITION));
    }
    let meta_generation = header.meta_generation;
    remove_orphans(name, generation, meta_generation, None);
    if let Some(generation) = generation {
        remove_names(&SegmentName::ring(name, generation), || {});
    }
    remove_names(&SegmentName::metadata(name, meta_generation), || {});
    failpoint::point("K5");
    shm::unlink_if(&names.public, segment.id).map_err(io_error("removing", &names.public))?;
    failpoint::point("K6");
    shm::unlink_if(&names.anchor, segment.id).map_err(io_error("removing", &names.anchor))?;
    failpoint::point("K7");
    Ok(())
}

/// Locks a header's anchor and, if its writer is dead, finishes it, for [`crate::clean`]. `false`: it is live, or gone.
pub(crate) fn finish_if_dead(public: &str) -> Result<bool> {
    let names =
        SegmentName { public: public.to_owned(), anchor: format!("{public}{}", crate::stream::name::ANCHOR_SUFFIX) };
    let Some((lock, FileStat { id, length, .. })) = lock_if_free(&names.anchor)? else { return Ok(false) };
    match read_header(lock.file()).map_err(io_error("reading", &names.anchor))? {
        Some(header) => {
            let name = header.name_lossy();
            if crate::shorten(&name) != names.public {
                // The name in the header is not that of this segment, so its rings cannot be found by name. `clean`
                // finds them by stream_id.
                shm::unlink_if(&names.public, id).map_err(io_error("removing", &names.public))?;
                shm::unlink_if(&names.anchor, id).map_err(io_error("removing", &names.anchor))?;
                return Ok(true);
            }
            finish(&name, &names, &lock, &header)?;
        }
        // Left by a writer that died before its header was whole, or created by the next writer since the caller's
        // check: see `remove_unfinished`.
        None => {
            let removed = shm::unlink_if(&names.anchor, id).map_err(io_error("removing", &names.anchor))?;
            return Ok(removed && length > 0);
        }
    }
    Ok(true)
}

/// Removes an anchor without a finished segment, unless a process holds its lock. Returns whether to report that. An
/// empty file may belong to a live writer that has not locked it yet. Such a writer notices that the name is gone once
/// it has the lock, and creates it again.
pub(crate) fn remove_unfinished(anchor: &str) -> Result<bool> {
    // Holds the lock: otherwise, a writer could acquire the file between the check of its lock and the removal, and
    // lose its anchor.
    let Some((lock, FileStat { id, length, .. })) = lock_if_free(anchor)? else { return Ok(false) };
    if read_header(lock.file()).map_err(io_error("reading", anchor))?.is_some() {
        return Ok(false);
    }
    let removed = shm::unlink_if(anchor, id).map_err(io_error("removing", anchor))?;
    Ok(removed && length > 0)
}

/// Locks a file of this process's user, if no process holds its lock and it still has this name.
fn lock_if_free(anchor: &str) -> Result<Option<(Lock, FileStat)>> {
    let opened = match shm::open_segment(anchor, true) {
        Ok(opened) => opened,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_error("opening", anchor)(error)),
    };
    if !opened.stat.is_own_file() {
        return Ok(None);
    }
    let Ok(lock) = Lock::try_take(opened.file).map_err(io_error("locking", anchor))? else { return Ok(None) };
    // Checked again, since it may have been finished before it was locked.
    let now = shm::stat_name(anchor).map_err(io_error("checking", anchor))?;
    Ok(now.filter(|now| now.id == opened.stat.id).map(|now| (lock, now)))
}
