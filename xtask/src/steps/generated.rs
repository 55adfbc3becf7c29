//! Committed files that a program generates. Each kind can be regenerated, or compared with its program's current
//! output.

use super::words;
use crate::setup;
use crate::workspace::{cargo, run};

/// A kind of generated file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generated {
    /// The streams in `tests/vectors`, which pin the format.
    Vectors,
    /// The first inputs of the fuzzers, in `fuzz/corpus`.
    FuzzSeeds,
    /// The C library's header, in `bindings/c/include`.
    Header,
}

impl Generated {
    /// The name of its task on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Vectors => "vectors",
            Self::FuzzSeeds => "fuzz-seeds",
            Self::Header => "header",
        }
    }

    /// Replaces the committed files. With `check`, fails instead if they differ from the program's output.
    pub fn run(self, check: bool) -> eyre::Result<()> {
        if self == Self::FuzzSeeds {
            setup::debian_command("unshare", "util-linux")?;
        }
        let program = match self {
            Self::Vectors => "-p dora-shm-testkit --features failpoints --bin make-vectors",
            Self::FuzzSeeds => "-p dora-shm-testkit --bin make-fuzz-seeds",
            Self::Header => "-p dora-shm-c-header",
        };
        let arguments = if check { " -- --check" } else { "" };
        run(&mut cargo(words(&format!("run --release {program}{arguments}"))))
    }
}
