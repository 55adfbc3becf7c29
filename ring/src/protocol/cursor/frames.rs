//! Reading frame by frame: copies and views (R4 to R7).

use std::ops::Range;

use super::{Cursor, Outcome, Source, TRIES, resume_position};
use crate::{Error, Result};

/// The most bytes that are copied between two checks, so that a lapped reader does not copy much in vain.
pub(super) const PIECE_BYTES: u64 = 1 << 20;

/// What a read copied into the caller's memory: positions `first .. first + frames`, from the start of that memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Copied {
    /// Position of the first frame in its generation.
    pub first: u64,
    /// How many frames were copied.
    pub frames: u64,
    /// Exact number of frames lost between the previous read and the first of these frames.
    pub lost: u64,
    /// The generation that the frames belong to.
    pub generation: u32,
}

/// Memory that frames are copied into, from its start.
pub(crate) trait Target {
    /// Makes room for `frames` frames in all, and keeps those that it holds.
    fn make_room(&mut self, frames: u64, frame_bytes: u64);

    /// Times and samples, with at least the room that was last made.
    fn parts(&mut self) -> (&mut [f64], &mut [u8]);

    /// Copies the frames of `piece` from `source`, behind the `done` frames that are here, and judges the copy. Returns
    /// the position from which it is whole.
    #[inline]
    fn copy_from<S: Source>(
        &mut self,
        source: &mut S,
        piece: &Range<u64>,
        committed: u64,
        done: u64,
        frame_bytes: u64,
    ) -> Result<u64> {
        let frames = done..done + (piece.end - piece.start);
        self.make_room(frames.end, frame_bytes);
        let (times, samples) = self.parts();
        let times = &mut times[frames.start as usize..frames.end as usize];
        let samples = &mut samples[(frames.start * frame_bytes) as usize..(frames.end * frame_bytes) as usize];
        source.copy_whole(piece, committed, times, samples)
    }

    /// Drops the first `dropped` of `frames` frames and moves the rest to the start.
    fn drop_front(&mut self, dropped: u64, frames: u64, frame_bytes: u64) {
        if dropped > 0 {
            let of = |frames: u64| (frames * frame_bytes) as usize;
            let (times, samples) = self.parts();
            samples.copy_within(of(dropped)..of(frames), 0);
            times.copy_within(dropped as usize..frames as usize, 0);
        }
    }
}

impl<S: Source> Cursor<S> {
    /// Copies new frames, at most `max_frames`. With `continuing`, copies only frames that directly follow those read
    /// before.
    pub fn read(&mut self, into: &mut impl Target, max_frames: u64, continuing: bool) -> Result<Outcome<Copied>> {
        if max_frames == 0 {
            return Ok(Outcome::Nothing);
        }
        // Tries again if it was lapped while it copied the first piece.
        for _ in 0..TRIES {
            let committed = match self.poll()? {
                Outcome::Data(committed) => committed.frames,
                Outcome::Nothing => break,
                Outcome::Generation => return Ok(Outcome::Generation),
                Outcome::Closed => return Ok(Outcome::Closed),
            };
            let mut copied = self.copy_new(committed, max_frames, into, continuing)?;
            if copied.frames > 0 {
                copied.lost = self.take_pending_lost();
                return Ok(Outcome::Data(copied));
            }
            if continuing {
                break;
            }
        }
        Ok(Outcome::Nothing)
    }

    /// Skips new frames, at most `max_frames`, as if they had been read.
    pub fn pass(&mut self, max_frames: u64) -> Result<Outcome<Copied>> {
        if max_frames == 0 {
            return Ok(Outcome::Nothing);
        }
        let committed = match self.poll()? {
            Outcome::Data(committed) => committed.frames,
            other => return Ok(other.map(|_| Copied::default())),
        };
        let Some(ring) = self.source.ring() else { return Ok(Outcome::Nothing) };
        let from = self.readable_from(committed, ring.frames);
        if from > self.next {
            self.lose_up_to(from);
        }
        let wanted = self.next..committed.min(self.next.saturating_add(max_frames));
        let passed = self.readable(wanted, false)?;
        self.deliver_up_to(passed.end);
        let (frames, lost) = (passed.end - passed.start, self.take_pending_lost());
        Ok(Outcome::Data(Copied { first: passed.start, frames, lost, generation: ring.generation }))
    }

    /// R4 to R7, in pieces, up to `committed`. Copies no frames if the first piece was lapped, or if `continuing` is
    /// set and it does not directly follow the frames read before.
    fn copy_new(
        &mut self,
        committed: u64,
        max_frames: u64,
        into: &mut impl Target,
        continuing: bool,
    ) -> Result<Copied> {
        let Some(ring) = self.source.ring() else { return Ok(Copied::default()) };
        let from = self.readable_from(committed, ring.frames);
        if continuing && (from > self.next || self.losses.pending > 0) {
            return Ok(Copied::default());
        }
        if from > self.next {
            self.lose_up_to(from);
        }
        let wanted = self.next..committed.min(self.next.saturating_add(max_frames));
        let wanted = self.readable(wanted, continuing)?;
        self.source.expect_copy(wanted.start);
        let mut copied = Copied { first: wanted.start, generation: ring.generation, ..Copied::default() };
        while self.next < wanted.end {
            let piece = piece_of(&wanted, self.next, ring.frame_bytes);
            let whole = self.copy_piece(&piece, committed, copied.frames, ring.frame_bytes, into)?;
            if whole == piece.start {
                copied.frames += piece.end - piece.start;
                self.deliver_up_to(piece.end);
                continue;
            }
            if copied.frames == 0 && !continuing {
                self.lose_up_to(whole.max(resume_position(committed, ring.frames)).min(committed));
            }
            break;
        }
        Ok(copied)
    }

    /// Copies one piece behind the `done` frames that `into` holds, and judges it. Returns the position from which it
    /// is whole.
    #[inline]
    pub(super) fn copy_piece(
        &mut self,
        piece: &Range<u64>,
        committed: u64,
        done: u64,
        frame_bytes: u64,
        into: &mut impl Target,
    ) -> Result<u64> {
        let whole = into.copy_from(&mut self.source, piece, committed, done, frame_bytes);
        self.checked(whole)
    }

    /// Lends new frames in place, at most `max_frames`.
    pub fn view(&mut self, max_frames: u64) -> Result<Outcome<S::View>> {
        if max_frames == 0 {
            return Ok(Outcome::Nothing);
        }
        for _ in 0..TRIES {
            let committed = match self.poll()? {
                Outcome::Data(committed) => committed.frames,
                Outcome::Nothing => break,
                Outcome::Generation => return Ok(Outcome::Generation),
                Outcome::Closed => return Ok(Outcome::Closed),
            };
            let Some(ring) = self.source.ring() else { break };
            let start = self.readable_from(committed, ring.frames);
            let end = committed.min(start.saturating_add(max_frames));
            let wanted = self.readable(start..end, false)?;
            self.source.expect_copy(wanted.start);
            let lent = self.source.lend(&wanted);
            if let Some(view) = self.checked(lent)? {
                return Ok(Outcome::Data(view));
            }
            self.lose_up_to(resume_position(committed, ring.frames).max(self.next));
        }
        Ok(Outcome::Nothing)
    }

    /// Takes a view back and moves behind it. Returns the positions that were whole throughout.
    pub fn finish(&mut self, view: &S::View) -> Range<u64> {
        let range = S::lent(view);
        let judged = self.source.judge(view).filter(|_| range.end >= self.next);
        let Some(whole) = judged else { return range.end..range.end };
        let whole = whole.max(self.next);
        self.lose_up_to(whole);
        if whole < range.end {
            self.deliver_up_to(range.end);
            self.take_pending_lost();
        }
        whole..range.end
    }

    /// How many frames are currently committed and not read.
    pub fn unread(&self) -> u64 {
        if self.source.ring().is_some() { self.source.committed().saturating_sub(self.next) } else { 0 }
    }

    /// Where a read of frames begins: at the next one, or, if the reader has been lapped, half a ring behind the writer.
    #[inline]
    fn readable_from(&self, committed: u64, ring_frames: u64) -> u64 {
        let is_lapped = self.next < committed.saturating_sub(ring_frames);
        if is_lapped { resume_position(committed, ring_frames) } else { self.next }
    }

    /// The part of `range` that a read may take. With [`each_description`](super::Plan::each_description), it ends
    /// where the description changes; with `continuing`, it is empty if the description differs from that of the frames
    /// before.
    #[inline]
    pub(super) fn readable(&mut self, range: Range<u64>, continuing: bool) -> Result<Range<u64>> {
        if !self.plan.each_description || range.is_empty() {
            return Ok(range);
        }
        self.described_readable(range, continuing)
    }

    fn described_readable(&mut self, range: Range<u64>, continuing: bool) -> Result<Range<u64>> {
        let (number, end) = self.described_alike(&range);
        let same = number.is_none_or(|number| self.descriptions.is(number) || self.descriptions.has_missed(number));
        if continuing && !same {
            return Ok(range.start..range.start);
        }
        self.hold_or_miss(number)?;
        Ok(range.start..end)
    }

    /// Moves to the next generation, or to the stream's end, if nothing is left to read in this one. Else returns how
    /// many frames are left.
    pub fn advance(&mut self) -> Result<Outcome<u64>> {
        let next = self.next;
        Ok(self.poll()?.map(|committed| committed.frames - next))
    }

    /// Refuses memory for samples that does not have the size of `frames` frames.
    pub fn check_room(&self, frames: usize, bytes: usize) -> Result<()> {
        let Some(ring) = self.source.ring() else { return Ok(()) };
        if (frames as u64).checked_mul(ring.frame_bytes) == Some(bytes as u64) {
            return Ok(());
        }
        Err(Error::BadArgument {
            reason: format!(
                "found room for {bytes} bytes of samples, expected room for {frames} frames of {} bytes each",
                ring.frame_bytes
            ),
        })
    }
}

/// The piece of `wanted` that begins at `start`.
#[inline]
pub(super) fn piece_of(wanted: &Range<u64>, start: u64, frame_bytes: u64) -> Range<u64> {
    start..wanted.end.min(start.saturating_add((PIECE_BYTES / frame_bytes).max(1)))
}
