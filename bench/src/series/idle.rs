//! CPU time and wake-ups of a writer and a waiting reader with nothing to do.

use std::time::Duration;

use eyre::WrapErr;

use super::helper::{self, Kind};
use super::{Point, Setting, point, unique};
use crate::control::{Control, Word};
use crate::processes::Processes;

pub fn run(setting: &Setting) -> eyre::Result<Vec<Point>> {
    let name = unique("idle");
    let control = Control::create(0)?;
    let mut processes = Processes::default();
    let mut write = helper::command(Kind::Write, &name, Some(&control), None)?;
    let writer = processes.start("writer", write.args(["--frames", "16"]))?.id();
    control.wait_for(Word::WriterReady, Duration::from_secs(20))?;
    let reader = processes.start("reader", &mut helper::command(Kind::Wait, &name, Some(&control), None)?)?.id();
    control.wait_for(Word::Sent, Duration::from_secs(20))?;

    let seconds = if setting.quick { 1.0 } else { 5.0 };
    let before = [Usage::of(writer)?, Usage::of(reader)?];
    std::thread::sleep(Duration::from_secs_f64(seconds));
    let after = [Usage::of(writer)?, Usage::of(reader)?];
    control.stop();
    processes.wait(&control, Duration::from_secs(20))?;

    let mut points = Vec::new();
    for (index, who) in ["live writer", "waiting reader"].into_iter().enumerate() {
        let wakes = (after[index].switches - before[index].switches) as f64 / seconds;
        let share = (after[index].cpu_ns - before[index].cpu_ns) as f64 / seconds / 1e9;
        points.push(point(format!("{who}, wake-ups"), seconds, "s", wakes, "1/s"));
        points.push(point(format!("{who}, CPU"), seconds, "s", 100.0 * share, "% of a core"));
    }
    Ok(points)
}

/// Of all threads of a process since its start.
struct Usage {
    /// Each sleep ends in one wake-up.
    switches: u64,
    cpu_ns: u64,
}

impl Usage {
    fn of(pid: u32) -> eyre::Result<Self> {
        let mut usage = Usage { switches: 0, cpu_ns: 0 };
        for thread in std::fs::read_dir(format!("/proc/{pid}/task")).wrap_err("the process has ended")? {
            let thread = thread?.path();
            let status = std::fs::read_to_string(thread.join("status"))?;
            let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
            usage.switches += line.and_then(|number| number.trim().parse::<u64>().ok()).unwrap_or(0);
            let times = std::fs::read_to_string(thread.join("schedstat")).wrap_err("the kernel keeps no schedstat")?;
            usage.cpu_ns += times.split(' ').next().and_then(|number| number.parse::<u64>().ok()).unwrap_or(0);
        }
        Ok(usage)
    }
}
