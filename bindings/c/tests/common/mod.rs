//! What the tests share: the library as a user has it, installed; programs that are compiled against it; names of streams.

#![allow(dead_code, reason = "each test program uses its part")]

#[path = "../../../../ring/tests/common/process.rs"]
pub mod process;
#[path = "../../../../ring/tests/common/segments.rs"]
pub mod segments;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long anything may take that takes seconds when all is well, also in valgrind on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Waits until `condition` holds.
#[track_caller]
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "gave up waiting: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A stream's name that no other test and no other run uses. When dropped at the end of a test that passed, nothing of the
/// stream may be left in shared memory; after a failure what is left is removed.
pub struct Name(String);

impl Name {
    pub fn new(test: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self(format!("c-test/{}/{number}-{test}", std::process::id()))
    }
}

impl std::ops::Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        let left = segments::of(&self.0);
        left.iter().for_each(|path| _ = std::fs::remove_file(path));
        assert!(left.is_empty() || std::thread::panicking(), "left in shared memory by {}: {left:?}", self.0);
    }
}

/// The package's folder.
pub fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs a command that has to succeed; what it prints.
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

/// What a command prints, without the white space around it.
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
        // POSIX beside the standard: threads, signals, processes.
        command.args([standard, "-D_POSIX_C_SOURCE=200809L", "-g", "-O1", "-pedantic", "-pthread"]);
        command.args(["-Wall", "-Wextra", "-Werror", "-Wshadow", "-Wconversion", "-Wno-sign-conversion"]);
        command
    }
}

/// A source of this package.
pub fn source(path: &str) -> PathBuf {
    here().join(path)
}

/// Compiles `path` with `flags` and links it with the shared library; the program finds it by itself.
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
