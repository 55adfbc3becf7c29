//! Runs the protocol under loom, in two processes rather than two threads: each execution maps and unmaps its threads'
//! stacks, so two threads of one process would wait for each other in the kernel most of the time.

use eyre::eyre;

use super::words;
use crate::workspace::{cargo, run, target_dir};

/// Half of the stories, measured by the time they take. The other process runs all the others.
const HALF: [&str; 3] = ["loom::death", "loom::frames", "loom::wake"];

pub fn run_all() -> eyre::Result<()> {
    test(&["--no-run"])?;
    let other: Vec<&str> = HALF.iter().flat_map(|story| ["--skip", story]).collect();
    std::thread::scope(|scope| {
        let other = scope.spawn(|| test(&[&["--", "loom::", "--test-threads", "1"], &other[..]].concat()));
        let half = test(&[&["--", "--test-threads", "1"], &HALF[..]].concat());
        let other = other.join().map_err(|_| eyre!("the thread that runs the other half of the stories panicked"))?;
        half.and(other)
    })
}

fn test(arguments: &[&str]) -> eyre::Result<()> {
    let words = words("test --release -p dora-shm-ring --lib").chain(arguments.iter().copied());
    run(cargo(words).env("RUSTFLAGS", "--cfg loom").env("CARGO_TARGET_DIR", target_dir().join("loom")))
}
