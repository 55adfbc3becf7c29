//! What a run leaves behind: segments in shared memory and processes.

use std::collections::BTreeSet;
use std::fs;

use crate::workspace::MARK;

/// What was there before.
pub struct Before {
    segments: BTreeSet<String>,
}

impl Before {
    /// Looks at shared memory.
    pub fn look() -> Self {
        Self { segments: segments() }
    }

    /// One sentence for everything that is there now and was not before; empty when nothing was left.
    pub fn left(&self) -> Vec<String> {
        let segments = segments().difference(&self.segments).map(|name| format!("/dev/shm/{name} was left")).collect();
        [segments, processes(&format!("{MARK}={}", std::process::id()))].concat()
    }
}

fn segments() -> BTreeSet<String> {
    let entries = fs::read_dir("/dev/shm").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).filter(|name| name.starts_with("sm_")).collect()
}

fn processes(mark: &str) -> Vec<String> {
    let own = std::process::id();
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()).filter(|&pid| pid != own);
    // Of other users and of zombies the environment cannot be read: neither is ours to end.
    let marked = pids.filter(|pid| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|&byte| byte == 0).any(|variable| variable == mark.as_bytes())
    });
    marked
        .map(|pid| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            format!("process {pid} still runs: {}", String::from_utf8_lossy(&line).replace('\0', " ").trim())
        })
        .collect()
}
