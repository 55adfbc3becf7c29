//! dora's own command line, which is needed to run graphs.

use std::io::{self, Read};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::check::Check;

/// The release of dora that is installed if there is none.
const RELEASE: &str = "1.1.0";
/// The major version of all releases whose daemon works with the nodes: a node and a daemon need releases that are
/// compatible by semantic versioning.
const MAJOR: &str = "1";
/// A Python interpreter may have to start first.
const PATIENCE: Duration = Duration::from_secs(10);

pub fn examine() -> Check {
    let Some(path) = find("dora") else {
        return Check::note(
            "dora",
            "dora's command line is not in PATH; it is not needed to read, draw and record streams",
            format!(
                "to run graphs: `pip install dora-rs-cli=={RELEASE}`, or `cargo install dora-cli --version {RELEASE}`"
            ),
        );
    };
    judge(&path.display().to_string(), &version_line(&path))
}

fn judge(path: &str, line: &Result<String, String>) -> Check {
    const CHECK: &str = "dora";
    match line {
        Err(reason) => Check::finding(CHECK, format!("{path} --version {reason}"), "reinstall it"),
        Ok(text) => match version(text) {
            Some(version) if fits(&version) => Check::ok(CHECK, format!("{path}, version {version}")),
            Some(version) => Check::finding(
                CHECK,
                format!(
                    "{path} has version {version}, whose daemon does not understand the nodes; they work with releases {MAJOR}.x"
                ),
                format!("`pip install dora-rs-cli=={RELEASE}`, or put a dora {MAJOR}.x first in PATH"),
            ),
            None => Check::finding(
                CHECK,
                format!("{path} --version prints {text:?}, expected dora-cli and its version"),
                "check which program it is",
            ),
        },
    }
}

/// Whether a daemon of this version works with the nodes. What comes before a release does not count as compatible.
fn fits(version: &str) -> bool {
    version.split_once('.').is_some_and(|(major, _)| major == MAJOR) && !version.contains('-')
}

fn find(program: &str) -> Option<PathBuf> {
    let paths = std::env::var_os("PATH")?;
    std::env::split_paths(&paths)
        .map(|folder| folder.join(program))
        .find(|path| path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok())
}

/// The first line that `--version` prints, or what went wrong, as the end of a sentence.
fn version_line(path: &PathBuf) -> Result<String, String> {
    let mut child = Command::new(path)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("cannot be run: {error}"))?;
    let deadline = Instant::now() + PATIENCE;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(5)),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("did not end within {} s", PATIENCE.as_secs()));
            }
        }
    };
    if !status.success() {
        return Err(format!("failed ({status})"));
    }
    let mut stdout = child.stdout.take().ok_or("prints nothing")?;
    // All of its output is in the pipe by now. The end is not awaited: a process that dora started may hold it open.
    let printed = rustix::io::ioctl_fionbio(&stdout, true).map_err(io::Error::from).and_then(|()| {
        let mut bytes = [0; 256];
        match stdout.read(&mut bytes) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(String::new()),
            read => Ok(String::from_utf8_lossy(&bytes[..read?]).into_owned()),
        }
    });
    let text = printed.map_err(|error| format!("cannot be read: {error}"))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

/// `1.1.0` of `dora-cli 1.1.0`.
fn version(text: &str) -> Option<String> {
    let word = text.split_whitespace().find(|word| word.starts_with(|char: char| char.is_ascii_digit()))?;
    Some(word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::check::Level;
    use super::*;

    #[test]
    fn only_a_release_of_dora_that_does_not_fit_the_nodes_is_a_finding() {
        let level = |text: &str| judge("/bin/dora", &Ok(text.to_owned())).level;
        assert_eq!(level("dora-cli 1.1.0"), Level::Ok);
        assert_eq!(level("dora-cli 1.1.3 (abc)"), Level::Ok);
        assert_eq!(level("dora-cli 1.0.1"), Level::Ok);
        assert_eq!(level("dora-cli 1.10.0"), Level::Ok);
        assert_eq!(level("dora-cli 2.0.0"), Level::Finding);
        assert_eq!(level("dora-cli 10.1.0"), Level::Finding);
        assert_eq!(level("dora-cli 1.2.0-rc.1"), Level::Finding);
        assert_eq!(level("dora-cli 0.3.12"), Level::Finding);
        assert_eq!(level("something else"), Level::Finding);
        assert_eq!(judge("/bin/dora", &Err("failed".to_owned())).level, Level::Finding);
    }
}
