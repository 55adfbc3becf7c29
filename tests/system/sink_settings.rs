//! The sink's settings in running graphs.

use dora_shm_ring::MessageReader;
use dora_shm_testkit::logged::LoggedProcess;
use dora_shm_tests::dora::run;
use dora_shm_tests::reading::{Received, message_reader, messages, messages_until_closed, messages_with_receipts};
use dora_shm_tests::script::{self, REPEATS};
use dora_shm_tests::stage::Stage;
use rustix::process::Signal;

use crate::graphs::{script_in_step_into_sink, script_into_sink};

/// Number of frames in each message of most scripts.
const FRAMES: u64 = 10;

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn a_single_message_of_unknown_rate_is_in_a_ring_for_two_such_before_the_source_ends() {
    let stage = Stage::new("probe-alone");
    let stream = stage.stream("alone");
    let mut reader = message_reader(&stream);
    let mut dora = run(&stage, "graph", &script_into_sink("alone", "1ms", true, &stream, &["BUF_DUR: 2.0"]));
    let received = messages(&mut reader, FRAMES);
    assert_eq!(received[0].format.frames(), 2 * FRAMES);
    assert_eq!(received[0].format.rate_hz(), 0.0);
    assert_eq!(received[0].samples, bytes_of("alone", 0));
    stop(&mut dora);
}

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn a_ring_in_seconds_for_a_source_without_a_rate_has_the_measured_length_and_every_frame() {
    let stage = Stage::new("probe-measured");
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
    // Ten frames every 20 ms are 500 Hz. Late messages make the rate lower. Only rounding can make the ring longer.
    let frames = received[0].format.frames();
    assert!((600..1100).contains(&frames), "{frames} frames for two seconds");
    assert_eq!(received[0].format.rate_hz(), 0.0, "the measured rate must not be published");
}

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn shapes_that_change_with_every_message_are_refused_after_three_with_a_hint_at_settings() {
    let stage = Stage::new("varying");
    let (mut reader, mut dora) = staying(&stage, "lengths", &["BUF_FRAMES: 100", "RUST_LOG: debug"]);
    dora.wait_for_line("refused=9").unwrap();
    // A generation of a single message may end before the reader reaches it. Then the reader counts it as lost.
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
    assert_total(&dora, "frames=3");
    assert_total(&dora, "refused=9");
}

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn a_source_of_vectors_of_varying_length_is_refused_whole_unless_the_settings_say_that_it_sends_rows() {
    let stage = Stage::new("boxes");
    let (_reader, mut dora) = staying(&stage, "boxes", &["BUF_FRAMES: 100", "RUST_LOG: debug"]);
    dora.wait_for_line("refused=6").unwrap();
    assert!(dora.line("all of them are refused until 64").is_some(), "no reason in\n{}", dora.log());
    stop(&mut dora);
    assert_total(&dora, "refused=6");

    for (name, settings, frames) in
        [("scalars", &["FRAMES: rows", "SHAPE: \"\""][..], 64), ("boxes", &["FRAMES: rows", "SHAPE: 4"], 16)]
    {
        let stage = Stage::new(&format!("boxes-{name}"));
        let (mut reader, mut dora) = staying(&stage, "boxes", &[&["BUF_FRAMES: 100"], settings].concat());
        let received = messages(&mut reader, frames);
        assert!(received.iter().all(|message| message.info.generation == 0), "{name}");
        assert_eq!(received.iter().map(|message| message.info.lost).sum::<u64>(), 0, "{name}");
        stop(&mut dora);
        assert_total(&dora, "refused=0");
        assert_total(&dora, &format!("frames={frames}"));
    }
}

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn a_shape_with_width_and_height_exchanged_is_refused_and_names_both() {
    let stage = Stage::new("transposed");
    let (_reader, mut dora) = staying(&stage, "pictures", &["BUF_FRAMES: 10", "SHAPE: 64,48,3", "RUST_LOG: debug"]);
    dora.wait_for_line("refused=60").unwrap();
    let refusal = dora.line("SHAPE is [64, 48, 3]").unwrap_or_else(|| panic!("no refusal in\n{}", dora.log()));
    assert!(refusal.contains("width 64 and height 48") && refusal.contains("set SHAPE to 48,64,3"), "{refusal}");
    stop(&mut dora);
}

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn a_name_that_users_guess_for_a_setting_is_refused_with_the_right_key() {
    let stage = Stage::new("guessed");
    let (_reader, mut dora) = staying(&stage, "short", &["BUFFER: 5"]);
    dora.wait_for_line("setting BUFFER is not known; use BUF_DUR or BUF_FRAMES instead").unwrap();
    dora.signal(Signal::INT);
    assert!(!dora.wait().unwrap().success(), "the wrong setting must be seen in the end:\n{}", dora.log());
}

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn messages_missing_in_the_sources_sequence_are_counted_as_gaps() {
    let stage = Stage::new("gaps");
    let (received, mut dora) = in_step(&stage, "gaps", &["BUF_FRAMES: 100"]);
    dora.succeed().unwrap();
    assert_eq!(received.len(), 6);
    assert_total(&dora, "gaps=4");
}

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn with_on_change_skip_the_first_format_stays_and_messages_in_others_are_counted() {
    let stage = Stage::new("change-skip");
    let (mut reader, mut dora) = staying(&stage, "changes", &["BUF_FRAMES: 400", "ON_CHANGE: skip", "RUST_LOG: debug"]);
    let received = messages(&mut reader, FRAMES * REPEATS as u64);
    assert_eq!(received.len(), REPEATS);
    assert!(received.iter().all(|message| message.info.generation == 0));
    dora.wait_for_line("refused=12").unwrap();
    stop(&mut dora);
    assert_eq!(messages_until_closed(&mut reader).len(), 0);
    assert_total(&dora, "refused=12");
}

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn with_on_change_stop_a_change_closes_the_stream_and_fails_the_graph_with_the_reason() {
    let stage = Stage::new("change-stop");
    let (received, mut dora) = in_step(&stage, "changes", &["BUF_FRAMES: 400", "ON_CHANGE: stop"]);
    assert_eq!(received.len(), REPEATS);
    // The source waits for the receipt of the message that the sink did not write.
    dora.wait_for_line("ON_CHANGE").unwrap();
    dora.signal(Signal::INT);
    let status = dora.wait().unwrap();
    assert!(!status.success(), "the graph did not fail:\n{}", dora.log());
    let reason = dora.line("ON_CHANGE").unwrap_or_else(|| panic!("no reason in\n{}", dora.log()));
    assert!(reason.contains("float32") && reason.contains("float64"), "the reason must name both formats: {reason}");
}

/// Runs `script` into a sink with `settings`, and reads until the stream closes. Each message is sent when the previous
/// one has been read.
fn in_step(stage: &Stage, script: &str, settings: &[&str]) -> (Vec<Received>, LoggedProcess) {
    let stream = stage.stream(script);
    let receipts = stage.folder().join("receipts");
    let mut reader = message_reader(&stream);
    let dora = run(stage, "graph", &script_in_step_into_sink(script, &receipts, &stream, settings));
    (messages_with_receipts(&mut reader, &receipts), dora)
}

/// Runs `script` into a sink with `settings`, from a source that runs until it is stopped. The reader is opened before
/// the graph starts.
fn staying(stage: &Stage, script: &str, settings: &[&str]) -> (MessageReader, LoggedProcess) {
    let stream = stage.stream(script);
    let reader = message_reader(&stream);
    (reader, run(stage, "graph", &script_into_sink(script, "5ms", true, &stream, settings)))
}

fn stop(dora: &mut LoggedProcess) {
    dora.signal(Signal::INT);
    dora.succeed().unwrap();
}

/// The samples of message `index` of a script, as bytes.
fn bytes_of(script: &str, index: usize) -> Vec<u8> {
    script::messages(script).unwrap()[index].data.to_data().buffers()[0].as_slice().to_vec()
}

fn assert_total(dora: &LoggedProcess, counter: &str) {
    let log = dora.log();
    let last = log.lines().rfind(|line| line.contains("end stream=")).expect("a line with the totals");
    assert!(last.split_whitespace().any(|word| word == counter), "{counter} is not in {last}");
}
