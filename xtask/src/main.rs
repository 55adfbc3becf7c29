//! The project's tasks, run as `cargo xtask <task>`. Each one does its own set-up.

mod bench;
mod demo;
mod leftovers;
mod old_format;
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
    /// Set up the machine, then run every check
    Test,
    /// Inject faults into streams while readers verify every frame; `cargo xtask torture --help` lists the options
    #[command(disable_help_flag = true)]
    Torture {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Fuzz the code that reads untrusted segments: one target, or each in turn
    Fuzz {
        /// Target to fuzz; default: each in turn
        target: Option<torture::Target>,
        /// Time for each target, in seconds
        #[arg(default_value_t = 60)]
        seconds: u64,
    },
    /// Run the sample clock and the rate meter on thousands of simulated sources, and print how near their times come to
    /// the truth. The gate runs a short form in its step `ring`.
    Times,
    /// Regenerate the streams in tests/vectors with the current writer
    Vectors {
        /// Write nothing; fail if the writer's bytes differ from the committed ones
        #[arg(long)]
        check: bool,
    },
    /// Regenerate the C library's header from the current sources
    Header {
        /// Write nothing; fail if the generated header differs from the committed one
        #[arg(long)]
        check: bool,
    },
    /// Regenerate the fuzzers' first inputs from streams of the current writer
    FuzzSeeds {
        /// Write nothing; fail if the generated inputs differ from the committed ones
        #[arg(long)]
        check: bool,
    },
    /// Compare the ring with its alternatives: print tables and targets, and write docs/bench/README.md
    #[command(disable_help_flag = true)]
    Bench {
        /// Arguments of the benchmark; `cargo xtask bench --help` lists them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Measure how long a sink that is slow, stopped or killed delays its source: print the table of docs/graphs.md
    #[command(disable_help_flag = true)]
    SourceDelay {
        /// Arguments of the measurement; `cargo xtask source-delay --help` lists them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Run real sources that state no rate, and print how near their rings come to the seconds asked for. The gate runs a
    /// short form in its step `system`
    RingLength {
        /// For how long
        #[arg(long, default_value_t = 10)]
        minutes: u64,
    },
    /// Run readers and writers of the last commit that writes version 1.0 of the format beside those of this one, with
    /// takeovers both ways; needs the history, and is not part of `test`
    OldBesideNew,
    /// Regenerate the stub of the Python package's compiled module
    Stubs,
    #[command(flatten)]
    Step(steps::Step),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().task {
        Task::Test => steps::run_all(),
        Task::Torture { arguments } => torture::run(&arguments),
        Task::Fuzz { target, seconds } => torture::fuzz(target, seconds),
        Task::Times => steps::run_times(),
        Task::Vectors { check } => Generated::Vectors.run(check),
        Task::FuzzSeeds { check } => Generated::FuzzSeeds.run(check),
        Task::Header { check } => Generated::Header.run(check),
        Task::Bench { arguments } => bench::run_with(&arguments),
        Task::SourceDelay { arguments } => bench::source_delay(&arguments),
        Task::RingLength { minutes } => steps::run_ring_length(minutes),
        Task::OldBesideNew => old_format::run_beside_new(),
        Task::Stubs => steps::write_stub(),
        Task::Step(step) => step.run(),
    };
    if let Err(error) = outcome {
        eprintln!("error: {error:#}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
