//! Names of streams that are taken or left out, and nodes that the graph requires.

use dora_shm_tests::dora::{run, run_with};
use dora_shm_tests::reading::SignalReader;
use dora_shm_tests::stage::Stage;
use dora_shm_tests::until::until;
use rustix::process::Signal;

use crate::graphs::{mirror_into_recorder, signal_into_sink};

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn a_second_sink_of_the_same_name_does_not_write_and_the_first_continues() {
    let stage = Stage::new("second-sink");
    let stream = stage.stream("signal");
    let graph = signal_into_sink(&stream, &["BUF_DUR: 10.0"], "");
    let mut reader = SignalReader::open(&stream);
    let mut first = run_with(&stage, "first", &graph, &["--env", "SIGNAL_DURATION=5s"]);
    reader.more(100);

    let mut second = run(&stage, "second", &graph);
    let refusal = second.wait_for_line("already has a live writer").unwrap();
    assert!(refusal.contains(&stream), "{refusal}");
    second.signal(Signal::INT);
    assert!(!second.wait().unwrap().success(), "the failure of the second sink cannot be seen at the end");

    reader.until_closed();
    reader.judge.finish(5000);
    assert!(reader.judge.is_content(), "frames of the first stream are missing or wrong");
    first.succeed().unwrap();
}

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn a_sink_without_a_name_chooses_a_new_one_and_reports_it() {
    let stage = Stage::new("no-name");
    let graph = signal_into_sink("unused", &[], "").replace("      SHMEM_NAME: unused\n", "");
    let graph = graph.replace("    env:\n", "");
    let mut graphs = ["first", "second"].map(|name| run(&stage, name, &graph));

    let names = graphs.each_mut().map(|dora| until("the sink reports its name", || chosen_name(&dora.log())));
    assert_ne!(names[0], names[1], "two sinks chose the same name");
    for name in &names {
        stage.adopt(name);
        SignalReader::join(name).more(100);
    }
    for dora in &mut graphs {
        dora.signal(Signal::INT);
        dora.succeed().unwrap();
    }
}

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn a_required_node_fails_the_graph_at_once_even_if_other_settings_are_wrong() {
    let stage = Stage::new("required");
    let stream = stage.stream("signal");
    let sink = signal_into_sink(&stream, &["BUFDUR: 2.0", "MODE: \"0777\"", "REQUIRED: true"], "");
    let settings = ["ON_CLOSED: stop", "CHUNK: some", "REQUIRED: true"];
    let mirror = mirror_into_recorder(&stream, &settings, &stage.folder().join("record"));
    for (name, graph, words) in [
        ("sink", sink, ["BUFDUR", "BUF_DUR", "MODE", "777", "0640"]),
        ("mirror", mirror, ["ON_CLOSED", "ON_CLOSE", "CHUNK", "some", "20ms"]),
    ] {
        let mut dora = run(&stage, name, &graph);
        assert!(!dora.wait().unwrap().success(), "the graph of the {name} did not fail");
        let line = dora.line("settings of this node are wrong").unwrap_or_else(|| panic!("no reason:\n{}", dora.log()));
        for word in words {
            assert!(line.contains(word), "{word} is not in {line}");
        }
    }
}

/// The name between the quotes of `stream "..."` in the sink's report.
fn chosen_name(log: &str) -> Option<String> {
    let start = log.find("stream \"")? + "stream \"".len();
    let length = log[start..].find('"')?;
    Some(log[start..start + length].to_owned())
}
