//! The whole system at work: the real dora command line, real processes, real shared memory.
//!
//! `cargo xtask system` runs them; by hand they need `DORA_BIN`, `DORA_SHM_EZMSG_PYTHON` and `DORA_SHM_EZMSG06_PYTHON`.

mod camera;
mod changes;
mod conn;
mod deaths;
mod demo;
mod dynamic;
mod ezmsg;
mod graphs;
mod machines;
mod manifests;
mod mirror;
mod mirror_settings;
mod names;
mod readers;
mod readme;
mod security;
mod settings;
mod sink_settings;
mod small_memory;
mod stop;
