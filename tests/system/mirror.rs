//! Two graphs joined by the mirror.

use dora_node_api::{MetadataParameters, Parameter};
use dora_shm_tests::dora::{complete, project_graph, run, run_with};
use dora_shm_tests::record::{Message, receipt};
use dora_shm_tests::script;
use dora_shm_tests::stage::Stage;
use dora_shm_tests::until::until;
use rustix::process::Signal;

use crate::graphs::{mirror_into_recorder, script_in_step_into_sink, script_into_sink};

/// Parameters that change with every message. They are not part of a stream's description, so a mirror cannot send
/// them.
const PER_MESSAGE: [&str; 1] = ["sequence"];

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn every_message_of_every_arrow_type_comes_out_of_the_mirror_as_it_went_in() {
    let received = through_the_mirror("mirror-types", "types", &["BUF_FRAMES: 1000"]);
    compare(&script::messages("types").unwrap(), &received);
}

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn empty_messages_come_out_of_the_mirror_empty_and_in_their_place() {
    let received = through_the_mirror("mirror-empties", "empties", &["BUF_FRAMES: 1000"]);
    compare(&script::messages("empties").unwrap(), &received);
}

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn messages_that_wrap_around_the_rings_end_come_out_of_the_mirror_as_they_went_in() {
    // In a ring of 24 frames, several of 15 messages of 10 frames wrap.
    let received = through_the_mirror("mirror-wraps", "short", &["BUF_FRAMES: 24"]);
    compare(&script::messages("short").unwrap(), &received);
}

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn parameters_that_change_while_the_rate_is_measured_come_out_of_the_mirror_with_their_messages() {
    let stage = Stage::new("mirror-parameters");
    let stream = stage.stream("messages");
    let record = stage.folder().join("record");
    let mut mirror = run(&stage, "mirror", &mirror_into_recorder(&stream, &["ON_CLOSE: stop"], &record));
    mirror.wait_for_line(&stream).unwrap();
    // The sink holds the first messages back, and writes them all at once when it has measured their rate.
    let mut source = run(&stage, "source", &script_into_sink("parameters", "20ms", true, &stream, &["BUF_DUR: 2.0"]));
    let sent = script::messages("parameters").unwrap();
    until("the last message arrives", || receipt(&record, sent.len() - 1).exists().then_some(()));
    source.signal(Signal::INT);
    source.succeed().unwrap();
    mirror.succeed().unwrap();
    compare(&sent, &Message::read_all(&record).expect("a whole record"));
}

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn the_demos_signal_comes_through_the_mirrors_graph_whole() {
    let stage = Stage::new("mirror-demo");
    let stream = stage.stream("signal");
    let renamed = format!("SHMEM_NAME: {stream}");
    let mirror_graph = project_graph("mirror.yml", &[("SHMEM_NAME: demo", &renamed)]);
    // By default the graph waits for the next writer. Here it must end.
    let mut mirror = run_with(&stage, "mirror", &mirror_graph, &["--env", "DORA_SHM_ON_CLOSE=stop"]);
    mirror.wait_for_line(&stream).unwrap();
    let demo_graph = project_graph("demo.yml", &[("SHMEM_NAME: demo", &renamed)]);
    run_with(&stage, "demo", &complete(&demo_graph), &["--env", "SIGNAL_DURATION=2s"]).succeed().unwrap();
    let line = mirror.wait_for_line("signal-check: 200 messages").unwrap();
    assert!(line.contains("2000 frames, 0 missing, 0 wrong"), "{line}");
    mirror.succeed().unwrap();
}

/// Runs `script` in one graph, into a sink with `settings`, and the mirror in another graph. Returns the messages that
/// the mirror's graph received.
fn through_the_mirror(test: &str, script: &str, settings: &[&str]) -> Vec<Message> {
    let stage = Stage::new(test);
    let stream = stage.stream("messages");
    let record = stage.folder().join("record");
    let mut mirror = run(&stage, "mirror", &mirror_into_recorder(&stream, &["ON_CLOSE: stop"], &record));
    // The mirror waits for the stream, so it starts with the first message.
    mirror.wait_for_line(&stream).unwrap();
    run(&stage, "source", &script_in_step_into_sink(script, &record, &stream, settings)).succeed().unwrap();
    mirror.succeed().unwrap();
    Message::read_all(&record).expect("a whole record")
}

fn compare(sent: &[Message], received: &[Message]) {
    for (index, (sent, received)) in sent.iter().zip(received).enumerate() {
        assert_eq!(received.data.data_type(), sent.data.data_type(), "type of message {index}");
        assert_eq!(&received.data, &sent.data, "message {index}");
        for (key, value) in sent.parameters.iter().filter(|(key, _)| !PER_MESSAGE.contains(&key.as_str())) {
            assert_eq!(received.parameters.get(key), Some(value), "parameter {key} of message {index}");
        }
        assert!(
            matches!(received.parameters.get("source_timestamp"), Some(Parameter::Timestamp(_))),
            "message {index} has no parameter source_timestamp: {:?}",
            received.parameters
        );
        assert_eq!(lost(&received.parameters), 0, "frames lost before message {index}");
    }
    assert_eq!(received.len(), sent.len(), "number of messages");
}

fn lost(parameters: &MetadataParameters) -> i64 {
    match parameters.get("lost") {
        Some(Parameter::Integer(lost)) => *lost,
        None => 0,
        other => panic!("parameter lost: {other:?}"),
    }
}
