//! Entry points for the fuzzers in `fuzz/`, compiled for them and for the test of their corpus.

use crate::Description;
use crate::ezmsg::{metadata, pickle};

/// Any bytes are either refused with an error or decode to a description that is unchanged after being written and read
/// again.
pub fn description(json: &[u8]) {
    let Ok(description) = Description::from_json(json) else { return };
    let written = description.to_json();
    // A reader accepts more than a writer publishes. What a writer would not publish may be too long for a reader once
    // written again.
    if description.check(description.dims.len().saturating_sub(1)).is_ok() {
        assert_eq!(Description::from_json(&written).unwrap(), description);
    }
}

/// Any bytes are either refused with a short error or decode to metadata whose description can be written and read
/// again.
pub fn pickle(bytes: &[u8]) {
    match metadata::decode(bytes) {
        Err(reason) => assert!(reason.len() < 1000, "{reason}"),
        Ok(read) => {
            assert!(read.left_out.len() <= 65);
            // The pickle written here may be larger than its source, and so exceed the reader's limit.
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
            // The fuzzer starts from these inputs, and from all their prefixes.
            for end in 0..=bytes.len() {
                entry(&bytes[..end]);
            }
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "reads files")]
    fn every_prefix_of_the_corpus_of_descriptions_is_refused_or_survives_a_round_trip() {
        play("description", super::description);
    }

    #[test]
    #[cfg_attr(miri, ignore = "reads files")]
    fn every_prefix_of_the_corpus_of_pickles_is_refused_or_can_be_written_again() {
        play("pickle", super::pickle);
    }
}
