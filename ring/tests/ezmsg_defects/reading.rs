//! Which frames a reader gets, and how it reports those that it does not get.

use std::time::{Duration, Instant};

use dora_shm_ring::{
    Chunk, Dtype, Format, Frames, Outcome, Reader, ReaderOptions, Start, Times, Writer, WriterOptions,
};

use dora_shm_testkit::source::*;
use dora_shm_testkit::{Flag, Name};

// D1: while write_index equals the ring's length, every poll returns the whole ring again.
#[test]
fn a_ring_that_is_exactly_full_is_delivered_once() {
    let name = Name::new("d1");
    let mut source = Source::new(&name, 100);
    let mut reader = from_oldest(&name);
    source.write(100);
    assert_eq!(drain(&mut reader, u64::MAX), Taken { read: 100, lost: 0, next: 100 });
    for _ in 0..10 {
        assert_eq!(drain(&mut reader, u64::MAX).read, 0);
    }
    // In lockstep, with chunks that divide the ring and with chunks that do not.
    for chunk in [50, 25, 20, 100, 7, 33] {
        let before = source.position;
        for _ in 0..100 {
            source.write(chunk);
            assert_eq!(drain(&mut reader, u64::MAX).read, chunk);
        }
        assert_eq!(drain(&mut reader, u64::MAX), Taken { read: 0, lost: 0, next: before + 100 * chunk });
    }
    assert_eq!(reader.lost(), 0);
}

// D2: a single frame is never returned; half the frames of a video arrive a period late.
#[test]
fn one_frame_written_is_one_frame_read() {
    let name = Name::new("d2");
    let mut source = Source::new(&name, 100);
    let mut reader = from_oldest(&name);
    let mut newest = Frames::default();
    for position in 0..250 {
        source.write(1);
        assert_eq!(reader.latest(1, &mut newest).unwrap(), 1);
        assert_eq!(checked(&newest), position..position + 1);
        assert_eq!(drain(&mut reader, 1), Taken { read: 1, lost: 0, next: position + 1 });
    }
}

// D3: with exactly N frames unread, an overflow is reported; after an overflow, the oldest frame is skipped silently.
#[test]
fn exactly_a_ring_of_unread_frames_is_read_without_loss_and_one_more_is_counted() {
    let name = Name::new("d3");
    let mut source = Source::new(&name, 100);
    let mut reader = from_oldest(&name);
    for first in [0, 37, 64] {
        source.write(first);
        drain(&mut reader, u64::MAX);
        let lost = reader.lost();
        source.write(60);
        source.write(40);
        assert_eq!(drain(&mut reader, u64::MAX), Taken { read: 100, lost: 0, next: source.position });
        assert_eq!(reader.lost(), lost);

        source.write(61);
        source.write(40);
        let taken = drain(&mut reader, u64::MAX);
        assert_eq!(taken.next, source.position);
        assert_eq!(taken.read + taken.lost, 101, "every position is read or lost");
        assert!(taken.lost >= 1 && taken.read >= 50, "{taken:?}");
        assert_eq!(reader.lost(), lost + taken.lost);
    }
}

// D4: a reader that reads n frames at a time is not notified of a whole lap that it lost.
#[test]
fn a_lap_lost_while_reading_n_at_a_time_is_counted() {
    let name = Name::new("d4");
    let mut source = Source::new(&name, 100);
    let mut reader = from_oldest(&name);
    let mut frames = Frames::default();
    source.write(100);
    assert!(reader.read(&mut frames, 10).unwrap().is_data());
    assert_eq!(checked(&frames), 0..10);
    source.write(100);
    let taken = drain(&mut reader, 10);
    assert_eq!(taken.read + taken.lost, 190);
    assert!(taken.lost >= 90, "{taken:?}");
    assert_eq!(taken.next, 200);
    assert_eq!(reader.lost(), taken.lost);
}

// D5: frames change after they were read, times and frames disagree, and the reader can write into the ring.
#[test]
fn frames_stay_as_they_were_read_and_a_view_reports_what_was_overwritten() {
    let name = Name::new("d5");
    let mut source = Source::new(&name, 100);
    let mut reader = from_oldest(&name);
    source.write(80);
    let mut frames = Frames::default();
    assert!(reader.read(&mut frames, u64::MAX).unwrap().is_data());
    source.write(80);
    assert_eq!(checked(&frames), 0..80, "a copy belongs to the reader");

    let Outcome::Data(view) = reader.view(u64::MAX).unwrap() else { panic!("80 frames are there") };
    source.write(50);
    let whole = reader.finish(view);
    assert_eq!(whole, 110..160, "of 80..160, the frames below 210 - 100 are gone");
    assert_eq!(reader.lost(), 30);
    assert_eq!(drain(&mut reader, u64::MAX), Taken { read: 50, lost: 0, next: 210 });
}

// D5 and D6: torn frames, two laps mixed within one frame, phantom frames and wrong contents while formats change.
#[test]
fn no_frame_is_torn_or_of_another_generation_while_the_writer_runs_flat_out() {
    const SAMPLES: u64 = 64;
    const CHUNK: u64 = 7;
    const FRAMES_OF_A_GENERATION: u64 = 300 * CHUNK;
    let name = Name::new("d6");
    let stop = Flag::new();
    let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
    let mut reader = from_oldest(&name);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut chunk = Vec::new();
            for generation in 0_u64.. {
                // Each sample holds its generation's number and its frame's position.
                let frames = 40 + generation % 3 * 30;
                let format = Format::new(Dtype::U64, &[SAMPLES + generation % 2], 0.0, frames).unwrap();
                writer.begin(&format, &description(), CHUNK).unwrap();
                for first in (0..FRAMES_OF_A_GENERATION).step_by(CHUNK as usize) {
                    chunk.clear();
                    let positions = first..first + CHUNK;
                    for position in positions.clone() {
                        let sample = generation << 32 | position;
                        (0..SAMPLES + generation % 2).for_each(|_| chunk.extend(sample.to_le_bytes()));
                    }
                    let times: Vec<f64> = positions.map(|position| (generation << 32 | position) as f64).collect();
                    writer.write(&Chunk { samples: &chunk, times: Times::Values(&times), send_ns: 0 }).unwrap();
                    if stop.is_raised() {
                        return;
                    }
                }
            }
        });
        let _stop = stop.raise_at_end();
        let mut frames = Frames::default();
        // Counted across all generations.
        let (mut next, mut read, mut generations) = (0, 0_u64, 0_u64);
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(2) {
            match reader.read(&mut frames, 5).unwrap() {
                Outcome::Data(_) => {
                    let generation = u64::from(frames.generation());
                    let samples = frames.samples_as::<u64>().unwrap();
                    let width = (SAMPLES + generation % 2) as usize;
                    assert_eq!(samples.len(), width * frames.frames() as usize);
                    let first = generation * FRAMES_OF_A_GENERATION + frames.first();
                    assert_eq!(first, next + frames.lost(), "every frame is read or lost");
                    for (i, frame) in samples.chunks(width).enumerate() {
                        let expected = generation << 32 | (frames.first() + i as u64);
                        assert!(frame.iter().all(|&sample| sample == expected), "{expected:#x}: {frame:x?}");
                        assert_eq!(frames.times()[i], expected as f64, "times and frames agree");
                    }
                    next = first + frames.frames();
                    read += frames.frames();
                }
                Outcome::Generation => generations += 1,
                Outcome::Nothing => {
                    let _ = reader.wait(Duration::from_millis(20)).unwrap();
                }
                Outcome::Closed => unreachable!("the writer is not closed"),
            }
        }
        assert!(read > 1000 && generations > 3, "{read} frames of {generations} generations");
    });
}

// D7, second part.
#[test]
fn all_times_are_delivered_as_they_were_written() {
    let name = Name::new("d7-times");
    let mut source = Source::new(&name, 100);
    let generation = source.writer.generation();
    let mut reader = from_oldest(&name);
    let mut frames = Frames::default();
    for times in [[0.0, 0.5, 7.0], [7.0, 7.0, 7.0], [3.0, 2.0, 1.0], [f64::NAN, f64::INFINITY, -0.0]] {
        let chunk = Chunk { samples: &[0; 3 * 16], times: Times::Values(&times), send_ns: 0 };
        source.writer.write(&chunk).unwrap();
        assert!(reader.read(&mut frames, u64::MAX).unwrap().is_data());
        let bits = |times: &[f64]| times.iter().map(|time| time.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(frames.times()), bits(&times));
    }
    assert_eq!(source.writer.generation(), generation);
}

// D8: a chunk longer than the ring is an error, leaves the ring half overwritten and is lost silently.
#[test]
fn a_chunk_longer_than_the_ring_keeps_the_newest_frames_and_counts_the_rest() {
    let name = Name::new("d8");
    let mut source = Source::new(&name, 100);
    let mut reader = from_oldest(&name);
    source.write(30);
    drain(&mut reader, u64::MAX);
    source.write(257);
    let taken = drain(&mut reader, u64::MAX);
    assert_eq!((taken.read + taken.lost, taken.next), (257, 287));
    assert!(taken.lost >= 157 && taken.read >= 50, "{taken:?}");
    let mut newest = Frames::default();
    assert_eq!(reader.latest(100, &mut newest).unwrap(), 100);
    assert_eq!(checked(&newest), 187..287, "the ring holds the newest frames");
    source.write(5);
    assert_eq!(drain(&mut reader, u64::MAX), Taken { read: 5, lost: 0, next: 292 });
}

// D21: a reader that joins gets 3, 50, 97 or 100 frames, depending on the position in the ring.
#[test]
fn each_joiner_gets_the_same_history_wherever_the_ring_stands() {
    let name = Name::new("d21");
    let mut source = Source::new(&name, 100);
    let options = |start| ReaderOptions::default().start(start);
    for chunk in [100, 3, 47, 47, 3, 50, 100, 250] {
        source.write(chunk);
        let join = |start| {
            let mut reader = Reader::open(&name, options(start)).unwrap();
            let taken = drain(&mut reader, u64::MAX);
            assert_eq!(reader.lost(), 0, "frames before the start do not count as lost");
            (taken.read, taken.next)
        };
        assert_eq!(join(Start::Oldest), (100, source.position));
        assert_eq!(join(Start::Last(30)), (30, source.position));
        assert_eq!(join(Start::Last(1000)), (100, source.position));
        assert_eq!(join(Start::Newest).0, 0);
    }
}
