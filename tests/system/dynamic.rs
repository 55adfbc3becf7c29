//! Nodes that dora does not start.

use dora_shm_tests::dora::engine;
use dora_shm_tests::programs::program;
use dora_shm_tests::reading::SignalReader;
use dora_shm_tests::stage::Stage;

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn both_nodes_work_when_they_are_started_by_hand_and_attach_to_running_graphs() {
    let stage = Stage::new("dynamic");
    let stream = stage.stream("signal");
    let engine = engine(&stage);
    let graph = format!(
        "nodes:
  - {{id: source, path: {}, outputs: [data]}}
  - id: sink
    path: dynamic
    inputs:
      data: {{source: source/data, queue_size: 1000, queue_policy: backpressure}}
    env:
      SHMEM_NAME: {stream}
      BUF_DUR: 10.0
",
        program("signal-source").display()
    );
    let mirror_graph = format!(
        "nodes:
  - id: mirror
    path: dynamic
    outputs: [data]
    env:
      SHMEM_NAME: {stream}
      ON_CLOSE: stop
  - id: check
    path: {}
    inputs:
      data: {{source: mirror/data, queue_size: 1000, queue_policy: backpressure}}
",
        program("signal-check").display()
    );
    let signal = engine.start_graph("signal", &graph, &[]).unwrap();
    let mirrored = engine.start_graph("mirrored", &mirror_graph, &[]).unwrap();
    let mut mirror = stage.start("mirror", &mut engine.dynamic_node(&program("dora-shm-mirror"), "mirror"));
    let mut sink = stage.start("sink", &mut engine.dynamic_node(&program("dora-shm-sink"), "sink"));

    let mut reader = SignalReader::join(&stream);
    reader.more(500);
    engine.stop(&signal).unwrap();
    reader.until_closed();
    assert!(reader.judge.is_content(), "{} missing, {} wrong", reader.judge.missing, reader.judge.wrong);
    sink.succeed().unwrap();
    mirror.succeed().unwrap();
    assert_eq!(engine.end_of_graph(&mirrored).unwrap(), "Finished");
    let log = engine.log(&mirrored, "check").unwrap();
    assert!(log.contains("0 missing, 0 wrong") && !log.contains(" 0 frames"), "{log}");
}
