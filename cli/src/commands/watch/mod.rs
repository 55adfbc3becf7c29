//! `dora-shm watch NAME`: what a stream does, as it does it.

mod changes;
mod empty;
mod meter;
mod show;
mod unwritten;
mod watcher;

use std::time::Duration;

use crate::exit::Exit;
use crate::stream_arg::Which;
use crate::{state_word, units};
use show::Form;
use watcher::{Limits, Watcher};

const HELP: &str = "\
On a terminal the command rewrites one line, twice a second; otherwise it prints one line a second. The line shows:
  rate     frames per second as they were committed, over the last second or the last five messages (at most 10 s)
  lag      largest number of frames that were waiting when the command woke up, and the age of the oldest of them
  lost     frames that were overwritten before the command had read them, since it began
  latency  from the writer's commit of a message to the command's copy of it: the median since the previous line, and
           the maximum. At most twenty messages per second are copied and measured, the others are only counted
  refused  messages that the writer was given and did not write, since it began; dropped: by the queue of its input;
           gaps: missing by the source's sequence. Each only if there are any
  empty    messages without frames, since the command began, if there are any
The command prints an extra line when the generation, the description or the writer changes, when the writer dies or
closes the stream, when the writer begins to refuse messages, and when only empty ones come. If there is no such stream
yet, the command waits for one. Ctrl-C ends it, with exit code 0.

JSON: one object per line. `event` is `status`, or what happened: `absent` (no such stream yet), `attached`,
`generation`, `description`, `writer` (a different one), `dead`, `closed`, `refused`, `empty`. All have
  time_s              seconds since 1970
  name, generation, pid
Events have `text`, a sentence for people. A status has
  state               see below
  rate_hz, messages_hz, bytes_per_s
  position            frames written since the generation began
  frames, lost        read and lost since the command began
  refused, dropped, gaps  messages since the writer began; null: it does not count
  empty               messages without frames since the command began; null for a stream that ezmsg wrote
  lag_frames, lag_s
  latency_min_s, latency_median_s, latency_max_s  null without a new message";

fn after_help() -> String {
    format!("{HELP}\n\n{}", state_word::WORDS)
}

/// What a stream does, live: rate, throughput, lag, losses, latency and changes
#[derive(clap::Args)]
#[command(after_long_help = after_help())]
pub struct Arguments {
    #[command(flatten)]
    which: Which,

    /// Print each line as JSON, for scripts; `--help` lists the members
    #[arg(long)]
    json: bool,

    /// Time between two lines, at least 20ms [default: 1s, on a terminal 500ms]
    #[arg(long, value_name = "TIME", value_parser = parse_interval)]
    every: Option<Duration>,

    /// End after this time (`5s`, `2min`)
    #[arg(long = "for", value_name = "TIME", value_parser = units::parse_duration)]
    duration: Option<Duration>,

    /// End after this many lines (with --json: status objects)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
}

/// More frequent lines are unreadable, and would cost noticeable processor time.
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
