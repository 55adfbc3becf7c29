//! The graphs of docs/times.md, with the nodes that the page shows.

use std::path::Path;

use dora_shm_ring::internal::monotonic_ns;
use dora_shm_ring::{Clock, Dtype, Frames, Outcome, Reader, ReaderOptions, Start};
use dora_shm_tests::pages::blocks;
use dora_shm_tests::programs::{dora, folder, path_with, python};
use dora_shm_tests::stage::Stage;
use dora_shm_tests::until::until;
use rustix::process::Signal;

const PAGE: &str = "docs/times.md";

/// A node for the page's graph of ROS messages: the message that the page describes, with a stamp of its own.
const IMU: &str = r#"
import pyarrow as pa
from dora import Node

node = Node()
for sec, event in enumerate(node, start=1_700_000_000):
    if event["type"] == "INPUT":
        header = {"stamp": {"sec": sec, "nanosec": 250_000_000}, "frame_id": "imu"}
        turning = {"x": 0.1, "y": 0.2, "z": 0.3}
        message = pa.array([{"header": header, "angular_velocity": turning}])
        node.send_output("imu", message)
"#;

/// An LSL outlet. Sample n was taken at `begin` + n / 250, which is long ago, so that it differs from when it was sent.
const OUTLET: &str = "
import time
import pylsl

outlet = pylsl.StreamOutlet(pylsl.StreamInfo('signal', 'EEG', 8, 250.0, 'float32', 'dora-shm-test'))
start, sent = pylsl.local_clock(), 0
print('begin', start - 100.0, flush=True)
while True:
    due = int(250 * (pylsl.local_clock() - start))
    for number in range(sent, due):
        outlet.push_sample([float(number)] * 8, start - 100.0 + number / 250)
    sent = due
    time.sleep(0.01)
";

/// Frames of a stream.
struct Seen {
    clock: Clock,
    dtype: Dtype,
    times: Vec<f64>,
    samples: Vec<u8>,
}

/// Runs the page's graph that writes the stream `word`, until it has written `most` frames.
fn run_graph(stage: &Stage, word: &str, most: usize) -> Seen {
    let stream = stage.stream(word);
    let setting = format!("SHMEM_NAME: {word}");
    let graph = blocks(PAGE, "yaml").into_iter().find(|graph| graph.contains(&setting)).expect("a graph of the page");
    let graph = graph.replace(&setting, &format!("SHMEM_NAME: {stream}"));
    let graph = graph.replace("path: target/release", &format!("path: {}", folder().display()));
    for code in blocks(PAGE, "python") {
        if let Some(name) = node_name(&code) {
            stage.file(name, &code);
        }
    }
    let path = stage.file("graph.yml", &graph);
    let nodes_python = python().parent().expect("a Python is in a folder").to_owned();
    let mut command = stage.command(dora());
    command.arg("run").arg(path).env("PATH", path_with(&nodes_python)).env("LSLAPICFG", lsl(stage.folder()));
    let mut reader = Reader::open(&stream, ReaderOptions::default().start(Start::Oldest)).expect("a reader");
    let mut running = stage.start("graph", &mut command);
    let (mut frames, mut seen) = (Frames::default(), None::<Seen>);
    let seen = until("the frames have come", || {
        if let Outcome::Data(_) = reader.read(&mut frames, 1000).expect("a healthy stream") {
            let seen = seen.get_or_insert_with(|| Seen {
                clock: reader.clock().expect("a generation").clock,
                dtype: reader.format().expect("a generation").dtype(),
                times: Vec::new(),
                samples: Vec::new(),
            });
            seen.times.extend_from_slice(frames.times());
            seen.samples.extend_from_slice(frames.samples());
        }
        seen.take_if(|seen| seen.times.len() >= most)
    });
    running.signal(Signal::INT);
    running.succeed().unwrap();
    seen
}

/// The file name of a node that the page shows, from its first line.
fn node_name(code: &str) -> Option<&str> {
    code.lines().next()?.strip_prefix("# ").filter(|name| name.ends_with(".py"))
}

/// The configuration of LSL that keeps a test apart from everything else on this machine and in its network.
fn lsl(folder: &Path) -> std::path::PathBuf {
    folder.join("lsl.cfg")
}

#[test]
fn every_graph_and_every_node_of_the_page_is_run() {
    assert_eq!(blocks(PAGE, "yaml").len(), 3, "a test below runs each");
    for code in blocks(PAGE, "python") {
        let is_node = code.contains("from dora import");
        assert_eq!(
            node_name(&code).is_some(),
            is_node,
            "bindings/python/tests/test_examples.py runs the others:\n{code}"
        );
    }
}

#[test]
#[ignore = "needs the dora command line and dora's Python package: cargo xtask system"]
fn the_times_of_the_pages_camera_are_those_of_its_driver() {
    let stage = Stage::new("times-camera");
    let before = monotonic_ns() as f64 * 1e-9;
    let seen = run_graph(&stage, "camera", 30);
    let after = monotonic_ns() as f64 * 1e-9;
    assert_eq!((seen.clock, seen.dtype), (Clock::Monotonic, Dtype::U8));
    for time in seen.times {
        assert!(before < time && time < after, "{before} {time} {after}");
        let us = time * 1e6;
        assert!((us - us.round()).abs() < 1e-2, "the driver counts microseconds: {us}");
    }
}

#[test]
#[ignore = "needs the dora command line and dora's Python package: cargo xtask system"]
fn the_times_of_the_pages_ros_messages_are_their_stamps() {
    let stage = Stage::new("times-imu");
    stage.file("imu.py", IMU);
    let seen = run_graph(&stage, "imu", 30);
    assert_eq!((seen.clock, seen.dtype), (Clock::Unix, Dtype::F64));
    assert!(seen.times.is_sorted_by(|a, b| a < b) && seen.times[0] >= 1.7e9, "{:?}", seen.times);
    assert!(seen.times.iter().all(|time| time.fract() == 0.25), "{:?}", seen.times);
    let numbers = seen.samples.chunks(8).map(|bytes| f64::from_ne_bytes(bytes.try_into().expect("eight bytes")));
    assert_eq!(numbers.take(6).collect::<Vec<_>>(), [0.1, 0.2, 0.3, 0.1, 0.2, 0.3]);
}

#[test]
#[ignore = "needs the dora command line, dora's Python package and pylsl: cargo xtask system"]
fn the_times_of_the_pages_lsl_stream_are_those_that_lsl_gives_its_samples() {
    let stage = Stage::new("times-lsl");
    let session = format!("[lab]\nSessionID = {}\nKnownPeers = {{127.0.0.1}}\n", stage.folder().display());
    let configuration = stage.file("lsl.cfg", &format!("[multicast]\nResolveScope = machine\n{session}"));
    let mut outlet = stage.command(python());
    let mut outlet = stage.start("outlet", outlet.args(["-c", OUTLET]).env("LSLAPICFG", configuration));
    let begin = outlet.wait_for_line("begin ").unwrap();
    let begin: f64 = begin.trim().strip_prefix("begin ").and_then(|text| text.parse().ok()).expect("a time");

    let seen = run_graph(&stage, "eeg", 500);
    assert_eq!((seen.clock, seen.dtype), (Clock::Monotonic, Dtype::F32));
    for (time, sample) in seen.times.iter().zip(seen.samples.chunks(4 * 8)) {
        let number = f32::from_ne_bytes(sample[..4].try_into().expect("four bytes"));
        let taken = begin + f64::from(number) / 250.0;
        // LSL measures how far the outlet's clock, which is the same one, is from its own.
        assert!((time - taken).abs() < 0.05, "sample {number}: {time}, expected {taken}");
    }
}
