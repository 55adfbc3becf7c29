//! `dora-shm info NAME`: everything known about a stream.

mod axes;
mod json;
mod report;

use std::io::Write;

use dora_shm_ring::Start;
use dora_shm_ring::internal::monotonic_ns;

use crate::exit::Exit;
use crate::permissions::Permissions;
use crate::stream_arg::Which;
use crate::{json_fields, output, state_word};

fn after_help() -> String {
    format!(
        "JSON: an object with the members of `dora-shm list --json`. What is unknown is null:\n{}\n\n{}\n\n{}",
        json_fields::MEANINGS,
        json::MEANINGS,
        state_word::WORDS
    )
}

/// Everything known about a stream: format, axes, labels, attributes, memory, who may read it
#[derive(clap::Args)]
#[command(after_long_help = after_help())]
pub struct Arguments {
    #[command(flatten)]
    which: Which,

    /// Print JSON, for scripts; `--help` lists the members
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> eyre::Result<Exit> {
    let reader = arguments.which.open(arguments.which.options(Start::Newest))?;
    let info = arguments.which.explained(reader.info())?;
    let now_ns = monotonic_ns();
    let permissions = Permissions::of(&info.segment);
    let missed = reader.description_missed();
    let mut out = output::stdout();
    if arguments.json {
        output::json(&mut out, &json::Document::new(&info, permissions.as_ref(), missed, now_ns))?;
    } else {
        report::write(&mut out, &info, permissions.as_ref(), missed, now_ns)?;
    }
    out.flush()?;
    Ok(Exit::Done)
}
