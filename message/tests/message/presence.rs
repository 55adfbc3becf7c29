//! Parameters that come with some messages and not with others.

use std::sync::Arc;

use arrow::array::ArrayRef;
use dora_node_api::{MetadataParameters, Parameter};
use dora_shm_message::{Interpreter, MessageSettings};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::support::*;

/// Takes the messages through one interpreter, checks that there are few descriptions, and returns what comes back.
fn back(messages: &[(ArrayRef, MetadataParameters)], most_plans: usize) -> Vec<(Stored, MetadataParameters)> {
    let mut interpreter = Interpreter::new("data", MessageSettings::default());
    let mut plans = Vec::new();
    let stored = messages.iter().map(|(array, sent)| {
        let stored = store(&mut interpreter, array, sent).unwrap();
        let (rebuilt, back) = stored.rebuild(None).unwrap();
        assert_eq!(&rebuilt, array);
        plans.push(Arc::clone(&stored.plan));
        (stored, back)
    });
    let stored = stored.collect();
    plans.dedup_by(|a, b| Arc::ptr_eq(a, b));
    assert!(plans.len() <= most_plans, "{} descriptions", plans.len());
    stored
}

/// Checks that a sink behind the mirror, reading each message as if it were the first, finds the times of the ring.
fn assert_times(messages: &[(ArrayRef, MetadataParameters)], most_plans: usize) {
    for (i, (stored, back)) in back(messages, most_plans).into_iter().enumerate() {
        let (array, sent) = &messages[i];
        let again = interpret(array, &back, MessageSettings::default()).unwrap();
        assert_eq!(again.times, stored.times, "message {i}: {sent:?} came back as {back:?}");
    }
}

fn signal(extra: &[(&str, Parameter)]) -> MetadataParameters {
    let mut sent = parameters(&[("dims", names(&["time"])), ("sample_rate", integer(4))]);
    sent.extend(parameters(extra));
    sent
}

fn offset(value: f64) -> (&'static str, Parameter) {
    ("axis_offset", Parameter::Float(value))
}

fn values(first: f64) -> (&'static str, Parameter) {
    ("axis_values", Parameter::ListFloat(vec![first, first + 0.5, first + 0.625]))
}

fn axes(label: usize, offset: usize) -> (&'static str, Parameter) {
    let axes = format!(
        r#"{{"time":{{"kind":"linear","unit":"s","gain":0.25,"offset":{offset}}},"ch":{{"kind":"coord","unit":"{label}"}}}}"#
    );
    ("axes", Parameter::String(axes))
}

#[test]
fn times_that_come_with_some_messages_are_right_with_all() {
    let every = |nth: usize, with: &dyn Fn(f64) -> MetadataParameters| -> Vec<(ArrayRef, MetadataParameters)> {
        let sent = |i: usize| if i.is_multiple_of(nth) { with(i as f64) } else { signal(&[]) };
        (0..20).map(|i| (floats(3), sent(i))).collect()
    };
    assert_times(&every(2, &|i| signal(&[offset(i)])), 4);
    assert_times(&every(3, &|i| signal(&[offset(i)])), 4);
    assert_times(&every(2, &|i| signal(&[values(i)])), 4);
    assert_times(&every(2, &|i| signal(&[values(i), offset(i + 9.0)])), 4);
    // Offsets come and go many times before the first values do.
    let sent = |i: usize| match i {
        0..10 if i.is_multiple_of(2) => signal(&[offset(i as f64)]),
        10.. if i.is_multiple_of(3) => signal(&[values(i as f64)]),
        _ => signal(&[]),
    };
    assert_times(&(0..30).map(|i| (floats(3), sent(i))).collect::<Vec<_>>(), 5);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn times_that_come_in_any_way_are_right(ways in vec((0_usize..6, 0_usize..3, 0_usize..4), 1..40)) {
        let mut interpreter = Interpreter::new("data", MessageSettings::default());
        // Without any of these, the send time places a message, also in a graph behind a mirror.
        for (way, label, place) in ways {
            let at = place as f64;
            let sent = match way {
                0 => signal(&[]),
                1 => signal(&[offset(at)]),
                2 => signal(&[values(at)]),
                3 => signal(&[axes(label, place)]),
                4 => signal(&[axes(label, place), offset(at + 7.0)]),
                _ => signal(&[axes(label, place), offset(at)]),
            };
            let stored = store(&mut interpreter, &floats(3), &sent).unwrap();
            let (_, back) = stored.rebuild(None).unwrap();
            let again = interpret(&floats(3), &back, MessageSettings::default()).unwrap();
            prop_assert_eq!(&again.times, &stored.times, "{:?} came back as {:?}", sent, back);
        }
    }
}

#[test]
fn times_are_right_after_the_axes_that_held_them_leave_the_description() {
    let messages: Vec<_> = (0..20).map(|i| (floats(3), signal(&[axes(i, i)]))).collect();
    assert_times(&messages, 4);
    // If `axis_offset` differs, it is in force.
    let sent = |i: usize| match i % 3 {
        0 => signal(&[axes(0, i)]),
        1 => signal(&[axes(0, i), offset(i as f64 + 7.0)]),
        _ => signal(&[axes(0, i), offset(i as f64)]),
    };
    assert_times(&(0..30).map(|i| (floats(3), sent(i))).collect::<Vec<_>>(), 6);
}

#[test]
fn an_offset_that_comes_with_some_messages_keeps_its_type() {
    let sent = |i: i64| if i % 2 == 0 { signal(&[("axis_offset", integer(i))]) } else { signal(&[]) };
    let messages: Vec<_> = (0..20).map(|i| (floats(3), sent(i))).collect();
    for (i, (_, back)) in back(&messages, 4).into_iter().enumerate().step_by(2) {
        assert_eq!(back["axis_offset"], integer(i as i64));
    }
}

#[test]
fn a_shape_that_came_and_went_is_not_given_to_other_messages() {
    let dims = || parameters(&[("dims", names(&["time", "ch"]))]);
    let with = |shape: &[i64]| {
        let mut sent = dims();
        sent.insert("shape".into(), integers(shape));
        sent
    };
    let rows = || fixed_lists(floats(30), 6);
    let mut messages: Vec<_> = (0..9).map(|i| (rows(), if i % 2 == 0 { with(&[5, 6]) } else { dims() })).collect();
    // Messages of another type, which never have a shape.
    let columns: Vec<_> = ["a", "b", "c", "d", "e", "f"].iter().map(|name| (*name, floats(5))).collect();
    messages.extend((0..5).map(|_| (record(&columns), dims())));
    let back = back(&messages, 6);
    for (_, back) in &back[9..] {
        assert_eq!(back.get("shape"), None);
    }
}

#[test]
fn a_shape_comes_back_only_with_its_type_when_types_alternate() {
    let flat = parameters(&[("shape", integers(&[5, 6])), ("dims", names(&["time", "ch"]))]);
    let rows = parameters(&[("dims", names(&["time", "ch"]))]);
    let messages: Vec<_> = (0..20)
        .map(|i| if i % 2 == 0 { (floats(30), flat.clone()) } else { (fixed_lists(floats(30), 6), rows.clone()) })
        .collect();
    for ((_, sent), (_, back)) in messages.iter().zip(back(&messages, 20)) {
        assert_eq!(back.get("shape"), sent.get("shape"));
    }
}

#[test]
fn a_shape_that_comes_with_some_messages_keeps_its_type() {
    let sent = |i: i64| {
        let mut sent = parameters(&[("dims", names(&["time", "ch"]))]);
        if i % 2 == 0 {
            sent.insert("shape".into(), text("[5, 6]"));
        }
        sent
    };
    let messages: Vec<_> = (0..20).map(|i| (fixed_lists(floats(30), 6), sent(i))).collect();
    for (_, back) in back(&messages, 4).iter().step_by(2) {
        assert_eq!(back["shape"], text("[5, 6]"));
    }
}
