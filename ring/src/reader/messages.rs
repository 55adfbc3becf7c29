//! Which messages brought which frames, and which description they were sent under.

use std::ops::Range;
use std::sync::atomic::Ordering;

use super::MessageInfo;
use super::attachment::Attachment;
use crate::Result;
use crate::layout::Record;
use crate::protocol::{self, RingWords as _};

impl Attachment {
    /// The chunk that brought `position`, or, when its record has been overwritten, the oldest that is left.
    fn chunk_of(&self, position: u64) -> Option<u64> {
        let ring = self.ring()?;
        // Acquire, as R3.
        let newest = ring.memory.committed_chunks().load(Ordering::Acquire);
        // Of a writer of ours, never less than is committed; and never more records than there is room for.
        let reserved = protocol::recheck(&ring.memory).chunks.max(newest);
        let mut low = reserved.saturating_sub(ring.memory.records());
        let mut high = newest;
        // Records are sorted by `first`: the last one that begins at or before the position.
        while high.saturating_sub(low) > 1 {
            let middle = low + (high - low) / 2;
            match self.record(middle) {
                Some(record) if record.first > position => high = middle,
                _ => low = middle,
            }
        }
        Some(low)
    }

    /// The record of the chunk that brought `position`, or of the oldest that is left.
    pub fn record_of(&self, position: u64) -> Option<Record> {
        self.record(self.chunk_of(position)?)
    }

    /// The records of the chunks that brought frames of `range`, with their numbers, oldest first, as far as they are left.
    fn records_of(&self, range: Range<u64>) -> impl Iterator<Item = (u64, Record)> {
        let newest = self.ring().map_or(0, |ring| ring.memory.committed_chunks().load(Ordering::Acquire));
        let oldest = if range.is_empty() { newest } else { self.chunk_of(range.start).unwrap_or(newest) };
        let records = (oldest..newest).filter_map(|chunk| Some((chunk, self.record(chunk)?)));
        records
            .take_while(move |(_, record)| record.first < range.end)
            .filter(move |(_, record)| record.frames > 0 && record.first.saturating_add(record.frames) > range.start)
    }

    /// Adds to `into` the messages that brought frames of `range`, positions of the ring that is read.
    pub fn messages(&self, range: Range<u64>, into: &mut Vec<MessageInfo>) {
        let Some(ring) = self.ring() else { return };
        into.extend(self.records_of(range).map(|(chunk, record)| MessageInfo {
            chunk,
            first: record.first,
            frames: record.frames,
            send_ns: record.send_ns,
            mono_ns: record.mono_ns,
            lost: 0,
            generation: ring.generation,
            stream_position: ring.base.saturating_add(record.first),
        }));
    }

    /// The number of the description of the first frame of `range`, which is committed, and the end of those frames that
    /// have the same one. No number where the records are overwritten sooner than the frames.
    pub fn described_alike(&self, range: &Range<u64>) -> (Option<u32>, u64) {
        // Acquire, partner of M3: whoever sees a frame committed sees the description it was sent under, or a newer one.
        let newest = self.header.as_ref().map(|header| header.words.meta_generation().load(Ordering::Acquire));
        if let Some(newest) = newest.filter(|&newest| self.holds_description(newest)) {
            // Numbers only go on: nothing older is to come.
            return (Some(newest), range.end);
        }
        let mut of_first = None;
        for (_, record) in self.records_of(range.clone()) {
            match of_first {
                None => of_first = Some(record.meta_generation),
                Some(first) if first == record.meta_generation => {}
                Some(_) => return (of_first, record.first.clamp(range.start + 1, range.end)),
            }
        }
        (of_first, range.end)
    }

    /// Holds the description `number`, or, without one, that of the newest frames.
    pub fn hold_or_miss(&mut self, number: Option<u32>) -> Result<()> {
        let Some(number) = number else { return self.refresh_description() };
        if !self.has_missed(number) && !self.hold_description(number)? && self.description().is_none() {
            // Another one of the same generation says more than none.
            self.refresh_description()?;
            self.miss_description(number);
        }
        Ok(())
    }
}
