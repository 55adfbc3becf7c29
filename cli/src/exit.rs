//! Exit codes.

use std::process::ExitCode;

/// Their meanings, for `--help`.
pub const TABLE: &str = "\
Exit codes:
  0  done; doctor: no findings; watch: also after Ctrl-C
  1  failed, with the reason on stderr; doctor: there are findings
  2  the command line is wrong
  3  record: done, but frames were lost";

/// How a command ended. An error exits as `Failed`, after its message was printed; clap exits with 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Done,
    Failed,
    /// Done, but frames were lost.
    Incomplete,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Done => Self::SUCCESS,
            Exit::Failed => Self::FAILURE,
            Exit::Incomplete => Self::from(3),
        }
    }
}
