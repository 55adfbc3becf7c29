//! The book of one reader: every position of every stream once, read or lost.

use crate::follower::Account;
use crate::signal::{self, Stamp};

/// Where a reader stands, by its own book.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The stream that the frames are of; 0 before the first.
    pub stream_id: u64,
    /// Position in it up to which everything has been read or counted as lost.
    pub position: u64,
    /// The last stream that the reader was told the end of, and how many frames it had in all.
    pub ended: Option<(u64, u64)>,
}

/// Every position of a stream once, read or lost; anything else is an error that says what was expected.
#[derive(Clone, Debug, Default)]
pub struct Book {
    stream_id: u64,
    /// Where the next frame has to be.
    next: u64,
    pub read: u64,
    /// What the reader has announced as lost.
    lost: u64,
    epoch: u64,
    /// Frames that the stream before lost at its end, to be announced with the first frame of this one.
    carried: u64,
    /// The reader began where the stream was by then: its first frame may be any.
    anywhere: bool,
    /// The reader is not told where one stream ends and the next begins.
    untold_ends: bool,
    /// A writer may come to write a chunk into the stream after the one that the chunk was made for.
    late_stamps: bool,
    /// Of the first chunk, if it was made for another stream: that stream, and how much further its frames were there.
    late: Option<(u64, u64)>,
    ended: Option<(u64, u64)>,
}

type Checked = Result<(), String>;

impl Book {
    /// Of a reader that begins in the middle of a stream.
    pub fn anywhere() -> Self {
        Self { anywhere: true, ..Self::default() }
    }

    /// Of a reader that comes to the next stream without a word.
    pub fn with_untold_ends(mut self) -> Self {
        self.untold_ends = true;
        self
    }

    /// Of a stream whose writer starts over in the middle of a call.
    pub fn with_late_stamps(mut self) -> Self {
        self.late_stamps = true;
        self
    }

    fn lose(&mut self, lost: u64) -> Checked {
        let carried = std::mem::take(&mut self.carried);
        let here = lost.checked_sub(carried).ok_or_else(|| {
            format!("{lost} lost were announced, but the stream before had lost {carried} more at its end; {self:?}")
        })?;
        self.lost += lost;
        self.next += here;
        Ok(())
    }

    /// A chunk that was made for the stream before the one it came into: its place in this one. Only the first chunk of a
    /// stream can be one; `expected` is where it has to be.
    fn in_this_stream(&mut self, stamp: Stamp, expected: u64) -> Stamp {
        if !self.late_stamps || self.stream_id != 0 {
            return stamp;
        }
        let made_for = match self.late {
            Some(late) => late,
            // The stream before may have come and gone while its names were removed: then nobody was told of its end.
            None if stamp.position > expected => *self.late.insert((stamp.stream_id, stamp.position - expected)),
            None => return stamp,
        };
        if made_for.0 != stamp.stream_id {
            return stamp;
        }
        Stamp { position: stamp.position.saturating_sub(made_for.1), stream_id: 0, epoch: 0 }
    }

    /// The first frame of a read.
    fn begin(&mut self, stamp: Stamp, lost: u64) -> Checked {
        if self.stream_id != stamp.stream_id {
            if self.stream_id != 0 && !self.untold_ends {
                return Err(format!("{stamp:?} without the end of the stream before; {self:?}"));
            }
            if self.untold_ends && self.anywhere {
                // Streams may have ended before the first frame, of which nobody knows how much was theirs.
                self.lost += lost;
                (self.next, self.anywhere, self.stream_id) = (stamp.position, false, stamp.stream_id);
                return Ok(());
            }
            if self.untold_ends {
                // Lost at the end of the stream before, and at the beginning of this one.
                let before = lost
                    .checked_sub(stamp.position)
                    .ok_or_else(|| format!("{lost} lost were announced before {stamp:?}; {self:?}"))?;
                self.ended = Some((self.stream_id, self.next + before));
                (self.next, self.epoch, self.carried) = (0, 0, before);
            }
            self.stream_id = stamp.stream_id;
        }
        if std::mem::take(&mut self.anywhere) {
            self.next = stamp
                .position
                .checked_sub(lost)
                .ok_or_else(|| format!("{lost} lost were announced before {stamp:?}"))?;
        }
        self.lose(lost)
    }

    /// Where the reader stands; losses that no later frame has announced yet are counted.
    pub fn place(&self, lost_in_all: u64) -> Place {
        let position = (self.next + lost_in_all).saturating_sub(self.lost + self.carried);
        Place { stream_id: self.stream_id, position, ended: self.ended }
    }
}

/// The first words of a frame, for people.
fn head(frame: &[u8]) -> String {
    let words = frame.as_chunks::<8>().0;
    let shown = words.iter().take(6).map(|word| format!("{:#x}", u64::from_le_bytes(*word)));
    shown.collect::<Vec<_>>().join(" ")
}

impl Account for Book {
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
                format!("a torn frame: the {i}th of {}, after {self:?}: {}", times.len(), head(frame))
            })?;
            if *time != signal::time_of(stamp.position) {
                return Err(format!("time {time} of {stamp:?}"));
            }
            let announced = if i == 0 { lost.saturating_sub(self.carried) } else { 0 };
            let stamp = self.in_this_stream(stamp, self.next + announced);
            if i == 0 {
                self.begin(stamp, lost)?;
            } else if self.late_stamps && self.stream_id == 0 {
                // The chunk after one that was made for the stream before.
                self.stream_id = stamp.stream_id;
            } else if stamp.stream_id != self.stream_id {
                return Err(format!("frames of two streams in one read: {stamp:?} in {self:?}"));
            }
            if stamp.position != self.next {
                return Err(format!(
                    "frame {i} of this read is {stamp:?}, after {lost} lost were announced; expected {self:?}"
                ));
            }
            if stamp.epoch < self.epoch {
                return Err(format!("the epoch went back: {stamp:?} after {self:?}"));
            }
            self.epoch = stamp.epoch;
            self.next += 1;
            self.read += 1;
        }
        Ok(())
    }

    fn enter_empty(&mut self, stream_position: u64, lost: u64) -> Checked {
        if std::mem::take(&mut self.anywhere) {
            self.next = stream_position
                .checked_sub(lost)
                .ok_or_else(|| format!("{lost} lost were announced before position {stream_position}"))?;
        }
        self.lose(lost)?;
        self.is_at(stream_position)
    }

    fn is_at(&self, stream_position: u64) -> Checked {
        if stream_position == self.next {
            Ok(())
        } else {
            Err(format!("the message says that it ends at {stream_position}, its frames say {self:?}"))
        }
    }

    fn close(&mut self, lost_in_all: u64) -> Checked {
        let carried = lost_in_all
            .checked_sub(self.lost)
            .ok_or_else(|| format!("the loss in all went back to {lost_in_all}; {self:?}"))?;
        let total = self.next + (carried - self.carried.min(carried));
        self.ended = Some((self.stream_id, total));
        (self.stream_id, self.next, self.epoch, self.carried, self.late) = (0, 0, 0, carried, None);
        // Whatever was to come of the stream, the next one begins at its first frame.
        self.anywhere = false;
        Ok(())
    }

    fn not_entered(&self, lost_in_all: u64) -> Result<u64, String> {
        lost_in_all
            .checked_sub(self.lost)
            .ok_or_else(|| format!("the loss in all went back to {lost_in_all}; {self:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(positions: std::ops::Range<u64>, stream_id: u64) -> (Vec<u8>, Vec<f64>) {
        let times = positions.clone().map(signal::time_of).collect();
        let samples = positions.flat_map(|position| {
            let mut frame = vec![0; signal::LEAST_BYTES];
            signal::fill(&mut frame, Stamp { position, stream_id, epoch: 1 });
            frame
        });
        (samples.collect(), times)
    }

    fn enter(book: &mut Book, positions: std::ops::Range<u64>, stream_id: u64, lost: u64) -> Checked {
        let (samples, times) = frames(positions, stream_id);
        book.enter(&samples, &times, lost)
    }

    #[test]
    fn every_position_has_to_be_read_or_lost() {
        let mut book = Book::default();
        enter(&mut book, 0..3, 1, 0).unwrap();
        enter(&mut book, 5..6, 1, 2).unwrap();
        assert!(enter(&mut book.clone(), 7..8, 1, 0).is_err(), "a gap");
        assert!(enter(&mut book.clone(), 5..6, 1, 0).is_err(), "twice");
        assert!(enter(&mut book.clone(), 7..8, 1, 2).is_err(), "too many");
        assert!(enter(&mut book.clone(), 6..7, 2, 0).is_err(), "another stream");
        assert_eq!(book.place(4), Place { stream_id: 1, position: 8, ended: None });
        book.close(4).unwrap();
        assert_eq!(book.place(4).ended, Some((1, 8)));
        assert!(enter(&mut book.clone(), 0..1, 2, 1).is_err(), "the end's loss is announced with the next frame");
        enter(&mut book, 1..2, 2, 3).unwrap();
        assert_eq!(book.place(5), Place { stream_id: 2, position: 2, ended: Some((1, 8)) });
        assert_eq!((book.read, book.lost), (5, 5));
    }

    #[test]
    fn a_torn_frame_is_found() {
        let (mut samples, times) = frames(0..3, 1);
        samples[40] ^= 1;
        assert!(Book::default().enter(&samples, &times, 0).unwrap_err().contains("torn"));
    }

    #[test]
    fn who_is_not_told_of_ends_still_accounts_for_everything() {
        let mut book = Book::default().with_untold_ends();
        enter(&mut book, 0..3, 1, 0).unwrap();
        enter(&mut book, 2..4, 2, 7).unwrap();
        assert_eq!(book.place(7), Place { stream_id: 2, position: 4, ended: Some((1, 8)) });
        assert!(enter(&mut book, 5..6, 3, 4).is_err(), "more at the beginning than in all");
    }

    #[test]
    fn a_chunk_that_was_made_for_the_stream_before_has_a_place_in_the_next() {
        let mut book = Book::default().with_late_stamps();
        enter(&mut book, 0..3, 1, 0).unwrap();
        book.close(0).unwrap();
        enter(&mut book, 3..5, 1, 0).unwrap();
        enter(&mut book, 2..4, 2, 0).unwrap();
        assert_eq!(book.place(0).position, 4);

        let mut book = Book::default().with_late_stamps();
        enter(&mut book, 0..3, 1, 0).unwrap();
        book.close(0).unwrap();
        let [late, own] = [frames(3..5, 1), frames(2..4, 2)];
        book.enter(&[late.0, own.0].concat(), &[late.1, own.1].concat(), 0).unwrap();
        assert_eq!((book.place(0).stream_id, book.place(0).position), (2, 4));
    }
}
