//! Where a reader begins in a ring that exists already (A6).

use super::{Unit, resume_position};
use crate::protocol::sync::Ordering;
use crate::protocol::{self, RingWords};

/// Where a reader begins in a stream that exists already. A reader that was opened before the stream's first ring
/// existed always begins at its first frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// The oldest frame or message that the ring still holds.
    Oldest,
    /// Only what is written from now on.
    #[default]
    Newest,
    /// The last `n` frames (with a [`MessageReader`](crate::MessageReader): messages) that the ring holds, then what
    /// follows.
    Last(u64),
}

/// A place in a ring to continue from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Beginning {
    /// Position of the next frame.
    pub position: u64,
    /// Number of the next chunk.
    pub chunk: u64,
    /// Until the first delivery, frames lapped below this position do not count as lost: a reader that starts at the
    /// oldest frames of a ring that the writer is overwriting cannot get them all.
    pub not_lost_below: u64,
}

/// Where a ring's frames begin and end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ends {
    pub oldest: u64,
    pub committed: u64,
    /// Frames in the ring (N).
    pub ring_frames: u64,
}

impl Ends {
    fn not_lost_below(self) -> u64 {
        if self.oldest == 0 { 0 } else { resume_position(self.committed, self.ring_frames) }
    }

    /// Where a reader of frames begins.
    pub fn beginning(self, start: Start) -> Beginning {
        let position = match start {
            Start::Oldest => self.oldest,
            Start::Newest => self.committed,
            Start::Last(n) => self.committed.saturating_sub(n).max(self.oldest),
        };
        Beginning { position, chunk: 0, not_lost_below: self.not_lost_below() }
    }
}

impl Beginning {
    /// Where a reader begins in `ring`. `None`: the writer overtook the loads, so the caller must repeat the call.
    pub fn in_ring(ring: &impl RingWords, start: Start, unit: Unit) -> Option<Self> {
        // The order of R3: a chunk that `committed` covers is among the chunks.
        let committed = ring.committed().load(Ordering::Acquire);
        let chunks = ring.committed_chunks().load(Ordering::Acquire);
        let oldest = protocol::recheck(ring).frames.saturating_sub(ring.frames()).min(committed);
        let ends = Ends { oldest, committed, ring_frames: ring.frames() };
        match unit {
            Unit::Frames => Some(ends.beginning(start)),
            Unit::Messages => in_messages(ring, start, ends, chunks),
        }
    }
}

fn in_messages(ring: &impl RingWords, start: Start, ends: Ends, chunks: u64) -> Option<Beginning> {
    // Chunks beyond `committed` were committed between the two loads, or are half-committed (W7 without W8). This
    // reader has to deliver them later, or it would miss their frames.
    let mut chunk = chunks;
    // Bounded by the number of records, since a hostile writer can claim any number of chunks.
    let oldest_record = chunks.saturating_sub(ring.records());
    while let Some(before) = chunk.checked_sub(1) {
        let newest = protocol::record(ring, before).filter(|_| before >= oldest_record)?;
        if newest.first.saturating_add(newest.frames) <= ends.committed {
            break;
        }
        chunk = before;
    }
    let wanted = match start {
        Start::Oldest => ring.records(),
        Start::Newest => 0,
        Start::Last(n) => n.min(ring.records()),
    };
    let mut begin = Beginning { position: ends.committed, chunk, not_lost_below: ends.not_lost_below() };
    // Goes back to the oldest message that is whole and wanted.
    for before in (chunk.saturating_sub(wanted)..chunk).rev() {
        match protocol::record(ring, before) {
            Some(found) if found.first >= ends.oldest && found.first.saturating_add(found.frames) <= begin.position => {
                (begin.position, begin.chunk) = (found.first, before);
            }
            _ => break,
        }
    }
    Some(begin)
}
