//! Readers of messages, which need a chunk's record besides its frames.

use super::story::Act::{Begin, Write};
use super::story::Reads::Messages;
use super::story::Story;
use super::witness::Event::{Lapped, Slept};

#[test]
fn every_message_is_read_whole_or_counted_as_lost() {
    let story = Story { before: &[Begin, Write(1), Write(1)], acts: &[Write(1)], readers: &[Messages] };
    story.explore(Some(3)).has_seen(&[Slept, Lapped]);
}

#[test]
fn empty_messages_come_between_others() {
    let story = Story { before: &[Begin], acts: &[Write(1), Write(0), Write(1)], readers: &[Messages] };
    story.explore(Some(2)).has_seen(&[Slept, Lapped]);
}

#[test]
fn a_record_that_is_overwritten_is_not_taken_for_a_message() {
    let story = Story { before: &[Begin, Write(0), Write(0)], acts: &[Write(0)], readers: &[Messages] };
    story.explore(None).has_seen(&[Slept]);
}

#[test]
fn no_reader_sleeps_past_the_last_message() {
    let story = Story { before: &[Begin, Write(1)], acts: &[Write(1)], readers: &[Messages] };
    story.explore(None).has_seen(&[Slept]);
}

#[test]
fn no_reader_sleeps_past_an_empty_message() {
    let story = Story { before: &[Begin], acts: &[Write(1), Write(0)], readers: &[Messages] };
    story.explore(Some(3)).has_seen(&[Slept]);
}

#[test]
fn an_empty_message_may_come_first() {
    let story = Story { before: &[Begin], acts: &[Write(0), Write(1)], readers: &[Messages] };
    story.explore(Some(3)).has_seen(&[Slept]);
}

#[test]
fn a_message_whose_frames_are_lapped_is_lost_whole() {
    let story = Story { before: &[Begin, Write(2)], acts: &[Write(2)], readers: &[Messages] };
    story.explore(Some(3)).has_seen(&[Slept, Lapped]);
}

#[test]
fn a_message_longer_than_the_ring_is_skipped() {
    let story = Story { before: &[Begin], acts: &[Write(3), Write(1)], readers: &[Messages] };
    story.explore(Some(3)).has_seen(&[Slept, Lapped]);
}
