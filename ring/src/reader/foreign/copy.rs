//! Copying frames out of a ring whose writer says only afterwards what it has overwritten.

use std::cmp::Ordering;
use std::ops::Range;
use std::time::Instant;

use super::super::attachment::Attachment;
use super::{ForeignStream, Found, Polled};
use crate::Result;
use crate::reader::frames::AlignedBytes;
use crate::reader::message::{Message, MessageInfo, MessageView};
use crate::reader::target::Target;
use crate::reader::view::View;
use crate::reader::{Copied, Frames, MessageOutcome, Outcome, PIECE_BYTES, ViewOutcome};

impl ForeignStream {
    /// [`Reader::read`](crate::Reader::read) and its kin.
    pub fn read(
        &mut self,
        own: &mut Attachment,
        into: &mut impl Target,
        max_frames: u64,
        continuing: bool,
    ) -> Result<(Outcome, Copied)> {
        let (outcome, mut copied) = self.fill(own, into, max_frames, continuing)?;
        if outcome == Outcome::Data {
            own.lose_up_to(copied.first);
            own.deliver_up_to(copied.first + copied.frames);
            copied.lost = own.take_pending_lost();
        }
        Ok((outcome, copied))
    }

    /// Copies what is new, at most `max_frames`, without passing it.
    fn fill(
        &mut self,
        own: &mut Attachment,
        into: &mut impl Target,
        max_frames: u64,
        continuing: bool,
    ) -> Result<(Outcome, Copied)> {
        const NOTHING: (Outcome, Copied) = (Outcome::Nothing, Copied { first: 0, frames: 0, lost: 0, generation: 0 });
        if max_frames == 0 {
            return Ok(NOTHING);
        }
        let described = self.descriptions.number();
        // Lapped while copying: again. A reader too slow gets an answer, not a loop.
        for _ in 0..4 {
            let end = match self.poll(own)? {
                Polled::Data(end) => end,
                Polled::Nothing => return Ok(NOTHING),
                Polled::Moved => return Ok((Outcome::Generation, Copied::default())),
                Polled::Closed => return Ok((Outcome::Closed, Copied::default())),
            };
            let Some(ring) = &self.ring else { return Ok(NOTHING) };
            let ring_frames = ring.layout.frames;
            // Where a lapped reader goes on, so that it is not lapped again at once.
            let ahead = end - (ring_frames / 2).max(1).min(end);
            let lapped = own.next < end.saturating_sub(ring_frames);
            let redescribed = own.options().each_description && self.descriptions.number() != described;
            if continuing && (lapped || redescribed || own.pending_lost() > 0) {
                return Ok(NOTHING);
            }
            if lapped {
                own.lose_up_to(ahead);
            }
            let wanted = own.next..end.min(own.next.saturating_add(max_frames));
            let copied = self.copy(&wanted, into)?;
            if continuing && copied.first > wanted.start {
                return Ok(NOTHING);
            }
            if copied.frames > 0 {
                return Ok((Outcome::Data, copied));
            }
            own.lose_up_to(ahead.max(copied.first));
        }
        Ok(NOTHING)
    }

    /// Copies as much of `wanted`, no longer than the ring, as stays whole: from the first frame that is, up to the next
    /// piece that is not. Where nothing is, `first` is behind what was tried.
    pub fn copy(&mut self, wanted: &Range<u64>, into: &mut impl Target) -> Result<Copied> {
        let mut copied = Copied { first: wanted.start, ..Copied::default() };
        let Some(ring) = &self.ring else { return Ok(copied) };
        let frame_bytes = ring.layout.frame_bytes;
        copied.generation = ring.generation;
        let piece_frames = (PIECE_BYTES / frame_bytes).max(1);
        let mut start = wanted.start;
        while start < wanted.end {
            let piece = start..wanted.end.min(start.saturating_add(piece_frames));
            let done = copied.frames;
            let frames = piece.end - piece.start;
            into.make_room(done + frames, frame_bytes);
            let whole = self.copy_piece(&piece, into, done)?;
            if done > 0 && whole > piece.start {
                break;
            }
            if done == 0 {
                into.drop_front(whole - piece.start, frames, frame_bytes);
                copied.first = whole;
            }
            copied.frames = done + (piece.end - whole);
            start = piece.end;
        }
        Ok(copied)
    }

    /// Copies `piece` behind the `done` frames that are there; gives the position from which on it is whole.
    fn copy_piece(&mut self, piece: &Range<u64>, into: &mut impl Target, done: u64) -> Result<u64> {
        let Some(ring) = &mut self.ring else { return Ok(piece.end) };
        let (ring_frames, frame_bytes) = (ring.layout.frames, ring.layout.frame_bytes);
        let end = done + (piece.end - piece.start);
        let bytes = (done * frame_bytes) as usize..(end * frame_bytes) as usize;
        ring.copy_samples(piece, &mut into.samples()[bytes.clone()])?;
        ring.copy_times(piece, &mut into.times()[done as usize..end as usize])?;
        // What the writer comes to next, long before it says so.
        let is_old = piece.start + ring_frames / 2 < ring.track.position();
        let mut whole = piece.start;
        if is_old {
            let mut again = AlignedBytes::default();
            again.set_length(bytes.len());
            ring.copy_samples(piece, again.as_mut_slice())?;
            whole += frames_that_differ(&into.samples()[bytes], again.as_slice(), frame_bytes);
        }
        let now = self.header.look()?.filter(|seen| seen.generation() == Some(ring.generation));
        let now = now.and_then(|seen| ring.track.look(&seen).ok().flatten());
        Ok(match now {
            Some(now) => {
                if ring.track.advance(Some(now)) {
                    (self.news, self.found) = (Instant::now(), Found::now());
                }
                whole.max(now.saturating_sub(ring_frames))
            }
            // The header says nothing just now. The writer has hardly come half round since it did.
            None if is_old => piece.end,
            None => whole,
        }
        .min(piece.end))
    }

    /// [`Reader::held`](crate::Reader::held).
    pub fn held(&self) -> Range<u64> {
        let Some(ring) = &self.ring else { return 0..0 };
        let end = self.position();
        end.saturating_sub(ring.layout.frames)..end
    }

    /// Copies times alone; `None` where the ring cannot be read, which is an error of the read that follows.
    pub fn copy_times(&self, positions: &Range<u64>, to: &mut [f64]) -> Option<()> {
        self.ring.as_ref()?.copy_times(positions, to).ok()
    }

    /// [`Reader::frames_within`](crate::Reader::frames_within), of what the last look saw.
    pub fn frames_within(&self, seconds: f64) -> u64 {
        let Some(ring) = &self.ring else { return 0 };
        let mut block = [0.0; 512];
        let (mut newest, mut found, mut end) = (None, 0, ring.track.position());
        let oldest = end.saturating_sub(ring.layout.frames);
        while end > oldest {
            let start = end.saturating_sub(block.len() as u64).max(oldest);
            let times = &mut block[..(end - start) as usize];
            // A ring that cannot be read is an error of the read that follows.
            if ring.copy_times(&(start..end), times).is_err() {
                break;
            }
            for &time in times.iter().rev() {
                let age = *newest.get_or_insert(time) - time;
                // No number is below or above NaN.
                if age.partial_cmp(&seconds) != Some(Ordering::Less) {
                    return found;
                }
                found += 1;
            }
            end = start;
        }
        found
    }

    /// [`Reader::view`](crate::Reader::view), of a copy.
    pub fn view(&mut self, own: &mut Attachment, max_frames: u64) -> Result<ViewOutcome> {
        let mut frames = Frames::new();
        let (outcome, copied) = self.fill(own, &mut frames, max_frames, false)?;
        frames.set_copied(&copied, self.format());
        Ok(match (outcome, &self.ring) {
            (Outcome::Data, Some(ring)) => ViewOutcome::Frames(View::of_copy(frames, ring.token.clone())),
            (Outcome::Data, None) | (Outcome::Nothing, _) => ViewOutcome::Nothing,
            (Outcome::Generation, _) => ViewOutcome::Generation,
            (Outcome::Closed, _) => ViewOutcome::Closed,
        })
    }

    /// [`Reader::finish`](crate::Reader::finish): a copy stays whole.
    pub fn finish(&mut self, own: &mut Attachment, view: &View) -> Range<u64> {
        let range = view.range();
        let mine = self.ring.as_ref().is_some_and(|ring| view.is_copy_of(&ring.token));
        if !mine || range.end <= own.next {
            return range.end..range.end;
        }
        let whole = range.start.max(own.next);
        own.lose_up_to(whole);
        own.deliver_up_to(range.end);
        own.take_pending_lost();
        whole..range.end
    }

    /// Most frames of a message: what is safe from the writer for a while, and not much memory.
    fn longest_message(&self) -> u64 {
        let Some(ring) = &self.ring else { return 1 };
        (PIECE_BYTES / ring.layout.frame_bytes).min(ring.layout.frames / 2).max(1)
    }

    /// [`MessageReader::next`](crate::MessageReader::next): what is new, as a message.
    pub fn next(&mut self, own: &mut Attachment, into: &mut Message) -> Result<Outcome> {
        let mut frames = Frames::new();
        std::mem::swap(&mut frames.samples, &mut into.samples);
        std::mem::swap(&mut frames.times, &mut into.times);
        let read = self.read(own, &mut frames, self.longest_message(), false);
        if let Ok((_, copied)) = &read {
            frames.set_copied(copied, self.format());
        }
        std::mem::swap(&mut frames.samples, &mut into.samples);
        std::mem::swap(&mut frames.times, &mut into.times);
        let (outcome, copied) = read?;
        if outcome == Outcome::Data {
            into.info = self.message_info(own.next_chunk, copied.first, copied.frames, copied.lost);
            own.next_chunk += 1;
        }
        Ok(outcome)
    }

    /// [`MessageReader::view`](crate::MessageReader::view), of a copy.
    pub fn message_view(&mut self, own: &mut Attachment) -> Result<MessageOutcome> {
        Ok(match self.view(own, self.longest_message())? {
            ViewOutcome::Frames(view) => {
                let passed = view.first().saturating_sub(own.next.max(own.not_lost_below));
                let lost = own.pending_lost().saturating_add(passed);
                let info = self.message_info(own.next_chunk, view.first(), view.frames(), lost);
                MessageOutcome::Message(MessageView { info, view })
            }
            ViewOutcome::Nothing => MessageOutcome::Nothing,
            ViewOutcome::Generation => MessageOutcome::Generation,
            ViewOutcome::Closed => MessageOutcome::Closed,
        })
    }

    /// [`MessageReader::finish`](crate::MessageReader::finish).
    pub fn finish_message(&mut self, own: &mut Attachment, message: &MessageView) -> bool {
        if message.info.chunk != own.next_chunk {
            return false;
        }
        let whole = self.finish(own, &message.view);
        let delivered = !whole.is_empty() && whole == message.view.range();
        own.next_chunk += u64::from(delivered);
        delivered
    }

    /// [`Reader::messages`](crate::Reader::messages): what one message of these positions would be.
    pub fn message(&self, positions: Range<u64>) -> Option<MessageInfo> {
        let frames = positions.end.saturating_sub(positions.start);
        (frames > 0 && self.ring.is_some()).then(|| self.message_info(0, positions.start, frames, 0))
    }

    /// It counts as sent when the newest frames were found.
    fn message_info(&self, chunk: u64, first: u64, frames: u64, lost: u64) -> MessageInfo {
        MessageInfo {
            chunk,
            first,
            frames,
            send_ns: self.found.unix_ns,
            mono_ns: self.found.mono_ns,
            lost,
            generation: self.generation().unwrap_or_default(),
            stream_position: self.base.saturating_add(first),
        }
    }
}

/// How many frames from the first on up to the last that differs.
fn frames_that_differ(a: &[u8], b: &[u8], frame_bytes: u64) -> u64 {
    let frame_bytes = frame_bytes as usize;
    let mut frames = a.chunks_exact(frame_bytes).zip(b.chunks_exact(frame_bytes));
    frames.rposition(|(a, b)| a != b).map_or(0, |last| last as u64 + 1)
}
