//! The commands, each in a file of its own.

mod info;
mod list;

use clap::Subcommand;

use crate::exit::Exit;

#[derive(Subcommand)]
pub enum Command {
    Info(info::Arguments),
    List(list::Arguments),
}

impl Command {
    pub fn run(self) -> eyre::Result<Exit> {
        match self {
            Self::Info(arguments) => info::run(&arguments),
            Self::List(arguments) => list::run(&arguments),
        }
    }
}
