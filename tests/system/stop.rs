//! An orderly end while messages are still queued.

use dora_shm_ring::Dtype;
use dora_shm_tests::dora::run;
use dora_shm_tests::programs::program;
use dora_shm_tests::reading::{message_reader, messages, messages_until_closed};
use dora_shm_tests::script;
use dora_shm_tests::stage::Stage;
use dora_shm_tests::until::until;
use rustix::process::Signal;

use crate::graphs::script_into_sink;

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn messages_that_wait_in_the_sinks_queue_at_stop_are_in_the_stream_when_it_closes() {
    let stage = Stage::new("stop-full");
    let stream = stage.stream("numbers");
    let mut reader = message_reader(&stream);
    let record = stage.folder().join("record");
    let witness = format!(
        "  - {{id: witness, path: {}, inputs: {{data: {{source: source/data, queue_size: 5000, queue_policy: \
         backpressure}}}}, env: {{RECORD: {}}}}}\n",
        program("message-recorder").display(),
        record.display()
    );
    let graph = script_into_sink("numbers", "1ms", true, &stream, &["BUF_FRAMES: 4000"]) + &witness;
    let mut dora = run(&stage, "graph", &graph);
    let mut received = messages(&mut reader, 10);

    // While the sink is stopped, the source continues to send, so the sink's queue fills.
    let sink = stage.the_process_of(&program("dora-shm-sink"));
    stage.kill(sink, Signal::STOP);
    // dora passes a message to both consumers in one step, so the sink's queue contains what the witness has received.
    let sent = script::messages("numbers").unwrap().len();
    let last = record.join(format!("{:06}.json", sent - 1));
    until("the last message arrives at the other consumer", || last.exists().then_some(()));
    dora.signal(Signal::INT);
    dora.wait_for_line("stopping all dataflows").unwrap();
    stage.kill(sink, Signal::CONT);

    received.extend(messages_until_closed(&mut reader));
    let values: Vec<i64> = received
        .iter()
        .map(|message| {
            assert_eq!(message.format.dtype(), Dtype::I64);
            i64::from_le_bytes(message.samples[..].try_into().expect("one number a message"))
        })
        .collect();
    let expected = (0..).zip(&values).find(|(expected, value)| expected != *value);
    assert_eq!((values.len(), expected), (sent, None), "number of messages, and the first wrong one");
    dora.succeed().unwrap();
}
