//! When messages came, and the times of frames to which the source gives none. Pure: the readings of both clocks are an
//! input.

use dora_shm_message::Placement;
use dora_shm_ring::internal::ClockPair;
use dora_shm_ring::times::{OffRate, RunTimes, Stamper, WallClock};
use dora_shm_ring::{Clock, GenerationClock, Times};

/// What the times of a stream's frames depend on, from one message to the next.
#[derive(Debug)]
pub struct Placing {
    wall: WallClock,
    /// The generation that is being written.
    generation: Option<GenerationClock>,
    stamper: Stamper,
}

/// What places the frames of a message.
#[derive(Clone, Debug, PartialEq)]
pub enum Placed {
    /// The source gives times by this line.
    Linear { start: f64, step: f64 },
    /// The source gives one time for each frame.
    Values(Vec<f64>),
    /// Times that were computed before.
    Run(RunTimes),
    /// The source gives no times.
    ByArrival,
}

impl Placed {
    /// Copies what the source gives.
    pub fn copy(placement: Placement<'_>) -> Self {
        match placement {
            Placement::Given(Times::Linear { start, step }) => Self::Linear { start, step },
            Placement::Given(Times::Values(values)) => Self::Values(values.to_vec()),
            Placement::Given(Times::Run(run)) => Self::Run(run),
            Placement::ByRate | Placement::ByArrival => Self::ByArrival,
        }
    }

    /// The times that the source gives, if it does.
    pub fn given(&self) -> Option<Times<'_>> {
        match self {
            Self::Linear { start, step } => Some(Times::Linear { start: *start, step: *step }),
            Self::Values(values) => Some(Times::Values(values)),
            Self::Run(run) => Some(Times::Run(*run)),
            Self::ByArrival => None,
        }
    }
}

impl Placing {
    /// Begins at `now`, before the first generation.
    pub fn new(now: ClockPair) -> Self {
        let wall = WallClock::new(now.unix_ns.saturating_sub_unsigned(now.mono_ns));
        Self { wall, generation: None, stamper: Stamper::new(None) }
    }

    /// When a message came that was sent at `send_ns` and arrived `now`, CLOCK_MONOTONIC.
    pub fn came_mono_ns(&mut self, send_ns: i64, now: ClockPair) -> u64 {
        self.wall.came_mono_ns(send_ns, now.unix_ns, now.mono_ns)
    }

    /// Compares the wall clock with the pair of the generation, also while no messages come. Returns whether the next
    /// frames need a generation with a new pair: the wall clock was set, and the stream is on Unix time.
    ///
    /// `again` reads both clocks anew, and closer together: a process that stood still between two readings must not
    /// take that for a step.
    pub fn is_set(&mut self, now: ClockPair, again: impl Fn() -> ClockPair) -> bool {
        let is_unix = self.generation.is_some_and(|generation| generation.clock == Clock::Unix);
        if !self.wall.compare(now.unix_ns, now.mono_ns) || !is_unix {
            return false;
        }
        let now = again();
        self.wall.compare(now.unix_ns, now.mono_ns)
    }

    /// A generation is tried because the wall clock was set. The next one is a minute later.
    pub fn follows_wall_clock(&mut self, now: ClockPair) {
        self.wall.begins(now.mono_ns);
    }

    /// A generation has begun, for frames of this rate. Times go on in a generation of the same rate and clock.
    pub fn begun(&mut self, generation: GenerationClock, rate_hz: Option<f64>, now: ClockPair) {
        self.wall.begun(generation.created_ns.saturating_sub_unsigned(generation.created_mono_ns), now.mono_ns);
        let rate_hz = rate_hz.filter(|rate_hz| *rate_hz > 0.0);
        let is_as_before = self.generation.is_some_and(|before| before.clock == generation.clock);
        if !is_as_before || self.stamper.rate_hz() != rate_hz {
            self.stamper = Stamper::new(rate_hz);
        }
        self.generation = Some(generation);
    }

    /// The stream is another one from now on.
    pub fn moved(&mut self) {
        self.generation = None;
        self.stamper = Stamper::new(None);
    }

    /// The times of a message's frames, to which the source gives none. A device that is far off its rate is told once.
    pub fn stamp(&mut self, frames: u64, came_mono_ns: u64) -> (Times<'static>, Option<OffRate>) {
        let run = self.stamper.stamp(frames, came_mono_ns);
        let times = match &self.generation {
            Some(generation) => run.on(generation),
            None => run.on_monotonic(),
        };
        (Times::Run(times), run.warning())
    }
}

#[cfg(test)]
mod tests {
    use dora_shm_ring::ClockId;

    use super::*;

    const S: u64 = 1_000_000_000;
    const MS: u64 = 1_000_000;
    /// Unix time minus CLOCK_MONOTONIC.
    const PAIR: i64 = 1_700_000_000_000_000_000;

    /// Both clocks at `mono_ns`, when the wall clock was set forward by `set_ns`.
    fn clocks(mono_ns: u64, set_ns: i64) -> ClockPair {
        ClockPair { unix_ns: PAIR + set_ns + mono_ns as i64, mono_ns }
    }

    fn generation(clock: Clock, now: ClockPair) -> GenerationClock {
        let mut generation = GenerationClock::default();
        generation.clock = clock;
        generation.id = ClockId::UNKNOWN;
        (generation.created_ns, generation.created_mono_ns) = (now.unix_ns, now.mono_ns);
        generation
    }

    fn begun(clock: Clock, rate_hz: Option<f64>) -> Placing {
        let mut placing = Placing::new(clocks(S, 0));
        placing.begun(generation(clock, clocks(S, 0)), rate_hz, clocks(S, 0));
        placing
    }

    fn values(times: Times<'_>, frames: u64) -> Vec<f64> {
        match times {
            Times::Run(run) => (0..frames).map(|i| run.at(i)).collect(),
            other => panic!("{other:?}"),
        }
    }

    /// Seconds on Unix time at `mono_ns`, when the clock was set forward by `set_ns`.
    fn unix_s(mono_ns: u64, set_ns: i64) -> f64 {
        clocks(mono_ns, set_ns).unix_ns as f64 * 1e-9
    }

    #[test]
    fn a_source_that_states_its_rate_gets_times_that_rise_by_its_step_however_its_messages_come() {
        let mut placing = begun(Clock::Unix, Some(1000.0));
        let mut newest = f64::NEG_INFINITY;
        let mut random = 1u64;
        for message in 1..=2000u64 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let sent_ns = 2 * S + message * 10 * MS;
            let now = clocks(sent_ns + (random >> 40) % (20 * MS), 0);
            let came = placing.came_mono_ns(clocks(sent_ns, 0).unix_ns, now);
            assert_eq!(came, sent_ns, "a message came when it was sent, not when it arrived");
            for time in values(placing.stamp(10, came).0, 10) {
                assert!(message == 1 || (0.000_94..0.001_06).contains(&(time - newest)), "{}", time - newest);
                newest = time;
            }
            assert!((newest - unix_s(sent_ns, 0)).abs() < 1e-6, "the last frame is of when the message was sent");
        }
    }

    #[test]
    fn frames_of_a_source_without_a_rate_are_spread_over_the_time_since_the_last_message() {
        let mut placing = begun(Clock::Unix, None);
        let _ = placing.stamp(2, 2 * S);
        let times = values(placing.stamp(4, 3 * S).0, 4);
        let expected: Vec<f64> = (1..=4).map(|i| unix_s(2 * S + i * 250 * MS, 0)).collect();
        assert!(times.iter().zip(&expected).all(|(time, expected)| (time - expected).abs() < 1e-6), "{times:?}");
    }

    #[test]
    fn a_wall_clock_that_is_set_needs_one_generation_and_times_are_right_before_and_after() {
        let mut placing = begun(Clock::Unix, Some(100.0));
        let mut generations = 0;
        let set_ns = -3600 * S as i64;
        for second in 2..200 {
            let mono_ns = second * S;
            let set_ns = if second < 100 { 0 } else { set_ns };
            let now = clocks(mono_ns, set_ns);
            // The hybrid clock of dora stands still at first.
            let sent = clocks(mono_ns, 0).unix_ns;
            let came = placing.came_mono_ns(sent, now);
            if placing.is_set(now, || now) {
                placing.follows_wall_clock(now);
                placing.begun(generation(Clock::Unix, now), Some(100.0), now);
                generations += 1;
            }
            let time = values(placing.stamp(100, came).0, 100)[99];
            assert!((time - unix_s(mono_ns, set_ns)).abs() < 1e-6, "second {second}: {time}");
        }
        assert_eq!(generations, 1);
    }

    #[test]
    fn suspend_needs_a_generation_and_streams_that_are_not_on_unix_time_do_not() {
        for (clock, expected) in [(Clock::Unix, true), (Clock::Monotonic, false), (Clock::Source, false)] {
            let mut placing = begun(clock, Some(100.0));
            // CLOCK_MONOTONIC stood still for eight hours.
            let now = clocks(2 * S, 8 * 3600 * S as i64);
            assert_eq!(placing.is_set(now, || now), expected, "{clock}");
        }
    }

    #[test]
    fn a_process_that_stood_still_between_two_readings_needs_no_generation() {
        let mut placing = begun(Clock::Unix, None);
        assert!(!placing.is_set(clocks(2 * S, S as i64), || clocks(2 * S, 0)));
    }

    #[test]
    fn times_go_on_in_a_generation_of_the_same_rate_and_clock_and_begin_anew_in_any_other() {
        for (clock, rate_hz, goes_on) in [
            (Clock::Unix, Some(100.0), true),
            (Clock::Unix, Some(200.0), false),
            (Clock::Unix, None, false),
            (Clock::Monotonic, Some(100.0), false),
        ] {
            let mut placing = begun(Clock::Unix, Some(100.0));
            let _ = placing.stamp(1, 2 * S);
            placing.begun(generation(clock, clocks(2 * S, 0)), rate_hz, clocks(2 * S, 0));
            // The next frame is 5 ms late.
            let time = values(placing.stamp(1, 2 * S + 15 * MS).0, 1)[0];
            let seconds = if clock == Clock::Monotonic { 2.0 } else { unix_s(2 * S, 0) };
            let expected = seconds + if goes_on { 0.010 } else { 0.015 };
            assert!((time - expected).abs() < 0.001, "{clock} {rate_hz:?}: {time}, expected {expected}");
        }
    }
}
