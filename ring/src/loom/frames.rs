//! Readers of frames, and the writer that overtakes them.

use super::story::Act::{Begin, Write};
use super::story::Reads::{Frames, Views};
use super::story::Story;
use super::witness::Event::{Lapped, Slept};

#[test]
fn every_frame_is_read_whole_or_counted_as_lost() {
    let story = Story { before: &[Begin, Write(2)], acts: &[Write(2)], readers: &[Frames] };
    story.explore(None).has_seen(&[Slept, Lapped]);
}

#[test]
fn no_reader_sleeps_past_the_last_write() {
    let story = Story { before: &[Begin], acts: &[Write(1), Write(1)], readers: &[Frames] };
    story.explore(None).has_seen(&[Slept]);
}

#[test]
fn a_reader_that_is_lapped_frame_by_frame_continues() {
    let story = Story { before: &[Begin], acts: &[Write(1), Write(1), Write(1)], readers: &[Frames] };
    story.explore(Some(3)).has_seen(&[Slept, Lapped]);
}

#[test]
fn the_newest_frames_of_a_chunk_longer_than_the_ring_are_read() {
    let story = Story { before: &[Begin], acts: &[Write(1), Write(3)], readers: &[Frames] };
    story.explore(Some(3)).has_seen(&[Slept, Lapped]);
}

#[test]
fn every_lent_frame_is_whole_when_it_is_given_back_or_counted_as_lost() {
    let story = Story { before: &[Begin, Write(2)], acts: &[Write(2)], readers: &[Views] };
    story.explore(Some(3)).has_seen(&[Slept, Lapped]);
}
