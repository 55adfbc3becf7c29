//! Looks up frames by position and time, without moving the cursor.

use std::ops::Range;

use super::frames::piece_of;
use super::{Copied, Cursor, Source, Target};
use crate::Result;

/// How many times are copied at once.
const TIMES_AT_ONCE: usize = 512;

impl<S: Source> Cursor<S> {
    /// Attaches to the first ring, if the cursor has none yet.
    pub fn settle(&mut self) -> Result<()> {
        self.attach().map(|_| ())
    }

    /// Positions of the frames that the ring currently holds.
    pub fn held(&self) -> Range<u64> {
        if self.source.ring().is_some() { self.source.held() } else { 0..0 }
    }

    /// Copies the newest `frames` frames.
    pub fn copy_latest(&mut self, frames: u64, into: &mut impl Target) -> Result<Copied> {
        let held = self.held();
        self.copy_at(held.end.saturating_sub(frames)..held.end, into)
    }

    /// Copies the frames of `wanted` that the ring holds, from the first one that was whole throughout.
    pub fn copy_at(&mut self, wanted: Range<u64>, into: &mut impl Target) -> Result<Copied> {
        let Some(ring) = self.source.ring() else { return Ok(Copied::default()) };
        let held = self.source.held();
        let start = wanted.start.clamp(held.start, held.end);
        let wanted = start..wanted.end.clamp(start, held.end);
        let (mut at, mut whole_from) = (wanted.start, wanted.start);
        while at < wanted.end {
            let piece = piece_of(&wanted, at, ring.frame_bytes);
            let whole = self.copy_piece(&piece, held.end, at - wanted.start, ring.frame_bytes, into)?;
            if whole > piece.start {
                // Earlier pieces are older than the frames that have been overwritten since, so they may be torn.
                whole_from = whole;
            }
            at = piece.end;
        }
        into.drop_front(whole_from - wanted.start, wanted.end - wanted.start, ring.frame_bytes);
        Ok(Copied { first: whole_from, frames: wanted.end - whole_from, lost: 0, generation: ring.generation })
    }

    /// How many of the newest frames last `seconds`, at `rate_hz` frames per second, or, if that is 0, by their times.
    pub fn frames_within(&self, seconds: f64, rate_hz: f64) -> u64 {
        let held = self.held();
        if rate_hz > 0.0 {
            // The conversion saturates; NaN becomes 0.
            return ((seconds * rate_hz).round() as u64).min(held.end - held.start);
        }
        let mut block = [0.0; TIMES_AT_ONCE];
        let (mut newest, mut found, mut end) = (None, 0, held.end);
        while end > held.start {
            let start = end.saturating_sub(block.len() as u64).max(held.start);
            let times = &mut block[..(end - start) as usize];
            // The read that follows reports why the ring cannot be read.
            let Some(whole) = self.source.copy_times_whole(&(start..end), times) else { break };
            for &time in times[(whole - start) as usize..].iter().rev() {
                let age = *newest.get_or_insert(time) - time;
                // A comparison with NaN has no result, and ends the search.
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

    /// The first position held whose frame is at `time` or later; the end of the held positions if there is none.
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
        // Frames overwritten during the search may have compared as older or newer.
        low.max(self.held().start)
    }

    fn time_at(&self, position: u64) -> Option<f64> {
        let mut time = [0.0];
        self.source.copy_times_whole(&(position..position + 1), &mut time)?;
        Some(time[0])
    }
}
