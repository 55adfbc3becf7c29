//! The times that a source states, in a stream of the sink.

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use dora_node_api::Parameter;
use dora_node_api::integration_testing::integration_testing_format::IncomingEvent;
use dora_shm_node_kit::events::Stopper;
use dora_shm_ring::{Clock, Message, MessageReader, Outcome, ReaderOptions};
use dora_shm_testkit::{PATIENCE, segments};
use serde_json::json;

use super::{counted, input, last_status, opened, play, play_observed, stream_name};

/// The clock of a generation, and the times of each of its messages.
type Times = Vec<(Clock, Vec<Vec<f64>>)>;

/// Reads the stream `name` from its first frame until it is closed.
fn times_of(name: &str) -> JoinHandle<Times> {
    let mut reader = MessageReader::open(name, ReaderOptions::default()).unwrap();
    std::thread::spawn(move || {
        let (mut seen, mut message, end): (Times, _, _) = (Vec::new(), Message::new(), Instant::now() + PATIENCE);
        let mut generation = None;
        loop {
            assert!(Instant::now() < end, "the stream was not closed: {seen:?}");
            match reader.next(&mut message).unwrap() {
                Outcome::Data(_) => {
                    if generation != reader.generation() {
                        generation = reader.generation();
                        seen.push((reader.clock().unwrap().clock, Vec::new()));
                    }
                    seen.last_mut().unwrap().1.push(message.times().to_vec());
                }
                Outcome::Nothing => drop(reader.wait(Duration::from_millis(200)).unwrap()),
                Outcome::Generation => {}
                Outcome::Closed => return seen,
            }
        }
    })
}

/// Reads the stream `name` until it is closed: when each message was sent, and the times of its frames.
fn sent_and_times_of(name: &str) -> JoinHandle<Vec<(f64, Vec<f64>)>> {
    let mut reader = MessageReader::open(name, ReaderOptions::default()).unwrap();
    std::thread::spawn(move || {
        let (mut seen, mut message, end) = (Vec::new(), Message::new(), Instant::now() + PATIENCE);
        loop {
            assert!(Instant::now() < end, "the stream was not closed: {seen:?}");
            match reader.next(&mut message).unwrap() {
                Outcome::Data(info) => seen.push((info.send_ns as f64 * 1e-9, message.times().to_vec())),
                Outcome::Nothing => drop(reader.wait(Duration::from_millis(200)).unwrap()),
                Outcome::Generation => {}
                Outcome::Closed => return seen,
            }
        }
    })
}

/// A message of two frames at 4 Hz.
fn signal(extra: &[(&str, Parameter)]) -> IncomingEvent {
    let rate = [("sample_rate", Parameter::Float(4.0))];
    input("data", json!(counted(0, 2)), "Float32", &[&rate, extra].concat())
}

fn stamped(ns: i64) -> IncomingEvent {
    signal(&[("stamp", Parameter::Integer(ns))])
}

fn document(yaml: &str) -> IncomingEvent {
    input("settings", json!([yaml]), "Utf8", &[])
}

#[test]
fn times_of_a_parameter_are_stored_as_given_and_a_message_without_follows() {
    let name = stream_name("times-parameter");
    let sink = opened(&name, &[("TIME", "stamp"), ("CLOCK", "unix")]);
    let reader = times_of(&name);
    let (ended, outputs) = play(sink, vec![signal(&[]), stamped(8_000_000_000), signal(&[]), stamped(20_000_000_000)]);
    ended.unwrap();
    let expected = vec![vec![8.0, 8.25], vec![8.5, 8.75], vec![20.0, 20.25]];
    assert_eq!(reader.join().unwrap(), [(Clock::Unix, expected)]);
    assert_eq!(last_status(&outputs)["refused"], json!(1), "nothing was before the first message");
}

#[test]
fn messages_that_come_all_at_once_get_times_that_rise_by_the_rate_from_a_block_that_ends_when_it_was_sent() {
    let name = stream_name("times-rate");
    let sink = opened(&name, &[]);
    let reader = sent_and_times_of(&name);
    let (ended, _) = play(sink, (0..20).map(|_| signal(&[])).collect());
    ended.unwrap();
    let messages = reader.join().unwrap();
    assert_eq!(messages.len(), 20);
    let (sent, first) = &messages[0];
    assert!((first[1] - sent).abs() < 0.1, "sent at {sent}: {first:?}");
    let times: Vec<f64> = messages.iter().flat_map(|(_, times)| times).copied().collect();
    for pair in times.windows(2) {
        // Within 5 % of a quarter of a second, but for the rounding of Unix times to 0.24 us.
        let off = (pair[1] - pair[0] - 0.25).abs();
        assert!(off <= 0.0125 + 0.5e-6, "a step that is {off} s off in {times:?}");
    }
}

#[test]
fn frames_without_a_rate_are_spread_over_the_time_since_the_last_message_and_end_when_it_was_sent() {
    let name = stream_name("times-no-rate");
    let sink = opened(&name, &[("BUF_FRAMES", "100"), ("FRAMES", "rows")]);
    let reader = sent_and_times_of(&name);
    let messages = (0..20).map(|_| input("data", json!(counted(0, 4)), "Float32", &[]));
    let (ended, _) = play(sink, messages.collect());
    ended.unwrap();
    let messages = reader.join().unwrap();
    assert_eq!(messages.len(), 20);
    for (sent, times) in &messages {
        assert!(times.len() == 4 && (times[3] - sent).abs() < 0.1, "sent at {sent}: {times:?}");
    }
    for pair in messages.windows(2) {
        let (before, times) = (pair[0].1[3], &pair[1].1);
        assert!(before < times[0] && times.is_sorted_by(|a, b| a < b), "{times:?} after {before}");
    }
}

#[test]
fn a_changed_setting_of_the_times_begins_a_generation() {
    let name = stream_name("times-settings");
    let sink = opened(&name, &[("TIME", "stamp")]);
    let reader = times_of(&name);
    let stamp = || stamped(8_000_000);
    let events = vec![
        stamp(),
        document("clock: unix"),
        stamp(),
        document("time_unit: ms"),
        stamp(),
        document("time_of: last"),
        stamp(),
        document("{time_unit: null, time_of: null, clock: null}"),
        stamp(),
    ];
    play(sink, events).0.unwrap();
    let expected = [
        (Clock::Source, vec![vec![0.008, 0.258]]),
        (Clock::Unix, vec![vec![0.008, 0.258]]),
        (Clock::Unix, vec![vec![8000.0, 8000.25]]),
        (Clock::Unix, vec![vec![7999.75, 8000.0]]),
        (Clock::Source, vec![vec![0.008, 0.258]]),
    ];
    assert_eq!(reader.join().unwrap(), expected);
}

#[test]
fn a_clock_that_the_source_changes_begins_a_generation() {
    let name = stream_name("times-clock");
    let sink = opened(&name, &[]);
    let reader = times_of(&name);
    let sent = |offset: f64, clock: &str| {
        signal(&[("axis_offset", Parameter::Float(offset)), ("clock", Parameter::String(clock.to_owned()))])
    };
    play(sink, vec![sent(1.0, "unix"), sent(1.5, "unix"), sent(7.0, "source")]).0.unwrap();
    let expected = [(Clock::Unix, vec![vec![1.0, 1.25], vec![1.5, 1.75]]), (Clock::Source, vec![vec![7.0, 7.25]])];
    assert_eq!(reader.join().unwrap(), expected);
}

#[test]
fn times_that_the_sink_makes_are_on_unix_or_on_the_monotonic_clock() {
    for (settings, expected) in
        [(&[][..], Clock::Unix), (&[("CLOCK", "source")], Clock::Unix), (&[("CLOCK", "monotonic")], Clock::Monotonic)]
    {
        let name = stream_name(&format!("times-made-{}", settings.len() + usize::from(expected == Clock::Monotonic)));
        let sink = opened(&name, settings);
        let reader = times_of(&name);
        play(sink, vec![signal(&[])]).0.unwrap();
        let seen = reader.join().unwrap();
        let [(clock, messages)] = &seen[..] else { panic!("{seen:?}") };
        assert_eq!((*clock, messages.len()), (expected, 1));
        assert_eq!(messages[0][1] - messages[0][0], 0.25);
    }
}

#[test]
fn times_go_on_when_the_ring_was_removed_by_hand_and_its_writer_begins_another() {
    let name = stream_name("times-removed");
    let sink = opened(&name, &[]);
    let reader = times_of(&name);
    let ring = segments::ring(&name, 0);
    let mut is_removed = false;
    // For longer than the writer needs to notice.
    let events = (0..400).map(|_| signal(&[])).chain([IncomingEvent::Stop]).enumerate();
    let events = events.map(|(i, event)| (0.005 * i as f64, event)).collect();
    let (ended, outputs) = play_observed(sink, events, Stopper::default(), |_| {
        if !is_removed && ring.exists() {
            [segments::anchor(&ring), ring.clone()].iter().for_each(|path| std::fs::remove_file(path).unwrap());
            is_removed = true;
        }
    });
    ended.unwrap();
    assert_eq!(last_status(&outputs)["generation"], json!(1));
    let seen = reader.join().unwrap();
    assert_eq!(seen.iter().map(|(clock, _)| *clock).collect::<Vec<_>>(), [Clock::Unix; 2]);
    let times: Vec<f64> = seen.iter().flat_map(|(_, messages)| messages.iter().flatten()).copied().collect();
    assert_eq!(times.len(), 800);
    for pair in times.windows(2) {
        // Within 5 % of a quarter of a second, but for the rounding of Unix times to 0.24 us.
        assert!((pair[1] - pair[0] - 0.25).abs() <= 0.0125 + 0.5e-6, "{pair:?}");
    }
}
