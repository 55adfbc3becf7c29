//! The mirror, polled between any two stores of the writer.

use std::collections::{BTreeMap, VecDeque};

use serde_json::json;

use crate::Mirror;
use dora_shm_testkit::crash_table::labels_in_the_sources;
use dora_shm_testkit::roles::{self, DONE};
use dora_shm_testkit::source::*;
use dora_shm_testkit::{Name, segments};

// Defects D1 and D6: a poll between two stores finds phantom frames and a false overflow.
#[test]
#[ignore = "needs ezmsg-tools: cargo xtask test"]
fn a_poll_between_any_two_stores_finds_no_false_overflow_and_no_frame_twice() {
    let name = Name::new("mirror-steps");
    let frames = RINGS[0].to_string();
    let chunk = CHUNK.to_string();
    let arguments = [&*name, &frames, &chunk, "int64"];
    let mut source = roles::start_with("source", &arguments, &[("DORA_SHM_FAILPOINT_MODE", "step")]);
    let mut orders = orders();
    let labels = labels_in_the_sources();
    let mut mirror: Option<Mirror> = None;
    // Generation and position of the next frame, and the number of frames received of each generation.
    let (mut generation, mut next) = (0, 0);
    let mut came = [0_u64; RINGS.len()];
    let mut stops = BTreeMap::<String, u64>::new();
    while let Some(line) = source.read_line().unwrap() {
        if line == "begins" || line == DONE {
            match orders.pop_front() {
                Some(order) => source.send_line(&order),
                None => break,
            }
            continue;
        }
        assert!(labels.contains(&line), "{line}");
        // A mirror that does not find a stream tries again after half a second.
        if mirror.is_none() && segments::header(&name).exists() {
            mirror = Some(Mirror::open(&name));
        }
        if let Some(mirror) = &mut mirror {
            *stops.entry(line.clone()).or_default() += 1;
            let polled = mirror.poll();
            assert!(!polled.overflow, "false overflow after {line}");
            let described = mirror.describe();
            assert!(described["dims"].is_null() || described["dims"] == json!(["time", "ch"]), "{described}");
            for (sample, time) in polled.samples.chunks_exact(8 * CHANNELS as usize).zip(&polled.times) {
                let sample = u64::from_le_bytes(sample[..8].try_into().unwrap());
                let (of, position) = (sample >> 32, sample & u64::from(u32::MAX));
                if of != generation {
                    assert_eq!(of, generation + 1, "after {line}");
                    (generation, next) = (of, 0);
                }
                assert_eq!(position, next, "after {line}");
                assert_eq!(*time, time_at(sample));
                next += 1;
                came[generation as usize] += 1;
            }
        }
        source.send_line("go on");
    }
    source.end_well().unwrap();
    assert_eq!(came, [CHUNKS * CHUNK; RINGS.len()], "each frame is received once");
    for label in [
        "W1",
        "W2",
        "W4",
        "W5",
        "W7",
        "W8",
        "W9-hidden",
        "W9-index",
        "W9-laps",
        "W9",
        "W10",
        "S1",
        "S4",
        "S5",
        "S6",
        "S7-dtype",
        "S7-shape",
        "S7-key",
        "S7-index",
        "S7",
        "S8",
        "S9",
        "M1",
        "M2-length",
        "M2",
        "M3",
    ] {
        assert!(stops.contains_key(label), "no stop at {label}: {stops:?}");
    }
}

/// Frames of each generation's ring: chunks divide the first and do not divide the second; in the third, all but one of
/// them end a lap.
const RINGS: [u64; 3] = [3 * CHUNK, 3 * CHUNK - 1, CHUNK + 1];
const CHUNKS: u64 = 9;
const CHUNK: u64 = 4;

/// The orders for the source. A frame's position has its generation in the upper half, and its place in the generation
/// in the lower.
fn orders() -> VecDeque<String> {
    let mut orders = VecDeque::new();
    for (generation, frames) in (0_u64..).zip(RINGS) {
        if generation > 0 {
            orders.push_back(format!("begin {frames} {CHUNK} {}", generation << 32));
        }
        orders.extend((0..CHUNKS).map(|_| format!("write {CHUNK}")));
    }
    orders.push_back("close".to_owned());
    orders
}
