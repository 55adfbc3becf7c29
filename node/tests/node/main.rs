//! The whole sink without a daemon: scripted events in, a real stream and the recorded outputs out.

mod conn;
mod failing;
mod hints;
mod listener;
mod times;

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use dora_node_api::integration_testing::integration_testing_format::{IncomingEvent, InputData, TimedIncomingEvent};
use dora_node_api::integration_testing::{
    IntegrationTestInput, OutputJson, TestingInput, TestingOptions, TestingOutput, drain_outputs, output_channel,
};
use dora_node_api::{DoraNode, Event, MetadataParameters, Parameter};
use dora_shm_node_kit::events::Stopper;
use dora_shm_node_kit::launch::Surroundings;
use dora_shm_node_kit::settings::NodeEnv;
use dora_shm_ring::{Format, Message, MessageReader, Outcome, ReaderOptions, Writer, WriterOptions};
use dora_shm_sink::{Opened, run_observed};
use dora_shm_testkit::isolated::with_private_shm;
use dora_shm_testkit::{PATIENCE, segments};
use serde_json::{Value, json};

/// What a reader outside saw of a stream until it was closed.
#[derive(Debug, Default)]
struct Seen {
    /// Samples of each message.
    messages: Vec<Vec<f32>>,
    /// Format of each generation.
    formats: Vec<Format>,
    lost: u64,
}

fn stream_name(test: &str) -> String {
    format!("dora-shm-sink-test/{}/{test}", std::process::id())
}

/// Reads the stream `name` from its first frame until it is closed.
fn reader_of(name: &str) -> JoinHandle<Seen> {
    let mut reader = MessageReader::open(name, ReaderOptions::default()).unwrap();
    std::thread::spawn(move || {
        let (mut seen, mut message, end) = (Seen::default(), Message::new(), Instant::now() + PATIENCE);
        loop {
            assert!(Instant::now() < end, "the stream was not closed: {seen:?}");
            match reader.next(&mut message).unwrap() {
                Outcome::Data(_) => {
                    if seen.formats.last() != reader.format() {
                        seen.formats.extend(reader.format().cloned());
                    }
                    let samples = message.samples().chunks_exact(4);
                    seen.messages.push(samples.map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect());
                }
                Outcome::Nothing => drop(reader.wait(Duration::from_millis(200)).unwrap()),
                Outcome::Generation => {}
                Outcome::Closed => break,
            }
        }
        seen.lost = reader.lost();
        seen
    })
}

/// The settings of a sink that writes `name`.
fn opened(name: &str, settings: &[(&str, &str)]) -> Opened {
    let named = [("SHMEM_NAME", name)];
    let own = settings.iter().chain(&named).map(|&(key, value)| (key.to_owned(), value.to_owned()));
    let env = NodeEnv { own: own.collect(), ..NodeEnv::default() };
    let opened = Opened::open(&surroundings(env));
    assert_eq!(opened.started.failure(), None);
    opened
}

fn surroundings(env: NodeEnv) -> Surroundings {
    Surroundings { node: "test-node".into(), dataflow: "test".into(), env, min_log_level: None }
}

fn input(id: &str, data: Value, data_type: &str, parameters: &[(&str, Parameter)]) -> IncomingEvent {
    let parameters: MetadataParameters =
        parameters.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    IncomingEvent::Input {
        id: id.to_owned().into(),
        metadata: Some(parameters),
        data: Some(Box::new(InputData::JsonObject { data, data_type: Some(json!(data_type)) })),
    }
}

/// A message of `frames` frames of one channel at 1 kHz, which count on from `first`.
fn signal(first: u32, frames: u32) -> IncomingEvent {
    let samples: Vec<f32> = (first..first + frames).map(|sample| sample as f32).collect();
    input("data", json!(samples), "Float32", &[("sample_rate", Parameter::Float(1000.0))])
}

fn counted(first: u32, frames: u32) -> Vec<f32> {
    (first..first + frames).map(|sample| sample as f32).collect()
}

/// Runs a sink on `events`, 5 ms from one to the next, and a Stop after them.
fn play(opened: Opened, events: Vec<IncomingEvent>) -> (eyre::Result<()>, Vec<OutputJson>) {
    play_until(opened, events, Stopper::default())
}

fn play_until(opened: Opened, events: Vec<IncomingEvent>, stopper: Stopper) -> (eyre::Result<()>, Vec<OutputJson>) {
    let events = events.into_iter().chain([IncomingEvent::Stop]).enumerate();
    play_at(opened, events.map(|(i, event)| (0.005 * i as f64, event)).collect(), stopper)
}

/// Runs a sink on events, each with its time in seconds after the start.
fn play_at(opened: Opened, events: Vec<(f64, IncomingEvent)>, stopper: Stopper) -> (eyre::Result<()>, Vec<OutputJson>) {
    play_observed(opened, events, stopper, |_| {})
}

/// As [`play_at`], and calls `observe` with every event before the sink handles it.
fn play_observed(
    opened: Opened,
    events: Vec<(f64, IncomingEvent)>,
    stopper: Stopper,
    observe: impl FnMut(&Event),
) -> (eyre::Result<()>, Vec<OutputJson>) {
    let timed = |(time_offset_secs, event)| TimedIncomingEvent { time_offset_secs, event };
    let events = events.into_iter().map(timed).collect();
    let (sender, mut receiver) = output_channel();
    let (node, stream) = DoraNode::init_testing(
        TestingInput::Input(IntegrationTestInput::new("test-node".parse().unwrap(), events)),
        TestingOutput::ToChannel(sender),
        TestingOptions { skip_output_time_offsets: true },
    )
    .unwrap();
    let ended = run_observed(node, stream, opened, stopper, observe);
    (ended, drain_outputs(&mut receiver))
}

fn last_status(outputs: &[OutputJson]) -> Value {
    let last = outputs.last().expect("a status at the end");
    assert_eq!(last["id"], "status");
    last["data"][0].clone()
}

#[test]
fn every_message_is_in_the_stream_and_its_end_is_seen() {
    let name = stream_name("every-message");
    let opened = opened(&name, &[]);
    let reader = reader_of(&name);
    let (ended, outputs) = play(opened, (0..20).map(|i| signal(10 * i, 10)).collect());
    ended.unwrap();
    let seen = reader.join().unwrap();
    assert_eq!(seen.messages, (0..20).map(|i| counted(10 * i, 10)).collect::<Vec<_>>());
    assert_eq!(seen.lost, 0);
    assert_eq!(seen.formats.len(), 1);
    assert_eq!((seen.formats[0].rate_hz(), seen.formats[0].frames()), (1000.0, 2000));
    let status = last_status(&outputs);
    assert_eq!((&status["state"], &status["frames"], &status["chunks"]), (&json!("closed"), &json!(200), &json!(20)));
    assert_eq!((&status["stream"], &status["refused"], &status["bytes"]), (&json!(name), &json!(0), &json!(800)));
}

#[test]
fn without_a_rate_the_first_messages_are_held_back_and_none_is_lost() {
    let name = stream_name("no-rate");
    let opened = opened(&name, &[("BUF_DUR", "1")]);
    let reader = reader_of(&name);
    let pose = |i: u32| input("data", json!(counted(3 * i, 3)), "Float32", &[]);
    let (ended, _) = play(opened, (0..20).map(pose).collect());
    ended.unwrap();
    let seen = reader.join().unwrap();
    assert_eq!(seen.messages, (0..20).map(|i| counted(3 * i, 3)).collect::<Vec<_>>());
    assert_eq!(seen.formats.len(), 1);
    assert_eq!((seen.formats[0].frame_shape(), seen.formats[0].rate_hz()), (&[3][..], 0.0));
    // Messages 5 ms apart are about 200 per second. A busy machine can only lower the rate.
    assert!((2..=400).contains(&seen.formats[0].frames()), "{:?}", seen.formats);
}

#[test]
fn a_source_that_begins_slowly_gets_a_buffer_for_its_later_rate() {
    let name = stream_name("slow-start");
    let opened = opened(&name, &[("BUF_DUR", "2")]);
    let reader = reader_of(&name);
    let pose = |i: u32| input("data", json!(counted(3 * i, 3)), "Float32", &[]);
    let slow = (0..3).map(|i| (0.4 * f64::from(i), pose(i)));
    let fast = (3..153).map(|i| (0.8 + 0.01 * f64::from(i - 2), pose(i)));
    let (ended, _) =
        play_at(opened, slow.chain(fast).chain([(2.4, IncomingEvent::Stop)]).collect(), Stopper::default());
    ended.unwrap();
    let seen = reader.join().unwrap();
    assert_eq!(seen.messages, (0..153).map(|i| counted(3 * i, 3)).collect::<Vec<_>>());
    assert_eq!(seen.lost, 0);
    let lengths: Vec<u64> = seen.formats.iter().map(Format::frames).collect();
    // Two or three frames per second first, then a hundred. A busy machine can only lower the rate.
    assert!(lengths[0] < 20 && (50..300).contains(lengths.last().unwrap()), "{lengths:?}");
    assert!(lengths.is_sorted() && lengths.len() <= 3, "{lengths:?}");
}

#[test]
fn a_stream_that_ends_with_its_first_messages_reaches_a_reader_that_waited_for_it() {
    for round in 0..5 {
        let name = stream_name(&format!("brief-{round}"));
        let opened = opened(&name, &[]);
        let reader = reader_of(&name);
        let number = |value: u32| input("data", json!(counted(value, 1)), "Float32", &[]);
        let pair = |value: u32| input("data", json!(counted(value, 2)), "Float32", &[]);
        let events = [number(1), number(2), number(3), pair(4), pair(5), IncomingEvent::Stop];
        let (ended, _) = play_at(opened, events.map(|event| (0.0, event)).into(), Stopper::default());
        ended.unwrap();
        let seen = reader.join().unwrap();
        assert_eq!(seen.messages, [counted(1, 1), counted(2, 1), counted(3, 1), counted(4, 2), counted(5, 2)]);
        assert_eq!(seen.lost, 0);
    }
}

#[test]
fn a_length_that_exceeds_max_bytes_is_refused_and_changes_nothing() {
    let name = stream_name("impossible");
    let opened = opened(&name, &[("BUF_FRAMES", "100")]);
    let reader = reader_of(&name);
    let settings = |document: &str| input("settings", json!([document]), "Utf8", &[]);
    let row = |first: u32| input("data", json!(counted(first, 1000)), "Float32", &[]);
    // Too long for frames of a thousand numbers, but not for frames of one number.
    let (too_long, of_others) =
        (settings("buf_frames: 1000000"), settings("{buf_frames: 1000000, frames: rows, shape: []}"));
    let (ended, outputs) = play(opened, vec![row(0), too_long, row(1000), of_others, row(2000)]);
    ended.unwrap();
    let seen = reader.join().unwrap();
    assert_eq!(seen.messages, [counted(0, 1000), counted(1000, 1000), counted(2000, 1000)]);
    assert_eq!(seen.formats.iter().map(Format::frames).collect::<Vec<_>>(), [100, 1_000_000]);
    assert_eq!(last_status(&outputs)["refused"], json!(0));
}

#[test]
fn a_single_message_without_a_rate_is_in_the_stream_after_half_a_second() {
    let name = stream_name("single");
    let opened = opened(&name, &[]);
    let reader = reader_of(&name);
    // Then nothing comes for a second: only the clock can bring the message into the stream before the end.
    let nothing = (0..200).map(|_| IncomingEvent::InputClosed { id: "data".to_owned().into() });
    let message = input("data", json!([1.0, 2.0]), "Float32", &[]);
    let (ended, _) = play(opened, std::iter::once(message).chain(nothing).collect());
    ended.unwrap();
    let seen = reader.join().unwrap();
    assert_eq!(seen.messages, [[1.0, 2.0]]);
    assert_eq!(seen.formats[0].frames(), 2, "twice what was held back");
}

#[test]
fn a_refused_message_is_counted_and_the_next_is_written() {
    let name = stream_name("refused");
    let opened = opened(&name, &[]);
    let reader = reader_of(&name);
    let text = || input("data", json!(["hello"]), "Utf8", &[]);
    let (ended, outputs) = play(opened, vec![text(), signal(0, 10), text(), signal(10, 10)]);
    ended.unwrap();
    assert_eq!(reader.join().unwrap().messages, [counted(0, 10), counted(10, 10)]);
    assert_eq!(last_status(&outputs)["refused"], json!(2));
}

#[test]
fn a_changed_format_begins_a_generation_unless_on_change_differs() {
    let other = || input("data", json!([1.0, 2.0]), "Float64", &[("sample_rate", Parameter::Float(1000.0))]);
    let messages = || vec![signal(0, 10), signal(10, 10), other(), signal(20, 10)];

    let name = stream_name("change-generation");
    let sink = opened(&name, &[]);
    let reader = reader_of(&name);
    play(sink, messages()).0.unwrap();
    let seen = reader.join().unwrap();
    assert_eq!((seen.messages.len(), seen.formats.len(), seen.lost), (4, 3, 0));

    let name = stream_name("change-skip");
    let sink = opened(&name, &[("ON_CHANGE", "skip")]);
    let reader = reader_of(&name);
    let (ended, outputs) = play(sink, messages());
    ended.unwrap();
    assert_eq!(reader.join().unwrap().messages, [counted(0, 10), counted(10, 10), counted(20, 10)]);
    assert_eq!(last_status(&outputs)["refused"], json!(1));

    let name = stream_name("change-stop");
    let sink = opened(&name, &[("ON_CHANGE", "stop")]);
    let reader = reader_of(&name);
    let error = play(sink, messages()).0.unwrap_err().to_string();
    assert!(error.contains("ON_CHANGE: stop") && error.contains("float64") && error.contains("float32"), "{error}");
    assert_eq!(reader.join().unwrap().messages, [counted(0, 10), counted(10, 10)], "and the stream was closed");
}

#[test]
fn empty_messages_that_come_before_the_first_frames_are_in_the_stream_before_them() {
    let name = stream_name("early-empties");
    let sink = opened(&name, &[]);
    let reader = reader_of(&name);
    let empty = || input("data", json!([]), "Float32", &[]);
    let (ended, outputs) = play(sink, vec![empty(), empty(), signal(0, 10), empty(), signal(10, 10)]);
    ended.unwrap();
    let none = Vec::new;
    assert_eq!(reader.join().unwrap().messages, [none(), none(), counted(0, 10), none(), counted(10, 10)]);
    assert_eq!(last_status(&outputs)["refused"], json!(0));

    let (ended, outputs) = play(opened(&stream_name("only-empties"), &[]), vec![empty(), empty()]);
    ended.unwrap();
    assert_eq!(last_status(&outputs)["refused"], json!(2), "there was no stream for them");
}

#[test]
fn vectors_of_two_lengths_are_refused_also_if_one_length_comes_twice_in_a_row() {
    let name = stream_name("two-lengths");
    let opened = opened(&name, &[("BUF_FRAMES", "10")]);
    let reader = reader_of(&name);
    let boxes = |i: u32| input("data", json!(counted(0, if i % 3 == 2 { 9 } else { 8 })), "Float32", &[]);
    let (ended, outputs) = play(opened, (0..60).map(boxes).collect());
    ended.unwrap();
    let seen = reader.join().unwrap();
    assert_eq!((seen.formats.len(), seen.messages.len()), (3, 5));
    assert_eq!(last_status(&outputs)["refused"], json!(55));
}

#[test]
fn with_on_change_skip_messages_of_another_format_do_not_end_the_hold() {
    let name = stream_name("skip-held");
    let opened = opened(&name, &[("ON_CHANGE", "skip")]);
    let reader = reader_of(&name);
    // A message every 20 ms, of which every fourth has another length.
    let messages = (0..40).map(|i| input("data", json!(counted(0, if i % 4 == 3 { 9 } else { 8 })), "Float32", &[]));
    let events = messages.chain([IncomingEvent::Stop]).enumerate();
    let events = events.map(|(i, event)| (0.02 * i as f64, event)).collect();
    let (ended, outputs) = play_observed(opened, events, Stopper::default(), |_| {});
    ended.unwrap();
    let seen = reader.join().unwrap();
    assert_eq!(last_status(&outputs)["refused"], json!(10));
    assert_eq!((seen.formats.len(), seen.messages.len()), (1, 30));
    // BUF_DUR is 2 s; three of four messages are stored.
    assert!(seen.formats[0].frames() >= 30, "{:?}", seen.formats);
}

#[test]
fn messages_of_ever_other_shapes_are_refused_after_three_generations() {
    let name = stream_name("varying");
    let opened = opened(&name, &[("BUF_FRAMES", "10")]);
    let reader = reader_of(&name);
    let boxes = |i: u32| input("data", json!(counted(0, i + 1)), "Float32", &[]);
    let (ended, outputs) = play(opened, (0..10).map(boxes).collect());
    ended.unwrap();
    let seen = reader.join().unwrap();
    assert_eq!(seen.formats.len(), 3);
    assert_eq!(last_status(&outputs)["refused"], json!(7));
}

#[test]
fn a_rate_that_changes_with_every_message_is_refused_with_the_setting_that_helps() {
    let name = stream_name("varying-rate");
    let opened = opened(&name, &[("BUF_FRAMES", "10")]);
    let reader = reader_of(&name);
    let jitter = |i: u32| {
        input("data", json!(counted(i, 1)), "Float32", &[("sample_rate", Parameter::Float(30.0 + 0.01 * f64::from(i)))])
    };
    let (ended, outputs) = play(opened, (0..10).map(jitter).collect());
    ended.unwrap();
    let seen = reader.join().unwrap();
    assert_eq!(seen.formats.len(), 3);
    assert_eq!(last_status(&outputs)["refused"], json!(7));
}

#[test]
fn a_longer_buffer_does_not_count_as_a_change_of_format() {
    let name = stream_name("grows-then-changes");
    let opened = opened(&name, &[("BUF_DUR", "0.02")]);
    let reader = reader_of(&name);
    let grow = [signal(0, 10), signal(10, 30), signal(40, 70), signal(110, 150)];
    let rate = [("sample_rate", Parameter::Float(500.0))];
    let changed = (0..2).map(|i| input("data", json!(counted(10 * i, 10)), "Float32", &rate));
    let (ended, outputs) = play(opened, grow.into_iter().chain(changed).collect());
    ended.unwrap();
    let status = last_status(&outputs);
    assert_eq!((&status["refused"], &status["chunks"]), (&json!(0), &json!(6)));
    // Each generation has one message. What a generation loses before the reader reaches it is counted.
    let seen = reader.join().unwrap();
    let frames: usize = seen.messages.iter().map(Vec::len).sum();
    assert_eq!(frames as u64 + seen.lost, 10 + 30 + 70 + 150 + 20);
}

#[test]
fn an_empty_message_after_a_change_of_settings_is_in_the_old_buffer() {
    let name = stream_name("empty-after-change");
    let opened = opened(&name, &[]);
    let reader = reader_of(&name);
    let change = input("settings", json!(["buf_dur: 5"]), "Utf8", &[]);
    let (ended, outputs) = play(opened, vec![signal(0, 10), change, signal(10, 0), signal(10, 10)]);
    ended.unwrap();
    assert_eq!(last_status(&outputs)["refused"], json!(0));
    assert_eq!(reader.join().unwrap().messages, [counted(0, 10), vec![], counted(10, 10)]);
}

#[test]
fn a_message_of_more_than_half_the_buffer_begins_a_longer_one_unless_its_frames_were_given() {
    let messages = || vec![signal(0, 10), signal(10, 10), signal(20, 30), signal(50, 30), signal(80, 10)];
    let all = [counted(0, 10), counted(10, 10), counted(20, 30), counted(50, 30), counted(80, 10)];

    let name = stream_name("grows");
    let sink = opened(&name, &[("BUF_DUR", "0.02")]);
    let reader = reader_of(&name);
    play(sink, messages()).0.unwrap();
    let seen = reader.join().unwrap();
    assert_eq!(seen.formats.iter().map(Format::frames).collect::<Vec<_>>(), [20, 64]);
    assert_eq!(seen.messages, all);

    let name = stream_name("grows-not");
    let sink = opened(&name, &[("BUF_FRAMES", "40")]);
    let reader = reader_of(&name);
    play(sink, messages()).0.unwrap();
    assert_eq!(reader.join().unwrap().formats.iter().map(Format::frames).collect::<Vec<_>>(), [40]);
}

#[test]
fn a_settings_document_changes_the_buffer_and_moves_the_stream_and_a_bad_one_does_nothing() {
    let (first, second) = (stream_name("settings-first"), stream_name("settings-second"));
    let opened = opened(&first, &[]);
    let (before, after) = (reader_of(&first), reader_of(&second));
    let settings = |document: &str| input("settings", json!([document]), "Utf8", &[]);
    let changes = [
        signal(0, 10),
        settings("buf_dur: 5"),
        signal(10, 10),
        settings("{buf_dur: 1, axis: [no, name]}"),
        settings("bufdur: 1"),
        settings("max_bytes: 1"),
        signal(20, 10),
        settings(&format!("shmem_name: {second}")),
    ];
    // Enough messages for a waiting reader to find the new stream in time.
    let messages_after = (3..103).map(|i| signal(10 * i, 10));
    let (ended, outputs) = play(opened, changes.into_iter().chain(messages_after).collect());
    ended.unwrap();
    let before = before.join().unwrap();
    assert_eq!(before.messages, [counted(0, 10), counted(10, 10), counted(20, 10)]);
    let lengths: Vec<_> = before.formats.iter().map(Format::frames).collect();
    assert_eq!(lengths, [2000, 5000]);
    let after = after.join().unwrap();
    assert_eq!(after.messages, (3..103).map(|i| counted(10 * i, 10)).collect::<Vec<_>>());
    assert_eq!(after.formats[0].frames(), 5000, "the other settings move with the stream");
    assert_eq!(last_status(&outputs)["stream"], json!(second));
}

/// Tries again and again, at most for [`PATIENCE`]: a machine may be too busy for one try.
fn try_until_it_holds(holds: impl FnMut(usize) -> bool) {
    let end = Instant::now() + PATIENCE;
    let held = (0..).take_while(|_| Instant::now() < end).any(holds);
    assert!(held, "it never held");
}

#[test]
fn a_hundred_generations_of_one_message_each_lose_no_frame() {
    try_until_it_holds(|attempt| {
        let name = stream_name(&format!("hundred-{attempt}"));
        let opened = opened(&name, &[]);
        let reader = reader_of(&name);
        // Each change begins a generation with the next message.
        let events = (0..100).flat_map(|i| {
            let settings = input("settings", json!([format!("buf_frames: {}", 100 + i)]), "Utf8", &[]);
            [settings, signal(i, 1)]
        });
        let events = events.chain([IncomingEvent::Stop]).map(|event| (0.0, event)).collect();
        play_at(opened, events, Stopper::default()).0.unwrap();
        let seen = reader.join().unwrap();
        assert_eq!(seen.messages.len() as u64 + seen.lost, 100);
        seen.lost == 0
    });
}

#[test]
fn a_stream_that_is_left_is_closed_beside_the_new_one_while_messages_go_on() {
    try_until_it_holds(|attempt| {
        let [first, second] = ["first", "second"].map(|which| stream_name(&format!("left-{which}-{attempt}")));
        let opened = opened(&first, &[]);
        let reader = reader_of(&first);
        let moves = |name: &str| input("settings", json!([format!("shmem_name: {name}")]), "Utf8", &[]);
        let events = [signal(0, 1), moves(&second), signal(1, 1), IncomingEvent::Stop];
        let (mut seen, mut are_both_open) = (0, false);
        let observe = |event: &Event| {
            if matches!(event, Event::Input { .. }) {
                seen += 1;
                are_both_open |= seen == 3 && [&first, &second].iter().all(|name| segments::header(name).exists());
            }
        };
        let events = events.map(|event| (0.0, event)).into();
        play_observed(opened, events, Stopper::default(), observe).0.unwrap();
        for name in [&first, &second] {
            assert!(segments::of(name).is_empty(), "the process ends only after the streams");
        }
        let is_read = reader.join().unwrap().messages == [counted(0, 1)];
        are_both_open && is_read
    });
}

#[test]
fn a_stream_that_was_left_a_moment_ago_is_written_again() {
    let [first, second] = ["again-first", "again-second"].map(stream_name);
    let moves = |name: &str| input("settings", json!([format!("shmem_name: {name}")]), "Utf8", &[]);
    let events = [signal(0, 1), moves(&second), signal(1, 1), moves(&first), signal(2, 1), IncomingEvent::Stop];
    let (ended, outputs) = play_at(opened(&first, &[]), events.map(|event| (0.0, event)).into(), Stopper::default());
    ended.unwrap();
    assert_eq!(last_status(&outputs)["stream"], json!(first));
    assert!(segments::of(&first).is_empty() && segments::of(&second).is_empty());
}

#[test]
fn a_move_to_a_stream_that_another_writer_is_about_to_close_is_tried_again_while_messages_go_on() {
    let [first, second] = ["moving-first", "moving-second"].map(stream_name);
    let sink = opened(&first, &[]);
    let reader = reader_of(&first);
    let mut other = Some(Writer::create(&second, WriterOptions::default()).unwrap());
    let moves = input("settings", json!([format!("shmem_name: {second}")]), "Utf8", &[]);
    let mut inputs = 0;
    let observe = |event: &Event| {
        inputs += usize::from(matches!(event, Event::Input { .. }));
        other.take_if(|_| inputs == 50);
    };
    let events = std::iter::once(moves).chain((0..200).map(|i| signal(10 * i, 10))).chain([IncomingEvent::Stop]);
    let events = events.enumerate().map(|(i, event)| (0.005 * i as f64, event)).collect();
    let (ended, outputs) = play_observed(sink, events, Stopper::default(), observe);
    ended.unwrap();
    let status = last_status(&outputs);
    assert_eq!((&status["stream"], &status["chunks"]), (&json!(second), &json!(200)));
    let before = reader.join().unwrap().messages;
    assert!(before.len() >= 48, "the stream of before was written for as long: {}", before.len());
}

#[test]
fn messages_do_not_wait_until_readers_unmap_the_ring_of_before() {
    with_private_shm(128, || {
        // Rings of 60 and 80 MB, of which only one has room at a time.
        let events = || {
            let other =
                || input("data", json!(counted(0, 10)), "Float64", &[("sample_rate", Parameter::Float(1000.0))]);
            let messages = (0..60).map(|i| if i < 30 { signal(10 * i, 10) } else { other() });
            let events = messages.chain([IncomingEvent::Stop]).enumerate();
            events.map(|(i, event)| (0.005 * i as f64, event)).collect()
        };
        try_until_it_holds(|attempt| {
            let name = stream_name(&format!("kept-{attempt}"));
            let sink = opened(&name, &[("BUF_FRAMES", "5000000")]);
            let ring = segments::ring(&name, 0);
            // An open file keeps its memory, like the mapping of a reader that was stopped.
            let (mut kept, mut before, mut longest) = (None, Instant::now(), Duration::ZERO);
            let (ended, outputs) = play_observed(sink, events(), Stopper::default(), |_| {
                longest = longest.max(before.elapsed());
                before = Instant::now();
                kept = kept.take().or_else(|| std::fs::File::open(&ring).ok());
            });
            ended.unwrap();
            assert!(kept.is_some());
            assert_eq!(last_status(&outputs)["refused"], json!(30));
            // A busy machine may need any time for one attempt, but a sink that waits always needs half a second.
            longest < Duration::from_millis(500)
        });
    });
}

#[test]
fn gaps_in_the_sources_sequence_are_counted() {
    let name = stream_name("gaps");
    let opened = opened(&name, &[("SAMPLE_RATE", "100")]);
    let numbered = |n: i64| input("data", json!([1.0]), "Float32", &[("sequence", Parameter::Integer(n))]);
    let (ended, outputs) = play(opened, [0, 1, 4, 5, 7].map(numbered).into());
    ended.unwrap();
    assert_eq!(last_status(&outputs)["gaps"], json!(3));
}

#[test]
fn the_stopper_ends_a_sink_that_dora_does_not_stop() {
    let name = stream_name("stopper");
    let opened = opened(&name, &[]);
    let reader = reader_of(&name);
    // dora sends an event without effect every 5 ms, for longer than the reader waits.
    let stopper = Stopper::default();
    let closed = |_| IncomingEvent::InputClosed { id: "data".to_owned().into() };
    let other = std::thread::spawn({
        let stopper = stopper.clone();
        move || stopper.stop()
    });
    let (ended, _) = play_until(opened, (0..10_000).map(closed).collect(), stopper);
    ended.unwrap();
    other.join().unwrap();
    assert!(reader.join().unwrap().messages.is_empty(), "closed without a frame");
}
