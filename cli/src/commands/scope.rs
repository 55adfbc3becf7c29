//! `dora-shm scope NAME`: a live picture in the terminal.

use std::time::Duration;

use eyre::bail;

use crate::exit::Exit;
use crate::open::Which;
use crate::output;
use crate::scope::controls::{Controls, View};
use crate::units;

/// A live picture of a stream in the terminal; waits for one that is not there yet
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    which: Which,

    /// How long a time is shown, e.g. 2s or 250ms [default: 10 s, or the longest round time that the ring fills]
    #[arg(long, short = 's', value_name = "TIME", value_parser = units::parse_duration)]
    seconds: Option<Duration>,

    /// Which channels: numbers from 0, ranges and labels, e.g. 0-7,Cz [default: all]
    #[arg(long, short, value_name = "LIST")]
    channels: Option<String>,

    /// How frames are drawn [default: as suits the stream]
    #[arg(long, value_enum)]
    view: Option<View>,
}

pub fn run(arguments: Arguments) -> eyre::Result<Exit> {
    if !output::is_terminal() {
        bail!(
            "scope draws on a terminal, and stdout is none; `dora-shm plot {name} -o out.png` saves a picture, \
             `dora-shm watch {name}` writes lines",
            name = arguments.which.name
        );
    }
    let controls = Controls {
        view: arguments.view,
        length: arguments.seconds.map(|seconds| seconds.as_secs_f64()).filter(|&seconds| seconds > 0.0),
        wanted: arguments.channels.unwrap_or_default(),
        ..Controls::default()
    };
    crate::scope::run(&arguments.which, controls)?;
    Ok(Exit::Done)
}
