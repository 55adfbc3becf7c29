//! The commands, each in a file or a folder of its own.

mod clean;
mod completions;
mod doctor;
mod export;
mod info;
mod list;
mod man;
mod plot;
mod record;
mod replay;
mod scope;
mod watch;

use clap::Subcommand;

use crate::exit::Exit;

#[derive(Subcommand)]
pub enum Command {
    List(list::Arguments),
    Info(info::Arguments),
    Watch(watch::Arguments),
    Scope(scope::Arguments),
    Plot(plot::Arguments),
    Record(record::Arguments),
    Export(export::Arguments),
    Replay(replay::Arguments),
    Clean(clean::Arguments),
    Doctor(doctor::Arguments),
    Completions(completions::Arguments),
    Man(man::Arguments),
}

impl Command {
    pub fn run(self) -> eyre::Result<Exit> {
        match self {
            Self::List(arguments) => list::run(&arguments),
            Self::Info(arguments) => info::run(&arguments),
            Self::Watch(arguments) => watch::run(&arguments),
            Self::Scope(arguments) => scope::run(arguments),
            Self::Plot(arguments) => plot::run(&arguments),
            Self::Record(arguments) => record::run(&arguments),
            Self::Export(arguments) => export::run(&arguments),
            Self::Replay(arguments) => replay::run(&arguments),
            Self::Clean(arguments) => clean::run(&arguments),
            Self::Doctor(arguments) => doctor::run(&arguments),
            Self::Completions(arguments) => completions::run(&arguments),
            Self::Man(arguments) => man::run(&arguments),
        }
    }
}
