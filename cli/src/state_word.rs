//! The states of a stream: their meanings and their colours.

use anstyle::{AnsiColor, Style};
use dora_shm_ring::Liveness;

/// The meanings of the states, for `--help`.
pub const WORDS: &str = "\
States:
  waiting  the writer lives and has not begun a ring yet
  live     the writer lives
  idle     the writer lives, but no frame has come for a second (a stopped process is idle, too)
  dead     the writer died without closing the stream. What it left can be read; `dora-shm clean` removes it
  closed   the writer closed the stream (and died before it could remove it, if it is still there)
  ezmsg    ezmsg wrote it; whether its writer lives cannot be determined";

/// The colour of a state.
pub fn style(liveness: Liveness) -> Style {
    match liveness {
        Liveness::Live => AnsiColor::Green.on_default(),
        Liveness::Waiting | Liveness::Idle => AnsiColor::Yellow.on_default(),
        Liveness::Dead => AnsiColor::Red.on_default(),
        Liveness::Ezmsg => AnsiColor::Cyan.on_default(),
        Liveness::Absent | Liveness::Closed => Style::new().dimmed(),
    }
}
