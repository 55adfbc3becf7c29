//! `dora-shm export`: a recording as a file of another format.

use std::io::Write as _;
use std::path::PathBuf;

use crate::exit::Exit;
use crate::export::{Target, export};
use crate::output;
use crate::recording::RecordingReader;

/// Converts a recording for other programs
///
/// The name's ending selects the format: `.parquet` (one row per frame), `.npz` (numpy arrays) or `.csv` (a header of
/// labels, then one line per frame). Parquet and CSV files hold one generation each, and are numbered if there are
/// several (`x-0.csv`, `x-1.csv`). Beside `x.csv`, `x.csv.json` states the clock of its times. An archive for numpy holds
/// all generations; the arrays of the second end in `_1`, of the third in `_2`. The command prints the names of the files
/// with the samples.
#[derive(clap::Args)]
pub struct Arguments {
    /// Recording that `dora-shm record` made
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// File to write: x.parquet, x.npz or x.csv
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,

    /// Replace existing files
    #[arg(long)]
    force: bool,
}

pub fn run(arguments: &Arguments) -> eyre::Result<Exit> {
    Target::of(&arguments.output)?;
    let mut recording = RecordingReader::open(&arguments.file)?;
    let files = export(&mut recording, &arguments.output, arguments.force)?;
    if let Some(notice) = recording.cut_notice() {
        output::note(notice);
    }
    if files.is_empty() {
        output::note("nothing to export");
    }
    let mut out = output::stdout();
    for file in files {
        writeln!(out, "{}", file.display())?;
    }
    out.flush()?;
    Ok(Exit::Done)
}
