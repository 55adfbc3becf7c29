//! Plain frames whose samples give their position, for readers in any language. (Frames of the
//! [`signal`](crate::signal) carry more, but only a [`Follower`](crate::follower::Follower) checks them.)

use std::ops::Range;

use dora_shm_ring::internal::unix_ns;
use dora_shm_ring::{
    Attr, Axis, Chunk, Description, Dtype, Format, Frames, Outcome, Reader, Times, Wait, Writer, WriterOptions,
};

use crate::follower::oldest;
use crate::until::{PATIENCE, wait_until};

/// The samples of a frame at position `p`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Samples {
    /// Two int64: `p` and `!p`, at 1 kHz.
    Int64,
    /// Three float32: `p`, `p + 0.25` and `-p`, at 100 Hz.
    Float32,
}

impl Samples {
    /// Their format, in a ring of `frames` frames.
    ///
    /// # Panics
    /// When a ring cannot have so many frames.
    pub fn format(self, frames: u64) -> Format {
        match self {
            Self::Int64 => format(frames),
            Self::Float32 => Format::new(Dtype::F32, &[3], 100.0, frames).expect("a format that the ring can have"),
        }
    }

    /// Their dims, labels and key.
    pub fn description(self) -> Description {
        match self {
            Self::Int64 => description(),
            Self::Float32 => {
                let data = Some(vec!["Fz".into(), "Cz".into(), "a,b".into()]);
                let axes = [("ch".to_owned(), Axis::Coord { unit: "uV".into(), data })].into();
                Description { axes, key: "eeg".into(), ..description() }
            }
        }
    }

    fn bytes_at(self, position: u64) -> Vec<u8> {
        match self {
            Self::Int64 => samples_at(position).iter().flat_map(|sample| sample.to_le_bytes()).collect(),
            Self::Float32 => float32_at(position).iter().flat_map(|sample| sample.to_le_bytes()).collect(),
        }
    }

    fn time_at(self, position: u64) -> f64 {
        match self {
            Self::Int64 => time_at(position),
            Self::Float32 => position as f64 / 100.0,
        }
    }
}

/// Number of samples in a frame of [`Samples::Int64`].
pub const CHANNELS: u64 = 2;

/// The format of [`Samples::Int64`] in a ring of `frames` frames.
///
/// # Panics
/// When a ring cannot have so many frames.
pub fn format(frames: u64) -> Format {
    Format::new(Dtype::I64, &[CHANNELS], 1000.0, frames).expect("a format that the ring can have")
}

/// The description of [`Samples::Int64`].
pub fn description() -> Description {
    Description { dims: vec!["time".into(), "ch".into()], ..Description::default() }
}

/// The samples of the frame at `position` of [`Samples::Int64`].
pub fn samples_at(position: u64) -> [i64; CHANNELS as usize] {
    [position as i64, !(position as i64)]
}

/// The time of the frame at `position` of [`Samples::Int64`].
pub fn time_at(position: u64) -> f64 {
    position as f64 / 1000.0
}

/// The samples of the frame at `position` of [`Samples::Float32`].
pub fn float32_at(position: u64) -> [f32; 3] {
    [position as f32, position as f32 + 0.25, -(position as f32)]
}

/// A writer of frames that give their position.
#[derive(Debug)]
pub struct Source {
    /// The writer.
    pub writer: Writer,
    /// The position that the next frame gives.
    pub position: u64,
    samples: Samples,
}

impl Source {
    /// A stream of [`Samples::Int64`] with a ring of `frames` frames.
    ///
    /// # Panics
    /// When the stream cannot be created.
    pub fn new(name: &str, frames: u64) -> Self {
        Self::of(Samples::Int64, name, frames, 1)
    }

    /// A stream of [`Samples::Float32`] with a ring of `frames` frames.
    ///
    /// # Panics
    /// When the stream cannot be created.
    pub fn float32(name: &str, frames: u64) -> Self {
        Self::of(Samples::Float32, name, frames, 5)
    }

    /// A stream of these samples, whose first message is expected to have `chunk` frames.
    ///
    /// # Panics
    /// When the stream cannot be created.
    pub fn of(samples: Samples, name: &str, frames: u64, chunk: u64) -> Self {
        let mut writer = Writer::create(name, WriterOptions::default()).expect("the name is free");
        writer.begin(&samples.format(frames), &samples.description(), chunk).expect("there is room");
        Self { writer, position: 0, samples }
    }

    /// Begins the next generation, whose first message is expected to have `chunk` frames and whose first frame gives
    /// the position `first`.
    ///
    /// # Panics
    /// When the ring cannot be created.
    pub fn begin(&mut self, frames: u64, chunk: u64, first: u64) {
        let attrs = [("first".to_owned(), Attr::Integer(first as i64))].into();
        let description = Description { attrs, ..self.samples.description() };
        self.writer.begin(&self.samples.format(frames), &description, chunk).expect("there is room");
        self.position = first;
    }

    /// Writes one message of `frames` frames, sent now.
    ///
    /// # Panics
    /// When the writer refuses it.
    pub fn write(&mut self, frames: u64) {
        let positions = self.position..self.position + frames;
        let samples: Vec<u8> = positions.clone().flat_map(|position| self.samples.bytes_at(position)).collect();
        let times: Vec<f64> = positions.map(|position| self.samples.time_at(position)).collect();
        let chunk = Chunk { samples: &samples, times: Times::Values(&times), send_ns: unix_ns() };
        self.writer.write(&chunk).expect("the stream lives");
        self.position += frames;
    }
}

/// A reader that begins at the oldest frame.
///
/// # Panics
/// When the stream cannot be opened.
pub fn from_oldest(name: &str) -> Reader {
    Reader::open(name, oldest()).expect("a stream can be opened before it exists")
}

/// Checks `frames` of [`Samples::Int64`] and returns their positions.
///
/// # Panics
/// When a sample or a time is wrong.
#[track_caller]
pub fn checked(frames: &Frames) -> Range<u64> {
    let positions = frames.first()..frames.first() + frames.frames();
    let samples = frames.samples_as::<i64>().expect("int64 samples");
    assert_eq!(samples.len() as u64, CHANNELS * frames.frames());
    assert_eq!(frames.times().len() as u64, frames.frames());
    for (position, (frame, &time)) in positions.clone().zip(samples.chunks(CHANNELS as usize).zip(frames.times())) {
        assert_eq!(frame, samples_at(position), "the frame at {position}");
        assert_eq!(time, time_at(position), "the time at {position}");
    }
    positions
}

/// What a reader has read until nothing was new.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Frames read.
    pub read: u64,
    /// Frames lost before them.
    pub lost: u64,
    /// Position after the last frame.
    pub next: u64,
}

/// Reads until nothing is new, at most `max_frames` at a time.
///
/// # Panics
/// When a frame is wrong, or a gap is not counted as lost.
#[track_caller]
pub fn drain(reader: &mut Reader, max_frames: u64) -> Taken {
    let mut frames = Frames::default();
    let mut taken = Taken { next: reader.position(), ..Taken::default() };
    loop {
        match reader.read(&mut frames, max_frames).expect("a healthy stream") {
            Outcome::Data(_) => {
                let positions = checked(&frames);
                assert_eq!(positions.start, taken.next + frames.lost(), "a gap that is not counted");
                assert!(!positions.is_empty() && frames.frames() <= max_frames);
                taken.read += frames.frames();
                taken.lost += frames.lost();
                taken.next = positions.end;
            }
            Outcome::Generation => taken.next = reader.position(),
            Outcome::Nothing | Outcome::Closed => return taken,
        }
    }
}

/// Waits until `reader` has something to read. Before that, waits may report that the writer died.
///
/// # Panics
/// When nothing arrives within [`PATIENCE`].
#[track_caller]
pub fn wait_ready(reader: &mut Reader) {
    wait_until("the reader has something to read", || reader.wait(PATIENCE).expect("a healthy stream") == Wait::Ready);
}
