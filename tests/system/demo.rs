//! The demo's graph with a reader outside it.

use dora_shm_tests::dora::{project_graph, run_with};
use dora_shm_tests::programs::program;
use dora_shm_tests::stage::Stage;

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn a_process_outside_the_graph_reads_the_demo_right_and_counts_every_missing_frame() {
    let stage = Stage::new("demo");
    let stream = stage.stream("signal");
    let graph = project_graph("demo.yml", &[("SHMEM_NAME: demo", &format!("SHMEM_NAME: {stream}"))]);
    let mut reader =
        stage.start("reader", stage.command(program("demo-reader")).args(["--stream", &stream, "--duration", "3s"]));
    run_with(&stage, "graph", &graph, &["--env", "SIGNAL_DURATION=3s"]).succeed().unwrap();
    reader.succeed().unwrap();
    let line = reader.line("demo: ").expect("the demo's line");
    let number = |before: &str| {
        let rest = line.split_once(before).expect("a number in the demo's line").1;
        rest.split(' ').next().and_then(|word| word.parse::<u64>().ok()).expect("a number")
    };
    // dora's default policy may drop messages on a busy machine. Each is counted.
    assert_eq!(number("demo: ") + number("read outside the graph, "), 3000, "{line}");
    assert!(
        line.contains(" frames x 64 float32 read outside the graph, ") && line.contains(", latency p50 "),
        "{line}"
    );
}
