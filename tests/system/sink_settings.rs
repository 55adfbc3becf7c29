//! What the sink's settings promise, in running graphs.

use dora_shm_ring::MessageReader;
use dora_shm_testkit::logged::LoggedProcess;
use dora_shm_tests::dora::run;
use dora_shm_tests::reading::{Received, message_reader, messages, messages_until_closed, messages_with_receipts};
use dora_shm_tests::script::{self, REPEATS};
use dora_shm_tests::stage::Stage;
use rustix::process::Signal;

use crate::graphs::{script_in_step_into_sink, script_into_sink};

/// Frames in each message of most scripts.
const FRAMES: u64 = 10;

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn a_single_message_of_unknown_rate_is_in_a_ring_of_thirty_frames_a_second_before_the_source_ends() {
    let stage = Stage::new("trial-alone");
    let stream = stage.stream("alone");
    let mut reader = message_reader(&stream);
    let mut dora = run(&stage, "graph", &script_into_sink("alone", "1ms", true, &stream, &["BUF_DUR: 2.0"]));
    let received = messages(&mut reader, FRAMES);
    assert_eq!(received[0].format.frames(), 60);
    assert_eq!(received[0].format.rate_hz(), 0.0);
    assert_eq!(received[0].samples, bytes_of("alone", 0));
    stop(&mut dora);
}

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn a_ring_in_seconds_of_a_source_that_states_no_rate_has_the_length_that_was_measured_and_every_frame() {
    let stage = Stage::new("trial-measured");
    let stream = stage.stream("unpaced");
    let mut reader = message_reader(&stream);
    let mut dora = run(&stage, "graph", &script_into_sink("unpaced", "20ms", true, &stream, &["BUF_DUR: 2.0"]));
    let sent = script::messages("unpaced").unwrap().len();
    let received = messages(&mut reader, FRAMES * sent as u64);
    stop(&mut dora);
    assert_eq!(received.len(), sent);
    for (index, message) in received.iter().enumerate() {
        assert_eq!(message.samples, bytes_of("unpaced", index), "message {index}");
    }
    // Ten frames every 20 ms are 500 Hz. A late message makes it less, never more than the rounding.
    let frames = received[0].format.frames();
    assert!((600..1100).contains(&frames), "{frames} frames for two seconds");
    assert_eq!(received[0].format.rate_hz(), 0.0, "what was measured is no promise");
}

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn shapes_that_change_with_every_message_are_refused_after_three_with_the_settings_that_help() {
    let stage = Stage::new("varying");
    let (mut reader, mut dora) = staying(&stage, "lengths", &["BUF_FRAMES: 100"]);
    dora.wait_for_line("refused=9").unwrap();
    // A generation of a single message may be over before the reader comes to it; then it is counted.
    for message in messages(&mut reader, 3) {
        assert_eq!(message.format.frame_shape(), [message.info.stream_position + 1]);
    }
    for (generation, length) in [1, 2, 3].into_iter().enumerate() {
        let begun = format!("generation {generation} of 100 frames of float64 [{length}]");
        assert!(dora.line(&begun).is_some(), "no {begun:?} in\n{}", dora.log());
    }
    let refusal = dora.line("SHAPE").unwrap_or_else(|| panic!("no refusal in\n{}", dora.log()));
    assert!(refusal.contains("FRAMES") && refusal.contains("data"), "{refusal}");
    stop(&mut dora);
    assert_last_status(&dora, "frames=3");
    assert_last_status(&dora, "refused=9");
}

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn messages_missing_in_the_sources_sequence_are_counted_as_gaps() {
    let stage = Stage::new("gaps");
    let (received, mut dora) = in_step(&stage, "gaps", &["BUF_FRAMES: 100"]);
    dora.succeed().unwrap();
    assert_eq!(received.len(), 6);
    assert_last_status(&dora, "gaps=4");
}

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn changes_that_are_to_be_skipped_leave_the_first_format_and_are_counted() {
    let stage = Stage::new("change-skip");
    let (mut reader, mut dora) = staying(&stage, "changes", &["BUF_FRAMES: 400", "ON_CHANGE: skip"]);
    let received = messages(&mut reader, FRAMES * REPEATS as u64);
    assert_eq!(received.len(), REPEATS);
    assert!(received.iter().all(|message| message.info.generation == 0));
    dora.wait_for_line("refused=12").unwrap();
    stop(&mut dora);
    assert_eq!(messages_until_closed(&mut reader).len(), 0);
    assert_last_status(&dora, "refused=12");
}

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn a_change_that_is_to_stop_the_sink_closes_the_stream_and_fails_the_graph_with_the_reason() {
    let stage = Stage::new("change-stop");
    let (received, mut dora) = in_step(&stage, "changes", &["BUF_FRAMES: 400", "ON_CHANGE: stop"]);
    assert_eq!(received.len(), REPEATS);
    // The source waits for a receipt of the message that nobody took.
    dora.wait_for_line("ON_CHANGE").unwrap();
    dora.signal(Signal::INT);
    let status = dora.wait().unwrap();
    assert!(!status.success(), "the graph says nothing of it:\n{}", dora.log());
    let reason = dora.line("ON_CHANGE").unwrap_or_else(|| panic!("no reason in\n{}", dora.log()));
    assert!(reason.contains("float32") && reason.contains("float64"), "it names both formats: {reason}");
}

/// Runs `script` into a sink with `settings`, each message after the one before has been read, and reads until the
/// stream closes.
fn in_step(stage: &Stage, script: &str, settings: &[&str]) -> (Vec<Received>, LoggedProcess) {
    let stream = stage.stream(script);
    let receipts = stage.folder().join("receipts");
    let mut reader = message_reader(&stream);
    let dora = run(stage, "graph", &script_in_step_into_sink(script, &receipts, &stream, settings));
    (messages_with_receipts(&mut reader, &receipts), dora)
}

/// Runs `script` into a sink with `settings`, from a source that stays until it is stopped, with a reader from the start.
fn staying(stage: &Stage, script: &str, settings: &[&str]) -> (MessageReader, LoggedProcess) {
    let stream = stage.stream(script);
    let reader = message_reader(&stream);
    (reader, run(stage, "graph", &script_into_sink(script, "5ms", true, &stream, settings)))
}

fn stop(dora: &mut LoggedProcess) {
    dora.signal(Signal::INT);
    dora.succeed().unwrap();
}

/// Message `index` of a script, as it lies in memory.
fn bytes_of(script: &str, index: usize) -> Vec<u8> {
    script::messages(script).unwrap()[index].data.to_data().buffers()[0].as_slice().to_vec()
}

fn assert_last_status(dora: &LoggedProcess, counter: &str) {
    let log = dora.log();
    let last = log.lines().rfind(|line| line.contains("status stream=")).expect("a last status");
    assert!(last.split_whitespace().any(|word| word == counter), "{counter} is not in {last}");
}
