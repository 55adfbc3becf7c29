//! Two concurrent readers: each gets everything, and one wake-up wakes both.

use super::story::Act::{Begin, Write};
use super::story::Reads::{Frames, Messages};
use super::story::Story;
use super::witness::Event::{Lapped, Moved, Slept};

#[test]
fn one_write_wakes_both_readers() {
    Story { before: &[Begin], acts: &[Write(1)], readers: &[Frames, Frames] }.explore(None).has_seen(&[Slept]);
}

#[test]
fn both_readers_may_be_lapped() {
    let story = Story { before: &[Begin, Write(2)], acts: &[Write(1)], readers: &[Frames, Frames] };
    story.explore(Some(3)).has_seen(&[Slept, Lapped]);
}

#[test]
fn both_readers_of_messages_may_be_lapped() {
    let story = Story { before: &[Begin, Write(0), Write(0)], acts: &[Write(0)], readers: &[Messages, Messages] };
    story.explore(Some(3)).has_seen(&[Slept]);
}

#[test]
fn frames_and_messages_are_read_side_by_side() {
    Story { before: &[Begin], acts: &[Write(1)], readers: &[Frames, Messages] }.explore(Some(3)).has_seen(&[Slept]);
}

#[test]
fn both_readers_follow_a_switch() {
    let story = Story { before: &[Begin], acts: &[Write(1), Begin], readers: &[Frames, Frames] };
    story.explore(Some(3)).has_seen(&[Slept, Moved]);
}
