//! How near the times of a simulated source come to the truth, and when they jump.

use crate::judge::{Report, judge};
use crate::source::{Delay, Event, Kind, Source};

/// What a group of sources must keep to.
struct Bar {
    name: &'static str,
    sources: Vec<Source>,
    /// Largest error after a minute, in milliseconds: of 99 % of the frames, or of all.
    p99_ms: f64,
    worst_ms: f64,
    /// Jumps of each run.
    jumps: usize,
    warnings: usize,
    /// Errors count unless frames were sent within this range, in seconds after the start.
    except: Option<(f64, f64)>,
}

impl Bar {
    fn new(name: &'static str, sources: Vec<Source>) -> Self {
        let any = f64::INFINITY;
        Self { name, sources, p99_ms: any, worst_ms: any, jumps: 0, warnings: 0, except: None }
    }

    fn p99(self, p99_ms: f64) -> Self {
        Self { p99_ms, ..self }
    }

    fn worst(self, worst_ms: f64) -> Self {
        Self { worst_ms, ..self }
    }

    /// Fails unless all runs with so many seeds keep to the bar. Prints the figures.
    fn check(&self, seeds: u64) {
        let mut pooled = Vec::new();
        let mut worst_p99_ms: f64 = 0.0;
        for source in &self.sources {
            for seed in 0..seeds {
                let report = judge(source, seed);
                let errors = self.errors(&report);
                let at = |part| percentile(&errors, part) * 1e3;
                let context = || format!("{}, seed {seed}, {source:?}: jumps {:?}", self.name, report.jumps);
                assert_eq!(report.jumps.len(), self.jumps, "{}", context());
                assert_eq!(report.warnings.len(), self.warnings, "{}: {:?}", context(), report.warnings);
                assert!(at(99) <= self.p99_ms, "p99 is {} ms: {}", at(99), context());
                assert!(at(100) <= self.worst_ms, "the worst is {} ms: {}", at(100), context());
                worst_p99_ms = worst_p99_ms.max(at(99));
                pooled.extend(errors);
            }
        }
        pooled.sort_by(f64::total_cmp);
        let at = |part| percentile(&pooled, part) * 1e3;
        let limit = match (self.p99_ms.is_finite(), self.worst_ms.is_finite()) {
            (true, _) => format!("p99 {} ms", self.p99_ms),
            (_, true) => format!("{} ms", self.worst_ms),
            _ => String::new(),
        };
        println!(
            "| {} | {limit} | {:.3} | {:.3} | {worst_p99_ms:.3} | {:.3} | {} | {} |",
            self.name,
            at(50),
            at(99),
            at(100),
            self.jumps,
            self.sources.len() as u64 * seeds
        );
    }

    fn errors(&self, report: &Report) -> Vec<f64> {
        report.settled(|sent| self.except.is_none_or(|(from, to)| sent < from || sent > to))
    }
}

/// `part` percent of the sorted numbers are at most this; 100: the largest. 0 if there are none.
fn percentile(sorted: &[f64], part: usize) -> f64 {
    sorted.get((sorted.len() * part / 100).min(sorted.len().saturating_sub(1))).copied().unwrap_or(0.0)
}

/// Usual sources: rate in Hz and frames in a message.
const USUAL: [(f64, u64); 5] = [(1000.0, 10), (1000.0, 100), (30_000.0, 300), (250.0, 125), (30.0, 1)];

fn usual(change: impl Fn(Source) -> Source) -> Vec<Source> {
    let sources = USUAL.into_iter().map(|(rate_hz, chunk)| Source::new(rate_hz, chunk));
    sources.flat_map(|source| [-1e-4, 0.0, 1e-4].map(|off| change(Source { off, ..source.clone() }))).collect()
}

fn exponential(mean: f64) -> Delay {
    Delay::Exponential { least: 0.0003, mean }
}

fn exponential_delays(mean: f64) -> Bar {
    let name =
        if mean < 0.0005 { "delays 0.3 ms + exponential of 0.3 ms" } else { "delays 0.3 ms + exponential of 1 ms" };
    let mut sources = usual(|source| Source { delay: exponential(mean), ..source });
    sources.push(Source { delay: exponential(mean), lasts: 300.0, off: 1e-4, ..Source::new(250.0, 250) });
    Bar::new(name, sources).p99(1.0)
}

fn often_late() -> Bar {
    let delay = Delay::OftenLate { least: 0.0003, mean: 0.0003, part: 0.3, late: 0.01 };
    Bar::new("30 % of messages late by 1 to 10 ms", usual(|source| Source { delay, ..source })).worst(2.0)
}

/// A stall of `stall_s` every so often.
fn stalls(source: Source, stall_s: f64, drain: f64) -> Source {
    let every = if stall_s < 1.0 { 10.0 } else { 33.3 };
    let number = (source.lasts / every) as u32;
    let begin = |i: u32| 7.0 + f64::from(i) * every;
    let events = (0..number).map(|i| Event { at: begin(i), lasts: stall_s, kind: Kind::Stall { drain } }).collect();
    Source { events, ..source }
}

fn short_stalls() -> Bar {
    let sources = [f64::INFINITY, 2.0].map(|drain| usual(|source| stalls(source, 0.5, drain))).concat();
    Bar::new("stalls of 0.5 s every 10 s", sources).worst(2.0)
}

fn long_stalls(stall_s: f64) -> Bar {
    let name = match stall_s {
        1.5 => "stalls of 1.5 s, drained at once or twice as fast",
        2.5 => "stalls of 2.5 s, drained at once or twice as fast",
        _ => "stalls of 8 s, drained at once or twice as fast",
    };
    let sources = [f64::INFINITY, 2.0].map(|drain| usual(|source| stalls(source, stall_s, drain))).concat();
    Bar::new(name, sources).worst(25.0)
}

fn slow_drains() -> Bar {
    let stalled = |(stall_s, drain)| stalls(Source { off: 5e-5, ..Source::new(1000.0, 20) }, stall_s, drain);
    let sources = [(1.5, 1.15), (2.5, 1.15), (8.0, 1.5), (1.5, 3.0), (8.0, 10.0)].map(stalled);
    Bar::new("stalls drained 1.15 to 10 times as fast", sources.to_vec()).worst(25.0)
}

/// A second stall before what queued up in the first has come.
fn second_stalls() -> Bar {
    let drains = [2.0, f64::INFINITY];
    let sources = drains.map(|drain| {
        usual(|source| {
            let stall = |at, lasts| Event { at, lasts, kind: Kind::Stall { drain } };
            Source { events: vec![stall(100.0, 2.5), stall(103.5, 2.0), stall(106.5, 1.0)], ..source }
        })
    });
    // Messages of half a second that are late by less than two messages for a whole window count as a small loss, to
    // which the times are led.
    let short = |source: &Source| source.chunk.0 as f64 / source.rate_hz < 0.2;
    Bar::new("three stalls in a row", sources.concat().into_iter().filter(short).collect()).worst(25.0)
}

fn off_by(off: f64) -> Vec<Source> {
    let sources = USUAL.into_iter().map(|(rate_hz, chunk)| Source::new(rate_hz, chunk));
    sources.flat_map(|source| [-off, off].map(|off| Source { off, ..source.clone() })).collect()
}

fn off_by_1_percent() -> Bar {
    Bar::new("device 1 % off", off_by(0.01)).worst(20.0)
}

fn off_by_6_percent() -> Bar {
    Bar { warnings: 1, ..Bar::new("device 6 % off", off_by(0.06)).worst(50.0) }
}

/// `kind` at 100 s, for `lasts` seconds. Times are right `after` seconds later.
fn once(name: &'static str, kind: Kind, lasts: f64, after: f64) -> Bar {
    let sources = USUAL.into_iter().map(|(rate_hz, chunk)| Source::new(rate_hz, chunk));
    // Two messages of 100 ms are as long as what a pause of 1.2 s exceeds a second by, two of 500 ms longer than a
    // loss of 0.5 s.
    let longest = if kind == Kind::Pause { 0.1 } else { 0.2 };
    let sources = sources.filter(|source| source.chunk.0 as f64 / source.rate_hz < longest);
    let events = vec![Event { at: 100.0, lasts, kind }];
    let sources = sources.map(|source| Source { off: 5e-5, events: events.clone(), lasts: 200.0 + lasts, ..source });
    Bar { jumps: 1, except: Some((100.0, 100.0 + lasts + after)), ..Bar::new(name, sources.collect()).worst(2.0) }
}

fn pause(lasts: f64) -> Bar {
    let name = match lasts {
        1.2 => "a pause of 1.2 s, right after 0.6 s",
        3.0 => "a pause of 3 s, right after 0.6 s",
        _ => "a pause of 60 s, right after 0.6 s",
    };
    once(name, Kind::Pause, lasts, 0.6)
}

fn loss() -> Bar {
    once("a loss of 0.5 s, right after 2.5 s", Kind::Loss, 0.5, 2.5)
}

/// Messages of any length at any rate, not more than `most_hz` messages a second.
fn any_message(most_hz: f64, seconds: f64) -> Bar {
    let mut sources = Vec::new();
    for rate_hz in [1.0, 3.0, 10.0, 30.0, 100.0, 250.0, 1000.0, 16_000.0, 30_000.0, 48_000.0, 100_000.0] {
        for chunk in [(1, 1), (2, 2), (7, 7), (64, 64), (1, 300), (1024, 1024), (3000, 3000), (1, 3000)] {
            let message_s = (chunk.0 + chunk.1) as f64 / 2.0 / rate_hz;
            if 1.0 / message_s > most_hz {
                continue;
            }
            let lasts = seconds.max(80.0 * message_s);
            sources.push(Source { chunk, lasts, off: 7e-5, delay: exponential(0.002), ..Source::new(rate_hz, 1) });
        }
    }
    for (rate_hz, chunk) in [(100.0, 6000), (1.0, 60), (48_000.0, 2_880_000), (1000.0, 3000), (30_000.0, 90_000)] {
        let lasts = 60.0 * chunk as f64 / rate_hz;
        sources.push(Source { off: -7e-5, lasts, delay: exponential(0.002), ..Source::new(rate_hz, chunk) });
    }
    Bar::new("chunks of 1 to 3000 frames, 1 Hz to 100 kHz, messages of a minute", sources)
}

/// A burst of twenty messages at the start: the first times lie in the future by the burst, and are led back.
fn start_up_burst() -> Bar {
    let sources = USUAL.into_iter().filter(|(rate_hz, chunk)| *chunk as f64 / rate_hz <= 0.1);
    let sources = sources.map(|(rate_hz, chunk)| Source { burst: 20, off: 1e-4, ..Source::new(rate_hz, chunk) });
    Bar::new("behind a burst of 20 messages", sources.collect()).worst(2.0)
}

macro_rules! short_form {
    ($($name:ident: $bar:expr;)*) => {
        $(#[test]
        fn $name() {
            $bar.check(1);
        })*
    };
}

short_form! {
    small_delays_cost_1_ms: exponential_delays(0.001);
    late_messages_cost_2_ms: often_late();
    short_stalls_cost_2_ms_and_make_no_jump: short_stalls();
    a_stall_of_1500_ms_makes_no_jump: long_stalls(1.5);
    a_stall_of_2500_ms_makes_no_jump: long_stalls(2.5);
    a_stall_of_8_s_makes_no_jump: long_stalls(8.0);
    a_slow_drain_makes_no_jump: slow_drains();
    a_stall_after_a_stall_makes_no_jump: second_stalls();
    a_device_1_percent_off_is_followed: off_by_1_percent();
    a_device_6_percent_off_is_followed_with_one_warning: off_by_6_percent();
    a_pause_of_1200_ms_is_one_jump: pause(1.2);
    a_pause_of_3_s_is_one_jump: pause(3.0);
    a_pause_of_60_s_is_one_jump: pause(60.0);
    a_loss_of_half_a_second_is_one_jump: loss();
    messages_of_any_length_make_no_jump: any_message(100.0, 60.0);
    a_burst_at_the_start_makes_no_jump: start_up_burst();
}

#[test]
#[ignore = "takes minutes: `cargo xtask times` runs it"]
fn all_bars_hold_with_many_seeds() {
    println!("| bar | limit | p50 ms | p99 ms | p99 of the worst run | worst ms | jumps | runs |");
    println!("|---|---|---|---|---|---|---|---|");
    let bars = [
        exponential_delays(0.0003),
        exponential_delays(0.001),
        often_late(),
        short_stalls(),
        long_stalls(1.5),
        long_stalls(2.5),
        long_stalls(8.0),
        slow_drains(),
        second_stalls(),
        off_by_1_percent(),
        off_by_6_percent(),
        pause(1.2),
        pause(3.0),
        pause(60.0),
        loss(),
        start_up_burst(),
    ];
    bars.iter().for_each(|bar| bar.check(50));
    any_message(1000.0, 120.0).check(3);
    any_message(100_000.0, 61.0).check(1);
}
