//! A shared memory that is too small, as in containers.

use dora_shm_testkit::logged::LoggedProcess;
use dora_shm_tests::programs::dora;
use dora_shm_tests::stage::Stage;

use crate::graphs::{script_into_sink, signal_into_sink};

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn a_ring_larger_than_shared_memory_is_a_clear_error_and_not_a_crash() {
    let stage = Stage::new("small-memory");
    let stream = stage.stream("signal");
    // 64 channels of f32 at 1 kHz for 1000 s: 256 MB of samples and 8 MB of times. 64 MB are docker's default.
    let graph = signal_into_sink(&stream, &["BUF_DUR: 1000.0"], "");
    let mut graph = run_in(&stage, "64m", &graph, "exec \"$0\" run --env SIGNAL_DURATION=1s \"$1\"");
    let error = graph.wait_for_line("no room in shared memory").unwrap();
    assert!(error.contains("bytes needed") && error.contains("free in /dev/shm"), "{error}");
    graph.succeed().unwrap();
    assert!(!graph.log().contains("SIGBUS"), "{}", graph.log());
}

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn a_stream_without_room_because_a_reader_holds_the_old_ring_goes_on_when_the_reader_lets_go() {
    let stage = Stage::new("held-memory");
    let stream = stage.stream("two-types");
    // Rings of 48 MB and then of 80 MB, and some MB for the chunk records and for dora: only one ring at a time fits.
    let graph = script_into_sink("two-types", "10ms", false, &stream, &["BUF_FRAMES: 2000000"]);
    // An open file keeps its memory, like the mapping of a reader that was stopped.
    let script = "
        ring() { find /dev/shm -name 'sm_*' -size +1M ! -name '*.anchor'; }
        \"$0\" run \"$1\" > run.log 2>&1 & run=$!
        until [ -n \"$(ring)\" ]; do sleep 0.01; kill -0 $run || exit 1; done
        exec 3< \"$(ring)\"
        until grep -q 'no room in shared memory' run.log; do sleep 0.01; kill -0 $run || exit 1; done
        exec 3<&-
        wait $run; ended=$?; cat run.log; exit $ended";
    let mut graph = run_in(&stage, "128m", &graph, script);
    graph.succeed().unwrap();
    let log = graph.log();
    let last = log.lines().rfind(|line| line.contains("end stream=")).expect("a line with the totals");
    let counter = |name: &str| -> u64 {
        let word = last.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        word.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name} in {last}"))
    };
    let sent = dora_shm_tests::script::messages("two-types").unwrap().len() as u64;
    assert_eq!(counter("chunks") + counter("refused"), sent, "{last}");
    assert!(counter("refused") > 0, "no message was refused while the reader held the old ring: {last}");
    assert!(counter("chunks") > sent / 2, "the stream did not continue: {last}");
}

/// Runs `script` in a shell with a private /dev/shm of `size`. `$0` is the dora command line, `$1` the graph.
fn run_in(stage: &Stage, size: &str, graph: &str, script: &str) -> LoggedProcess {
    let path = stage.file("graph.yml", graph);
    let script = format!("mount -t tmpfs -o size={size} tmpfs /dev/shm\n{script}");
    let mut command = stage.command("unshare");
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    stage.start("graph", command.args(["--mount", "sh", "-e", "-c", &script]).arg(dora()).arg(path))
}
