//! A stream in ezmsg's format, as three files that the test changes.

use std::path::PathBuf;

use dora_shm_ring::Frames;

use dora_shm_testkit::{Name, segments};

/// Offsets of ezmsg's header (`SPEC.md`).
pub mod at {
    pub const MAGIC: u64 = 0;
    pub const STRUCT_VERSION: u64 = 4;
    pub const VALID: u64 = 8;
    pub const DTYPE: u64 = 9;
    pub const RATE: u64 = 10;
    pub const NDIM: u64 = 18;
    pub const SHAPE: u64 = 22;
    pub const GENERATION: u64 = 278;
    pub const LAPS: u64 = 282;
    pub const KEY_LEN: u64 = 1314;
    pub const INDEX: u64 = 1318;
    pub const META_GENERATION: u64 = 1326;
    pub const AUX_NBYTES: u64 = 1330;
}

const MAGIC_VALUE: u32 = 0x455A_4D53;
pub const HEADER_BYTES: usize = 1334;
/// Samples in a frame.
pub const CHANNELS: usize = 3;
pub const RATE: f64 = 100.0;

/// A stream of int64 frames whose content encodes their positions.
pub struct Stage {
    pub name: Name,
    version: u32,
    frames: u64,
    generation: u32,
}

impl Stage {
    /// A stream with an empty ring of `frames` frames.
    pub fn new(test: &str, version: u32, frames: u64) -> Self {
        let stage = Self { name: Name::new(test), version, frames, generation: 0 };
        stage.make_header();
        stage.make_ring();
        stage.patch(at::VALID, &[1]);
        stage
    }

    pub fn header(&self) -> PathBuf {
        segments::header(&self.name)
    }

    pub fn ring(&self) -> PathBuf {
        segments::ring(&self.name, self.generation)
    }

    /// Puts a new file under the header's name, for a stream without a ring.
    pub fn make_header(&self) {
        let mut bytes = vec![0; HEADER_BYTES];
        let mut put = |offset: u64, value: &[u8]| bytes[offset as usize..][..value.len()].copy_from_slice(value);
        put(at::MAGIC, &MAGIC_VALUE.to_le_bytes());
        put(at::STRUCT_VERSION, &self.version.to_le_bytes());
        put(at::GENERATION, &u32::MAX.to_le_bytes());
        let new = self.header().with_extension("new");
        std::fs::write(&new, bytes).unwrap();
        std::fs::rename(new, self.header()).unwrap();
    }

    /// Stores the fields of this generation, and creates a ring of zeros. Does not change whether the header is valid.
    pub fn make_ring(&self) {
        let times = if self.version == 2 { 8 * self.frames } else { 0 };
        let length = times + self.frames * 8 * CHANNELS as u64;
        std::fs::write(self.ring(), vec![0; length as usize]).unwrap();
        self.patch(at::DTYPE, b"l");
        self.patch(at::RATE, &RATE.to_le_bytes());
        self.patch(at::NDIM, &2_u32.to_le_bytes());
        self.patch(at::SHAPE, &(self.frames as u32).to_le_bytes());
        self.patch(at::SHAPE + 4, &(CHANNELS as u32).to_le_bytes());
        self.patch(at::GENERATION, &self.generation.to_le_bytes());
        self.set(0, 0);
    }

    /// Does what ezmsg's writer does for another format, up to the new ring.
    pub fn next_generation(&mut self, frames: u64) {
        self.patch(at::VALID, &[0]);
        self.set(0, 0);
        self.generation += 1;
        self.frames = frames;
        self.make_ring();
        self.patch(at::VALID, &[1]);
    }

    pub fn patch(&self, offset: u64, bytes: &[u8]) {
        segments::patch(&self.header(), offset, bytes).unwrap();
    }

    /// Stores the index, then the laps, as ezmsg does.
    pub fn set(&self, laps: u64, index: u64) {
        self.patch(at::INDEX, &index.to_le_bytes());
        self.patch(at::LAPS, &laps.to_le_bytes());
    }

    /// Stores the frames of these positions into their slots, without changing the counters.
    pub fn store(&self, positions: std::ops::Range<u64>) {
        for position in positions {
            let slot = position % self.frames;
            let mut samples = 0;
            if self.version == 2 {
                segments::patch(&self.ring(), 8 * slot, &time_at(position).to_le_bytes()).unwrap();
                samples = 8 * self.frames;
            }
            let bytes: Vec<u8> = frame_at(position).iter().flat_map(|sample| sample.to_le_bytes()).collect();
            segments::patch(&self.ring(), samples + slot * 8 * CHANNELS as u64, &bytes).unwrap();
        }
    }

    /// Writes the frames of these positions as ezmsg writes a message: at the exact end of a lap, its index is N, not
    /// 0.
    pub fn write(&self, positions: std::ops::Range<u64>) {
        self.store(positions.clone());
        let (laps, index) = self.place(positions.end);
        self.set(laps, index);
    }

    /// ezmsg's laps and index after `position` frames.
    pub fn place(&self, position: u64) -> (u64, u64) {
        match (position / self.frames, position % self.frames) {
            (laps @ 1.., 0) => (laps - 1, self.frames),
            place => place,
        }
    }

    /// Publishes a description.
    pub fn describe(&self, number: u32, pickle: &[u8]) {
        std::fs::write(segments::metadata(&self.name, number), pickle).unwrap();
        self.patch(at::AUX_NBYTES, &(pickle.len() as u32).to_le_bytes());
        self.patch(at::META_GENERATION, &number.to_le_bytes());
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        for path in segments::of(&self.name) {
            let _ = std::fs::remove_file(path);
        }
    }
}

pub fn frame_at(position: u64) -> [i64; CHANNELS] {
    [position as i64, !(position as i64), position as i64 * 7]
}

pub fn time_at(position: u64) -> f64 {
    1000.0 + position as f64 / RATE
}

/// The positions that the frames' content encodes.
#[track_caller]
pub fn positions(frames: &Frames) -> Vec<u64> {
    let samples = frames.samples_as::<i64>().expect("int64 samples");
    assert_eq!(samples.len(), CHANNELS * frames.frames() as usize);
    let position = |frame: &[i64]| {
        assert_eq!(frame, frame_at(frame[0] as u64), "a torn frame");
        frame[0] as u64
    };
    samples.chunks(CHANNELS).map(position).collect()
}
