//! `cargo xtask bench`: the ring beside what else there is.

use crate::setup;
use crate::workspace::{cargo, programs, run};

/// Builds the benchmark, and the nodes that it runs in graphs, and runs it with these arguments.
pub fn run_with(arguments: &[String]) -> eyre::Result<()> {
    let (python, dora) = (setup::bench_python()?, setup::dora_cli()?);
    run(&mut cargo("build --release --bins".split(' ')))?;
    let arguments = arguments.iter().map(|argument| &**argument);
    let mut bench = cargo(["run", "--release", "-p", "dora-shm-bench", "--"].into_iter().chain(arguments));
    run(bench.env("DORA_SHM_BENCH_PYTHON", python).env("DORA_BIN", dora).env("DORA_SHM_PROGRAMS", programs()))
}
