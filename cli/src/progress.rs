//! Progress of a long-running command on stderr: on a terminal one line that is rewritten, otherwise occasional lines.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use crate::text::shortened;

/// Time between two lines on a terminal, and elsewhere.
const IN_PLACE: Duration = Duration::from_millis(250);
const SPARSE: Duration = Duration::from_secs(10);
/// Most columns of a line that is rewritten: a wrapped line cannot be.
const COLUMNS: usize = 79;

/// Shows a line of progress.
pub struct Progress {
    in_place: bool,
    quiet: bool,
    shown: Option<Instant>,
    /// Whether there is a line on the terminal to rewrite.
    line: bool,
}

impl Progress {
    /// Shows nothing if `quiet`.
    pub fn new(quiet: bool) -> Self {
        Self { in_place: std::io::stderr().is_terminal(), quiet, shown: None, line: false }
    }

    /// Shows what `line` returns, if the next line is due.
    pub fn show(&mut self, line: impl FnOnce() -> String) {
        let now = Instant::now();
        let pause = if self.in_place { IN_PLACE } else { SPARSE };
        let shown = *self.shown.get_or_insert(now);
        if self.quiet || now.duration_since(shown) < pause {
            return;
        }
        self.shown = Some(now);
        let mut stderr = std::io::stderr().lock();
        // An error of stderr itself cannot be reported.
        let _ = if self.in_place {
            self.line = true;
            write!(stderr, "\r\x1b[2K{}", shortened(&line(), COLUMNS)).and_then(|()| stderr.flush())
        } else {
            writeln!(stderr, "{}", line())
        };
    }

    /// Prints a sentence; the progress continues below it.
    pub fn note(&mut self, sentence: &str) {
        self.clear();
        if !self.quiet {
            crate::output::note(sentence);
        }
    }

    /// Erases the line.
    pub fn clear(&mut self) {
        if std::mem::take(&mut self.line) {
            let mut stderr = std::io::stderr().lock();
            let _ = write!(stderr, "\r\x1b[2K").and_then(|()| stderr.flush());
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}
