//! Installs the C library as users do, and runs programs in C and C++ that use it.

use std::path::PathBuf;

use super::test;
use crate::setup;
use crate::workspace::{command, root, run, target_dir, without_our_package};

/// Each program, and Debian's package of it.
const NEEDED: [(&str, &str); 5] =
    [("cc", "gcc"), ("c++", "g++"), ("objdump", "binutils"), ("pkg-config", "pkg-config"), ("valgrind", "valgrind")];

pub fn run_all() -> eyre::Result<()> {
    tools()?;
    test("--release -p dora-shm-c --no-fail-fast -- --include-ignored")
}

/// Installs the library as a user does, for the programs of other checks. Returns the prefix.
pub fn install() -> eyre::Result<PathBuf> {
    tools()?;
    let prefix = target_dir().join("c-prefix");
    let mut script = command(root().join("bindings/c/install.sh"));
    without_our_package(&mut script);
    run(script.arg(&prefix).env("CARGO_TARGET_DIR", target_dir()))?;
    Ok(prefix)
}

fn tools() -> eyre::Result<()> {
    NEEDED.into_iter().try_for_each(|(program, package)| setup::debian_command(program, package))
}
