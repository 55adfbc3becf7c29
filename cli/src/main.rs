//! `dora-shm`: shows, draws, records and repairs live streams in shared memory, for somebody at a terminal.

mod commands;
mod exit;

use std::process::ExitCode;

use clap::Parser;

#[derive(Parser)]
#[command(name = "dora-shm", version, about = "Shows, draws, records and repairs live streams in shared memory")]
#[command(after_help = exit::TABLE)]
struct Arguments {
    #[command(subcommand)]
    command: commands::Command,
}

fn main() -> ExitCode {
    match Arguments::parse().command.run() {
        Ok(exit) => exit.into(),
        Err(error) => {
            eprintln!("error: {error:#}");
            exit::Exit::Failed.into()
        }
    }
}
