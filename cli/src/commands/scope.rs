//! `dora-shm scope NAME`: a live picture in the terminal.

use std::time::Duration;

use eyre::bail;

use crate::exit::Exit;
use crate::output;
use crate::scope::controls::{Controls, View};
use crate::stream_arg::Which;
use crate::units;

/// A live picture of a stream in the terminal; waits for a stream that does not exist yet
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    which: Which,

    /// Length of the window, such as 2s or 250ms [default: 10 s, or the longest round time that the ring is certain to
    /// fill]
    #[arg(long, short = 's', value_name = "TIME", value_parser = units::parse_duration)]
    seconds: Option<Duration>,

    /// Channels to draw: numbers from 0, ranges and labels, such as 0-7,Cz [default: all]
    #[arg(long, short, value_name = "LIST")]
    channels: Option<String>,

    /// How to draw frames [default: what suits the stream]
    #[arg(long, value_enum)]
    view: Option<View>,
}

pub fn run(arguments: Arguments) -> eyre::Result<Exit> {
    if !output::is_terminal() {
        bail!(
            "scope draws on a terminal, but stdout is not a terminal; `dora-shm plot {name} -o out.png` saves a picture, \
             `dora-shm watch {name}` prints lines",
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
