//! What the checks print, kept so that the end of a long run can say again what failed and how.

use std::io::{self, BufRead, BufReader, Write};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use eyre::WrapErr;

/// Where no test harness says what failed, this many lines of the end do.
const LAST_LINES: usize = 60;
/// At most this many lines are said again.
const MOST_LINES: usize = 200;
/// How long output is awaited that comes after the program's end: from processes that it left running.
const AFTERWARDS: Duration = Duration::from_secs(2);

/// Runs `command`, passes on what it prints, and gives it back with the status.
pub fn run_and_keep(command: &mut Command) -> eyre::Result<(ExitStatus, String)> {
    let (reader, writer) = io::pipe().wrap_err("cannot make a pipe for what a check prints")?;
    command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
    let mut child = command.spawn().wrap_err_with(|| format!("cannot start {:?}", command.get_program()))?;
    // The command holds the pipe's other end too.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let lines = pass_on(BufReader::new(reader));
    let status = child.wait()?;
    let mut output = String::new();
    // Ends with the last that holds the pipe, or with the patience for those who were left.
    while let Ok(line) = lines.recv_timeout(AFTERWARDS) {
        output.push_str(&line);
    }
    Ok((status, output))
}

fn pass_on(mut reader: impl BufRead + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|bytes| bytes > 0) {
            // Nobody may read what we print; the check goes on.
            let _ = io::stdout().write_all(&line);
            let _ = sender.send(String::from_utf8_lossy(&line).into_owned());
            line.clear();
        }
    });
    lines
}

/// The lines of a failed check's output that say what failed: what the test harnesses report of it, or its end.
pub fn failures(output: &str) -> String {
    let mut said = Vec::new();
    let mut inside = false;
    for line in output.lines() {
        // cargo test's report, which ends with the verdict; pytest's, which ends with the run.
        inside |= line == "failures:" || line.contains("= FAILURES =") || line.contains("= ERRORS =");
        if inside {
            said.push(line);
        }
        inside &= !line.starts_with("test result:");
    }
    if said.is_empty() {
        let lines: Vec<_> = output.lines().collect();
        said = lines[lines.len().saturating_sub(LAST_LINES)..].to_vec();
    }
    let more = said.len().saturating_sub(MOST_LINES);
    said.truncate(MOST_LINES);
    let rest = if more > 0 { format!("\n({more} lines more)") } else { String::new() };
    said.join("\n") + &rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cargo_test_says_of_failures_is_found_among_the_rest() {
        let output = "\
            test a ... ok\ntest b ... FAILED\n\nfailures:\n\n---- b stdout ----\nthread 'b' panicked at x.rs:1\n\n\
            failures:\n    b\n\ntest result: FAILED. 1 passed\ntest c ... ok\ntest result: ok. 1 passed\n";
        let said = failures(output);
        assert!(said.starts_with("failures:\n\n---- b stdout ----\nthread 'b' panicked at x.rs:1"), "{said}");
        assert!(said.ends_with("test result: FAILED. 1 passed"), "{said}");
    }

    #[test]
    fn of_other_programs_the_end_is_said() {
        let output: String = (0..1000).map(|i| format!("{i}\n")).collect();
        let said = failures(&output);
        assert_eq!((said.lines().next(), said.lines().last()), (Some("940"), Some("999")));
    }

    #[test]
    fn a_report_without_end_is_cut() {
        let output = format!("== FAILURES ==\n{}", "x\n".repeat(10_000));
        assert_eq!(failures(&output).lines().count(), MOST_LINES + 1);
    }

    #[test]
    fn both_outputs_and_the_status_are_kept_and_a_process_that_is_left_is_not_waited_for() {
        let mut script = Command::new("sh");
        script.args(["-c", "echo one; echo two >&2; sleep 60 & echo $!; exit 3"]);
        let (status, output) = run_and_keep(&mut script).unwrap();
        assert_eq!(status.code(), Some(3));
        let pid = output.strip_prefix("one\ntwo\n").unwrap().trim();
        assert!(Command::new("kill").arg(pid).status().unwrap().success(), "it still runs");
    }
}
