//! Entries for the fuzzers of `fuzz/`, compiled for them only.

use crate::Description;

/// Any bytes are refused in a sentence, or are a description that survives being written and read again.
pub fn description(json: &[u8]) {
    let Ok(description) = Description::from_json(json) else { return };
    let written = description.to_json();
    // What a reader accepts may be more than what a writer publishes; then it may be longer than a reader accepts.
    if description.check(description.dims.len().saturating_sub(1)).is_ok() {
        assert_eq!(Description::from_json(&written).as_ref(), Ok(&description));
    }
}
