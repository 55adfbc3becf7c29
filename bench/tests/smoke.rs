//! A short run of the rows that need nothing else: all output exists and is plausible.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Names the interpreter that the rows in Python need.
const PYTHON: &str = "DORA_SHM_BENCH_PYTHON";

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn run(arguments: &[&str], out: &Path) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dora-shm-bench"));
    let output = command.args(arguments).arg("--out").arg(out).output().expect("the benchmark starts");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}\n{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn a_quick_run_prints_tables_and_targets_and_writes_json_pictures_and_a_page() {
    let out = Folder(std::env::temp_dir().join(format!("dora-shm-bench-test-{}", std::process::id())));
    let arguments =
        ["--quick", "--only", "memcpy,minimal,dora-shm", "--payload", "1024", "--ring", "16777216", "--series", "idle"];
    let printed = run(&arguments, &out.0);
    assert!(printed.contains("1 KiB, ring 16 MiB, lossless, back to back"), "{printed}");
    assert!(printed.contains("Targets\ntarget"), "{printed}");

    let json = std::fs::read_to_string(out.0.join("bench.json")).expect("the JSON");
    let json: Value = serde_json::from_str(&json).expect("valid JSON");
    assert_eq!(json["failures"].as_array().map(Vec::len), Some(0));
    let rows = json["rounds"].as_array().expect("measurements");
    // memcpy 2 modes; minimal 4, 3 and 2; ours 4, 1, 1 and 2.
    assert_eq!(rows.len(), 19);
    for row in rows {
        let (name, mode) = (&row["row"], &row["case"]["mode"]);
        let measured = &row["measured"];
        assert!(measured["round_trip_ns"][0].as_f64().is_some_and(|ns| ns > 10.0), "{row}");
        assert!(measured["sent"].as_u64().is_some_and(|sent| sent > 0), "{row}");
        match mode.as_str() {
            Some("lossless") => {
                assert_eq!(measured["sent"], measured["received"], "{row}");
                assert!(measured["bytes_per_second"].as_f64().is_some_and(|rate| rate > 1e3), "{row}");
            }
            Some("paced") => {
                let p50 = |figure: &str| measured[figure]["p50_ns"].as_f64().expect("a median");
                // The stamps of two processes, joined by number, are in the order of the events.
                assert!(p50("through") > p50("seen") && p50("seen") > 0.0, "{name}: {row}");
            }
            _ => assert!(measured["write"]["p50_ns"].as_f64().is_some_and(|ns| ns > 0.0), "{row}"),
        }
    }
    assert!(json["series"].as_array().is_some_and(|points| points.len() == 4), "{}", json["series"]);

    let page = std::fs::read_to_string(out.0.join("README.md")).expect("the page");
    assert!(page.contains("## Method"), "{page}");
    // A virtual machine may move its cores meanwhile. The page shows the distance at which most was measured.
    let of = |class: &str| rows.iter().filter(|row| row["measured"]["class"] == class).collect::<Vec<_>>();
    let shown = [of("near"), of("far")].into_iter().max_by_key(Vec::len).expect("two distances");
    let in_mode = |mode: &str| shown.iter().filter(|row| row["case"]["mode"] == mode).collect::<Vec<_>>();
    for row in in_mode("paced") {
        let name = row["row"].as_str().expect("a name");
        assert!(page.contains(&format!("| {name} |")), "{name}: {page}");
    }
    let pictures: Vec<&str> =
        page.lines().filter_map(|line| line.strip_prefix("![")?.split_once("](")?.1.strip_suffix(')')).collect();
    // The pictures for which this run has figures.
    let drawn = [("latency.svg", "paced"), ("throughput.svg", "lossless")];
    let drawn = drawn.into_iter().filter(|(_, mode)| !in_mode(mode).is_empty()).map(|(picture, _)| picture);
    assert_eq!(pictures, drawn.collect::<Vec<_>>());
    for picture in &pictures {
        let svg = std::fs::read_to_string(out.0.join(picture)).expect(picture);
        assert!(svg.starts_with("<svg") && svg.contains("dora-shm"), "{picture}");
    }

    // The page can be made again from the data.
    let again = Folder(out.0.join("again"));
    let data = out.0.join("bench.json");
    let printed_again = run(&["--page-from", data.to_str().expect("UTF-8")], &again.0);
    let tables = |text: &str| text.find("1 KiB, ring 16 MiB").map(|at| text[at..].lines().count());
    assert_eq!(tables(&printed_again), tables(&printed));
    for file in pictures.into_iter().chain(["README.md"]) {
        let read = |folder: &Path| std::fs::read_to_string(folder.join(file)).expect(file);
        assert_eq!(read(&out.0), read(&again.0), "{file}");
    }
}

#[test]
fn the_page_in_docs_has_one_table_four_pictures_and_three_conclusions() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/bench/README.md");
    let page = std::fs::read_to_string(page).expect("the page");
    assert!(page.lines().count() <= 80, "a page that a person reads");
    assert_eq!(page.matches("\n| ---").count(), 1, "{page}");
    assert_eq!(page.lines().filter(|line| line.starts_with("![")).count(), 4, "{page}");
    let (_, conclusions) = page.split_once("## Conclusions").expect("conclusions");
    assert_eq!(conclusions.matches("\n- **").count(), 3, "{page}");
}

#[test]
fn a_page_cannot_be_made_from_other_files() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let mut command = Command::new(env!("CARGO_BIN_EXE_dora-shm-bench"));
    let out = Folder(std::env::temp_dir().join(format!("dora-shm-bench-page-{}", std::process::id())));
    let output = command.arg("--page-from").arg(&file).arg("--out").arg(&out.0).output().expect("it starts");
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("does not hold a benchmark's data"));
}

/// Runs only if there is a Python with the packages, which the checks do not need.
#[test]
fn the_rows_in_python_bring_every_message() {
    if std::env::var_os(PYTHON).is_none_or(|path| path.is_empty()) {
        return;
    }
    let out = Folder(std::env::temp_dir().join(format!("dora-shm-bench-python-{}", std::process::id())));
    run(&["--quick", "--only", "ezmsg,lsl", "--payload", "1024", "--ring", "16777216"], &out.0);
    let json = std::fs::read_to_string(out.0.join("bench.json")).expect("the JSON");
    let json: Value = serde_json::from_str(&json).expect("valid JSON");
    let rows = json["rounds"].as_array().expect("measurements");
    assert_eq!(rows.len(), 4, "{json}");
    for row in rows {
        let measured = &row["measured"];
        assert!(measured["round_trip_ns"][0].as_f64().is_some_and(|ns| ns > 10.0), "{row}");
        assert!(measured["sent"].as_u64().is_some_and(|sent| sent >= 20), "{row}");
        if row["case"]["mode"] != "alone-paced" {
            assert_eq!(measured["sent"], measured["received"], "{row}");
        }
        if row["case"]["mode"] == "paced" {
            assert!(measured["seen"]["p50_ns"].as_f64().is_some_and(|ns| ns > 0.0), "{row}");
        }
    }
}

#[test]
fn a_row_in_python_without_an_interpreter_names_the_command_to_run() {
    let out = Folder(std::env::temp_dir().join(format!("dora-shm-bench-none-{}", std::process::id())));
    let mut command = Command::new(env!("CARGO_BIN_EXE_dora-shm-bench"));
    command.args(["--quick", "--only", "ezmsg", "--payload", "1024", "--ring", "16777216"]).arg("--out").arg(&out.0);
    let output = command.env_remove(PYTHON).output().expect("the benchmark starts");
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stdout).contains("cargo xtask bench"));
}

#[test]
fn an_unknown_row_is_refused() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dora-shm-bench"));
    let output = command.args(["--only", "no-such-row"]).output().expect("the benchmark starts");
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("no-such-row"));
}

#[test]
fn arguments_that_cannot_be_measured_or_written_are_refused_at_once() {
    for (arguments, word) in [
        (["--payload", "10"], "multiple of 8"),
        (["--payload", "0"], "at least 32"),
        (["--ring", "0"], "at least 1"),
        (["--rounds", "0"], "at least 1"),
        (["--out", "/proc/nowhere"], "/proc/nowhere"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_dora-shm-bench")).args(arguments).output().expect("it starts");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success() && error.contains(word) && !error.contains("round 1"),
            "{arguments:?}: {error}"
        );
    }
}
