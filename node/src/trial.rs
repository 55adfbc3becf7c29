//! The first messages of a stream that states no rate: kept in private memory until their send times tell one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dora_shm_message::{Chunk, Plan};
use dora_shm_ring::Times;

/// How long messages are kept back. Readers wait so much longer for the first frames.
const LONGEST: Duration = Duration::from_millis(500);

/// How many messages are kept back.
const MOST_MESSAGES: usize = 8;

/// How many bytes are kept back once two messages are there: large frames must not pile up.
const MOST_BYTES: u64 = 64 << 20;

/// Two send times alone tell a rate only if they are so far apart: a source may begin with a burst.
const SHORTEST_PAIR_NS: i64 = 10_000_000;

/// Messages that wait for a ring whose length nobody knows yet.
#[derive(Debug)]
pub struct Trial {
    until: Instant,
    held: Vec<Held>,
    bytes: u64,
}

/// One message that was kept.
#[derive(Debug)]
pub struct Held {
    /// What it means.
    pub plan: Arc<Plan>,
    /// Its samples.
    pub samples: Vec<u8>,
    /// How many frames it has.
    pub frames: u64,
    /// When it was sent, Unix ns.
    pub send_ns: i64,
    times: HeldTimes,
}

#[derive(Debug)]
enum HeldTimes {
    Linear { start: f64, step: f64 },
    Values(Vec<f64>),
}

impl Held {
    fn copy(plan: &Arc<Plan>, chunk: &Chunk<'_>) -> Self {
        let mut samples = vec![0; usize::try_from(chunk.bytes()).unwrap_or(usize::MAX)];
        if chunk.frames() > 0 {
            chunk.fill(0..chunk.frames(), &mut samples);
        }
        let times = match chunk.times() {
            Times::Linear { start, step } => HeldTimes::Linear { start, step },
            Times::Values(values) => HeldTimes::Values(values.to_vec()),
        };
        Self { plan: plan.clone(), samples, frames: chunk.frames(), send_ns: chunk.send_ns(), times }
    }

    /// Values of its frames on the buffered axis.
    pub fn times(&self) -> Times<'_> {
        match &self.times {
            HeldTimes::Linear { start, step } => Times::Linear { start: *start, step: *step },
            HeldTimes::Values(values) => Times::Values(values),
        }
    }
}

impl Trial {
    /// Begins at `now`, with no message yet.
    pub fn new(now: Instant) -> Self {
        Self { until: now + LONGEST, held: Vec::with_capacity(MOST_MESSAGES), bytes: 0 }
    }

    /// Copies a message.
    pub fn keep(&mut self, plan: &Arc<Plan>, chunk: &Chunk<'_>) {
        self.bytes += chunk.bytes();
        self.held.push(Held::copy(plan, chunk));
    }

    /// Whether a message of this plan can join those that are kept.
    pub fn takes(&self, plan: &Plan) -> bool {
        self.held.first().is_none_or(|first| first.plan.same_generation(plan))
    }

    /// Whether it is time to make the ring.
    pub fn is_over(&self, now: Instant) -> bool {
        now >= self.until || self.held.len() >= MOST_MESSAGES || (self.held.len() >= 2 && self.bytes >= MOST_BYTES)
    }

    /// When it ends at the latest.
    pub fn until(&self) -> Instant {
        self.until
    }

    /// The messages, in order, the rate that their send times tell (Hz), and the frames of the largest.
    pub fn finish(self) -> (Vec<Held>, Option<f64>, u64) {
        let sent: Vec<_> = self.held.iter().map(|held| (held.send_ns, held.frames)).collect();
        let largest = sent.iter().map(|&(_, frames)| frames).max().unwrap_or(0);
        (self.held, measured_rate_hz(&sent), largest)
    }
}

/// Frames a second of messages `(send time in ns, frames)`: what came after the first, over the time it took. `None`
/// when there are not two send times.
fn measured_rate_hz(sent: &[(i64, u64)]) -> Option<f64> {
    let (&(first, _), later) = sent.split_first()?;
    let &(last, _) = later.last()?;
    let shortest = if later.len() == 1 { SHORTEST_PAIR_NS } else { 1 };
    let nanoseconds = last.checked_sub(first).filter(|&elapsed| elapsed >= shortest)?;
    let frames: u64 = later.iter().map(|&(_, frames)| frames).sum();
    (frames > 0).then(|| frames as f64 / (nanoseconds as f64 * 1e-9))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_what_followed_the_first_message_over_its_time() {
        let ms = 1_000_000;
        for (sent, expected) in [
            (&[][..], None),
            (&[(5, 1)], None),
            (&[(5, 1), (5, 1)], None),
            (&[(9, 1), (5, 1)], None),
            (&[(0, 1), (ms, 1)], None),
            (&[(0, 1), (ms, 1), (2 * ms, 1)], Some(1000.0)),
            (&[(0, 1), (10 * ms, 1)], Some(100.0)),
            (&[(0, 500), (10 * ms, 10), (20 * ms, 10)], Some(1000.0)),
            (&[(0, 10), (10 * ms, 0)], None),
            (&[(i64::MIN, 1), (i64::MAX, 1)], None),
        ] {
            assert_eq!(measured_rate_hz(sent), expected, "{sent:?}");
        }
    }
}
