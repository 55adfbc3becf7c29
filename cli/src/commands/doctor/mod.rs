//! `dora-shm doctor`: what is wrong with shared memory on this machine, and what to do about it.

mod check;
mod clock;
mod dora;
mod folder;
mod place;
mod room;
mod streams;
mod system;

use std::io::Write;

use anstyle::{AnsiColor, Style};
use dora_shm_ring::StreamInfo;
use serde::Serialize;

use crate::exit::Exit;
use crate::output::{self, note};
use crate::text::printable;
use check::{Check, Level};

const HELP: &str = "\
Each check ends as
  ok       nothing is wrong
  note     worth knowing; nothing has to be done
  finding  something is wrong; the next line shows what to do

Exit code 0: no findings. 1: there are findings.

The command changes nothing. The check `probe` creates a file of 64 KiB without a name in /dev/shm for a moment, and the
check `dora` runs `dora --version`.

JSON: an object
  healthy  whether there are no findings
  checks   array: check (a word), level (ok, note, finding), text, advice (null if there is nothing to do)";

/// What is wrong with shared memory on this machine, and what to do about it
#[derive(clap::Args)]
#[command(after_long_help = HELP)]
pub struct Arguments {
    /// Print JSON, for scripts; `--help` lists the members
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Document<'a> {
    healthy: bool,
    checks: &'a [Check],
}

/// The facts about streams that several checks need.
struct Streams {
    all: Vec<StreamInfo>,
    /// The longest ring that could be read, in bytes.
    largest_ring: u64,
    /// All rings that could be read, in bytes.
    all_rings: u64,
}

impl Streams {
    fn snapshot() -> Result<Self, dora_shm_ring::Error> {
        let all = dora_shm_ring::streams()?;
        let bytes = |stream: &StreamInfo| match stream {
            StreamInfo::Stream(info) => info.ring_bytes.unwrap_or(0),
            StreamInfo::Ezmsg { ring_bytes, .. } => ring_bytes.unwrap_or(0),
            _ => 0,
        };
        let (largest_ring, all_rings) =
            all.iter().map(bytes).fold((0, 0), |(largest, sum), bytes| (bytes.max(largest), bytes.saturating_add(sum)));
        Ok(Self { all, largest_ring, all_rings })
    }
}

pub fn run(arguments: &Arguments) -> eyre::Result<Exit> {
    let found = examine();
    let findings = found.iter().filter(|finding| finding.level == Level::Finding).count();
    let mut out = output::stdout();
    if arguments.json {
        output::json(&mut out, &Document { healthy: findings == 0, checks: &found })?;
    } else {
        write_report(&mut out, &found)?;
    }
    out.flush()?;
    drop(out);
    if !arguments.json {
        match findings {
            0 => note("no findings"),
            1 => note("1 finding"),
            count => note(format_args!("{count} findings")),
        }
    }
    Ok(if findings == 0 { Exit::Done } else { Exit::Failed })
}

fn examine() -> Vec<Check> {
    let mut found = folder::examine();
    match Streams::snapshot() {
        Ok(streams) => {
            found.push(room::examine(&streams));
            found.extend(room::memory());
            found.extend(streams::examine(&streams));
            found.extend(system::limits(&streams));
            found.extend(clock::send_times(&streams));
        }
        Err(error) => {
            found.push(Check::finding(
                "streams",
                format!("streams cannot be listed: {:#}", eyre::Report::new(error)),
                "see the checks of the folder above",
            ));
        }
    }
    found.extend(place::examine());
    found.extend(system::kernel());
    found.extend(clock::examine());
    found.push(dora::examine());
    found
}

fn write_report(out: &mut impl Write, found: &[Check]) -> std::io::Result<()> {
    for finding in found {
        let style: Style = match finding.level {
            Level::Ok => AnsiColor::Green.on_default(),
            Level::Note => AnsiColor::Yellow.on_default(),
            Level::Finding => AnsiColor::Red.on_default().bold(),
        };
        let level = finding.level.word();
        writeln!(out, "{style}{level:<7}{style:#}  {:<10}  {}", finding.check, printable(&finding.text))?;
        if let Some(advice) = &finding.advice {
            writeln!(out, "{:21}-> {}", "", printable(advice))?;
        }
    }
    Ok(())
}
