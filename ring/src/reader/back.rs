//! Looking back: the newest frames, and frames by their positions and times, without the cursor.

use std::ops::Range;
use std::sync::atomic::Ordering;

use super::foreign::EitherReader as _;
use super::target::{Lent, Target};
use super::{Copied, Frames, Reader};
use crate::Result;
use crate::protocol::{self, RingWords as _};

impl Reader {
    /// Copies the newest `frames` frames into `into`, fewer if there are fewer, without moving the cursor. Returns how
    /// many. Never blocks.
    ///
    /// They are those of the generation that the cursor is in. A stream that has moved on is followed by
    /// [`read`](Self::read) or [`view`](Self::view), once the cursor has passed what is left of the old generation.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn latest(&mut self, frames: u64, into: &mut Frames) -> Result<u64> {
        into.clear();
        self.settle()?;
        let copied = self.latest_to(into, frames).inspect_err(|_| into.clear())?;
        into.set_copied(&copied, self.format());
        Ok(copied.frames)
    }

    /// As [`latest`](Self::latest), into memory of the caller's: at most as many frames as `times` has room for. `samples`
    /// has room for as many bytes as they have, and any content. Never blocks.
    ///
    /// # Errors
    /// As [`read_into`](Self::read_into).
    pub fn latest_into(&mut self, samples: &mut [u8], times: &mut [f64]) -> Result<Copied> {
        self.settle()?;
        self.check_room(samples, times)?;
        let frames = times.len() as u64;
        self.latest_to(&mut Lent { samples, times }, frames)
    }

    /// Comes to the first ring, if the reader has none.
    fn settle(&mut self) -> Result<()> {
        self.either(
            (),
            |reader, ()| reader.attachment.attach().map(|_| ()),
            |foreign, own, ()| foreign.look_in_ring(own),
        )
    }

    fn latest_to(&mut self, into: &mut impl Target, frames: u64) -> Result<Copied> {
        let held = self.held();
        self.copy_at(held.end.saturating_sub(frames)..held.end, into)
    }

    /// As [`latest`](Self::latest), for the frames of the newest `seconds` by their times: those that are less than
    /// `seconds` older than the newest. Never blocks.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn latest_duration(&mut self, seconds: f64, into: &mut Frames) -> Result<u64> {
        self.settle()?;
        let frames = self.frames_within(seconds);
        self.latest(frames, into)
    }

    /// How many of the newest frames are less than `seconds` older than the newest. Never blocks.
    pub fn frames_within(&self, seconds: f64) -> u64 {
        if let Some(foreign) = &self.foreign {
            return foreign.frames_within(seconds);
        }
        let Some(ring) = self.attachment.ring() else { return 0 };
        let memory = &ring.memory;
        let committed = memory.committed().load(Ordering::Acquire);
        let oldest = committed.saturating_sub(memory.frames());
        let mut block = [0.0; 512];
        let (mut newest, mut found, mut end) = (None, 0, committed);
        while end > oldest {
            let start = end.saturating_sub(block.len() as u64).max(oldest);
            let times = &mut block[..(end - start) as usize];
            memory.copy_times(&(start..end), times);
            let whole = protocol::recheck(memory).whole_from(memory.frames(), &(start..end));
            for &time in times[(whole - start) as usize..].iter().rev() {
                let age = *newest.get_or_insert(time) - time;
                // No number is below or above NaN.
                if age.partial_cmp(&seconds) != Some(std::cmp::Ordering::Less) {
                    return found;
                }
                found += 1;
            }
            if whole > start {
                break;
            }
            end = start;
        }
        found
    }

    /// Positions of the frames that the ring holds, at this moment; empty before there is a ring. Of the generation that
    /// the cursor is in. Never blocks.
    ///
    /// The oldest ones may be gone as soon as this has been said: what [`read_at`](Self::read_at) gives is whole.
    pub fn held(&self) -> Range<u64> {
        if let Some(foreign) = &self.foreign {
            return foreign.held();
        }
        let Some(ring) = self.attachment.ring() else { return 0..0 };
        // Acquire, as R3.
        let committed = ring.memory.committed().load(Ordering::Acquire);
        let reserved = protocol::recheck(&ring.memory).frames;
        // Of a writer of ours, never less than is committed; and never more frames than the ring has room for.
        reserved.max(committed).saturating_sub(ring.memory.frames()).min(committed)..committed
    }

    /// Copies the frames at `positions`, as far as the ring still holds them, into `into`, without moving the cursor.
    /// Returns how many; [`Frames::first`] tells from which on. Never blocks.
    ///
    /// They are those of the generation that the cursor is in, as with [`latest`](Self::latest). What is older than the
    /// ring is long, or not written yet, is left out: that is no loss, and is counted nowhere.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_at(&mut self, positions: Range<u64>, into: &mut Frames) -> Result<u64> {
        into.clear();
        self.settle()?;
        let copied = self.copy_at(positions, into).inspect_err(|_| into.clear())?;
        into.set_copied(&copied, self.format());
        Ok(copied.frames)
    }

    /// As [`read_at`](Self::read_at), into memory of the caller's: the frames from position `first` on, at most as many as
    /// `times` has room for. `samples` has room for as many bytes as they have, and any content. Never blocks.
    ///
    /// # Errors
    /// As [`read_into`](Self::read_into).
    pub fn read_at_into(&mut self, first: u64, samples: &mut [u8], times: &mut [f64]) -> Result<Copied> {
        self.settle()?;
        self.check_room(samples, times)?;
        let positions = first..first.saturating_add(times.len() as u64);
        self.copy_at(positions, &mut Lent { samples, times })
    }

    /// The position from which on the held frames are at `time` or later: [`held`](Self::held)'s end when none is. For
    /// times that do not fall and are no NaN; of others it is some position that is held. Never blocks.
    ///
    /// It looks at as many times as a binary search does.
    pub fn position_at(&self, time: f64) -> u64 {
        let held = self.held();
        let (mut low, mut high) = (held.start, held.end);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.time_at(middle) {
                Some(found) if found < time => low = middle + 1,
                _ => high = middle,
            }
        }
        // What has been overwritten meanwhile may have been taken for older or for newer.
        low.max(self.held().start)
    }

    fn time_at(&self, position: u64) -> Option<f64> {
        let range = position..position + 1;
        let mut time = [0.0];
        match &self.foreign {
            Some(foreign) => foreign.copy_times(&range, &mut time)?,
            None => self.attachment.ring()?.memory.copy_times(&range, &mut time),
        }
        Some(time[0])
    }

    /// Copies what is held of `wanted`, from the first frame on that was whole all the time.
    pub(super) fn copy_at(&mut self, wanted: Range<u64>, into: &mut impl Target) -> Result<Copied> {
        let held = self.held();
        let start = wanted.start.clamp(held.start, held.end);
        let wanted = start..wanted.end.clamp(start, held.end);
        if let Some(foreign) = &mut self.foreign {
            return foreign.copy(&wanted, into);
        }
        let Some(ring) = self.attachment.ring() else { return Ok(Copied::default()) };
        let memory = &ring.memory;
        let frame_bytes = memory.geometry().frame_bytes;
        let count = wanted.end - wanted.start;
        into.make_room(count, frame_bytes);
        memory.copy_times(&wanted, &mut into.times()[..count as usize]);
        memory.copy_samples(&wanted, &mut into.samples()[..(count * frame_bytes) as usize]);
        let reserved = protocol::recheck(memory);
        let generation = ring.generation;
        if reserved.frames < held.end {
            let reason = format!("reserved is {}, below the {} committed", reserved.frames, held.end);
            return Err(self.attachment.corrupt(reason));
        }
        let whole = reserved.whole_from(memory.frames(), &wanted);
        into.drop_front(whole - wanted.start, count, frame_bytes);
        Ok(Copied { first: whole, frames: wanted.end - whole, lost: 0, generation })
    }
}
