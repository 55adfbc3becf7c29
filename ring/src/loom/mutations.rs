//! Every weakened protocol is detected, which checks the model itself.

use std::panic::catch_unwind;

use super::story::Act::{Begin, Keep, Write};
use super::story::Reads::{Frames, Messages};
use super::story::Story;
use crate::protocol::order::{Mutation, with_mutation};

/// The stories in which the mutations are detected.
const ONE_FRAME: Story = Story { before: &[Begin], acts: &[Write(1)], readers: &[Frames] };
const LAPPED: Story = Story { before: &[Begin, Write(2)], acts: &[Write(2)], readers: &[Frames] };
const ONE_MESSAGE: Story = Story { before: &[Begin], acts: &[Write(1)], readers: &[Messages] };
const EMPTY_MESSAGE: Story = Story { before: &[Begin], acts: &[Write(0)], readers: &[Messages] };
const LAPPED_MESSAGES: Story = Story { before: &[Begin, Write(0), Write(0)], acts: &[Write(0)], readers: &[Messages] };
const SWITCH: Story = Story { before: &[Begin], acts: &[Write(1), Begin], readers: &[Frames] };
const KEPT: Story = Story { before: &[Begin, Write(1), Keep, Write(1), Keep], acts: &[Write(1)], readers: &[Frames] };

const TORN_FRAME: &[&str] = &["a torn frame was accepted"];
const TORN_RECORD: &[&str] = &["a torn record was accepted"];
const NOT_DRAINED: &[&str] = &["was left before it was drained"];
/// If the next ring is visible before its base is, the cursor itself detects that.
const LEFT_TOO_SOON: &[&str] = &["was left before it was drained", "frames came before"];
const PASSED_OVER: &[&str] = &["was passed over although it was kept"];
const NOT_FOUND: &[&str] = &["an event announces what the cursor waits for"];
/// Loom's message when all threads sleep.
const SLEPT_PAST: &[&str] = &["deadlock"];

fn finds(mutation: Mutation, story: Story, complaints: &[&str]) {
    let outcome = with_mutation(mutation, || catch_unwind(|| story.explore(None)));
    let Err(panic) = outcome else { panic!("{mutation:?} was not detected in any order of events") };
    let message = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref().copied());
    let message = message.expect("a panic with a message");
    assert!(
        complaints.iter().any(|complaint| message.contains(complaint)),
        "{mutation:?} was detected by another check: {message}"
    );
}

macro_rules! mutations_are_found {
    ($($test:ident: $mutation:ident in $story:ident by $complaint:ident;)*) => {
        $(
            #[test]
            fn $test() {
                finds(Mutation::$mutation, $story, $complaint);
            }
        )*

        /// Does not compile while a mutation has no test.
        const fn _has_a_test(mutation: Mutation) {
            match mutation {
                $(Mutation::$mutation => {})*
                // In `counts.rs`.
                Mutation::RelaxedCountedBy | Mutation::RelaxedCountedByLoad => {}
                Mutation::NoFenceAfterEpoch | Mutation::NoFenceAfterCounts => {}
            }
        }
    };
}

mutations_are_found! {
    a_reservation_without_a_fence_lets_torn_frames_through: NoFenceAfterReserve in LAPPED by TORN_FRAME;
    a_release_store_of_the_reservation_is_no_fence: ReserveByReleaseStore in LAPPED by TORN_FRAME;
    an_acquire_release_swap_of_the_reservation_is_no_fence: ReserveByAcqRelSwap in LAPPED by TORN_FRAME;
    a_check_without_a_fence_lets_torn_frames_through: NoFenceAfterCopy in LAPPED by TORN_FRAME;
    an_acquire_load_in_the_check_is_no_fence: RecheckByAcquireLoad in LAPPED by TORN_FRAME;
    a_relaxed_commit_shows_frames_that_are_not_there: RelaxedCommit in ONE_FRAME by TORN_FRAME;
    a_relaxed_load_of_the_commit_shows_frames_that_are_not_there: RelaxedCommitLoad in ONE_FRAME by TORN_FRAME;
    a_relaxed_commit_of_a_chunk_shows_a_record_that_is_not_there: RelaxedChunkCommit in EMPTY_MESSAGE by TORN_RECORD;
    a_relaxed_load_of_the_chunks_shows_a_record_that_is_not_there: RelaxedChunkLoad in EMPTY_MESSAGE by TORN_RECORD;
    a_relaxed_store_of_the_generation_hides_the_last_frames: RelaxedGenerationStore in SWITCH by LEFT_TOO_SOON;
    a_relaxed_load_of_the_generation_hides_the_last_frames: RelaxedGenerationLoad in SWITCH by LEFT_TOO_SOON;
    a_commit_loaded_before_the_generation_misses_the_last_frames: CommitLoadedBeforeGeneration in SWITCH by NOT_DRAINED;
    a_wake_word_loaded_last_lets_a_reader_sleep_past_a_write: WakeLoadedLast in ONE_FRAME by SLEPT_PAST;
    a_relaxed_store_of_the_wake_word_lets_a_reader_sleep_past_a_write: RelaxedWakeStore in ONE_FRAME by SLEPT_PAST;
    a_relaxed_load_of_the_wake_word_lets_a_reader_sleep_past_a_write: RelaxedWakeLoad in ONE_FRAME by SLEPT_PAST;
    a_wake_up_before_the_commit_lets_a_reader_sleep_past_it: BumpBeforeCommit in ONE_FRAME by SLEPT_PAST;
    a_wake_up_before_the_switch_lets_a_reader_sleep_past_it: BumpBeforeGeneration in SWITCH by SLEPT_PAST;
    a_writer_that_reserves_no_frames_lets_torn_frames_through: NoReserve in LAPPED by TORN_FRAME;
    a_writer_that_reserves_no_chunks_lets_torn_records_through: NoReserveOfChunks in LAPPED_MESSAGES by TORN_RECORD;
    a_reader_that_goes_to_the_newest_generation_passes_over_kept_ones: KeptRingsPassedOver in KEPT by PASSED_OVER;
    a_reader_that_opens_the_newest_kept_ring_first_passes_over_older_ones: NewestKeptRingFirst in KEPT by PASSED_OVER;
    a_ring_removed_before_the_switch_is_not_found: RingRemovedBeforeSwitch in SWITCH by NOT_FOUND;
    a_record_stored_after_the_commit_is_not_there_in_time: RecordAfterCommit in ONE_MESSAGE by TORN_RECORD;
}
