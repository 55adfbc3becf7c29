//! Static parameters are described once. Parameters that change with the messages never cause a new description.

use std::sync::Arc;

use dora_node_api::{MetadataParameters, Parameter};
use dora_shm_message::{FrameRule, Interpreter, MessageSettings, Plan};
use dora_shm_ring::{Attr, Dtype};

use crate::support::*;

/// Plans of a hundred messages with these parameters.
fn plans(parameters: impl Fn(i64) -> MetadataParameters) -> Vec<Arc<Plan>> {
    let mut interpreter = Interpreter::new("data", MessageSettings::default());
    let mut plans: Vec<Arc<Plan>> = Vec::new();
    for i in 0..100 {
        let stored = store(&mut interpreter, &floats(6), &parameters(i)).unwrap();
        if plans.last().is_none_or(|last| !Arc::ptr_eq(last, &stored.plan)) {
            plans.push(stored.plan);
        }
    }
    plans
}

#[test]
fn messages_with_equal_parameters_share_one_plan() {
    let sent = parameters(&[("montage", text("10-20")), ("shape", integers(&[2, 3])), ("sample_rate", integer(5))]);
    let plans = plans(|_| sent.clone());
    assert_eq!(plans.len(), 1);
    assert_eq!(plans[0].description().attrs["montage"], Attr::String("10-20".into()));
    assert_eq!(plans[0].description().attrs.len(), 1);
}

#[test]
fn parameters_of_one_message_are_not_changes() {
    let plans = plans(|i| {
        parameters(&[
            ("sequence", integer(i)),
            ("axis_offset", Parameter::Float(i as f64)),
            ("timestamp", integer(i)),
            ("request_id", text(&i.to_string())),
            ("_internal", integer(i)),
            ("source_timestamp", Parameter::Timestamp(chrono::DateTime::from_timestamp_nanos(i))),
            ("position", integer(i)),
            ("lost", integer(i)),
            ("source_time", Parameter::Float(i as f64)),
            ("clock", text("unix")),
        ])
    });
    assert_eq!(plans.len(), 1);
    assert!(plans[0].description().attrs.is_empty());
}

#[test]
fn an_attribute_that_changes_once_is_a_new_description() {
    let plans = plans(|i| parameters(&[("gain", integer(i / 50))]));
    assert_eq!(plans.len(), 2);
    assert!(plans[0].same_generation(&plans[1]));
    assert_eq!(plans[1].description().attrs["gain"], Attr::Integer(1));
}

#[test]
fn an_attribute_that_keeps_changing_leaves_the_description_for_good() {
    let plans = plans(|i| parameters(&[("counter", integer(i)), ("montage", text("10-20"))]));
    assert_eq!(plans.len(), 4, "three values, then none");
    assert_eq!(plans[3].description().attrs.keys().collect::<Vec<_>>(), ["montage"]);
    assert!(plans.windows(2).all(|pair| pair[0].same_generation(&pair[1])));
}

#[test]
fn names_that_are_new_with_each_message_make_few_descriptions() {
    let plans = plans(|i| MetadataParameters::from([(format!("k{i}"), integer(1)), ("montage".into(), integer(7))]));
    assert!(plans.len() <= 10, "{} descriptions", plans.len());
    assert_eq!(plans.last().unwrap().description().attrs.keys().collect::<Vec<_>>(), ["montage"]);
}

#[test]
fn an_attribute_that_comes_late_and_stays_is_described_however_many_there_are() {
    let plans = plans(|i| (0..=i).map(|late| (format!("late{late}"), integer(late))).collect());
    let attrs = &plans.last().unwrap().description().attrs;
    assert_eq!(attrs.len(), 100);
    assert_eq!(attrs["late99"], Attr::Integer(99));
}

#[test]
fn an_attribute_that_stays_is_described_among_names_that_do_not() {
    let plans = plans(|i| {
        let mut sent = MetadataParameters::from([(format!("k{i}"), integer(1))]);
        if i >= 50 {
            sent.insert("operator".into(), text("me"));
        }
        sent
    });
    assert!(plans.len() <= 12, "{} descriptions", plans.len());
    assert_eq!(plans.last().unwrap().description().attrs.keys().collect::<Vec<_>>(), ["operator"]);
}

#[test]
fn a_true_timestamp_is_an_attribute_until_it_changes() {
    let at = |ns| Parameter::Timestamp(chrono::DateTime::from_timestamp_nanos(ns));
    let same = plans(|_| parameters(&[("timestamp", at(5))]));
    assert_eq!(same[0].description().attrs["timestamp"], Attr::Timestamp(5));
    let changing = plans(|i| parameters(&[("timestamp", at(i))]));
    assert_eq!(changing.len(), 4);
    assert!(changing[3].description().attrs.is_empty());
}

#[test]
fn an_offset_in_axes_is_not_a_change() {
    let plans = plans(|i| {
        let axes = format!(r#"{{"time":{{"kind":"linear","unit":"s","gain":0.5,"offset":{i}}}}}"#);
        parameters(&[("axes", Parameter::String(axes)), ("dims", names(&["time"]))])
    });
    assert_eq!(plans.len(), 1);
}

#[test]
fn labels_that_keep_changing_leave_the_description_for_good() {
    let plans = plans(|i| {
        let axes = format!(r#"{{"ch":{{"kind":"coord","unit":"","data":["a{i}","b","c","d","e","f"]}}}}"#);
        parameters(&[("axes", Parameter::String(axes)), ("dims", names(&["ch"]))])
    });
    assert_eq!(plans.len(), 4);
    assert!(plans[2].description().axes.contains_key("ch"));
    assert_eq!(plans[3].description().axes.keys().collect::<Vec<_>>(), ["time"]);
}

#[test]
fn values_that_come_and_go_settle() {
    let plans = plans(|i| match i % 2 {
        0 => parameters(&[("axis_offset", Parameter::Float(i as f64)), ("lens", integer(5))]),
        _ => parameters(&[]),
    });
    assert!(plans.len() <= 4, "{} descriptions", plans.len());
}

#[test]
fn the_number_of_frames_is_not_a_change() {
    let mut interpreter = Interpreter::new("data", MessageSettings::default());
    let mut plans = Vec::new();
    for frames in [5, 3, 3, 8, 1] {
        let sent = parameters(&[("shape", integers(&[2, frames])), ("dims", names(&["ch", "time"]))]);
        let array = floats(2 * frames as usize);
        let stored = store(&mut interpreter, &array, &sent).unwrap();
        assert_comes_back(&stored, &array, &sent);
        plans.push(stored.plan);
    }
    assert!(plans.windows(2).all(|pair| Arc::ptr_eq(&pair[0], &pair[1])));
}

#[test]
fn a_shape_that_is_overridden_and_changes_makes_few_descriptions() {
    let settings = MessageSettings { shape: Some(vec![12]), ..MessageSettings::default() };
    let mut interpreter = Interpreter::new("data", settings);
    let mut plans = Vec::new();
    for i in 0..20 {
        let shape = [[3, 4], [4, 3], [2, 6], [1, 12]][i % 4];
        plans.push(store(&mut interpreter, &floats(12), &parameters(&[("shape", integers(&shape))])).unwrap().plan);
    }
    plans.dedup_by(|a, b| Arc::ptr_eq(a, b));
    assert!(plans.len() <= 4, "{} descriptions", plans.len());
}

#[test]
fn columns_that_keep_changing_leave_the_description_for_good() {
    let settings = MessageSettings {
        fields: strings(&["data"]),
        dtype: Some(Dtype::F32),
        shape: Some(vec![4]),
        frames: FrameRule::Rows,
        ..MessageSettings::default()
    };
    let mut interpreter = Interpreter::new("data", settings);
    let mut plans = Vec::new();
    for width in 1..20 {
        let points = blob(&bytes_of(&floats(4 * width)));
        let cloud = record(&[("height", count(1)), ("width", count(width as u32)), ("data", points)]);
        let stored = store(&mut interpreter, &cloud, &MetadataParameters::default()).unwrap();
        assert_eq!(stored.frames, width as u64);
        plans.push(stored.plan);
    }
    plans.dedup_by(|a, b| Arc::ptr_eq(a, b));
    assert_eq!(plans.len(), 4, "three widths, then none");
    assert_eq!(plans[3].description().attrs.keys().collect::<Vec<_>>(), ["height"]);
}

#[test]
fn new_settings_apply_from_the_next_message_on() {
    let mut interpreter = Interpreter::new("data", MessageSettings::default());
    let sent = parameters(&[("montage", text("10-20"))]);
    let first = store(&mut interpreter, &floats(6), &sent).unwrap();
    interpreter.set_settings(MessageSettings::default());
    let second = store(&mut interpreter, &floats(6), &sent).unwrap();
    assert!(Arc::ptr_eq(&first.plan, &second.plan), "the same settings change nothing");
    let settings = MessageSettings { shape: Some(vec![2, 3]), key: Some("k".into()), ..MessageSettings::default() };
    interpreter.set_settings(settings.clone());
    assert_eq!(interpreter.settings(), &settings);
    let third = store(&mut interpreter, &floats(6), &sent).unwrap();
    assert_eq!((third.plan.frame_shape(), third.plan.key()), (&[2, 3][..], "k"));
}
