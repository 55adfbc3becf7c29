//! The bounded queue of strings that wait to be sent to a listener.

use std::collections::VecDeque;

use super::steps::Words;

/// Most strings that wait here. The socket's buffer holds a few hundred more.
const MOST: usize = 256;

/// Strings that wait to be sent. If a listener does not read, they are replaced by those that lead to the current
/// state: the listener may miss past steps, but never the current state.
#[derive(Debug, Default)]
pub struct Outbox {
    waiting: VecDeque<&'static str>,
    dropped: u64,
}

impl Outbox {
    /// Starts again, with `words` for a new listener.
    pub fn restart(&mut self, words: Words) {
        self.waiting = words.into();
    }

    /// Adds `words`, or, if that would be too many, replaces everything by `instead`. Returns whether strings were
    /// dropped.
    pub fn add(&mut self, words: &[&'static str], instead: Words) -> bool {
        let fits = self.waiting.len() + words.len() <= MOST;
        if fits {
            self.waiting.extend(words);
        } else {
            self.dropped += (self.waiting.len() + words.len()) as u64;
            self.waiting = instead.into();
        }
        !fits
    }

    /// The next string to send.
    pub fn next(&mut self) -> Option<&'static str> {
        self.waiting.pop_front()
    }

    /// Strings that were dropped so far.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_that_does_not_read_keeps_the_current_state_and_the_rest_is_counted() {
        let mut outbox = Outbox::default();
        outbox.restart(vec!["a", "b"]);
        for _ in 0..MOST - 2 {
            assert!(!outbox.add(&["c"], vec!["never"]));
        }
        assert!(outbox.add(&["d", "e"], vec!["now"]));
        assert_eq!((outbox.dropped(), outbox.next(), outbox.next()), (MOST as u64 + 2, Some("now"), None));
        assert!(!outbox.add(&["f"], vec!["never"]));
        assert_eq!(outbox.next(), Some("f"));
    }
}
