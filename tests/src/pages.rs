//! The code that the project's pages show.

use crate::programs::root;

/// The blocks of code in `language` of `page`, a path in the workspace.
///
/// # Panics
/// When the page does not exist, or a block has no end.
pub fn blocks(page: &str, language: &str) -> Vec<String> {
    let text = std::fs::read_to_string(root().join(page)).expect("a page");
    let fence = format!("```{language}\n");
    let blocks = text.split(&fence).skip(1);
    blocks.map(|rest| rest.split_once("```").expect("the end of a block").0.to_owned()).collect()
}
