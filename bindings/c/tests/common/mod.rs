//! What the tests share: the library, installed as by a user; programs that are compiled against it; names of streams.

#![allow(dead_code, reason = "each test program uses its part")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use dora_shm_testkit::process::Process;
use dora_shm_testkit::until::until_within;

/// Time limit for anything that takes seconds if all is well, even in valgrind on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Waits until `condition` holds.
#[track_caller]
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    until_within(PATIENCE, what, || condition().then_some(()));
}

/// Starts a program that exchanges lines with the test.
#[track_caller]
pub fn start(command: &mut Command) -> Process {
    Process::start(command).unwrap_or_else(|sentence| panic!("{sentence}")).with_patience(PATIENCE)
}

/// The package's folder.
pub fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs a command that has to succeed, and returns its output.
#[track_caller]
pub fn run(command: &mut Command) -> Output {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// Returns what a command prints, without the white space around it.
#[track_caller]
pub fn text(command: &mut Command) -> String {
    String::from_utf8(run(command).stdout).unwrap().trim().to_owned()
}

/// A folder of this test program, emptied once.
pub fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let program = std::env::current_exe().unwrap();
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(program.file_name().unwrap());
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        folder
    })
}

/// Where the library is installed, by the script that users run.
pub fn prefix() -> &'static Path {
    static PREFIX: OnceLock<PathBuf> = OnceLock::new();
    PREFIX.get_or_init(|| {
        let prefix = folder().join("prefix");
        run(Command::new(here().join("install.sh")).arg(&prefix));
        prefix
    })
}

/// pkg-config, which finds the installed library.
pub fn pkg_config(arguments: &[&str]) -> Vec<String> {
    let mut command = Command::new("pkg-config");
    command.args(arguments).arg("dora_shm").env("PKG_CONFIG_PATH", prefix().join("lib/pkgconfig"));
    text(&mut command).split_whitespace().map(str::to_owned).collect()
}

/// A language that the tests are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    C,
    Cpp,
}

impl Language {
    pub fn of(source: &Path) -> Self {
        if source.extension().is_some_and(|extension| extension == "c") { Language::C } else { Language::Cpp }
    }

    /// Its compiler, with the warnings that are errors here.
    pub fn compiler(self) -> Command {
        let (variable, usual, standard) = match self {
            Language::C => ("CC", "cc", "-std=c11"),
            Language::Cpp => ("CXX", "c++", "-std=c++17"),
        };
        let mut command = Command::new(std::env::var_os(variable).unwrap_or_else(|| usual.into()));
        // The programs need POSIX besides the standard: threads, signals, processes.
        command.args([standard, "-D_POSIX_C_SOURCE=200809L", "-g", "-O1", "-pedantic", "-pthread"]);
        command.args(["-Wall", "-Wextra", "-Werror", "-Wshadow", "-Wconversion", "-Wno-sign-conversion"]);
        command
    }
}

/// A source of this package.
pub fn source(path: &str) -> PathBuf {
    here().join(path)
}

/// Compiles `path` with `flags` and links it with the shared library, which the program finds by its rpath.
pub fn compile(path: &str, kind: &str, flags: &[&str]) -> PathBuf {
    let source = source(path);
    let stem = source.file_name().unwrap().to_str().unwrap().replace('.', "-");
    let program = folder().join(format!("{stem}-{kind}"));
    let rpath = format!("-Wl,-rpath,{}", prefix().join("lib").display());
    let mut compiler = Language::of(&source).compiler();
    compiler.args(flags).arg(&source).arg("-o").arg(&program);
    run(compiler.args(pkg_config(&["--cflags", "--libs"])).args([&rpath, "-lm"]));
    program
}
