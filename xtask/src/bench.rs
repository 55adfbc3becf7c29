//! `cargo xtask bench`: the ring beside what else there is.

use crate::workspace::{cargo, run};

/// Builds the benchmark and runs it with these arguments.
pub fn run_with(arguments: &[String]) -> eyre::Result<()> {
    let arguments = arguments.iter().map(|argument| &**argument);
    run(&mut cargo(["run", "--release", "-p", "dora-shm-bench", "--"].into_iter().chain(arguments)))
}
