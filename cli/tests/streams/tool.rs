//! The tool as a process, and streams for it.

use std::process::{Command, Output};

use dora_shm_ring::internal::unix_ns;
use dora_shm_ring::*;
use serde_json::Value;

use dora_shm_testkit::process::Process;
use dora_shm_testkit::roles::{self, DONE};

/// The program, built for this test.
pub fn tool() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dora-shm"));
    // The environment of the person who runs the tests must not change the output.
    command.env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE").env("TERM", "xterm");
    command
}

/// The tool's output and exit code.
pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("it prints UTF-8");
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

#[track_caller]
pub fn run(arguments: &[&str]) -> Ran {
    tool().args(arguments).output().unwrap().into()
}

/// Runs the tool, which has to succeed.
#[track_caller]
pub fn done(arguments: &[&str]) -> Ran {
    let ran = run(arguments);
    assert_eq!(ran.code, Some(0), "{arguments:?}: {}{}", ran.out, ran.err);
    ran
}

/// The JSON that the tool printed.
#[track_caller]
pub fn json(arguments: &[&str]) -> Value {
    let out = done(arguments).out;
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
}

/// The error of the tool, which has to fail.
#[track_caller]
pub fn failed(arguments: &[&str]) -> String {
    let ran = run(arguments);
    assert_eq!((ran.code, &*ran.out), (Some(1), ""), "{arguments:?}: {}", ran.err);
    ran.err
}

pub const CHANNELS: usize = 3;

/// Three labelled channels at 100 Hz, of which the ring holds two seconds.
pub fn format() -> Format {
    Format::new(Dtype::F32, &[CHANNELS as u64], 100.0, 200).unwrap()
}

pub fn description() -> Description {
    let labels = ["Fp1", "Cz", "O2"].map(Value::from).to_vec();
    Description {
        dims: vec!["time".into(), "ch".into()],
        axes: [
            ("time".to_owned(), Axis::Linear { unit: "s".into(), gain: 0.01, offset: None }),
            ("ch".to_owned(), Axis::Coord { unit: String::new(), data: Some(labels) }),
        ]
        .into(),
        attrs: [("gain".to_owned(), Attr::Integer(24)), ("unit".to_owned(), Attr::String("µV".into()))].into(),
        key: "headset".into(),
        ..Description::default()
    }
}

/// A live stream that has a ring and no frames yet.
pub fn live(name: &str) -> Writer {
    live_as(name, WriterOptions::default())
}

pub fn live_as(name: &str, options: WriterOptions) -> Writer {
    let mut writer = Writer::create(name, options).unwrap();
    writer.begin(&format(), &description(), 10).unwrap();
    writer
}

/// Writes a message of `frames` frames of [`format`], sent now.
pub fn write(writer: &mut Writer, frames: usize) {
    let samples = vec![0; frames * CHANNELS * 4];
    let times = Times::Linear { start: writer.position() as f64 * 0.01, step: 0.01 };
    writer.write(&Chunk { samples: &samples, times, send_ns: unix_ns() }).unwrap();
}

/// Leaves a stream with five frames whose writer was killed. Returns the writer's process id.
pub fn dead(name: &str) -> u32 {
    let writer = start_writer(name);
    let pid = writer.pid();
    writer.kill_and_wait().unwrap();
    pid
}

/// A process that has written a stream with five frames, and executes commands.
pub fn start_writer(name: &str) -> Process {
    let mut writer = roles::start("source", &[name, "200", "10", "float32"]);
    writer.expect("begins").unwrap();
    writer.request_expecting("write 5", DONE).unwrap();
    writer
}
