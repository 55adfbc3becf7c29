//! The rules of `ARCHITECTURE.md`, and the dependencies that the manifests declare.

use std::collections::{BTreeMap, BTreeSet};

use eyre::OptionExt as _;

const BEGIN: &str = "<!-- layers -->";
const END: &str = "<!-- /layers -->";

/// Which crates and files may import which others.
#[derive(Debug, Default, PartialEq)]
pub struct Rules {
    /// For each crate's folder, the folders of the crates that it may depend on.
    crates: BTreeMap<String, BTreeSet<String>>,
    /// For each crate's folder, its files and folders from low to high. Those of one line are on the same level.
    orders: BTreeMap<String, Order>,
}

/// Files and folders from low to high.
#[derive(Debug, Default, PartialEq)]
pub struct Order(Vec<Vec<String>>);

impl Order {
    /// The level of a file, from low to high. A file that is not listed is above all others.
    pub fn level(&self, file: &str) -> usize {
        let is_in = |entry: &String| {
            let entry = entry.trim_end_matches('/');
            file == entry || file.strip_prefix(entry).is_some_and(|rest| rest.starts_with('/') || rest == ".rs")
        };
        self.0.iter().position(|entries| entries.iter().any(is_in)).unwrap_or(self.0.len())
    }
}

impl Rules {
    /// Reads the part of the page between the two markers: a table of crates, and for some crates a numbered list of
    /// their folders after a line that contains "folders of `CRATE/src`".
    pub fn parse(page: &str) -> eyre::Result<Self> {
        let (_, rest) = page.split_once(BEGIN).ok_or_eyre(format!("the marker {BEGIN} is missing"))?;
        let (part, _) = rest.split_once(END).ok_or_eyre(format!("the marker {END} is missing"))?;
        let mut rules = Self::default();
        let mut list = None;
        for line in part.lines() {
            if let Some((name, allowed)) = line.strip_prefix("| `").and_then(|row| row.split_once("` |")) {
                rules.crates.insert(name.to_owned(), quoted(allowed).into_iter().collect());
            } else if let Some((_, rest)) = line.split_once("folders of `")
                && let Some((folder, _)) = rest.split_once("/src`")
            {
                list = Some(rules.orders.entry(folder.to_owned()).or_default());
            } else if let Some(item) = item(line)
                && let Some(order) = &mut list
            {
                order.0.push(quoted(item));
            }
        }
        Ok(rules)
    }

    /// The order of the folders of a crate, if the page lists them.
    pub fn order(&self, folder: &str) -> Option<&Order> {
        self.orders.get(folder)
    }

    /// Every difference between the crates with their dependencies and the table, as a sentence.
    pub fn check_crates(&self, members: &[(String, Vec<String>)]) -> Vec<String> {
        let mut faults = Vec::new();
        for (folder, needs) in members {
            let Some(allowed) = self.crates.get(folder) else {
                faults.push(format!("the crate {folder} has no row in the table of ARCHITECTURE.md"));
                continue;
            };
            let climbing = needs.iter().filter(|need| !allowed.contains(*need));
            faults.extend(
                climbing.map(|need| format!("{folder} depends on {need}, which ARCHITECTURE.md does not allow")),
            );
        }
        let is_there = |name: &String| members.iter().any(|(folder, _)| folder == name);
        let gone = self.crates.keys().chain(self.orders.keys()).filter(|name| !is_there(name));
        faults.extend(gone.map(|name| format!("ARCHITECTURE.md names the crate {name}, which does not exist")));
        faults
    }
}

/// The text of a numbered line, up to its colon.
fn item(line: &str) -> Option<&str> {
    let (number, text) = line.split_once(". ")?;
    number.parse::<u32>().ok()?;
    Some(text.split_once(':').map_or(text, |(names, _)| names))
}

/// The parts of `text` between backticks.
fn quoted(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The members of a workspace.
pub fn members(manifest: &str) -> Vec<String> {
    let list =
        manifest.split_once("\nmembers = [").and_then(|(_, rest)| rest.split_once(']')).map_or("", |(list, _)| list);
    list.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The name of a package, and its dependencies except those of its tests.
pub fn package(manifest: &str) -> (String, Vec<String>) {
    let (mut name, mut needs, mut section) = (String::new(), Vec::new(), "");
    for line in manifest.lines().map(str::trim) {
        if let Some(title) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = title;
            continue;
        }
        let Some((key, value)) = line.split_once('=') else { continue };
        match section {
            "package" if key.trim() == "name" => name = value.trim().trim_matches('"').to_owned(),
            "dependencies" | "build-dependencies" => {
                needs.push(key.trim().trim_end_matches(".workspace").to_owned());
            }
            _ => {}
        }
    }
    (name, needs)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "\
# Page

| `no` | `rule` |

<!-- layers -->

| crate | may import |
| --- | --- |
| `ring` | |
| `node` | `message`, `ring` |

The folders of `ring/src`, from low to high:

1. `error.rs`: the one error type
2. `stream`, `names.rs`: what a stream is, in `stream`
3. `shm`: files

<!-- /layers -->

4. `late`
";

    #[test]
    fn the_page_is_read_between_its_markers() {
        let rules = Rules::parse(PAGE).unwrap();
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<BTreeSet<_>>();
        assert_eq!(rules.crates, [("ring".into(), names(&[])), ("node".into(), names(&["message", "ring"]))].into());
        let order = rules.order("ring").unwrap();
        for (file, level) in [
            ("error.rs", 0),
            ("stream/name.rs", 1),
            ("stream.rs", 1),
            ("names.rs", 1),
            ("shm/mod.rs", 2),
            ("lib.rs", 3),
            ("shmem/open.rs", 3),
        ] {
            assert_eq!(order.level(file), level, "{file}");
        }
        assert!(rules.order("node").is_none());
        assert!(Rules::parse("no markers").unwrap_err().to_string().contains(BEGIN));
    }

    #[test]
    fn a_dependency_without_permission_and_a_row_without_a_crate_are_faults() {
        let rules = Rules::parse(PAGE).unwrap();
        let member =
            |folder: &str, needs: &[&str]| (folder.to_owned(), needs.iter().map(|&need| need.to_owned()).collect());
        assert!(rules.check_crates(&[member("ring", &[]), member("node", &["ring"])]).is_empty());
        let faults = rules.check_crates(&[member("ring", &["node"]), member("cli", &[])]);
        assert_eq!(faults.len(), 3, "{faults:?}");
        for (fault, part) in faults.iter().zip(["ring depends on node", "cli has no row", "names the crate node"]) {
            assert!(fault.contains(part), "{fault}");
        }
    }

    #[test]
    fn manifests_give_members_and_dependencies() {
        assert_eq!(
            members("[workspace]\nmembers = [\"ring\", \"node\"]\ndefault-members = [\"ring\"]\n"),
            ["ring", "node"]
        );
        let manifest = "[package]\nname = \"dora-shm-node\"\n\n[dependencies]\na.workspace = true\nb = { path = \"../b\" }\n\n\
                        [dev-dependencies]\nc = \"1\"\n\n[build-dependencies]\nd = \"1\"\n";
        assert_eq!(package(manifest), ("dora-shm-node".into(), vec!["a".into(), "b".into(), "d".into()]));
    }
}
