//! From a process's start to its first frame.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use dora_shm_ring::Dtype;

use super::helper::{self, FirstFrame, Kind};
use super::{Point, Setting, chunk, point, unique, writer};
use crate::clock::now_ns;
use crate::processes::output_of;
use crate::statistics::median;

const PAYLOAD: usize = 1 << 10;

pub fn run(setting: &Setting) -> eyre::Result<Vec<Point>> {
    let starts = if setting.quick { 5 } else { 25 };
    let name = unique("start");
    let mut writer = writer(&name, Dtype::U8, &[PAYLOAD as u64], 4096, 1)?;
    let over = AtomicBool::new(false);
    let samples = vec![1; PAYLOAD];
    writer.write(&chunk(&samples))?;
    std::thread::scope(|scope| {
        let live = scope.spawn(|| -> eyre::Result<()> {
            while !over.load(Ordering::Relaxed) {
                writer.write(&chunk(&samples))?;
                // A stream at about 1 kHz.
                std::thread::sleep(Duration::from_millis(1));
            }
            Ok(())
        });
        let measured = measure(&name, starts);
        over.store(true, Ordering::Relaxed);
        live.join().unwrap_or_else(|_| Err(eyre::eyre!("the writing thread panicked")))?;
        measured
    })
}

fn measure(name: &str, starts: usize) -> eyre::Result<Vec<Point>> {
    let (mut whole, mut own) = (Vec::new(), Vec::new());
    for _ in 0..starts {
        let start_ns = now_ns();
        let printed = output_of(&mut helper::command(Kind::FirstFrame, name, None, None)?)?;
        let times: FirstFrame = serde_json::from_str(&printed)?;
        whole.push((times.read_ns - start_ns) as f64 / 1e6);
        own.push((times.read_ns - times.main_ns) as f64 / 1e6);
    }
    let value = |values| median(values).ok_or_else(|| eyre::eyre!("nothing was started"));
    Ok(vec![
        point("fork to first frame", 1.0, "process", value(whole)?, "ms"),
        point("main to first frame", 1.0, "process", value(own)?, "ms"),
    ])
}
