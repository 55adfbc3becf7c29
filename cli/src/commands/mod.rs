//! The commands, each in a file or a folder of its own.

mod info;
mod list;
mod watch;

use clap::Subcommand;

use crate::exit::Exit;

#[derive(Subcommand)]
pub enum Command {
    List(list::Arguments),
    Info(info::Arguments),
    Watch(watch::Arguments),
}

impl Command {
    pub fn run(self) -> eyre::Result<Exit> {
        match self {
            Self::List(arguments) => list::run(&arguments),
            Self::Info(arguments) => info::run(&arguments),
            Self::Watch(arguments) => watch::run(&arguments),
        }
    }
}
