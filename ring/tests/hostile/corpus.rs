//! The fuzzers' corpus, replayed with the changes that the fuzzer of `attach` tries first, so that every test run
//! repeats earlier findings without the fuzzers' toolchain.

use dora_shm_ring::ReaderOptions;
use dora_shm_testkit::fuzz_input::{Files, NAME};
use dora_shm_testkit::isolated::with_private_shm;
use dora_shm_testkit::probe;
use dora_shm_testkit::programs::root;

/// Distance in bytes between two places at which an input is changed or cut.
const STEP: usize = 7;

#[test]
fn readers_survive_the_corpus_of_streams_however_it_is_cut_and_changed() {
    with_private_shm(64, || {
        let folder = root().join("fuzz/corpus/attach");
        let inputs: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|input| input.unwrap().path()).collect();
        assert!(inputs.len() >= 6, "{} inputs in {}", inputs.len(), folder.display());
        let mut files = Files::new();
        let mut read = 0;
        for input in inputs {
            let whole = std::fs::read(&input).unwrap();
            read += usize::from(attach(&mut files, &whole));
            for at in (0..whole.len()).step_by(STEP) {
                attach(&mut files, &whole[..at]);
                let mut changed = whole.clone();
                changed[at] ^= 0x80;
                attach(&mut files, &changed);
            }
        }
        assert!(read >= 4, "only {read} inputs of the corpus are streams that can be read");
    });
}

/// Whether no reader returned an error.
fn attach(files: &mut Files, input: &[u8]) -> bool {
    files.put(input);
    probe::all(NAME, &ReaderOptions::default()).is_ok()
}
