//! Isolation for tests that need a separate process or a private `/dev/shm`, since they fill it, list it, clean it, or
//! fork.
//!
//! Such a test starts its test program again, for this test alone, and runs its body there.

use std::process::{Command, Stdio};

use crate::process::Process;

/// Environment variable with the test's name, in the process that runs its body.
const INSIDE: &str = "DORA_SHM_ISOLATED_TEST";

/// A command that runs `program` in a mount namespace whose `/dev/shm` is empty and has a size of `megabytes`.
pub fn in_private_shm(megabytes: u64, program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new("unshare");
    // Mounting needs root, which any user can be in a user namespace.
    command.arg(if rustix::process::geteuid().is_root() { "-m" } else { "-Urm" }).args(["sh", "-c"]);
    command.arg(format!(r#"mount -t tmpfs -o size={megabytes}m tmpfs /dev/shm && exec "$0" "$@""#));
    command.arg(program);
    command
}

/// Runs the body of a test, a closure, with a private `/dev/shm` that is empty and has a size of `megabytes`. The test
/// must do nothing else.
///
/// # Panics
/// When the body panics.
#[track_caller]
pub fn with_private_shm<B: FnOnce()>(megabytes: u64, body: B) {
    run(body, |program| in_private_shm(megabytes, program));
}

/// Runs the body of a test, a closure, in a separate process. The test must do nothing else.
///
/// # Panics
/// When the body panics.
#[track_caller]
pub fn in_own_process<B: FnOnce()>(body: B) {
    run(body, Command::new);
}

#[track_caller]
fn run<B: FnOnce()>(body: B, command: impl FnOnce(std::path::PathBuf) -> Command) {
    let test = test_of::<B>();
    if std::env::var(INSIDE).is_ok_and(|inside| inside == test) {
        return body();
    }
    let mut command = command(std::env::current_exe().expect("this program has a path"));
    command.args(["--exact", test, "--nocapture", "--include-ignored", "--test-threads=1"]).env(INSIDE, test);
    let mut process = Process::start(command.stderr(Stdio::piped())).expect("this program and `unshare` can be run");
    let mut stderr = process.stderr().expect("piped");
    let errors = std::thread::spawn(move || std::io::read_to_string(&mut stderr).unwrap_or_default());
    let mut printed = String::new();
    while let Some(line) = process.read_line().expect("the test prints lines until it ends") {
        printed += &(line + "\n");
    }
    let ended = process.end_well();
    let errors = errors.join().unwrap_or_default();
    // Without a test of this name, the harness succeeds as well.
    let has_run = printed.contains("test result: ok. 1 passed");
    assert!(ended.is_ok() && has_run, "{test} in a separate process: {ended:?}\n{printed}{errors}");
    print!("{printed}");
    eprint!("{errors}");
}

/// The harness's name of the test that has this body, a closure.
fn test_of<B>() -> &'static str {
    // Such as `crate::module::test::{{closure}}`.
    let path = std::any::type_name::<B>().trim_end_matches("::{{closure}}");
    path.split_once("::").map_or(path, |(_, test)| test)
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn a_body_runs_in_another_process() {
        static HAS_RUN: AtomicBool = AtomicBool::new(false);
        in_own_process(|| HAS_RUN.store(true, Ordering::Relaxed));
        assert_eq!(HAS_RUN.load(Ordering::Relaxed), std::env::var_os(INSIDE).is_some());
    }

    #[test]
    fn a_body_that_fails_fails_the_test_and_its_output_is_reported() {
        let failed = catch_unwind(|| {
            in_own_process(|| {
                println!("it fails inside");
                std::process::exit(1);
            });
        });
        let message = failed.unwrap_err().downcast::<String>().unwrap();
        assert!(message.contains("it fails inside"), "{message}");
    }

    #[test]
    fn a_private_shm_is_empty() {
        with_private_shm(1, || assert_eq!(crate::segments::listing(), [""; 0]));
    }
}
