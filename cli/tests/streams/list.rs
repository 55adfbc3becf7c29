//! `dora-shm list`.

use dora_shm_ring::*;
use serde_json::{Value, json};

use crate::tool::*;
use dora_shm_testkit::Name;
use dora_shm_testkit::isolated::with_private_shm;
use dora_shm_testkit::segments::{self, header_at, patch};

/// The row of a stream.
#[track_caller]
pub fn row(name: &str, arguments: &[&str]) -> Value {
    let rows = json(arguments);
    let found = rows.as_array().unwrap().iter().find(|row| row["name"] == name);
    found.cloned().unwrap_or_else(|| panic!("no {name} in {rows}"))
}

#[test]
fn a_live_stream_is_a_row_with_exactly_the_documented_members() {
    let name = Name::new("list/live");
    let mut writer = live(&name);
    write(&mut writer, 10);
    write(&mut writer, 5);
    let mut row = row(&name, &["list", "--json"]);
    let members = row.as_object_mut().unwrap();
    let mut names: Vec<&str> = members.keys().map(String::as_str).collect();
    names.sort_unstable();
    let mut expected: Vec<&str> =
        "name dtype shape rate_hz measured_hz ring_frames position bytes age_s pid state generation clock refused \
         dropped gaps"
            .split(' ')
            .collect();
    expected.sort_unstable();
    assert_eq!(names, expected);
    let age_s = members.remove("age_s").unwrap().as_f64().unwrap();
    assert!((0.0..60.0).contains(&age_s), "{age_s}");
    let measured_hz = members.remove("measured_hz").unwrap().as_f64().unwrap();
    assert!(measured_hz > 0.0, "ten frames came between two messages: {measured_hz}");
    let bytes = std::fs::metadata(segments::ring(&name, 0)).unwrap().len();
    let expected = json!({
        "name": &*name, "dtype": "float32", "shape": [3], "rate_hz": 100.0, "ring_frames": writer.ring_frames(),
        "position": 15, "bytes": bytes, "pid": std::process::id(), "state": "live", "generation": 0,
        "clock": "source", "refused": 0, "dropped": 0, "gaps": 0,
    });
    assert_eq!(row, expected);
}

#[test]
fn list_names_the_streams_whose_writers_do_not_write_all_that_they_are_given() {
    let name = Name::new("list/refused");
    let mut writer = live(&name);
    assert!(!done(&["list"]).err.contains(&*name), "it writes everything");
    writer.count_refused(12);
    writer.count_gaps(1);
    let row = row(&name, &["list", "--json"]);
    assert_eq!((&row["refused"], &row["dropped"], &row["gaps"]), (&json!(12), &json!(0), &json!(1)));
    let said = done(&["list"]).err;
    let sentence = format!("\"{}\": messages not written: 12 refused, 1 missing by the source's sequence\n", &*name);
    assert!(said.contains(&sentence), "{said}");
}

#[test]
fn list_shows_every_state_of_a_stream() {
    let waiting = Name::new("list/waiting");
    let _waiting = Writer::create(&waiting, WriterOptions::default()).unwrap();
    let found = row(&waiting, &["list", "--json"]);
    assert_eq!((&found["state"], &found["position"]), (&json!("waiting"), &json!(0)));
    for unknown in ["dtype", "shape", "rate_hz", "measured_hz", "ring_frames", "bytes", "age_s", "generation"] {
        assert_eq!(found[unknown], Value::Null, "{unknown}");
    }
    let dead_one = Name::new("list/dead");
    let pid = dead(&dead_one);
    let found = row(&dead_one, &["list", "--json"]);
    assert_eq!((&found["state"], &found["pid"], &found["position"]), (&json!("dead"), &json!(pid), &json!(5)));
    // As if its writer had closed it and died before it could remove it.
    patch(&segments::header(&dead_one), header_at::STATE, &2u32.to_le_bytes()).unwrap();
    assert_eq!(row(&dead_one, &["list", "--json"])["state"], "closed");
    for path in segments::of(&dead_one) {
        std::fs::remove_file(path).unwrap();
    }

    let quiet = Name::new("list/idle");
    let mut writer = live(&quiet);
    write(&mut writer, 1);
    dora_shm_testkit::wait_until("it is idle", || row(&quiet, &["list", "--json"])["state"] == "idle");
}

#[test]
fn the_newest_frame_has_an_age_however_fast_frames_come() {
    let name = Name::new("list/age");
    let mut writer = live(&name);
    let is_over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(std::sync::atomic::Ordering::Relaxed) {
                write(&mut writer, 1);
            }
        });
        dora_shm_testkit::wait_until("there are frames", || row(&name, &["list", "--json"])["position"] != 0);
        let ages: Vec<Value> = (0..20).map(|_| row(&name, &["list", "--json"])["age_s"].clone()).collect();
        is_over.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(ages.iter().all(|age| age.as_f64().unwrap() > 0.0), "{ages:?}");
    });
}

#[test]
fn a_stream_whose_name_is_gone_is_neither_listed_nor_suggested() {
    let name = Name::new("list/nameless");
    let _writer = live(&name);
    std::fs::remove_file(segments::header(&name)).unwrap();
    let rows = json(&["list", "--json"]);
    assert!(rows.as_array().unwrap().iter().all(|row| row["name"] != *name), "{rows}");
    let error = failed(&["info", &name]);
    assert_eq!(error.matches(&*name).count(), 1, "{error}");
}

#[test]
fn scalars_and_streams_without_a_rate_are_listed_as_such() {
    let name = Name::new("list/scalar");
    let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
    let format = Format::new(Dtype::F64, &[], 0.0, 16).unwrap();
    writer.begin(&format, &Description::default(), 1).unwrap();
    let found = row(&name, &["list", "--json"]);
    assert_eq!((&found["shape"], &found["rate_hz"], &found["dtype"]), (&json!([]), &Value::Null, &json!("float64")));
    assert_eq!((&found["age_s"], &found["position"]), (&Value::Null, &json!(0)));
    let line = done(&["list"]).out.lines().find(|line| line.starts_with(&*name)).unwrap().to_owned();
    assert!(line.contains("scalar"), "{line}");
}

#[test]
fn list_prints_a_table_without_colours_if_stdout_is_not_a_terminal() {
    let name = Name::new("list/table");
    let mut writer = live(&name);
    write(&mut writer, 10);
    let ran = done(&["list"]);
    assert!(ran.out.starts_with("NAME "), "{}", ran.out);
    let line = ran.out.lines().find(|line| line.starts_with(&*name)).unwrap();
    for expected in ["live", "float32", "100 Hz", "KiB", &std::process::id().to_string()] {
        assert!(line.contains(expected), "{expected} in {line}");
    }
    assert!(!ran.out.contains('\u{1b}'));
    // Colours can be forced anywhere.
    let coloured: Ran = tool().arg("list").env("CLICOLOR_FORCE", "1").output().unwrap().into();
    assert!(coloured.out.contains("\u{1b}["));
}

#[test]
fn a_row_fits_into_a_terminal_of_eighty_columns() {
    with_private_shm(16, || {
        let mut writer = Writer::create("left-camera", WriterOptions::default()).unwrap();
        let format = Format::new(Dtype::F32, &[48, 64, 3], 29.97, 60).unwrap();
        writer.begin(&format, &Description::default(), 1).unwrap();
        let samples = vec![0; 2 * 48 * 64 * 3 * 4];
        for _ in 0..2 {
            let times = Times::Linear { start: 0.0, step: 0.1 };
            writer.write(&Chunk { samples: &samples, times, send_ns: 0 }).unwrap();
        }
        let line = format!("stty cols 80; {} list", env!("CARGO_BIN_EXE_dora-shm"));
        let mut script = std::process::Command::new("script");
        script.args(["-qec", &line, "/dev/null"]).env("TERM", "xterm").env("NO_COLOR", "1");
        let ran: Ran = script.stdin(std::process::Stdio::null()).output().unwrap().into();
        let lines: Vec<&str> = ran.out.lines().collect();
        assert!(lines.len() == 2 && lines[1].contains("48x64x3") && lines[1].contains("29.97 Hz"), "{}", ran.out);
        assert!(lines.iter().all(|line| line.trim_end().chars().count() <= 80), "{}", ran.out);
    });
}

#[test]
fn a_name_cannot_control_the_terminal() {
    let name = format!("{}\u{1b}[2J", &*Name::new("list/hostile"));
    let writer = live(&name);
    assert!(!done(&["list"]).out.contains('\u{1b}'));
    assert!(done(&["list", "--json"]).out.contains("\\u001b[2J"), "scripts get the name as it is");
    drop(writer);
}

#[test]
fn with_no_streams_there_is_nothing_to_list() {
    with_private_shm(16, || {
        let ran = done(&["list"]);
        assert_eq!((&*ran.out, &*ran.err), ("", "no streams on this machine\n"));
        assert_eq!(json(&["list", "--json"]), json!([]));
        std::fs::write("/dev/shm/sm_somebody_elses", "x").unwrap();
        std::fs::write("/dev/shm/something", "x").unwrap();
        assert_eq!(json(&["list", "--json"]), json!([]));
        assert!(failed(&["info", "eeg"]).contains("no other on this machine"));
    });
}
