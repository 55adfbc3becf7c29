//! `dora-shm list`: every stream on this machine.

mod row;

use std::io::Write;

use dora_shm_ring::internal::monotonic_ns;
use dora_shm_ring::{Liveness, leftovers, streams_of};

use crate::exit::Exit;
use crate::output::{self, note};
use crate::stream_arg::{name_of, unlisted};
use crate::table::{Align, Cell, Table};
use crate::text::printable;
use crate::{json_fields, state_word, units, users};
use row::Row;

const NAMES: &str = "\
A stream that ezmsg wrote does not contain its own name. Its row shows the segment's name, unless the stream's key turns
out to be the name. You can read such a stream by its name (`dora-shm info NAME`). Streams of users other than you and
root are rows with only the segment's name, unless --owner names their user; so are streams that you may not read. For
each of these rows, a line on stderr gives the reason.";

fn after_help() -> String {
    format!(
        "JSON: an array with one object for each stream, sorted by name. What is unknown is null:\n{}\n\n{}\n\n{NAMES}",
        json_fields::MEANINGS,
        state_word::WORDS
    )
}

/// Every stream on this machine
#[derive(clap::Args)]
#[command(after_long_help = after_help())]
pub struct Arguments {
    /// Print JSON, for scripts; `--help` lists the members
    #[arg(long)]
    json: bool,

    /// Print only the names by which streams can be opened, one per line
    #[arg(long, conflicts_with = "json")]
    names: bool,

    /// Read the streams of this user, too (name or number)
    #[arg(long, value_name = "USER", value_parser = users::parse)]
    owner: Option<u32>,
}

pub fn run(arguments: &Arguments) -> eyre::Result<Exit> {
    if arguments.names {
        return write_names(arguments.owner);
    }
    let streams = streams_of(arguments.owner).map_err(unlisted)?;
    // Read after the streams: frames that came meanwhile must not be younger than 0.
    let now_ns = monotonic_ns();
    let mut rows: Vec<Row> = streams.iter().map(|stream| Row::of(stream, now_ns)).collect();
    // Drops streams that have gone meanwhile, or that have only an anchor left.
    rows.retain(|row| row.liveness != Some(Liveness::Absent));
    rows.extend(leftovers().map_err(unlisted)?.into_iter().filter_map(Row::of_closed));
    rows.sort_by(|a, b| a.fields.name.cmp(&b.fields.name));
    let mut out = output::stdout();
    if arguments.json {
        output::json_array(&mut out, &rows.iter().map(|row| &row.fields).collect::<Vec<_>>())?;
    } else if !rows.is_empty() {
        write_table(&mut out, &rows)?;
    }
    out.flush()?;
    drop(out);
    if rows.is_empty() && !arguments.json {
        note("no streams on this machine");
    }
    for remark in rows.iter().filter_map(|row| row.remark.as_ref()) {
        note(remark);
    }
    Ok(Exit::Done)
}

/// Leaves out names with control characters: neither a line nor a shell could hold them.
fn write_names(owner: Option<u32>) -> eyre::Result<Exit> {
    let mut names: Vec<String> = streams_of(owner).map_err(unlisted)?.iter().filter_map(name_of).collect();
    names.retain(|name| printable(name) == *name);
    names.sort();
    let mut out = output::stdout();
    for name in names {
        writeln!(out, "{name}")?;
    }
    out.flush()?;
    Ok(Exit::Done)
}

fn write_table(out: &mut impl Write, rows: &[Row]) -> std::io::Result<()> {
    use Align::{Left, Right};
    let mut table = Table::new(&[
        ("NAME", Left),
        ("STATE", Left),
        ("DTYPE", Left),
        ("SHAPE", Left),
        ("RATE", Right),
        ("MEASURED", Right),
        ("MEMORY", Right),
        ("AGE", Right),
        ("PID", Right),
    ]);
    for Row { fields, liveness, .. } in rows {
        let or_dash = |text: Option<String>| Cell::from(text.unwrap_or_else(|| "-".to_owned()));
        table.push(vec![
            printable(&fields.name).into(),
            liveness.map_or_else(|| "?".into(), |known| Cell::styled(known.name(), state_word::style(known))),
            or_dash(fields.dtype.map(str::to_owned)),
            or_dash(fields.shape.as_deref().map(|shape| units::shape(shape).replace(' ', ""))),
            or_dash(fields.rate_hz.map(units::hertz)),
            or_dash(fields.measured_hz.map(units::hertz)),
            or_dash(fields.bytes.map(units::bytes)),
            or_dash(fields.age_s.map(units::seconds)),
            or_dash(fields.pid.map(|pid| pid.to_string())),
        ]);
    }
    // If stdout is not a terminal, rows may have any width.
    table.write(out, if output::is_terminal() { output::columns() } else { usize::MAX })
}
