//! What a clock made of a source, checked against the truth.

use dora_shm_ring::times::{Run, SampleClock};

use crate::source::{Message, Source};

/// Unix time minus CLOCK_MONOTONIC, so that Unix seconds are 1.7e9: doubles are 238 ns apart.
pub const OFFSET_NS: i64 = 1_700_000_000_123_456_789;
/// Errors count from here on.
pub const SETTLED_S: f64 = 60.0;

/// How a clock did.
#[derive(Debug, Default)]
pub struct Report {
    /// |time given - time taken - least delay| in seconds, of the first and last frame of each message, with the
    /// seconds after the start at which it was sent.
    pub errors: Vec<(f64, f64)>,
    /// When the messages came that began with a jump, in seconds after the start.
    pub jumps: Vec<f64>,
    pub warnings: Vec<f64>,
    pub learned_hz: f64,
}

impl Report {
    /// Sorted errors of the time after [`SETTLED_S`] for which `counts` holds.
    pub fn settled(&self, counts: impl Fn(f64) -> bool) -> Vec<f64> {
        let kept = self.errors.iter().filter(|error| error.0 >= SETTLED_S && counts(error.0));
        let mut errors: Vec<_> = kept.map(|error| error.1).collect();
        errors.sort_by(f64::total_cmp);
        errors
    }
}

/// Runs a new clock over all messages of `source`, and checks what must always hold.
pub fn judge(source: &Source, seed: u64) -> Report {
    let mut clock = SampleClock::new(source.rate_hz).unwrap();
    let mut always = Always::default();
    let mut report = Report::default();
    for message in source.messages(seed) {
        let run = clock.stamp(message.frames, message.came_ns);
        always.check(&clock, &run);
        let came_s = (message.came_ns - source.start_ns) as f64 * 1e-9;
        if run.jumps() {
            report.jumps.push(came_s);
        }
        report.warnings.extend(run.warning().map(|_| came_s));
        for frame in [0, message.frames - 1] {
            let error = run.on_monotonic().at(frame) - taken(source, &message, frame) - source.delay.least_s();
            report.errors.push((message.last_taken, error.abs()));
        }
    }
    report.learned_hz = clock.learned_hz();
    report
}

/// When a frame of a message was taken: seconds of CLOCK_MONOTONIC.
fn taken(source: &Source, message: &Message, frame: u64) -> f64 {
    source.start_ns as f64 * 1e-9 + message.last_taken - (message.frames - 1 - frame) as f64 * message.period
}

/// The slow and obvious check of what always holds: it looks at the doubles that a reader sees.
#[derive(Default)]
pub struct Always {
    last: Option<(f64, f64)>,
}

impl Always {
    pub fn check(&mut self, clock: &SampleClock, run: &Run) {
        let (monotonic, unix) = (run.on_monotonic(), run.on_unix(OFFSET_NS));
        let step_s = 1.0 / clock.learned_hz();
        assert!((run.step_s() / step_s - 1.0).abs() <= 0.05 + 1e-12, "step {} of {step_s}", run.step_s());
        let frames = run.frames();
        // All frames of short messages, both ends of long ones.
        let some = (0..frames.min(40)).chain(frames.saturating_sub(3).max(40)..frames);
        let mut before = None;
        for frame in some {
            let (time, unix_time) = (monotonic.at(frame), unix.at(frame));
            if let Some((last, last_unix)) = self.last {
                assert!(time > last, "{time:.9} after {last:.9}: frame {frame}, {clock:?}");
                assert!(step_s < 1.0 / 4e6 || unix_time > last_unix, "{unix_time:.9} after {last_unix:.9}");
                let follows = if frame == 0 { !run.jumps() } else { before == Some(frame - 1) };
                // A double of a monotonic second is exact to 2^-53 of it.
                let rounding = 2.0 * time.abs() * f64::EPSILON;
                if follows {
                    let off = (time - last - step_s).abs();
                    assert!(off <= 0.05 * step_s + rounding, "{} instead of {step_s}, frame {frame}", time - last);
                } else if frame == 0 {
                    assert!(time - last > 0.25, "a jump of {} s", time - last);
                }
            }
            before = Some(frame);
            self.last = Some((time, unix_time));
        }
    }
}
