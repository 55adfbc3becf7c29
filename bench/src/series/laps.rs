//! First lap of a ring against later ones.

use std::time::{Duration, Instant};

use dora_shm_ring::Dtype;
use eyre::ensure;

use super::{Point, Setting, point, unique, write_costs, writer};
use crate::pin;
use crate::statistics::Spread;

const PAYLOAD: usize = 64 << 10;
const RING_BYTES: usize = 64 << 20;
const MESSAGES: usize = RING_BYTES / PAYLOAD;
const PERIOD_NS: u64 = 2_000_000;

pub fn run(setting: &Setting) -> eyre::Result<Vec<Point>> {
    let mut points = Vec::new();
    let cases = [
        ("back to back, at once", false, 0),
        ("back to back, once the prefault has ended", true, 0),
        ("paced, at once", false, PERIOD_NS),
    ];
    for (line, after_prefault, period_ns) in cases.into_iter().filter(|(_, _, period)| !setting.quick || *period == 0) {
        let before = shared_kib()?;
        let mut writer = writer(&unique("laps"), Dtype::U8, &[PAYLOAD as u64], MESSAGES as u64, 1)?;
        if after_prefault {
            wait_for_prefault(before)?;
        }
        std::thread::scope(|scope| {
            let measure = || -> eyre::Result<()> {
                pin::pin_to(setting.writer_cpu)?;
                for lap in 1..=if period_ns == 0 { 4 } else { 2 } {
                    let costs = write_costs(&mut writer, PAYLOAD, MESSAGES, period_ns)?;
                    let cost = Spread::of(costs).ok_or_else(|| eyre::eyre!("nothing was written"))?;
                    points.push(point(line, f64::from(lap), "lap", cost.p50_ns, "ns"));
                }
                Ok(())
            };
            scope.spawn(measure).join().unwrap_or_else(|_| Err(eyre::eyre!("the writing thread panicked")))
        })?;
    }
    Ok(points)
}

/// Waits until all pages of the ring are in this process's tables.
fn wait_for_prefault(before_kib: u64) -> eyre::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(10);
    while shared_kib()? < before_kib + (RING_BYTES >> 10) as u64 {
        ensure!(Instant::now() < deadline, "the prefault does not end");
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

fn shared_kib() -> eyre::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssShmem:"));
    line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse().ok())
        .ok_or_else(|| eyre::eyre!("the kernel does not report how much shared memory is mapped"))
}
