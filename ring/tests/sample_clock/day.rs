//! Days of ideal arrivals: times are the anchor and a count, to the last bit.

use dora_shm_ring::times::{Run, SampleClock};

use crate::judge::OFFSET_NS;

const START_NS: u64 = 86_400_123_456_789;
const RATE: u64 = 30_000;
const FRAMES: u64 = 24 * 3600 * RATE;

/// When frame `frame` of an ideal device is there, rounded as clocks round.
fn came_ns(frame: u64) -> u64 {
    START_NS + (u128::from(frame) * 1_000_000_000 / u128::from(RATE)) as u64
}

/// The double nearest to anchor + frame / rate. The sum is a fraction of integers, of which the quotient is rounded once.
fn nearest(anchor_ns: u64, frame: u64) -> f64 {
    let (numerator, denominator) = (
        u128::from(anchor_ns) * u128::from(RATE) + u128::from(frame) * 1_000_000_000,
        u128::from(RATE) * 1_000_000_000,
    );
    // 53 bits of quotient, one for rounding, and whether anything is left.
    let whole = numerator / denominator;
    let shift = 54 - (128 - whole.leading_zeros());
    let (mut quotient, mut rest) = (whole, numerator % denominator);
    for _ in 0..shift {
        rest *= 2;
        quotient = quotient * 2 + rest / denominator;
        rest %= denominator;
    }
    let sticky = u128::from(rest != 0);
    (quotient * 2 + sticky) as f64 * 2f64.powi(-(shift as i32 + 1))
}

fn assert_exact(run: &Run, first: u64, frame: u64) {
    let unix_ns = START_NS.checked_add_signed(OFFSET_NS).unwrap();
    assert_eq!(run.on_monotonic().at(frame - first), nearest(START_NS, frame), "frame {frame}, monotonic");
    assert_eq!(run.on_unix(OFFSET_NS).at(frame - first), nearest(unix_ns, frame), "frame {frame}, Unix");
}

/// Writes up to frame `end` in messages of `chunk` frames, and checks the last frame of each that `checked` chooses.
fn write(chunk: u64, end: u64, checked: impl Fn(u64) -> bool) {
    let mut clock = SampleClock::new(RATE as f64).unwrap();
    let mut frame = 0;
    let mut run = clock.stamp(1, came_ns(0));
    while frame < end {
        frame += chunk;
        run = clock.stamp(chunk, came_ns(frame));
        if checked(frame) {
            assert_exact(&run, frame - chunk + 1, frame);
        }
    }
    assert_exact(&run, frame - chunk + 1, frame);
    assert_eq!(clock.learned_hz(), RATE as f64);
}

#[test]
fn the_last_time_of_a_day_is_exact_to_the_last_bit() {
    write(30_000, FRAMES, |frame| frame % 210_000 == 0);
}

#[test]
fn times_of_single_frames_are_exact_to_the_last_bit() {
    write(1, 20 * RATE, |frame| frame % 7 == 0);
}

#[test]
#[ignore = "takes minutes: `cargo xtask times` runs it"]
fn the_last_time_of_a_day_written_frame_by_frame_is_exact_to_the_last_bit() {
    write(1, FRAMES, |frame| frame % 10_007 == 0);
    println!("24 h at 30 kHz, {FRAMES} messages of one frame: the last time is exact to the last bit");
}

#[test]
fn doubles_that_are_238_ns_apart_rise_up_to_4_mhz() {
    for rate_hz in [1e6, 2e6, 3.9e6, 4e6] {
        let mut clock = SampleClock::new(rate_hz).unwrap();
        let mut last = 0.0;
        for i in 0..2000u64 {
            // Ten times as fast as stated at first: the times are led back with the smallest steps there are.
            let came_ns = START_NS + i.min(500) * 100_000 / 10 + i.saturating_sub(500) * 100_000;
            let run = clock.stamp((rate_hz / 1e4) as u64, came_ns);
            for frame in 0..run.frames() {
                let time = run.on_unix(OFFSET_NS).at(frame);
                assert!(time > last, "{rate_hz} Hz, message {i}, frame {frame}: {time:.9} after {last:.9}");
                last = time;
            }
        }
    }
}

#[test]
fn unix_steps_are_even_within_5_percent_up_to_200_khz() {
    let mut clock = SampleClock::new(200e3).unwrap();
    let run = clock.stamp(100_000, START_NS);
    let times = run.on_unix(OFFSET_NS);
    for frame in 1..run.frames() {
        let step = times.at(frame) - times.at(frame - 1);
        assert!((step * 200e3 - 1.0).abs() <= 0.05, "{step}");
    }
}
