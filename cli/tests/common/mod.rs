//! Streams to draw, and the binary.

#![allow(dead_code, reason = "each test program uses its part")]

pub mod pty;

use std::path::PathBuf;
use std::process::Command;

use dora_shm_ring::{Axis, Chunk, Description, Dtype, Format, Times, Writer, WriterOptions};

pub use dora_shm_testkit::{Name, PATIENCE, wait_until};

/// A name that no other test and no other run uses. Nothing of it may be left at the end.
pub fn name(test: &str) -> Name {
    Name::new(test)
}

pub fn dora_shm() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dora-shm"));
    command.env_remove("COLORTERM").env_remove("NO_COLOR").env("TERM", "xterm-256color");
    command
}

/// A stream of float32 frames at 100 Hz, with channels called `left` and `right`.
pub struct Signal {
    pub writer: Writer,
    written: u64,
}

impl Signal {
    pub fn new(name: &str) -> Self {
        let mut writer = Writer::create(name, WriterOptions::default()).unwrap();
        let format = Format::new(Dtype::F32, &[2], 100.0, 1000).unwrap();
        writer.begin(&format, &described(["left", "right"]), 10).unwrap();
        Self { writer, written: 0 }
    }

    /// Renames the channels of the frames that follow.
    pub fn label(&mut self, labels: [&str; 2]) {
        self.writer.describe(&described(labels)).unwrap();
    }

    /// Frames whose samples go up and down every half second.
    pub fn write(&mut self, frames: u64) {
        let samples: Vec<u8> = (self.written..self.written + frames)
            .flat_map(|frame| if frame / 25 % 2 == 0 { [1.0f32, -10.0] } else { [-1.0, 10.0] })
            .flat_map(f32::to_le_bytes)
            .collect();
        let times = Times::Linear { start: self.written as f64 / 100.0, step: 0.01 };
        self.writer.write(&Chunk { samples: &samples, times, send_ns: 0 }).unwrap();
        self.written += frames;
    }
}

/// Two channels in mV.
fn described(labels: [&str; 2]) -> Description {
    let mut description = Description { dims: vec!["time".into(), "ch".into()], ..Description::default() };
    let data = Some(labels.map(Into::into).to_vec());
    description.axes.insert("ch".into(), Axis::Coord { unit: String::new(), data });
    description.attrs.insert("unit".into(), dora_shm_ring::Attr::String("mV".into()));
    description
}

/// A stream of pictures, 4 pixels wide and 2 high, that contains one.
pub fn pictures(name: &str) -> Writer {
    let mut writer = Writer::create(name, WriterOptions::default()).unwrap();
    let mut description = Description::default();
    description.attrs.insert("encoding".into(), dora_shm_ring::Attr::String("bgr8".into()));
    writer.begin(&Format::new(Dtype::U8, &[2, 4, 3], 0.0, 8).unwrap(), &description, 1).unwrap();
    let samples: Vec<u8> = (0..24).map(|i| 10 * i as u8).collect();
    let times = Times::Linear { start: 0.0, step: 1.0 };
    writer.write(&Chunk { samples: &samples, times, send_ns: 0 }).unwrap();
    writer
}

/// A temporary folder.
pub struct Folder(tempfile::TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.path()).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}
