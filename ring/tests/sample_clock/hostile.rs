//! Sources that no device is like: what always holds, holds for them, too.

use dora_shm_ring::times::SampleClock;
use dora_shm_testkit::rng::Rng;

use crate::judge::{Always, judge};
use crate::source::{Delay, Event, Kind, Source, uniform};

/// A source at random: any rate, chunk and delay, and a few stalls, pauses and losses.
fn any_source(rng: &mut Rng, messages: f64) -> Source {
    let rate_hz = 10f64.powf(uniform(rng) * 5.0);
    let most = 10f64.powf(uniform(rng) * 3.5) as u64;
    let chunk = if rng.one_in(2) { (most, most) } else { (1 + rng.below(most), most) };
    let least = uniform(rng) * 0.05;
    let mean = 10f64.powf(-4.0 + uniform(rng) * 3.0);
    let delay = match rng.below(5) {
        0 => Delay::Least(least),
        1 => Delay::Exponential { least, mean },
        2 => Delay::OftenLate { least, mean, part: uniform(rng), late: 0.3 },
        3 => Delay::Pareto { least, scale: mean, exponent: 0.8 + uniform(rng) },
        _ => Delay::Uniform { least, most: least + 10.0 * mean },
    };
    let off = match rng.below(3) {
        0 => (uniform(rng) - 0.5) * 2e-4,
        1 => (uniform(rng) - 0.5) * 0.2,
        _ => uniform(rng) * 3.0 - 0.7,
    };
    let message_s = (chunk.0 + chunk.1) as f64 / 2.0 / rate_hz;
    let lasts = messages * message_s;
    let mut events: Vec<_> = (0..rng.below(8))
        .map(|_| {
            let kind = match rng.below(4) {
                0 => Kind::Pause,
                1 => Kind::Loss,
                2 => Kind::Stall { drain: f64::INFINITY },
                _ => Kind::Stall { drain: 1.02 + uniform(rng) * 3.0 },
            };
            Event { at: uniform(rng) * lasts, lasts: uniform(rng).powi(3) * (10.0 * message_s).max(10.0), kind }
        })
        .collect();
    events.sort_by(|a, b| a.at.total_cmp(&b.at));
    Source { chunk, delay, off, lasts, events, burst: rng.below(30), ..Source::new(rate_hz, 1) }
}

fn check_any_sources(seeds: std::ops::Range<u64>, messages: f64) {
    for seed in seeds {
        let source = any_source(&mut Rng::new(seed), messages);
        // The judge fails if a time does not rise, or a step is more than 5 % off.
        judge(&source, seed);
    }
}

#[test]
fn times_rise_in_steps_within_5_percent_whatever_the_source() {
    check_any_sources(0..100, 1000.0);
}

#[test]
#[ignore = "takes minutes: `cargo xtask times` runs it"]
fn times_rise_in_steps_within_5_percent_whatever_the_source_over_many_seeds() {
    check_any_sources(1000..21_000, 3000.0);
    println!("20000 sources at random, 3000 messages each: all times rise, all steps are within 5 %");
}

/// Arrivals that no clock shows: back and forth, at the end of time, all at once.
fn write_at_random(seed: u64, messages: u64) {
    let mut rng = Rng::new(seed);
    let rate_hz = 10f64.powf(uniform(&mut rng) * 9.0 - 3.0).min(3.9e6);
    let mut clock = SampleClock::new(rate_hz).unwrap();
    let mut always = Always::default();
    let mut came_ns = 1_000_000_000_000u64;
    let wild = rng.one_in(3);
    for _ in 0..messages {
        came_ns = match rng.below(if wild { 12 } else { 9 }) {
            0..=4 => came_ns + rng.below(20_000_000),
            5 => came_ns + rng.below(3_000_000_000),
            6 => came_ns.saturating_sub(rng.below(2_000_000_000)),
            7 => came_ns,
            8 => came_ns + rng.below(100_000_000_000),
            9 => came_ns.saturating_sub(rng.below(1 << 42)),
            _ => came_ns.saturating_add(rng.below(1 << 44)),
        };
        let frames = match rng.below(4) {
            0 => rng.below(3),
            1 => rng.below(3000),
            _ => (rate_hz * 0.01) as u64,
        };
        if frames > 0 {
            let run = clock.stamp(frames, came_ns);
            always.check(&clock, &run);
        }
    }
}

#[test]
fn times_rise_whatever_the_arrivals() {
    (0..200).for_each(|seed| write_at_random(seed, 300));
}

#[test]
#[ignore = "takes minutes: `cargo xtask times` runs it"]
fn times_rise_whatever_the_arrivals_over_many_seeds() {
    (1000..101_000).for_each(|seed| write_at_random(seed, 1000));
    println!("100000 sequences of 1000 arrivals at random: all times rise, all steps are within 5 %");
}

#[test]
fn no_number_makes_a_clock_panic() {
    let extremes = [0, 1, 2, 1000, 1 << 32, 1 << 53, u64::MAX - 1, u64::MAX];
    for rate_hz in [1e-6, 1.0, 1e9] {
        for seed in 0..50 {
            let mut rng = Rng::new(seed);
            let mut clock = SampleClock::new(rate_hz).unwrap();
            for _ in 0..200 {
                let run = clock.stamp(*rng.pick(&extremes), *rng.pick(&extremes));
                for frame in [0, run.frames().saturating_sub(1)] {
                    assert!(run.on_monotonic().at(frame).is_finite());
                    assert!(run.on_unix(*rng.pick(&[i64::MIN, 0, i64::MAX])).at(frame).is_finite());
                }
            }
        }
    }
}

#[test]
fn a_message_that_seems_2_s_early_is_forgotten_without_a_jump() {
    let mut clock = SampleClock::new(1000.0).unwrap();
    let came = |i: u64| 1_000_000_000_000 + i * 10_000_000;
    let mut worst: f64 = 0.0;
    for i in 0..3000 {
        let early_ns = if i == 1500 { 2_000_000_000 } else { 0 };
        let run = clock.stamp(10, came(i) - early_ns);
        assert!(!run.jumps(), "message {i}");
        worst = worst.max((run.on_monotonic().at(9) - came(i) as f64 * 1e-9).abs());
    }
    // It was followed for half a second, by 5 %.
    assert!((0.01..0.04).contains(&worst), "{worst}");
}

#[test]
fn an_empty_message_changes_nothing() {
    let mut clock = SampleClock::new(100.0).unwrap();
    let mut same = clock.clone();
    for i in 1..500u64 {
        assert_eq!(clock.stamp(0, i * 7).frames(), 0);
        let (a, b) = (clock.stamp(3, i * 30_000_000), same.stamp(3, i * 30_000_000));
        assert_eq!(a.on_monotonic().at(0), b.on_monotonic().at(0));
    }
}

#[test]
fn a_rate_that_no_clock_has_is_refused_with_what_was_expected() {
    for rate_hz in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-7, 2e9] {
        let error = SampleClock::new(rate_hz).unwrap_err().to_string();
        assert!(error.contains("Hz, expected 1e-6 to 1e9"), "{error}");
    }
}

#[test]
fn a_clock_that_is_reset_begins_anew() {
    let mut clock = SampleClock::new(100.0).unwrap();
    for i in 1..2000u64 {
        let _ = clock.stamp(1, i * 10_050_000);
    }
    assert_ne!(clock.learned_hz(), 100.0);
    clock.reset();
    assert_eq!((clock.learned_hz(), clock.stated_hz()), (100.0, 100.0));
    assert_eq!(clock.stamp(2, 5_000_000_000).on_monotonic().at(1), 5.0);
}

#[test]
fn frames_from_before_the_machine_started_have_negative_times() {
    let run = SampleClock::new(1.0).unwrap().stamp(60, 30_000_000_000);
    assert_eq!((run.on_monotonic().at(0), run.on_monotonic().at(59)), (-29.0, 30.0));
}
