//! Rings that are kept for late readers: which of them a cursor opens before the one that the header names.

use super::Cursor;
use super::source::{Source, Stand};
use crate::Result;
use crate::layout::kept_generations;
use crate::protocol::order::{Mutation, mutated};

/// The generations after `from` and before `generation` whose rings may have been kept, newest first.
pub(super) fn between(from: Option<u32>, generation: u32) -> impl DoubleEndedIterator<Item = u32> {
    let after_from = kept_generations(generation).take_while(|&kept| Some(kept) != from).count();
    kept_generations(generation).take(after_from)
}

impl<S: Source> Cursor<S> {
    /// Whether no frames are between the cursor's stand and the ring that the source has just opened.
    pub(super) fn follows(&self, stand: Option<Stand>) -> bool {
        let base = self.source.ring().map_or(0, |ring| ring.base);
        match stand {
            Some(Stand::After(seen)) => base <= seen,
            Some(Stand::Waiting(_)) => base == 0,
            None => true,
        }
    }

    /// Opens the earliest ring that was kept between the rings of `from` and `generation`.
    pub(super) fn open_kept(&mut self, from: Option<u32>, generation: u32, stand: Option<Stand>) -> Result<bool> {
        let Some(stand) = stand else { return Ok(false) };
        let mut kept = between(from, generation);
        while let Some(earliest) = if mutated(Mutation::NewestKeptRingFirst) { kept.next() } else { kept.next_back() } {
            if self.source.open_kept(earliest, stand)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Where the cursor stands; `None` if kept rings do not concern it.
    pub(super) fn stand(&self) -> Option<Stand> {
        if self.passes_kept || mutated(Mutation::KeptRingsPassedOver) {
            return None;
        }
        match (self.stream_position(), &self.came) {
            (Some(seen), _) => Some(Stand::After(seen)),
            _ if !self.waited => None,
            (None, None) => Some(Stand::After(0)),
            (None, Some(came)) => Some(Stand::Waiting(*came)),
        }
    }
}
