//! The streams in tests/vectors, which pin the format. Their test makes them, since it has to make them to compare.

use super::words;
use crate::workspace::{cargo, run};

const TEST: &str = "test --release -p dora-shm-ring --features stop-points --test make_vectors";

/// Compares what the writer makes now with what is committed.
pub fn check() -> eyre::Result<()> {
    run(cargo(words(TEST)).env_remove(SWITCH))
}

/// Replaces what is committed.
pub fn make() -> eyre::Result<()> {
    run(cargo(words(TEST)).env(SWITCH, "write"))
}

const SWITCH: &str = "DORA_SHM_VECTORS";
