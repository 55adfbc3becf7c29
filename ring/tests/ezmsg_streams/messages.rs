//! A stream that ezmsg wrote, as messages: the frames that one poll finds.

use dora_shm_ring::internal::unix_ns;
use dora_shm_ring::*;

use crate::from;
use crate::stage::{CHANNELS, Stage, frame_at, time_at};

#[track_caller]
fn check(message: &Message, positions: std::ops::Range<u64>) {
    let (samples, rest) = message.samples().as_chunks::<8>();
    assert!(rest.is_empty());
    let expected: Vec<i64> = positions.clone().flat_map(frame_at).collect();
    assert_eq!(samples.iter().map(|&bytes| i64::from_le_bytes(bytes)).collect::<Vec<_>>(), expected);
    assert_eq!(message.times(), positions.clone().map(time_at).collect::<Vec<_>>());
    let info = message.info();
    assert_eq!((info.first, info.frames), (positions.start, positions.end - positions.start));
}

#[test]
fn a_message_is_what_one_poll_finds_up_to_half_the_ring() {
    let stage = Stage::new("messages", 2, 20);
    let mut reader = MessageReader::open(&stage.name, ReaderOptions::default()).unwrap();
    let mut message = Message::new();
    stage.write(0..4);
    stage.write(4..8);
    let before = unix_ns();
    assert!(reader.next(&mut message).unwrap().is_data());
    check(&message, 0..8);
    assert!((before..=unix_ns()).contains(&message.info().send_ns), "sent when it was found");
    assert_eq!(reader.next(&mut message).unwrap(), Outcome::Nothing);
    stage.write(8..24);
    for (chunk, positions) in [(1, 8..18), (2, 18..24)] {
        assert!(reader.next(&mut message).unwrap().is_data());
        check(&message, positions);
        assert_eq!((message.info().chunk, message.info().lost), (chunk, 0));
    }
    stage.write(24..84);
    assert!(reader.next(&mut message).unwrap().is_data());
    check(&message, 74..84);
    assert_eq!((message.info().lost, reader.lost()), (50, 50));
}

#[test]
fn a_message_in_place_is_a_copy_and_the_reader_moves_on_when_it_is_given_back() {
    let stage = Stage::new("message-views", 2, 20);
    stage.write(0..6);
    let mut reader = MessageReader::open(&stage.name, from(Start::Oldest)).unwrap();
    for given_back in [false, true] {
        let Outcome::Data(view) = reader.view().unwrap() else { panic!("expected a message") };
        assert_eq!((view.info().first, view.info().frames, view.info().lost), (0, 6, 0));
        let [samples, rest] = view.samples();
        assert_eq!((samples.len(), rest.len()), (6 * 8 * CHANNELS, 0));
        assert!(!given_back || reader.finish(view));
    }
    assert!(matches!(reader.view().unwrap(), Outcome::Nothing));
    stage.write(6..7);
    let mut message = Message::new();
    assert!(reader.next(&mut message).unwrap().is_data());
    check(&message, 6..7);
}
