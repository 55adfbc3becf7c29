//! Limits of this process, and what the kernel can do.

use rustix::process::{Resource, getrlimit};
use rustix::thread::{MembarrierCommand, membarrier_query};

use super::Streams;
use super::check::Check;
use crate::units;

/// A node with a few streams needs about this many open files.
const LEAST_FILES: u64 = 256;
/// Longest ring by default.
const DEFAULT_MOST_BYTES: u64 = 1 << 30;

/// The limits of this process, which are those of every process that the same shell starts.
pub fn limits(streams: &Streams) -> Vec<Check> {
    let of = |resource| getrlimit(resource).current;
    let found = judge(of(Resource::Nofile), of(Resource::As), of(Resource::Fsize), streams.largest_ring);
    if found.is_empty() {
        vec![Check::ok("limits", "open files, address space and file size are enough")]
    } else {
        found
    }
}

/// `None`: no limit.
fn judge(files: Option<u64>, address_space: Option<u64>, file_bytes: Option<u64>, largest_ring: u64) -> Vec<Check> {
    const CHECK: &str = "limits";
    let mut found = Vec::new();
    if let Some(files) = files.filter(|&files| files < LEAST_FILES) {
        let text = format!("only {files} open files (RLIMIT_NOFILE)");
        found.push(Check::finding(CHECK, text, "`ulimit -n 1024` before the program is started"));
    }
    let too_little = |limit: u64, what: &str, flag: &str| {
        let state = format!("{what} is limited to {}", units::bytes(limit));
        let advice = format!("`ulimit -{flag} unlimited` before the program is started");
        if limit < largest_ring {
            let text = format!("{state}, less than the longest existing ring ({})", units::bytes(largest_ring));
            return Some(Check::finding(CHECK, text, advice));
        }
        (limit < DEFAULT_MOST_BYTES)
            .then(|| Check::note(CHECK, format!("{state}: longer rings are not possible"), advice))
    };
    found.extend(address_space.and_then(|limit| too_little(limit, "the address space (RLIMIT_AS)", "v")));
    found.extend(
        file_bytes.and_then(|limit| too_little(limit, "the size of files (RLIMIT_FSIZE), and with it of rings,", "f")),
    );
    found
}

pub fn kernel() -> Vec<Check> {
    const CHECK: &str = "kernel";
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let release = release.trim();
    let barriers = membarrier_query();
    let has_barrier = [MembarrierCommand::RegisterPrivateExpedited, MembarrierCommand::PrivateExpedited]
        .into_iter()
        .all(|command| barriers.contains_command(command));
    let mut found = Vec::new();
    if !has_barrier {
        found.push(Check::note(
            CHECK,
            "membarrier is not available: writers make a system call after each write, even if no reader waits",
            "Linux has it since 4.14; a container's seccomp profile may forbid it",
        ));
    }
    if version(release).is_some_and(|version| version < (5, 16)) {
        found.push(Check::note(
            CHECK,
            format!("Linux {release} cannot wait for two events at once: an interrupted reader stops within 250 ms"),
            "with Linux 5.16 or later, it stops at once",
        ));
    }
    if found.is_empty() {
        found.push(Check::ok(CHECK, format!("Linux {release} has every feature that is used")));
    }
    found
}

/// Major and minor number of a kernel's release.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|char: char| !char.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::super::check::Level;
    use super::*;

    #[test]
    fn limits_below_an_existing_ring_are_findings_and_low_ones_are_notes() {
        assert_eq!(judge(None, None, None, 1 << 40), []);
        assert_eq!(judge(Some(1024), Some(1 << 40), Some(1 << 40), 1 << 30), []);
        let levels: Vec<Level> =
            judge(Some(64), Some(1 << 20), Some(1 << 29), 1 << 21).into_iter().map(|finding| finding.level).collect();
        assert_eq!(levels, [Level::Finding, Level::Finding, Level::Note]);
    }

    #[test]
    fn releases_are_read_as_numbers() {
        assert_eq!(version("6.1.0-13-amd64"), Some((6, 1)));
        assert_eq!(version("5.15.153.1-microsoft-standard-WSL2"), Some((5, 15)));
        assert_eq!(version("none"), None);
    }
}
