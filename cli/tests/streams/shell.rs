//! The command in a shell: pipes, completions, manual pages, help.

use std::process::{Command, Stdio};

use crate::tool::*;
use dora_shm_testkit::Name;

/// Runs the tool with a stdout whose reader has gone.
fn into_closed_pipe(arguments: &[&str]) -> Ran {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = tool();
    let child = command.args(arguments).stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
    // The command holds an end of the pipe, too.
    drop(command);
    child.wait_with_output().unwrap().into()
}

#[test]
fn it_is_not_an_error_if_the_reader_of_stdout_has_gone() {
    let name = Name::new("shell/pipe");
    let mut writer = live(&name);
    write(&mut writer, 10);
    let commands: [&[&str]; 9] = [
        &["list"],
        &["list", "--json"],
        &["info", &name],
        &["info", "--json", &name],
        &["watch", "--for", "30s", &name],
        &["watch", "--json", "--for", "30s", &name],
        &["man"],
        &["completions", "bash"],
        &["--help"],
    ];
    for arguments in commands {
        let started = std::time::Instant::now();
        let ran = into_closed_pipe(arguments);
        assert_eq!((ran.code, &*ran.err), (Some(0), ""), "{arguments:?}");
        assert!(started.elapsed().as_secs() < 20, "{arguments:?} did not end");
    }
}

#[test]
fn every_command_has_help_and_a_manual_page() {
    let help = done(&["--help"]).out;
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let commands: Vec<&str> = commands.map(|line| line.split_whitespace().next().unwrap()).collect();
    for command in ["list", "info", "watch", "clean", "doctor", "completions", "man"] {
        assert!(commands.contains(&command), "{command} in {help}");
    }
    assert!(help.contains("Exit codes:"), "{help}");
    let folder = tempfile::tempdir().unwrap();
    done(&["man", "--out", folder.path().join("man1").to_str().unwrap()]);
    for command in commands.into_iter().filter(|command| *command != "help") {
        assert!(!done(&[command, "--help"]).out.is_empty());
        let page = done(&["man", command]).out;
        assert!(page.contains(&format!(".TH dora-shm-{command} 1")), "{page}");
        let file = folder.path().join(format!("man1/dora-shm-{command}.1"));
        assert_eq!(std::fs::read_to_string(file).unwrap(), page);
    }
    assert!(done(&["man"]).out.contains(".TH dora-shm 1"));
    let pages = std::fs::read_dir(folder.path().join("man1")).unwrap();
    let helps = pages.filter(|page| page.as_ref().unwrap().file_name().to_string_lossy().contains("help"));
    assert_eq!(helps.count(), 0, "there is no page about `dora-shm help`");
    assert!(
        done(&["man", "list"]).out.contains("\n.TP\n\\fBposition\\fR\nframes written since the generation began\n")
    );
    // Lists keep their lines, from the first on.
    assert!(done(&["list", "--help"]).out.contains("\n  name         name of the stream\n  dtype "));
    assert!(done(&["completions", "--help"]).out.contains("\n  bash  dora-shm completions bash"));
    assert!(failed(&["man", "wach"]).contains("there is no command \"wach\""));
}

#[test]
fn a_binary_that_is_installed_carries_no_line_tables() {
    let ran: Ran = Command::new("readelf").args(["-SW", env!("CARGO_BIN_EXE_dora-shm")]).output().unwrap().into();
    assert!(ran.out.contains(".text"), "{}", ran.out);
    assert_eq!(ran.out.contains(".debug_line"), cfg!(debug_assertions), "{}", ran.out);
}

#[test]
fn completions_exist_for_each_shell_and_bash_accepts_them() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = done(&["completions", shell]).out;
        assert!(script.contains("dora-shm") && script.contains("dry-run"), "{shell}: {script}");
    }
    let script = done(&["completions", "bash"]).out;
    let check = Command::new("bash").args(["-nc", &script]).output().unwrap();
    assert!(check.status.success() && check.stderr.is_empty(), "{}", String::from_utf8_lossy(&check.stderr));
}

/// The completions that bash offers for the last of `words`.
fn offered_by_bash(words: &[&str]) -> Vec<String> {
    let tool = std::path::Path::new(env!("CARGO_BIN_EXE_dora-shm"));
    let path = format!("{}:{}", tool.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let script = r#"
        eval "$(dora-shm completions bash)"
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        function=$(complete -p dora-shm | sed 's/.*-F \([^ ]*\).*/\1/')
        "$function" dora-shm "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
        printf '%s\n' "${COMPREPLY[@]}""#;
    let ran: Ran =
        Command::new("bash").args(["-c", script, "bash"]).args(words).env("PATH", path).output().unwrap().into();
    assert_eq!(ran.err, "");
    ran.out.lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_and_their_options() {
    assert_eq!(offered_by_bash(&["dora-shm", "wat"]), ["watch"]);
    assert_eq!(offered_by_bash(&["dora-shm", "watch", "--ev"]), ["--every"]);
    assert_eq!(offered_by_bash(&["dora-shm", "clean", "--dry"]), ["--dry-run"]);
}

#[test]
fn bash_completes_the_names_of_streams() {
    let name = format!("{} with spaces", &*Name::new("shell/names"));
    let _writer = live(&name);
    let _hostile = live(&format!("{name}\n$(reboot)"));
    let typed = name.split(' ').next().unwrap();
    let quoted = name.replace(' ', "\\ ");
    for command in ["info", "watch", "scope", "plot", "record"] {
        assert_eq!(offered_by_bash(&["dora-shm", command, typed]), [&*quoted], "{command}");
    }
    assert_eq!(offered_by_bash(&["dora-shm", "watch", "--json", typed]), [&*quoted]);
    assert!(!offered_by_bash(&["dora-shm", "watch", "--for", typed]).contains(&quoted));
    assert!(!offered_by_bash(&["dora-shm", "export", typed]).contains(&quoted));
    assert!(done(&["list", "--names"]).out.lines().any(|line| line == name));
}

#[test]
fn it_needs_no_library_beyond_libc() {
    let ran: Ran = Command::new("ldd").arg(env!("CARGO_BIN_EXE_dora-shm")).output().unwrap().into();
    for line in ran.out.lines() {
        let library = line.split_whitespace().next().unwrap().rsplit('/').next().unwrap();
        // The C library has a separate file for mathematics.
        let own = ["linux-vdso.so", "libc.so", "libm.so", "ld-linux", "ld64"];
        assert!(own.iter().any(|name| library.starts_with(name)), "{line}");
    }
}
