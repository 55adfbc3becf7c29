//! The pages are consistent: links have targets, the index is complete, and a test runs the code that a page shows.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use dora_shm_tests::programs::root;

/// Additions to a README of this length belong on a page under `docs/`.
const MOST_README_LINES: usize = 150;

/// Pages that show code, with its languages and the test that runs it.
const SHOWN: [(&str, &[&str], &str); 10] = [
    (
        "README.md",
        &["python", "rust,no_run", "sh", "text", "yaml"],
        "tests/system/{readme,cli}.rs; Rust: tests/src/lib.rs",
    ),
    ("SPEC.md", &["c", "json", "text"], "ring/tests/spec_reader.rs"),
    ("ARCHITECTURE.md", &["text"], "nothing: drawings"),
    ("bindings/c/README.md", &["c", "cpp", "sh"], "bindings/c/tests/link.rs"),
    ("bindings/python/README.md", &["py", "python", "sh"], "bindings/python/tests/test_examples.py"),
    ("bindings/single-file/README.md", &["csharp", "julia", "matlab"], "the readers: ring/tests/languages"),
    ("docs/conn.md", &["python"], "node/tests/node/conn.rs"),
    ("docs/graphs.md", &["sh", "yaml"], "tests/system/added.rs"),
    ("docs/recording.md", &["python"], "cli/tests/recording/export.rs"),
    (
        "docs/times.md",
        &["c", "python", "yaml"],
        "tests/system/times_page.rs; Python without dora: bindings/python/tests/test_examples.py; C: bindings/c/tests/times_page.rs",
    ),
];

#[test]
fn the_readme_has_at_most_150_lines() {
    let lines = read("README.md").lines().count();
    assert!(lines <= MOST_README_LINES, "{lines} lines: move the additions to a page under docs/");
}

#[test]
fn every_page_in_docs_is_in_the_index() {
    let index = read("docs/README.md");
    let pages = fs::read_dir(root().join("docs")).expect("docs/").map(|entry| entry.expect("an entry").path());
    for page in pages.filter(|path| path.extension().is_some_and(|extension| extension == "md")) {
        let name = page.file_name().and_then(|name| name.to_str()).expect("a name");
        assert!(name == "README.md" || index.contains(&format!("({name})")), "docs/README.md does not list {name}");
    }
}

#[test]
fn every_link_of_a_page_has_a_target() {
    let mut broken = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(&page).expect("a page");
        for link in links(&text) {
            let (path, anchor) = link.split_once('#').map_or((link, None), |(path, anchor)| (path, Some(anchor)));
            let target = if path.is_empty() { page.clone() } else { page.with_file_name("").join(path) };
            let found = match anchor {
                None => target.exists(),
                Some(anchor) => fs::read_to_string(&target).is_ok_and(|text| anchors(&text).contains(anchor)),
            };
            if !found {
                broken
                    .push(format!("{}: {link}", page.strip_prefix(root()).expect("a page of this project").display()));
            }
        }
    }
    assert!(broken.is_empty(), "links without a target:\n{}", broken.join("\n"));
}

#[test]
fn every_path_that_the_architecture_names_exists() {
    let text = read("ARCHITECTURE.md");
    let words = text.split(|c: char| c.is_whitespace() || "`(),;:|".contains(c));
    let folders = folders();
    let paths = words.filter(|word| word.split_once('/').is_some_and(|(first, _)| folders.contains(first)));
    let missing: Vec<&str> = paths
        .filter(|path| {
            let path = root().join(path.trim_end_matches('.'));
            !path.exists() && !path.with_extension("rs").exists()
        })
        .collect();
    assert!(missing.is_empty(), "ARCHITECTURE.md names paths that do not exist: {missing:?}");
}

#[test]
fn every_folder_is_in_the_architectures_list() {
    let text = read("ARCHITECTURE.md");
    for folder in folders() {
        assert!(text.contains(&format!("`{folder}/`")), "ARCHITECTURE.md does not list {folder}/");
    }
}

#[test]
fn a_test_runs_the_code_that_a_page_shows() {
    for page in pages() {
        let name = page.strip_prefix(root()).expect("a page of this project").to_str().expect("UTF-8").to_owned();
        let text = fs::read_to_string(&page).expect("a page");
        let languages: BTreeSet<&str> = fences(&text).map(|line| line.trim_start_matches('`')).collect();
        let known = SHOWN.iter().find(|(page, ..)| *page == name).map_or(&[][..], |(_, languages, _)| languages);
        assert_eq!(
            languages,
            known.iter().copied().collect(),
            "languages of the code in {name}: let a test run the code, and add it to SHOWN"
        );
    }
}

fn read(page: &str) -> String {
    fs::read_to_string(root().join(page)).expect("a page")
}

/// Every page of the project.
fn pages() -> Vec<PathBuf> {
    let mut pages = Vec::new();
    collect(root(), &mut pages);
    assert!(pages.len() >= 20, "{pages:?}");
    pages
}

fn collect(folder: &Path, pages: &mut Vec<PathBuf>) {
    for path in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if path.is_dir() && is_ours(&path) {
            collect(&path, pages);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            pages.push(path);
        }
    }
}

/// Whether a folder belongs to the project's sources: it is not built and not installed.
fn is_ours(folder: &Path) -> bool {
    let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    !name.starts_with('.') && !["target", "out", "build", "__pycache__"].contains(&name) && !folder.is_symlink()
}

/// The top-level folders.
fn folders() -> BTreeSet<String> {
    let paths = fs::read_dir(root()).expect("the workspace").map(|entry| entry.expect("an entry").path());
    let folders = paths.filter(|path| path.is_dir() && is_ours(path));
    folders.map(|path| path.file_name().expect("a name").to_string_lossy().into_owned()).collect()
}

/// The relative targets of a page's links and pictures, without those in code.
fn links(text: &str) -> Vec<&str> {
    let mut fenced = false;
    let mut links = Vec::new();
    for line in text.lines() {
        fenced ^= line.starts_with("```");
        if fenced || line.starts_with("    ") {
            continue;
        }
        for rest in line.split("](").skip(1) {
            let target = rest.split(')').next().unwrap_or_default();
            if !target.contains("://") && !target.starts_with("mailto:") {
                links.push(target);
            }
        }
    }
    links
}

/// The anchors of a page's headings, as GitHub makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut fenced = false;
    let mut anchors = BTreeSet::new();
    for line in text.lines() {
        fenced ^= line.starts_with("```");
        let Some(heading) = line.strip_prefix('#').filter(|_| !fenced) else { continue };
        let heading = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
        anchors.insert(kept.map(|c| if c == ' ' { '-' } else { c }).collect());
    }
    anchors
}

/// The lines that open a fenced block.
fn fences(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| line.starts_with("```")).step_by(2)
}
