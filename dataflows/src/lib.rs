//! What the example dataflows' small nodes share: a synthetic signal of which every sample is known, and its judge.

pub mod duration;
pub mod judge;
pub mod latency;
pub mod signal;
