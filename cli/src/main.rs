//! `dora-shm`: the command line. It lists, draws, records and repairs live streams in shared memory.

mod commands;
mod drawing;
mod exit;
mod export;
mod interrupt;
mod json_fields;
mod output;
mod permissions;
mod plot;
mod progress;
mod recording;
mod scope;
mod state_word;
mod stream_arg;
mod suggest;
mod table;
mod text;
mod units;
mod unwritten;
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
