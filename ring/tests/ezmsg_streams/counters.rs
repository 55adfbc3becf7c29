//! Positions from an index and laps, which the writer stores one after the other.

use dora_shm_ring::*;

use crate::stage::{RATE, Stage, at, positions, time_at};
use crate::{expect, from, read};

fn every(range: std::ops::Range<u64>) -> Vec<u64> {
    range.collect()
}

#[test]
fn each_frame_is_read_once_with_messages_of_any_length() {
    for version in [1, 2] {
        for chunk in [1, 2, 5, 7, 10, 20] {
            let stage = Stage::new("once", version, 20);
            let mut reader = Reader::open(&stage.name, ReaderOptions::default()).unwrap();
            let mut position = 0;
            for _ in 0..50 {
                stage.write(position..position + chunk);
                assert_eq!(read(&mut reader), (position, every(position..position + chunk), 0), "{chunk}");
                // Defect D1: the index is N, and N again.
                expect(&mut reader, Outcome::Nothing);
                position += chunk;
            }
            assert_eq!(reader.lost(), 0);
        }
    }
}

#[test]
fn between_the_two_stores_at_the_end_of_a_lap_no_frame_is_invented_or_missed() {
    let stage = Stage::new("between", 2, 20);
    let mut reader = Reader::open(&stage.name, ReaderOptions::default()).unwrap();
    let mut position = 0;
    for _ in 0..60 {
        let next = position + 7;
        stage.store(position..next);
        let (laps, index) = stage.place(next);
        stage.patch(at::INDEX, &index.to_le_bytes());
        // Defect D6: N - 1 phantom frames and a false overflow.
        assert_eq!(read(&mut reader), (position, every(position..next), 0));
        expect(&mut reader, Outcome::Nothing);
        stage.patch(at::LAPS, &laps.to_le_bytes());
        expect(&mut reader, Outcome::Nothing);
        position = next;
    }
    assert_eq!(reader.lost(), 0);
}

#[test]
fn frames_are_looked_up_by_their_positions_and_times() {
    for version in [1, 2] {
        let stage = Stage::new("back", version, 20);
        let mut reader = Reader::open(&stage.name, ReaderOptions::default()).unwrap();
        let mut frames = Frames::new();
        for position in (0..50).step_by(10) {
            stage.write(position..position + 10);
            let _ = read(&mut reader);
        }
        assert_eq!(reader.held(), 30..50);
        assert_eq!(reader.read_at(28..34, &mut frames).unwrap(), 4);
        assert_eq!((frames.first(), positions(&frames)), (30, every(30..34)));
        for position in reader.held() {
            assert_eq!(reader.read_at(position..position + 1, &mut frames).unwrap(), 1);
            assert_eq!(reader.position_at(frames.times()[0]), position);
        }
        assert_eq!((reader.position(), reader.lost()), (50, 0));
    }
}

#[test]
fn a_reader_that_sleeps_through_laps_counts_what_it_missed() {
    for version in [1, 2] {
        let stage = Stage::new("laps", version, 20);
        let mut reader = Reader::open(&stage.name, ReaderOptions::default()).unwrap();
        for position in (0..70).step_by(10) {
            stage.write(position..position + 10);
        }
        // It continues half a ring behind the writer.
        assert_eq!(read(&mut reader), (60, every(60..70), 60));
        // Exactly a whole ring is not a loss: defect D3.
        stage.write(70..80);
        stage.write(80..90);
        assert_eq!(read(&mut reader), (70, every(70..90), 0));
        assert_eq!(reader.lost(), 60);
    }
}

#[test]
fn frames_that_the_writer_overwrites_unannounced_are_not_delivered() {
    let stage = Stage::new("overwritten", 2, 20);
    let mut reader = Reader::open(&stage.name, from(Start::Oldest)).unwrap();
    stage.write(0..20);
    let Outcome::Data(view) = reader.view(u64::MAX).unwrap() else { panic!("expected a view") };
    let before = view.samples()[0].to_vec();
    stage.write(20..30);
    assert_eq!(view.samples()[0].to_vec(), before, "a copy");
    assert_eq!(reader.finish(view), 0..20);
    assert_eq!(read(&mut reader), (20, every(20..30), 0));
}

#[test]
fn counters_that_contradict_each_other_are_an_error_and_the_reader_attaches_anew() {
    for (laps, index) in [(0, 21), (0, u64::MAX), (u64::MAX, 3), (u64::MAX / 20, 20)] {
        let stage = Stage::new("contradiction", 2, 20);
        let mut reader = Reader::open(&stage.name, ReaderOptions::default()).unwrap();
        stage.write(0..5);
        assert_eq!(read(&mut reader).1.len(), 5);
        stage.set(laps, index);
        let error = reader.read(&mut Frames::new(), 1).unwrap_err();
        assert!(matches!(error, Error::Corrupt { .. }), "{error:?}");
        assert!(reader.read(&mut Frames::new(), 1).is_err(), "the counters are still invalid");
        stage.set(0, 7);
        stage.store(5..7);
        expect(&mut reader, Outcome::Generation);
    }
    let stage = Stage::new("back", 2, 20);
    stage.write(0..50);
    let mut reader = Reader::open(&stage.name, ReaderOptions::default()).unwrap();
    stage.set(0, 5);
    assert!(matches!(reader.read(&mut Frames::new(), 1), Err(Error::Corrupt { .. })), "two laps back");
}

#[test]
fn another_format_is_another_generation() {
    for version in [1, 2] {
        let mut stage = Stage::new("generations", version, 20);
        let mut reader = Reader::open(&stage.name, ReaderOptions::default()).unwrap();
        stage.write(0..10);
        assert_eq!(read(&mut reader).1, every(0..10));
        // While the header is not valid, nothing is new, and its zeros are not a lap.
        stage.patch(at::VALID, &[0]);
        expect(&mut reader, Outcome::Nothing);
        stage.set(0, 0);
        expect(&mut reader, Outcome::Nothing);
        stage.next_generation(30);
        stage.write(0..4);
        expect(&mut reader, Outcome::Generation);
        assert_eq!((reader.generation(), reader.format().map(Format::frames)), (Some(1), Some(30)));
        assert_eq!(read(&mut reader), (0, every(0..4), 0));
        assert_eq!(reader.info().unwrap().stream_position, 14);
    }
}

#[test]
fn unread_frames_of_a_finished_generation_are_lost_as_far_as_they_were_seen() {
    let mut stage = Stage::new("over", 2, 20);
    let mut reader = Reader::open(&stage.name, ReaderOptions::default()).unwrap();
    stage.write(0..10);
    let mut frames = Frames::new();
    assert!(reader.read(&mut frames, 4).unwrap().is_data());
    assert_eq!(positions(&frames), every(0..4));
    stage.next_generation(20);
    stage.write(0..3);
    expect(&mut reader, Outcome::Generation);
    assert_eq!(read(&mut reader), (0, every(0..3), 6));
    assert_eq!(reader.lost(), 6);
}

#[test]
fn a_reader_that_was_opened_before_the_first_ring_begins_at_its_first_frame() {
    let stage = Stage::new("first", 2, 20);
    stage.make_header();
    let mut reader = Reader::open(&stage.name, ReaderOptions::default()).unwrap();
    assert_eq!(reader.wait(Default::default()).unwrap(), Wait::Timeout(Liveness::Ezmsg));
    assert_eq!(reader.format(), None);
    expect(&mut reader, Outcome::Nothing);
    stage.make_ring();
    stage.write(0..10);
    stage.patch(at::VALID, &[1]);
    expect(&mut reader, Outcome::Generation);
    assert_eq!(read(&mut reader), (0, every(0..10), 0));
}

#[test]
fn times_are_the_writers_or_follow_from_rate_and_position() {
    for (version, rate) in [(2, RATE), (1, RATE), (1, 0.0)] {
        let stage = Stage::new("times", version, 20);
        stage.patch(at::RATE, &f64::to_le_bytes(rate));
        let mut reader = Reader::open(&stage.name, ReaderOptions::default()).unwrap();
        for position in (0..60).step_by(5) {
            stage.write(position..position + 5);
            let mut frames = Frames::new();
            assert!(reader.read(&mut frames, u64::MAX).unwrap().is_data());
            for (position, &time) in (position..).zip(frames.times()) {
                match (version, rate > 0.0) {
                    (2, _) => assert_eq!(time, time_at(position)),
                    (_, true) => assert_eq!(time, position as f64 / RATE),
                    (_, false) => assert!(time.is_nan()),
                }
            }
        }
    }
}

#[test]
fn the_newest_frames_are_of_the_generation_that_the_cursor_is_in() {
    let mut stage = Stage::new("newest", 2, 20);
    let mut reader = Reader::open(&stage.name, ReaderOptions::default()).unwrap();
    let mut frames = Frames::new();
    stage.write(0..30);
    assert_eq!(reader.latest(5, &mut frames).unwrap(), 5);
    assert_eq!((frames.generation(), positions(&frames)), (0, every(25..30)));
    stage.next_generation(20);
    stage.write(0..3);
    assert_eq!(reader.latest(5, &mut frames).unwrap(), 5);
    assert_eq!((frames.generation(), positions(&frames)), (0, every(25..30)));
    expect(&mut reader, Outcome::Generation);
    assert_eq!(reader.latest(5, &mut frames).unwrap(), 3);
    assert_eq!((frames.generation(), positions(&frames)), (1, every(0..3)));
}
