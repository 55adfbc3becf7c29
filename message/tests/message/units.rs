//! Units of the buffered axis in the parameter `axes`: the ring has seconds, regardless of the source's unit.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::buffer::Buffer;
use dora_node_api::{MetadataParameters, Parameter};
use dora_shm_message::{Interpreter, MessageSettings};
use dora_shm_ring::Axis;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::*;

fn auto() -> MessageSettings {
    MessageSettings::default()
}

/// Forty frames of one channel with these axes.
fn sent(axes: &Value) -> MetadataParameters {
    parameters(&[
        ("shape", integers(&[40, 1])),
        ("dims", names(&["time", "ch"])),
        ("axes", Parameter::String(axes.to_string())),
    ])
}

fn linear(unit: &str, gain: f64) -> Value {
    json!({"time": {"kind": "linear", "unit": unit, "gain": gain}})
}

fn from(unit: &str, gain: f64, offset: f64) -> Value {
    json!({"time": {"kind": "linear", "unit": unit, "gain": gain, "offset": offset}})
}

fn buffered(stored: &Stored) -> &Axis {
    &stored.plan.description().axes[&stored.plan.description().dims[0]]
}

fn axes_of(sent: &MetadataParameters) -> Value {
    let Parameter::String(text) = &sent["axes"] else { panic!("{sent:?}") };
    serde_json::from_str(text).unwrap()
}

#[track_caller]
fn assert_spaced(stored: &Stored, start: f64, step: f64) {
    for (i, time) in stored.times.iter().enumerate() {
        let expected = start + i as f64 * step;
        assert!((time - expected).abs() <= 1e-12 * expected.abs().max(step), "frame {i} is at {time}, not {expected}");
    }
}

#[test]
fn a_gain_in_milliseconds_is_a_rate_in_hertz() {
    let sent = sent(&linear("ms", 5.0));
    let stored = interpret(&floats(40), &sent, auto()).unwrap();
    assert_eq!(stored.plan.rate_hz(), Some(200.0));
    assert_spaced(&stored, SEND_NS as f64 * 1e-9, 0.005);
    assert_eq!(*buffered(&stored), Axis::Linear { unit: "s".into(), gain: 0.005, offset: None });
    assert_comes_back(&stored, &floats(40), &sent);
}

#[test]
fn every_unit_of_time_is_converted_to_seconds() {
    for (unit, gain, rate_hz) in [
        ("s", 0.5, 2.0),
        ("sec", 0.5, 2.0),
        ("Seconds", 0.5, 2.0),
        ("second", 0.5, 2.0),
        ("ms", 5.0, 200.0),
        ("msec", 4.0, 250.0),
        ("milliseconds", 1.0, 1000.0),
        ("us", 500.0, 2000.0),
        ("\u{b5}s", 500.0, 2000.0),
        ("\u{3bc}s", 500.0, 2000.0),
        ("microseconds", 250.0, 4000.0),
        ("ns", 1e6, 1000.0),
        ("nanoseconds", 62_500.0, 16_000.0),
        ("min", 0.5, 1.0 / 30.0),
        ("minutes", 2.0, 1.0 / 120.0),
        ("h", 1.0, 1.0 / 3600.0),
        ("hours", 0.5, 1.0 / 1800.0),
        (" ms ", 5.0, 200.0),
    ] {
        let sent = sent(&linear(unit, gain));
        let stored = interpret(&floats(40), &sent, auto()).unwrap();
        assert_eq!(stored.plan.rate_hz(), Some(rate_hz), "{unit}");
        let expected = Axis::Linear { unit: "s".into(), gain: 1.0 / rate_hz, offset: None };
        assert_eq!(*buffered(&stored), expected, "{unit}");
        assert_comes_back(&stored, &floats(40), &sent);
    }
}

#[test]
fn offsets_and_coordinates_are_converted_too_and_come_back_in_their_unit() {
    let offset = sent(&from("ms", 5.0, 12.3));
    let stored = interpret(&floats(40), &offset, auto()).unwrap();
    assert_spaced(&stored, 0.0123, 0.005);
    let (_, back) = stored.rebuild(None).unwrap();
    assert_eq!(axes_of(&back), axes_of(&offset));

    let data: Vec<f64> = (0..40).map(|i| f64::from(i * i) + 0.1).collect();
    let coordinates = sent(&json!({"time": {"kind": "coord", "unit": "ms", "data": data}}));
    let stored = interpret(&floats(40), &coordinates, auto()).unwrap();
    assert_eq!(stored.times, data.iter().map(|at| at / 1000.0).collect::<Vec<_>>());
    assert_eq!((stored.plan.rate_hz(), buffered(&stored)), (None, &Axis::Coord { unit: "s".into(), data: None }));
    let (_, back) = stored.rebuild(Some(7)).unwrap();
    assert_eq!(axes_of(&back), axes_of(&coordinates));
}

#[test]
fn offsets_in_milliseconds_that_move_on_make_one_description() {
    let mut interpreter = Interpreter::new("data", auto());
    let mut plans = Vec::new();
    for i in 0..50 {
        let sent = sent(&from("ms", 0.1, f64::from(i) * 0.75));
        let stored = store(&mut interpreter, &floats(40), &sent).unwrap();
        assert_eq!(stored.times[0], f64::from(i) * 0.75 / 1000.0);
        let (_, back) = stored.rebuild(None).unwrap();
        assert_eq!(axes_of(&back), axes_of(&sent));
        plans.push(stored.plan);
    }
    assert!(plans.windows(2).all(|pair| Arc::ptr_eq(&pair[0], &pair[1])));
}

#[test]
fn a_rate_does_not_contradict_a_gain_in_milliseconds() {
    let mut parameter = sent(&linear("ms", 5.0));
    parameter.insert("sample_rate".into(), integer(200));
    let setting = MessageSettings { sample_rate_hz: Some(200.0), ..auto() };
    for (sent, settings) in [(&parameter, auto()), (&sent(&linear("ms", 5.0)), setting)] {
        let stored = interpret(&floats(40), sent, settings).unwrap();
        assert_eq!(stored.plan.rate_hz(), Some(200.0));
        assert_eq!(*buffered(&stored), Axis::Linear { unit: "s".into(), gain: 0.005, offset: None });
        assert_comes_back(&stored, &floats(40), sent);
    }
}

#[test]
fn the_offset_that_wins_is_in_seconds_and_so_are_axis_values() {
    let mut sent = sent(&from("ms", 5.0, 12.5));
    sent.insert("axis_offset".into(), Parameter::Float(2.0));
    let stored = interpret(&floats(40), &sent, auto()).unwrap();
    assert_spaced(&stored, 2.0, 0.005);
    let (_, back) = stored.rebuild(None).unwrap();
    assert_eq!(axes_of(&back), axes_of(&sent));
    sent.insert("axis_offset".into(), Parameter::Float(0.0125));
    let stored = interpret(&floats(40), &sent, auto()).unwrap();
    assert_spaced(&stored, 0.0125, 0.005);
    assert_eq!(axes_of(&stored.rebuild(None).unwrap().1), axes_of(&sent));
}

#[test]
fn an_axis_other_than_time_keeps_its_unit_and_its_numbers() {
    for unit in ["Hz", "mm", "MS", "m", "d B"] {
        let mut sent = sent(&from(unit, 0.25, 7.0));
        for rate in [None, Some(200)] {
            sent.extend(rate.map(|rate| ("sample_rate".to_owned(), integer(rate))));
            let stored = interpret(&floats(40), &sent, auto()).unwrap();
            assert_eq!(*buffered(&stored), Axis::Linear { unit: unit.into(), gain: 0.25, offset: None });
            assert_spaced(&stored, 7.0, 0.25);
            assert_eq!(stored.plan.rate_hz(), Some(rate.map_or(4.0, |rate| rate as f64)));
            assert_eq!(axes_of(&stored.rebuild(None).unwrap().1), axes_of(&sent));
        }
        let setting = MessageSettings { sample_rate_hz: Some(50.0), ..auto() };
        let stored = interpret(&floats(40), &sent, setting).unwrap();
        assert_eq!(*buffered(&stored), Axis::Linear { unit: unit.into(), gain: 0.25, offset: None });
        assert_eq!(stored.plan.rate_hz(), Some(50.0));
    }
    // The units of axes that are not buffered are not converted either.
    let other = json!({"ch": {"kind": "linear", "unit": "ms", "gain": 3.0, "offset": 1.0}});
    let stored = interpret(&floats(40), &sent(&other), auto()).unwrap();
    let expected = Axis::Linear { unit: "ms".into(), gain: 3.0, offset: Some(1.0) };
    assert_eq!(stored.plan.description().axes["ch"], expected);
}

#[test]
fn times_that_overflow_in_seconds_are_refused() {
    for axes in [linear("h", 1e308), from("h", 1.0, -1e308)] {
        let refusal = interpret(&floats(40), &sent(&axes), auto()).unwrap_err().to_string();
        assert!(refusal.contains("`axes`") && refusal.contains("seconds"), "{refusal}");
    }
}

#[test]
fn a_run_of_frames_means_the_same_to_the_next_sink() {
    let stored = interpret(&floats(40), &sent(&from("ms", 5.0, 12.5)), auto()).unwrap();
    let samples = [Buffer::from_slice_ref(&stored.samples[40..])];
    let (array, sent): (ArrayRef, _) = stored.rebuilder().run(&samples, &[&stored.times[10..]], &MARKS).unwrap();
    let again = interpret(&array, &sent, auto()).unwrap();
    assert_eq!((again.plan.rate_hz(), again.times[0]), (Some(200.0), stored.times[10]));
}

proptest! {
    #[test]
    fn an_offset_of_few_digits_comes_back_to_the_last(
        digits in -999_999_999_999_999_i64..=999_999_999_999_999,
        places in 0_i32..12,
        unit in proptest::sample::select(vec!["s", "ms", "us", "ns", "min", "h"]),
    ) {
        let offset: f64 = format!("{digits}e-{places}").parse().unwrap();
        let axes = from(unit, 5.0, offset);
        let stored = interpret(&floats(40), &sent(&axes), auto()).unwrap();
        prop_assert_eq!(axes_of(&stored.rebuild(None).unwrap().1), axes);
    }
}
