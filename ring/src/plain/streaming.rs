//! A copy with streaming stores on real cores: it tears without the `sfence`s of W3 and W6, since nothing else orders
//! such stores, and does not tear with them. Two threads suffice in place of two processes, since caches treat both
//! alike.

use std::arch::x86_64::{__m128i, _mm_set1_epi64x, _mm_stream_si128};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use super::*;
use crate::protocol::order::{Mutation, with_mutation};

/// Words of a frame, each of which holds the frame's position: 4 KiB.
const WORDS: usize = 512;
const RING_FRAMES: u64 = 8;

/// How long the test waits for a torn frame, on a machine that may be busy.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a copy with fences must not tear.
const PROOF: Duration = Duration::from_secs(4);

/// What a cursor found in frames that it judged whole (R5 to R7).
#[derive(Debug, Default)]
struct Found {
    whole: u64,
    /// Frames with bytes of a later lap: the data overtook `reserved` (W3).
    newer: u64,
    /// Frames with bytes of an earlier lap: the commit overtook the data (W6).
    older: u64,
}

fn stream(memory: &Memory, positions: Range<u64>) {
    let mut position = positions.start;
    for run in runs(&positions, RING_FRAMES) {
        let (start, length) = memory.ring.samples(run);
        for offset in (0..length).step_by(16) {
            let word = (position + (offset / (8 * WORDS)) as u64) as i64;
            // SAFETY: in the run's samples, 16-aligned since the samples begin at 8 N and N is a multiple of 8. SSE2 is
            // part of x86-64. The tested `sfence`s are executed in `order`.
            unsafe { _mm_stream_si128(start.add(offset).cast::<__m128i>(), _mm_set1_epi64x(word)) };
        }
        position += run.frames;
    }
}

fn write_until(memory: &Memory, done: &AtomicBool) {
    let mut counters = Counters::default();
    while !done.load(Ordering::Relaxed) {
        let record = |first| Record { first, frames: 1, ..Record::default() };
        protocol::write(
            &memory.header,
            &memory.ring,
            &mut counters,
            1,
            Stores::MayStream,
            |p| stream(memory, p),
            record,
            || {},
        );
    }
}

/// Reads the newest frame repeatedly, until `enough` returns true. It does not follow the stream: a late store shows only
/// in a frame that was committed a moment ago.
fn read_until(memory: &Memory, enough: impl Fn(&Found) -> bool) -> Found {
    let (mut cursor, mut copy) = (cursor(memory, Unit::Frames), Copy::default());
    cursor.settle().unwrap();
    let mut found = Found::default();
    let mut last = 0;
    while !enough(&found) {
        if cursor.held().end <= last.max(RING_FRAMES) {
            std::hint::spin_loop();
            continue;
        }
        let newest = cursor.copy_latest(1, &mut copy).unwrap();
        last = newest.first + newest.frames;
        if newest.frames == 0 {
            continue;
        }
        found.whole += 1;
        let words = copy.samples.as_chunks().0.iter().map(|&word| u64::from_le_bytes(word));
        let (least, most) = words.fold((u64::MAX, 0), |(least, most), word| (least.min(word), most.max(word)));
        found.newer += u64::from(most > newest.first);
        found.older += u64::from(least < newest.first);
    }
    found
}

fn race(mutation: Option<Mutation>, enough: impl Fn(&Found) -> bool) -> Found {
    let memory = Memory::of(&Format::new(Dtype::U64, &[WORDS as u64], 0.0, RING_FRAMES).unwrap(), 1);
    generation(&memory, 0);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| match mutation {
            Some(mutation) => with_mutation(mutation, || write_until(&memory, &done)),
            None => write_until(&memory, &done),
        });
        let found = read_until(&memory, enough);
        done.store(true, Ordering::Relaxed);
        found
    })
}

#[test]
#[ignore = "tests the hardware: needs two free cores, which a busy machine may not have; `cargo xtask torture` runs it"]
fn a_streaming_copy_tears_without_its_store_fences_and_does_not_with_them() {
    let started = Instant::now();
    let without = race(Some(Mutation::NoStoreFence), |found| {
        found.older > 0 && started.elapsed() > PROOF || started.elapsed() > PATIENCE
    });
    eprintln!("without sfence, in {:.1} s: {without:?}", started.elapsed().as_secs_f64());
    let started = Instant::now();
    let with = race(None, |found| {
        // Both the time and the number of frames must suffice.
        found.whole > 100_000 && started.elapsed() > PROOF || started.elapsed() > PATIENCE
    });
    eprintln!("with sfence, in {:.1} s: {with:?}", started.elapsed().as_secs_f64());
    assert_eq!((with.newer, with.older), (0, 0), "{with:?}");
    assert!(with.whole > 0 && without.older > 0, "{with:?} {without:?}");
}
