//! `dora-shm watch NAME`: what a stream does, as it does it.

mod changes;
mod meter;
mod show;
mod watcher;

use std::time::Duration;

use crate::exit::Exit;
use crate::open::Which;
use crate::{state, units};
use show::Form;
use watcher::{Limits, Watcher};

const HELP: &str = "\
On a terminal one line is written over and over; else there is one a second. In it:
  rate     frames a second as they were committed, over the last second or the last five messages
  lag      most frames that were waiting when this reader woke up, and how old the oldest of them was
  lost     frames that were overwritten before this reader had read them, since it began
  latency  from the writer's commit of a message to this reader's copy: the middle one of the last lines' messages, and
           the largest. At most twenty messages a second are copied and measured, the others are only counted
A line of its own tells when the generation, the description or the writer changes, and when the writer dies or closes the
stream. A stream that is not there yet is waited for. Ctrl-C ends it, with exit code 0.

JSON: an object a line. `event` is `status`, or what happened: `absent` (no such stream yet), `attached`, `generation`,
`description`, `writer` (another one), `dead`, `closed`. All have
  time_s              seconds since 1970
  name, generation, pid
Events have `says`, the sentence for people. A status has
  state               see below
  rate_hz, messages_hz, bytes_per_s
  position            frames written since the generation began
  frames, lost        read and lost since the watch began
  lag_frames, lag_s
  latency_min_s, latency_median_s, latency_max_s, null without a new message";

fn after_help() -> String {
    format!("{HELP}\n\n{}", state::WORDS)
}

/// What a stream does, live: rate, throughput, lag, losses, latency, and what changes
#[derive(clap::Args)]
#[command(after_long_help = after_help())]
pub struct Arguments {
    #[command(flatten)]
    which: Which,

    /// Print a line of JSON each time, for scripts; `--help` has the fields
    #[arg(long)]
    json: bool,

    /// Time between two lines; default 1s, on a terminal 0.5s
    #[arg(long, value_name = "TIME", value_parser = parse_interval)]
    every: Option<Duration>,

    /// End after this long (5s, 2min)
    #[arg(long = "for", value_name = "TIME", value_parser = units::parse_duration)]
    duration: Option<Duration>,

    /// End after this many lines (of JSON: status objects)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
}

/// Shorter than that nobody reads lines, and the watch would be felt.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(20);

fn parse_interval(text: &str) -> Result<Duration, String> {
    let interval = units::parse_duration(text)?;
    if interval < SHORTEST_INTERVAL { Err("expected 20ms or more".to_owned()) } else { Ok(interval) }
}

pub fn run(arguments: &Arguments) -> eyre::Result<Exit> {
    let form = Form::choose(arguments.json);
    let limits = Limits {
        interval: arguments.every.unwrap_or_else(|| form.interval()),
        duration: arguments.duration,
        lines: arguments.count,
    };
    Watcher::open(&arguments.which, form, limits)?.run()
}
