//! What a run leaves behind: segments in shared memory and processes.

use std::collections::BTreeSet;
use std::fs;

use crate::workspace::MARK;

/// The segments that existed before a run.
pub struct Before {
    segments: BTreeSet<String>,
}

impl Before {
    /// Lists the segments in shared memory.
    pub fn record() -> Self {
        Self { segments: segments() }
    }

    /// One sentence for each segment and process that the run left behind; empty if there are none.
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
    // The environment of zombies and of other users' processes cannot be read. Neither kind counts as left behind.
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
