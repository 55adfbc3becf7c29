//! How a stream is, as a word and a colour.

use anstyle::{AnsiColor, Style};
use dora_shm_ring::Liveness;

/// The word that people and scripts are told.
pub fn word(liveness: Liveness) -> &'static str {
    match liveness {
        Liveness::Absent => "absent",
        Liveness::Foreign => "foreign",
        Liveness::Waiting => "waiting",
        Liveness::Live => "live",
        Liveness::Idle => "idle",
        Liveness::Dead => "dead",
        Liveness::Closed => "closed",
    }
}

/// What the words mean, for `--help`.
pub const WORDS: &str = "\
States:
  waiting  the writer lives and has not begun a ring yet
  live     the writer lives
  idle     the writer lives, but nothing has come for a second (a stopped process is idle, too)
  dead     the writer died without closing the stream; what it left can be read, `dora-shm clean` removes it
  closed   the writer closed the stream (and died before it had removed it, if it is still there)
  foreign  ezmsg wrote it; whether its writer lives cannot be known";

/// How the word looks.
pub fn style(liveness: Liveness) -> Style {
    match liveness {
        Liveness::Live => AnsiColor::Green.on_default(),
        Liveness::Waiting | Liveness::Idle => AnsiColor::Yellow.on_default(),
        Liveness::Dead => AnsiColor::Red.on_default(),
        Liveness::Foreign => AnsiColor::Cyan.on_default(),
        Liveness::Absent | Liveness::Closed => Style::new().dimmed(),
    }
}
