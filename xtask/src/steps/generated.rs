//! Committed files that a program makes. Each kind can be made anew, or compared with what its program makes now.

use super::words;
use crate::setup;
use crate::workspace::{cargo, run};

/// A kind of generated files.
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
    /// Its word on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Vectors => "vectors",
            Self::FuzzSeeds => "fuzz-seeds",
            Self::Header => "header",
        }
    }

    /// Replaces what is committed, or, with `check`, fails where it is not what the program makes.
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
