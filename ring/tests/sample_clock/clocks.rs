//! Generations, and a wall clock that is set, beside the sample clock.

use dora_shm_ring::times::{SampleClock, WallClock};

use crate::source::{Delay, Source};

const HOUR_NS: i64 = 3_600_000_000_000;
const PAIR_NS: i64 = 1_700_000_000_000_000_000;

/// A wall clock that somebody sets by `by_ns` 100 s after the start.
struct SetClock {
    set_at_ns: u64,
    by_ns: i64,
}

impl SetClock {
    /// Unix time minus CLOCK_MONOTONIC.
    fn offset_ns(&self, mono_ns: u64) -> i64 {
        if mono_ns < self.set_at_ns { PAIR_NS } else { PAIR_NS + self.by_ns }
    }
}

/// Writes a stream on Unix time while the clock is set. Returns the largest error against the wall clock of when a frame
/// was taken, in seconds, and the number of generations.
fn write(by_ns: i64) -> (f64, u32) {
    let source =
        Source { delay: Delay::Exponential { least: 0.0, mean: 0.0005 }, off: 5e-5, ..Source::new(1000.0, 20) };
    let wall = SetClock { set_at_ns: source.start_ns + 100_000_000_000, by_ns };
    let mut clock = SampleClock::new(source.rate_hz).unwrap();
    let mut pair_ns = wall.offset_ns(source.start_ns);
    let mut seen = WallClock::new(pair_ns);
    let (mut generations, mut worst) = (1, 0.0f64);
    // dora's clock stands still after it was set back.
    let mut hybrid_ns = 0;
    for message in source.messages(1) {
        let mono_ns = message.came_ns;
        let taken_ns = source.start_ns + (message.last_taken * 1e9) as u64;
        hybrid_ns = (taken_ns as i64 + wall.offset_ns(taken_ns)).max(hybrid_ns + 1);
        let unix_ns = mono_ns as i64 + wall.offset_ns(mono_ns);
        let came_ns = seen.came_mono_ns(hybrid_ns, unix_ns, mono_ns);
        if seen.compare(unix_ns, mono_ns) {
            pair_ns = unix_ns - mono_ns as i64;
            seen.begun(pair_ns, mono_ns);
            generations += 1;
        }
        // A new generation takes the sample clock over as it is.
        let run = clock.stamp(message.frames, came_ns);
        assert!(!run.jumps());
        if message.last_taken > 10.0 {
            let given = run.on_unix(pair_ns).at(message.frames - 1);
            let truth_ns = taken_ns as i64 + wall.offset_ns(mono_ns);
            worst = worst.max((given - truth_ns as f64 * 1e-9).abs());
        }
    }
    (worst, generations)
}

#[test]
fn a_clock_that_is_set_back_by_an_hour_begins_one_generation_and_times_are_right_before_and_after() {
    let (worst, generations) = write(-HOUR_NS);
    assert!(generations == 2 && worst < 0.001, "{generations} generations, off by {worst} s");
}

#[test]
fn so_does_one_that_is_set_ahead_or_by_less() {
    for by_ns in [HOUR_NS, 150_000_000, -150_000_000] {
        let (worst, generations) = write(by_ns);
        assert!(generations == 2 && worst < 0.001, "{by_ns}: {generations} generations, off by {worst} s");
    }
}

#[test]
fn a_step_of_50_ms_is_no_generation_and_moves_no_time() {
    let (worst, generations) = write(-50_000_000);
    // The times keep the pair of the generation, so that they differ from the wall clock by the step.
    assert!(generations == 1 && (worst - 0.05).abs() < 0.001, "{generations} generations, off by {worst} s");
}
