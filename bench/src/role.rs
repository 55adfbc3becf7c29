//! The two roles of a measurement, and the programs that run them.

use std::process::Command;

use clap::ValueEnum;
use eyre::{OptionExt as _, WrapErr as _};

use crate::control::Control;
use crate::task::Task;

/// Which of the two processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs)]
pub enum Role {
    Write,
    Read,
}

/// This program in a role.
pub fn command(role: Role, task: &Task, control: &Control) -> eyre::Result<Command> {
    let mut command = Command::new(std::env::current_exe().wrap_err("cannot find this program's file")?);
    command.arg("peer");
    add_arguments(&mut command, role, serde_json::to_value(task)?, control)?;
    Ok(command)
}

/// Adds the arguments that every peer gets, in any language.
pub fn add_arguments(
    command: &mut Command,
    role: Role,
    task: serde_json::Value,
    control: &Control,
) -> eyre::Result<()> {
    let path = control.path().ok_or_eyre("only the creator of the control segment starts processes")?;
    command.arg(if role == Role::Write { "write" } else { "read" });
    command.arg("--task").arg(task.to_string()).arg("--control").arg(path);
    Ok(())
}
