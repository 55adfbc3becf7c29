//! The demo's graph with a reader outside it.

use dora_shm_tests::dora::{project_graph, run_with};
use dora_shm_tests::programs::program;
use dora_shm_tests::stage::Stage;

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn a_process_outside_the_graph_reads_every_sample_of_the_demo() {
    let stage = Stage::new("demo");
    let stream = stage.stream("signal");
    let graph = project_graph("demo.yml", &[("SHMEM_NAME: demo", &format!("SHMEM_NAME: {stream}"))]);
    let mut reader =
        stage.start("reader", stage.command(program("demo-reader")).args(["--stream", &stream, "--duration", "3s"]));
    run_with(&stage, "graph", &graph, &["--env", "SIGNAL_DURATION=3s"]).succeed().unwrap();
    reader.succeed().unwrap();
    let line = reader.line("demo: ").expect("the demo's line");
    assert!(line.starts_with("demo: 3000 frames x 64 float32 read outside the graph, 0 lost, latency p50 "), "{line}");
}
