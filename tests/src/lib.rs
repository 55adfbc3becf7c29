//! What the whole-system tests need: a private place for each test, real processes with time limits, dora graphs, and
//! nodes that send and record scripted messages.

pub mod dora;
pub mod pages;
pub mod programs;
pub mod reading;
pub mod record;
pub mod script;
pub mod stage;
pub mod until;

/// Compiles the README's Rust.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
