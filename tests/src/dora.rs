//! dora graphs: `dora run` for a single graph, an engine for everything else.

use dora_shm_testkit::dora::{Engine, Machine};
use dora_shm_testkit::logged::LoggedProcess;

use crate::programs;
use crate::stage::Stage;

/// Starts `dora run` of the graph `yaml`, written to `<name>.yml` in the test's folder.
pub fn run(stage: &Stage, name: &str, yaml: &str) -> LoggedProcess {
    run_with(stage, name, yaml, &[])
}

/// Like [`run`], with more arguments for `dora run`.
pub fn run_with(stage: &Stage, name: &str, yaml: &str, arguments: &[&str]) -> LoggedProcess {
    let path = stage.file(&format!("{name}.yml"), yaml);
    stage.start(name, stage.command(programs::dora()).arg("run").args(arguments).arg(path))
}

/// The text of `dataflows/<file>` with absolute paths instead of relative ones, and with the replacements of `replace`.
///
/// # Panics
/// When the file does not exist, or does not contain a text that is to be replaced.
pub fn project_graph(file: &str, replace: &[(&str, &str)]) -> String {
    let folder = programs::root().join("dataflows");
    let text = std::fs::read_to_string(folder.join(file)).expect("a graph of the project");
    let text = text.replace("../target/release", &programs::folder().display().to_string());
    replace.iter().fold(text, |text, (from, to)| {
        assert!(text.contains(from), "{file} does not contain {from:?}");
        text.replace(from, to)
    })
}

/// `graph` for a test that counts every message: dora drops none of a node's messages, whatever else this machine does.
pub fn complete(graph: &str) -> String {
    let mut text = String::new();
    let (mut of_a_timer, mut lines) = (false, graph.lines().peekable());
    while let Some(line) = lines.next() {
        text.push_str(line);
        text.push('\n');
        let key = line.trim_start();
        of_a_timer = if key.starts_with("source: ") { key.starts_with("source: dora/") } else { of_a_timer };
        let has_policy = lines.peek().is_some_and(|next| next.contains("queue_policy: "));
        if key.starts_with("queue_size: ") && !of_a_timer && !has_policy {
            let indent = &line[..line.len() - key.len()];
            text.push_str(&format!("{indent}queue_policy: backpressure\n"));
        }
    }
    text
}

/// Starts a coordinator and a daemon without a machine name.
///
/// # Panics
/// When dora does not start.
pub fn engine(stage: &Stage) -> Engine<'_> {
    engine_of(stage, &[None])
}

/// Starts a coordinator and a daemon for each of `machines`, with the workspace's programs on its PATH.
///
/// # Panics
/// When dora does not start.
pub fn engine_of<'a>(stage: &'a Stage, machines: &[Option<&str>]) -> Engine<'a> {
    let (programs, zenoh) = (programs::folder(), programs::root().join("dataflows/two-machines.json5"));
    let machine = |name: &Option<_>| Machine { name: *name, programs: Some(&programs), zenoh: Some(&zenoh) };
    let machines: Vec<_> = machines.iter().map(machine).collect();
    Engine::start(&programs::dora(), stage.sandbox(), &machines).unwrap_or_else(|sentence| panic!("{sentence}"))
}
