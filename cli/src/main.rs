//! `dora-shm`: shows, draws, records and repairs live streams in shared memory, for somebody at a terminal.

mod commands;
mod drawing;
#[allow(dead_code, reason = "the commands come one after the other")]
mod ending;
mod exit;
mod fields;
mod export;
mod near;
#[allow(dead_code, reason = "the commands come one after the other")]
mod open;
#[allow(dead_code, reason = "the commands come one after the other")]
mod output;
mod state;
mod table;
mod plot;
mod scope;
mod progress;
mod recording;
#[allow(dead_code, reason = "the commands come one after the other")]
mod text;
#[allow(dead_code, reason = "the commands come one after the other")]
mod units;
mod users;

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
        Err(error) if output::is_closed_pipe(&error) => exit::Exit::Done.into(),
        Err(error) => {
            output::error(&error);
            exit::Exit::Failed.into()
        }
    }
}
