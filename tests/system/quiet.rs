//! What the nodes log when all is well: little.

use dora_shm_tests::dora::{run, run_with};
use dora_shm_tests::stage::Stage;

use crate::graphs::{mirror_into_recorder, signal_into_sink};

/// Lines that the node `id` itself wrote: those whose source is not dora.
fn lines_of<'a>(log: &'a str, id: &str) -> Vec<&'a str> {
    let marks = ["INFO", "WARN", "ERROR", "DEBUG"].map(|level| format!("{level:<6} {id}: "));
    let own = |line: &&str| {
        let text = marks.iter().find_map(|mark| line.split_once(&**mark)).map(|(_, text)| text);
        text.is_some_and(|text| !text.starts_with("daemon") && !text.starts_with("spawner") && !text.starts_with("  "))
    };
    log.lines().filter(own).collect()
}

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn a_sink_and_a_mirror_log_their_stream_its_generation_and_their_end_and_nothing_in_between() {
    let stage = Stage::new("quiet");
    let stream = stage.stream("signal");
    let record = stage.folder().join("record");
    let mut mirror = run(&stage, "mirror", &mirror_into_recorder(&stream, &["ON_CLOSE: stop"], &record));
    mirror.wait_for_line(&stream).unwrap();
    let graph = signal_into_sink(&stream, &[], "");
    run_with(&stage, "sink", &graph, &["--env", "SIGNAL_DURATION=4s"]).succeed().unwrap();
    mirror.succeed().unwrap();
    let sink = std::fs::read_to_string(stage.folder().join("sink.log")).unwrap();
    for (log, id, expected) in [
        (&*sink, "sink", &["writes stream", "generation 0 of", "end stream="][..]),
        (&*mirror.log(), "mirror", &["mirrors stream", "generation 0 of", "the stream was closed", "end stream="]),
    ] {
        let lines = lines_of(log, id);
        assert_eq!(lines.len(), expected.len(), "{lines:#?}");
        for (line, expected) in lines.iter().zip(expected) {
            assert!(line.contains(expected), "{expected} is not in {line}");
        }
    }
    assert!(sink.contains("frames=4000"), "the totals are not in\n{sink}");
}

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn the_numbers_of_each_second_are_in_the_log_if_debug_lines_are_requested() {
    let stage = Stage::new("loud");
    for (name, settings, keys) in
        [("rust-log", &["RUST_LOG: debug"][..], ""), ("min-log-level", &[], "    min_log_level: debug\n")]
    {
        let graph = signal_into_sink(&stage.stream(name), settings, keys);
        let mut dora = run_with(&stage, name, &graph, &["--env", "SIGNAL_DURATION=3s"]);
        dora.succeed().unwrap();
        let log = dora.log();
        let reports = log.lines().filter(|line| line.contains("DEBUG") && line.contains("status stream="));
        assert!(reports.count() >= 2, "{name}:\n{log}");
    }
}
