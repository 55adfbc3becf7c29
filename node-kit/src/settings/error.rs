//! What can be wrong with a setting.

/// What a setting's key begins with if it counts for every node of the environment.
pub(super) const PREFIX: &str = "DORA_SHM_";

/// A setting that cannot be used: which one, what was expected, what was found, and what to write instead.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// A key of the node's environment that is almost a known one.
    #[error("setting {found} is not known; the nearest known key is {nearest}; use that key, or rename the variable")]
    NearMiss {
        /// The key as written.
        found: String,
        /// The key that was probably meant.
        nearest: String,
    },
    /// A name that users guess for a key.
    #[error("setting {found} is not known; use {} instead", keys.join(" or "))]
    Guessed {
        /// The name as written.
        found: String,
        /// The keys that it may stand for, as they are to be written.
        keys: Vec<String>,
    },
    /// An unknown key of a live change.
    #[error("setting {found} is not known; {}", nearest.as_ref().map_or_else(
        || format!("expected one of {known}"),
        |nearest| format!("the nearest known key is {nearest}"),
    ))]
    Unknown {
        /// The key as written.
        found: String,
        /// The key that was probably meant, if one is near.
        nearest: Option<String>,
        /// Every key that can be set.
        known: String,
    },
    /// A value that its key does not accept.
    #[error("setting {key}: expected {expected}, found {found}")]
    BadValue {
        /// The key as written.
        key: String,
        /// What the key accepts.
        expected: String,
        /// What was found.
        found: String,
    },
    /// Both settings for the ring's length at once.
    #[error("settings {duration} and {frames} both give the length of the buffer; keep one of them")]
    TwoLengths {
        /// `BUF_DUR` as written.
        duration: String,
        /// `BUF_FRAMES` as written.
        frames: String,
    },
    /// A key without which the node cannot work.
    #[error("setting {key} is missing; add it to the node's `env:` in the dataflow: {example}")]
    Missing {
        /// The key.
        key: String,
        /// A line for the dataflow.
        example: String,
    },
    /// A key that cannot change while the node runs.
    #[error("setting {key} cannot change while the node runs; change it in the dataflow and restart the node")]
    NotLive {
        /// The key.
        key: String,
    },
    /// A live change that is not a mapping of keys to values.
    #[error("settings: expected a YAML document such as `buf_dur: 5`, found {found}")]
    NotADocument {
        /// What was found instead.
        found: String,
    },
    /// Several mistakes at once.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Several(Vec<SettingsError>),
}

/// Result of reading settings.
pub type Result<T> = std::result::Result<T, SettingsError>;

impl SettingsError {
    /// The variable that was refused because it was probably meant for `key`, as a misspelling or a guess.
    pub(super) fn misspelt(&self, key: &str) -> Option<&str> {
        match self {
            // `DORA_SHM_SHMEM_NAM` was meant for `SHMEM_NAME`, too.
            SettingsError::NearMiss { found, nearest } if nearest.strip_prefix(PREFIX).unwrap_or(nearest) == key => {
                Some(found)
            }
            SettingsError::Guessed { found, keys }
                if keys.iter().any(|meant| meant.strip_prefix(PREFIX).unwrap_or(meant) == key) =>
            {
                Some(found)
            }
            _ => None,
        }
    }

    /// Whether `key` cannot be known because of this mistake.
    pub(super) fn is_about(&self, key: &str) -> bool {
        match self {
            SettingsError::BadValue { key: written, .. } | SettingsError::Missing { key: written, .. } => {
                written.strip_prefix(PREFIX).unwrap_or(written) == key
            }
            _ => self.misspelt(key).is_some(),
        }
    }

    /// The mistakes in this error: itself, or those that it holds.
    pub(super) fn mistakes(&self) -> &[SettingsError] {
        match self {
            SettingsError::Several(mistakes) => mistakes,
            one => std::slice::from_ref(one),
        }
    }

    /// `Ok` if there are no mistakes, the mistake itself if there is one, else [`SettingsError::Several`].
    pub(super) fn collect(mut mistakes: Vec<SettingsError>) -> Result<()> {
        match mistakes.len() {
            0 => Ok(()),
            1 => Err(mistakes.remove(0)),
            _ => Err(SettingsError::Several(mistakes)),
        }
    }
}
