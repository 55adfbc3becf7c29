//! Writer's cost over the number of readers.

use std::sync::atomic::Ordering;
use std::time::Duration;

use dora_shm_ring::Dtype;

use super::helper::{self, Kind};
use super::{Point, Setting, point, unique, write_costs, writer};
use crate::control::{Control, Word};
use crate::pin;
use crate::processes::Processes;
use crate::statistics::Spread;

const PAYLOAD: usize = 1 << 10;
const PERIOD_NS: u64 = 2_000_000;
const COUNTS: [usize; 4] = [0, 1, 8, 64];

pub fn run(setting: &Setting) -> eyre::Result<Vec<Point>> {
    let mut points = Vec::new();
    let placements = [
        ("not waiting", Kind::Idle, Some(setting.reader_cpu)),
        ("waiting, on the other core", Kind::Wait, Some(setting.reader_cpu)),
        ("waiting, on any core", Kind::Wait, None),
    ];
    for (line, kind, cpu) in placements {
        for count in COUNTS {
            let spread = measure(setting, kind, cpu, count)?;
            points.push(point(format!("{line}, p50"), count as f64, "readers", spread.p50_ns, "ns"));
            points.push(point(format!("{line}, p99"), count as f64, "readers", spread.p99_ns, "ns"));
        }
    }
    Ok(points)
}

fn measure(setting: &Setting, kind: Kind, cpu: Option<usize>, count: usize) -> eyre::Result<Spread> {
    let name = unique("readers");
    let control = Control::create(0)?;
    let mut writer = writer(&name, Dtype::U8, &[PAYLOAD as u64], 4096, 1)?;
    write_costs(&mut writer, PAYLOAD, 100, 0)?;
    let mut processes = Processes::default();
    for _ in 0..count {
        processes.start("reader", &mut helper::command(kind, &name, Some(&control), cpu)?)?;
    }
    control.wait_until("the readers", Duration::from_secs(30), || {
        control.word(Word::ReaderReady).load(Ordering::Acquire) == count as u64
    })?;
    // The writer's helper thread was started before, so it is not bound.
    let writes = if setting.quick { 200 } else { 1000 };
    let costs = std::thread::scope(|scope| {
        let measure = || {
            pin::pin_to(setting.writer_cpu)?;
            write_costs(&mut writer, PAYLOAD, writes, PERIOD_NS)
        };
        scope.spawn(measure).join().unwrap_or_else(|_| Err(eyre::eyre!("the writing thread panicked")))
    })?;
    control.stop();
    // Closing wakes the readers that wait.
    drop(writer);
    processes.wait(&control, Duration::from_secs(20))?;
    Spread::of(costs).ok_or_else(|| eyre::eyre!("nothing was written"))
}
