//! Reading message by message, and finding the messages that frames came with.

use std::ops::Range;

use super::frames::piece_of;
use super::{Committed, Cursor, Outcome, RingFacts, Source, TRIES, Target, Unit, Update, resume_position};
use crate::Result;
use crate::layout::record::DISCONTINUITY;
use crate::layout::{MAX_RECORDS, Record};

/// Facts about a message, apart from its frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MessageInfo {
    /// Number of the message in its generation.
    pub chunk: u64,
    /// Position of its first frame in its generation; for an empty message, of the frame that follows it there.
    pub first: u64,
    /// How many frames it has; 0 for an empty message.
    pub frames: u64,
    /// When it was sent, Unix nanoseconds.
    pub send_ns: i64,
    /// CLOCK_MONOTONIC when it was committed, nanoseconds.
    pub mono_ns: u64,
    /// Exact number of frames lost between the previous message and this one; 0 if it was found by its frames.
    pub lost: u64,
    /// The generation it belongs to.
    pub generation: u32,
    /// Position of its first frame in the stream, over all generations.
    pub stream_position: u64,
    /// Whether the time of its first frame does not follow that of the frame before it, of the same generation: with a
    /// rate, it is off by more than half a step and more than 1 us; without one, it is lower. A writer of version 1.0 of
    /// the format never says so.
    pub discontinuity: bool,
}

impl Record {
    /// Position behind its last frame. Saturates, so that an invalid record cannot overflow it.
    #[inline]
    pub fn end(&self) -> u64 {
        self.first.saturating_add(self.frames)
    }
}

impl<S: Source> Cursor<S> {
    /// Copies the next message. Each message is delivered whole, or all its frames are counted as lost.
    pub fn next_message(&mut self, into: &mut impl Target) -> Result<Outcome<MessageInfo>> {
        // A message that is lapped while it is copied is lost. After `TRIES` of them, the call returns.
        for _ in 0..TRIES {
            let (chunk, record) = match self.find_message()? {
                Outcome::Data(found) => found,
                other => return Ok(other.map(|_| MessageInfo::default())),
            };
            let whole = self.copy_message(&record, into)?;
            self.pass_message(&record, chunk, whole);
            if whole {
                let lost = self.take_pending_lost();
                return Ok(Outcome::Data(self.message_info(chunk, &record, lost)));
            }
        }
        Ok(Outcome::Nothing)
    }

    /// Lends the next message in place.
    pub fn view_message(&mut self) -> Result<Outcome<(MessageInfo, S::View)>> {
        for _ in 0..TRIES {
            let (chunk, record) = match self.find_message()? {
                Outcome::Data(found) => found,
                Outcome::Nothing => break,
                Outcome::Generation => return Ok(Outcome::Generation),
                Outcome::Closed => return Ok(Outcome::Closed),
            };
            self.source.expect_copy(record.first);
            let range = record.first..record.end();
            let lent = self.source.lend(&range);
            match self.checked(lent)?.filter(|view| S::lent(view) == range) {
                Some(view) => {
                    let info = self.message_info(chunk, &record, self.losses.pending);
                    return Ok(Outcome::Data((info, view)));
                }
                None => self.pass_message(&record, chunk, false),
            }
        }
        Ok(Outcome::Nothing)
    }

    /// Takes a message back and moves on. Returns whether it was whole throughout; if not, its frames are counted as
    /// lost.
    pub fn finish_message(&mut self, info: &MessageInfo, view: &S::View) -> bool {
        let judged = self.source.judge(view).filter(|_| info.chunk == self.next_chunk);
        let Some(whole_from) = judged else { return false };
        let whole = whole_from == info.first;
        let record = Record { first: info.first, frames: info.frames, ..Record::default() };
        self.pass_message(&record, info.chunk, whole);
        if whole {
            self.take_pending_lost();
        }
        whole
    }

    fn pass_message(&mut self, record: &Record, chunk: u64, whole: bool) {
        if whole {
            self.deliver_up_to(record.end());
        } else {
            self.lose_up_to(record.end());
        }
        self.next_chunk = chunk + 1;
    }

    fn message_info(&self, chunk: u64, record: &Record, lost: u64) -> MessageInfo {
        let (generation, base) = self.source.ring().map_or((0, 0), |ring| (ring.generation, ring.base));
        MessageInfo {
            chunk,
            first: record.first,
            frames: record.frames,
            send_ns: record.send_ns,
            mono_ns: record.mono_ns,
            lost,
            generation,
            stream_position: base.saturating_add(record.first),
            discontinuity: record.flags & DISCONTINUITY != 0,
        }
    }

    /// The record of the next message that is committed and not lapped, and its description.
    fn find_message(&mut self) -> Result<Outcome<(u64, Record)>> {
        // Bounded, so that neither a slow reader nor a writer that claims to be always ahead can cause an endless loop.
        for _ in 0..TRIES {
            let committed = match self.poll()? {
                Outcome::Data(committed) => committed,
                Outcome::Nothing => break,
                Outcome::Generation => return Ok(Outcome::Generation),
                Outcome::Closed => return Ok(Outcome::Closed),
            };
            let Some(ring) = self.source.ring() else { break };
            let chunk = self.next_chunk;
            let is_held = self.next >= committed.frames.saturating_sub(ring.frames);
            let Some(record) = self.source.record(chunk).filter(|_| is_held) else {
                self.skip_lapped_messages(committed, ring);
                continue;
            };
            let Some(end) = record.first.checked_add(record.frames).filter(|_| record.first == self.next) else {
                return Err(self.corrupt(format!(
                    "the record of chunk {chunk} names frames {}+{}, expected the first to be {}",
                    record.first, record.frames, self.next
                )));
            };
            if end > committed.frames {
                // Its frames are not committed. If the ring is sealed, they never will be.
                return Ok(self.move_on_before(end)?.unwrap_or(Outcome::Nothing));
            }
            self.hold_description(record.meta_generation)?;
            return Ok(Outcome::Data((chunk, record)));
        }
        Ok(Outcome::Nothing)
    }

    /// The number behind the newest message whose frames are all `committed`. Later chunks were committed between the
    /// loads of the two counters, or are half-committed (W7 without W8). If there is no such message, the number of the
    /// next chunk.
    pub(super) fn behind_whole_messages(&self, committed: Committed) -> u64 {
        let kept = self.source.ring().map_or(0, |ring| ring.records);
        let oldest = self.next_chunk.max(committed.chunks.saturating_sub(kept));
        let is_whole = |chunk: u64| self.source.record(chunk).is_some_and(|record| record.end() <= committed.frames);
        (oldest..committed.chunks).rev().find(|&chunk| is_whole(chunk)).map_or(self.next_chunk, |newest| newest + 1)
    }

    /// R8 for a message that ends at `end`, whose record is committed and whose frames are not. `None` also if they
    /// have been committed since.
    pub(super) fn move_on_before<T>(&mut self, end: u64) -> Result<Option<Outcome<T>>> {
        let Some(ring) = self.source.ring() else { return Ok(None) };
        let update = self.source.update(|committed| committed.frames >= end);
        match self.checked(update)? {
            Update::Nothing(snapshot) => self.move_on(ring, snapshot),
            _ => Ok(None),
        }
    }

    /// Whether the next record's frames are not committed yet: the writer is between W7 and W8, or died there.
    pub(super) fn is_uncommitted(&self, committed: Committed) -> bool {
        committed.frames == self.next
            && self
                .source
                .record(self.next_chunk)
                .is_some_and(|record| record.first == self.next && record.end() > committed.frames)
    }

    /// Moves a lapped cursor to the first message of the newer half of the ring, or, if no message begins there, to the
    /// newest. Counts the skipped frames as lost.
    fn skip_lapped_messages(&mut self, committed: Committed, ring: RingFacts) {
        let resume = resume_position(committed.frames, ring.frames);
        let kept = (ring.records / 2).max(1);
        let mut found = None;
        for chunk in self.next_chunk.max(committed.chunks.saturating_sub(kept))..committed.chunks {
            let Some(record) = self.source.record(chunk) else { continue };
            let exists = record.first.checked_add(record.frames).is_some_and(|end| end <= committed.frames);
            if exists && record.first >= self.next {
                found = Some((chunk, record));
                if record.first >= resume {
                    break;
                }
            }
        }
        // If none is found, all messages up to here have been lapped in the meantime, and the next poll finds newer
        // ones.
        let Some((chunk, record)) = found else { return };
        let oldest = committed.frames.saturating_sub(ring.frames);
        // A single message longer than the ring is skipped, too.
        let (position, chunk) = if record.first < oldest { (record.end(), chunk + 1) } else { (record.first, chunk) };
        self.lose_up_to(position);
        self.next_chunk = chunk;
    }

    /// Copies a message, in pieces. Returns whether it was whole.
    fn copy_message(&mut self, record: &Record, into: &mut impl Target) -> Result<bool> {
        let Some(ring) = self.source.ring() else { return Ok(false) };
        let range = record.first..record.end();
        into.make_room(record.frames, ring.frame_bytes);
        let mut start = range.start;
        while start < range.end {
            let piece = piece_of(&range, start, ring.frame_bytes);
            if self.copy_piece(&piece, piece.end, start - range.start, ring.frame_bytes, into)? != piece.start {
                return Ok(false);
            }
            start = piece.end;
        }
        Ok(true)
    }

    /// The record of the chunk that contains `position`, or of the oldest chunk that is left.
    pub fn record_of(&self, position: u64) -> Option<Record> {
        let chunks = self.source.chunks();
        // It is the chunk before the first one that begins behind the position.
        let behind = self.first_chunk(&chunks, |record| record.first > position);
        self.source.record(behind.saturating_sub(1).max(chunks.start))
    }

    /// The first chunk of `chunks` whose record satisfies `is_at`, as all later ones do; the end of `chunks` if there is
    /// none. Records that have been overwritten count as earlier.
    fn first_chunk(&self, chunks: &Range<u64>, is_at: impl Fn(&Record) -> bool) -> u64 {
        let Range { start: mut low, end: mut high } = *chunks;
        while low < high {
            let middle = low + (high - low) / 2;
            match self.source.record(middle) {
                Some(record) if is_at(&record) => high = middle,
                _ => low = middle + 1,
            }
        }
        low
    }

    /// The remaining records of the chunks that contain frames of `range`, and of the empty chunks directly before those
    /// frames, with their numbers, oldest first.
    pub(super) fn records_of(&self, range: Range<u64>) -> impl Iterator<Item = (u64, Record)> {
        let chunks = self.source.chunks();
        // An empty chunk at `first` comes before the chunk whose frames begin there.
        let is_of = move |record: &Record| record.first >= range.start || record.end() > range.start;
        let oldest = if range.is_empty() { chunks.end } else { self.first_chunk(&chunks, is_of) };
        (oldest..chunks.end)
            .filter_map(|chunk| Some((chunk, self.source.record(chunk)?)))
            .take_while(move |(_, record)| record.first < range.end)
            .filter(move |(_, record)| is_of(record))
    }

    /// Adds to `into` the messages that contain the frames at `range`, positions of the ring that is read, and the empty
    /// messages directly before each of them.
    pub fn messages(&self, range: Range<u64>, into: &mut Vec<MessageInfo>) {
        if self.source.ring().is_none() {
            return;
        }
        if range.contains(&0) {
            into.extend_from_slice(&self.before_ring);
        }
        // The newest chunk may be half-committed (W7 without W8).
        let committed = self.source.committed();
        let committed_records = self.records_of(range).take_while(|(_, record)| record.end() <= committed);
        into.extend(committed_records.map(|(chunk, record)| self.message_info(chunk, &record, 0)));
    }

    /// The empty messages behind the last frame of the ring that is read, and, if it has no frames, those that came
    /// before it.
    pub(super) fn trailing_messages(&self) -> Vec<MessageInfo> {
        let mut found = Vec::new();
        if self.plan.unit == Unit::Frames {
            self.messages(self.next..self.next.saturating_add(1), &mut found);
            found.retain(|message| message.frames == 0);
            // As many as a ring remembers: a stream without frames must not take ever more memory.
            found.drain(..found.len().saturating_sub(MAX_RECORDS as usize));
        }
        found
    }
}
