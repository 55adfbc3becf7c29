//! Output: results on stdout, everything else on stderr. A reader that has gone (`dora-shm list | head -1`) is not an
//! error.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

/// Stdout, locked. Styles are left out if stdout is not a terminal, or with `NO_COLOR`.
///
/// On a terminal, output is flushed at the end of each line; otherwise when the writer is flushed or dropped.
pub fn stdout() -> impl Write {
    io::BufWriter::new(anstream::stdout().lock())
}

/// Whether stdout is a terminal, on which a line can be written over.
pub fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Width of the terminal on stdout, in columns; 80 if it is unknown.
pub fn columns() -> usize {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok();
    // A terminal that does not know its size (a serial line) reports 0.
    size.map(|size| usize::from(size.ws_col)).filter(|&columns| columns > 0).unwrap_or(80)
}

/// A sentence for the user, on stderr.
pub fn note(sentence: impl Display) {
    // An error of stderr itself cannot be reported.
    let _ = writeln!(anstream::stderr(), "{sentence}");
}

/// Why the command failed.
pub fn error(error: &eyre::Report) {
    const BOLD_RED: anstyle::Style = anstyle::AnsiColor::Red.on_default().bold();
    note(format_args!("{BOLD_RED}error{BOLD_RED:#}: {error:#}"));
}

/// Whether `error` means that the reader of our output has gone, which is a normal end.
pub fn is_closed_pipe(error: &eyre::Report) -> bool {
    error
        .chain()
        .any(|cause| cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe))
}

/// A line of JSON.
///
/// # Errors
/// Those of writing.
pub fn json_line(out: &mut impl Write, value: &impl serde::Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    writeln!(out)
}

/// A whole result as JSON, indented for people.
///
/// # Errors
/// Those of writing.
pub fn json(out: &mut impl Write, value: &impl serde::Serialize) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    writeln!(out)
}

/// A JSON array with each element on a line of its own, for programs and for `grep`.
///
/// # Errors
/// Those of writing.
pub fn json_array(out: &mut impl Write, values: &[impl serde::Serialize]) -> io::Result<()> {
    let mut before = "[";
    for value in values {
        write!(out, "{before}\n  ")?;
        serde_json::to_writer(&mut *out, value)?;
        before = ",";
    }
    if values.is_empty() { writeln!(out, "[]") } else { writeln!(out, "\n]") }
}
