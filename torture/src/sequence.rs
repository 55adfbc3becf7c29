//! The numbering of a source's messages in a graph. The source does not know the positions that its frames get in the
//! stream, and any of its messages may be missing there. The messages that arrive must be whole, in the source's order,
//! and unique.

use dora_shm_testkit::signal::{self, Stamp};

/// Numbers that are reserved for each message, which has fewer frames.
pub const ROOM: u64 = 64;

/// The stamp of frame `index` of a message of `frames`. `run` is the number of the source's first message. It
/// distinguishes messages that a source left out from the unused numbers between two sources.
pub fn stamp(run: u64, message: u64, index: u64, frames: u64) -> Stamp {
    Stamp { position: number(message, index), stream_id: run, epoch: frames }
}

/// Number of a frame, which is also its time: it is exact in an `f64`.
pub fn number(message: u64, index: u64) -> u64 {
    message * ROOM + index
}

/// A frame as it arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Number of the first message of its source.
    pub run: u64,
    /// Number of its message at the source.
    pub message: u64,
    /// Index in its message.
    pub index: u64,
    /// Number of frames in its message.
    pub frames: u64,
}

/// Checks frames one after the other.
#[derive(Clone, Debug, Default)]
pub struct Sequence {
    last: Option<Frame>,
    /// Number of messages that are missing between those that arrived.
    pub missing: u64,
    /// The first message after the newest gap.
    pub whole_since: u64,
}

impl Sequence {
    /// The newest frame.
    pub fn last(&self) -> Option<Frame> {
        self.last
    }

    /// Checks the next frame. `after_loss`: frames before it were announced as lost.
    ///
    /// # Errors
    /// A sentence that describes the first fault.
    pub fn check(&mut self, frame: &[u8], time: f64, after_loss: bool) -> Result<Frame, String> {
        let stamp = signal::check(frame).ok_or_else(|| format!("a torn frame after {:?}", self.last))?;
        let Stamp { position, stream_id: run, epoch: frames } = stamp;
        let found = Frame { run, message: position / ROOM, index: position % ROOM, frames };
        if found.message < run || found.index >= frames {
            return Err(format!("no source of this campaign can have sent {stamp:?}"));
        }
        if time != position as f64 {
            return Err(format!("{found:?} has the time {time}, expected {position}"));
        }
        if let Some(last) = self.last {
            if number(found.message, found.index) <= number(last.message, last.index) {
                return Err(format!("{found:?} came after {last:?}"));
            }
            let cut = last.message != found.message && last.index + 1 < last.frames;
            if cut && !after_loss {
                return Err(format!("{found:?} came after {last:?}, whose message is not whole, and nothing was lost"));
            }
            // If a later source sent this message, only its own earlier messages are missing.
            let expected = if found.run == last.run { last.message + 1 } else { found.run };
            if found.message > expected {
                self.missing += found.message - expected;
                self.whole_since = found.message;
            }
        } else {
            self.whole_since = found.message;
        }
        let follows = self.last.is_some_and(|last| last.message == found.message && last.index + 1 == found.index);
        if found.index > 0 && !follows && !after_loss {
            return Err(format!("{found:?} came after {:?}, and nothing was lost", self.last));
        }
        self.last = Some(found);
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn came(sequence: &mut Sequence, message: u64, index: u64, after_loss: bool) -> Result<Frame, String> {
        let mut frame = vec![0; 40];
        signal::fill(&mut frame, stamp(7, message, index, 3));
        sequence.check(&frame, number(message, index) as f64, after_loss)
    }

    #[test]
    fn whole_messages_in_order_are_accepted_and_missing_ones_are_counted() {
        let mut sequence = Sequence::default();
        for message in [7, 8, 11, 12] {
            (0..3).for_each(|index| _ = came(&mut sequence, message, index, false).unwrap());
        }
        assert_eq!((sequence.missing, sequence.whole_since), (2, 11));
    }

    #[test]
    fn a_frame_that_arrives_again_or_too_late_is_refused() {
        let mut sequence = Sequence::default();
        came(&mut sequence, 7, 0, false).unwrap();
        assert!(came(&mut sequence, 7, 0, false).is_err());
        assert!(came(&mut sequence, 6, 2, true).is_err());
    }

    #[test]
    fn a_message_may_be_cut_only_by_a_loss() {
        let mut sequence = Sequence::default();
        came(&mut sequence, 7, 0, false).unwrap();
        assert!(came(&mut sequence.clone(), 7, 2, false).is_err());
        assert!(came(&mut sequence.clone(), 8, 0, false).is_err());
        assert!(came(&mut sequence.clone(), 8, 1, false).is_err());
        came(&mut sequence.clone(), 7, 2, true).unwrap();
        came(&mut sequence, 8, 1, true).unwrap();
    }

    #[test]
    fn a_changed_bit_and_a_wrong_time_are_detected() {
        let mut frame = vec![0; 40];
        signal::fill(&mut frame, stamp(1, 1, 0, 3));
        assert!(Sequence::default().check(&frame, 63.0, false).is_err());
        frame[33] ^= 1;
        assert!(Sequence::default().check(&frame, 64.0, false).is_err());
    }
}
