//! The workspace's folders, and how commands are run in it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use eyre::{WrapErr, bail};

/// Environment variable that marks the descendants of a task. Its value is the task's process ID.
pub const MARK: &str = "DORA_SHM_XTASK";

/// The workspace's root folder.
pub fn root() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().expect("the xtask package lies in a folder of the workspace").to_owned()
}

/// Folder of the build output. Always this one, since the dataflows contain the nodes' paths in it.
pub fn target_dir() -> PathBuf {
    root().join("target")
}

/// Folder in which `cargo build --release` places the workspace's programs.
pub fn programs() -> PathBuf {
    target_dir().join("release")
}

/// A command that runs `program` in the workspace's root, marked as a descendant of this task.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root());
    // The mark is inherited: the descendants of a check count as those of the task that runs it.
    if std::env::var_os(MARK).is_none() {
        command.env(MARK, std::process::id().to_string());
    }
    command
}

/// The cargo of the toolchain that built this task.
pub fn cargo<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).env("CARGO_TARGET_DIR", target_dir());
    without_our_package(&mut command);
    command
}

/// Removes from a command that starts cargo the variables that describe this package.
pub fn without_our_package(command: &mut Command) {
    // The build script of the crate `ring`, deep below dora, reads these variables. With them it would run again, and
    // everything above it would be compiled again, after each call of cargo by hand.
    for (name, _) in std::env::vars_os() {
        let about_us = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
        if name.to_str().is_some_and(about_us) {
            command.env_remove(name);
        }
    }
}

/// cargo as rustup's proxy, which alone understands `+toolchain`.
pub fn rustup_cargo<'a>(toolchain: &str, arguments: impl IntoIterator<Item = &'a str>) -> Command {
    let mut cargo = command("cargo");
    cargo.arg(toolchain).args(arguments);
    ask_rustup(&mut cargo);
    cargo
}

/// Removes the variables that fix the toolchain, so that a command that starts cargo chooses it itself.
pub fn ask_rustup(command: &mut Command) -> &mut Command {
    command.env_remove("RUSTUP_TOOLCHAIN").env_remove("RUSTC").env_remove("CARGO")
}

/// Prints and runs `command`. If it fails, the error contains its command line.
pub fn run(command: &mut Command) -> eyre::Result<()> {
    let line = shown(command);
    println!("$ {line}");
    let status = command.stdin(Stdio::null()).status().wrap_err_with(|| format!("cannot start `{line}`"))?;
    if !status.success() {
        bail!("`{line}` failed ({status})");
    }
    Ok(())
}

/// The standard output of `command`, trimmed; `None` if it cannot be started or fails. For queries such as
/// `dora --version`.
pub fn stdout_of(command: &mut Command) -> Option<String> {
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
