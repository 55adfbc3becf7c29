//! A graph over two machines: two daemons with different names.

use dora_shm_tests::dora::{complete, engine_of, project_graph};
use dora_shm_tests::stage::Stage;

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn dora_carries_the_mirrors_output_to_another_machine_whole() {
    let stage = Stage::new("machines");
    let stream = stage.stream("signal");
    let engine = engine_of(&stage, &[Some("A"), Some("B")]);
    let graph = project_graph("two-machines.yml", &[("SHMEM_NAME: two-machines", &format!("SHMEM_NAME: {stream}"))]);
    let carried = engine.start_graph("carried", &complete(&graph), &["--env", "SIGNAL_DURATION=3s"]).unwrap();
    // The mirror's tick would keep the graph running, but the mirror ends with the stream.
    assert_eq!(engine.end_of_graph(&carried).unwrap(), "Finished", "{}", engine.log(&carried, "check").unwrap());
    let log = engine.log(&carried, "check").unwrap();
    assert!(log.contains("300 messages, 3000 frames, 0 missing, 0 wrong"), "{log}");
}
