//! The C library, installed as users install it, with programs in C and C++ against it.

use super::words;
use crate::setup;
use crate::workspace::{cargo, run};

/// Program and Debian's package.
const NEEDED: [(&str, &str); 5] =
    [("cc", "gcc"), ("c++", "g++"), ("objdump", "binutils"), ("pkg-config", "pkg-config"), ("valgrind", "valgrind")];

pub fn run_all() -> eyre::Result<()> {
    for (program, package) in NEEDED {
        setup::debian_command(program, package)?;
    }
    run(&mut cargo(words("test --release -p dora-shm-c --no-fail-fast -- --include-ignored")))
}
