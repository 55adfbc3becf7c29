//! `cargo xtask bench`: the ring compared with its alternatives.

use crate::setup;
use crate::workspace::{cargo, programs, run};

/// Builds the benchmark and the nodes that it runs in graphs, then runs it with these arguments.
pub fn run_with(arguments: &[String]) -> eyre::Result<()> {
    run(&mut cargo("build --release --bins".split(' ')))?;
    let arguments = arguments.iter().map(|argument| &**argument);
    let mut bench = cargo(["run", "--release", "-p", "dora-shm-bench", "--"].into_iter().chain(arguments));
    bench.env("DORA_SHM_PROGRAMS", programs());
    // A row that needs a missing program reports it. The other rows are measured nevertheless.
    for (variable, program) in [("DORA_SHM_BENCH_PYTHON", setup::bench_python()), ("DORA_BIN", setup::dora_cli())] {
        match program {
            Ok(program) => _ = bench.env(variable, program),
            Err(error) => eprintln!("{variable} stays unset: {error:#}"),
        }
    }
    run(&mut bench)
}

/// Builds `source-delay` and runs it with these arguments.
pub fn source_delay(arguments: &[String]) -> eyre::Result<()> {
    let arguments = arguments.iter().map(|argument| &**argument);
    let mut measure = cargo("run --release -p dora-shm-bench --bin source-delay --".split(' ').chain(arguments));
    run(measure.env("DORA_BIN", setup::dora_cli()?))
}
