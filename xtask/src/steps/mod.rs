//! The checks, each runnable on its own: `cargo xtask clippy`, `cargo xtask system`, ...

mod c;
mod generated;
mod languages;
mod layers;
mod loom;
mod memory;
mod python;

use std::time::{Duration, Instant};

use clap::Subcommand;
use eyre::bail;

use crate::leftovers::Before;
use crate::transcript::{failures, run_and_keep};
use crate::workspace::{self, cargo, run};
use crate::{demo, setup, torture};

pub use generated::Generated;
pub use python::write_stub;

/// Members that are not default members.
const NOT_DEFAULT: &str = "--exclude dora-shm-torture --exclude dora-shm-bench";

/// One check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
pub enum Step {
    /// Check the formatting
    Fmt,
    /// Check that crates and files import only what ARCHITECTURE.md allows
    Layers,
    /// Build all programs, libraries and tests in release, the only profile in which dora's crates are compiled
    Build,
    /// Run clippy, with warnings denied
    Clippy,
    /// Test the ring with overflow checks and debug assertions
    Ring,
    /// Run all tests except the whole-system tests, and the documentation's examples
    Unit,
    /// Kill a writer after each store of the crash table, and check what readers and the next writer do
    Crash,
    /// Check that committed files are, byte for byte, what their program generates. On the command line these are the
    /// tasks `vectors`, `fuzz-seeds` and `header` with `--check`.
    #[command(skip)]
    Generated(Generated),
    /// The short torture campaign: faults under load, every frame verified. On the command line this is the task
    /// `torture` without arguments.
    #[command(skip)]
    Torture,
    /// Run the benchmark's tests, among them a short run of the benchmark
    #[command(name = "benchtests")]
    BenchTests,
    /// Test against the real ezmsg-tools, in both directions: streams, and what a listener receives from a sink
    Ezmsg,
    /// Install the C library, and run programs in C and C++ that use it, also in valgrind and with AddressSanitizer
    C,
    /// Test the readers of bindings/single-file in Octave and C#, and in Julia if it is installed
    Languages,
    /// Install the Python package as a user does, run its tests and mypy, and compare its stub
    Python,
    /// Read the command line's recordings with pyarrow and numpy
    Cli,
    /// Build the API documentation, with warnings denied
    Doc,
    /// Run the protocol code under loom's exhaustive scheduler
    Loom,
    /// Run the ring's tests that map nothing in Miri
    Miri,
    /// Run the ring's tests with AddressSanitizer
    Asan,
    /// Run the ring's single-process tests in valgrind
    Valgrind,
    /// Run dataflows/demo.yml for ten seconds, with a reader outside the graph
    Demo,
    /// Run the demo with the oldest release of dora that the nodes are tried with
    #[command(name = "olddora")]
    OldDora,
    /// Run the whole-system tests: the real dora command line, real processes
    System,
}

impl Step {
    /// Runs this check, after the set-up it needs.
    pub fn run(self) -> eyre::Result<()> {
        match self {
            Step::Fmt => run(&mut cargo(words("fmt --all --check"))),
            Step::Layers => layers::check(),
            Step::Build => run(&mut cargo(words("build --release --all-targets"))),
            Step::Clippy => {
                // First the default members, with the features that a build gives them, then what needs other features.
                let failpoints = "-p dora-shm-ring -p dora-shm-testkit --features dora-shm-ring/failpoints ";
                for packages in ["", failpoints, "-p dora-shm-torture -p dora-shm-bench ", "-p dora-shm-python "] {
                    run(&mut cargo(words(&format!("clippy --release {packages}--all-targets -- -D warnings"))))?;
                }
                Ok(())
            }
            Step::Ring => test("-p dora-shm-ring --no-fail-fast"),
            Step::Unit => test(&format!("--release --workspace --exclude dora-shm-tests {NOT_DEFAULT} --no-fail-fast")),
            Step::Crash => test("--release -p dora-shm-ring --features failpoints --test crash_table"),
            Step::Generated(files) => files.run(true),
            Step::Torture => {
                test("--release -p dora-shm-torture")?;
                torture::run(&[])
            }
            Step::BenchTests => test("--release -p dora-shm-bench"),
            // These tests are ignored unless the real package is installed.
            Step::Ezmsg => {
                test(
                    "--release -p dora-shm-ring --features failpoints --test ezmsg_mirror --test ezmsg_writer -- \
                     --include-ignored",
                )?;
                test("--release -p dora-shm-sink --test node original -- --include-ignored")
            }
            Step::C => c::run_all(),
            Step::Languages => languages::run_all(),
            Step::Python => python::check(),
            Step::Cli => run(cargo(words("test --release -p dora-shm-cli --test recording -- --include-ignored"))
                .env("DORA_SHM_PYARROW_PYTHON", setup::binding_python()?)),
            Step::Doc => run(cargo(words("doc --release --no-deps")).env("RUSTDOCFLAGS", "-D warnings")),
            Step::Loom => loom::run_all(),
            Step::Miri => memory::miri(),
            Step::Asan => memory::asan(),
            Step::Valgrind => memory::valgrind(),
            Step::Demo => demo::run(),
            Step::OldDora => demo::run_with_oldest_dora(),
            Step::System => {
                run(&mut cargo(words("build --release --bins")))?;
                let (python, c_prefix) = (python::installed()?, c::install()?);
                let mut command = test_command("--release -p dora-shm-tests --no-fail-fast -- --include-ignored")?;
                run(command.env("DORA_SHM_PYTHON", python).env("DORA_SHM_C_PREFIX", c_prefix))
            }
        }
    }

    fn word(self) -> String {
        match self {
            Step::Generated(files) => files.word().to_owned(),
            _ => format!("{self:?}").to_lowercase(),
        }
    }

    /// The command line that runs this step alone.
    fn arguments(self) -> Vec<String> {
        let check = matches!(self, Step::Generated(_)).then(|| "--check".to_owned());
        [self.word()].into_iter().chain(check).collect()
    }

    /// Whether the results of the later steps are useless if this one fails.
    fn others_depend_on_it(self) -> bool {
        self == Step::Build
    }
}

/// All steps in the order in which they run: those that fail soonest first, those that need everything else last.
fn all() -> Vec<Step> {
    let first = [
        Step::Fmt,
        Step::Layers,
        Step::Build,
        Step::Clippy,
        Step::Ring,
        Step::Unit,
        Step::Crash,
        Step::Generated(Generated::Vectors),
        Step::Generated(Generated::FuzzSeeds),
        Step::Generated(Generated::Header),
        Step::Torture,
        Step::BenchTests,
        Step::Ezmsg,
        Step::C,
        Step::Languages,
        Step::Python,
        Step::Cli,
        Step::Doc,
        Step::Loom,
    ];
    [&first[..], &memory::fitting_steps(), &[Step::Demo, Step::OldDora, Step::System]].concat()
}

/// Runs all steps and prints a summary. Fails if a step failed or left something behind.
pub fn run_all() -> eyre::Result<()> {
    let before = Before::record();
    let started = Instant::now();
    let mut results = Vec::new();
    // Before the build, which replaces this program's file.
    let program = std::env::current_exe()?;

    announce("set-up");
    setup::toolchain()?;
    setup::test_tools()?;
    results.push(("set-up".to_owned(), started.elapsed(), Ok(())));

    for step in all() {
        announce(&step.word());
        let started = Instant::now();
        let (status, output) = run_and_keep(workspace::command(&program).args(step.arguments()))?;
        let elapsed = started.elapsed();
        let verdict = if status.success() { "passed" } else { "FAILED" };
        println!("--- {}: {verdict}, {}", step.word(), seconds(elapsed));
        let outcome = if status.success() { Ok(()) } else { Err(failures(&output)) };
        let stop = outcome.is_err() && step.others_depend_on_it();
        results.push((step.word(), elapsed, outcome));
        if stop {
            break;
        }
    }

    announce("left behind");
    let left = before.left();
    left.iter().for_each(|sentence| println!("{sentence}"));
    let nothing_left = if left.is_empty() { Ok(()) } else { Err(left.join("\n")) };
    results.push(("left behind".to_owned(), Duration::ZERO, nothing_left));

    for (name, _, outcome) in &results {
        if let Err(report) = outcome {
            println!("\n=== failures of {name}\n{report}");
        }
    }
    println!("\n=== summary");
    for (name, elapsed, outcome) in &results {
        let verdict = if outcome.is_ok() { "passed" } else { "FAILED" };
        println!("{name:<12} {verdict} {:>10}", seconds(*elapsed));
    }
    println!("{:<12}        {:>10}", "all", seconds(started.elapsed()));
    let failed: Vec<_> = results.iter().filter(|(_, _, outcome)| outcome.is_err()).map(|(name, ..)| &**name).collect();
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}

/// Runs the simulations of the ring's `times`, the long ones included, one at a time so that their tables stay whole.
pub fn run_times() -> eyre::Result<()> {
    let test = "test --release -p dora-shm-ring --test sample_clock -- --include-ignored --nocapture --test-threads=1";
    run(&mut cargo(words(test)))
}

/// Runs the real sources without a rate for `minutes`.
pub fn run_ring_length(minutes: u64) -> eyre::Result<()> {
    let test = "--release -p dora-shm-tests --test system ring_length -- --include-ignored --nocapture";
    run(&mut cargo(words("build --release --bins")))?;
    run(test_command(test)?.env("RING_LENGTH_SECONDS", (60 * minutes).to_string()))
}

/// Runs `cargo test` with the variables by which the tests find the tools that are set up for them.
fn test(arguments: &str) -> eyre::Result<()> {
    run(&mut test_command(arguments)?)
}

fn test_command(arguments: &str) -> eyre::Result<std::process::Command> {
    let tools = setup::test_tools()?;
    let mut command = cargo(["test"].into_iter().chain(words(arguments)));
    command.env("DORA_BIN", &tools.dora).env("DORA_SHM_EZMSG_PYTHON", &tools.python);
    command.env("DORA_SHM_EZMSG06_PYTHON", &tools.ezmsg06_python);
    // The programs have just been built. Without this variable the whole-system tests would build them with cargo
    // again.
    command.env("DORA_SHM_PROGRAMS", workspace::programs());
    Ok(command)
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(' ')
}

fn announce(name: &str) {
    println!("\n=== {name}");
}

fn seconds(elapsed: Duration) -> String {
    format!("{:.1} s", elapsed.as_secs_f64())
}
