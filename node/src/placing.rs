//! The times of messages whose source gives none.

use dora_shm_message::{Interpreted, Placement};
use dora_shm_ring::internal::{monotonic_ns, unix_ns};
use dora_shm_ring::{Clock, Times};

/// The times of a message's frames: those that the source gives, else from the send time on, by the rate.
pub fn times<'a>(chunk: &'a Interpreted<'_>) -> Times<'a> {
    if let Placement::Given(times) = chunk.placement() {
        return times;
    }
    let ahead_ns = match chunk.plan().map(|plan| plan.clock()) {
        Some(Clock::Monotonic) => unix_ns() - monotonic_ns() as i64,
        _ => 0,
    };
    let step = chunk.plan().and_then(|plan| plan.rate_hz()).map_or(0.0, |rate_hz| 1.0 / rate_hz);
    Times::Linear { start: (chunk.send_ns() - ahead_ns) as f64 * 1e-9, step }
}
