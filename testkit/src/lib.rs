//! What the tests, the torture campaigns and the fuzzers share. It uses the ring, and dora's command line.
//!
//! | to | use |
//! |---|---|
//! | write frames that carry their position and a checksum | [`signal`] |
//! | read them and account for every position | [`follower`], [`ledger`] |
//! | write frames for readers in other languages | [`source`] |
//! | start a writer or reader in another process | [`roles`], [`process`] |
//! | give a test a private `/dev/shm` or a separate process | [`isolated`] |
//! | read or change a stream's segments as files | [`segments`], [`specimen`], [`impostors`] |
//! | call every method of a reader | [`probe`] |
//! | check what each failpoint of the ring leaves behind | [`crash_table`] |
//! | use the streams in `tests/vectors` | [`vectors`] |
//! | wait for a condition | [`until`] |
//! | run programs and dora graphs in a private folder | [`sandbox`], [`logged`], [`dora`] |
//! | draw random numbers that depend only on a seed | [`rng`] |

// The model checker compiles the ring without its public types.
#![cfg(not(loom))]

pub mod crash_table;
pub mod dora;
pub mod flag;
pub mod follower;
pub mod fuzz_input;
pub mod impostors;
pub mod isolated;
pub mod ledger;
pub mod logged;
pub mod name;
pub mod probe;
pub mod process;
pub mod programs;
pub mod rng;
pub mod roles;
pub mod sandbox;
pub mod segments;
pub mod settled;
pub mod signal;
pub mod source;
pub mod specimen;
pub mod until;
pub mod vectors;

pub use flag::Flag;
pub use name::Name;
pub use until::{PATIENCE, wait_until};
