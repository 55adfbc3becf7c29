//! Readers of a modelled stream: the steps of the real ones, over the same protocol code.

use super::cursor::{Counted, Cursor};
use super::memory::{FRAMES, FramesOf, RECORDS, Ring, Stream, record_of};
use super::witness::Witness;
use crate::layout::Record;
use crate::protocol::{self, Committed, News, RingWords as _};

/// Reads every frame of `stream` once, or counts it as lost, up to the stream's end. Its first read may be at any time.
pub fn read_frames(stream: &Stream, witness: &Witness) -> Counted {
    let mut cursor = Cursor::new(stream, witness);
    while !cursor.is_done(|end| end.position == cursor.next) {
        let Some(ring) = cursor.ring() else { continue };
        let committed = match protocol::look_for_news(&stream.header, &FramesOf(ring), |now| now.frames != cursor.next)
        {
            News::Committed(committed) => committed.frames,
            News::Nothing(look) => {
                cursor.move_on_or_sleep(&look);
                continue;
            }
        };
        assert!(committed > cursor.next, "committed went back");
        let from = cursor.next.max(committed.saturating_sub(FRAMES));
        let whole = cursor.copy_whole(ring, from..committed);
        cursor.lose_up_to(whole, whole <= ring.lapped_below());
        cursor.deliver_up_to(committed);
    }
    cursor.counted()
}

/// Reads every message of `stream` once, whole, or counts its frames as lost, up to the stream's end.
pub fn read_messages(stream: &Stream, witness: &Witness) -> Counted {
    let mut cursor = Cursor::new(stream, witness);
    while !cursor.is_done(|end| end.chunks == cursor.next_chunk) {
        let Some(ring) = cursor.ring() else { continue };
        match protocol::look_for_news(&stream.header, ring, |now| now.chunks != cursor.next_chunk) {
            News::Nothing(look) => cursor.move_on_or_sleep(&look),
            News::Committed(committed) if pass_message(&mut cursor, ring, committed) => {}
            News::Committed(_) => {
                // Its frames are not committed: what else is to be done, a whole look tells.
                let look = protocol::look(&stream.header, ring);
                if !pass_message(&mut cursor, ring, look.committed) {
                    cursor.move_on_or_sleep(&look);
                }
            }
        }
    }
    cursor.counted()
}

/// Delivers the next of the `committed` messages, or loses it. `false`: its frames are not committed.
fn pass_message(cursor: &mut Cursor<'_>, ring: &Ring, committed: Committed) -> bool {
    assert!(committed.frames >= cursor.next && committed.chunks > cursor.next_chunk, "committed went back");
    let oldest = cursor.next_chunk.max(committed.chunks.saturating_sub(RECORDS));
    let whole = (oldest..committed.chunks).find_map(|chunk| Some((chunk, whole_record(cursor, ring, chunk)?)));
    let Some((chunk, Record { first, frames, .. })) = whole else {
        // All have been lapped since the look: the writer is ahead of what it said.
        loom::thread::yield_now();
        return true;
    };
    cursor.lose_up_to(first, chunk <= ring.records_lapped_below());
    cursor.next_chunk = chunk;
    let end = first + frames;
    if end > committed.frames {
        return false;
    }
    assert_eq!(first, cursor.next, "chunk {chunk} does not follow the one before");
    let lapped = first < committed.frames.saturating_sub(FRAMES) || cursor.copy_whole(ring, first..end) != first;
    if lapped {
        cursor.lose_up_to(end, first < ring.lapped_below());
    } else {
        cursor.deliver_up_to(end);
    }
    cursor.next_chunk = chunk + 1;
    true
}

/// A copy of the record of `chunk`, unless it has been lapped.
fn whole_record(cursor: &Cursor<'_>, ring: &Ring, chunk: u64) -> Option<Record> {
    let record = ring.load_record(chunk & (RECORDS - 1));
    protocol::recheck(ring).record_is_whole(chunk, RECORDS).then(|| {
        let expected = record_of(cursor.generation, chunk, record.first, record.frames);
        assert_eq!(record, expected, "a torn record was accepted as that of chunk {chunk}");
        record
    })
}
