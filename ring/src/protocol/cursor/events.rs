//! What happens to a stream beside its frames.

use std::collections::VecDeque;

use crate::stream::{Event, WriterId};

/// Most events that are kept for a caller that does not ask for them.
const MOST_KEPT: usize = 64;

/// Events that the caller has not taken, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Events {
    kept: VecDeque<Event>,
    /// The last writer that was found dead.
    dead: Option<WriterId>,
}

impl Events {
    /// Keeps an event, in the place of the oldest one where there are too many.
    pub fn push(&mut self, event: Event) {
        if self.kept.len() == MOST_KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(event);
    }

    /// The oldest event that was not taken.
    pub fn take(&mut self) -> Option<Event> {
        self.kept.pop_front()
    }

    pub fn clear(&mut self) {
        self.kept.clear();
    }

    /// Whether the death of `writer` is new.
    pub fn is_first_death_of(&mut self, writer: Option<WriterId>) -> bool {
        writer.is_some() && std::mem::replace(&mut self.dead, writer) != writer
    }
}
