//! Room for rings, in the shared-memory folder and in the machine.

use dora_shm_ring::SHM_DIR;

use super::Streams;
use super::check::Check;
use crate::units;

/// With less free memory, most streams do not fit.
const LEAST_FREE: u64 = 16 << 20;
/// More than the 64 MiB that containers have by default.
const SMALL: u64 = 128 << 20;
/// Files of a stream, and a few for its next generation.
const LEAST_FILES: u64 = 16;

const ENLARGE: &str = "enlarge it (`mount -o remount,size=2G /dev/shm`, `docker run --shm-size=2g`, or --ipc=host), or shorten the buffers (BUF_DUR)";

pub fn examine(streams: &Streams) -> Check {
    match rustix::fs::statvfs(SHM_DIR) {
        // A tmpfs without a limit has no blocks to count.
        Ok(stat) if stat.f_blocks == 0 => Check::ok("room", format!("{SHM_DIR} has no limit")),
        Ok(stat) => {
            // 0 files in all: they are not counted.
            let files = (stat.f_files > 0).then_some(stat.f_favail);
            let (total, free) =
                (stat.f_blocks.saturating_mul(stat.f_frsize), stat.f_bavail.saturating_mul(stat.f_frsize));
            judge(total, free, files, streams.largest_ring, streams.all_rings)
        }
        Err(error) => {
            Check::finding("room", format!("the size of {SHM_DIR} cannot be read: {error}"), "see the check `mount`")
        }
    }
}

fn judge(total: u64, free: u64, files: Option<u64>, largest_ring: u64, all_rings: u64) -> Check {
    const CHECK: &str = "room";
    let [total_text, free_text, largest_text] = [total, free, largest_ring].map(units::bytes);
    let mut state = format!("{free_text} of {total_text} free in {SHM_DIR}");
    if all_rings > 0 {
        state += &format!(", rings take {}", units::bytes(all_rings));
    }
    if let Some(files) = files.filter(|&files| files < LEAST_FILES) {
        return Check::finding(
            CHECK,
            format!(
                "{state}, but only {}",
                if files == 1 { "1 more file fits".to_owned() } else { format!("{files} more files fit") }
            ),
            "remove files there, or remount it with nr_inodes",
        );
    }
    if free < LEAST_FREE {
        return Check::finding(CHECK, format!("{state}: too little for most streams"), ENLARGE);
    }
    if free < largest_ring {
        let text = format!(
            "{state}: if the format of the stream with the longest ring ({largest_text}) changes, the next ring does not \
             fit, and the stream has to be restarted"
        );
        return Check::finding(CHECK, text, ENLARGE);
    }
    if total < SMALL {
        return Check::note(CHECK, format!("{state}: little for pictures or long buffers"), ENLARGE);
    }
    Check::ok(CHECK, state)
}

/// Whether the machine has the memory that the folder admits.
pub fn memory() -> Option<Check> {
    let stat = rustix::fs::statvfs(SHM_DIR).ok()?;
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    let available = available(&std::fs::read_to_string("/proc/meminfo").ok()?)?;
    let limit = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|text| text.trim().parse().ok());
    Some(judge_memory(free, available, limit))
}

fn judge_memory(free: u64, available: u64, limit: Option<u64>) -> Check {
    const CHECK: &str = "memory";
    let state = format!("{} of memory available", units::bytes(available));
    if let Some(limit) = limit.filter(|&limit| limit < free) {
        let text = format!(
            "{state}; this container may use {}, rings of its writers included, though {SHM_DIR} has room for {}",
            units::bytes(limit),
            units::bytes(free)
        );
        return Check::note(CHECK, text, "keep rings well below that limit, or raise it (`docker run --memory`)");
    }
    if available < free / 4 {
        let text = format!("{state}, though {SHM_DIR} has room for {}", units::bytes(free));
        return Check::note(
            CHECK,
            text,
            "do not rely on that room: if a ring does not fit into memory, the kernel swaps it out or kills a process",
        );
    }
    Check::ok(CHECK, state)
}

/// `MemAvailable` of /proc/meminfo, in bytes.
fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::super::check::Level;
    use super::*;

    const GIB: u64 = 1 << 30;

    #[test]
    fn room_is_judged_against_the_longest_ring() {
        assert_eq!(judge(8 * GIB, 4 * GIB, None, GIB, 2 * GIB).level, Level::Ok);
        assert_eq!(judge(8 * GIB, GIB / 2, None, GIB, 2 * GIB).level, Level::Finding);
        assert_eq!(judge(64 << 20, 60 << 20, None, 0, 0).level, Level::Note);
        assert_eq!(judge(8 * GIB, 8 << 20, None, 0, 0).level, Level::Finding);
        assert_eq!(judge(8 * GIB, 4 * GIB, Some(3), 0, 0).level, Level::Finding);
        assert!(judge(8 * GIB, 4 * GIB, Some(1), 0, 0).text.ends_with("only 1 more file fits"));
        assert_eq!(judge(8 * GIB, 4 * GIB, Some(100_000), 0, 0).text, "4.0 GiB of 8.0 GiB free in /dev/shm");
    }

    #[test]
    fn memory_that_is_not_there_is_noted() {
        assert_eq!(judge_memory(8 * GIB, 10 * GIB, None).level, Level::Ok);
        assert_eq!(judge_memory(8 * GIB, GIB, None).level, Level::Note);
        assert_eq!(judge_memory(8 * GIB, 10 * GIB, Some(GIB)).level, Level::Note);
        assert_eq!(available("MemTotal: 9 kB\nMemAvailable:   12 kB\n"), Some(12 * 1024));
        assert_eq!(available("nothing"), None);
    }
}
