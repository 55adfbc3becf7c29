//! A graph over two machines: two daemons with different names.

use dora_shm_tests::dora::{Engine, project_graph};
use dora_shm_tests::stage::Stage;

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn dora_carries_the_mirrors_output_to_another_machine_whole() {
    let stage = Stage::new("machines");
    let stream = stage.stream("signal");
    let engine = Engine::start_machines(&stage, &[Some("A"), Some("B")]);
    let graph = project_graph("two-machines.yml", &[("SHMEM_NAME: two-machines", &format!("SHMEM_NAME: {stream}"))]);
    let carried = engine.start_graph("carried", &graph, &["--env", "SIGNAL_DURATION=3s"]);
    // The mirror's tick would keep the graph alive, but it ends with the stream.
    assert_eq!(engine.end_of_graph(&carried), "Finished", "{}", engine.log(&carried, "check"));
    let log = engine.log(&carried, "check");
    assert!(log.contains("300 messages, 3000 frames, 0 missing, 0 wrong"), "{log}");
}
