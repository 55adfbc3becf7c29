//! `cargo xtask layers`: crates and files import only what `ARCHITECTURE.md` allows.
//!
//! The step counts three kinds of fault:
//!
//! - a crate depends on a crate that its row of the table does not name;
//! - a file imports from a folder above its own, if the page lists the folders of its crate from low to high. Files and
//!   folders that the page does not list are above all others;
//! - files form a cycle: they import each other, directly or by way of others.
//!
//! Tests are left out. What a `mod.rs` or `lib.rs` imports from its own folder does not count, so a child may use its
//! parent's types through `super`. The import of a re-exported name counts as an import of the file that defines it.

mod graph;
mod imports;
mod rules;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use eyre::{WrapErr as _, bail};

use self::graph::Files;
use self::rules::Rules;
use crate::workspace::root;

/// Checks everything.
pub fn check() -> eyre::Result<()> {
    let page = root().join("ARCHITECTURE.md");
    let text = fs::read_to_string(&page).wrap_err_with(|| format!("cannot read {}", page.display()))?;
    let rules = Rules::parse(&text).wrap_err("ARCHITECTURE.md")?;
    let members = members()?;
    let mut faults = rules.check_crates(&members);
    for (folder, _) in &members {
        let source = root().join(folder).join("src");
        if !source.is_dir() {
            // A crate without `src` consists of programs of one file each, which import nothing from each other.
            continue;
        }
        let files = Files::read(&source)?;
        let climbs = rules.order(folder).map_or_else(Vec::new, |order| files.climbs(order));
        let cycles = files.cycles();
        let cyclic: usize = cycles.iter().map(Vec::len).sum();
        println!(
            "{folder:<16} {:>3} files  {:>3} climbing imports  {cyclic:>3} files in cycles",
            files.len(),
            climbs.len()
        );
        let climbs: Vec<_> =
            climbs.iter().map(|(from, to)| format!("{from} imports {to}, which is above it")).collect();
        let cycles: Vec<_> = cycles.iter().map(|cycle| format!("a cycle: {}", cycle.join(", "))).collect();
        faults.extend(climbs.iter().chain(&cycles).map(|fault| format!("{folder}: {fault}")));
    }
    if faults.is_empty() {
        return Ok(());
    }
    bail!("{}", faults.join("\n"));
}

/// The folders of the workspace's crates and of `fuzz`, which is not a member, each with the folders of the crates that
/// it depends on.
fn members() -> eyre::Result<Vec<(String, Vec<String>)>> {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).wrap_err("cannot read Cargo.toml")?;
    let mut folders = rules::members(&manifest);
    folders.push("fuzz".to_owned());
    let mut packages = BTreeMap::new();
    let mut dependencies = Vec::new();
    for folder in folders {
        let path = root().join(&folder).join("Cargo.toml");
        let manifest = fs::read_to_string(&path).wrap_err_with(|| format!("cannot read {}", path.display()))?;
        let (package, needs) = rules::package(&manifest);
        packages.insert(package, folder.clone());
        dependencies.push((folder, needs));
    }
    let own = |needs: Vec<String>| needs.iter().filter_map(|need| packages.get(need).cloned()).collect();
    Ok(dependencies.into_iter().map(|(folder, needs)| (folder, own(needs))).collect())
}

/// The name of a file relative to `src`, as the rules use it.
fn name_of(path: &Path, src: &Path) -> String {
    path.strip_prefix(src).unwrap_or(path).to_string_lossy().into_owned()
}
