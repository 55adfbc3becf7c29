//! Several readers at once, one of them ezmsg's own.

use dora_shm_tests::dora::run_with;
use dora_shm_tests::programs::{program, python, root};
use dora_shm_tests::reading::SignalReader;
use dora_shm_tests::stage::Stage;

use crate::graphs::signal_into_sink;

#[test]
#[ignore = "needs the dora command line and ezmsg-tools: cargo xtask system"]
fn two_readers_and_an_unmodified_ezmsg_mirror_read_the_same_stream_at_once() {
    let stage = Stage::new("readers");
    let stream = stage.stream("signal");
    let mut inside = SignalReader::open(&stream);
    let mut outside =
        stage.start("reader", stage.command(program("demo-reader")).args(["--stream", &stream, "--duration", "4s"]));
    let script = root().join("tests/system/ezmsg_reader.py");
    let mut original = stage.start("ezmsg", stage.command(python()).arg(script).args([&stream, "3000"]));
    // The ring is longer than the signal, since ezmsg's mirror returns a whole ring again when it has just been filled.
    let graph = signal_into_sink(&stream, &["BUF_DUR: 10.0"], "");
    let mut dora = run_with(&stage, "graph", &graph, &["--env", "SIGNAL_DURATION=4s"]);

    inside.until_closed();
    inside.judge.finish(4000);
    assert!(inside.judge.is_content());
    dora.succeed().unwrap();
    outside.succeed().unwrap();
    original.succeed().unwrap();
    assert!(outside.line("demo: 4000 frames x 64 float32 read outside the graph, 0 lost").is_some());
}
