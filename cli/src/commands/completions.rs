//! `dora-shm completions SHELL`: a script with which a shell completes commands, options, and names of streams.

use std::io::Write;

use clap::{Command, CommandFactory};
use clap_complete::Shell;

use crate::exit::Exit;
use crate::output;

const HELP: &str = "  bash  dora-shm completions bash > ~/.local/share/bash-completion/completions/dora-shm
  zsh   dora-shm completions zsh > a file called _dora-shm in a folder of $fpath
  fish  dora-shm completions fish > ~/.config/fish/completions/dora-shm.fish

Every shell completes commands and options; bash, zsh and fish also complete names of streams.";

/// Prints a script that lets a shell complete commands, options and names of streams
#[derive(clap::Args)]
#[command(after_help = HELP)]
pub struct Arguments {
    /// Shell that the script is for
    shell: Shell,
}

pub fn run(arguments: &Arguments) -> eyre::Result<Exit> {
    let mut out = output::stdout();
    out.write_all(script(arguments.shell, crate::Arguments::command()).as_bytes())?;
    out.flush()?;
    Ok(Exit::Done)
}

/// clap's script, extended: for commands about a stream it also completes the stream's name. clap's scripts complete
/// only fixed words, and its engine for dynamic ones is unstable.
fn script(shell: Shell, mut command: Command) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "dora-shm", &mut script);
    // In one of two places, clap mistakes the dash in `dora-shm` for a subcommand in the name of a bash function.
    let script = String::from_utf8_lossy(&script).replace("dora__subcmd__shm", "dora__shm");
    let about_streams: Vec<&Command> = command.get_subcommands().filter(|command| is_about_a_stream(command)).collect();
    let names: Vec<&str> = about_streams.iter().map(|command| command.get_name()).collect();
    match shell {
        Shell::Bash => bash(&script, &names, &options_with_values(&about_streams)),
        Shell::Fish => script + &fish(&names),
        Shell::Zsh => zsh(&script),
        _ => script,
    }
}

fn is_about_a_stream(command: &Command) -> bool {
    command.get_positionals().any(|argument| argument.get_id() == "name")
}

/// Options that take a value, such as `--owner`.
fn options_with_values(commands: &[&Command]) -> Vec<String> {
    let with_values =
        commands.iter().flat_map(|command| command.get_opts()).filter(|option| option.get_action().takes_values());
    let mut options: Vec<String> = with_values
        .flat_map(|option| {
            let long = option.get_long().map(|long| format!("--{long}"));
            long.into_iter().chain(option.get_short().map(|short| format!("-{short}")))
        })
        .collect();
    options.sort();
    options.dedup();
    options
}

fn bash(script: &str, commands: &[&str], options_with_values: &[String]) -> String {
    const FUNCTION: &str = r#"
_dora_shm_with_streams() {
    _dora__shm "$@"
    local current="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}" name
    case "${COMP_WORDS[1]}" in
        COMMANDS) ;;
        *) return ;;
    esac
    case "$before" in
        OPTIONS) return ;;
    esac
    [[ $COMP_CWORD -lt 2 || $current == -* ]] && return
    COMPREPLY=()
    while IFS= read -r name; do
        name="$(printf %q "$name")"
        [[ $name == "$current"* ]] && COMPREPLY+=("$name")
    done < <(dora-shm list --names 2>/dev/null)
}
"#;
    let function = FUNCTION.replace("COMMANDS", &commands.join("|")).replace("OPTIONS", &options_with_values.join("|"));
    script.replace("complete -F _dora__shm ", "complete -F _dora_shm_with_streams ") + &function
}

fn fish(commands: &[&str]) -> String {
    let line = |command: &&str| {
        format!(
            "complete -c dora-shm -n \"__fish_dora_shm_using_subcommand {command}\" -f -a \"(dora-shm list --names 2>/dev/null)\"\n"
        )
    };
    commands.iter().map(line).collect()
}

fn zsh(script: &str) -> String {
    const FUNCTION: &str = r#"
_dora_shm_streams() {
    local -a names
    names=("${(@f)$(dora-shm list --names 2>/dev/null)}")
    compadd -a names
}
"#;
    let mut completed = String::new();
    for (index, line) in script.lines().enumerate() {
        let is_name = line.starts_with("':name -- ");
        completed += &if is_name { line.replace(":_default'", ":_dora_shm_streams'") } else { line.to_owned() };
        completed.push('\n');
        // zsh recognises the file by its first line, so the function comes second.
        if index == 0 {
            completed += FUNCTION;
        }
    }
    completed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_command_that_is_about_a_stream_completes_names_in_each_shell_that_can() {
        let command = crate::Arguments::command();
        let about = command.get_subcommands().filter(|command| is_about_a_stream(command)).count();
        assert!(about >= 5, "info, watch, scope, plot and record");
        let zsh = script(Shell::Zsh, command.clone());
        assert_eq!(zsh.matches(":_dora_shm_streams'").count(), about, "{zsh}");
        assert!(zsh.starts_with("#compdef dora-shm\n"), "{zsh}");
        let fish = script(Shell::Fish, command.clone());
        assert_eq!(fish.matches("list --names").count(), about, "{fish}");
        let bash = script(Shell::Bash, command);
        assert!(bash.contains("        info|watch|scope|plot|record) ;;\n"), "{bash}");
        assert!(bash.contains("--owner|") && !bash.contains("--json|"), "{bash}");
    }
}
