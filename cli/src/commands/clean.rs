//! `dora-shm clean`: removes what dead writers left.

use std::io::Write;
use std::path::Path;

use dora_shm_ring::{Leftover, SHM_DIR, leftovers};
use serde::Serialize;

use crate::exit::Exit;
use crate::output::{self, note};
use crate::stream_arg::unlisted;
use crate::text::quoted;
use crate::units;

const HELP: &str = "\
The command removes your streams whose writer died, which the kernel shows by the writer's lock, and your segments that
do not belong to any stream. It never removes a stream whose writer lives (even if stopped), anything of other users, or
anything that ezmsg wrote. Readers that are still attached to a dead stream keep what they have, read it to its end, and
then see the stream closed.

To continue a dead stream, you need not clean: the next writer of the same name takes it over.

JSON: an object
  dry_run  whether nothing was removed
  removed  array of what was removed, or would be: stream (null if the name is lost), segments, bytes
  bytes    shared memory that this frees";

/// Removes what dead writers left in shared memory, and nothing that is in use
#[derive(clap::Args)]
#[command(after_long_help = HELP)]
pub struct Arguments {
    /// Only show what would be removed
    #[arg(long, short = 'n')]
    dry_run: bool,

    /// Print JSON, for scripts; `--help` lists the members
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Document<'a> {
    dry_run: bool,
    removed: Vec<Removed<'a>>,
    bytes: u64,
}

#[derive(Serialize)]
struct Removed<'a> {
    stream: Option<&'a str>,
    segments: &'a [String],
    bytes: u64,
}

pub fn run(arguments: &Arguments) -> eyre::Result<Exit> {
    let mut found = leftovers().map_err(unlisted)?;
    if !arguments.dry_run {
        let removed = dora_shm_ring::clean().map_err(unlisted)?;
        // Meanwhile a writer may have taken over a dead stream, and another writer may have died.
        found.retain(|left| left.segments.iter().all(|segment| is_gone(segment)));
        found.extend(unforeseen(&found, removed));
    }
    found.sort_by(|a, b| (&a.stream, &a.segments).cmp(&(&b.stream, &b.segments)));
    let bytes = found.iter().map(|left| left.bytes).sum();
    let mut out = output::stdout();
    if arguments.json {
        let removed = found.iter().map(|left| Removed {
            stream: left.stream.as_deref(),
            segments: &left.segments,
            bytes: left.bytes,
        });
        let document = Document { dry_run: arguments.dry_run, removed: removed.collect(), bytes };
        output::json(&mut out, &document)?;
    } else {
        let verb = if arguments.dry_run { "would remove" } else { "removed" };
        for left in &found {
            writeln!(out, "{verb} {}", text(left))?;
        }
    }
    out.flush()?;
    drop(out);
    if !arguments.json {
        match (found.is_empty(), arguments.dry_run) {
            (true, _) => note("dead writers left nothing"),
            (false, true) => note(format_args!("`dora-shm clean` frees {}", units::bytes(bytes))),
            (false, false) => note(format_args!("{} freed", units::bytes(bytes))),
        }
    }
    Ok(Exit::Done)
}

/// Streams and segments that were removed but not found before.
fn unforeseen(found: &[Leftover], removed: Vec<String>) -> Vec<Leftover> {
    let known = |name: &String| {
        let segment = name.strip_suffix(".anchor").unwrap_or(name);
        found.iter().any(|left| left.stream.as_ref() == Some(name) || left.segments.iter().any(|of| of == segment))
    };
    let new = removed.into_iter().filter(|name| !known(name));
    let leftover = |name| {
        let mut left = Leftover::default();
        left.stream = Some(name);
        left
    };
    new.map(leftover).collect()
}

fn is_gone(segment: &str) -> bool {
    let exists = |name: &str| Path::new(SHM_DIR).join(name).symlink_metadata().is_ok();
    !exists(segment) && !exists(&format!("{segment}.anchor"))
}

fn text(left: &Leftover) -> String {
    let segments = match left.segments.len() {
        0 => String::new(),
        1 => format!(" (1 segment, {})", units::bytes(left.bytes)),
        count => format!(" ({count} segments, {})", units::bytes(left.bytes)),
    };
    match &left.stream {
        Some(stream) => format!("stream {}{segments}", quoted(stream)),
        None => format!("parts of a stream that is gone: {}{segments}", left.segments.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(stream: Option<&str>, segments: &[&str], bytes: u64) -> Leftover {
        let mut left = Leftover::default();
        left.stream = stream.map(str::to_owned);
        left.segments = segments.iter().map(|&segment| segment.to_owned()).collect();
        left.bytes = bytes;
        left
    }

    #[test]
    fn what_is_removed_is_listed_by_its_name_or_by_its_segments() {
        let whole = left(Some("eeg"), &["sm_a", "sm_b"], 20480);
        assert_eq!(text(&whole), "stream \"eeg\" (2 segments, 20.0 KiB)");
        let parts = left(None, &["sm_a"], 512);
        assert_eq!(text(&parts), "parts of a stream that is gone: sm_a (1 segment, 512 B)");
    }

    #[test]
    fn a_stream_whose_writer_died_during_the_cleaning_is_listed_too() {
        let found = [left(Some("eeg"), &["sm_a"], 1)];
        let removed = ["eeg", "sm_a.anchor", "new"].map(str::to_owned).into();
        let names: Vec<_> = unforeseen(&found, removed).into_iter().map(|left| left.stream).collect();
        assert_eq!(names, [Some("new".to_owned())]);
    }
}
