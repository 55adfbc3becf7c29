//! Where things are, and how commands are run.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use eyre::{WrapErr, bail};

/// Environment variable by which a process is known as a descendant of a task: it holds the task's process id.
pub const MARK: &str = "DORA_SHM_XTASK";

/// The workspace's root folder.
pub fn root() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().expect("the xtask package lies in a folder of the workspace").to_owned()
}

/// Build output. Always this folder, since the dataflows name the nodes by their paths in it.
pub fn target_dir() -> PathBuf {
    root().join("target")
}

/// Where `cargo build --release` leaves the workspace's programs.
pub fn programs() -> PathBuf {
    target_dir().join("release")
}

/// `program`, to be run in the workspace's root and marked as a descendant of this task.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root());
    // A check that a task runs as a process of its own belongs to the task.
    if std::env::var_os(MARK).is_none() {
        command.env(MARK, std::process::id().to_string());
    }
    command
}

/// cargo of the toolchain that built this task.
pub fn cargo<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).env("CARGO_TARGET_DIR", target_dir());
    without_our_package(&mut command);
    command
}

/// Keeps from a command that starts cargo what cargo says of this program.
pub fn without_our_package(command: &mut Command) {
    // What cargo says of this program to itself. A build script deep under dora (that of the crate `ring`) reads these, and
    // would run again, and with it everything above it be compiled again, whenever somebody calls cargo by hand in between.
    for (name, _) in std::env::vars_os() {
        let about_us = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
        if name.to_str().is_some_and(about_us) {
            command.env_remove(name);
        }
    }
}

/// cargo by way of rustup, which alone understands `+toolchain`.
pub fn rustup_cargo<'a>(toolchain: &str, arguments: impl IntoIterator<Item = &'a str>) -> Command {
    let mut cargo = command("cargo");
    cargo.arg(toolchain).args(arguments);
    ask_rustup(&mut cargo);
    cargo
}

/// Lets a command that starts cargo choose the toolchain itself.
pub fn ask_rustup(command: &mut Command) -> &mut Command {
    command.env_remove("RUSTUP_TOOLCHAIN").env_remove("RUSTC").env_remove("CARGO")
}

/// Prints and runs `command`; its failure is an error that names it.
pub fn run(command: &mut Command) -> eyre::Result<()> {
    let line = shown(command);
    println!("$ {line}");
    let status = command.stdin(Stdio::null()).status().wrap_err_with(|| format!("cannot start `{line}`"))?;
    if !status.success() {
        bail!("`{line}` failed ({status})");
    }
    Ok(())
}

/// What `command` prints, if it can be run and succeeds. For questions such as `dora --version`.
pub fn answer(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Whether `program` is in one of PATH's folders.
pub fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

fn shown(command: &Command) -> String {
    let root = root();
    let words = std::iter::once(command.get_program()).chain(command.get_args()).map(|word| {
        let path = Path::new(word);
        path.strip_prefix(&root).unwrap_or(path).display().to_string()
    });
    words.collect::<Vec<_>>().join(" ")
}
