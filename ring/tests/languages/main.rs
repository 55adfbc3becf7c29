//! Readers in other languages, each a program that was written from `SPEC.md` and tells in lines of JSON what it finds: in the
//! streams of `tests/vectors/streams`, and in one whose writer laps it and switches generations.

#[path = "../common/mod.rs"]
mod common;

mod live;
mod vectors;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

fn here(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/languages").join(file)
}

fn shown(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../bindings/single-file").join(file)
}

/// `octave-cli` and not `octave`, which wants a display.
fn octave() -> Command {
    let mut command = Command::new("octave-cli");
    command.args(["--no-init-file", "--no-history", "--quiet"]).arg(here("drive.m"));
    command
}

/// Compiled once for all tests of this process.
fn csharp() -> Command {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    let program = PROGRAM.get_or_init(|| {
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("dora-shm-drive.exe");
        let compiled = Command::new("mcs")
            .args(["-unsafe", "-warn:4", "-warnaserror"])
            .arg(format!("-out:{}", program.display()))
            .args([shown("csharp/DoraShmReader.cs"), here("Drive.cs")])
            .output()
            .expect("the compiler of Mono; `cargo xtask languages` installs it");
        assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
        program
    });
    let mut command = Command::new("mono");
    // Else it has a file of its own in /dev/shm, and leaves it there when it is killed.
    command.env("MONO_DISABLE_SHARED_AREA", "1").arg(program);
    command
}

fn julia() -> Command {
    let mut command = Command::new("julia");
    command.args(["--startup-file=no", "--history-file=no"]).arg(here("drive.jl"));
    command
}

fn python() -> Command {
    let mut command = Command::new(std::env::var_os("DORA_SHM_EZMSG_PYTHON").unwrap_or_else(|| "python3".into()));
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/spec_reader.py"));
    command
}

#[test]
fn a_reader_of_mmap_and_struct_follows_a_stream_that_laps_it_and_switches_generations() {
    live::follow("python", python());
}

#[test]
#[ignore = "needs Octave; `cargo xtask languages` installs it"]
fn the_reader_for_matlab_finds_in_octave_in_each_vector_what_is_expected_of_it() {
    vectors::all(octave);
}

#[test]
#[ignore = "needs Octave; `cargo xtask languages` installs it"]
fn the_reader_for_matlab_follows_in_octave_a_stream_that_laps_it_and_switches_generations() {
    live::follow("octave", octave());
}

#[test]
#[ignore = "needs Mono; `cargo xtask languages` installs it"]
fn the_reader_in_csharp_finds_in_each_vector_what_is_expected_of_it() {
    vectors::all(csharp);
}

#[test]
#[ignore = "needs Mono; `cargo xtask languages` installs it"]
fn the_reader_in_csharp_follows_a_stream_that_laps_it_and_switches_generations() {
    live::follow("csharp", csharp());
}

#[test]
#[ignore = "needs Julia, which Debian does not have"]
fn the_reader_in_julia_finds_in_each_vector_what_is_expected_of_it() {
    vectors::all(julia);
}

#[test]
#[ignore = "needs Julia, which Debian does not have"]
fn the_reader_in_julia_follows_a_stream_that_laps_it_and_switches_generations() {
    live::follow("julia", julia());
}
