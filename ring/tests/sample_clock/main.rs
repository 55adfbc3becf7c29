//! The sample clock and the rate meter on simulated sources, checked against the truth.
//!
//! What takes long is ignored here; `cargo xtask times` runs it and prints the figures.

mod bars;
mod clocks;
mod day;
mod hostile;
mod judge;
mod ring_length;
mod source;
