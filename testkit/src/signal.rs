//! Frames that carry their place: the position in the stream, the stream's identity, the writer's epoch, and a checksum
//! of the whole frame.

use dora_shm_ring::{Chunk, Description, Dtype, Format, Times, Writer};

use crate::rng::{Rng, mix};

/// Number of words in the smallest frame: position, stream_id, epoch, checksum. Larger frames have a body before the
/// checksum.
pub const LEAST_WORDS: usize = 4;
/// Number of bytes in the smallest frame.
pub const LEAST_BYTES: usize = 8 * LEAST_WORDS;

/// Seconds between two frames. A power of two, so that every time is exact.
pub const STEP_S: f64 = 1.0 / 1024.0;

const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Position in the stream.
    pub position: u64,
    /// Identity of the stream.
    pub stream_id: u64,
    /// Epoch of the writer.
    pub epoch: u64,
}

fn add(sum: u64, word: u64) -> u64 {
    (sum.rotate_left(23) ^ word).wrapping_mul(0xBF58_476D_1CE4_E5B9)
}

/// Fills one frame, whose length is a multiple of 8 bytes and at least [`LEAST_BYTES`].
///
/// # Panics
/// When the frame is shorter.
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

/// The stamp of a frame, if the frame is whole.
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

/// The time of the frame at `position`, in seconds. Exact below 2^53 positions.
pub fn time_of(position: u64) -> f64 {
    position as f64 * STEP_S
}

/// The format of frames of [`LEAST_BYTES`], in a ring of `frames`.
pub fn format(frames: u64) -> Format {
    format_of(&[LEAST_WORDS as u64], frames)
}

/// The format of frames of 64-bit words in this shape, in a ring of `frames`.
///
/// # Panics
/// When the shape has fewer than [`LEAST_WORDS`] words or the ring cannot be so large.
pub fn format_of(shape: &[u64], frames: u64) -> Format {
    assert!(shape.iter().product::<u64>() >= LEAST_WORDS as u64, "{shape:?}");
    Format::new(Dtype::U64, shape, 1000.0, frames).expect("a format that the ring can have")
}

/// A random format of the signal: any dtype, up to rank 4, up to about 1 KiB per frame, in a ring of at most
/// `most_frames`.
///
/// # Panics
/// Never for a `most_frames` that fits into a ring.
pub fn random_format(rng: &mut Rng, most_frames: u64) -> Format {
    let dtype = *rng.pick(&Dtype::ALL);
    // Every frame consists of whole words of 8 bytes, for any item size.
    let items = 8 / dtype.size() as u64;
    let words = LEAST_WORDS as u64 + rng.below(4) * rng.below(30);
    let shape = match rng.below(4) {
        0 => vec![words * items],
        1 => vec![words, items],
        2 => vec![1, words, 1, items],
        _ => vec![items, words, 1],
    };
    let rate = [0.0, 30.0, 1000.0][rng.below(3) as usize];
    Format::new(dtype, &shape, rate, 1 + rng.below(most_frames)).expect("a small format")
}

/// A description with nothing but this key.
pub fn description(key: impl Into<String>) -> Description {
    Description { key: key.into(), ..Description::default() }
}

/// Writes the next `frames` frames of the signal as one message, directly into the ring. Its `send_ns` is the position
/// of its first frame.
///
/// # Errors
/// Those of [`Writer::write_with`].
pub fn write(writer: &mut Writer, frames: u64) -> dora_shm_ring::Result<()> {
    let start = writer.stream_position();
    let (stream_id, epoch) = (writer.stream_id(), u64::from(writer.epoch()));
    let frame_bytes = frame_bytes(writer);
    writer.write_with(frames, times_from(start), start as i64, |range, memory| {
        for (position, frame) in range.zip(memory.chunks_exact_mut(frame_bytes)) {
            fill(frame, Stamp { position: start + position, stream_id, epoch });
        }
    })
}

/// Like [`write()`], but with [`Writer::write`], which copies. The caller reuses `buffer` from call to call.
///
/// # Errors
/// Those of [`Writer::write`].
pub fn write_copy(writer: &mut Writer, frames: u64, buffer: &mut Vec<u8>) -> dora_shm_ring::Result<()> {
    let start = writer.stream_position();
    let (stream_id, epoch) = (writer.stream_id(), u64::from(writer.epoch()));
    let frame_bytes = frame_bytes(writer);
    buffer.resize(frames as usize * frame_bytes, 0);
    for (position, frame) in (start..).zip(buffer.chunks_exact_mut(frame_bytes)) {
        fill(frame, Stamp { position, stream_id, epoch });
    }
    writer.write(&Chunk { samples: buffer, times: times_from(start), send_ns: start as i64 })
}

fn times_from(start: u64) -> Times<'static> {
    Times::Linear { start: time_of(start), step: STEP_S }
}

fn frame_bytes(writer: &Writer) -> usize {
    writer.format().map_or(LEAST_BYTES, |format| format.frame_bytes() as usize)
}

/// Largest number of frames in a ring that [`write_anything`] begins.
pub const RANDOM_FRAMES: u64 = 200;

/// Does one random thing that a writer can do: writes messages of any length, replaces descriptions, begins a ring, or
/// maintains its names.
///
/// # Errors
/// Those of the writer's method.
pub fn write_anything(writer: &mut Writer, rng: &mut Rng, buffer: &mut Vec<u8>) -> dora_shm_ring::Result<()> {
    match rng.below(41) {
        0 => {
            let key = format!("format {}", rng.below(1000));
            writer.begin(&random_format(rng, RANDOM_FRAMES), &description(key), 4)
        }
        1 => {
            // The same description in a new ring.
            let description = writer.description().cloned().unwrap_or_default();
            writer.begin(&format_of(&[4 + rng.below(60)], 1 + rng.below(RANDOM_FRAMES)), &description, 4)
        }
        2 => writer.describe(&description(rng.below(1000).to_string())),
        3 => writer.maintain(),
        4 => write(writer, rng.below(2 * RANDOM_FRAMES)),
        // A burst of descriptions that may be more than the number of replaced ones that a writer keeps.
        5 => (0..rng.below(12)).try_for_each(|_| writer.describe(&description(rng.below(1000).to_string()))),
        6..21 => write_copy(writer, rng.below(9), buffer),
        _ => write(writer, rng.below(9)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_carries_its_stamp_and_any_changed_bit_is_detected() {
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
    fn a_mixture_of_two_frames_is_detected_at_any_word() {
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
