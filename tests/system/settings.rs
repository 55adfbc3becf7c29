//! Settings that change while the graph runs.

use dora_shm_tests::dora::{complete, engine, project_graph, run_with};
use dora_shm_tests::reading::SignalReader;
use dora_shm_tests::stage::Stage;
use dora_shm_tests::until::until;

use crate::graphs::signal_into_sink;

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn settings_sent_from_the_graph_take_effect_and_bad_ones_change_nothing() {
    let stage = Stage::new("settings-input");
    let (first, second) = (stage.stream("first"), stage.stream("second"));
    let graph = project_graph(
        "settings.yml",
        &[("settings-moved", &second), ("SHMEM_NAME: settings", &format!("SHMEM_NAME: {first}"))],
    );
    let (mut before, mut after) = (SignalReader::open(&first), SignalReader::join(&second));
    let mut dora = run_with(&stage, "graph", &complete(&graph), &["--env", "SIGNAL_DURATION=8s"]);

    before.until_closed();
    let lengths: Vec<u64> = before.formats.iter().map(|format| format.frames()).collect();
    assert_eq!(lengths.len(), 2, "one generation for each buf_dur: {lengths:?}");
    assert!(lengths[0] >= 2000 && lengths[0] < 2100, "BUF_DUR 2 s at 1 kHz: {lengths:?}");
    assert!(lengths[1] >= 5000 && lengths[1] < 5100, "buf_dur 5 s at 1 kHz: {lengths:?}");

    after.until_closed();
    assert!(before.judge.is_content() && after.judge.is_content(), "frames are missing or wrong");
    assert_eq!(before.judge.frames + after.judge.frames, 8000, "number of frames in both streams");
    dora.succeed().unwrap();
    let refusal = dora.line("a while").expect("a line with the refused document");
    assert!(refusal.contains("buf_dur"), "{refusal}");
}

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn parameters_set_from_the_command_line_take_effect_and_bad_ones_change_nothing() {
    let stage = Stage::new("settings-param");
    let (first, second) = (stage.stream("first"), stage.stream("second"));
    let engine = engine(&stage);
    let graph = engine.start_graph("signal", &signal_into_sink(&first, &["BUF_DUR: 2.0"], ""), &[]).unwrap();
    let (mut before, mut after) = (SignalReader::join(&first), SignalReader::join(&second));
    before.more(100);

    let set =
        |key: &str, value: &str| engine.must(&["param", "set", "--dataflow", &graph, "sink", key, value]).unwrap();
    let logs = || engine.log(&graph, "sink").unwrap();
    set("buf_dur", "5.0");
    before.until("the ring has five seconds", |reader| reader.formats.last().is_some_and(|last| last.frames() >= 5000));

    set("BUF_FRAMES", "3000");
    before.until("the ring has 3000 frames", |reader| {
        reader.formats.last().is_some_and(|last| (3000..3100).contains(&last.frames()))
    });

    set("max_bytes", "1000000");
    until("max_bytes is refused", || logs().to_lowercase().contains("max_bytes").then_some(()));
    set("buf_dur", "\"a while\"");
    until("an invalid duration is refused", || logs().contains("a while").then_some(()));
    before.more(100);

    set("shmem_name", &format!("\"{second}\""));
    before.until_closed();
    after.more(100);
    assert_eq!(before.formats.len(), 3, "number of generations; refused settings must not begin one");
    assert!(before.judge.is_content() && after.judge.is_content());
    engine.stop(&graph).unwrap();
    after.until_closed();
    assert_eq!(engine.end_of_graph(&graph).unwrap(), "Finished");
}
