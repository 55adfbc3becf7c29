//! Looks up frames without moving the cursor: the newest, and those at given positions and times.

use std::ops::Range;

use super::{Copied, Reader};
use crate::frames::{Frames, Lent};
use crate::{Format, Result};

impl Reader {
    /// Copies the newest `frames` frames into `into`, or fewer if the ring holds fewer, without moving the cursor.
    /// Returns how many were copied. Never blocks.
    ///
    /// They are from the cursor's generation. [`read`](Self::read) and [`view`](Self::view) move the cursor to the
    /// stream's next generation, once it has passed the remaining frames of the old one.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn latest(&mut self, frames: u64, into: &mut Frames) -> Result<u64> {
        into.clear();
        self.cursor.settle()?;
        let copied = self.cursor.copy_latest(frames, into).inspect_err(|_| into.clear())?;
        into.set_copied(&copied, self.format());
        Ok(copied.frames)
    }

    /// As [`latest`](Self::latest), into the caller's memory: at most `times.len()` frames. `samples` must have exactly
    /// the size of that many frames; its old content does not matter. Never blocks.
    ///
    /// # Errors
    /// As [`read_into`](Self::read_into).
    pub fn latest_into(&mut self, samples: &mut [u8], times: &mut [f64]) -> Result<Copied> {
        self.cursor.settle()?;
        self.cursor.check_room(times.len(), samples.len())?;
        let frames = times.len() as u64;
        self.cursor.copy_latest(frames, &mut Lent { samples, times })
    }

    /// How many of the newest frames last `seconds`, at most as many as the ring holds. Never blocks.
    ///
    /// If the format states a rate, that is `seconds` times the rate, rounded: the frames' times are not compared, since
    /// a clock that follows its source is never exactly at the rate. Without a rate, it is the number of frames whose
    /// times are less than `seconds` before that of the newest; a NaN among the times ends the search. 0 if `seconds` is
    /// NaN or not above 0.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn frames_within(&mut self, seconds: f64) -> Result<u64> {
        self.cursor.settle()?;
        let rate_hz = self.format().map_or(0.0, Format::rate_hz);
        Ok(self.cursor.frames_within(seconds, rate_hz))
    }

    /// Positions of the frames that the ring of the cursor's generation currently holds; empty before there is a ring.
    /// Never blocks.
    ///
    /// The oldest ones may be overwritten before this call returns. [`read_at`](Self::read_at) returns only whole
    /// frames.
    pub fn held(&self) -> Range<u64> {
        self.cursor.held()
    }

    /// Copies the frames at `positions` that the ring still holds into `into`, without moving the cursor. Returns how
    /// many were copied; [`Frames::first`] returns the position of the first. Never blocks.
    ///
    /// They are from the cursor's generation, as with [`latest`](Self::latest). Frames that the ring has overwritten,
    /// and frames not written yet, are left out. They do not count as lost.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_at(&mut self, positions: Range<u64>, into: &mut Frames) -> Result<u64> {
        into.clear();
        self.cursor.settle()?;
        let copied = self.cursor.copy_at(positions, into).inspect_err(|_| into.clear())?;
        into.set_copied(&copied, self.format());
        Ok(copied.frames)
    }

    /// As [`read_at`](Self::read_at), into the caller's memory: at most `times.len()` frames from position `first` on.
    /// `samples` must have exactly the size of that many frames; its old content does not matter. Never blocks.
    ///
    /// # Errors
    /// As [`read_into`](Self::read_into).
    pub fn read_at_into(&mut self, first: u64, samples: &mut [u8], times: &mut [f64]) -> Result<Copied> {
        self.cursor.settle()?;
        self.cursor.check_room(times.len(), samples.len())?;
        let positions = first..first.saturating_add(times.len() as u64);
        self.cursor.copy_at(positions, &mut Lent { samples, times })
    }

    /// The first position held whose frame is at `time` or later, or the end of [`held`](Self::held) if there is none.
    /// Requires times that never decrease and are not NaN; with other times, the result is an arbitrary position held.
    /// Never blocks.
    ///
    /// It is a binary search, and copies one time per step.
    pub fn position_at(&self, time: f64) -> u64 {
        self.cursor.position_at(time)
    }
}
