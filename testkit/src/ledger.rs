//! The ledger of one reader: it accounts for every position of every stream once, as read or as lost.

use dora_shm_ring::MessageInfo;

use crate::signal::{self, Stamp};

/// The result of an entry. The error is a sentence with what was found and what was expected.
pub type Checked = Result<(), String>;

/// A ledger into which a [`Follower`](crate::follower::Follower) enters what it has read.
pub trait Account: std::fmt::Debug {
    /// Number of frames entered so far.
    fn read(&self) -> u64;

    /// Enters the frames of one read. `lost` frames were announced as lost before the first of them.
    ///
    /// # Errors
    /// A sentence that describes the fault.
    fn enter(&mut self, samples: &[u8], times: &[f64], lost: u64) -> Checked;

    /// Enters a message without frames.
    ///
    /// # Errors
    /// A sentence that describes the fault.
    fn enter_empty(&mut self, info: &MessageInfo) -> Checked;

    /// Checks a message's info after its frames were entered.
    ///
    /// # Errors
    /// A sentence that describes the fault.
    fn check_message(&mut self, info: &MessageInfo) -> Checked;

    /// Enters the end of a stream. The reader has counted `lost_in_all` frames as lost since it was opened.
    ///
    /// # Errors
    /// A sentence that describes the fault of the count.
    fn close(&mut self, lost_in_all: u64) -> Checked;

    /// The part of `lost_in_all` that has not been entered.
    ///
    /// # Errors
    /// A sentence, if the count has decreased.
    fn not_entered(&self, lost_in_all: u64) -> Result<u64, String>;
}

/// The place that a reader has reached, according to its ledger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The stream of the frames; 0 before the first.
    pub stream_id: u64,
    /// Position in this stream up to which everything has been read or counted as lost.
    pub position: u64,
    /// The stream whose end the reader saw last, and the total number of its frames.
    pub ended: Option<(u64, u64)>,
}

/// What a reader has announced as lost.
///
/// A reader announces a loss with the next frame that it returns. If it lost frames at the end of a stream, it announces
/// them with the first frame of the next one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Losses {
    /// Number of frames announced as lost.
    announced: u64,
    /// Frames lost at the end of the previous stream and not announced yet.
    carried: u64,
}

impl Losses {
    /// Enters `lost` frames that were announced before a frame. Returns how many of them the frame's own stream lost.
    ///
    /// # Errors
    /// A sentence, if they are fewer than the previous stream lost at its end.
    pub fn announce(&mut self, lost: u64) -> Result<u64, String> {
        let carried = std::mem::take(&mut self.carried);
        let here = lost.checked_sub(carried).ok_or_else(|| {
            format!(
                "{lost} frames were announced as lost, but the previous stream had already lost {carried} at its end"
            )
        })?;
        self.announced += lost;
        Ok(here)
    }

    /// Enters the end of a stream, when the reader has counted `lost_in_all` frames as lost since it was opened. Returns
    /// how many frames the stream lost at its end.
    ///
    /// # Errors
    /// A sentence, if the count has decreased.
    pub fn close(&mut self, lost_in_all: u64) -> Result<u64, String> {
        let carried = self.not_announced(lost_in_all)?;
        Ok(carried.saturating_sub(std::mem::replace(&mut self.carried, carried)))
    }

    /// The part of `lost_in_all` that has not been announced.
    ///
    /// # Errors
    /// A sentence, if the count has decreased.
    pub fn not_announced(&self, lost_in_all: u64) -> Result<u64, String> {
        lost_in_all.checked_sub(self.announced).ok_or_else(|| format!("the total loss decreased to {lost_in_all}"))
    }

    /// The position up to which everything has been read or lost, if `next` is the position after everything announced.
    pub fn position(&self, next: u64, lost_in_all: u64) -> u64 {
        (next + lost_in_all).saturating_sub(self.announced + self.carried)
    }
}

/// The ledger of a reader of the [`signal`]. Every position of a stream must be read or lost, exactly once.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    stream_id: u64,
    /// Position that the next frame must have.
    next: u64,
    /// Number of frames read and found correct.
    pub read: u64,
    losses: Losses,
    epoch: u64,
    /// The reader began in the middle of a stream, so its first frame may have any position.
    anywhere: bool,
    /// The reader does not see where one stream ends and the next begins.
    unseen_ends: bool,
    /// A writer may write a chunk into a stream other than the one that the chunk was prepared for.
    late_stamps: bool,
    /// If the first chunk was prepared for another stream: that stream, and the difference of the positions.
    late: Option<(u64, u64)>,
    ended: Option<(u64, u64)>,
}

impl Ledger {
    /// For a reader that begins in the middle of a stream.
    pub fn anywhere() -> Self {
        Self { anywhere: true, ..Self::default() }
    }

    /// For a reader that moves from one stream to the next without seeing the end.
    pub fn with_unseen_ends(mut self) -> Self {
        self.unseen_ends = true;
        self
    }

    /// For a stream whose writer may restart it in the middle of a call.
    pub fn with_late_stamps(mut self) -> Self {
        self.late_stamps = true;
        self
    }

    /// The stream of the frames; 0 before the first.
    pub fn stream_id(&self) -> u64 {
        self.stream_id
    }

    /// Position in the stream that the next frame must have, if nothing is lost before it.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// The place that the reader has reached. Losses that no later frame has announced yet are included.
    pub fn place(&self, lost_in_all: u64) -> Place {
        let position = self.losses.position(self.next, lost_in_all);
        Place { stream_id: self.stream_id, position, ended: self.ended }
    }

    fn lose(&mut self, lost: u64) -> Checked {
        self.next += self.losses.announce(lost).map_err(|sentence| format!("{sentence}; {self:?}"))?;
        Ok(())
    }

    /// The stamp in this stream of a frame whose chunk was prepared for the previous stream. Only the first chunk of a
    /// stream can be one. `expected` is the position that the frame must have.
    fn in_this_stream(&mut self, stamp: Stamp, expected: u64) -> Stamp {
        if !self.late_stamps || self.stream_id != 0 {
            return stamp;
        }
        let made_for = match self.late {
            Some(late) => late,
            // If the previous stream existed only while its names were removed, no reader saw its end.
            None if stamp.position > expected => *self.late.insert((stamp.stream_id, stamp.position - expected)),
            None => return stamp,
        };
        if made_for.0 != stamp.stream_id {
            return stamp;
        }
        Stamp { position: stamp.position.saturating_sub(made_for.1), stream_id: 0, epoch: 0 }
    }

    fn check_end(&self, info: &MessageInfo) -> Checked {
        let end = info.stream_position + info.frames;
        if end == self.next { Ok(()) } else { Err(format!("{info:?} ends at {end}, but its frames do not; {self:?}")) }
    }

    /// The first frame of a read.
    fn begin(&mut self, stamp: Stamp, lost: u64) -> Checked {
        if self.stream_id != stamp.stream_id {
            if self.stream_id != 0 && !self.unseen_ends {
                return Err(format!("{stamp:?} without the end of the previous stream; {self:?}"));
            }
            if self.unseen_ends && self.anywhere {
                // Streams may have ended before the first frame. Their part of the loss cannot be determined.
                self.losses.announced += lost;
                (self.next, self.anywhere, self.stream_id) = (stamp.position, false, stamp.stream_id);
                return Ok(());
            }
            if self.unseen_ends {
                // Part of the loss is at the end of the previous stream, part at the beginning of this one.
                let before = lost
                    .checked_sub(stamp.position)
                    .ok_or_else(|| format!("only {lost} frames were announced as lost before {stamp:?}; {self:?}"))?;
                self.ended = Some((self.stream_id, self.next + before));
                (self.next, self.epoch, self.losses.carried) = (0, 0, before);
            }
            self.stream_id = stamp.stream_id;
        }
        if std::mem::take(&mut self.anywhere) {
            self.next = before_the_loss(stamp.position, lost)?;
        }
        self.lose(lost)
    }
}

fn before_the_loss(position: u64, lost: u64) -> Result<u64, String> {
    position.checked_sub(lost).ok_or_else(|| format!("{lost} frames were announced as lost before position {position}"))
}

/// The first words of a frame, for error messages.
fn head(frame: &[u8]) -> String {
    let words = frame.as_chunks::<8>().0;
    let shown = words.iter().take(6).map(|word| format!("{:#x}", u64::from_le_bytes(*word)));
    shown.collect::<Vec<_>>().join(" ")
}

impl Account for Ledger {
    fn read(&self) -> u64 {
        self.read
    }

    fn enter(&mut self, samples: &[u8], times: &[f64], lost: u64) -> Checked {
        if times.is_empty() || !samples.len().is_multiple_of(times.len()) {
            return Err(format!("{} bytes of samples for {} times", samples.len(), times.len()));
        }
        let frame_bytes = samples.len() / times.len();
        for (i, (frame, time)) in samples.chunks_exact(frame_bytes).zip(times).enumerate() {
            let stamp = signal::check(frame).ok_or_else(|| {
                format!("a torn frame: index {i} of {}, after {self:?}: {}", times.len(), head(frame))
            })?;
            if *time != signal::time_of(stamp.position) {
                return Err(format!("{stamp:?} has the time {time}, expected {}", signal::time_of(stamp.position)));
            }
            let announced = if i == 0 { lost.saturating_sub(self.losses.carried) } else { 0 };
            let stamp = self.in_this_stream(stamp, self.next + announced);
            if i == 0 {
                self.begin(stamp, lost)?;
            } else if self.late_stamps && self.stream_id == 0 {
                // This chunk follows one that was prepared for the previous stream.
                self.stream_id = stamp.stream_id;
            } else if stamp.stream_id != self.stream_id {
                return Err(format!("frames of two streams in one read: {stamp:?} in {self:?}"));
            }
            if stamp.position != self.next {
                return Err(format!(
                    "frame {i} of this read is {stamp:?}, after {lost} frames were announced as lost; expected {self:?}"
                ));
            }
            if stamp.epoch < self.epoch {
                return Err(format!("the epoch decreased: {stamp:?} after {self:?}"));
            }
            self.epoch = stamp.epoch;
            self.next += 1;
            self.read += 1;
        }
        Ok(())
    }

    fn enter_empty(&mut self, info: &MessageInfo) -> Checked {
        if std::mem::take(&mut self.anywhere) {
            self.next = before_the_loss(info.stream_position, info.lost)?;
        }
        self.lose(info.lost)?;
        self.check_end(info)
    }

    fn check_message(&mut self, info: &MessageInfo) -> Checked {
        self.check_end(info)?;
        if !self.late_stamps && info.send_ns as u64 != info.stream_position {
            return Err(format!("{info:?} has the send_ns of another message, expected {}", info.stream_position));
        }
        Ok(())
    }

    fn close(&mut self, lost_in_all: u64) -> Checked {
        let at_the_end = self.losses.close(lost_in_all).map_err(|sentence| format!("{sentence}; {self:?}"))?;
        self.ended = Some((self.stream_id, self.next + at_the_end));
        (self.stream_id, self.next, self.epoch, self.late) = (0, 0, 0, None);
        // The next stream begins at its first frame.
        self.anywhere = false;
        Ok(())
    }

    fn not_entered(&self, lost_in_all: u64) -> Result<u64, String> {
        self.losses.not_announced(lost_in_all).map_err(|sentence| format!("{sentence}; {self:?}"))
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use super::*;

    fn enter(ledger: &mut Ledger, positions: Range<u64>, stream_id: u64, lost: u64) -> Result<(), String> {
        let (samples, times) = frames(positions, stream_id);
        ledger.enter(&samples, &times, lost)
    }

    fn frames(positions: Range<u64>, stream_id: u64) -> (Vec<u8>, Vec<f64>) {
        let times = positions.clone().map(signal::time_of).collect();
        let samples = positions.flat_map(|position| {
            let mut frame = vec![0; signal::LEAST_BYTES];
            signal::fill(&mut frame, Stamp { position, stream_id, epoch: 1 });
            frame
        });
        (samples.collect(), times)
    }

    #[test]
    fn every_position_must_be_read_or_lost() {
        let mut ledger = Ledger::default();
        enter(&mut ledger, 0..3, 1, 0).unwrap();
        enter(&mut ledger, 5..6, 1, 2).unwrap();
        assert!(enter(&mut ledger.clone(), 7..8, 1, 0).is_err(), "a gap");
        assert!(enter(&mut ledger.clone(), 5..6, 1, 0).is_err(), "twice");
        assert!(enter(&mut ledger.clone(), 7..8, 1, 2).is_err(), "too many");
        assert!(enter(&mut ledger.clone(), 6..7, 2, 0).is_err(), "another stream");
        assert_eq!(ledger.place(4), Place { stream_id: 1, position: 8, ended: None });
        ledger.close(4).unwrap();
        assert_eq!(ledger.place(4).ended, Some((1, 8)));
        assert!(enter(&mut ledger.clone(), 0..1, 2, 1).is_err(), "the end's loss is announced with the next frame");
        enter(&mut ledger, 1..2, 2, 3).unwrap();
        assert_eq!(ledger.place(5), Place { stream_id: 2, position: 2, ended: Some((1, 8)) });
        assert_eq!((ledger.read, ledger.not_entered(5)), (5, Ok(0)));
    }

    #[test]
    fn a_torn_frame_is_detected() {
        let (mut samples, times) = frames(0..3, 1);
        samples[40] ^= 1;
        assert!(Ledger::default().enter(&samples, &times, 0).unwrap_err().contains("torn"));
    }

    #[test]
    fn a_message_whose_info_differs_from_its_frames_is_detected() {
        let mut ledger = Ledger::default();
        enter(&mut ledger, 0..3, 1, 0).unwrap();
        let info = |frames, send_ns| {
            let mut info = MessageInfo::default();
            (info.frames, info.send_ns) = (frames, send_ns);
            info
        };
        ledger.check_message(&info(3, 0)).unwrap();
        assert!(ledger.check_message(&info(2, 0)).is_err(), "another length");
        assert!(ledger.check_message(&info(3, 1)).is_err(), "another message's send_ns");
    }

    #[test]
    fn a_reader_that_sees_no_ends_still_accounts_for_everything() {
        let mut ledger = Ledger::default().with_unseen_ends();
        enter(&mut ledger, 0..3, 1, 0).unwrap();
        enter(&mut ledger, 2..4, 2, 7).unwrap();
        assert_eq!(ledger.place(7), Place { stream_id: 2, position: 4, ended: Some((1, 8)) });
        assert!(enter(&mut ledger, 5..6, 3, 4).is_err(), "more lost at the beginning than in total");
    }

    #[test]
    fn a_chunk_that_was_prepared_for_the_previous_stream_has_a_place_in_the_next() {
        let mut ledger = Ledger::default().with_late_stamps();
        enter(&mut ledger, 0..3, 1, 0).unwrap();
        ledger.close(0).unwrap();
        enter(&mut ledger, 3..5, 1, 0).unwrap();
        enter(&mut ledger, 2..4, 2, 0).unwrap();
        assert_eq!(ledger.place(0).position, 4);

        let mut ledger = Ledger::default().with_late_stamps();
        enter(&mut ledger, 0..3, 1, 0).unwrap();
        ledger.close(0).unwrap();
        let [late, own] = [frames(3..5, 1), frames(2..4, 2)];
        ledger.enter(&[late.0, own.0].concat(), &[late.1, own.1].concat(), 0).unwrap();
        assert_eq!((ledger.place(0).stream_id, ledger.place(0).position), (2, 4));
    }
}
