//! The first generation, the next ones, and the end of a stream.

use super::story::Act::{Begin, Close, Write};
use super::story::Reads::{Frames, Messages};
use super::story::Story;
use super::witness::Event::{Moved, Skipped, Slept};

#[test]
fn a_reader_that_waits_for_the_first_ring_reads_its_first_frame() {
    for reads in [&[Frames], &[Messages]] {
        Story { before: &[], acts: &[Begin, Write(1)], readers: reads }.explore(None).has_seen(&[Slept]);
    }
}

#[test]
fn a_generation_is_drained_before_it_is_left_and_no_reader_sleeps_past_the_switch() {
    let story = Story { before: &[Begin], acts: &[Write(1), Begin], readers: &[Frames] };
    story.explore(None).has_seen(&[Slept, Moved]);
    let story = Story { readers: &[Messages], ..story };
    story.explore(Some(3)).has_seen(&[Slept, Moved]);
}

#[test]
fn frames_on_both_sides_of_a_switch_are_read() {
    let story = Story { before: &[Begin], acts: &[Write(1), Begin, Write(1), Begin], readers: &[Frames] };
    story.explore(Some(2)).has_seen(&[Slept, Moved]);
}

#[test]
fn generations_that_a_reader_never_saw_are_counted_as_lost() {
    let acts = &[Begin, Write(1), Begin, Write(1), Begin, Write(1)];
    Story { before: &[], acts, readers: &[Frames] }.explore(Some(2)).has_seen(&[Slept, Moved, Skipped]);
    let acts = &[Begin, Write(1), Begin, Write(0), Begin, Write(1)];
    Story { before: &[], acts, readers: &[Messages] }.explore(Some(1)).has_seen(&[Slept, Moved, Skipped]);
}

#[test]
fn a_closed_stream_is_drained_and_its_final_position_is_what_was_read() {
    Story { before: &[Begin], acts: &[Write(1), Close], readers: &[Frames] }.explore(None).has_seen(&[Slept]);
}

#[test]
fn a_stream_without_a_frame_may_be_closed() {
    Story { before: &[], acts: &[Begin, Close], readers: &[Frames] }.explore(None).has_seen(&[Slept]);
}

#[test]
fn a_stream_may_be_closed_in_a_later_generation() {
    let story = Story { before: &[Begin], acts: &[Write(1), Begin, Write(1), Close], readers: &[Frames] };
    story.explore(Some(2)).has_seen(&[Slept, Moved]);
    let story = Story { before: &[Begin], acts: &[Write(1), Begin, Write(0), Close], readers: &[Messages] };
    story.explore(Some(2)).has_seen(&[Slept, Moved]);
}
