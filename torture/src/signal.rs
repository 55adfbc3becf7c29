//! Frames that say where they belong: position in the stream, incarnation of the stream, epoch of the writer, and a
//! checksum over all of the frame.

use dora_shm_ring::{Chunk, Description, Dtype, Format, Times, Writer};

use crate::dice::{Dice, mix};

/// Words of the smallest frame: position, stream_id, epoch, checksum. Larger ones have a body before the checksum.
pub const LEAST_WORDS: usize = 4;
/// Bytes of the smallest frame.
pub const LEAST_BYTES: usize = 8 * LEAST_WORDS;

const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// What a whole frame says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Position in the stream.
    pub position: u64,
    /// Incarnation of the stream.
    pub stream_id: u64,
    /// Of the writer.
    pub epoch: u64,
}

fn add(sum: u64, word: u64) -> u64 {
    (sum.rotate_left(23) ^ word).wrapping_mul(0xBF58_476D_1CE4_E5B9)
}

/// Fills one frame, whose length is a multiple of 8 bytes and at least [`LEAST_BYTES`].
pub fn fill(frame: &mut [u8], stamp: Stamp) {
    let (words, _) = frame.as_chunks_mut::<8>();
    let (check, content) = words.split_last_mut().expect("a frame has words");
    let (head, body) = content.split_at_mut(LEAST_WORDS - 1);
    let mut sum = STEP;
    for (to, word) in head.iter_mut().zip([stamp.position, stamp.stream_id, stamp.epoch]) {
        *to = word.to_le_bytes();
        sum = add(sum, word);
    }
    let mut word = sum;
    for to in body {
        word = word.wrapping_add(STEP);
        *to = word.to_le_bytes();
        sum = add(sum, word);
    }
    *check = mix(sum).to_le_bytes();
}

/// What a frame says of itself, if it is whole.
pub fn check(frame: &[u8]) -> Option<Stamp> {
    let (words, rest) = frame.as_chunks::<8>();
    let (check, content) = words.split_last()?;
    if !rest.is_empty() || content.len() < LEAST_WORDS - 1 {
        return None;
    }
    let sum = content.iter().fold(STEP, |sum, word| add(sum, u64::from_le_bytes(*word)));
    let word = |i: usize| u64::from_le_bytes(content[i]);
    (mix(sum) == u64::from_le_bytes(*check)).then(|| Stamp { position: word(0), stream_id: word(1), epoch: word(2) })
}

/// The value of the frame at `position` on the buffered axis.
pub fn time_of(position: u64) -> f64 {
    position as f64
}

/// Frames of `words` words in a ring of `frames`.
pub fn format(words: u64, frames: u64) -> Format {
    Format::new(Dtype::U64, &[words], 1000.0, frames).expect("a format of few words")
}

/// Some format of the signal: any dtype, up to rank 4, up to about 1 KiB a frame, in a ring of at most `most_frames`.
pub fn random_format(dice: &mut Dice, most_frames: u64) -> Format {
    let dtype = *dice.pick(&Dtype::ALL);
    // Whole words of 8 bytes, whatever the item.
    let items = 8 / dtype.size() as u64;
    let words = LEAST_WORDS as u64 + dice.below(4) * dice.below(30);
    let shape = match dice.below(4) {
        0 => vec![words * items],
        1 => vec![words, items],
        2 => vec![1, words, 1, items],
        _ => vec![items, words, 1],
    };
    let rate = [0.0, 30.0, 1000.0][dice.below(3) as usize];
    Format::new(dtype, &shape, rate, 1 + dice.below(most_frames)).expect("a small format")
}

/// A description that says its key only.
pub fn description(key: impl Into<String>) -> Description {
    Description { key: key.into(), ..Description::default() }
}

/// Writes the next `frames` frames of the signal as one message, straight into the ring.
pub fn write(writer: &mut Writer, frames: u64) -> dora_shm_ring::Result<()> {
    let start = writer.stream_position();
    let (stream_id, epoch) = (writer.stream_id(), u64::from(writer.epoch()));
    let frame_bytes = frame_bytes(writer);
    let times = Times::Linear { start: time_of(start), step: 1.0 };
    writer.write_with(frames, times, start as i64, |range, memory| {
        for (position, frame) in range.zip(memory.chunks_exact_mut(frame_bytes)) {
            fill(frame, Stamp { position: start + position, stream_id, epoch });
        }
    })
}

/// As [`write()`], by [`Writer::write`], which copies. `buffer` is used again from call to call.
pub fn write_copy(writer: &mut Writer, frames: u64, buffer: &mut Vec<u8>) -> dora_shm_ring::Result<()> {
    let start = writer.stream_position();
    let (stream_id, epoch) = (writer.stream_id(), u64::from(writer.epoch()));
    let frame_bytes = frame_bytes(writer);
    buffer.resize(frames as usize * frame_bytes, 0);
    for (position, frame) in (start..).zip(buffer.chunks_exact_mut(frame_bytes)) {
        fill(frame, Stamp { position, stream_id, epoch });
    }
    let times = Times::Linear { start: time_of(start), step: 1.0 };
    writer.write(&Chunk { samples: buffer, times, send_ns: start as i64 })
}

fn frame_bytes(writer: &Writer) -> usize {
    writer.format().map_or(LEAST_BYTES, |format| format.frame_bytes() as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_says_what_was_put_in_and_any_changed_bit_is_seen() {
        for words in [4, 5, 32] {
            let mut frame = vec![0; 8 * words];
            let stamp = Stamp { position: 7, stream_id: 8, epoch: 9 };
            fill(&mut frame, stamp);
            assert_eq!(check(&frame), Some(stamp));
            for bit in 0..64 * words {
                frame[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(check(&frame), None, "bit {bit}");
                frame[bit / 8] ^= 1 << (bit % 8);
            }
        }
    }

    #[test]
    fn two_frames_mixed_at_any_word_are_no_frame() {
        let frame = |position| {
            let mut frame = vec![0; 64];
            fill(&mut frame, Stamp { position, stream_id: 1, epoch: 1 });
            frame
        };
        for words in 1..8 {
            let mixed = [&frame(10)[..8 * words], &frame(20)[8 * words..]].concat();
            assert_eq!(check(&mixed), None, "{words}");
        }
    }
}
