//! The README and the page of settings agree with the programs. This package's documentation tests compile the README's
//! Rust.

use std::collections::BTreeSet;
use std::process::Command;

use dora_shm_tests::dora::{complete, run, run_with};
use dora_shm_tests::pages::blocks;
use dora_shm_tests::programs::{folder, root};
use dora_shm_tests::reading::SignalReader;
use dora_shm_tests::stage::Stage;
use rustix::process::Signal;

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn the_graphs_of_the_readme_run_together() {
    let stage = Stage::new("readme");
    let stream = stage.stream("my-signal");
    let graphs: Vec<String> = blocks("README.md", "yaml")
        .iter()
        .map(|block| {
            let graph = block.replace("my-signal", &stream);
            graph.replace("path: target/release", &format!("path: {}", folder().display()))
        })
        .collect();
    let [sink, mirror] = &graphs[..] else { panic!("expected the sink's and the mirror's graph") };

    let mut mirrored = run_with(&stage, "mirrored", mirror, &["--env", "DORA_SHM_ON_CLOSE=stop"]);
    mirrored.wait_for_line(&stream).unwrap();
    let mut source = run(&stage, "source", &complete(sink));
    SignalReader::join(&stream).more(1000);
    source.signal(Signal::INT);
    source.succeed().unwrap();
    let line = mirrored.wait_for_line("signal-check: ").unwrap();
    assert!(line.contains("0 missing, 0 wrong") && !line.contains(" 0 frames"), "{line}");
    mirrored.succeed().unwrap();
}

#[test]
fn the_commands_of_the_readme_are_tasks() {
    let help = Command::new(folder().join("xtask")).arg("--help").output().expect("xtask runs").stdout;
    let help = String::from_utf8_lossy(&help).into_owned();
    // The other blocks belong to the command line: `cli.rs`.
    let commands = &blocks("README.md", "sh")[0];
    let words: Vec<&str> =
        commands.lines().map(|line| line.strip_prefix("cargo xtask ").expect("a task of xtask")).collect();
    assert_eq!(words, ["demo", "test"]);
    for word in words {
        assert!(help.lines().any(|line| line.trim_start().starts_with(&format!("{word} "))), "{word}:\n{help}");
    }
}

#[test]
fn the_tables_of_settings_are_those_of_the_manifests() {
    let tables = tables(&std::fs::read_to_string(root().join("docs/settings.md")).expect("the page"));
    for (manifest, table) in ["node/dora-node.yml", "mirror-node/dora-node.yml"].into_iter().zip(&tables) {
        let text = std::fs::read_to_string(root().join(manifest)).expect("a manifest");
        assert_eq!(table, &settings_of(&text), "{manifest}");
    }
    assert_eq!(tables.len(), 2);
}

#[test]
fn the_python_of_the_readme_is_that_of_the_packages_own_page_which_is_run() {
    let page = std::fs::read_to_string(root().join("bindings/python/README.md")).expect("the package's page");
    let shown = blocks("README.md", "python");
    assert_eq!(shown.len(), 1);
    assert!(page.contains(&format!("```python\n{}```", shown[0])), "{}", shown[0]);
}

/// The first column of each table of settings on a page.
fn tables(text: &str) -> Vec<BTreeSet<String>> {
    let parts = text.split("| setting | default | meaning |\n").skip(1);
    parts
        .map(|part| {
            let rows = part.lines().take_while(|line| line.starts_with('|'));
            rows.filter_map(|row| Some(row.strip_prefix("| `")?.split('`').next()?.to_owned())).collect()
        })
        .collect()
}

/// The keys of a manifest's `env:`.
fn settings_of(manifest: &str) -> BTreeSet<String> {
    let lines = manifest.lines().skip_while(|line| *line != "env:").skip(1);
    let section = lines.take_while(|line| line.is_empty() || line.starts_with([' ', '#']));
    let keys = section.filter_map(|line| line.strip_prefix("  ")?.split_once(':'));
    keys.map(|(key, _)| key.to_owned()).filter(|key| !key.starts_with([' ', '#'])).collect()
}
