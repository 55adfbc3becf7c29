//! The commands, each in a file or a folder of its own.

mod clean;
mod completions;
mod doctor;
mod export;
mod info;
mod list;
mod man;
mod watch;
mod plot;
mod scope;
mod record;
mod replay;

use clap::Subcommand;

use crate::exit::Exit;

#[derive(Subcommand)]
pub enum Command {
    Export(export::Arguments),
    Info(info::Arguments),
    List(list::Arguments),
    Info(info::Arguments),
    Watch(watch::Arguments),
    Clean(clean::Arguments),
    Doctor(doctor::Arguments),
    Completions(completions::Arguments),
    Man(man::Arguments),
    Scope(scope::Arguments),
    Plot(plot::Arguments),
    Record(record::Arguments),
    Replay(replay::Arguments),
}

impl Command {
    pub fn run(self) -> eyre::Result<Exit> {
        match self {
            Self::Export(arguments) => export::run(&arguments),
            Self::Info(arguments) => info::run(&arguments),
            Self::List(arguments) => list::run(&arguments),
            Self::Info(arguments) => info::run(&arguments),
            Self::Watch(arguments) => watch::run(&arguments),
            Self::Clean(arguments) => clean::run(&arguments),
            Self::Doctor(arguments) => doctor::run(&arguments),
            Self::Completions(arguments) => completions::run(&arguments),
            Self::Man(arguments) => man::run(&arguments),
            Self::Scope(arguments) => scope::run(arguments),
            Self::Plot(arguments) => plot::run(&arguments),
            Self::Record(arguments) => record::run(&arguments),
            Self::Replay(arguments) => replay::run(&arguments),
        }
    }
}
