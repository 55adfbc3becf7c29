//! SECURITY.md names existing tests for its sentences.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use dora_shm_tests::programs::root;

#[test]
fn every_sentence_of_the_security_page_names_tests_that_exist() {
    let page = fs::read_to_string(root().join("SECURITY.md")).expect("the page");
    let tests: BTreeSet<String> = ["ring/tests", "ring/src", "node/tests", "tests/system"]
        .iter()
        .flat_map(|folder| test_names(&root().join(folder)))
        .collect();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |")?.rsplit_once(" | "));
    let mut backed = 0;
    for (sentence, named) in rows.filter(|(sentence, _)| !["what holds"].contains(sentence)) {
        for name in named.split('`').skip(1).step_by(2) {
            assert!(tests.contains(name), "the test {name:?} does not exist, which must prove: {sentence}");
            backed += 1;
        }
    }
    assert!(backed >= 25, "{backed} tests named");
    // A sentence without a test must state that something is not prevented.
    let unbacked: Vec<_> = page.lines().filter(|line| line.starts_with("| ") && line.ends_with("| |")).collect();
    assert!(unbacked.iter().all(|line| line.contains("**can**")), "{unbacked:?}");
}

/// Names of the functions marked as tests in the sources below `folder`.
fn test_names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder of the project").map(|entry| entry.expect("an entry").path());
    entries
        .flat_map(|path| {
            if path.is_dir() {
                return test_names(&path);
            }
            if path.extension().is_none_or(|extension| extension != "rs") {
                return Vec::new();
            }
            let text = fs::read_to_string(&path).expect("a source");
            let after_marks = text.split("#[test]").skip(1).map(|rest| rest.split_once("fn ").expect("a function").1);
            after_marks.map(|rest| rest.split('(').next().unwrap_or_default().to_owned()).collect()
        })
        .collect()
}
