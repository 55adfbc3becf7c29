//! What the sink's settings promise, in running graphs.

use dora_shm_tests::dora::run;
use dora_shm_tests::process::Process;
use dora_shm_tests::reading::{Received, message_reader, messages, messages_until_closed};
use dora_shm_tests::script::{self, REPEATS};
use dora_shm_tests::stage::Stage;
use rustix::process::Signal;

use crate::graphs::script_into_sink;

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
    dora.signal(Signal::INT);
    dora.succeed();
}

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn a_ring_in_seconds_of_a_source_that_states_no_rate_has_the_length_that_was_measured_and_every_frame() {
    let stage = Stage::new("trial-measured");
    let (received, mut dora) = whole(&stage, "unpaced", "20ms", &["BUF_DUR: 2.0"]);
    dora.succeed();
    assert_eq!(received.len(), script::messages("unpaced").unwrap().len());
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
    let (received, mut dora) = whole(&stage, "lengths", "5ms", &["BUF_FRAMES: 100"]);
    dora.succeed();
    let shapes: Vec<_> = received.iter().map(|message| message.format.frame_shape().to_vec()).collect();
    assert_eq!(shapes, [[1], [2], [3]]);
    let refusal = dora.line("SHAPE").unwrap_or_else(|| panic!("no refusal in\n{}", dora.log()));
    assert!(refusal.contains("FRAMES") && refusal.contains("data"), "{refusal}");
    assert_last_status(&dora, "refused=9");
}

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn messages_missing_in_the_sources_sequence_are_counted_as_gaps() {
    let stage = Stage::new("gaps");
    let (received, mut dora) = whole(&stage, "gaps", "5ms", &["BUF_FRAMES: 100"]);
    dora.succeed();
    assert_eq!(received.len(), 6);
    assert_last_status(&dora, "gaps=4");
}

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn changes_that_are_to_be_skipped_leave_the_first_format_and_are_counted() {
    let stage = Stage::new("change-skip");
    let (received, mut dora) = whole(&stage, "changes", "5ms", &["BUF_FRAMES: 400", "ON_CHANGE: skip"]);
    dora.succeed();
    assert_eq!(received.len(), REPEATS);
    assert!(received.iter().all(|message| message.info.generation == 0));
    assert_last_status(&dora, "refused=12");
}

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn a_change_that_is_to_stop_the_sink_closes_the_stream_and_fails_the_graph_with_the_reason() {
    let stage = Stage::new("change-stop");
    let (received, mut dora) = whole(&stage, "changes", "5ms", &["BUF_FRAMES: 400", "ON_CHANGE: stop"]);
    assert_eq!(received.len(), REPEATS);
    let status = dora.wait();
    assert!(!status.success(), "the graph says nothing of it:\n{}", dora.log());
    let reason = dora.line("ON_CHANGE").unwrap_or_else(|| panic!("no reason in\n{}", dora.log()));
    assert!(reason.contains("float32") && reason.contains("float64"), "it names both formats: {reason}");
}

/// Runs `script` into a sink with `settings`, and reads until the stream closes.
fn whole(stage: &Stage, script: &str, period: &str, settings: &[&str]) -> (Vec<Received>, Process) {
    let stream = stage.stream(script);
    let mut reader = message_reader(&stream);
    let dora = run(stage, "graph", &script_into_sink(script, period, false, &stream, settings));
    (messages_until_closed(&mut reader), dora)
}

/// Message `index` of a script, as it lies in memory.
fn bytes_of(script: &str, index: usize) -> Vec<u8> {
    script::messages(script).unwrap()[index].data.to_data().buffers()[0].as_slice().to_vec()
}

fn assert_last_status(dora: &Process, counter: &str) {
    let log = dora.log();
    let last = log.lines().rfind(|line| line.contains("status stream=")).expect("a last status");
    assert!(last.split_whitespace().any(|word| word == counter), "{counter} is not in {last}");
}
