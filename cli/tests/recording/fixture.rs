//! What these tests share: streams of this process, the command, and a reader of recordings that knows only Arrow.

use std::fs::File;
use std::io::{BufRead, BufReader, Seek};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, UInt64Type};
use arrow_ipc::reader::StreamReader;
use dora_shm_testkit::source::float32_at;

pub use dora_shm_testkit::source::Source;
pub use dora_shm_testkit::{Name, PATIENCE, wait_until};

/// `dora-shm` with these arguments.
pub fn dora_shm(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dora-shm"));
    command.args(arguments);
    command
}

/// A command that runs in parallel with the test; killed when dropped.
pub struct Running {
    child: Child,
    stderr: BufReader<ChildStderr>,
}

impl Running {
    pub fn start(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        Self { child, stderr }
    }

    /// Reads what it prints on stderr, up to a line with `part`.
    #[track_caller]
    pub fn wait_for(&mut self, part: &str) {
        let mut printed = String::new();
        while !printed.contains(part) {
            let read = self.stderr.read_line(&mut printed).unwrap();
            assert!(read > 0, "it ended without printing {part:?}: {printed}");
        }
    }

    pub fn signal(&self, signal: &str) {
        let done = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(done.success());
    }

    /// Its exit code, and what else it printed on stdout and stderr.
    #[track_caller]
    pub fn end(mut self) -> (Option<i32>, String, String) {
        wait_until("the command ends", || self.child.try_wait().unwrap().is_some());
        let (mut stdout, mut stderr) = (String::new(), String::new());
        std::io::Read::read_to_string(&mut self.child.stdout.take().unwrap(), &mut stdout).unwrap();
        std::io::Read::read_to_string(&mut self.stderr, &mut stderr).unwrap();
        (self.child.wait().unwrap().code(), stdout, stderr)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The batches of each stream of a recording, up to its end, as any program reads Arrow.
pub fn batches(path: &Path) -> Vec<Vec<RecordBatch>> {
    // The file does not exist yet.
    let Ok(mut file) = File::open(path) else { return Vec::new() };
    let length = file.metadata().unwrap().len();
    let mut streams = Vec::new();
    while file.stream_position().unwrap() < length {
        let Ok(stream) = StreamReader::try_new(&mut file, None) else { break };
        streams.push(stream.map_while(Result::ok).collect());
    }
    streams
}

/// The positions of all frames of a recording of a [`Source`]. Each frame is checked.
#[track_caller]
pub fn positions(path: &Path) -> Vec<u64> {
    let mut found = Vec::new();
    for batch in batches(path).concat() {
        let (samples, times) = (batch["samples"].as_list::<i64>(), batch["times"].as_list::<i64>());
        let first = batch["position"].as_primitive::<UInt64Type>();
        for row in 0..batch.num_rows() {
            let frames = samples.value(row);
            let values = frames.as_fixed_size_list().values().as_primitive::<Float32Type>().values().to_vec();
            let times = times.value(row);
            let times = times.as_primitive::<Float64Type>().values();
            for (index, frame) in values.chunks(3).enumerate() {
                let position = first.value(row) + index as u64;
                assert_eq!(frame, float32_at(position));
                assert_eq!(times[index], position as f64 / 100.0);
                found.push(position);
            }
        }
    }
    found
}
