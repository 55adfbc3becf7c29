//! Why frames cannot become a message.

/// Why no message can be made of frames.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RebuildError {
    /// The recipe in the stream's description has another version.
    #[error(
        "the recipe of messages in the stream's description has version {found}, this mirror reads version 1; update it"
    )]
    Version {
        /// The version found.
        found: u64,
    },
    /// The recipe in the stream's description contradicts itself, the generation, or the number of samples.
    #[error("the recipe of messages in the stream's description cannot be used: {found}; restart the stream's writer")]
    Recipe {
        /// What was found.
        found: String,
    },
    /// The samples given are not whole frames.
    #[error("{bytes} bytes of samples and {frames} times, expected {expected} bytes for as many frames")]
    Samples {
        /// Bytes of samples.
        bytes: u64,
        /// Number of times.
        frames: u64,
        /// Bytes of that many frames; 0 if they cannot be counted.
        expected: u64,
    },
    /// Arrow rejects the array.
    #[error("Arrow cannot make the array: {reason}")]
    Arrow {
        /// Its reason.
        reason: String,
    },
}

impl RebuildError {
    pub(crate) fn recipe(found: impl Into<String>) -> Self {
        const LONGEST: usize = 300;
        let mut found = found.into();
        if let Some((end, _)) = found.char_indices().nth(LONGEST) {
            found.truncate(end);
            found.push_str("...");
        }
        Self::Recipe { found }
    }
}

impl From<arrow::error::ArrowError> for RebuildError {
    fn from(error: arrow::error::ArrowError) -> Self {
        Self::Arrow { reason: error.to_string() }
    }
}
