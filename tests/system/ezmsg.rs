//! ezmsg programs that write and read streams.

use dora_shm_tests::dora::{complete, project_graph, run_with};
use dora_shm_tests::programs::{ezmsg_0_6, python, root};
use dora_shm_tests::stage::Stage;

#[test]
#[ignore = "needs the dora command line and ezmsg-tools: cargo xtask system"]
fn every_sample_that_ezmsg_writes_comes_out_of_the_mirror_with_its_description() {
    for (release, python) in [("0.6", ezmsg_0_6()), ("0.10", python())] {
        let stage = Stage::new(&format!("ezmsg-{release}"));
        let stream = stage.stream("signal");
        let settings = format!("SHMEM_NAME: {stream}\n      ON_CLOSE: stop");
        let graph = project_graph("ezmsg-to-dora.yml", &[("SHMEM_NAME: ezmsg", &settings)]);
        let mut dora = run_with(&stage, "graph", &graph, &[]);
        // The mirror waits for the stream, so it misses nothing.
        dora.wait_for_line("mirrors stream").unwrap();
        let script = root().join("dataflows/ezmsg-source.py");
        let mut original = stage.start("ezmsg", stage.command(python).arg(script).args([&stream, "3"]));
        dora.succeed().unwrap();
        original.succeed().unwrap();
        let line = dora.line("signal-check: ").unwrap_or_else(|| panic!("no verdict in\n{}", dora.log()));
        assert!(line.contains(" 3000 frames, 0 missing, 0 wrong"), "{release}: {line}");
    }
}

#[test]
#[ignore = "needs the dora command line and ezmsg-tools: cargo xtask system"]
fn ezmsgs_own_mirror_reads_every_sample_of_a_graph() {
    let stage = Stage::new("to-ezmsg");
    let stream = stage.stream("signal");
    let script = root().join("dataflows/ezmsg-mirror.py");
    let mut original = stage.start("ezmsg", stage.command(python()).arg(script).args([&stream, "2000"]));
    let graph = project_graph("dora-to-ezmsg.yml", &[("SHMEM_NAME: dora", &format!("SHMEM_NAME: {stream}"))]);
    run_with(&stage, "graph", &complete(&graph), &["--env", "SIGNAL_DURATION=3s"]).succeed().unwrap();
    original.succeed().unwrap();
    let line = original.line("dims ").expect("a line with the description");
    assert!(line.contains("['time', 'ch'], 64 channels") && line.contains("'unit': 'uV'"), "{line}");
}
