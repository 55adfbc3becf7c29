//! `dora-shm man`: the manual pages.

use std::io::Write;
use std::path::PathBuf;

use clap::{Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use eyre::{WrapErr as _, eyre};

use crate::exit::Exit;
use crate::output;

const HELP: &str = "  dora-shm man | man -l -                        shows the page of dora-shm
  dora-shm man watch | man -l -                  shows the page of a command
  dora-shm man --out ~/.local/share/man/man1     installs all pages: `man dora-shm`, `man dora-shm-watch`, ...";

/// Prints a manual page, or writes all of them into a folder
#[derive(clap::Args)]
#[command(after_help = HELP)]
pub struct Arguments {
    /// Print the page of this command [default: the page of dora-shm itself]
    #[arg(conflicts_with = "out")]
    command: Option<String>,

    /// Write the pages of dora-shm and of each command into this folder, and create it if it does not exist
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

pub fn run(arguments: &Arguments) -> eyre::Result<Exit> {
    let mut root = crate::Arguments::command().disable_help_subcommand(true);
    // Gives the commands their full names, such as `dora-shm-watch`.
    root.build();
    if let Some(folder) = &arguments.out {
        std::fs::create_dir_all(folder).wrap_err_with(|| format!("cannot create the folder {}", folder.display()))?;
        for command in std::iter::once(&root).chain(root.get_subcommands()) {
            let path = folder.join(format!("{}.1", name(command)));
            std::fs::write(&path, page(command)?).wrap_err_with(|| format!("cannot write {}", path.display()))?;
        }
        return Ok(Exit::Done);
    }
    let command = match &arguments.command {
        None => &root,
        Some(name) => root
            .find_subcommand(name)
            .ok_or_else(|| eyre!("there is no command {name:?}; `dora-shm --help` lists them"))?,
    };
    let mut out = output::stdout();
    out.write_all(&page(command)?)?;
    out.flush()?;
    Ok(Exit::Done)
}

fn name(command: &Command) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}

/// The manual page of a command.
fn page(command: &Command) -> std::io::Result<Vec<u8>> {
    let man = Man::new(command.clone()).source(concat!("dora-shm ", env!("CARGO_PKG_VERSION"))).manual("dora-shm");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    // clap_mangen would join the lines of lists.
    if let Some(notes) = command.get_after_long_help().or_else(|| command.get_after_help()) {
        notes_section(&notes.to_string()).to_writer(&mut page)?;
    }
    Ok(page)
}

/// The notes at the end of `--help`: paragraphs and lists. A list's lines are indented by two columns, continued lines
/// by more; two spaces separate a term from its meaning.
fn notes_section(notes: &str) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["NOTES"]);
    let mut in_list = false;
    for line in notes.lines() {
        let text = line.trim_start();
        match line.len() - text.len() {
            _ if text.is_empty() => roff.control("PP", []),
            0 => {
                if in_list {
                    roff.control("PP", []);
                }
                roff.text([roman(text)])
            }
            2 => {
                let (term, meaning) = text.split_once("  ").unwrap_or((text, ""));
                roff.control("TP", []).text([bold(term)]);
                if meaning.is_empty() { &mut roff } else { roff.text([roman(meaning.trim_start())]) }
            }
            _ => roff.text([roman(text)]),
        };
        in_list = line.starts_with("  ");
    }
    roff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_the_help_are_lists_in_the_manual() {
        let help = "In it:\n  rate, more  frames a second\n  lag         most frames,\n              and how old\n\
                    Then.\n\nStates:\n  name, pid\n  .dot  it's \\ one";
        let expected = ".SH NOTES\nIn it:\n.TP\n\\fBrate, more\\fR\nframes a second\n.TP\n\\fBlag\\fR\nmost frames,\n\
                        and how old\n.PP\nThen.\n.PP\nStates:\n.TP\n\\fBname, pid\\fR\n.TP\n\\fB.dot\\fR\n";
        let page = notes_section(help).to_roff();
        assert!(page.starts_with(expected), "{page}");
    }
}
