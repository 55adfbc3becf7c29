//! The project's tasks, run as `cargo xtask <task>`. Each one does its own set-up.

mod bench;
mod demo;
mod leftovers;
mod setup;
mod steps;
mod torture;
mod transcript;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use steps::Generated;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The project's tasks; each one does its own set-up")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Set up and run every check, one after the other
    Test,
    /// Injects faults into streams while readers verify every frame; `cargo xtask torture --help` has the forms
    #[command(disable_help_flag = true)]
    Torture {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Fuzzes what readers believe of segments: attach, description, pickle, reading, or each in turn
    Fuzz {
        /// The target; default: each in turn
        target: Option<torture::Target>,
        /// Seconds for each target
        #[arg(default_value_t = 60)]
        seconds: u64,
    },
    /// Make the streams in tests/vectors anew, with the writer as it is now
    Vectors {
        /// Only compare: fail where the writer makes other bytes than those that are committed
        #[arg(long)]
        check: bool,
    },
    /// Make the C library's header anew, from the sources as they are now
    Header {
        /// Only compare: fail where the committed header is another one
        #[arg(long)]
        check: bool,
    },
    /// Make the first inputs of the fuzzers anew, from streams that the writer makes now
    FuzzSeeds {
        /// Only compare: fail where the committed inputs are others
        #[arg(long)]
        check: bool,
    },
    /// Measure the ring beside its alternatives: prints the tables and targets, and writes the page docs/bench/README.md
    #[command(disable_help_flag = true)]
    Bench {
        /// Arguments of the benchmark; `cargo xtask bench --help` lists them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Write the stub of the Python package's compiled module anew
    Stubs,
    #[command(flatten)]
    Step(steps::Step),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().task {
        Task::Test => steps::run_all(),
        Task::Torture { arguments } => torture::run(&arguments),
        Task::Fuzz { target, seconds } => torture::fuzz(target, seconds),
        Task::Vectors { check } => Generated::Vectors.run(check),
        Task::FuzzSeeds { check } => Generated::FuzzSeeds.run(check),
        Task::Header { check } => Generated::Header.run(check),
        Task::Bench { arguments } => bench::run_with(&arguments),
        Task::Stubs => steps::write_stub(),
        Task::Step(step) => step.run(),
    };
    if let Err(error) = outcome {
        eprintln!("error: {error:#}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
