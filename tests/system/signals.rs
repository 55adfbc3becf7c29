//! Signals, which end a node cleanly at any time.

use dora_shm_testkit::segments;
use dora_shm_tests::dora::{engine, run};
use dora_shm_tests::programs::program;
use dora_shm_tests::reading::SignalReader;
use dora_shm_tests::stage::Stage;
use dora_shm_tests::until::until;
use rustix::process::{Pid, Signal};

use crate::graphs::signal_into_sink;

/// The signals that end a node. A hangup only if those that run these tests do not ignore it, as `nohup` does: the nodes
/// would inherit that.
fn signals() -> Vec<Signal> {
    let hangup = (!is_hangup_ignored()).then_some(Signal::HUP);
    [Signal::TERM, Signal::INT].into_iter().chain(hangup).collect()
}

fn is_hangup_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).expect("a mask of ignored signals");
    u64::from_str_radix(mask.trim(), 16).unwrap() & 1 == 1
}

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn each_signal_closes_the_stream_while_the_sink_waits_for_the_other_nodes() {
    let stage = Stage::new("signal-waiting");
    for (number, signal) in signals().into_iter().enumerate() {
        let stream = stage.stream(&format!("signal-{number}"));
        // dora waits for this node, which never joins.
        let never = stage.file("never.sh", "#!/bin/sh\nexec sleep 600\n");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&never, mode).unwrap();
        let graph = signal_into_sink(&stream, &[], "") + &format!("  - {{id: never, path: {}}}\n", never.display());
        let mut dora = run(&stage, &format!("graph-{number}"), &graph);
        let header = segments::header(&stream);
        until("the stream exists before the graph begins", || header.exists().then_some(()));
        stage.kill(stage.the_process_of(&program("dora-shm-sink")), signal);
        until("the stream is removed", || segments::of(&stream).is_empty().then_some(()));
        dora.kill();
    }
}

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn each_signal_ends_a_node_that_has_failed() {
    let stage = Stage::new("signal-failed");
    for (number, signal) in signals().into_iter().enumerate() {
        let graph = signal_into_sink(&stage.stream("signal"), &["BUFDUR: 2"], "");
        let mut dora = run(&stage, &format!("graph-{number}"), &graph);
        dora.wait_for_line("takes and drops its messages").unwrap();
        stage.kill(stage.the_process_of(&program("dora-shm-sink")), signal);
        dora.wait_for_line("has not recovered").unwrap();
        dora.signal(Signal::INT);
        assert!(!dora.wait().unwrap().success());
    }
}

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn a_hangup_closes_the_stream_unless_it_was_ignored_from_the_start() {
    let stage = Stage::new("signal-hangup");
    let (stream, engine) = (stage.stream("signal"), engine(&stage));
    let graph = signal_into_sink(&stream, &["BUF_DUR: 10.0"], "")
        .replace(&format!("path: {}", program("dora-shm-sink").display()), "path: dynamic");
    let id = engine.start_graph("signal", &graph, &[]).unwrap();
    let sink = engine.dynamic_node(&program("dora-shm-sink"), "sink");

    let mut under_nohup = stage.command("sh");
    under_nohup.args(["-c", "trap '' HUP; exec \"$0\" \"$@\""]).arg(sink.get_program()).args(sink.get_args());
    under_nohup.envs(sink.get_envs().filter_map(|(key, value)| Some((key, value?))));
    let mut under_nohup = stage.start("nohup", &mut under_nohup);
    let mut reader = SignalReader::join(&stream);
    reader.more(100);
    let pid = Pid::from_raw(under_nohup.id() as i32).unwrap();
    stage.kill(pid, Signal::HUP);
    reader.more(500);
    assert!(under_nohup.ended().is_none(), "an ignored signal ended the sink:\n{}", under_nohup.log());
    stage.kill(pid, Signal::TERM);
    under_nohup.succeed().unwrap();
    reader.until_closed();

    if is_hangup_ignored() {
        engine.stop(&id).unwrap();
        return;
    }
    let mut plain = stage.start("plain", &mut engine.dynamic_node(&program("dora-shm-sink"), "sink"));
    let mut reader = SignalReader::join(&stream);
    reader.more(100);
    stage.kill(Pid::from_raw(plain.id() as i32).unwrap(), Signal::HUP);
    plain.succeed().unwrap();
    reader.until_closed();
    engine.stop(&id).unwrap();
    engine.end_of_graph(&id).unwrap();
}
