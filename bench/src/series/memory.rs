//! Memory per process.

use std::time::Duration;

use eyre::WrapErr;

use super::helper::{self, FRAME_BYTES, Kind};
use super::{Point, Setting, point, unique};
use crate::control::{Control, Word};
use crate::processes::Processes;

const RINGS: [usize; 3] = [1 << 20, 16 << 20, 256 << 20];

pub fn run(setting: &Setting) -> eyre::Result<Vec<Point>> {
    let mut points = Vec::new();
    for &ring in RINGS.iter().filter(|&&ring| !setting.quick || ring < 256 << 20) {
        let name = unique("memory");
        let control = Control::create(0)?;
        let mut processes = Processes::default();
        let mut write = helper::command(Kind::Write, &name, Some(&control), None)?;
        let frames = (ring / FRAME_BYTES).to_string();
        let writer = processes.start("writer", write.args(["--frames", &frames]))?.id();
        control.wait_for(Word::WriterReady, Duration::from_secs(20))?;
        let reader = processes.start("reader", &mut helper::command(Kind::Wait, &name, Some(&control), None)?)?.id();
        control.wait_for(Word::Sent, Duration::from_secs(60))?;
        for (who, pid) in [("writer", writer), ("reader", reader)] {
            for what in ["Rss", "Pss"] {
                let mib = kib_of(pid, what)? / 1024.0;
                points.push(point(format!("{who}, {what}"), (ring >> 20) as f64, "MiB of ring", mib, "MiB"));
            }
        }
        control.stop();
        processes.wait(&control, Duration::from_secs(20))?;
    }
    Ok(points)
}

fn kib_of(pid: u32, what: &str) -> eyre::Result<f64> {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).wrap_err("the process has ended")?;
    let line = rollup.lines().find_map(|line| line.strip_prefix(&format!("{what}:")));
    let number = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok());
    number.ok_or_else(|| eyre::eyre!("smaps_rollup has no {what}"))
}
