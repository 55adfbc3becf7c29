//! The times of a stream on its clock, from one message and one generation to the next.

use super::{OffRate, RunTimes, Stamper, WallClock};
use crate::{Clock, GenerationClock};

/// What a writer remembers to give times to frames: when messages came, the [`Stamper`], and the pair of clocks of the
/// current generation.
///
/// A generation of the same rate and clock goes on with the times of the one before it.
#[derive(Clone, Debug)]
pub struct Timekeeper {
    wall: WallClock,
    generation: Option<GenerationClock>,
    stamper: Stamper,
}

impl Timekeeper {
    /// Begins before the first generation. Both clocks were read now.
    pub fn new(unix_ns: i64, mono_ns: u64) -> Self {
        let wall = WallClock::new(unix_ns.saturating_sub_unsigned(mono_ns));
        Self { wall, generation: None, stamper: Stamper::new(None) }
    }

    /// The generation that is written, whose frames have this rate, or 0: whether it is the one before or a new one.
    /// Returns whether it is a new one. `mono_ns` is now, CLOCK_MONOTONIC.
    pub fn follow(&mut self, generation: GenerationClock, rate_hz: f64, mono_ns: u64) -> bool {
        if self.generation == Some(generation) {
            return false;
        }
        self.wall.begun(generation.created_ns.saturating_sub_unsigned(generation.created_mono_ns), mono_ns);
        let stamper = Stamper::new(Some(rate_hz));
        let is_as_before = self.generation.is_some_and(|before| before.clock == generation.clock)
            && self.stamper.rate_hz() == stamper.rate_hz();
        if !is_as_before {
            self.stamper = stamper;
        }
        self.generation = Some(generation);
        true
    }

    /// Forgets the generation: the next one is of another stream.
    pub fn forget(&mut self) {
        (self.generation, self.stamper) = (None, Stamper::new(None));
    }

    /// When a message came, CLOCK_MONOTONIC: see [`WallClock::came_mono_ns`].
    pub fn came_mono_ns(&mut self, send_ns: i64, unix_ns: i64, mono_ns: u64) -> u64 {
        self.wall.came_mono_ns(send_ns, unix_ns, mono_ns)
    }

    /// Compares the clocks, of which both were read now, while no message comes: about once a second.
    pub fn idle(&mut self, unix_ns: i64, mono_ns: u64) {
        self.wall.compare(unix_ns, mono_ns);
    }

    /// Whether the next frames need a generation with a new pair: the wall clock was set, and the stream is on
    /// [`Clock::Unix`]. It is `true` once a minute at most, whether the generation can then begin or not.
    ///
    /// Both clocks were read now. `again` reads them anew, and closer together: a process that stood still between two
    /// readings must not take that for a step.
    pub fn needs_generation(&mut self, unix_ns: i64, mono_ns: u64, again: impl FnOnce() -> (i64, u64)) -> bool {
        let is_set = self.wall.compare(unix_ns, mono_ns);
        if !is_set || self.generation.is_none_or(|generation| generation.clock != Clock::Unix) {
            return false;
        }
        let (unix_ns, mono_ns) = again();
        let is_set = self.wall.compare(unix_ns, mono_ns);
        if is_set {
            self.wall.begins(mono_ns);
        }
        is_set
    }

    /// Gives times to the frames of one message, which came at `came_mono_ns` (CLOCK_MONOTONIC), on the clock of the
    /// generation: see [`Stamper::stamp`]. Returns a warning once, if the device is far off its rate.
    pub fn stamp(&mut self, frames: u64, came_mono_ns: u64) -> (RunTimes, Option<OffRate>) {
        let run = self.stamper.stamp(frames, came_mono_ns);
        (self.generation.as_ref().map_or_else(|| run.on_monotonic(), |generation| run.on(generation)), run.warning())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;
    const MS: u64 = 1_000_000;
    /// Unix time minus CLOCK_MONOTONIC.
    const PAIR: i64 = 1_700_000_000_000_000_000;

    /// Unix time at `mono_ns`, when the wall clock was set forward by `set_ns`.
    fn unix_ns(mono_ns: u64, set_ns: i64) -> i64 {
        PAIR + set_ns + mono_ns as i64
    }

    fn generation(clock: Clock, mono_ns: u64, set_ns: i64) -> GenerationClock {
        GenerationClock {
            clock,
            created_ns: unix_ns(mono_ns, set_ns),
            created_mono_ns: mono_ns,
            ..GenerationClock::default()
        }
    }

    fn begun(clock: Clock, rate_hz: f64) -> Timekeeper {
        let mut keeper = Timekeeper::new(unix_ns(S, 0), S);
        assert!(keeper.follow(generation(clock, S, 0), rate_hz, S));
        keeper
    }

    fn values((times, _): (RunTimes, Option<OffRate>), frames: u64) -> Vec<f64> {
        (0..frames).map(|i| times.at(i)).collect()
    }

    /// Seconds of Unix time at `mono_ns`, when the wall clock was set forward by `set_ns`.
    fn unix_s(mono_ns: u64, set_ns: i64) -> f64 {
        unix_ns(mono_ns, set_ns) as f64 * 1e-9
    }

    #[test]
    fn a_source_that_states_its_rate_gets_times_that_rise_by_its_step_however_its_messages_come() {
        let mut keeper = begun(Clock::Unix, 1000.0);
        let mut newest = f64::NEG_INFINITY;
        let mut random = 1u64;
        for message in 1..=2000u64 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let sent_ns = 2 * S + message * 10 * MS;
            let arrived_ns = sent_ns + (random >> 40) % (20 * MS);
            let came = keeper.came_mono_ns(unix_ns(sent_ns, 0), unix_ns(arrived_ns, 0), arrived_ns);
            assert_eq!(came, sent_ns, "a message came when it was sent, not when it arrived");
            for time in values(keeper.stamp(10, came), 10) {
                assert!(message == 1 || (0.000_94..0.001_06).contains(&(time - newest)), "{}", time - newest);
                newest = time;
            }
            assert!((newest - unix_s(sent_ns, 0)).abs() < 1e-6, "the last frame is of when the message was sent");
        }
    }

    #[test]
    fn a_wall_clock_that_is_set_needs_one_generation_and_times_are_right_before_and_after() {
        let mut keeper = begun(Clock::Unix, 100.0);
        let mut generations = 0;
        for second in 2..200 {
            let mono_ns = second * S;
            let set_ns = if second < 100 { 0 } else { -3600 * S as i64 };
            // The hybrid clock of dora stands still at first.
            let came = keeper.came_mono_ns(unix_ns(mono_ns, 0), unix_ns(mono_ns, set_ns), mono_ns);
            let now = (unix_ns(mono_ns, set_ns), mono_ns);
            if keeper.needs_generation(now.0, now.1, || now) {
                keeper.follow(generation(Clock::Unix, mono_ns, set_ns), 100.0, mono_ns);
                generations += 1;
            }
            let time = values(keeper.stamp(100, came), 100)[99];
            assert!((time - unix_s(mono_ns, set_ns)).abs() < 1e-6, "second {second}: {time}");
        }
        assert_eq!(generations, 1);
    }

    #[test]
    fn a_generation_that_cannot_begin_is_tried_once_a_minute() {
        let mut keeper = begun(Clock::Unix, 100.0);
        let set = |second: &u64| {
            let now = (unix_ns(second * S, 3600 * S as i64), second * S);
            keeper.needs_generation(now.0, now.1, || now)
        };
        assert_eq!((2..130).filter(set).collect::<Vec<_>>(), [2, 62, 122]);
    }

    #[test]
    fn suspend_needs_a_generation_and_streams_that_are_not_on_unix_time_do_not() {
        for (clock, expected) in [(Clock::Unix, true), (Clock::Monotonic, false), (Clock::Source, false)] {
            let mut keeper = begun(clock, 100.0);
            // CLOCK_MONOTONIC stood still for eight hours.
            let now = (unix_ns(2 * S, 8 * 3600 * S as i64), 2 * S);
            assert_eq!(keeper.needs_generation(now.0, now.1, || now), expected, "{clock}");
        }
    }

    #[test]
    fn a_process_that_stood_still_between_two_readings_needs_no_generation() {
        let mut keeper = begun(Clock::Unix, 0.0);
        assert!(!keeper.needs_generation(unix_ns(2 * S, S as i64), 2 * S, || (unix_ns(2 * S, 0), 2 * S)));
    }

    #[test]
    fn after_a_step_that_was_seen_while_nothing_came_a_message_came_when_it_arrived() {
        let (mut watched, mut unwatched) = (begun(Clock::Source, 0.0), begun(Clock::Source, 0.0));
        let set_ns = 700 * MS as i64;
        watched.idle(unix_ns(10 * S, set_ns), 10 * S);
        watched.idle(unix_ns(12 * S, set_ns), 12 * S);
        // A message that is 3 ms old, two seconds after the step was seen, or at the first look.
        let came = |keeper: &mut Timekeeper| {
            keeper.came_mono_ns(unix_ns(12 * S, set_ns) - 3 * MS as i64, unix_ns(12 * S, set_ns), 12 * S)
        };
        assert_eq!((came(&mut watched), came(&mut unwatched)), (12 * S - 3 * MS, 12 * S));
    }

    #[test]
    fn times_go_on_in_a_generation_of_the_same_rate_and_clock_and_begin_anew_in_any_other() {
        for (clock, rate_hz, goes_on) in [
            (Clock::Unix, 100.0, true),
            (Clock::Unix, 200.0, false),
            (Clock::Unix, 0.0, false),
            (Clock::Monotonic, 100.0, false),
        ] {
            let mut keeper = begun(Clock::Unix, 100.0);
            let _ = keeper.stamp(1, 2 * S);
            assert!(!keeper.follow(generation(Clock::Unix, S, 0), 100.0, 2 * S), "it is the same");
            assert!(keeper.follow(generation(clock, 2 * S, 0), rate_hz, 2 * S));
            // The next frame is 5 ms late.
            let time = values(keeper.stamp(1, 2 * S + 15 * MS), 1)[0];
            let seconds = if clock == Clock::Monotonic { 2.0 } else { unix_s(2 * S, 0) };
            let expected = seconds + if goes_on { 0.010 } else { 0.015 };
            assert!((time - expected).abs() < 0.001, "{clock} {rate_hz}: {time}, expected {expected}");
        }
    }

    #[test]
    fn times_begin_anew_in_another_stream() {
        let mut keeper = begun(Clock::Unix, 100.0);
        let _ = keeper.stamp(1, 2 * S);
        keeper.forget();
        keeper.follow(generation(Clock::Unix, 2 * S, 0), 100.0, 2 * S);
        let time = values(keeper.stamp(1, 2 * S + 15 * MS), 1)[0];
        assert!((time - unix_s(2 * S + 15 * MS, 0)).abs() < 1e-6, "{time}");
    }
}
