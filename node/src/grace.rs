//! Grace for late readers: how long a ring with frames stays current, so that a reader that waited for its first frame
//! can read it before the ring is gone.

use std::time::{Duration, Instant};

/// Least time that a ring stays current before the next one begins.
const BEFORE_THE_NEXT: Duration = Duration::from_millis(20);

/// Least time that a ring stays current before its stream is closed, when no messages wait.
const BEFORE_THE_END: Duration = Duration::from_millis(100);

/// Most rings that are given time in each period. If formats or settings change all the time, the messages that queue
/// up meanwhile matter more than the frames of each ring.
const MOST: u32 = 10;
const PERIOD: Duration = Duration::from_secs(2);

/// What ends a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The next ring of the stream.
    Next,
    /// The end of the stream.
    Stream,
}

/// Counts the rings that were given time.
#[derive(Debug)]
pub struct Grace {
    period: Instant,
    given: u32,
}

impl Grace {
    /// Counts from `now` on.
    pub fn new(now: Instant) -> Self {
        Self { period: now, given: 0 }
    }

    /// How much longer a ring of age `age` stays current before `end`. `lasts` is how long a ring holds a frame. The
    /// grace is at most a quarter of it, since the messages that come meanwhile are then written all at once.
    pub fn left(&mut self, end: End, age: Duration, lasts: Duration, now: Instant) -> Duration {
        let at_least = match end {
            End::Next => BEFORE_THE_NEXT,
            End::Stream => BEFORE_THE_END,
        };
        let left = at_least.min(lasts / 4).saturating_sub(age);
        if end == End::Stream {
            return left;
        }
        if now.saturating_duration_since(self.period) >= PERIOD {
            *self = Self::new(now);
        }
        if self.given == MOST {
            return Duration::ZERO;
        }
        self.given += u32::from(!left.is_zero());
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_young_ring_stays_and_an_old_one_does_not() {
        let now = Instant::now();
        for (end, age, lasts, expected) in [
            (End::Next, ms(0), LONG, ms(20)),
            (End::Next, ms(15), LONG, ms(5)),
            (End::Next, ms(20), LONG, ms(0)),
            (End::Stream, ms(30), LONG, ms(70)),
            (End::Stream, ms(300), LONG, ms(0)),
            (End::Stream, ms(0), ms(40), ms(10)),
            (End::Next, ms(0), Duration::MAX, ms(20)),
        ] {
            assert_eq!(Grace::new(now).left(end, age, lasts, now), expected, "{end:?} {age:?} {lasts:?}");
        }
    }

    #[test]
    fn rings_that_follow_each_other_quickly_get_no_more_time() {
        let now = Instant::now();
        let mut grace = Grace::new(now);
        for _ in 0..MOST {
            assert!(!grace.left(End::Next, ms(0), LONG, now).is_zero());
        }
        assert!(grace.left(End::Next, ms(0), LONG, now).is_zero());
        assert!(!grace.left(End::Stream, ms(0), LONG, now).is_zero(), "the end of the stream does not count");
        assert!(!grace.left(End::Next, ms(0), LONG, now + PERIOD).is_zero());
    }
}
