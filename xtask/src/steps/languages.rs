//! The readers of bindings/single-file, run in their own languages.

use super::words;
use crate::setup;
use crate::workspace::{cargo, on_path, run};

const TEST: &str = "test --release -p dora-shm-ring --features failpoints --test languages -- --include-ignored";

/// Program and Debian's package. Octave is some 80 MB to download, Mono 7 MB.
const NEEDED: [(&str, &str); 3] = [("octave-cli", "octave"), ("mcs", "mono-mcs"), ("mono", "mono-runtime")];

/// Every language that can be installed, and Julia where it is installed already: Debian does not package it.
pub fn run_all() -> eyre::Result<()> {
    for (program, package) in NEEDED {
        setup::debian_command(program, package)?;
    }
    let mut command = cargo(words(TEST));
    if !on_path("julia") {
        println!(
            "`julia` is not on the PATH, and Debian does not package it: the experimental reader in Julia is NOT tested"
        );
        command.args(["--skip", "julia"]);
    }
    run(&mut command)
}
