//! `CONN`: a Python listener outside the graph receives a message for every step, and ends the sink.

use std::path::{Path, PathBuf};

use dora_shm_testkit::logged::LoggedProcess;
use dora_shm_tests::dora::{engine, run_with};
use dora_shm_tests::programs::{program, root};
use dora_shm_tests::reading::SignalReader;
use dora_shm_tests::stage::Stage;
use dora_shm_tests::until::until;

use crate::graphs::signal_into_sink;

const UNTIL_THERE_ARE_FRAMES: [&str; 7] =
    ["buffer cleanup", "meta cleanup", "meta reset", "begin update", "meta updated", "buffer reset", "aux updated"];
const TO_THE_END: [&str; 3] = ["buffer cleanup", "meta cleanup", "close"];

/// Starts a listener at `<name>.sock` of the test's folder.
fn listener(stage: &Stage, name: &str, arguments: &[&str]) -> (LoggedProcess, PathBuf) {
    let socket = stage.folder().join(format!("{name}.sock"));
    let script = root().join("node/tests/conn/listener.py");
    let mut process = stage.start(name, stage.command("python3").arg(script).arg(&socket).args(arguments));
    process.wait_for_line("listening").unwrap();
    (process, socket)
}

/// The messages that a listener has received so far.
fn received(listener: &LoggedProcess) -> Vec<String> {
    listener.log().lines().filter_map(|line| line.strip_prefix("got ")).map(str::to_owned).collect()
}

fn conn(socket: &Path) -> String {
    format!("CONN: {}", socket.display())
}

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn a_listener_that_sends_quit_ends_its_sink_cleanly_and_the_rest_of_the_graph_continues() {
    let stage = Stage::new("conn-quit");
    let (ended, other) = (stage.stream("ended"), stage.stream("other"));
    let (mut gui, socket) = listener(&stage, "gui", &["--quit-after", "aux updated"]);
    let mut reader_of_ended = SignalReader::open(&ended);
    let mut reader_of_other = SignalReader::open(&other);
    let second = format!(
        "
  - id: other
    path: {}
    inputs:
      data: {{source: source/data, queue_size: 5000, queue_policy: backpressure}}
    env:
      SHMEM_NAME: {other}
",
        program("dora-shm-sink").display()
    );
    let graph = signal_into_sink(&ended, &[&conn(&socket)], "") + &second;
    let mut dora = run_with(&stage, "graph", &graph, &["--env", "SIGNAL_DURATION=4s"]);

    reader_of_ended.until_closed();
    assert!(reader_of_ended.judge.is_content());
    gui.wait_for_line("end EOFError").unwrap();
    assert_eq!(received(&gui), [&UNTIL_THERE_ARE_FRAMES[..], &TO_THE_END].concat());
    assert!(dora.ended().is_none(), "the graph has ended:\n{}", dora.log());

    reader_of_other.until_closed();
    reader_of_other.judge.finish(4000);
    assert!(reader_of_other.judge.is_content());
    assert!(reader_of_ended.judge.frames < 4000);
    dora.succeed().unwrap();
}

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn a_listener_that_never_reads_costs_no_frame_and_a_missing_one_is_found_later() {
    let stage = Stage::new("conn-asleep");
    let stream = stage.stream("signal");
    let (mut asleep, socket) = listener(&stage, "asleep", &["--asleep"]);
    let engine = engine(&stage);
    let mut reader = SignalReader::join(&stream);
    let graph = engine.start_graph("signal", &signal_into_sink(&stream, &[&conn(&socket)], ""), &[]).unwrap();
    asleep.wait_for_line("accepted").unwrap();
    reader.more(2000);

    // Sets another socket, at which no process listens yet, with the command line.
    let late = stage.folder().join("late.sock");
    let path = serde_json::to_string(late.to_str().expect("a path of letters")).expect("a string");
    engine.must(&["param", "set", "--dataflow", &graph, "sink", "conn", &path]).unwrap();
    until("the sink tries to connect to the listener", || {
        engine.log(&graph, "sink").unwrap().contains("cannot connect yet").then_some(())
    });
    let (mut gui, _) = listener(&stage, "late", &["--quit-after", "aux updated"]);
    gui.wait_for_line("end EOFError").unwrap();
    assert_eq!(received(&gui), [&UNTIL_THERE_ARE_FRAMES[..], &TO_THE_END].concat());
    reader.until_closed();
    assert!(reader.judge.is_content(), "frames are missing or wrong");
    engine.stop(&graph).unwrap();
    assert_eq!(engine.end_of_graph(&graph).unwrap(), "Finished");
}

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn a_listener_that_requires_a_key_is_named_in_a_warning() {
    let stage = Stage::new("conn-key");
    let stream = stage.stream("signal");
    let (mut gui, socket) = listener(&stage, "gui", &["--authkey", "secret"]);
    let mut reader = SignalReader::open(&stream);
    let graph = signal_into_sink(&stream, &[&conn(&socket)], "");
    let mut dora = run_with(&stage, "graph", &graph, &["--env", "SIGNAL_DURATION=2s"]);
    reader.until_closed();
    reader.judge.finish(2000);
    assert!(reader.judge.is_content());
    dora.succeed().unwrap();
    gui.wait_for_line("refused AuthenticationError").unwrap();
    let warning = dora.line("authkey").expect("a warning");
    assert!(warning.contains("CONN") && warning.contains(&socket.display().to_string()), "{warning}");
}
