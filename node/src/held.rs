//! The first messages of a stream whose source states no rate: copied into private memory until the length of the ring
//! is known.

use std::sync::Arc;
use std::time::Instant;

use dora_shm_message::{Interpreted, Placement, Plan};
use dora_shm_ring::Times;
use dora_shm_ring::times::{HOLD, RunTimes};

/// The part of `MAX_BYTES` that may be held back.
const MOST_OF_MAX_BYTES: u64 = 4;

/// Messages that wait for a ring.
#[derive(Debug)]
pub struct HeldMessages {
    until: Instant,
    messages: Vec<Held>,
    bytes: u64,
    most_bytes: u64,
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
    /// Begins at `now`, with no message yet, for a ring of at most `max_bytes`.
    pub fn new(max_bytes: u64, now: Instant) -> Self {
        let most_bytes = max_bytes / MOST_OF_MAX_BYTES;
        Self { until: now + HOLD, messages: Vec::new(), bytes: 0, most_bytes }
    }

    /// Copies a message.
    pub fn hold(&mut self, plan: &Arc<Plan>, chunk: &Interpreted<'_>, came_mono_ns: u64) {
        self.bytes += chunk.bytes();
        self.messages.push(Held::copy(plan, chunk, came_mono_ns));
    }

    /// Whether a message with this plan goes into the same ring as those that are held.
    pub fn takes(&self, plan: &Plan) -> bool {
        self.other_plan(plan).is_none()
    }

    /// The plan of those that are held, if a message with `plan` does not go into the same ring.
    pub fn other_plan(&self, plan: &Plan) -> Option<&Plan> {
        self.messages.first().map(|first| &*first.plan).filter(|first| !first.same_generation(plan))
    }

    /// Whether the ring has to be made in any case.
    pub fn is_over(&self, now: Instant) -> bool {
        now >= self.until || self.bytes >= self.most_bytes
    }

    /// Latest time at which the ring is made.
    pub fn until(&self) -> Instant {
        self.until
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
