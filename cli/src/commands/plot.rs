//! `dora-shm plot NAME -o FILE`: the newest frames of a stream as a picture in a file.

use std::path::PathBuf;
use std::time::Duration;

use crate::exit::Exit;
use crate::plot::{self, Wanted};
use crate::stream_arg::Which;
use crate::{output, units};

/// Saves the newest seconds of a stream, or its newest picture, as PNG or SVG
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    which: Which,

    /// File to write, ending in .png or .svg; an existing file is replaced
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,

    /// How much time to draw, and to wait for, such as 5s or 250ms [default: what is there, up to 10 s]
    #[arg(long, short = 's', value_name = "TIME", value_parser = units::parse_duration)]
    seconds: Option<Duration>,

    /// Channels to draw: numbers from 0, ranges and labels, such as 0-7,Cz [default: all]
    #[arg(long, short, value_name = "LIST", default_value = "", hide_default_value = true)]
    channels: String,

    /// Longest time to wait for the stream, and for as much of it as is to be drawn
    #[arg(long, value_name = "TIME", value_parser = units::parse_duration, default_value = "10s")]
    wait: Duration,

    /// Size in pixels, such as 1600x900; for a picture, the box that it has to fit into [default: what suits]
    #[arg(long, value_name = "WIDTHxHEIGHT", value_parser = parse_size)]
    size: Option<(u32, u32)>,

    /// Draw pictures as channels, too
    #[arg(long)]
    traces: bool,
}

pub fn run(arguments: &Arguments) -> eyre::Result<Exit> {
    let wanted = Wanted {
        seconds: arguments.seconds.map(|seconds| seconds.as_secs_f64()).filter(|&seconds| seconds > 0.0),
        wait: arguments.wait,
        channels: arguments.channels.clone(),
        as_traces: arguments.traces,
        size: arguments.size,
    };
    plot::run(&arguments.which, &arguments.output, &wanted)?;
    output::note(format_args!("saved {}", arguments.output.display()));
    Ok(Exit::Done)
}

/// Smallest and largest side of a picture, in pixels: programs cannot show larger ones.
const SIDES: std::ops::RangeInclusive<u32> = 16..=16_384;

fn parse_size(text: &str) -> Result<(u32, u32), String> {
    let expected = || format!("expected a size such as 1600x900, each side from {} to {}", SIDES.start(), SIDES.end());
    let (width, height) = text.split_once(['x', 'X', '×']).ok_or_else(expected)?;
    let side = |text: &str| text.trim().parse().ok().filter(|side| SIDES.contains(side)).ok_or_else(expected);
    Ok((side(width)?, side(height)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_two_numbers_within_reason() {
        assert_eq!(parse_size("1600x900"), Ok((1600, 900)));
        for bad in ["1600", "x", "1600x", "0x10", "99999x900", "-1x5"] {
            assert!(parse_size(bad).unwrap_err().contains("1600x900"), "{bad}");
        }
    }
}
