//! Looking up frames without moving: the newest, and those of certain positions and times.

use std::ops::Range;

use super::{Copied, Reader};
use crate::Result;
use crate::frames::{Frames, Lent};

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
        self.cursor.settle()?;
        let copied = self.cursor.copy_latest(frames, into).inspect_err(|_| into.clear())?;
        into.set_copied(&copied, self.format());
        Ok(copied.frames)
    }

    /// As [`latest`](Self::latest), into memory of the caller's: at most as many frames as `times` has room for. `samples`
    /// has room for as many bytes as they have, and any content. Never blocks.
    ///
    /// # Errors
    /// As [`read_into`](Self::read_into).
    pub fn latest_into(&mut self, samples: &mut [u8], times: &mut [f64]) -> Result<Copied> {
        self.cursor.settle()?;
        self.cursor.check_room(times.len(), samples.len())?;
        let frames = times.len() as u64;
        self.cursor.copy_latest(frames, &mut Lent { samples, times })
    }

    /// How many of the newest frames are less than `seconds` older than the newest. Never blocks.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn frames_within(&mut self, seconds: f64) -> Result<u64> {
        self.cursor.settle()?;
        Ok(self.cursor.frames_within(seconds))
    }

    /// Positions of the frames that the ring holds, at this moment; empty before there is a ring. Of the generation that
    /// the cursor is in. Never blocks.
    ///
    /// The oldest ones may be gone as soon as this has been said: what [`read_at`](Self::read_at) gives is whole.
    pub fn held(&self) -> Range<u64> {
        self.cursor.held()
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
        self.cursor.settle()?;
        let copied = self.cursor.copy_at(positions, into).inspect_err(|_| into.clear())?;
        into.set_copied(&copied, self.format());
        Ok(copied.frames)
    }

    /// As [`read_at`](Self::read_at), into memory of the caller's: the frames from position `first` on, at most as many as
    /// `times` has room for. `samples` has room for as many bytes as they have, and any content. Never blocks.
    ///
    /// # Errors
    /// As [`read_into`](Self::read_into).
    pub fn read_at_into(&mut self, first: u64, samples: &mut [u8], times: &mut [f64]) -> Result<Copied> {
        self.cursor.settle()?;
        self.cursor.check_room(times.len(), samples.len())?;
        let positions = first..first.saturating_add(times.len() as u64);
        self.cursor.copy_at(positions, &mut Lent { samples, times })
    }

    /// The position from which on the held frames are at `time` or later: [`held`](Self::held)'s end when none is. For
    /// times that do not fall and are no NaN; of others it is some position that is held. Never blocks.
    ///
    /// It looks at as many times as a binary search does.
    pub fn position_at(&self, time: f64) -> u64 {
        self.cursor.position_at(time)
    }
}
