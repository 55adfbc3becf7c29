//! The mirror's settings in running graphs.

use std::path::PathBuf;

use arrow::array::{Array as _, AsArray as _};
use arrow::datatypes::Float32Type;
use dora_node_api::Parameter;
use dora_shm_testkit::logged::LoggedProcess;
use dora_shm_tests::dora::run;
use dora_shm_tests::programs::program;
use dora_shm_tests::reading::{message_reader, messages};
use dora_shm_tests::record::{Message, receipt};
use dora_shm_tests::script;
use dora_shm_tests::stage::Stage;
use dora_shm_tests::until::until;
use rustix::process::Signal;

use crate::graphs::{mirror_into_recorder, script_into_sink};

/// Number of frames in each message of the script `steady`.
const FRAMES_PER_MESSAGE: i64 = 10;
/// Number of channels in each frame of the script `steady`.
const CHANNELS: usize = 8;

/// Number of frames in the ring of a mirror that must be lapped.
const SHORT_RING: u64 = 50;

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn chunk_gives_the_mirrors_messages_a_number_of_frames() {
    let stage = Stage::new("mirror-chunk-frames");
    let received = whole_through_the_mirror(&stage, "CHUNK: 7");
    let frames: Vec<i64> = received.iter().map(frames_of).collect();
    let (last, others) = frames.split_last().expect("received messages");
    assert!(others.iter().all(|&frames| frames == 7), "{frames:?}");
    assert_eq!(
        *last,
        total_frames() % 7,
        "frames of the last message, which is sent when the stream closes: {frames:?}"
    );
}

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn chunk_gives_the_mirrors_messages_a_duration() {
    let stage = Stage::new("mirror-chunk-duration");
    // At the script's 1 kHz, 25 ms are 25 frames.
    let received = whole_through_the_mirror(&stage, "CHUNK: 25ms");
    let frames: Vec<i64> = received.iter().map(frames_of).collect();
    assert!(frames[..frames.len() - 1].iter().all(|&frames| frames == 25), "{frames:?}");
}

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn a_lapped_mirror_marks_the_next_message_with_the_exact_loss() {
    let stage = Stage::new("mirror-mark");
    let (mut mirror, record) = lapped_mirror(&stage, &["ON_CLOSE: stop", "ON_LOSS: mark"]);
    mirror.succeed().unwrap();
    let received = Message::read_all(&record).expect("a whole record");
    let mut next = 0;
    for (index, message) in received.iter().enumerate() {
        let lost = integer(message, "lost").unwrap_or(0);
        assert_eq!(integer(message, "position"), Some(next + lost), "message {index}");
        assert_eq!(lost % FRAMES_PER_MESSAGE, 0, "the mirror did not continue at a whole message");
        check_samples(message, next + lost);
        next += lost + frames_of(message);
    }
    assert_eq!(next, total_frames(), "frames received or counted as lost");
    assert!(received.iter().any(|message| integer(message, "lost").is_some_and(|lost| lost > 0)), "nothing was lost");
}

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn a_lapped_mirror_that_must_stop_fails_and_reports_how_many_frames_it_lost() {
    let stage = Stage::new("mirror-stop");
    let (mut mirror, _) = lapped_mirror(&stage, &["ON_CLOSE: stop", "ON_LOSS: stop"]);
    let status = mirror.wait().unwrap();
    assert!(!status.success(), "the graph did not fail:\n{}", mirror.log());
    let line = mirror.line("ON_LOSS: stop").unwrap_or_else(|| panic!("no reason in\n{}", mirror.log()));
    assert!(line.contains("frames were lost") && line.contains("BUF_DUR"), "{line}");
}

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn a_mirror_that_waits_continues_with_the_streams_next_writer() {
    let stage = Stage::new("mirror-wait");
    let stream = stage.stream("signal");
    let record = stage.folder().join("record");
    // `wait` is the default.
    let mut mirror = run(&stage, "mirror", &mirror_into_recorder(&stream, &[], &record));
    mirror.wait_for_line(&stream).unwrap();
    let mut expected = 0;
    for _ in 0..2 {
        expected += script::messages("steady").unwrap().len();
        send_steady(&stage, &stream, || receipt(&record, expected - 1).exists());
    }
    for (index, message) in Message::read_all(&record).expect("a record").iter().enumerate() {
        // Positions of a new stream begin at 0.
        let position = index as i64 * FRAMES_PER_MESSAGE % total_frames();
        assert_eq!(integer(message, "position"), Some(position), "message {index}");
        check_samples(message, position);
    }
    mirror.signal(Signal::INT);
    mirror.succeed().unwrap();
}

/// Sends the script `steady` through a mirror with `setting`, and checks every sample. Returns the received messages.
fn whole_through_the_mirror(stage: &Stage, setting: &str) -> Vec<Message> {
    let stream = stage.stream("signal");
    let record = stage.folder().join("record");
    let mut mirror = run(stage, "mirror", &mirror_into_recorder(&stream, &["ON_CLOSE: stop", setting], &record));
    mirror.wait_for_line(&stream).unwrap();
    // Frames that do not fill a message are sent when the stream closes.
    let rest = 25;
    let recorded = || Message::read_all(&record).expect("a record").iter().map(frames_of).sum::<i64>();
    send_steady(stage, &stream, || recorded() > total_frames() - rest);
    mirror.succeed().unwrap();
    let received = Message::read_all(&record).expect("a whole record");
    let mut next = 0;
    for message in &received {
        assert_eq!(integer(message, "position"), Some(next));
        assert_eq!(integer(message, "lost").unwrap_or(0), 0);
        check_samples(message, next);
        next += frames_of(message);
    }
    assert_eq!(next, total_frames());
    received
}

/// Sends the script `steady`, and closes the stream when `arrived` returns `true`.
fn send_steady(stage: &Stage, stream: &str, arrived: impl Fn() -> bool) {
    let mut source = run(stage, "source", &script_into_sink("steady", "2ms", true, stream, &["BUF_FRAMES: 10000"]));
    source.wait_for_line("sent all").unwrap();
    until("the messages of one writer arrive", || arrived().then_some(()));
    source.signal(Signal::INT);
    source.succeed().unwrap();
}

/// A mirror that was stopped while the writer lapped it in a short ring, and now continues. Returns it with the folder
/// of its messages.
fn lapped_mirror(stage: &Stage, settings: &[&str]) -> (LoggedProcess, PathBuf) {
    let stream = stage.stream("signal");
    let record = stage.folder().join("record");
    let mut mirror = run(stage, "mirror", &mirror_into_recorder(&stream, settings, &record));
    mirror.wait_for_line(&stream).unwrap();
    let ring = format!("BUF_FRAMES: {SHORT_RING}");
    // The source is so slow that only a stopped mirror is lapped, even on a machine that stalls.
    let mut source = run(stage, "source", &script_into_sink("steady", "40ms", false, &stream, &[&ring]));
    until("a first message arrives in the mirror's graph", || {
        (!Message::read_all(&record).expect("a record").is_empty()).then_some(())
    });
    let pid = stage.the_process_of(&program("dora-shm-mirror"));
    stage.kill(pid, Signal::STOP);
    // The reader counts the frames: one ring of them, then three more laps.
    messages(&mut message_reader(&stream), 4 * SHORT_RING);
    stage.kill(pid, Signal::CONT);
    source.succeed().unwrap();
    (mirror, record)
}

fn total_frames() -> i64 {
    script::messages("steady").unwrap().len() as i64 * FRAMES_PER_MESSAGE
}

fn frames_of(message: &Message) -> i64 {
    (message.data.len() / CHANNELS) as i64
}

fn integer(message: &Message, key: &str) -> Option<i64> {
    match message.parameters.get(key) {
        Some(Parameter::Integer(value)) => Some(*value),
        None => None,
        other => panic!("parameter {key}: {other:?}"),
    }
}

/// Checks a message's samples. Sample n of the script has the value n.
fn check_samples(message: &Message, position: i64) {
    let first = position as usize * CHANNELS;
    let samples = message.data.as_primitive::<Float32Type>().values();
    let wrong = samples.iter().zip(first..).find(|&(&sample, expected)| sample != expected as f32);
    assert_eq!(wrong, None, "a wrong sample in the message at {position}");
}
