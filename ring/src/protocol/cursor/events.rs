//! What happens to a stream apart from its frames.

use std::collections::VecDeque;

use crate::stream::{Event, WriterId};

/// The most events that are kept for a caller that does not take them.
const MOST_KEPT: usize = 64;

/// Events that the caller has not taken, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Events {
    kept: VecDeque<Event>,
    /// The writer that was last found dead.
    dead: Option<WriterId>,
}

impl Events {
    /// Keeps an event; drops the oldest one if there are too many.
    pub fn push(&mut self, event: Event) {
        if self.kept.len() == MOST_KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(event);
    }

    /// Takes the oldest event.
    pub fn take(&mut self) -> Option<Event> {
        self.kept.pop_front()
    }

    pub fn clear(&mut self) {
        self.kept.clear();
    }

    /// Whether the death of `writer` has not been recorded yet. Records it.
    pub fn is_first_death_of(&mut self, writer: Option<WriterId>) -> bool {
        writer.is_some() && std::mem::replace(&mut self.dead, writer) != writer
    }
}
