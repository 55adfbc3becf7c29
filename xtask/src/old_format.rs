//! `cargo xtask old-beside-new`: programs of the last commit that writes an older version of the format, beside those of
//! this one.

use std::path::Path;
use std::process::Command;

use eyre::bail;

use crate::workspace::{self, cargo, root, run, target_dir};

/// The last commit whose writer makes segments of version 1.0. Everything after it writes 1.1.
const LAST_OF_1_0: &str = "d088f3002882f4fba336a571a876c2896a50b09a";

/// Builds the roles of [`LAST_OF_1_0`] in a work tree of their own, and runs the tests that need them.
///
/// # Errors
/// If the history has no such commit (a shallow clone), or a test fails.
pub fn run_beside_new() -> eyre::Result<()> {
    let tree = target_dir().join("format-1.0");
    check_out(&tree)?;
    let built = target_dir().join("format-1.0-build");
    let mut build = cargo("build --release --locked -p dora-shm-testkit --bin dora-shm-role".split(' '));
    run(build.current_dir(&tree).env("CARGO_TARGET_DIR", &built))?;
    let mut tests = cargo("test --release -p dora-shm-ring --test old_beside_new -- --include-ignored".split(' '));
    run(tests.env("DORA_SHM_ROLE_1_0", built.join("release/dora-shm-role")))
}

/// A work tree of the commit at `tree`. It stays there for the next run.
fn check_out(tree: &Path) -> eyre::Result<()> {
    let head = workspace::stdout_of(git(tree).args(["rev-parse", "HEAD"]));
    if head.as_deref() == Some(LAST_OF_1_0) {
        return Ok(());
    }
    if tree.exists() {
        bail!("{} is not a work tree of {LAST_OF_1_0}; remove it, and run `git worktree prune`", tree.display());
    }
    run(git(&root()).args(["worktree", "prune"]))?;
    run(git(&root()).args(["worktree", "add", "--detach"]).arg(tree).arg(LAST_OF_1_0))
}

fn git(folder: &Path) -> Command {
    let mut command = workspace::command("git");
    command.arg("-C").arg(folder);
    command
}
