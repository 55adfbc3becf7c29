//! The counts in the header, while a writer takes over: they are never those of two writers.

use loom::sync::Arc;
use loom::thread;

use crate::protocol::counts::{self, CountWords, Counted};
use crate::protocol::order::{Mutation, with_mutation};
use crate::protocol::sync::{AtomicU32, AtomicU64};

#[derive(Default)]
struct Words {
    epoch: AtomicU32,
    refused: AtomicU64,
    dropped: AtomicU64,
    gaps: AtomicU64,
    counted_by: AtomicU32,
}

impl CountWords for Words {
    fn epoch(&self) -> &AtomicU32 {
        &self.epoch
    }

    fn refused(&self) -> &AtomicU64 {
        &self.refused
    }

    fn dropped(&self) -> &AtomicU64 {
        &self.dropped
    }

    fn gaps(&self) -> &AtomicU64 {
        &self.gaps
    }

    fn counted_by(&self) -> &AtomicU32 {
        &self.counted_by
    }
}

fn all(number: u64) -> Counted {
    Counted { refused: number, dropped: number, gaps: number }
}

/// The first writer has counted to 7, and a second one takes over and counts to 9 while a reader polls.
fn explore() {
    loom::model(|| {
        let words = Arc::new(Words::default());
        counts::begin_epoch(&*words, 1);
        counts::store(&*words, all(7));
        let reader = thread::spawn({
            let words = words.clone();
            move || {
                let Some(Counted { refused, dropped, gaps }) = counts::load(&*words) else { return };
                let found = [refused, dropped, gaps];
                let of_one_writer = found == [7; 3] || found.iter().all(|count| [0, 9].contains(count));
                assert!(of_one_writer, "counts of two writers: {found:?}");
            }
        });
        counts::begin_epoch(&*words, 2);
        counts::store(&*words, all(9));
        reader.join().unwrap();
        assert_eq!(counts::load(&*words), Some(all(9)));
    });
}

#[test]
fn counts_are_those_of_one_writer() {
    explore();
}

fn finds(mutation: Mutation) {
    let outcome = with_mutation(mutation, || std::panic::catch_unwind(explore));
    let Err(panic) = outcome else { panic!("{mutation:?} was not detected in any order of events") };
    let message = panic.downcast_ref::<String>().expect("a panic with a message");
    assert!(message.contains("counts of two writers"), "{mutation:?} was detected by another check: {message}");
}

#[test]
fn a_relaxed_store_of_counted_by_shows_the_counts_of_the_writer_before() {
    finds(Mutation::RelaxedCountedBy);
}

#[test]
fn a_relaxed_load_of_counted_by_shows_the_counts_of_the_writer_before() {
    finds(Mutation::RelaxedCountedByLoad);
}

#[test]
fn zeros_that_are_stored_without_a_fence_after_the_epoch_are_taken_for_those_of_the_writer_before() {
    finds(Mutation::NoFenceAfterEpoch);
}

#[test]
fn an_epoch_that_is_loaded_without_a_fence_after_the_counts_does_not_judge_them() {
    finds(Mutation::NoFenceAfterCounts);
}
