//! The first messages of a stream whose source states no rate: copied into private memory until their rate is known,
//! and with it the length of the ring.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dora_shm_message::{Interpreted, Placement, Plan};
use dora_shm_ring::Times;
use dora_shm_ring::times::RunTimes;

use crate::rate::RateMeter;

/// Longest time that messages are held back. Readers wait this much longer for the first frames.
const LONGEST: Duration = Duration::from_millis(500);

/// Most messages that are held back.
const MOST_MESSAGES: usize = 8;

/// Most bytes that are held back once there are two messages: large frames must not pile up.
const MOST_BYTES: u64 = 64 << 20;

/// Messages that wait for a ring.
#[derive(Debug)]
pub struct HeldMessages {
    until: Instant,
    messages: Vec<Held>,
    bytes: u64,
    meter: RateMeter,
}

/// One message that was held back.
#[derive(Debug)]
pub struct Held {
    pub plan: Arc<Plan>,
    pub samples: Vec<u8>,
    pub frames: u64,
    /// When it was sent, in nanoseconds since the Unix epoch.
    pub send_ns: i64,
    /// When it came, CLOCK_MONOTONIC.
    pub came_mono_ns: u64,
    given: Option<Given>,
}

/// The times that the source gives.
#[derive(Debug)]
enum Given {
    Linear { start: f64, step: f64 },
    Values(Vec<f64>),
    Run(RunTimes),
}

impl Given {
    fn copy(placement: Placement<'_>) -> Option<Self> {
        match placement {
            Placement::Given(Times::Linear { start, step }) => Some(Self::Linear { start, step }),
            Placement::Given(Times::Values(values)) => Some(Self::Values(values.to_vec())),
            Placement::Given(Times::Run(run)) => Some(Self::Run(run)),
            Placement::ByRate | Placement::ByArrival => None,
        }
    }
}

impl Held {
    fn copy(plan: &Arc<Plan>, chunk: &Interpreted<'_>, came_mono_ns: u64) -> Self {
        let mut samples = vec![0; usize::try_from(chunk.bytes()).unwrap_or(usize::MAX)];
        if chunk.frames() > 0 {
            chunk.fill(0..chunk.frames(), &mut samples);
        }
        Self {
            plan: plan.clone(),
            samples,
            frames: chunk.frames(),
            send_ns: chunk.send_ns(),
            came_mono_ns,
            given: Given::copy(chunk.placement()),
        }
    }

    /// The times of its frames, if the source gives them.
    pub fn times(&self) -> Option<Times<'_>> {
        self.given.as_ref().map(|given| match given {
            Given::Linear { start, step } => Times::Linear { start: *start, step: *step },
            Given::Values(values) => Times::Values(values),
            Given::Run(run) => Times::Run(*run),
        })
    }
}

impl HeldMessages {
    /// Begins at `now`, with no message yet.
    pub fn new(now: Instant) -> Self {
        Self {
            until: now + LONGEST,
            messages: Vec::with_capacity(MOST_MESSAGES),
            bytes: 0,
            meter: RateMeter::default(),
        }
    }

    /// Copies a message, which came at `came_mono_ns` (CLOCK_MONOTONIC).
    pub fn hold(&mut self, plan: &Arc<Plan>, chunk: &Interpreted<'_>, came_mono_ns: u64) {
        self.bytes += chunk.bytes();
        self.meter.count(chunk.send_ns(), chunk.frames());
        self.messages.push(Held::copy(plan, chunk, came_mono_ns));
    }

    /// Whether a message with this plan goes into the same ring as those that are held.
    pub fn takes(&self, plan: &Plan) -> bool {
        self.messages.first().is_none_or(|first| first.plan.same_generation(plan))
    }

    /// Whether it is time to make the ring.
    pub fn is_over(&self, now: Instant) -> bool {
        let messages = self.messages.len();
        now >= self.until || messages >= MOST_MESSAGES || (messages >= 2 && self.bytes >= MOST_BYTES)
    }

    /// Latest time at which the ring is made.
    pub fn until(&self) -> Instant {
        self.until
    }

    /// The rate by the send times, in frames per second.
    pub fn rate_hz(&self) -> Option<f64> {
        self.meter.first_rate_hz()
    }

    /// Frames of the largest message.
    pub fn largest_chunk(&self) -> u64 {
        self.messages.iter().map(|held| held.frames).max().unwrap_or(0)
    }

    /// The messages, in the order in which they came.
    pub fn into_messages(self) -> Vec<Held> {
        self.messages
    }
}
