//! Rings that keep their names after they were replaced, which readers open in turn.

use super::story::Act::{Begin, Close, Expire, Keep, Write};
use super::story::Reads::{Frames, Messages};
use super::story::Story;
use super::witness::Event::{Moved, Skipped, Slept};

#[test]
fn a_reader_of_an_older_ring_passes_over_no_kept_generation() {
    let acts = &[Keep, Write(1), Keep, Write(1)];
    let story = Story { before: &[Begin, Write(1)], acts, readers: &[Frames] };
    let seen = story.explore(Some(3));
    seen.has_seen(&[Slept, Moved]);
    seen.has_not_seen(&[Skipped]);
    let seen = Story { readers: &[Messages], ..story }.explore(Some(2));
    seen.has_seen(&[Slept, Moved]);
    seen.has_not_seen(&[Skipped]);
}

#[test]
fn a_reader_that_waited_for_the_first_ring_reads_it_although_it_was_replaced() {
    let story = Story { before: &[], acts: &[Begin, Write(1), Keep, Write(1)], readers: &[Frames] };
    let seen = story.explore(Some(3));
    seen.has_seen(&[Slept, Moved]);
    seen.has_not_seen(&[Skipped]);
}

#[test]
fn a_short_generation_is_read_if_only_its_ring_was_kept() {
    // The first of two short generations is kept, then the second.
    let first = &[Begin, Write(1), Keep, Write(1), Begin, Write(1)];
    let second = &[Begin, Write(1), Begin, Write(1), Keep, Write(1)];
    for acts in [first, second] {
        Story { before: &[Begin], acts, readers: &[Frames] }.explore(Some(2)).has_seen(&[Slept, Moved, Skipped]);
    }
}

#[test]
fn a_kept_ring_may_be_removed_while_a_reader_looks_for_it() {
    let acts = &[Keep, Write(1), Keep, Expire(1), Write(1)];
    let story = Story { before: &[Begin], acts, readers: &[Frames] };
    story.explore(Some(3)).has_seen(&[Slept, Moved, Skipped]);
    let acts = &[Keep, Write(1), Keep, Expire(0), Expire(1), Close];
    let story = Story { before: &[Begin], acts, readers: &[Frames] };
    story.explore(Some(2)).has_seen(&[Slept, Moved, Skipped]);
}

#[test]
fn every_frame_is_accounted_for_wherever_a_writer_that_keeps_rings_dies() {
    let acts = &[Keep, Write(1), Keep, Expire(0), Write(1)];
    let story = Story { before: &[Begin, Write(1)], acts, readers: &[Frames] };
    let (points, seen) = story.explore_deaths(1);
    assert_eq!(points, 35);
    seen.has_seen(&[Slept, Moved, Skipped]);
}
