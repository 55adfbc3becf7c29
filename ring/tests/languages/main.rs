//! Readers in other languages, each a program that was written from `SPEC.md` and prints what it reads as lines of
//! JSON: from the streams of `tests/vectors/streams`, and from one whose writer laps it and switches generations.

mod live;
mod page;
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

/// `octave-cli` rather than `octave`, which needs a display.
fn octave() -> Command {
    let mut command = Command::new("octave-cli");
    command.args(["--no-init-file", "--no-history", "--quiet"]).arg(here("drive.m"));
    command
}

/// Compiled once per test process.
fn csharp() -> Command {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    mono(PROGRAM.get_or_init(|| {
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("dora-shm-drive.exe");
        compile_csharp(&here("Drive.cs"), &program);
        program
    }))
}

/// Compiles a source and the reader into a program.
fn compile_csharp(source: &Path, program: &Path) {
    let compiled = Command::new("mcs")
        .args(["-unsafe", "-warn:4", "-warnaserror"])
        .arg(format!("-out:{}", program.display()))
        .args([&shown("csharp/DoraShmReader.cs"), source])
        .output()
        .expect("the compiler of Mono; `cargo xtask languages` installs it");
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
}

fn mono(program: &Path) -> Command {
    let mut command = Command::new("mono");
    // Without this setting, Mono creates a file in /dev/shm, and leaves it there when it is killed.
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
fn the_reader_for_matlab_reads_each_vector_as_expected_in_octave() {
    vectors::all(octave);
}

#[test]
#[ignore = "needs Octave; `cargo xtask languages` installs it"]
fn the_reader_for_matlab_follows_a_stream_that_laps_it_and_switches_generations_in_octave() {
    live::follow("octave", octave());
}

#[test]
#[ignore = "needs Mono; `cargo xtask languages` installs it"]
fn the_reader_in_csharp_reads_each_vector_as_expected() {
    vectors::all(csharp);
}

#[test]
#[ignore = "needs Mono; `cargo xtask languages` installs it"]
fn the_reader_in_csharp_follows_a_stream_that_laps_it_and_switches_generations() {
    live::follow("csharp", csharp());
}

#[test]
#[ignore = "needs Octave; `cargo xtask languages` installs it"]
fn the_program_for_matlab_on_the_page_reads_until_the_stream_ends_in_octave() {
    let name = dora_shm_testkit::Name::new("page-octave");
    // Octave flushes its output only at its end, and would need a display to draw.
    let program = page::program("matlab", &name).replace("frames.lost);\n", "frames.lost); fflush(stdout);\n");
    let (program, _) = program.split_once("plot(").expect("a last line that plots");
    let script = page::file("page.m");
    let folder = shown("matlab");
    std::fs::write(&script, format!("addpath('{}');\n{program}", folder.display())).unwrap();
    let mut command = Command::new("octave-cli");
    page::reads(&name, command.args(["--no-init-file", "--no-history", "--quiet"]).arg(&script));
    let _ = std::fs::remove_file(script);
}

#[test]
#[ignore = "needs Mono; `cargo xtask languages` installs it"]
fn the_program_in_csharp_on_the_page_reads_until_the_stream_ends() {
    let name = dora_shm_testkit::Name::new("page-csharp");
    let program = page::program("csharp", &name);
    let body = program.strip_prefix("using DoraShm;\n").expect("the namespace first");
    let (source, compiled) = (page::file("Page.cs"), page::file("page.exe"));
    let text = format!(
        "using System;\nusing DoraShm;\nstatic class Page\n{{\n    static void Main()\n    {{\n{body}\n    }}\n}}\n"
    );
    std::fs::write(&source, text).unwrap();
    compile_csharp(&source, &compiled);
    page::reads(&name, &mut mono(&compiled));
    [source, compiled].iter().for_each(|path| _ = std::fs::remove_file(path));
}

#[test]
#[ignore = "needs Julia, which Debian does not have"]
fn the_reader_in_julia_reads_each_vector_as_expected() {
    vectors::all(julia);
}

#[test]
#[ignore = "needs Julia, which Debian does not have"]
fn the_reader_in_julia_follows_a_stream_that_laps_it_and_switches_generations() {
    live::follow("julia", julia());
}
