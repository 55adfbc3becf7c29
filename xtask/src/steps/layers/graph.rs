//! The import graph of a crate's files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{fs, io};

use eyre::WrapErr as _;

use super::imports::{Import, Imports, Root};
use super::name_of;
use super::rules::Order;

/// The path of a module; empty for the crate's root.
type Module = Vec<String>;

/// The files of a crate, without its tests, by module.
#[derive(Debug, Default)]
pub struct Files {
    files: BTreeMap<Module, (String, Imports)>,
}

impl Files {
    /// Reads every file under `src`.
    pub fn read(src: &Path) -> eyre::Result<Self> {
        let mut paths = Vec::new();
        collect(src, &mut paths).wrap_err_with(|| format!("cannot read {}", src.display()))?;
        let mut sources = Vec::new();
        for path in paths {
            let source = fs::read_to_string(&path).wrap_err_with(|| format!("cannot read {}", path.display()))?;
            sources.push((name_of(&path, src), source));
        }
        Ok(Self::of(&sources))
    }

    /// The graph of files given as pairs of a name under `src` and a text.
    fn of(sources: &[(String, String)]) -> Self {
        let has_library = sources.iter().any(|(name, _)| name == "lib.rs");
        // The programs of a package with a library are separate crates.
        let is_program = |name: &str| name.starts_with("bin/") || (has_library && name == "main.rs");
        let mut files: BTreeMap<Module, (String, Imports)> = BTreeMap::new();
        for (name, source) in sources.iter().filter(|(name, _)| !is_program(name)) {
            files.insert(module(name), (name.clone(), Imports::read(source)));
        }
        let tests: BTreeSet<Module> = files
            .iter()
            .flat_map(|(module, (_, imports))| imports.tests.iter().map(|test| [module, &[test.clone()][..]].concat()))
            .collect();
        files.retain(|module, _| !(1..=module.len()).any(|length| tests.contains(&module[..length])));
        Self { files }
    }

    /// The number of files.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Every import from a file to one above it, as a pair of names: the importing file first.
    pub fn climbs(&self, order: &Order) -> Vec<(String, String)> {
        let mut climbs = Vec::new();
        for (from, to) in self.edges() {
            let (from, to) = (&self.files[&from].0, &self.files[&to].0);
            if order.level(from) < order.level(to) {
                climbs.push((from.clone(), to.clone()));
            }
        }
        climbs
    }

    /// Groups of files that import each other, directly or by way of others: the names of the files in each group.
    pub fn cycles(&self) -> Vec<Vec<String>> {
        let edges = self.edges();
        let reached: BTreeMap<&Module, BTreeSet<&Module>> =
            self.files.keys().map(|module| (module, reached_from(module, &edges))).collect();
        let mut cycles: BTreeSet<Vec<String>> = BTreeSet::new();
        for (module, there) in &reached {
            let cycle = there.iter().filter(|other| reached[**other].contains(module));
            let names: BTreeSet<_> = cycle.map(|other| self.files[*other].0.clone()).collect();
            if names.len() > 1 {
                cycles.insert(names.into_iter().collect());
            }
        }
        cycles.into_iter().collect()
    }

    /// Every import of one file from another. A `mod.rs` that imports from its own folder does not count.
    fn edges(&self) -> BTreeSet<(Module, Module)> {
        let mut edges = BTreeSet::new();
        for (module, (_, imports)) in &self.files {
            let targets = imports.paths.iter().filter_map(|import| self.target(module, import, 0));
            let others = targets.filter(|target| !target.starts_with(module));
            edges.extend(others.map(|target| (module.clone(), target)));
        }
        edges
    }

    /// The module whose file contains what `import` names, resolved from the file of `module`.
    fn target(&self, module: &Module, import: &Import, steps: usize) -> Option<Module> {
        const MOST_STEPS: usize = 8;
        let base = match import.root {
            Root::Crate => &[][..],
            Root::Above(above) => &module[..module.len().checked_sub(above)?],
        };
        // A path that begins with a plain name leads into the crate only if the name is a module's or is re-exported.
        let path = [base, &import.names].concat();
        let known = (base.len()..=path.len()).rev().find(|length| self.files.contains_key(&path[..*length]))?;
        let (found, rest) = (path[..known].to_vec(), &path[known..]);
        let (_, imports) = &self.files[&found];
        let export = rest.first().and_then(|name| imports.exports.iter().find(|(exported, _)| exported == name));
        match export {
            Some((_, export)) if steps < MOST_STEPS => self.target(&found, export, steps + 1).or(Some(found)),
            _ => Some(found),
        }
    }
}

/// The modules that can be reached from `from`.
fn reached_from<'a>(from: &Module, edges: &'a BTreeSet<(Module, Module)>) -> BTreeSet<&'a Module> {
    let mut reached = BTreeSet::new();
    let mut open = vec![from];
    while let Some(module) = open.pop() {
        for (_, to) in edges.iter().filter(|(edge, _)| edge == module) {
            if reached.insert(to) {
                open.push(to);
            }
        }
    }
    reached
}

/// The module of a file: `a::b` for `a/b.rs` and for `a/b/mod.rs`.
fn module(name: &str) -> Module {
    let mut module: Module = name.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if module.last().is_some_and(|last| last == "mod") || matches!(&*module, [only] if only == "lib" || only == "main")
    {
        module.pop();
    }
    module
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, paths)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps::layers::rules::Rules;

    fn files(sources: &[(&str, &str)]) -> Files {
        let owned = sources.iter().map(|&(name, source)| (name.to_owned(), source.to_owned())).collect::<Vec<_>>();
        Files::of(&owned)
    }

    #[test]
    fn files_that_import_each_other_directly_or_by_way_of_others_are_a_cycle() {
        let found = files(&[
            ("lib.rs", "mod a; mod b; mod c; mod d;"),
            ("a.rs", "use crate::b::B;"),
            ("b.rs", "use super::c;"),
            ("c/mod.rs", "mod e;"),
            ("c/e.rs", ""),
            ("d.rs", "use crate::a::A;"),
        ]);
        assert!(found.cycles().is_empty());
        let found = files(&[("a.rs", "use crate::b::B;"), ("b.rs", "use super::c;"), ("c/mod.rs", "use crate::a;")]);
        assert_eq!(found.cycles(), [["a.rs", "b.rs", "c/mod.rs"]]);
    }

    #[test]
    fn a_child_may_use_its_parents_types_and_the_parent_its_child() {
        let found = files(&[
            ("a/mod.rs", "mod b; mod c; use b::B; use self::c::C; pub struct A;"),
            ("a/b.rs", "use super::A;"),
            ("a/c.rs", "use crate::a::A;"),
        ]);
        assert!(found.cycles().is_empty(), "{:?}", found.cycles());
        // This holds only for direct imports: by way of another folder it is a cycle.
        let found = files(&[("a/mod.rs", "use crate::d::D;"), ("a/b.rs", ""), ("d.rs", "use crate::a::b::B;")]);
        assert!(found.cycles().is_empty());
        let found = files(&[("a/mod.rs", "use crate::d::D;"), ("d.rs", "use crate::a::A;")]);
        assert_eq!(found.cycles(), [["a/mod.rs", "d.rs"]]);
    }

    #[test]
    fn a_re_exported_name_belongs_to_the_file_that_defines_it() {
        let found = files(&[
            ("main.rs", "mod error;"),
            ("bin/error.rs", "use crate::low;"),
            ("lib.rs", "mod error; mod low; pub use error::Error; pub use low::{Low as Deep};"),
            ("error.rs", "use crate::Deep;"),
            ("low.rs", "use crate::Error;"),
        ]);
        assert_eq!(found.cycles(), [["error.rs", "low.rs"]]);
    }

    #[test]
    fn imports_that_climb_are_found_and_tests_do_not_count_as_files() {
        let rules = Rules::parse(
            "<!-- layers -->\nThe folders of `x/src`:\n\n1. `low`: first\n2. `high`: then\n<!-- /layers -->",
        )
        .unwrap();
        let found = files(&[
            ("lib.rs", "mod low; mod high; #[cfg(test)] mod checks; pub struct Root;"),
            ("low/mod.rs", "mod a;"),
            ("low/a.rs", "use crate::high::H; use crate::Root; #[cfg(test)] mod tests;"),
            ("low/a/tests.rs", "use crate::high::H;"),
            ("high.rs", "use crate::low::a::A;"),
            ("checks.rs", "use crate::low;"),
        ]);
        let climbs = found.climbs(rules.order("x").unwrap());
        let expected = [("low/a.rs", "high.rs"), ("low/a.rs", "lib.rs")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        let climbs: BTreeSet<_> = climbs.into_iter().collect();
        assert_eq!(climbs, expected.into());
        assert_eq!(found.len(), 4);
    }
}
