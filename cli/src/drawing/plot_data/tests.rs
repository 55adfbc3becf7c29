//! Histories of real streams, against a reference model that examines every frame.

use dora_shm_ring::{Chunk, ReaderOptions, Times, Writer, WriterOptions};
use proptest::prelude::*;

use super::*;

/// A stream, and what was written to it.
struct Fixture {
    writer: Writer,
    reader: Reader,
    format: Format,
    frames: Vec<(f64, Vec<f32>)>,
}

const CHANNELS: usize = 2;

fn fixture(rate_hz: f64, ring_frames: u64) -> Fixture {
    static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let name = format!("cli-test/{}/history-{number}", std::process::id());
    let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
    let format = Format::new(Dtype::F32, &[CHANNELS as u64], rate_hz, ring_frames).unwrap();
    writer.begin(&format, &Description::default(), 1).unwrap();
    let mut reader = Reader::open(&name, ReaderOptions::default()).unwrap();
    assert_eq!(reader.held(), 0..0);
    let _ = reader.advance().unwrap();
    Fixture { writer, reader, format, frames: Vec::new() }
}

impl Fixture {
    fn write(&mut self, frames: &[(f64, Vec<f32>)]) {
        let samples: Vec<u8> =
            frames.iter().flat_map(|(_, samples)| samples.iter().flat_map(|x| x.to_le_bytes())).collect();
        let times: Vec<f64> = frames.iter().map(|(time, _)| *time).collect();
        self.writer.write(&Chunk { samples: &samples, times: Times::Values(&times), send_ns: 0 }).unwrap();
        self.frames.extend_from_slice(frames);
    }

    fn history(&self, window: Window) -> History {
        History::new(&self.format, Chosen::new(&[0, 1], CHANNELS), window)
    }

    fn read_all(&mut self, history: &mut History) {
        let mut steps = 0;
        while history.read(&mut self.reader, Duration::ZERO).unwrap() {
            steps += 1;
            assert!(steps < 100_000, "reading does not end");
        }
    }

    /// The extent of a column by the reference model.
    fn extent(&self, history: &History, column: i64, channel: usize) -> Option<(f64, f64)> {
        let inside = self.frames.iter().filter(|(time, _)| history.column_of(*time) == column);
        let samples = inside.map(|(_, samples)| f64::from(samples[channel])).filter(|sample| sample.is_finite());
        samples.fold(None, |extent, sample| match extent {
            None => Some((sample, sample)),
            Some((low, high)) => Some((f64::min(low, sample), f64::max(high, sample))),
        })
    }

    #[track_caller]
    fn check(&self, history: &History) {
        for column in history.shown() {
            let found = history.columns().get(column);
            for channel in 0..CHANNELS {
                let found = found.and_then(|found| found.extent(channel));
                assert_eq!(found, self.extent(history, column, channel), "column {column} of {:?}", history.shown());
            }
        }
    }
}

/// `count` frames at 100 Hz from `first` on, with their numbers as samples. No frame is on the edge of a column.
fn frames(first: u64, count: u64) -> Vec<(f64, Vec<f32>)> {
    (first..first + count).map(|i| ((i as f64 + 0.5) / 100.0, vec![i as f32, -(i as f32)])).collect()
}

fn live(length: f64, columns: usize) -> Window {
    Window { end: End::Newest, length, columns }
}

#[derive(Clone, Debug)]
enum Step {
    Write(Vec<(u8, i8)>),
    Read,
    Show { end: Option<f64>, length: f64, columns: usize },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => prop::collection::vec((0u8..4, any::<i8>()), 1..60).prop_map(Step::Write),
        2 => Just(Step::Read),
        2 => (prop::option::of(0.0f64..12.0), prop::sample::select(vec![0.1, 0.5, 2.0]), prop::sample::select(vec![10, 17]))
            .prop_map(|(end, length, columns)| Step::Show { end, length, columns }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_columns_of_every_window_are_those_that_the_reference_model_finds(steps in prop::collection::vec(step(), 1..30)) {
        // Longer than all that is written: what is read does not depend on when.
        let mut fixture = fixture(0.0, 2000);
        let mut history = fixture.history(live(2.0, 10));
        let mut time = 0.0;
        for step in steps {
            match step {
                Step::Write(new) => {
                    let new: Vec<_> = new
                        .into_iter()
                        .map(|(hundredths, value)| {
                            time += f64::from(hundredths) * 0.01;
                            let value = if value == i8::MAX { f32::NAN } else { f32::from(value) };
                            (time, vec![value, -value])
                        })
                        .collect();
                    fixture.write(&new);
                }
                Step::Read => _ = history.read(&mut fixture.reader, Duration::ZERO).unwrap(),
                Step::Show { end, length, columns } => {
                    let end = end.map_or(End::Newest, End::At);
                    history.show(&mut fixture.reader, Window { end, length, columns }).unwrap();
                }
            }
        }
        fixture.read_all(&mut history);
        // Constant times cannot be an axis, and the reference model knows only times.
        if history.clock == Clock::Times {
            fixture.check(&history);
        }
    }
}

#[test]
fn the_newest_frames_are_read_first_and_one_step_is_short() {
    let mut fixture = fixture(100.0, 4000);
    fixture.write(&frames(0, 3000));
    let mut history = fixture.history(live(30.0, 100));
    assert!(history.read(&mut fixture.reader, Duration::ZERO).unwrap(), "one block is not all of it");
    assert_eq!(history.shown().end, history.column_of(29.995) + 1);
    assert!(history.columns().get(history.shown().end - 1).is_some());
    assert!(history.columns().get(history.shown().start).is_none());
    fixture.read_all(&mut history);
    fixture.check(&history);
}

#[test]
fn columns_that_left_the_live_window_are_read_again_when_the_window_goes_back() {
    let mut fixture = fixture(100.0, 4000);
    fixture.write(&frames(0, 200));
    let mut history = fixture.history(live(1.0, 10));
    fixture.read_all(&mut history);
    let before = history.shown();
    // Less than would be read newest first.
    fixture.write(&frames(200, 60));
    fixture.read_all(&mut history);
    assert!(history.shown().start > before.start && history.shown().start < before.end);
    history.show(&mut fixture.reader, Window { end: End::At(1.95), length: 1.0, columns: 10 }).unwrap();
    assert_eq!(history.shown(), before);
    fixture.read_all(&mut history);
    fixture.check(&history);
}

#[test]
fn frames_that_were_overwritten_before_they_were_read_leave_a_gap() {
    let mut fixture = fixture(100.0, 40);
    fixture.write(&frames(0, 40));
    let mut history = fixture.history(live(2.0, 20));
    fixture.read_all(&mut history);
    // Three laps of the ring before the next read.
    for first in [40, 80, 120] {
        fixture.write(&frames(first, 40));
    }
    fixture.read_all(&mut history);
    let columns: Vec<(i64, u64, u64)> = history
        .shown()
        .filter_map(|column| history.columns().get(column).map(|found| (column, found.first, found.end)))
        .collect();
    let breaks: Vec<(u64, u64)> = columns
        .windows(2)
        .filter(|pair| !history.joined((pair[0].2, pair[0].0), (pair[1].1, pair[1].0)))
        .map(|pair| (pair[0].2, pair[1].1))
        .collect();
    assert_eq!(breaks, [(40, 120)]);
}

#[test]
fn overwritten_columns_are_reported_and_columns_without_frames_are_not() {
    let mut fixture = fixture(100.0, 40);
    fixture.write(&frames(0, 30));
    let mut history = fixture.history(live(2.0, 20));
    fixture.read_all(&mut history);
    assert_eq!(history.gone_columns(fixture.reader.held()), 0);
    fixture.write(&frames(30, 40));
    fixture.write(&frames(70, 40));
    history.show(&mut fixture.reader, Window { end: End::At(0.95), length: 0.9, columns: 9 }).unwrap();
    fixture.read_all(&mut history);
    let held = fixture.reader.held();
    assert_eq!(
        history.gone_columns(held.clone()),
        7 - history.shown().start as usize,
        "{held:?} {:?}",
        history.shown()
    );
}

#[test]
fn times_that_begin_again_discard_the_columns_before() {
    let mut fixture = fixture(100.0, 4000);
    fixture.write(&frames(0, 500));
    let mut history = fixture.history(live(2.0, 20));
    fixture.read_all(&mut history);
    fixture.write(&frames(0, 50));
    fixture.read_all(&mut history);
    assert_eq!(history.end(), 0.5);
    let there: Vec<i64> = history.shown().filter(|&column| history.columns().get(column).is_some()).collect();
    assert_eq!(there, [0, 1, 2, 3, 4]);
    assert_eq!(history.columns().get(0).unwrap().extent(0), Some((0.0, 9.0)));
    // The same if reading backwards finds it.
    let mut history = fixture.history(live(2.0, 20));
    history.judged_by = u64::MAX;
    fixture.read_all(&mut history);
    assert_eq!(history.columns().get(4).unwrap().extent(0), Some((40.0, 49.0)));
    assert!(history.columns().get(-1).is_none());
}

#[test]
fn times_that_are_not_numbers_or_do_not_rise_are_replaced_by_the_rate_or_the_order() {
    for (rate, length, unit) in [(100.0, 1.0, "s"), (0.0, 100.0, "frames")] {
        for time in [f64::NAN, 7.0, f64::INFINITY] {
            let mut fixture = fixture(rate, 400);
            fixture.write(&(0..300).map(|i| (time, vec![i as f32, 0.0])).collect::<Vec<_>>());
            let mut history = fixture.history(live(length, 10));
            fixture.read_all(&mut history);
            assert_eq!(history.unit(None), unit);
            let last = history.columns().get(history.shown().end - 1).unwrap();
            let (low, high) = last.extent(0).unwrap();
            assert!((289.0..=291.0).contains(&low) && high == 299.0, "{rate} {time}: {low} {high}");
        }
    }
}

#[test]
fn a_pause_of_the_source_is_a_gap_if_the_rate_is_known() {
    let mut fixture = fixture(100.0, 400);
    fixture.write(&frames(0, 50));
    let later: Vec<_> = frames(50, 50).into_iter().map(|(time, samples)| (time + 3.0, samples)).collect();
    fixture.write(&later);
    let mut history = fixture.history(live(5.0, 50));
    fixture.read_all(&mut history);
    let before = history.columns().get(4).unwrap();
    let after = history.columns().get(35).unwrap();
    assert_eq!((before.end, after.first), (50, 50));
    assert!(!history.joined((before.end, 4), (after.first, 35)));
}
