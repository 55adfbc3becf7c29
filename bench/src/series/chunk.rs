//! Cost of a frame over the frames of a chunk.

use dora_shm_ring::Dtype;

use super::{Point, Setting, point, unique, write_costs, writer};
use crate::clock::now_ns;
use crate::pin;
use crate::shared::Shared;
use crate::statistics::median;

const FRAME_BYTES: usize = 32;
const RING_BYTES: usize = 256 << 20;
/// Writes whose mean counts as one value.
const BLOCK: usize = 64;
const COUNTS: [usize; 13] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000, 3000, 10_000];

pub fn run(setting: &Setting) -> eyre::Result<Vec<Point>> {
    let ring_bytes = if setting.quick { RING_BYTES / 16 } else { RING_BYTES };
    let memory = Shared::create(&unique("chunk-copy"), ring_bytes)?;
    let mut points = Vec::new();
    for count in COUNTS {
        let chunk_bytes = count * FRAME_BYTES;
        let writes = (ring_bytes / chunk_bytes).min(1 << 20);
        let frames = (ring_bytes / FRAME_BYTES) as u64;
        let mut writer = writer(&unique("chunk"), Dtype::F32, &[8], frames, count as u64)?;
        std::thread::scope(|scope| {
            let measure = || -> eyre::Result<()> {
                pin::pin_to(setting.writer_cpu)?;
                // One lap, so that the pages are present.
                write_costs(&mut writer, chunk_bytes, ring_bytes / chunk_bytes, 0)?;
                let ours = typical_ns(&write_costs(&mut writer, chunk_bytes, writes, 0)?)? / count as f64;
                let copy = typical_ns(&copy_costs(&memory, chunk_bytes, writes))? / count as f64;
                points.push(point("dora-shm", count as f64, "frames a chunk", ours, "ns a frame"));
                points.push(point("memcpy", count as f64, "frames a chunk", copy, "ns a frame"));
                Ok(())
            };
            scope.spawn(measure).join().unwrap_or_else(|_| Err(eyre::eyre!("the writing thread panicked")))
        })?;
    }
    Ok(points)
}

/// Median over blocks of the mean write in each. A chunk of one frame takes a few ticks of the clock, so a median of
/// single writes would be too coarse, and a mean of all would contain every interruption.
fn typical_ns(costs: &[u64]) -> eyre::Result<f64> {
    let mean = |block: &[u64]| block.iter().sum::<u64>() as f64 / block.len() as f64;
    median(costs.chunks(BLOCK).map(mean)).ok_or_else(|| eyre::eyre!("nothing was written"))
}

/// Like [`write_costs`], but for the bare copy.
fn copy_costs(memory: &Shared, bytes: usize, count: usize) -> Vec<u64> {
    let source = vec![1_u8; (8 << 20_usize).max(2 * bytes)];
    let mut chunks = source.chunks_exact(bytes).cycle();
    let slots = memory.length() / bytes;
    let copy = |index: usize| {
        let Some(samples) = chunks.next() else { return 0 };
        let start = now_ns();
        // SAFETY: slot `index % slots` is inside the memory, which no other process maps.
        unsafe {
            let to = memory.start().add(index % slots * bytes);
            std::ptr::copy_nonoverlapping(samples.as_ptr(), to, bytes);
        }
        now_ns() - start
    };
    (0..count).map(copy).collect()
}
