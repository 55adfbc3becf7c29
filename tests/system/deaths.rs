//! Processes that are killed while data flows.

use std::time::Duration;

use dora_shm_ring::Liveness;
use dora_shm_tests::dora::{project_graph, run, run_with};
use dora_shm_tests::programs::program;
use dora_shm_tests::reading::SignalReader;
use dora_shm_tests::record::Message;
use dora_shm_tests::stage::Stage;
use dora_shm_tests::until::until;
use rustix::process::Signal;

use crate::graphs::signal_into_sink;

/// Time after which a stream counts as idle: longer than any pause of the source.
const IDLE: Duration = Duration::from_secs(5);

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn an_attached_reader_continues_when_dora_restarts_a_killed_sink() {
    let stage = Stage::new("sink-killed");
    let stream = stage.stream("signal");
    let restart = "    restart_policy: on-failure\n    max_restarts: 3\n    restart_delay: 0.5\n";
    let graph = signal_into_sink(&stream, &["BUF_DUR: 10.0"], restart);
    let mut reader = SignalReader::open(&stream);
    let mut dora = run_with(&stage, "graph", &graph, &["--env", "SIGNAL_DURATION=8s"]);
    reader.more(500);

    let sink = stage.the_process_of(&program("dora-shm-sink"));
    stage.kill(sink, Signal::KILL);
    until("the reader reports the death", || {
        reader.poll();
        (reader.reader.liveness(IDLE).unwrap() == Liveness::Dead).then_some(())
    });
    let restarted = stage.the_process_of(&program("dora-shm-sink"));
    assert_ne!(restarted, sink);
    reader.more(500);
    assert_eq!(reader.reader.liveness(IDLE).unwrap(), Liveness::Live);

    reader.until_closed();
    dora.wait().unwrap();
    // What the source sent while no sink ran was never in the stream. Everything else must arrive and be correct.
    assert_eq!((reader.judge.wrong, reader.reader.lost()), (0, 0));
    assert_eq!(reader.formats.len(), 2, "the new sink begins a generation of the same stream");
}

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn a_killed_reader_disturbs_neither_the_stream_nor_other_readers() {
    let stage = Stage::new("reader-killed");
    let stream = stage.stream("signal");
    let mut reader = SignalReader::open(&stream);
    let start = |name: &str| stage.start(name, stage.command(program("demo-reader")).args(["--stream", &stream]));
    let mut killed: Vec<_> = ["first", "second"].map(start).into();
    let mut dora =
        run_with(&stage, "graph", &signal_into_sink(&stream, &["BUF_DUR: 10.0"], ""), &["--env", "SIGNAL_DURATION=3s"]);
    reader.more(500);
    for process in &mut killed {
        assert!(process.ended().is_none(), "a reader ended too early:\n{}", process.log());
        process.signal(Signal::KILL);
        assert!(!process.wait().unwrap().success());
    }
    let mut late = stage.start("late", stage.command(program("demo-reader")).args(["--stream", &stream]));

    reader.until_closed();
    reader.judge.finish(3000);
    assert!(reader.judge.is_content() && reader.reader.lost() == 0);
    dora.succeed().unwrap();
    late.succeed().unwrap();
    assert!(late.line("demo: 3000 frames").is_some(), "a new reader did not read what the ring still held");
}

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn a_sink_that_gets_sigterm_closes_its_stream_and_ends_cleanly() {
    let stage = Stage::new("sink-terminated");
    let stream = stage.stream("signal");
    let mut reader = SignalReader::open(&stream);
    let mut dora = run(&stage, "graph", &signal_into_sink(&stream, &["BUF_DUR: 10.0"], ""));
    reader.more(200);
    stage.kill(stage.the_process_of(&program("dora-shm-sink")), Signal::TERM);
    reader.until_closed();
    assert!(reader.judge.is_content() && reader.reader.lost() == 0);
    dora.wait_for_line("sink finished successfully").unwrap();
    dora.signal(Signal::INT);
    dora.succeed().unwrap();
}

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn a_mirror_continues_when_its_sink_is_killed_and_when_it_is_killed_itself() {
    let stage = Stage::new("mirror-deaths");
    let stream = stage.stream("signal");
    let record = stage.folder().join("record");
    let restart = "    restart_policy: on-failure\n    max_restarts: 3\n    restart_delay: 0.5\n";
    // dora does not restart a node without an input.
    let mirror = project_graph("mirror.yml", &[("SHMEM_NAME: demo", &format!("SHMEM_NAME: {stream}"))])
        .replace(&program("signal-check").display().to_string(), &program("message-recorder").display().to_string())
        + &format!("    env: {{RECORD: {}}}\n", record.display());
    let received = || Message::read_all(&record).unwrap_or_default().len();
    let more = |what: &str| {
        let wanted = received() + 30;
        until(what, || (received() >= wanted).then_some(()));
    };
    let mut mirror = run(&stage, "mirror", &mirror);
    mirror.wait_for_line(&stream).unwrap();
    let mut signal = run(&stage, "signal", &signal_into_sink(&stream, &["BUF_DUR: 10.0"], restart));
    more("messages of the first sink arrive");

    let (sink, mirror_node) = (program("dora-shm-sink"), program("dora-shm-mirror"));
    let first = (stage.the_process_of(&sink), stage.the_process_of(&mirror_node));
    stage.kill(first.0, Signal::KILL);
    until("another sink runs", || (stage.processes_of(&sink).iter().any(|&pid| pid != first.0)).then_some(()));
    more("messages of the second sink arrive");
    assert_eq!(stage.the_process_of(&mirror_node), first.1, "the mirror is the same process");

    stage.kill(first.1, Signal::KILL);
    until("another mirror runs", || (stage.processes_of(&mirror_node).iter().any(|&pid| pid != first.1)).then_some(()));
    more("messages of the second mirror arrive");

    for graph in [&mut signal, &mut mirror] {
        graph.signal(Signal::INT);
        graph.wait().unwrap();
    }
    // Between the deaths no message is missing, and each is whole.
    let messages = Message::read_all(&record).expect("a whole record");
    assert!(messages.iter().all(|message| !message.parameters.contains_key("lost")), "frames were lost");
}
