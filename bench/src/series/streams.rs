//! Many streams on one machine.

use dora_shm_ring::{Dtype, StreamInfo, Writer, streams};
use eyre::ensure;

use super::{Point, Setting, chunk, point, unique, writer};
use crate::clock::now_ns;
use crate::pin;
use crate::statistics::Spread;

const PAYLOAD: usize = 1 << 10;
const COUNTS: [usize; 4] = [1, 10, 100, 500];
const LISTINGS: usize = 5;

pub fn run(setting: &Setting) -> eyre::Result<Vec<Point>> {
    let mut writers: Vec<Writer> = Vec::new();
    let mut points = Vec::new();
    for count in COUNTS {
        while writers.len() < count {
            let name = unique(&format!("streams-{}", writers.len()));
            writers.push(writer(&name, Dtype::U8, &[PAYLOAD as u64], 64, 1)?);
        }
        let rounds = if setting.quick { 2000 } else { 20_000 } / count;
        // A separate thread, so that the threads of later writers do not inherit its processor.
        let costs = std::thread::scope(|scope| {
            let measure = || -> eyre::Result<Vec<u64>> {
                pin::pin_to(setting.writer_cpu)?;
                write_in_turn(&mut writers, rounds)
            };
            scope.spawn(measure).join().unwrap_or_else(|_| Err(eyre::eyre!("the writing thread panicked")))
        })?;
        let cost = Spread::of(costs).ok_or_else(|| eyre::eyre!("nothing was written"))?;
        points.push(point("write, p50", count as f64, "streams", cost.p50_ns, "ns"));
        points.push(point("write, p99", count as f64, "streams", cost.p99_ns, "ns"));
        let mut listings = Vec::new();
        for _ in 0..LISTINGS {
            let start = now_ns();
            let found = streams()?;
            listings.push(now_ns() - start);
            let own = unique("streams-");
            let ours = |stream: &&StreamInfo| matches!(stream, StreamInfo::Stream(info) if info.name.starts_with(&own));
            let listed = found.iter().filter(ours).count();
            ensure!(listed == count, "{listed} of {count} streams were listed");
        }
        let listing = Spread::of(listings).ok_or_else(|| eyre::eyre!("nothing was listed"))?;
        points.push(point("listing all", count as f64, "streams", listing.p50_ns, "ns"));
    }
    Ok(points)
}

fn write_in_turn(writers: &mut [Writer], rounds: usize) -> eyre::Result<Vec<u64>> {
    let samples = vec![1; PAYLOAD];
    let mut costs = Vec::with_capacity(rounds * writers.len());
    for _ in 0..rounds.max(20) {
        for writer in &mut *writers {
            let start = now_ns();
            writer.write(&chunk(&samples))?;
            costs.push(now_ns() - start);
        }
    }
    Ok(costs)
}
