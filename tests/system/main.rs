//! The whole system at work: the real dora command line, real processes, real shared memory.
//!
//! `cargo xtask system` runs these tests. Without it they need the environment variables `DORA_BIN`,
//! `DORA_SHM_EZMSG_PYTHON`, `DORA_SHM_EZMSG06_PYTHON`, `DORA_SHM_PYTHON` and `DORA_SHM_C_PREFIX`.

mod added;
mod camera;
mod changes;
mod cli;
mod conn;
mod deaths;
mod demo;
mod dynamic;
mod ezmsg;
mod failures;
mod graphs;
mod machines;
mod manifests;
mod mirror;
mod mirror_settings;
mod names;
mod outside;
mod pages;
mod quiet;
mod readers;
mod readme;
mod ring_length;
mod security;
mod settings;
mod signals;
mod sink_settings;
mod small_memory;
mod stop;
mod times;
mod times_page;
