//! Settings of the nodes: where they come from, what each key may hold, and live changes. A new setting is a field with
//! its default and one entry in the table of its node, both in `sink.rs` or in `mirror.rs`.
//!
//! A key counts if the node's own `env:` in the dataflow names it, or if the process environment has it as
//! `DORA_SHM_<KEY>`; the node's own `env:` wins. A variable with the bare name in the environment of a shell or daemon
//! does not count, unless the node was added to a running dataflow: dora then hands over its `env:` only there. Everything here is pure: [`crate::launch`] fills [`NodeEnv`].

mod document;
mod error;
mod mirror;
mod near_miss;
mod sink;
mod source;
mod start;
mod table;
mod value;

pub use document::document;
pub use error::{Result, SettingsError};
pub use mirror::{ChunkBy, MirrorSettings, OnClose, OnLoss, StartAt};
pub use sink::{Length, OnChange, SinkSettings};
pub use source::NodeEnv;
pub use start::StartSettings;

impl SinkSettings {
    /// The settings of a sink that starts.
    ///
    /// # Errors
    /// Every mistake at once: near misses of known keys, and values that their keys do not take.
    pub fn from_env(env: &NodeEnv) -> Result<Self> {
        Self::read(env, &table::keys(mirror::TABLE))
    }
}

impl MirrorSettings {
    /// The settings of a mirror that starts.
    ///
    /// # Errors
    /// Every mistake at once: a missing name, near misses of known keys, and values that their keys do not take.
    pub fn from_env(env: &NodeEnv) -> Result<Self> {
        Self::read(env, &table::keys(sink::TABLE))
    }
}

#[cfg(test)]
mod tests {
    use super::near_miss::guesses;
    use super::*;

    #[test]
    fn a_guess_is_for_keys_that_exist_and_is_not_itself_a_key() {
        let keys = [table::keys(sink::TABLE), table::keys(mirror::TABLE)].concat();
        for (names, meant) in guesses() {
            assert!(meant.iter().all(|key| keys.contains(key)), "{meant:?}");
            for name in names {
                assert!(!keys.iter().any(|key| key.replace('_', "") == *name), "{name}");
            }
        }
    }
}
