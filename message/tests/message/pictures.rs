//! How pictures are described.

use arrow::array::ArrayRef;
use dora_node_api::MetadataParameters;
use dora_shm_message::{Interpreter, MessageSettings};
use dora_shm_ring::{Attr, Dtype};

use crate::support::*;

fn auto() -> MessageSettings {
    MessageSettings::default()
}

/// The word for the pixels of a message, which has to come back from a mirror as it was.
fn pixels(array: &ArrayRef, sent: &MetadataParameters, settings: MessageSettings) -> Option<String> {
    let stored = interpret(array, sent, settings).unwrap();
    assert_comes_back(&stored, array, sent);
    word_of(&stored)
}

fn word_of(stored: &Stored) -> Option<String> {
    match stored.plan.description().attrs.get("_picture") {
        Some(Attr::String(word)) => Some(word.clone()),
        None => None,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_order_of_the_colours_is_described_for_every_encoding() {
    for (encoding, count, expected) in [
        ("bgr8", 72, "bgr"),
        ("8UC3", 72, "bgr"),
        ("rgb8", 72, "rgb"),
        ("rgba8", 96, "rgba"),
        ("bgra8", 96, "bgra"),
        ("8UC4", 96, "bgra"),
        ("mono8", 24, "gray"),
        ("gray8", 24, "gray"),
        ("yuv420", 36, "yuv420"),
    ] {
        assert_eq!(pixels(&bytes(count), &picture(6, 4, encoding), auto()).as_deref(), Some(expected), "{encoding}");
    }
    let depth = numbers(Dtype::U16, 24);
    assert_eq!(pixels(&depth, &picture(6, 4, "z16"), auto()).as_deref(), Some("gray"));
    let unnamed = parameters(&[("width", integer(6)), ("height", integer(4))]);
    assert_eq!(pixels(&floats(24), &unnamed, auto()).as_deref(), Some("gray"));
}

#[test]
fn frames_that_may_not_be_pictures_are_not_described_as_pictures() {
    let unnamed = parameters(&[("width", integer(6)), ("height", integer(4))]);
    assert_eq!(pixels(&bytes(72), &unnamed, auto()), None, "the order of the colours is not stated");
    assert_eq!(pixels(&floats(18), &picture(640, 480, "bgr8"), auto()), None, "boxes on a picture");
    assert_eq!(pixels(&floats(7), &parameters(&[("encoding", text("jointstate"))]), auto()), None);
    // A dim of the picture is buffered: a frame is a row of it.
    let rolled = MessageSettings { axis: Some("y".to_owned()), ..auto() };
    let stored = interpret(&bytes(72), &picture(6, 4, "bgr8"), rolled).unwrap();
    assert_eq!((stored.frames, word_of(&stored)), (4, None));
}

#[test]
fn a_shape_that_the_source_or_a_setting_gives_is_a_picture_if_the_size_fits_it() {
    let mut sent = picture(6, 4, "bgr8");
    sent.extend(parameters(&[("shape", integers(&[4, 6, 3])), ("dims", names(&["row", "col", "colour"]))]));
    assert_eq!(pixels(&bytes(72), &sent, auto()).as_deref(), Some("bgr"));
    let settings = MessageSettings { shape: Some(vec![4, 6, 3]), ..auto() };
    assert_eq!(pixels(&bytes(72), &picture(6, 4, "rgb8"), settings.clone()).as_deref(), Some("rgb"));
    assert_eq!(pixels(&bytes(72), &picture(640, 480, "rgb8"), settings), None);
}

#[test]
fn a_size_that_changes_while_the_shape_is_given_describes_another_array() {
    let mut interpreter = Interpreter::new("data", MessageSettings { shape: Some(vec![4, 6, 3]), ..auto() });
    let mut words = Vec::new();
    for width in [6, 7, 6, 7, 6, 7, 6] {
        let stored = store(&mut interpreter, &bytes(72), &picture(width, 4, "bgr8")).unwrap();
        words.push(word_of(&stored).is_some());
    }
    assert_eq!(words, [true, false, true, false, false, false, false]);
}

#[test]
fn an_encoding_that_keeps_changing_leaves_the_description_for_good() {
    let mut interpreter = Interpreter::new("data", auto());
    let mut words = Vec::new();
    for encoding in ["bgr8", "rgb8", "bgr8", "rgb8", "bgr8", "rgb8"] {
        let stored = store(&mut interpreter, &bytes(72), &picture(6, 4, encoding)).unwrap();
        words.push(word_of(&stored));
    }
    let words: Vec<_> = words.iter().map(Option::as_deref).collect();
    assert_eq!(words, [Some("bgr"), Some("rgb"), Some("bgr"), None, None, None]);
}
