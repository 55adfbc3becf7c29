//! `dora-shm info NAME`: everything known of a stream.

use std::io::Write as _;

use dora_shm_ring::Start;

use crate::exit::Exit;
use crate::open::Which;
use crate::output;

/// Everything known of a stream
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    which: Which,
}

pub fn run(arguments: &Arguments) -> eyre::Result<Exit> {
    let reader = arguments.which.open(arguments.which.options(Start::Newest))?;
    let info = arguments.which.say(reader.info())?;
    let mut out = output::stdout();
    writeln!(out, "{info:#?}")?;
    out.flush()?;
    Ok(Exit::Done)
}
