//! A writer that dies after each of its stores, and the next one that takes over while readers continue. The failpoints
//! are those of the protocol code, plus one after each word of a frame and of a record, S5 and S11.

use super::story::Act::{Begin, Close, Write};
use super::story::Reads::{Frames, Messages};
use super::story::Story;
use super::witness::Event::{Lapped, Moved, Slept};

#[test]
fn every_frame_is_accounted_for_wherever_the_writer_dies() {
    let story = Story { before: &[], acts: &[Begin, Write(2), Begin, Write(1), Close], readers: &[Frames] };
    let (points, seen) = story.explore_deaths(1);
    assert_eq!(points, 41);
    seen.has_seen(&[Slept, Moved]);
}

#[test]
fn every_message_is_accounted_for_wherever_the_writer_dies() {
    let story = Story { before: &[], acts: &[Begin, Write(2), Begin, Write(1), Close], readers: &[Messages] };
    let (points, seen) = story.explore_deaths(1);
    assert_eq!(points, 41);
    seen.has_seen(&[Slept, Moved]);
}

#[test]
fn a_write_that_was_cut_short_costs_only_frames_that_it_may_have_overwritten() {
    let story = Story { before: &[Begin, Write(2)], acts: &[Write(1)], readers: &[Frames] };
    let (points, seen) = story.explore_deaths(2);
    assert_eq!(points, 12);
    seen.has_seen(&[Slept, Lapped, Moved]);
}

#[test]
fn a_message_whose_writer_died_before_the_commit_is_never_delivered() {
    let story = Story { before: &[Begin, Write(1)], acts: &[Write(1)], readers: &[Messages] };
    let (points, seen) = story.explore_deaths(2);
    assert_eq!(points, 12);
    seen.has_seen(&[Slept, Moved]);
    let story = Story { before: &[Begin, Write(0), Write(0)], acts: &[Write(0)], readers: &[Messages] };
    let (points, seen) = story.explore_deaths(1);
    assert_eq!(points, 8);
    seen.has_seen(&[Slept, Moved]);
}

#[test]
fn readers_find_the_next_writer_wherever_a_switch_was_cut_short() {
    let story = Story { before: &[Begin, Write(1)], acts: &[Begin], readers: &[Frames] };
    let (points, seen) = story.explore_deaths(2);
    assert_eq!(points, 6);
    seen.has_seen(&[Slept, Moved]);
    let story = Story { before: &[], acts: &[Begin, Write(1)], readers: &[Frames] };
    let (points, seen) = story.explore_deaths(2);
    assert_eq!(points, 17);
    seen.has_seen(&[Slept, Moved]);
}

#[test]
fn readers_find_the_end_or_the_next_writer_wherever_a_close_was_cut_short() {
    let story = Story { before: &[Begin, Write(1)], acts: &[Close], readers: &[Frames] };
    let (points, seen) = story.explore_deaths(3);
    assert_eq!(points, 4);
    seen.has_seen(&[Slept, Moved]);
}
