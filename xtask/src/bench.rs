//! `cargo xtask bench`: the ring beside what else there is.

use crate::setup;
use crate::workspace::{cargo, programs, run};

/// Builds the benchmark, and the nodes that it runs in graphs, and runs it with these arguments.
pub fn run_with(arguments: &[String]) -> eyre::Result<()> {
    run(&mut cargo("build --release --bins".split(' ')))?;
    let arguments = arguments.iter().map(|argument| &**argument);
    run(cargo(["run", "--release", "-p", "dora-shm-bench", "--"].into_iter().chain(arguments))
        .env("DORA_BIN", setup::dora_cli()?)
        .env("DORA_SHM_PROGRAMS", programs()))
}
