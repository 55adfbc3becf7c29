//! What an entry in the table of settings is.

use super::error::{Result, SettingsError};
use super::source::{Found, NodeEnv};
use super::value::Setting;

/// When a changed setting comes into force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// At once.
    Live,
    /// At once, with a new generation.
    Generation,
    /// With the next start of the node.
    Restart,
}

/// One setting among the settings `S` of a node: its key, and everything that is done with its value.
pub(super) struct Entry<S: 'static> {
    pub key: &'static str,
    pub change: Change,
    /// Reads a value into the settings.
    pub read: fn(&mut S, &Setting<'_>) -> Result<()>,
    /// Copies the value into the first settings from the second.
    pub copy: fn(&mut S, &S),
    pub differs: fn(&S, &S) -> bool,
}

/// An [`Entry`]: the key, the field of the settings, when a change comes into force, and how a value is read.
macro_rules! entry {
    ($key:literal, $($field:ident).+, $change:ident, $read:expr) => {
        Entry {
            key: $key,
            change: Change::$change,
            read: |settings, setting| {
                let read: fn(&Setting<'_>) -> Result<_> = $read;
                settings.$($field).+ = read(setting)?;
                Ok(())
            },
            copy: |settings, from| settings.$($field).+.clone_from(&from.$($field).+),
            differs: |a, b| a.$($field).+ != b.$($field).+,
        }
    };
}
pub(super) use entry;

impl<S> Entry<S> {
    /// The key as live changes write it.
    pub fn lower(&self) -> String {
        self.key.to_ascii_lowercase()
    }

    /// Refuses a live change of a setting that needs a restart.
    pub fn check_live(&self) -> Result<()> {
        match self.change {
            Change::Live | Change::Generation => Ok(()),
            Change::Restart => Err(SettingsError::NotLive { key: self.lower() }),
        }
    }
}

/// Every key of a table.
pub(super) fn keys<S>(table: &[Entry<S>]) -> Vec<&'static str> {
    table.iter().map(|entry| entry.key).collect()
}

/// Reads the settings that `env` has. `others` are the keys of the other node.
///
/// Returns what was found, and every mistake.
pub(super) fn read_env<S>(
    table: &[Entry<S>],
    others: &[&'static str],
    env: &NodeEnv,
    settings: &mut S,
) -> (Vec<Found>, Vec<SettingsError>) {
    let (found, mut mistakes) = env.collect(&keys(table), others);
    for Found { key, written, value } in &found {
        for entry in table.iter().filter(|entry| entry.key == *key) {
            mistakes.extend((entry.read)(settings, &Setting { key: written, value }).err());
        }
    }
    (found, mistakes)
}
