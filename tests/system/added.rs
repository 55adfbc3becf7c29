//! Nodes that `dora node add` adds to a graph while it runs.

use dora_shm_tests::dora::engine;
use dora_shm_tests::pages::blocks;
use dora_shm_tests::programs::program;
use dora_shm_tests::reading::SignalReader;
use dora_shm_tests::stage::Stage;
use dora_shm_tests::until::until;

/// The signal alone, as the graph to which nodes are added.
fn signal() -> String {
    format!("nodes:\n  - {{id: source, path: {}, outputs: [data]}}\n", program("signal-source").display())
}

/// A sink as `dora node add` takes it, with these lines of `env:`.
fn sink(id: &str, path: &str, env: &[&str]) -> String {
    let env: String = env.iter().map(|line| format!("\n  {line}")).collect();
    format!("id: {id}\npath: {path}\ninputs:\n  data: {{source: source/data, queue_size: 1000}}\nenv:{env}\n")
}

/// The first block of code in `language` on the page `docs/graphs.md`.
fn shown(language: &str) -> String {
    blocks("docs/graphs.md", language).swap_remove(0)
}

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn the_pages_commands_add_a_sink_change_its_settings_and_remove_it() {
    let stage = Stage::new("added-page");
    let stream = stage.stream("tapped");
    let engine = engine(&stage);
    let graph = engine.start_graph("signal", &signal(), &[]).unwrap();
    let node = shown("yaml")
        .replace("target/release/dora-shm-sink", &program("dora-shm-sink").display().to_string())
        .replace("SHMEM_NAME: tapped", &format!("SHMEM_NAME: {stream}"));
    let file = stage.file("tap.yml", &node).display().to_string();
    // The quotes of the shell belong to the words that contain JSON.
    let commands = shown("sh");
    let commands = commands.lines().filter_map(|line| line.split(" # ").next()?.trim().strip_prefix("dora "));
    let mut commands = commands.map(|line| -> Vec<String> {
        let (plain, json) = line.split_once('\'').map_or((line, None), |(plain, json)| (plain, Some(json)));
        let words = plain.split_whitespace().chain(json.and_then(|json| json.strip_suffix('\'')));
        words.map(|word| word.replace("$GRAPH", &graph).replace("tap.yml", &file)).collect()
    });
    let mut run = |expected: &[&str]| {
        let words = commands.next().expect("a command of the page");
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        assert_eq!(words[..2], *expected);
        engine.must(&words).unwrap();
    };
    let key = |reader: &SignalReader| reader.reader.description().map(|description| description.key.clone());

    run(&["node", "add"]);
    let mut reader = SignalReader::join(&stream);
    reader.more(100);
    assert!((10_000..11_000).contains(&reader.formats[0].frames()), "BUF_DUR of its `env:`: {:?}", reader.formats);
    run(&["param", "set"]);
    reader.until("the ring has five seconds", |reader| reader.formats.last().is_some_and(|last| last.frames() < 6000));
    run(&["param", "set"]);
    reader.until("the key is set", |reader| key(reader).as_deref() == Some("left arm"));
    run(&["param", "set"]);
    reader.more(100);
    run(&["node", "remove"]);
    reader.until_closed();
    assert_eq!(reader.judge.wrong, 0);
    engine.stop(&graph).unwrap();
    assert_eq!(engine.end_of_graph(&graph).unwrap(), "Finished");
}

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn a_mirror_and_a_sink_that_is_started_by_hand_can_be_added_too() {
    let stage = Stage::new("added-others");
    let stream = stage.stream("signal");
    let engine = engine(&stage);
    let graph = engine.start_graph("signal", &signal(), &[]).unwrap();
    let add = |name: &str, yaml: &str| {
        let file = stage.file(name, yaml).display().to_string();
        engine.must(&["node", "add", "-d", &graph, "--from-yaml", &file]).unwrap();
    };
    let mirror = program("dora-shm-mirror");
    add(
        "mirror.yml",
        &format!("id: mirror\npath: {}\noutputs: [data]\nenv: {{SHMEM_NAME: {stream}}}\n", mirror.display()),
    );
    until("the mirror has its setting", || {
        engine.log(&graph, "mirror").unwrap().contains(&format!("mirrors stream {stream:?}")).then_some(())
    });

    // dora hands over no `env:` to a node that it does not start.
    add("sink.yml", &sink("tap", "dynamic", &["SHMEM_NAME: not-passed-on"]));
    let mut by_hand = engine.dynamic_node(&program("dora-shm-sink"), "tap");
    let mut tap = stage.start("tap", by_hand.env("DORA_SHM_SHMEM_NAME", &stream).env("SHMEM_NAME", "of-a-shell"));
    let mut reader = SignalReader::join(&stream);
    reader.more(500);
    engine.stop(&graph).unwrap();
    reader.until_closed();
    assert_eq!(reader.judge.wrong, 0);
    tap.succeed().unwrap();
    assert_eq!(engine.end_of_graph(&graph).unwrap(), "Finished");
}
