//! What the sink's refusals and warnings advise can be done as it is written. The hints of single messages are followed
//! in the tests of `message/`.

use dora_node_api::Parameter;
use dora_node_api::integration_testing::integration_testing_format::IncomingEvent;
use serde_json::{Value, json};

use crate::{Seen, counted, input, last_status, opened, play, reader_of, stream_name};

/// Plays `messages` into a sink with `settings`. Returns what a reader saw, and the number of refused messages.
fn seen_with(test: &str, settings: &[(&str, &str)], messages: Vec<IncomingEvent>) -> (Seen, Value) {
    let name = stream_name(test);
    let opened = opened(&name, settings);
    let reader = reader_of(&name);
    let (ended, outputs) = play(opened, messages);
    ended.unwrap();
    (reader.join().unwrap(), last_status(&outputs)["refused"].clone())
}

/// A flat vector of `length` numbers.
fn vector(length: u32) -> IncomingEvent {
    input("data", json!(counted(0, length)), "Float32", &[])
}

#[test]
fn a_source_of_vectors_of_varying_length_is_refused_also_in_the_length_of_the_ring() {
    // Without a stated length in frames, messages are held back first.
    for (test, settings) in [("lengths", &[("BUF_FRAMES", "10")][..]), ("lengths-held", &[])] {
        let lengths = [2, 4, 6, 4, 6, 6, 2, 6, 0, 6];
        let (seen, refused) = seen_with(test, settings, lengths.map(vector).into());
        let lengths: Vec<_> = seen.messages.iter().map(Vec::len).collect();
        assert_eq!((&lengths[..], refused), (&[2, 4, 6][..], json!(7)), "{test}");
    }
}

#[test]
fn a_source_of_vectors_is_taken_again_with_the_sixty_fourth_message_of_one_length() {
    let lengths = [2, 4, 6, 4].into_iter().chain([6; 70]);
    let (seen, refused) = seen_with("lengths-steady", &[("BUF_FRAMES", "200")], lengths.map(vector).collect());
    assert_eq!((seen.messages.len(), seen.formats.len(), refused), (3 + 7, 3, json!(1 + 63)));
}

#[test]
fn the_settings_named_for_a_varying_length_take_every_message() {
    let lengths = [2, 4, 6, 2, 6, 4];
    let expected: Vec<_> = lengths.map(|length| counted(0, length)).to_vec();
    for (settings, frame) in [
        (&[("FRAMES", "rows")][..], &[][..]),
        (&[("FRAMES", "rows"), ("SHAPE", "")], &[]),
        (&[("FRAMES", "rows"), ("SHAPE", "[]")], &[]),
        (&[("FRAMES", "rows"), ("SHAPE", "2")], &[2]),
    ] {
        let settings = [settings, &[("BUF_FRAMES", "100")]].concat();
        let (seen, refused) = seen_with("lengths-rows", &settings, lengths.map(vector).into());
        assert_eq!((&seen.messages, refused), (&expected, json!(0)), "{settings:?}");
        assert_eq!((seen.formats.len(), seen.formats[0].frame_shape()), (1, frame), "{settings:?}");
    }
}

#[test]
fn the_settings_named_for_a_varying_rate_or_key_take_every_message() {
    let rates = |i: u32| {
        input("data", json!(counted(i, 1)), "Float32", &[("sample_rate", Parameter::Float(30.0 + 0.01 * f64::from(i)))])
    };
    let keys = |i: u32| input("data", json!(counted(i, 1)), "Float32", &[("key", Parameter::String(i.to_string()))]);
    let length = ("BUF_FRAMES", "100");
    for (test, make, setting) in
        [("rates", &rates as &dyn Fn(u32) -> IncomingEvent, ("SAMPLE_RATE", "30")), ("keys", &keys, ("KEY", "x"))]
    {
        let messages = || (0..10).map(make).collect();
        assert_eq!(seen_with(test, &[length], messages()).1, json!(7), "{test}");
        let (seen, refused) = seen_with(test, &[length, setting], messages());
        assert_eq!((seen.messages.len(), seen.formats.len(), refused), (10, 1, json!(0)), "{test}");
    }
}

#[test]
fn a_ring_that_max_bytes_refuses_or_shortens_is_made_once_it_is_raised_or_the_ring_lowered() {
    let frames = |messages: u32| (0..messages).map(|i| crate::signal(10 * i, 10)).collect::<Vec<_>>();
    let limit = ("MAX_BYTES", "200000");
    let refused = |settings: &[(&str, &str)]| seen_with("limits", settings, frames(3)).1;
    assert_eq!(refused(&[limit, ("BUF_FRAMES", "1000000")]), json!(3));
    assert_eq!(refused(&[limit, ("BUF_FRAMES", "100")]), json!(0));
    assert_eq!(refused(&[("MAX_BYTES", "100000000"), ("BUF_FRAMES", "1000000")]), json!(0));

    let length = |max_bytes| {
        seen_with("limits", &[("MAX_BYTES", max_bytes), ("BUF_DUR", "100")], frames(3)).0.formats[0].frames()
    };
    assert!(length("200000") < 100_000);
    assert_eq!(length("100000000"), 100_000);
}

#[test]
fn a_message_longer_than_the_ring_is_kept_whole_once_buf_frames_is_raised() {
    let long = || vec![crate::signal(0, 100), crate::signal(100, 100)];
    let (seen, _) = seen_with("long", &[("BUF_FRAMES", "30")], long());
    assert!(seen.lost > 0, "only the newest frames fit");
    let (seen, _) = seen_with("long", &[("BUF_FRAMES", "200")], long());
    assert_eq!((seen.messages, seen.lost), (vec![counted(0, 100), counted(100, 100)], 0));
}
