//! What the example dataflows' small nodes share: one synthetic signal, known to the last sample, and its judge.

pub mod duration;
pub mod judge;
pub mod latency;
pub mod signal;
