//! Entries for the fuzzers of `fuzz/`, compiled for them and for the test of their corpus.

use crate::Description;
use crate::ezmsg::{metadata, pickle};

/// Any bytes are refused in a sentence, or are a description that survives being written and read again.
pub fn description(json: &[u8]) {
    let Ok(description) = Description::from_json(json) else { return };
    let written = description.to_json();
    // What a reader accepts may be more than what a writer publishes; then it may be longer than a reader accepts.
    if description.check(description.dims.len().saturating_sub(1)).is_ok() {
        assert_eq!(Description::from_json(&written).unwrap(), description);
    }
}

/// Any bytes are refused in a sentence, or are metadata whose description can be written and read again.
pub fn pickle(bytes: &[u8]) {
    match metadata::decode(bytes) {
        Err(reason) => assert!(reason.len() < 1000, "{reason}"),
        Ok(read) => {
            assert!(read.left_out.len() <= 65);
            // Ours may be larger than what it is made of, and then too large.
            if let Ok(again) = metadata::decode(&pickle::encode(&read.description, 0.0)) {
                assert_eq!(again.description.attrs.len(), read.description.attrs.len());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    fn play(target: &str, entry: fn(&[u8])) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
        let inputs: Vec<_> = std::fs::read_dir(&folder).expect("the corpus").collect();
        assert!(inputs.len() >= 5, "{} has {} inputs", folder.display(), inputs.len());
        for input in inputs {
            let path = input.expect("the corpus").path();
            let bytes = std::fs::read(&path).expect("an input");
            // Whole, and cut short anywhere: where the fuzzer begins.
            for end in 0..=bytes.len() {
                entry(&bytes[..end]);
            }
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "reads files")]
    fn the_fuzzers_corpus_of_descriptions_holds_wherever_it_is_cut() {
        play("description", super::description);
    }

    #[test]
    #[cfg_attr(miri, ignore = "reads files")]
    fn the_fuzzers_corpus_of_pickles_holds_wherever_it_is_cut() {
        play("pickle", super::pickle);
    }
}
