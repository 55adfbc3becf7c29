//! The mirror, polled between any two stores of the writer.

use std::collections::BTreeMap;

use dora_shm_ring::{Attr, Chunk, Description, Times, Writer, WriterOptions};
use serde_json::json;

use crate::Mirror;
use crate::common::process::{Actor, argument, tell};
use crate::common::source::*;
use crate::common::{Name, segments};

/// Whether a line is the label of a stop point, such as `W9` or `S7-shape`.
fn is_stop_label(line: &str) -> bool {
    let [first, second, ..] = line.as_bytes() else { return false };
    first.is_ascii_uppercase() && second.is_ascii_digit() && !line.contains(' ')
}

// Defects D1 and D6: a poll between two stores finds phantom frames and an overflow that never was.
#[test]
#[ignore = "needs ezmsg-tools: cargo xtask test"]
fn a_poll_between_any_two_stores_finds_no_false_overflow_and_no_frame_twice() {
    let name = Name::new("mirror-steps");
    let environment = [("DORA_SHM_STOP_MODE", "step")];
    let mut child = Actor::start("steps::writer_that_stops_after_each_store", &name, &environment);
    let mut mirror: Option<Mirror> = None;
    // Generation and position of the frame that comes next, and how many came of each generation.
    let (mut generation, mut next) = (0, 0);
    let mut came = [0_u64; STEP_GENERATIONS as usize];
    let mut stops = BTreeMap::<String, u64>::new();
    while let Some(line) = child.hear_raw() {
        if line.ends_with("all written") {
            break;
        }
        // The harness leaves a line of its own unfinished before the first label.
        let line = line.split_whitespace().last().unwrap_or_default().to_owned();
        if !is_stop_label(&line) {
            continue;
        }
        // A mirror that finds no stream tries again half a second later.
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
                assert_eq!(*time, sample as f64);
                next += 1;
                came[generation as usize] += 1;
            }
        }
        child.say("");
    }
    child.end_well();
    assert_eq!(came, [STEP_CHUNKS * STEP_CHUNK; STEP_GENERATIONS as usize], "each frame once");
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

const STEP_GENERATIONS: u64 = 3;
const STEP_CHUNKS: u64 = 9;
const STEP_CHUNK: u64 = 4;

#[test]
#[ignore = "a role: a writer that stops after each store"]
fn writer_that_stops_after_each_store() {
    let Some(name) = argument() else { return };
    let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
    for generation in 0..STEP_GENERATIONS {
        // Chunks that divide the ring, that do not, and of which one ends a lap each time but one.
        let frames = [3 * STEP_CHUNK, 3 * STEP_CHUNK - 1, STEP_CHUNK + 1][generation as usize];
        let attrs = BTreeMap::from([("generation".to_owned(), Attr::Integer(generation as i64))]);
        writer.begin(&format(frames), &Description { attrs, ..description() }, STEP_CHUNK).unwrap();
        for first in (0..STEP_CHUNKS).map(|chunk| chunk * STEP_CHUNK) {
            let frames: Vec<u64> = (first..first + STEP_CHUNK).map(|position| generation << 32 | position).collect();
            let samples: Vec<u8> =
                frames.iter().flat_map(|frame| [*frame; CHANNELS as usize]).flat_map(u64::to_le_bytes).collect();
            let times: Vec<f64> = frames.iter().map(|&frame| frame as f64).collect();
            writer.write(&Chunk { samples: &samples, times: Times::Values(&times), send_ns: 0 }).unwrap();
        }
    }
    writer.close();
    tell("all written");
}
