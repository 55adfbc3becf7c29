//! Nodes that cannot work in a graph that runs on.

use std::path::{Path, PathBuf};

use arrow::array::{Array as _, AsArray as _};
use dora_shm_ring::{Writer, WriterOptions};
use dora_shm_testkit::logged::LoggedProcess;
use dora_shm_testkit::segments::Obstacle;
use dora_shm_tests::dora::{engine, run};
use dora_shm_tests::programs::program;
use dora_shm_tests::reading::{message_reader, messages, messages_until_closed};
use dora_shm_tests::record::Message;
use dora_shm_tests::script;
use dora_shm_tests::stage::Stage;
use dora_shm_tests::until::until;
use rustix::process::Signal;

use crate::graphs::script_into_sink;

const POLICIES: [&str; 3] = ["never", "on-failure", "always"];

/// A part of the line that a node logs when it has failed.
const FAILED: &str = "takes and drops its messages";

/// A script's messages into a sink, and into a controller that records them: the node that must not suffer. `keys` are
/// further lines of the sink.
struct Robot {
    dora: LoggedProcess,
    controller: PathBuf,
    script: &'static str,
}

impl Robot {
    fn start(stage: &Stage, name: &str, script: &'static str, stream: &str, settings: &[&str], keys: &str) -> Self {
        let controller = stage.folder().join(format!("{name}-controller"));
        let graph = script_into_sink(script, "10ms", false, stream, settings) + keys + &controller_of(&controller);
        Self { dora: run(stage, name, &graph), controller, script }
    }

    /// Checks that the controller has every message, and that the sink reported its failure once and was not restarted.
    fn check(&self) {
        let sent = script::messages(self.script).unwrap().len();
        assert_eq!(recorded(&self.controller).len(), sent, "messages in the controller:\n{}", self.dora.log());
        let log = self.dora.log();
        assert_eq!(log.matches(FAILED).count(), 1, "lines about the failure:\n{log}");
        assert_eq!(log.matches("sink: daemon node is ready").count(), 1, "starts of the sink:\n{log}");
    }
}

fn controller_of(record: &Path) -> String {
    format!(
        "  - {{id: controller, path: {}, inputs: {{data: {{source: source/data, queue_size: 5000}}}}, env: {{RECORD: \
         {}}}}}\n",
        program("message-recorder").display(),
        record.display()
    )
}

fn recorded(folder: &Path) -> Vec<Message> {
    Message::read_all(folder).expect("a record")
}

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn with_every_restart_policy_a_graph_runs_to_its_end_beside_a_sink_with_wrong_settings_which_fails_there() {
    let stage = Stage::new("failed-settings");
    let stream = stage.stream("signal");
    let statuses = stage.folder().join("statuses");
    let observer = format!(
        "  - {{id: observer, path: {}, inputs: {{data: {{source: sink/status, queue_size: 100}}}}, env: {{RECORD: {}}}}}\n",
        program("message-recorder").display(),
        statuses.display()
    );
    let graphs = POLICIES.map(|policy| {
        // One of the sinks reports to another node.
        let observer = if policy == "never" { &*observer } else { "" };
        let output = if policy == "never" { "    outputs: [status]\n" } else { "" };
        let keys = format!("    restart_policy: {policy}\n{output}{observer}");
        Robot::start(&stage, policy, "steady", &stream, &["BUFDUR: 2"], &keys)
    });
    for mut robot in graphs {
        assert!(!robot.dora.wait().unwrap().success(), "the failure cannot be seen at the end");
        robot.check();
        let reason = robot.dora.line("has not recovered").unwrap_or_else(|| panic!("{}", robot.dora.log()));
        assert!(reason.contains("BUFDUR") && reason.contains("BUF_DUR"), "{reason}");
    }
    let last = recorded(&statuses).pop().expect("a status").data;
    let text = |column| last.as_struct().column_by_name(column).unwrap().as_string::<i32>().value(0).to_owned();
    assert_eq!((last.len(), text("state").as_str(), text("stream")), (1, "failed", stream));
    assert!(text("error").contains("BUFDUR"), "{}", text("error"));
}

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn wrong_arguments_of_a_node_do_not_fail_its_graph_before_the_end() {
    let stage = Stage::new("failed-arguments");
    let stream = stage.stream("signal");
    let mut robot = Robot::start(&stage, "graph", "short", &stream, &[], "    args: --verbose\n");
    assert!(!robot.dora.wait().unwrap().success());
    robot.check();
    assert!(robot.dora.line("unknown argument \"--verbose\"").is_some(), "{}", robot.dora.log());
}

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn with_every_restart_policy_a_sink_writes_once_a_live_writer_has_freed_its_name() {
    let stage = Stage::new("failed-taken");
    recovers_with_every_policy(
        &stage,
        "live writer",
        |stream| Writer::create(stream, WriterOptions::default()).unwrap(),
        |_, writer| writer.close(),
    );
}

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn with_every_restart_policy_a_sink_writes_once_its_header_can_be_made() {
    let stage = Stage::new("failed-header");
    recovers_with_every_policy(&stage, "taken by something else", Obstacle::to_header_of, |_, obstacle| drop(obstacle));
}

/// Starts a sink that fails with `reason` because of what `obstruct` does to its stream, and that recovers after `free`.
fn recovers_with_every_policy<T>(stage: &Stage, reason: &str, obstruct: impl Fn(&str) -> T, free: impl Fn(&str, T)) {
    let graphs = POLICIES.map(|policy| {
        let stream = stage.stream(policy);
        let obstacle = obstruct(&stream);
        let keys = format!("    restart_policy: {policy}\n");
        (Robot::start(stage, policy, "numbers", &stream, &["BUF_FRAMES: 2000"], &keys), stream, obstacle)
    });
    let freed = graphs.map(|(mut robot, stream, obstacle)| {
        robot.dora.wait_for_line(reason).unwrap();
        free(&stream, obstacle);
        (robot, message_reader(&stream))
    });
    let recovered = freed.map(|(robot, mut reader)| {
        messages(&mut reader, 1);
        (robot, reader)
    });
    for (mut robot, mut reader) in recovered {
        messages_until_closed(&mut reader);
        robot.dora.succeed().unwrap();
        robot.check();
    }
}

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn with_every_restart_policy_a_mirror_without_a_name_works_once_a_param_names_its_stream() {
    let stage = Stage::new("failed-mirror");
    let (stream, engine) = (stage.stream("signal"), engine(&stage));
    let graph = |policy: &str, record: &Path| {
        format!(
            "nodes:
  - id: mirror
    path: {}
    inputs: {{tick: {{source: dora/timer/secs/1, queue_size: 1}}}}
    outputs: [data]
    restart_policy: {policy}
    env: {{SHMEM_NAM: {stream}, START: oldest}}
  - {{id: recorder, path: {}, inputs: {{data: {{source: mirror/data, queue_size: 5000}}}}, env: {{RECORD: {}}}}}
",
            program("dora-shm-mirror").display(),
            program("message-recorder").display(),
            record.display()
        )
    };
    let mut source = run(&stage, "source", &script_into_sink("steady", "2ms", true, &stream, &["BUF_FRAMES: 10000"]));
    source.wait_for_line("sent all").unwrap();
    for policy in POLICIES {
        let record = stage.folder().join(policy);
        let id = engine.start_graph(policy, &graph(policy, &record), &[]).unwrap();
        let log = || engine.log(&id, "mirror").unwrap();
        until("the mirror reports that it has failed", || log().contains(FAILED).then_some(()));
        let name = format!("\"{stream}\"");
        engine.must(&["param", "set", "--dataflow", &id, "mirror", "shmem_name", &name]).unwrap();
        let sent = script::messages("steady").unwrap().len();
        until("the messages arrive", || (recorded(&record).len() == sent).then_some(()));
        engine.stop(&id).unwrap();
        assert_eq!(engine.end_of_graph(&id).unwrap(), "Finished", "{}", log());
    }

    let id = engine.start_graph("uncorrected", &graph("always", &stage.folder().join("uncorrected")), &[]).unwrap();
    until("the mirror reports that it has failed", || {
        engine.log(&id, "mirror").unwrap().contains(FAILED).then_some(())
    });
    let error = engine.stop(&id).unwrap_err();
    assert!(error.contains("has not recovered"), "a failure that lasted must be seen at the end: {error}");
    assert_eq!(engine.end_of_graph(&id).unwrap(), "Failed");
    source.signal(Signal::INT);
    source.succeed().unwrap();
}
