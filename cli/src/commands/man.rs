//! `dora-shm man`: the manual pages.

use std::io::Write;
use std::path::PathBuf;

use clap::CommandFactory;
use eyre::{WrapErr as _, eyre};

use crate::exit::Exit;
use crate::output;

const HELP: &str = "  dora-shm man | man -l -                        reads it
  dora-shm man watch | man -l -                  of a command
  dora-shm man --out ~/.local/share/man/man1     installs all pages: `man dora-shm`, `man dora-shm-watch`, ...";

/// Print the manual page, or write all of them
#[derive(clap::Args)]
#[command(after_help = HELP)]
pub struct Arguments {
    /// The page of this command; default: the one of dora-shm itself
    #[arg(conflicts_with = "out")]
    command: Option<String>,

    /// Write the pages of dora-shm and of each command into this folder, which is made
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

pub fn run(arguments: &Arguments) -> eyre::Result<Exit> {
    let mut root = crate::Arguments::command();
    // With it, commands are called `dora-shm-watch`.
    root.build();
    if let Some(folder) = &arguments.out {
        std::fs::create_dir_all(folder).wrap_err_with(|| format!("making the folder {}", folder.display()))?;
        clap_mangen::generate_to(root, folder).wrap_err_with(|| format!("writing pages to {}", folder.display()))?;
        return Ok(Exit::Done);
    }
    let command = match &arguments.command {
        None => root,
        Some(name) => root
            .find_subcommand(name)
            .cloned()
            .ok_or_else(|| eyre!("there is no command {name:?}; `dora-shm --help` lists them"))?,
    };
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page)?;
    let mut out = output::stdout();
    out.write_all(&page)?;
    out.flush()?;
    Ok(Exit::Done)
}
