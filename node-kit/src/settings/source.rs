//! Which environment variables are settings of the node.

use std::collections::BTreeMap;

use serde_yaml::Value;

use super::error::{PREFIX, SettingsError};
use super::near_miss::{guessed, is_ours, near_miss};

/// Where the settings of a node may be.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodeEnv {
    /// The node's own `env:` in the dataflow, with variables expanded.
    pub own: BTreeMap<String, String>,
    /// The process environment, of which only `DORA_SHM_*` counts, unless `is_own_in_process`.
    pub process: BTreeMap<String, String>,
    /// The dataflow does not list the node, which was added while it ran. The node's own `env:` is then in `process`,
    /// among the variables of other programs.
    pub is_own_in_process: bool,
}

/// A setting that counts.
#[derive(Debug)]
pub(super) struct Found {
    pub key: &'static str,
    /// The variable that has it: the key, or `DORA_SHM_<KEY>`.
    pub written: String,
    pub value: Value,
}

impl NodeEnv {
    /// The settings of `known` keys, and every name that is almost one, or that users guess for one.
    ///
    /// `others` are the keys of the other node. As `DORA_SHM_<KEY>` they may be in the environment of both nodes, so
    /// they are not near misses there.
    pub(super) fn collect(&self, known: &[&'static str], others: &[&'static str]) -> (Vec<Found>, Vec<SettingsError>) {
        let mut found: BTreeMap<&'static str, Found> = BTreeMap::new();
        let mut unknown = Vec::new();
        // The node's own bare keys come last, so they win.
        for variable in self.shared(known, others).chain(self.stray()).chain(self.own_bare()) {
            match known.iter().find(|&&key| key == variable.stem) {
                Some(key) => {
                    let (written, value) = (variable.written.to_owned(), Value::String(variable.value.to_owned()));
                    found.insert(key, Found { key, written, value });
                }
                None => unknown.push(variable),
            }
        }
        let mut mistakes = Vec::new();
        for variable in unknown {
            let Some((meant, mistake)) = variable.mistake(known) else { continue };
            // A variable that may be another program's is no mistake once the key has been found that it stands for.
            let may_be_foreign = variable.is_stray && meant.iter().any(|key| found.contains_key(key));
            if !may_be_foreign && !mistakes.contains(&mistake) {
                mistakes.push(mistake);
            }
        }
        (found.into_values().collect(), mistakes)
    }

    /// The variables `DORA_SHM_*`.
    fn shared<'a>(&'a self, known: &'a [&str], others: &'a [&str]) -> impl Iterator<Item = Variable<'a>> {
        let variables = self.process.iter().chain(&self.own);
        variables
            .filter_map(|(written, value)| {
                let stem = written.strip_prefix(PREFIX)?;
                Some(Variable { written, stem, value, is_stray: false })
            })
            .filter(|variable| known.contains(&variable.stem) || !others.contains(&variable.stem))
    }

    /// The variables of the process that may be the node's own or another program's.
    fn stray(&self) -> impl Iterator<Item = Variable<'_>> {
        let process = self.is_own_in_process.then_some(&self.process);
        process.into_iter().flat_map(|process| bare(process, true))
    }

    fn own_bare(&self) -> impl Iterator<Item = Variable<'_>> {
        bare(&self.own, false)
    }
}

/// A variable that may be a setting.
struct Variable<'a> {
    written: &'a str,
    /// Its name without `DORA_SHM_`.
    stem: &'a str,
    value: &'a str,
    is_stray: bool,
}

impl Variable<'_> {
    /// The keys that a name which is not a key may stand for, and the error for it. A stray name must be recognisable as
    /// one for these nodes.
    fn mistake(&self, known: &[&'static str]) -> Option<(Vec<&'static str>, SettingsError)> {
        if self.is_stray && !is_ours(self.stem) {
            return None;
        }
        let prefix = &self.written[..self.written.len() - self.stem.len()];
        let (found, full) = (self.written.to_owned(), |key: &&str| format!("{prefix}{key}"));
        let meant = guessed(self.stem, known);
        if !meant.is_empty() {
            let keys = meant.iter().map(full).collect();
            return Some((meant, SettingsError::Guessed { found, keys }));
        }
        let nearest = near_miss(self.stem, known)?;
        Some((vec![nearest], SettingsError::NearMiss { found, nearest: full(&nearest) }))
    }
}

/// The variables without `DORA_SHM_`.
fn bare(env: &BTreeMap<String, String>, is_stray: bool) -> impl Iterator<Item = Variable<'_>> {
    env.iter().filter(|(written, _)| !written.starts_with(PREFIX)).map(move |(written, value)| Variable {
        written,
        stem: written,
        value,
        is_stray,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[&str] = &["SHMEM_NAME", "BUF_DUR", "SHAPE"];
    const OTHERS: &[&str] = &["SHMEM_NAME", "SHAPED"];

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    fn collect(own: &[(&str, &str)], process: &[(&str, &str)]) -> (Vec<(&'static str, Value)>, Vec<SettingsError>) {
        let env = NodeEnv { own: map(own), process: map(process), is_own_in_process: false };
        let (found, mistakes) = env.collect(KNOWN, OTHERS);
        (found.into_iter().map(|found| (found.key, found.value)).collect(), mistakes)
    }

    fn value(text: &str) -> Value {
        Value::String(text.to_owned())
    }

    #[test]
    fn a_bare_name_counts_only_if_the_node_itself_declares_it() {
        let (found, mistakes) = collect(&[("BUF_DUR", "3")], &[("SHMEM_NAME", "stray"), ("BUF_DUR", "9")]);
        assert_eq!(found, [("BUF_DUR", value("3"))]);
        assert!(mistakes.is_empty());
    }

    #[test]
    fn a_prefixed_name_counts_in_both_environments_and_the_bare_one_wins() {
        let (found, _) = collect(&[], &[("DORA_SHM_BUF_DUR", "5")]);
        assert_eq!(found, [("BUF_DUR", value("5"))]);
        let (found, _) = collect(&[("DORA_SHM_BUF_DUR", "6")], &[("DORA_SHM_BUF_DUR", "5")]);
        assert_eq!(found, [("BUF_DUR", value("6"))]);
        let (found, _) = collect(&[("BUF_DUR", "7")], &[("DORA_SHM_BUF_DUR", "5")]);
        assert_eq!(found, [("BUF_DUR", value("7"))]);
    }

    #[test]
    fn a_prefixed_name_that_both_nodes_have_counts() {
        let (found, mistakes) = collect(&[], &[("DORA_SHM_SHMEM_NAME", "eeg")]);
        assert_eq!(found, [("SHMEM_NAME", value("eeg"))]);
        assert!(mistakes.is_empty());
    }

    #[test]
    fn near_misses_are_named_as_they_were_written_and_each_once() {
        let (found, mistakes) = collect(
            &[("BUFDUR", "3"), ("DORA_SHM_SHAP", "3"), ("RUST_LOG", "debug")],
            &[("DORA_SHM_SHAP", "3"), ("DORA_SHM_shmem_name", "x"), ("SHMEM_NAM", "of the shell")],
        );
        assert!(found.is_empty());
        let mistakes: Vec<_> = mistakes
            .into_iter()
            .map(|mistake| match mistake {
                SettingsError::NearMiss { found, nearest } => (found, nearest),
                other => panic!("{other}"),
            })
            .collect();
        let expected = [
            ("DORA_SHM_SHAP", "DORA_SHM_SHAPE"),
            ("DORA_SHM_shmem_name", "DORA_SHM_SHMEM_NAME"),
            ("BUFDUR", "BUF_DUR"),
        ];
        assert_eq!(mistakes, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
    }

    #[test]
    fn the_other_nodes_prefixed_keys_are_left_alone() {
        let (found, mistakes) = collect(&[], &[("DORA_SHM_SHAPED", "1"), ("DORA_SHM_BIN", "x")]);
        assert!(found.is_empty());
        assert!(mistakes.is_empty());
    }

    #[test]
    fn names_that_users_guess_are_refused_with_the_key_wherever_they_are_written() {
        let (found, mistakes) =
            collect(&[("NAME", "eeg"), ("BUFFER", "5"), ("RATE", "3")], &[("DORA_SHM_NAME", "x"), ("NAME", "host")]);
        assert!(found.is_empty());
        let mistakes: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
        let expected = [
            "setting DORA_SHM_NAME is not known; use DORA_SHM_SHMEM_NAME instead",
            "setting BUFFER is not known; use BUF_DUR instead",
            "setting NAME is not known; use SHMEM_NAME instead",
        ];
        assert_eq!(mistakes, expected, "and this node has no key for RATE");
    }

    fn collect_added(process: &[(&str, &str)]) -> (Vec<(&'static str, Value)>, Vec<String>) {
        let env = NodeEnv { own: BTreeMap::new(), process: map(process), is_own_in_process: true };
        let (found, mistakes) = env.collect(KNOWN, OTHERS);
        let found = found.into_iter().map(|found| (found.key, found.value)).collect();
        (found, mistakes.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn the_bare_keys_of_an_added_node_count_in_its_process_environment() {
        let (found, mistakes) =
            collect_added(&[("SHMEM_NAME", "eeg"), ("DORA_SHM_SHMEM_NAME", "other"), ("HOME", "/"), ("BUF_DUR", "3")]);
        assert_eq!(found, [("BUF_DUR", value("3")), ("SHMEM_NAME", value("eeg"))]);
        assert!(mistakes.is_empty(), "{mistakes:?}");
    }

    #[test]
    fn an_added_node_refuses_only_names_that_no_other_program_has() {
        let (found, mistakes) = collect_added(&[("NAME", "host"), ("SIZE", "3"), ("SHAPES", "3"), ("shape", "x")]);
        assert!(found.is_empty() && mistakes.is_empty(), "{mistakes:?}");
        let (_, mistakes) = collect_added(&[("SHM_NAME", "x"), ("BUF_DURR", "3"), ("BUF_SIZE", "3")]);
        let expected = [
            "setting BUF_DURR is not known; the nearest known key is BUF_DUR; use that key, or rename the variable",
            "setting BUF_SIZE is not known; use BUF_DUR instead",
            "setting SHM_NAME is not known; use SHMEM_NAME instead",
        ];
        assert_eq!(mistakes, expected);
    }

    #[test]
    fn a_key_that_is_set_makes_names_like_it_harmless_to_an_added_node() {
        let (found, mistakes) = collect_added(&[("SHM_NAME", "x"), ("SHMEM_NAME", "eeg"), ("BUFFER_SIZE", "1")]);
        assert_eq!(found, [("SHMEM_NAME", value("eeg"))]);
        assert_eq!(mistakes, ["setting BUFFER_SIZE is not known; use BUF_DUR instead"]);
    }
}
