//! dora's validation of the project's manifests and graphs.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use dora_shm_tests::programs::{dora, program, root};
use dora_shm_tests::stage::Stage;

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn dora_accepts_every_graph_of_the_project_with_strict_types() {
    let stage = Stage::new("validate-graphs");
    let folder = root().join("dataflows");
    let graphs = std::fs::read_dir(&folder).expect("dataflows/").map(|entry| entry.expect("an entry").path());
    let graphs: Vec<PathBuf> = graphs.filter(|path| path.extension().is_some_and(|ext| ext == "yml")).collect();
    assert!(graphs.len() >= 5, "{graphs:?}");
    for graph in graphs {
        validate(&stage, &["--strict-types"], &graph).unwrap_or_else(|log| panic!("{}:\n{log}", graph.display()));
    }
}

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn the_sinks_manifest_is_valid_and_dora_checks_graphs_against_it() {
    let source = program("signal-source");
    let graph = |input: &str| {
        format!(
            "nodes:
  - {{id: source, path: {}, outputs: [data]}}
  - {{id: sink, path: target/release/dora-shm-sink, inputs: {{{input}: {{source: source/data, queue_size: 10}}}}}}\n",
            source.display()
        )
    };
    check("manifest-sink", "node/dora-node.yml", "dora-shm-sink", &graph("data"), &graph("date"));
}

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn the_mirrors_manifest_is_valid_and_dora_checks_graphs_against_it() {
    let check_node = program("signal-check");
    let graph = |output: &str| {
        format!(
            "nodes:
  - {{id: mirror, path: target/release/dora-shm-mirror, outputs: [{output}], env: {{SHMEM_NAME: a}}}}
  - {{id: check, path: {}, inputs: {{data: {{source: mirror/{output}, queue_size: 10}}}}}}\n",
            check_node.display()
        )
    };
    check("manifest-mirror", "mirror-node/dora-node.yml", "dora-shm-mirror", &graph("data"), &graph("date"));
}

/// dora reads a manifest only if it is in the graph's folder and the node's path stays in that folder. So this copies
/// the manifest to the graphs.
fn check(test: &str, manifest: &str, binary: &str, good: &str, bad: &str) {
    let stage = Stage::new(test);
    let manifest = root().join(manifest);
    validate(&stage, &["--node-manifest"], &manifest).unwrap_or_else(|log| panic!("{log}"));

    let folder = stage.folder();
    std::fs::copy(manifest, folder.join("dora-node.yml")).expect("a copy of the manifest");
    std::fs::create_dir_all(folder.join("target/release")).expect("a folder in the test's own folder");
    symlink(program(binary), folder.join("target/release").join(binary)).expect("a link in the test's own folder");
    validate(&stage, &["--strict-types"], &stage.file("good.yml", good)).unwrap_or_else(|log| panic!("{log}"));
    let complaint = validate(&stage, &["--strict-types"], &stage.file("bad.yml", bad));
    let complaint = complaint.expect_err("a port that the manifest does not declare");
    assert!(complaint.contains("date"), "{complaint}");
}

/// Runs `dora validate`. The error is its whole output.
fn validate(stage: &Stage, arguments: &[&str], file: &Path) -> Result<(), String> {
    let output = stage.command(dora()).arg("validate").args(arguments).arg(file).output().expect("dora runs");
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    if output.status.success() { Ok(()) } else { Err(text) }
}
