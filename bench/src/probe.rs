//! The time of a cache line's round trip between the two processors, measured with every figure. On virtual machines,
//! it changes between two values within seconds, and figures are compared only within one of them.

use std::sync::atomic::Ordering;
use std::time::Duration;

use eyre::bail;
use serde::{Deserialize, Serialize};

use crate::clock::now_ns;
use crate::control::{Control, Word};

const BATCHES: usize = 20;
const ROUNDS_PER_BATCH: u64 = 100;
const PATIENCE: Duration = Duration::from_secs(10);
/// The geometric mean of the two values that were seen, 0.16 and 0.8 us.
const NEAR_BELOW_NS: f64 = 350.0;

/// Whether the two processors share a cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Class {
    Near,
    Far,
}

impl Class {
    /// The class of a round trip.
    pub fn of(round_trip_ns: f64) -> Self {
        if round_trip_ns < NEAR_BELOW_NS { Class::Near } else { Class::Far }
    }

    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Class::Near => "near",
            Class::Far => "far",
        }
    }
}

/// The writer's side: median round trip in nanoseconds. `first` is the number of rounds played before, by both sides.
pub fn lead(control: &Control, first: u64) -> eyre::Result<f64> {
    let mut batches = Vec::with_capacity(BATCHES);
    let mut number = first;
    for _ in 0..BATCHES {
        let start = now_ns();
        for _ in 0..ROUNDS_PER_BATCH {
            number += 1;
            control.word(Word::Ping).store(number, Ordering::Release);
            await_word(control, Word::Pong, number)?;
        }
        batches.push((now_ns() - start) as f64 / ROUNDS_PER_BATCH as f64);
    }
    batches.sort_by(f64::total_cmp);
    Ok(batches[BATCHES / 2])
}

/// The reader's side of [`lead`].
pub fn follow(control: &Control, first: u64) -> eyre::Result<()> {
    for number in first + 1..=first + ROUNDS {
        await_word(control, Word::Ping, number)?;
        control.word(Word::Pong).store(number, Ordering::Release);
    }
    Ok(())
}

/// Rounds of one probe.
pub const ROUNDS: u64 = BATCHES as u64 * ROUNDS_PER_BATCH;

#[inline]
fn await_word(control: &Control, word: Word, number: u64) -> eyre::Result<()> {
    let mut polls = 0u64;
    let mut deadline = None;
    while control.word(word).load(Ordering::Acquire) != number {
        std::hint::spin_loop();
        polls += 1;
        // Reading the clock in each poll would be measured, too.
        if polls.is_multiple_of(1 << 16) {
            let deadline = *deadline.get_or_insert_with(|| now_ns() + PATIENCE.as_nanos() as u64);
            if now_ns() > deadline || control.word(Word::Failed).load(Ordering::Relaxed) != 0 {
                bail!("the other process does not take part in the probe");
            }
        }
    }
    Ok(())
}
