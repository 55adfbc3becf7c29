//! Runs the readers of bindings/single-file in their own languages.

use super::words;
use crate::setup;
use crate::workspace::{cargo, on_path, run};

const TEST: &str = "test --release -p dora-shm-ring --features failpoints --test languages -- --include-ignored";

/// Each program, and Debian's package of it. The download of Octave is about 80 MB, that of Mono 7 MB.
const NEEDED: [(&str, &str); 3] = [("octave-cli", "octave"), ("mcs", "mono-mcs"), ("mono", "mono-runtime")];

/// Tests every language that can be installed, and Julia if it is installed already, since Debian does not package it.
pub fn run_all() -> eyre::Result<()> {
    for (program, package) in NEEDED {
        setup::debian_command(program, package)?;
    }
    let mut command = cargo(words(TEST));
    if !on_path("julia") {
        println!(
            "`julia` is not on the PATH, and Debian does not package it: the experimental Julia reader is NOT tested"
        );
        command.args(["--skip", "julia"]);
    }
    run(&mut command)
}
