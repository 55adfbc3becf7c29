//! `dora-shm completions SHELL`: what makes a shell complete commands and options.

use std::io::Write;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::exit::Exit;
use crate::output;

const HELP: &str = "  bash  dora-shm completions bash > ~/.local/share/bash-completion/completions/dora-shm
  zsh   dora-shm completions zsh > a file called _dora-shm in a folder of $fpath
  fish  dora-shm completions fish > ~/.config/fish/completions/dora-shm.fish";

/// Prints a script that lets a shell complete commands and options
#[derive(clap::Args)]
#[command(after_help = HELP)]
pub struct Arguments {
    /// The shell
    shell: Shell,
}

pub fn run(arguments: &Arguments) -> eyre::Result<Exit> {
    let mut command = crate::Arguments::command();
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, "dora-shm", &mut script);
    // In names of bash's functions, clap takes the dash in ours for the one before a subcommand's, in one of two places.
    let script = String::from_utf8_lossy(&script).replace("dora__subcmd__shm", "dora__shm");
    let mut out = output::stdout();
    out.write_all(script.as_bytes())?;
    out.flush()?;
    Ok(Exit::Done)
}
