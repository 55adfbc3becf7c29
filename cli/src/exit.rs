//! Exit codes.

use std::process::ExitCode;

/// What `--help` says of them.
pub const TABLE: &str = "\
Exit codes:
  0  done; with doctor: nothing is wrong
  1  failed, with a sentence on stderr; with doctor: something was found
  2  the command line is wrong
  3  with record: done, but frames were lost";

/// How a command ended that printed what it had to say. Errors are `Failed`, with their sentence; clap exits with 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Done,
    Failed,
    /// Done, but not all of it could be had.
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
