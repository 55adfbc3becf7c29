//! Many channels against many frames, at a constant number of bytes per second.

use dora_shm_ring::{Dtype, Frames, Reader, ReaderOptions};
use eyre::ensure;

use super::{Point, Setting, chunk, point, unique, write_costs, writer};
use crate::clock::now_ns;
use crate::pin;
use crate::statistics::Spread;

const CHUNK_BYTES: usize = 64 << 10;
const RING_BYTES: usize = 64 << 20;

pub fn run(setting: &Setting) -> eyre::Result<Vec<Point>> {
    let writes = if setting.quick { 500 } else { 4000 };
    let mut points = Vec::new();
    for channels in (0..=6).map(|power| 4_usize.pow(power)) {
        let frame_bytes = channels * size_of::<f32>();
        let frames = (RING_BYTES / frame_bytes) as u64;
        let name = unique("channels");
        let mut writer = writer(&name, Dtype::F32, &[channels as u64], frames, (CHUNK_BYTES / frame_bytes) as u64)?;
        pin::pin_to(setting.writer_cpu)?;
        // One lap, so that the pages are present.
        write_costs(&mut writer, CHUNK_BYTES, RING_BYTES / CHUNK_BYTES, 0)?;
        let write = Spread::of(write_costs(&mut writer, CHUNK_BYTES, writes, 0)?);
        let write = write.ok_or_else(|| eyre::eyre!("nothing was written"))?;
        points.push(point("write of 64 KiB", channels as f64, "channels", write.p50_ns, "ns"));

        let mut reader = Reader::open(&name, ReaderOptions::default())?;
        let samples = vec![1; CHUNK_BYTES];
        let mut into = Frames::new();
        let mut costs = Vec::new();
        for _ in 0..writes / 2 {
            writer.write(&chunk(&samples))?;
            let start = now_ns();
            ensure!(reader.read(&mut into, u64::MAX)?.is_data(), "the reader missed a chunk");
            costs.push(now_ns() - start);
            ensure!(into.samples().len() == CHUNK_BYTES, "the reader got {} bytes", into.samples().len());
        }
        let read = Spread::of(costs).ok_or_else(|| eyre::eyre!("nothing was read"))?;
        points.push(point("read of 64 KiB", channels as f64, "channels", read.p50_ns, "ns"));
    }
    Ok(points)
}
