//! The commands, each in a file of its own.

mod list;

use clap::Subcommand;

use crate::exit::Exit;

#[derive(Subcommand)]
pub enum Command {
    List(list::Arguments),
}

impl Command {
    pub fn run(self) -> eyre::Result<Exit> {
        match self {
            Self::List(arguments) => list::run(&arguments),
        }
    }
}
