//! Which environment variables are settings of the node.

use std::collections::BTreeMap;

use serde_yaml::Value;

use super::error::{PREFIX, SettingsError};
use super::near_miss::near_miss;

/// Where the settings of a node may be.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodeEnv {
    /// The node's own `env:` in the dataflow, with variables expanded.
    pub own: BTreeMap<String, String>,
    /// The process environment, of which only `DORA_SHM_*` counts.
    pub process: BTreeMap<String, String>,
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
    /// The settings of `known` keys, and every near miss of one.
    ///
    /// `others` are the keys of the other node. As `DORA_SHM_<KEY>` they may be in the environment of both nodes, so
    /// they are not near misses there.
    pub(super) fn collect(&self, known: &[&'static str], others: &[&'static str]) -> (Vec<Found>, Vec<SettingsError>) {
        let mut found: BTreeMap<&'static str, Found> = BTreeMap::new();
        let mut mistakes = Vec::new();
        let shared = self
            .process
            .iter()
            .chain(&self.own)
            .filter_map(|(key, value)| Some((key, key.strip_prefix(PREFIX)?, value)))
            .filter(|(_, stem, _)| known.contains(stem) || !others.contains(stem));
        let own = self.own.iter().filter(|(key, _)| !key.starts_with(PREFIX)).map(|(key, value)| (key, &**key, value));
        // The node's own bare keys come last, so they win.
        for (written, stem, value) in shared.chain(own) {
            if let Some(key) = known.iter().find(|&&key| key == stem) {
                found.insert(key, Found { key, written: written.clone(), value: Value::String(value.clone()) });
            } else if let Some(nearest) = near_miss(stem, known) {
                let prefix = &written[..written.len() - stem.len()];
                let mistake = SettingsError::NearMiss { found: written.clone(), nearest: format!("{prefix}{nearest}") };
                if !mistakes.contains(&mistake) {
                    mistakes.push(mistake);
                }
            }
        }
        (found.into_values().collect(), mistakes)
    }
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
        let (found, mistakes) = NodeEnv { own: map(own), process: map(process) }.collect(KNOWN, OTHERS);
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
}
