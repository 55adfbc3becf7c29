//! Streams whose format changes while they run.

use std::time::Instant;

use dora_shm_ring::Dtype;
use dora_shm_testkit::segments;
use dora_shm_tests::dora::run;
use dora_shm_tests::reading::{Received, message_reader, messages, messages_with_receipts};
use dora_shm_tests::script::{self, REPEATS};
use dora_shm_tests::stage::Stage;
use dora_shm_tests::until::{PATIENCE, until};
use rustix::process::Signal;

use crate::graphs::{script_in_step_into_sink, script_into_sink};

/// Number of frames in each message of the script.
const FRAMES: u64 = 10;

/// Number of a stream's files: a header, a ring and its description, with two names each.
const SEGMENTS_OF_A_STREAM: usize = 6;

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn each_change_of_dtype_shape_or_rate_begins_a_generation_and_loses_nothing() {
    let stage = Stage::new("changes");
    let stream = stage.stream("changing");
    let receipts = stage.folder().join("receipts");
    let mut reader = message_reader(&stream);
    let graph = script_in_step_into_sink("changes", &receipts, &stream, &["BUF_FRAMES: 400"]);
    let mut dora = run(&stage, "graph", &graph);
    let received = messages_with_receipts(&mut reader, &receipts);
    dora.succeed().unwrap();
    check(&received);
    assert_eq!(received.len(), script::messages("changes").unwrap().len());
    assert!(received.iter().all(|message| message.info.lost == 0));
}

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn generations_that_end_before_a_reader_reaches_them_are_counted_as_lost_to_the_frame() {
    let stage = Stage::new("fast-changes");
    let stream = stage.stream("changing");
    let mut reader = message_reader(&stream);
    // The whole script takes 16 ms. The part that a reader sees depends on chance, but its count does not.
    let mut dora = run(&stage, "graph", &script_into_sink("changes", "1ms", true, &stream, &["BUF_FRAMES: 400"]));
    let sent = script::messages("changes").unwrap().len() as u64;
    check(&messages(&mut reader, FRAMES * sent));
    // The removal of the old ring follows the switch to the new one.
    until("the old generations are removed", || (stage.segments().len() == SEGMENTS_OF_A_STREAM).then_some(()));
    dora.signal(Signal::INT);
    dora.succeed().unwrap();
}

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn a_hundred_generations_of_two_messages_each_reach_a_late_reader_in_another_process_without_a_loss() {
    let stage = Stage::new("hundred-changes");
    let sent = script::messages("hundred-changes").unwrap();
    let end = Instant::now() + 2 * PATIENCE;
    // A machine may be too busy for one try: then a reader is late by more than the 100 ms for which a ring is kept.
    for attempt in 0.. {
        assert!(Instant::now() < end, "every one of {attempt} tries had losses");
        let stream = stage.stream(&format!("short-{attempt}"));
        let mut reader = message_reader(&stream);
        let graph = script_into_sink("hundred-changes", "1ms", true, &stream, &["BUF_FRAMES: 400"]);
        let mut dora = run(&stage, &format!("graph-{attempt}"), &graph);
        // The first rings have been replaced when it begins to read.
        until("ten generations have begun", || (10..100).find(|&later| segments::ring(&stream, later).exists()));
        let received = messages(&mut reader, FRAMES * sent.len() as u64);
        dora.signal(Signal::INT);
        dora.succeed().unwrap();
        let mut next = 0;
        for message in &received {
            let index = (message.info.stream_position / FRAMES) as usize;
            assert_eq!(message.info.stream_position, next + message.info.lost, "message {index}");
            assert_eq!(message.info.generation as usize, index / 2, "message {index}");
            assert_eq!(message.samples, sent[index].data.to_data().buffers()[0].as_slice(), "message {index}");
            next = message.info.stream_position + message.info.frames;
        }
        assert_eq!(next, FRAMES * sent.len() as u64, "frames accounted for");
        if received.len() == sent.len() {
            return;
        }
    }
}

/// Checks the received messages of the script `changes`, and that every frame of it is accounted for.
fn check(received: &[Received]) {
    let sent = script::messages("changes").unwrap();
    let formats = [
        (Dtype::F32, vec![4], 100.0),
        (Dtype::F64, vec![4], 100.0),
        (Dtype::F32, vec![6], 100.0),
        (Dtype::F32, vec![6], 200.0),
    ];
    let mut next = 0;
    for message in received {
        let index = (message.info.stream_position / FRAMES) as usize;
        let (dtype, shape, rate) = &formats[index / REPEATS];
        assert_eq!(message.info.stream_position, next + message.info.lost, "message {index}");
        assert_eq!(message.format.dtype(), *dtype, "message {index}");
        assert_eq!(message.format.frame_shape(), shape, "message {index}");
        assert_eq!(message.format.rate_hz(), *rate, "message {index}");
        assert_eq!(message.info.generation as usize, index / REPEATS, "message {index}");
        assert_eq!(message.samples, sent[index].data.to_data().buffers()[0].as_slice(), "message {index}");
        next = message.info.stream_position + message.info.frames;
    }
    assert_eq!(next, FRAMES * sent.len() as u64, "frames accounted for");
}
