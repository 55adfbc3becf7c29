//! Where a reader begins in a ring that is there already (A6).

use super::Start;
use crate::protocol::sync::Ordering;
use crate::protocol::{self, RingWords};

/// A place in a ring to go on from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Beginning {
    /// Position of the next frame.
    pub position: u64,
    /// Number of the next chunk.
    pub chunk: u64,
    /// Until the first delivery, what is lapped below this position counts as before the beginning: a reader that starts
    /// at the oldest frames of a ring that goes round cannot have them all.
    pub not_lost_below: u64,
}

/// What both kinds of readers look at.
struct Ends {
    committed: u64,
    chunks: u64,
    oldest: u64,
    not_lost_below: u64,
}

impl Ends {
    fn of(ring: &impl RingWords) -> Self {
        // The order of R3: a chunk that `committed` covers is among the chunks.
        let committed = ring.committed().load(Ordering::Acquire);
        let chunks = ring.committed_chunks().load(Ordering::Acquire);
        let oldest = protocol::recheck(ring).frames.saturating_sub(ring.frames()).min(committed);
        // Where a lapped reader would go on.
        let ahead = committed - (ring.frames() / 2).max(1).min(committed);
        Self { committed, chunks, oldest, not_lost_below: if oldest == 0 { 0 } else { ahead } }
    }
}

/// Where a reader of frames begins.
pub(crate) fn of_frames(ring: &impl RingWords, start: Start) -> Beginning {
    let Ends { committed, oldest, not_lost_below, .. } = Ends::of(ring);
    let position = match start {
        Start::Oldest => oldest,
        Start::Newest => committed,
        Start::Last(n) => committed.saturating_sub(n).max(oldest),
    };
    Beginning { position, chunk: 0, not_lost_below }
}

/// Where a reader of messages begins. `None`: the writer has overtaken the look, which has to be repeated.
pub(crate) fn of_messages(ring: &impl RingWords, start: Start) -> Option<Beginning> {
    let Ends { committed, chunks, oldest, not_lost_below } = Ends::of(ring);
    let record = |chunk: u64| {
        let record = ring.load_record(chunk & (ring.records() - 1));
        protocol::recheck(ring).record_is_whole(chunk, ring.records()).then_some(record)
    };
    // Chunks beyond `committed` came between the two loads, or are half-committed (W7 without W8). They are still to
    // come for this reader, or it would miss their frames.
    let mut chunk = chunks;
    // No more records than there are: a hostile writer can claim any number of chunks.
    let oldest_record = chunks.saturating_sub(ring.records());
    while let Some(before) = chunk.checked_sub(1) {
        let newest = record(before).filter(|_| before >= oldest_record)?;
        if newest.first.saturating_add(newest.frames) <= committed {
            break;
        }
        chunk = before;
    }
    let wanted = match start {
        Start::Oldest => ring.records(),
        Start::Newest => 0,
        Start::Last(n) => n.min(ring.records()),
    };
    let mut begin = Beginning { position: committed, chunk, not_lost_below };
    // Back to the last message that is whole and wanted.
    for before in (chunk.saturating_sub(wanted)..chunk).rev() {
        match record(before) {
            Some(found) if found.first >= oldest && found.first.saturating_add(found.frames) <= begin.position => {
                (begin.position, begin.chunk) = (found.first, before);
            }
            _ => break,
        }
    }
    Some(begin)
}
