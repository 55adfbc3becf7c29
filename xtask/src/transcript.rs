//! Keeps what the checks print, so that a long run can end with a report of what failed and how.

use std::io::{self, BufRead, BufReader, Write};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use eyre::WrapErr;

/// Number of lines to repeat, from the end, if no test harness reported the failures.
const LAST_LINES: usize = 60;
/// Largest number of lines to repeat.
const MOST_LINES: usize = 200;
/// How long to wait for output after the program's end: processes that it left running may hold the pipe open.
const AFTERWARDS: Duration = Duration::from_secs(2);

/// Runs `command`, passes its output on, and returns the output together with the status.
pub fn run_and_keep(command: &mut Command) -> eyre::Result<(ExitStatus, String)> {
    let (reader, writer) = io::pipe().wrap_err("cannot make a pipe for what a check prints")?;
    command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
    let mut child = command.spawn().wrap_err_with(|| format!("cannot start {:?}", command.get_program()))?;
    // Releases the copies of the pipe's writing end that `command` holds: the output ends only without them.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let lines = pass_on(BufReader::new(reader));
    let status = child.wait()?;
    let mut output = String::new();
    // Ends when no process holds the pipe, or after a pause in the output of processes that were left running.
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
            // If our own output is closed, the check continues.
            let _ = io::stdout().write_all(&line);
            let _ = sender.send(String::from_utf8_lossy(&line).into_owned());
            line.clear();
        }
    });
    lines
}

/// The part of a failed check's output that reports the failure: the reports of the test harnesses, or the last lines.
pub fn failures(output: &str) -> String {
    let mut report = Vec::new();
    let mut inside = false;
    for line in output.lines() {
        // cargo test's report ends with its verdict, pytest's with the output.
        inside |= line == "failures:" || line.contains("= FAILURES =") || line.contains("= ERRORS =");
        if inside {
            report.push(line);
        }
        inside &= !line.starts_with("test result:");
    }
    if report.is_empty() {
        let lines: Vec<_> = output.lines().collect();
        report = lines[lines.len().saturating_sub(LAST_LINES)..].to_vec();
    }
    let more = report.len().saturating_sub(MOST_LINES);
    report.truncate(MOST_LINES);
    let rest = if more > 0 { format!("\n({more} lines more)") } else { String::new() };
    report.join("\n") + &rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_tests_report_of_failures_is_found_among_the_rest() {
        let output = "\
            test a ... ok\ntest b ... FAILED\n\nfailures:\n\n---- b stdout ----\nthread 'b' panicked at x.rs:1\n\n\
            failures:\n    b\n\ntest result: FAILED. 1 passed\ntest c ... ok\ntest result: ok. 1 passed\n";
        let report = failures(output);
        assert!(report.starts_with("failures:\n\n---- b stdout ----\nthread 'b' panicked at x.rs:1"), "{report}");
        assert!(report.ends_with("test result: FAILED. 1 passed"), "{report}");
    }

    #[test]
    fn the_last_lines_are_repeated_if_no_harness_reported_failures() {
        let output: String = (0..1000).map(|i| format!("{i}\n")).collect();
        let report = failures(&output);
        assert_eq!((report.lines().next(), report.lines().last()), (Some("940"), Some("999")));
    }

    #[test]
    fn a_very_long_report_is_cut() {
        let output = format!("== FAILURES ==\n{}", "x\n".repeat(10_000));
        assert_eq!(failures(&output).lines().count(), MOST_LINES + 1);
    }

    #[test]
    fn both_outputs_and_the_status_are_kept_without_waiting_for_a_process_that_is_left() {
        let mut script = Command::new("sh");
        script.args(["-c", "echo one; echo two >&2; sleep 60 & echo $!; exit 3"]);
        let (status, output) = run_and_keep(&mut script).unwrap();
        assert_eq!(status.code(), Some(3));
        let pid = output.strip_prefix("one\ntwo\n").unwrap().trim();
        assert!(Command::new("kill").arg(pid).status().unwrap().success(), "the process that was left still runs");
    }
}
