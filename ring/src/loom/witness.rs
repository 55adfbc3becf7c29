//! What happened in at least one execution of a story: a model in which no reader is ever lapped proves nothing about
//! lapping.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[derive(Clone, Copy, Debug)]
pub enum Event {
    Played,
    Slept,
    Lapped,
    /// A reader moved on to the next generation.
    Moved,
    /// A reader skipped the frames of a generation that it never saw.
    Skipped,
    Died,
    Survived,
}

/// Counts events over all executions of a story.
#[derive(Clone, Default)]
pub struct Witness {
    counts: Arc<[AtomicUsize; 7]>,
}

impl Witness {
    pub fn saw(&self, event: Event) {
        self.counts[event as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub fn count(&self, event: Event) -> usize {
        self.counts[event as usize].load(Ordering::Relaxed)
    }

    pub fn add(&self, other: &Self) {
        for (count, more) in self.counts.iter().zip(other.counts.iter()) {
            count.fetch_add(more.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }

    /// Fails if one of `events` happened.
    pub fn has_not_seen(&self, events: &[Event]) {
        let counts: Vec<_> = events.iter().map(|&event| self.count(event)).collect();
        assert!(counts.iter().all(|&count| count == 0), "{events:?}: {counts:?} times");
    }

    /// Fails unless each of `events` happened.
    pub fn has_seen(&self, events: &[Event]) {
        let counts: Vec<_> = events.iter().map(|&event| self.count(event)).collect();
        println!("{} executions, {events:?}: {counts:?}", self.count(Event::Played));
        assert!(!counts.contains(&0), "{events:?}: {counts:?} times, so the story does not cover all of them");
    }
}
