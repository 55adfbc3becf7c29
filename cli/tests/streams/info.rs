//! `dora-shm info`, and the errors of any command for a stream that it cannot open.

use dora_shm_ring::*;
use serde_json::{Value, json};

use crate::tool::*;
use dora_shm_testkit::Name;
use dora_shm_testkit::segments::{self, header_at, patch};

#[test]
fn info_prints_everything_about_a_stream() {
    let name = Name::new("info/all");
    let mut writer = live_as(&name, WriterOptions::default().mode(0o640));
    write(&mut writer, 7);
    let out = done(&["info", &name]).out;
    let group = if rustix::process::geteuid().is_root() { "the group" } else { "group" };
    for expected in [
        "live",
        "float32",
        "100 Hz stated",
        "2.00 s",
        "generation   0",
        "7 frames in 1 message\n",
        "headset",
        "Fp1, Cz, O2",
        "steps of 0.01 s",
        "µV",
        "24",
        "mode 0640",
        group,
        &shorten(&name),
        &shorten(&format!("{}/buffer0", &*name)),
        &format!("process {}", std::process::id()),
    ] {
        assert!(out.contains(expected), "{expected} in\n{out}");
    }
    let found = json(&["info", "--json", &name]);
    assert_eq!(found["name"], &*name);
    assert_eq!(found["description"]["axes"]["ch"]["data"], json!(["Fp1", "Cz", "O2"]));
    assert_eq!(found["description"]["attrs"]["gain"], 24);
    assert_eq!((&found["mode"], &found["messages"], &found["position"]), (&json!("0640"), &json!(1), &json!(7)));
    assert_eq!((&found["ring_s"], &found["frame_bytes"]), (&json!(2.0), &json!(12)));
    assert_eq!(found["layout"]["segment"], shorten(&format!("{}/buffer0", &*name)));
    assert_eq!(found["layout"]["samples_offset"], 8 * writer.ring_frames());
    assert_eq!(found["stream_id"], writer.stream_id().to_string());
    assert_eq!(found["ezmsg"], Value::Null);
}

#[test]
fn info_names_the_clock_and_what_was_not_written() {
    let name = Name::new("info/clock");
    let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
    for (clock, words) in [
        (Clock::Source, "source: times are the source's own"),
        (Clock::Unix, "unix: times are seconds since 1970"),
        (Clock::Monotonic, "monotonic: times are seconds of CLOCK_MONOTONIC of boot"),
    ] {
        let format = Format::new(Dtype::F32, &[3], 100.0, 200).unwrap().on_clock(clock);
        writer.begin(&format, &Description::default(), 1).unwrap();
        let out = done(&["info", &name]).out.replace('\n', " ");
        assert!(out.split_whitespace().collect::<Vec<_>>().join(" ").contains(words), "{words} in {out}");
        assert!(!out.contains("not written"), "{out}");
        let (found, clock) = (json(&["info", &name, "--json"]), writer.clock().unwrap());
        assert_eq!(found["clock"], clock.clock.name());
        assert_eq!(found["clock_id"], clock.id.to_string());
        assert_eq!(found["clock_pair"]["unix_ns"], clock.created_ns.to_string());
        assert_eq!(found["clock_pair"]["mono_ns"], clock.created_mono_ns.to_string());
    }
    writer.count_dropped(3);
    let out = done(&["info", &name]).out;
    assert!(out.contains("not written  3 dropped by the queue of the writer's input"), "{out}");
}

#[test]
fn info_reports_a_writer_that_has_no_ring_yet() {
    let name = Name::new("info/waiting");
    let _writer = Writer::create(&name, WriterOptions::default()).unwrap();
    let out = done(&["info", &name]).out;
    assert!(out.contains("waiting") && out.contains("none yet"), "{out}");
    let found = json(&["info", &name, "--json"]);
    assert_eq!((&found["state"], &found["layout"], &found["dtype"]), (&json!("waiting"), &Value::Null, &Value::Null));
}

#[test]
fn the_program_of_a_process_that_does_not_write_the_stream_is_not_printed() {
    let name = Name::new("info/program");
    let writer = live(&name);
    let program = std::fs::read_to_string("/proc/self/comm").unwrap();
    let own = format!("process {} ({}), user", std::process::id(), program.trim_end());
    let out = done(&["info", &name]).out;
    assert!(out.contains(&own), "{own} in {out}");
    // As with a writer in a container, whose number belongs to a different process here.
    let mut other = std::process::Command::new("sleep").arg("600").spawn().unwrap();
    patch(&segments::header(&name), header_at::WRITER_PID, &other.id().to_le_bytes()).unwrap();
    let ran = run(&["info", &name]);
    other.kill().unwrap();
    other.wait().unwrap();
    assert!(ran.out.contains(&format!("process {}, user", other.id())), "{}{}", ran.out, ran.err);
    drop(writer);
}

#[test]
fn a_dead_writer_without_a_ring_is_not_expected_to_begin_one() {
    let name = Name::new("info/ringless");
    dead(&name);
    std::fs::remove_file(segments::ring(&name, 0)).unwrap();
    let out = done(&["info", &name]).out;
    assert!(out.contains("dead") && out.contains("none: its writer left no ring"), "{out}");
    for path in segments::of(&name) {
        std::fs::remove_file(path).unwrap();
    }
}

#[test]
fn what_a_dead_writer_left_can_be_inspected() {
    let name = Name::new("info/dead");
    let pid = dead(&name);
    let out = done(&["info", &name]).out;
    assert!(out.contains("dead") && out.contains(&format!("process {pid}, which is dead")), "{out}");
    for path in segments::of(&name) {
        std::fs::remove_file(path).unwrap();
    }
}

#[test]
fn a_stream_is_found_by_the_name_of_its_segment_too() {
    let name = Name::new("info/segment");
    let _writer = live(&name);
    assert_eq!(json(&["info", "--json", &shorten(&name)])["name"], &*name);
    assert!(failed(&["info", "sm_AAAAAAAAAAAAAAAAAAAA"]).contains("there is no stream"));
}

#[test]
fn the_error_for_an_unknown_name_lists_the_nearest() {
    let name = Name::new("info/nearest");
    let _writer = live(&name);
    let wrong = name.replace("nearest", "naerest");
    let error = failed(&["info", &wrong]);
    assert!(error.starts_with(&format!("error: there is no stream \"{wrong}\"; nearest: \"{}\"", &*name)), "{error}");
}

#[test]
fn names_that_no_stream_can_have_are_refused_with_the_reason() {
    assert!(failed(&["info", ""]).contains("it is empty"));
    assert!(failed(&["info", "a/buffer0"]).contains("names another stream's segments"));
    let ran = run(&["info"]);
    assert_eq!(ran.code, Some(2), "clap's code for a wrong command line");
    assert!(ran.err.contains("<NAME>"));
}

#[test]
fn a_damaged_stream_is_refused_with_the_reason() {
    let name = Name::new("info/damaged");
    let header = segments::header(&name);
    std::fs::write(&header, vec![7; 4096]).unwrap();
    let error = failed(&["info", &name]);
    assert!(error.contains("is corrupt") && error.contains("neither dora-shm's magic nor ezmsg's"), "{error}");
    std::fs::remove_file(header).unwrap();
}

#[test]
fn hostile_text_in_a_description_cannot_control_the_terminal() {
    let name = Name::new("info/hostile");
    let mut writer = live(&name);
    let evil = "a\u{1b}]0;title\u{7}\u{9b}2J".to_owned();
    let mut description = description();
    description.key.clone_from(&evil);
    description.attrs.insert(evil.clone(), Attr::ListString(vec![evil.clone()]));
    description.dims[1].clone_from(&evil);
    description.axes.insert(evil.clone(), Axis::Coord { unit: evil.clone(), data: Some(vec![json!({"label": evil})]) });
    description.message = Some(json!({ "a": evil }));
    writer.describe(&description).unwrap();
    let out = done(&["info", &name]).out;
    assert!(out.chars().all(|char| char == '\n' || !char.is_control()), "{out:?}");
}
