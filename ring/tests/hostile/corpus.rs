//! The fuzzers' corpus, played again with everything that the fuzzer of `attach` does first: what once was found, or was
//! where the finding began, is tried by every test run, without the fuzzers' toolchain.

use std::path::Path;

use dora_shm_ring::Start;

use crate::common::stage;
use crate::fuzzed::{self, Stage};

/// Bytes between two places at which an input is changed or cut.
const STEP: usize = 7;

#[test]
fn the_fuzzers_corpus_of_streams_crashes_and_hangs_nobody_as_it_is_cut_and_changed() {
    stage::play("corpus::attached", 64);
}

#[test]
#[ignore = "a role: attaches to the corpus in a shared memory of its own"]
fn attached() {
    if !stage::is_on() {
        return;
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/attach");
    let inputs: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|input| input.unwrap().path()).collect();
    assert!(inputs.len() >= 6, "{} inputs in {}", inputs.len(), folder.display());
    let mut segments = Stage::new();
    let mut read = 0;
    for input in inputs {
        let whole = std::fs::read(&input).unwrap();
        read += usize::from(attach(&mut segments, &whole));
        for at in (0..whole.len()).step_by(STEP) {
            attach(&mut segments, &whole[..at]);
            let mut changed = whole.clone();
            changed[at] ^= 0x80;
            attach(&mut segments, &changed);
        }
    }
    assert!(read >= 4, "only {read} inputs of the corpus are streams that can be read");
}

/// Whether every reader was content.
fn attach(segments: &mut Stage, input: &[u8]) -> bool {
    segments.put(input);
    let starts = [Start::Oldest, Start::Newest, Start::Last(3)];
    starts.map(|start| fuzzed::frames(start).is_ok() & fuzzed::messages(start).is_ok()).iter().all(|&content| content)
}
