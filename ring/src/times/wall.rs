//! The wall clock beside CLOCK_MONOTONIC: its steps, and when a message came.

use super::elapsed_s;

/// A wall clock that is this far from a generation's pair was set, or the machine slept: NTP moves both clocks alike.
const STEP_NS: u64 = 100_000_000;
/// Two comparisons that differ by more than this have a step between them. Less is the time between two readings.
const MOVED_NS: u64 = 10_000_000;
/// How long a step makes ages unknown.
const UNSETTLED_S: f64 = 2.0;
/// The largest age that is believed.
const OLDEST_NS: i64 = 2_000_000_000;
/// Shortest time between generations that a step begins.
const BETWEEN_S: f64 = 60.0;

/// Watches the wall clock (CLOCK_REALTIME) by comparing it with CLOCK_MONOTONIC.
///
/// Unix time minus CLOCK_MONOTONIC changes only if the wall clock is set, by a leap second, and by suspend, in which
/// CLOCK_MONOTONIC stands still. A generation on Unix time keeps one such difference, its pair, for all its frames. So a
/// step ends the generation.
#[derive(Clone, Debug)]
pub struct WallClock {
    /// Unix time minus CLOCK_MONOTONIC, of the current generation and when last compared.
    pair_ns: i64,
    compared_ns: i64,
    /// When a step was last seen, and when a step last began a generation; CLOCK_MONOTONIC.
    stepped_ns: Option<u64>,
    followed_ns: Option<u64>,
}

impl WallClock {
    /// Watches from the first generation on. `pair_ns` is its Unix time minus CLOCK_MONOTONIC: `created_ns` -
    /// `created_mono_ns` of its trailer.
    pub fn new(pair_ns: i64) -> Self {
        Self { pair_ns, compared_ns: pair_ns, stepped_ns: None, followed_ns: None }
    }

    /// Compares the clocks, of which both were read now: at each message, and about once a second without messages.
    /// Returns whether the next message must begin a generation with a new pair, if the stream is on Unix time: the
    /// clocks differ by more than 0.1 s from the pair, and the last generation that a step began is a minute old. Call
    /// [`begun`](Self::begun) when it has begun.
    pub fn compare(&mut self, unix_ns: i64, mono_ns: u64) -> bool {
        let difference_ns = difference(unix_ns, mono_ns);
        if difference_ns.abs_diff(self.compared_ns) > MOVED_NS {
            self.stepped_ns = Some(mono_ns);
        }
        self.compared_ns = difference_ns;
        difference_ns.abs_diff(self.pair_ns) > STEP_NS
            && self.followed_ns.is_none_or(|followed_ns| elapsed_s(followed_ns, mono_ns) >= BETWEEN_S)
    }

    /// A generation is going to begin because [`compare`](Self::compare) said so. Whether it can begin or not, the next
    /// one is a minute later.
    pub fn begins(&mut self, mono_ns: u64) {
        self.followed_ns = Some(mono_ns);
    }

    /// A generation with the pair `pair_ns` began at `mono_ns`, for whatever reason.
    pub fn begun(&mut self, pair_ns: i64, mono_ns: u64) {
        if pair_ns.abs_diff(self.pair_ns) > STEP_NS {
            self.followed_ns = Some(mono_ns);
        }
        self.pair_ns = pair_ns;
    }

    /// When a message came, CLOCK_MONOTONIC: its arrival less its age.
    ///
    /// It was sent at `send_ns` (Unix time) and arrived at `mono_ns`, when the wall clock read `unix_ns`. The age is
    /// believed if it is 0 to 2 s, and if no comparison of the last 2 s saw a step of more than 10 ms; otherwise the
    /// message came when it arrived. Compares the clocks as [`compare`](Self::compare) does.
    pub fn came_mono_ns(&mut self, send_ns: i64, unix_ns: i64, mono_ns: u64) -> u64 {
        self.compare(unix_ns, mono_ns);
        let settled = self.stepped_ns.is_none_or(|stepped_ns| elapsed_s(stepped_ns, mono_ns) >= UNSETTLED_S);
        match unix_ns.checked_sub(send_ns) {
            Some(age_ns @ 0..=OLDEST_NS) if settled => mono_ns.saturating_sub(age_ns as u64),
            _ => mono_ns,
        }
    }
}

/// Unix time minus CLOCK_MONOTONIC.
fn difference(unix_ns: i64, mono_ns: u64) -> i64 {
    unix_ns.saturating_sub_unsigned(mono_ns)
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;
    const MS: i64 = 1_000_000;
    /// Unix time minus CLOCK_MONOTONIC.
    const PAIR: i64 = 1_700_000_000_000_000_000;

    /// A wall clock that is `ahead_ns` of where it was, at `mono_ns`.
    fn wall(mono_ns: u64, ahead_ns: i64) -> i64 {
        PAIR + ahead_ns + mono_ns as i64
    }

    #[test]
    fn a_message_came_by_its_age_before_it_arrived() {
        let mut clock = WallClock::new(PAIR);
        for age_ms in [0, 1, 300, 2000] {
            let unix_ns = wall(50 * S, 0);
            let came = clock.came_mono_ns(unix_ns - age_ms * MS, unix_ns, 50 * S);
            assert_eq!(came, 50 * S - (age_ms * MS) as u64, "{age_ms} ms");
        }
    }

    #[test]
    fn an_age_below_0_or_above_2_s_is_not_believed() {
        let mut clock = WallClock::new(PAIR);
        let unix_ns = wall(50 * S, 0);
        for send_ns in [unix_ns + 1, unix_ns - 2000 * MS - 1, i64::MIN, i64::MAX, 0] {
            assert_eq!(clock.came_mono_ns(send_ns, unix_ns, 50 * S), 50 * S, "{send_ns}");
        }
    }

    #[test]
    fn no_message_came_before_the_machine_started() {
        assert_eq!(WallClock::new(PAIR).came_mono_ns(PAIR - 1500 * MS, PAIR + 5, 5), 0);
    }

    #[test]
    fn for_2_s_after_a_step_a_message_came_when_it_arrived() {
        let mut clock = WallClock::new(PAIR);
        assert!(!clock.compare(wall(99 * S, 0), 99 * S));
        // Ahead by 700 ms: each message that was sent before the step seems to be 700 ms old.
        for (mono_ns, believed) in [(100 * S, false), (102 * S - 1, false), (102 * S, true), (103 * S, true)] {
            let unix_ns = wall(mono_ns, 700 * MS);
            let came = clock.came_mono_ns(unix_ns - 3 * MS, unix_ns, mono_ns);
            assert_eq!(came, if believed { mono_ns - 3_000_000 } else { mono_ns }, "at {mono_ns}");
        }
    }

    #[test]
    fn a_step_of_more_than_100_ms_ends_the_generation_and_a_smaller_one_does_not() {
        for ahead_ms in [0, 100, -100, 101, -101, 3_600_000, -3_600_000] {
            let mut clock = WallClock::new(PAIR);
            let ends = clock.compare(wall(10 * S, ahead_ms * MS), 10 * S);
            assert_eq!(ends, ahead_ms.abs() > 100, "{ahead_ms} ms");
        }
    }

    #[test]
    fn steps_that_add_up_to_more_than_100_ms_end_the_generation() {
        let mut clock = WallClock::new(PAIR);
        assert!(!clock.compare(wall(10 * S, 60 * MS), 10 * S));
        assert!(clock.compare(wall(20 * S, 120 * MS), 20 * S));
    }

    #[test]
    fn steps_begin_a_generation_a_minute_at_most() {
        let mut clock = WallClock::new(PAIR);
        let mut begun_ns = Vec::new();
        // Somebody sets the clock every ten seconds, for five minutes.
        for mono_s in 0..300 {
            let (mono_ns, ahead_ns) = (mono_s * S, (mono_s / 10) as i64 * 1000 * MS);
            if clock.compare(wall(mono_ns, ahead_ns), mono_ns) {
                clock.begun(PAIR + ahead_ns, mono_ns);
                begun_ns.push(mono_ns);
            }
        }
        assert_eq!(begun_ns, [10 * S, 70 * S, 130 * S, 190 * S, 250 * S]);
    }

    #[test]
    fn a_generation_that_could_not_begin_is_tried_again_after_a_minute() {
        let mut clock = WallClock::new(PAIR);
        assert!(clock.compare(wall(S, 5000 * MS), S));
        clock.begins(S);
        assert!(!clock.compare(wall(60 * S, 5000 * MS), 60 * S));
        assert!(clock.compare(wall(61 * S, 5000 * MS), 61 * S));
    }

    #[test]
    fn the_last_of_several_steps_is_followed_after_the_minute() {
        let mut clock = WallClock::new(PAIR);
        assert!(clock.compare(wall(S, 5000 * MS), S));
        clock.begun(PAIR + 5000 * MS, S);
        assert!(!clock.compare(wall(2 * S, 0), 2 * S));
        assert!(!clock.compare(wall(60 * S, 0), 60 * S));
        assert!(clock.compare(wall(61 * S, 0), 61 * S));
    }

    #[test]
    fn a_generation_that_no_step_began_leaves_the_minute_alone() {
        let mut clock = WallClock::new(PAIR);
        clock.begun(PAIR + 3, 10 * S);
        assert!(clock.compare(wall(11 * S, 1000 * MS), 11 * S));
    }

    #[test]
    fn suspend_is_a_step() {
        let mut clock = WallClock::new(PAIR);
        assert!(!clock.compare(wall(100 * S, 0), 100 * S));
        // CLOCK_MONOTONIC stood still for eight hours.
        assert!(clock.compare(wall(100 * S, 8 * 3_600_000 * MS), 100 * S));
    }

    #[test]
    fn a_clock_that_slews_makes_no_step() {
        let mut clock = WallClock::new(PAIR);
        // Slewing moves both clocks; their readings are some microseconds apart.
        for mono_s in 0..100_000u64 {
            let apart_ns = (mono_s * 7919 % 40_000) as i64;
            assert!(!clock.compare(wall(mono_s * S, apart_ns), mono_s * S));
            let unix_ns = wall(mono_s * S, apart_ns);
            assert!(clock.came_mono_ns(unix_ns - 1, unix_ns, mono_s * S) == (mono_s * S).saturating_sub(1));
        }
    }

    #[test]
    fn any_numbers_are_taken() {
        let extremes = [i64::MIN, -1, 0, 1, i64::MAX];
        for pair in extremes {
            for unix_ns in extremes {
                for send_ns in extremes {
                    for mono_ns in [0, 1, u64::MAX] {
                        let mut clock = WallClock::new(pair);
                        let came = clock.came_mono_ns(send_ns, unix_ns, mono_ns);
                        assert!(came <= mono_ns && mono_ns - came <= 2 * S);
                        clock.begun(unix_ns, mono_ns);
                    }
                }
            }
        }
    }
}
