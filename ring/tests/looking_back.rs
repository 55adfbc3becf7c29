//! Frames by their positions and times, independent of the cursor.

use dora_shm_ring::*;
use dora_shm_testkit::{Name, signal};
use proptest::prelude::*;

fn stream(name: &str, frames: u64) -> Writer {
    let mut writer = Writer::create(name, WriterOptions::default()).unwrap();
    writer.begin(&signal::format(frames), &Description::default(), 10).unwrap();
    writer
}

/// The positions that the frames' content encodes.
fn positions(frames: &Frames) -> Vec<u64> {
    let words: &[u64] = frames.samples_as().unwrap();
    words.chunks_exact(signal::LEAST_WORDS).map(|frame| frame[0]).collect()
}

#[test]
fn before_there_is_a_ring_nothing_is_held() {
    let name = Name::new("none");
    let mut reader = Reader::open(&name, ReaderOptions::default()).unwrap();
    let mut frames = Frames::new();
    assert_eq!(reader.held(), 0..0);
    assert_eq!(reader.read_at(0..10, &mut frames).unwrap(), 0);
    assert_eq!(reader.position_at(1.0), 0);
}

#[test]
fn frames_older_than_the_ring_or_not_written_yet_are_left_out() {
    let name = Name::new("around");
    let mut writer = stream(&name, 40);
    for _ in 0..10 {
        signal::write(&mut writer, 10).unwrap();
    }
    let mut reader = Reader::open(&name, ReaderOptions::default()).unwrap();
    let mut frames = Frames::new();
    assert_eq!(reader.held(), 60..100);
    assert_eq!(reader.read_at(55..63, &mut frames).unwrap(), 3);
    assert_eq!((frames.first(), positions(&frames)), (60, vec![60, 61, 62]));
    assert_eq!(reader.read_at(98..u64::MAX, &mut frames).unwrap(), 2);
    assert_eq!((positions(&frames), frames.times()), (vec![98, 99], &[98, 99].map(signal::time_of)[..]));
    for nothing in [0..60, 100..200, 70..70, u64::MAX..u64::MAX] {
        assert_eq!(reader.read_at(nothing, &mut frames).unwrap(), 0);
        assert!(frames.is_empty());
    }
}

#[test]
fn frames_are_read_by_position_into_the_callers_memory() {
    let name = Name::new("into");
    let mut writer = stream(&name, 40);
    for _ in 0..10 {
        signal::write(&mut writer, 10).unwrap();
    }
    let mut reader = Reader::open(&name, ReaderOptions::default()).unwrap();
    let frame_bytes = reader.format().unwrap().frame_bytes() as usize;
    let mut frames = Frames::new();
    for (first, room, found) in
        [(70, 5, 70..75), (98, 5, 98..100), (55, 8, 60..63), (100, 5, 100..100), (0, 60, 60..60)]
    {
        let (mut samples, mut times) = (vec![0; room * frame_bytes], vec![0.0; room]);
        let copied = reader.read_at_into(first, &mut samples, &mut times).unwrap();
        assert_eq!((copied.first, copied.frames, copied.lost), (found.start, found.end - found.start, 0));
        let count = copied.frames as usize;
        assert_eq!(reader.read_at(found, &mut frames).unwrap(), copied.frames);
        assert_eq!((&samples[..count * frame_bytes], &times[..count]), (frames.samples(), frames.times()));
    }
    assert!(matches!(reader.read_at_into(70, &mut [0; 3], &mut [0.0]), Err(Error::BadArgument { .. })));
}

#[test]
fn looking_up_frames_does_not_move_the_cursor_or_count_a_loss() {
    let name = Name::new("cursor");
    let mut writer = stream(&name, 40);
    signal::write(&mut writer, 10).unwrap();
    let options = ReaderOptions::default().start(Start::Oldest);
    let mut reader = Reader::open(&name, options).unwrap();
    let mut frames = Frames::new();
    assert_eq!(reader.read_at(7..9, &mut frames).unwrap(), 2);
    assert_eq!((reader.position(), reader.lost()), (0, 0));
    assert!(reader.read(&mut frames, 100).unwrap().is_data());
    assert_eq!(positions(&frames), (0..10).collect::<Vec<_>>());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_position_of_a_time_is_that_of_the_first_frame_held_that_is_not_before_it(
        steps in prop::collection::vec(0u8..3, 1..120),
        asked in -5.0f64..250.0,
    ) {
        let name = Name::new("times");
        let mut writer = stream(&name, 40);
        let times: Vec<f64> = steps.iter().scan(0.0, |time, &step| { *time += f64::from(step); Some(*time) }).collect();
        for &time in &times {
            let start = Times::Linear { start: time, step: 0.0 };
            writer.write(&Chunk { samples: &[0; signal::LEAST_BYTES], times: start, send_ns: 0 }).unwrap();
        }
        let reader = Reader::open(&name, ReaderOptions::default()).unwrap();
        let held = reader.held();
        let expected = held.clone().find(|&position| times[position as usize] >= asked).unwrap_or(held.end);
        prop_assert_eq!(reader.position_at(asked), expected);
    }
}

#[test]
fn times_that_are_not_numbers_give_an_arbitrary_position_held() {
    let name = Name::new("nan");
    let mut writer = stream(&name, 40);
    for _ in 0..60 {
        let times = Times::Values(&[f64::NAN]);
        writer.write(&Chunk { samples: &[0; signal::LEAST_BYTES], times, send_ns: 0 }).unwrap();
    }
    let reader = Reader::open(&name, ReaderOptions::default()).unwrap();
    for time in [f64::NEG_INFINITY, 0.0, f64::INFINITY, f64::NAN] {
        assert!((20..=60).contains(&reader.position_at(time)));
    }
}
