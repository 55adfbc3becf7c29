//! Where the times of frames come from, which clock they are of, and that a second ring has the times of the first.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int32Array, Int64Array, TimestampMicrosecondArray, UInt32Array};
use arrow::buffer::Buffer;
use dora_node_api::{MetadataParameters, Parameter};
use dora_shm_message::{
    FrameRule, Interpreter, MessageSettings, Placement, Rebuilder, Refusal, StampedFrame, TimeNote, TimestampUnit,
};
use dora_shm_ring::{Attr, Clock, ClockId, Times, clock_id};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::support::*;

/// What an interpreter makes of the times of one message.
#[derive(Clone, Debug, PartialEq)]
enum Placed {
    Given(Vec<f64>),
    ByRate,
    ByArrival,
}

#[derive(Debug)]
struct Outcome {
    placed: Placed,
    clock: Clock,
    note: Option<String>,
}

fn place(interpreter: &mut Interpreter, array: &ArrayRef, parameters: &MetadataParameters) -> Result<Outcome, Refusal> {
    let chunk = interpreter.interpret(array, parameters, SEND_NS)?;
    let frames = chunk.frames();
    let placed = match chunk.placement() {
        Placement::Given(Times::Linear { start, step }) => {
            Placed::Given((0..frames).map(|i| start + i as f64 * step).collect())
        }
        Placement::Given(Times::Values(values)) => Placed::Given(values.to_vec()),
        Placement::Given(Times::Run(run)) => Placed::Given((0..frames).map(|i| run.at(i)).collect()),
        Placement::ByRate => Placed::ByRate,
        Placement::ByArrival => Placed::ByArrival,
    };
    let note = chunk.time_note().map(|note| note.to_string());
    Ok(Outcome { placed, clock: chunk.plan().expect("a plan").clock(), note })
}

/// Messages of the type `array`, read by one interpreter.
fn outcomes(settings: &MessageSettings, array: &ArrayRef, sent: &[MetadataParameters]) -> Vec<Outcome> {
    let mut interpreter = Interpreter::new("data", settings.clone());
    sent.iter().map(|sent| place(&mut interpreter, array, sent).unwrap()).collect()
}

fn times(settings: &MessageSettings, array: &ArrayRef, sent: &[MetadataParameters]) -> Vec<Placed> {
    outcomes(settings, array, sent).into_iter().map(|outcome| outcome.placed).collect()
}

fn none() -> MetadataParameters {
    MetadataParameters::default()
}

fn given(times: &[f64]) -> Placed {
    Placed::Given(times.to_vec())
}

fn real_number(value: f64) -> Parameter {
    Parameter::Float(value)
}

/// A signal of frames in rows, at 4 Hz or without a rate.
fn signal(rate: bool, extra: &[(&str, Parameter)]) -> MetadataParameters {
    let mut sent = parameters(&[("dims", names(&["time", "ch"]))]);
    if rate {
        sent.insert("sample_rate".into(), integer(4));
    }
    sent.extend(parameters(extra));
    sent
}

fn rows(frames: usize) -> ArrayRef {
    fixed_lists(floats(2 * frames), 2)
}

fn by(time: &str) -> MessageSettings {
    MessageSettings { time: Some(time.to_owned()), ..MessageSettings::default() }
}

#[test]
fn what_the_source_states_about_times_counts_in_this_order() {
    let all = [
        ("timestamp", integer(7_000_000_000)),
        ("axis_values", Parameter::ListFloat(vec![5.0, 5.5])),
        ("axis_offset", real_number(4.0)),
        ("source_time", real_number(3.0)),
        ("clock", text("unix")),
    ];
    for (settings, from, expected) in [
        (by("timestamp"), 0, given(&[7.0, 7.25])),
        (MessageSettings::default(), 1, given(&[5.0, 5.5])),
        (MessageSettings::default(), 2, given(&[4.0, 4.25])),
        (MessageSettings::default(), 3, given(&[3.0, 3.25])),
        (MessageSettings::default(), 4, Placed::ByRate),
    ] {
        assert_eq!(times(&settings, &rows(2), &[signal(true, &all[from..])]), [expected]);
    }
    assert_eq!(times(&MessageSettings::default(), &rows(2), &[signal(false, &[])]), [Placed::ByArrival]);
    // A place in `axes` counts like an offset.
    let axes = text(r#"{"time":{"kind":"linear","unit":"s","gain":0.25,"offset":6}}"#);
    let sent = signal(false, &[("axes", axes), ("source_time", real_number(3.0)), ("clock", text("unix"))]);
    assert_eq!(times(&MessageSettings::default(), &rows(2), &[sent]), [given(&[6.0, 6.25])]);
}

#[test]
fn the_time_of_one_frame_gives_those_of_the_others_by_the_rate() {
    let sent = [signal(true, &[("t", real_number(8.0))])];
    assert_eq!(times(&by("t"), &rows(3), &sent), [given(&[8.0, 8.25, 8.5])]);
    let last = MessageSettings { time_of: StampedFrame::Last, ..by("t") };
    assert_eq!(times(&last, &rows(3), &sent), [given(&[7.5, 7.75, 8.0])]);
    assert_eq!(times(&last, &rows(1), &sent), [given(&[8.0])]);
}

#[test]
fn without_a_rate_frames_are_spread_over_the_time_between_messages() {
    let sent: Vec<_> = [8.0, 9.0, 99.0].iter().map(|time| signal(false, &[("t", real_number(*time))])).collect();
    let last = MessageSettings { time_of: StampedFrame::Last, ..by("t") };
    assert_eq!(times(&last, &rows(2), &sent), [given(&[8.0, 8.0]), given(&[8.5, 9.0]), given(&[98.5, 99.0])]);
    assert_eq!(times(&by("t"), &rows(2), &sent), [given(&[8.0, 8.0]), given(&[9.0, 9.5]), given(&[99.0, 99.5])]);
}

#[test]
fn as_many_values_as_frames_are_one_each() {
    let listed = Parameter::ListInt(vec![1_000_000_000, 1_700_000_000, 2_900_000_000]);
    assert_eq!(times(&by("t"), &rows(3), &[signal(true, &[("t", listed.clone())])]), [given(&[1.0, 1.7, 2.9])]);
    let refusal = place(&mut Interpreter::new("data", by("t")), &rows(4), &signal(true, &[("t", listed)])).unwrap_err();
    let refusal = refusal.to_string();
    assert!(["TIME is `t`", "3 different", "4 frames"].iter().all(|part| refusal.contains(part)), "{refusal}");
    // Equal values are one.
    let equal = Parameter::ListFloat(vec![2.0; 3]);
    assert_eq!(times(&by("t"), &rows(2), &[signal(true, &[("t", equal)])]), [given(&[2.0, 2.25])]);
}

#[test]
fn the_stamp_of_a_ros_header_is_the_time_of_its_message() {
    let message = |sec: i32, nanosec: u32| {
        let stamp = record(&[
            ("sec", Arc::new(Int32Array::from(vec![sec])) as ArrayRef),
            ("nanosec", Arc::new(UInt32Array::from(vec![nanosec]))),
        ]);
        record(&[
            ("header", record(&[("stamp", stamp), ("frame_id", word("imu"))])),
            ("x", real(0.5)),
            ("y", real(1.5)),
        ])
    };
    let settings = MessageSettings { fields: strings(&["x", "y"]), clock: Some(Clock::Unix), ..by("header.stamp") };
    let mut interpreter = Interpreter::new("data", settings);
    for i in 0..3 {
        let outcome = place(&mut interpreter, &message(1_700_000_000 + i, 500_000_001), &none()).unwrap();
        assert_eq!(outcome.placed, given(&[f64::from(1_700_000_000 + i) + 0.500_000_001]));
        assert_eq!((outcome.clock, outcome.note), (Clock::Unix, None));
    }
}

#[test]
fn a_stamp_without_a_value_in_the_first_message_is_refused_as_that() {
    let stamp = record(&[
        ("sec", Arc::new(Int32Array::from(vec![None])) as ArrayRef),
        ("nanosec", Arc::new(UInt32Array::from(vec![None]))),
    ]);
    let message = record(&[("header", record(&[("stamp", stamp)])), ("x", real(0.5))]);
    let settings = MessageSettings { fields: strings(&["x"]), ..by("header.stamp") };
    let refusal = place(&mut Interpreter::new("data", settings), &message, &none()).unwrap_err().to_string();
    assert!(refusal.contains("one without a value in the first message; have the source send it"), "{refusal}");
}

#[test]
fn rows_of_a_table_have_a_time_each() {
    let taken: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![1_000_000, 1_250_000, 2_000_000]));
    let table = record(&[("taken", taken), ("x", doubles(3)), ("y", doubles(3))]);
    let settings = MessageSettings { fields: strings(&["x", "y"]), ..by("taken") };
    assert_eq!(times(&settings, &table, &[none()]), [given(&[1.0, 1.25, 2.0])]);
    // An integer column of another unit.
    let table = record(&[("ticks", Arc::new(Int64Array::from(vec![1_000, 1_250]))), ("x", doubles(2))]);
    let settings =
        MessageSettings { fields: strings(&["x"]), time_unit: Some(TimestampUnit::Milliseconds), ..by("ticks") };
    assert_eq!(times(&settings, &table, &[none()]), [given(&[1.0, 1.25])]);
}

#[test]
fn a_message_that_lacks_what_time_names_follows_the_frame_before_by_one_step() {
    let with = |time| signal(true, &[("t", real_number(time))]);
    let without = signal(true, &[]);
    let sent: Vec<_> = std::iter::once(with(8.0)).chain((0..20).map(|_| without.clone())).chain([with(20.0)]).collect();
    let outcomes = outcomes(&by("t"), &rows(2), &sent);
    for (i, outcome) in outcomes.iter().take(21).enumerate() {
        let first = 8.0 + i as f64 * 0.5;
        assert_eq!(outcome.placed, given(&[first, first + 0.25]));
        assert_eq!(outcome.note.is_some(), i > 0);
    }
    assert!(outcomes[1].note.as_ref().unwrap().contains("lacks `t`"), "{:?}", outcomes[1].note);
    assert_eq!(outcomes[21].placed, given(&[20.0, 20.25]));
    assert!(outcomes.iter().all(|outcome| outcome.clock == Clock::Source));
    // Without a rate, by the usual interval.
    let with = |time| signal(false, &[("t", real_number(time))]);
    let sent = [with(8.0), with(8.5), with(9.0), signal(false, &[]), with(f64::NAN), with(12.0)];
    let expected = [8.0, 8.5, 9.0, 9.5, 10.0, 12.0].map(|time| given(&[time]));
    assert_eq!(times(&by("t"), &rows(1), &sent), expected);
}

#[test]
fn a_first_message_without_what_time_names_is_refused_with_what_could_be_meant() {
    let stamp = record(&[("sec", count(1)), ("nanosec", count(1))]);
    let array = record(&[("header", record(&[("stamp", stamp)])), ("x", real(0.5))]);
    let settings = MessageSettings { fields: strings(&["x"]), ..by("header.time") };
    let mut interpreter = Interpreter::new("data", settings);
    let sent = parameters(&[("timestamp", integer(1))]);
    let refusal = place(&mut interpreter, &array, &sent).unwrap_err().to_string();
    for part in ["TIME is `header.time`", "set TIME to timestamp or header.stamp", "unset"] {
        assert!(refusal.contains(part), "{part}: {refusal}");
    }
    let refusal = place(&mut Interpreter::new("data", by("t")), &rows(1), &none()).unwrap_err().to_string();
    assert!(refusal.contains("have the source send it"), "{refusal}");
    // An empty message lacks nothing.
    let mut interpreter = Interpreter::new("data", by("t"));
    let (empty, none) = (floats(0), none());
    let chunk = interpreter.interpret(&empty, &none, SEND_NS).unwrap();
    assert!(matches!(chunk.placement(), Placement::Given(Times::Values(&[]))));
    assert_eq!((chunk.frames(), chunk.time_note()), (0, None));
}

#[test]
fn a_message_without_times_among_others_with_them_keeps_their_clock() {
    let with = |time| signal(true, &[("axis_offset", real_number(time)), ("clock", text("unix"))]);
    let without = signal(true, &[]);
    let sent = [with(8.0), without.clone(), with(20.0), without.clone()];
    let outcomes = outcomes(&MessageSettings::default(), &rows(2), &sent);
    let placed: Vec<_> = outcomes.iter().map(|outcome| outcome.placed.clone()).collect();
    assert_eq!(placed, [given(&[8.0, 8.25]), given(&[8.5, 8.75]), given(&[20.0, 20.25]), given(&[20.5, 20.75])]);
    assert!(outcomes.iter().all(|outcome| outcome.clock == Clock::Unix));
    assert!(outcomes[1].note.as_ref().unwrap().contains("lacks times"), "{:?}", outcomes[1].note);
}

#[test]
fn a_source_that_ceases_to_send_times_gets_times_made_for_it() {
    let with = signal(true, &[("axis_offset", real_number(8.0))]);
    let sent: Vec<_> = std::iter::once(with).chain((0..12).map(|_| signal(true, &[]))).collect();
    let outcomes = outcomes(&MessageSettings::default(), &rows(2), &sent);
    let clocks: Vec<_> = outcomes.iter().map(|outcome| outcome.clock).collect();
    assert_eq!(clocks, [vec![Clock::Source; 9], vec![Clock::Unix; 4]].concat());
    assert!(outcomes[9..].iter().all(|outcome| outcome.placed == Placed::ByRate && outcome.note.is_none()));
}

#[test]
fn a_timestamp_that_nobody_asked_for_is_mentioned_once() {
    let sent = signal(true, &[("timestamp", integer(1))]);
    let outcomes = outcomes(&MessageSettings::default(), &rows(2), &[sent.clone(), sent.clone(), sent.clone()]);
    let notes: Vec<_> = outcomes.iter().filter_map(|outcome| outcome.note.as_deref()).collect();
    let [note] = notes[..] else { panic!("{notes:?}") };
    assert!(note.contains("`timestamp`") && note.contains("TIME: timestamp"), "{note}");
    // Nothing is mentioned if it is used, or not needed.
    let mut interpreter = Interpreter::new("data", by("timestamp"));
    assert_eq!(interpreter.interpret(&rows(1), &sent, SEND_NS).unwrap().time_note(), None);
    let offset = signal(true, &[("timestamp", integer(1)), ("axis_offset", real_number(1.0))]);
    let mut interpreter = Interpreter::new("data", MessageSettings::default());
    assert_eq!(interpreter.interpret(&rows(1), &offset, SEND_NS).unwrap().time_note(), None);
    let note = TimeNote::UnusedTimestamp;
    assert_eq!(
        interpreter.interpret(&rows(1), &sent, SEND_NS).unwrap().time_note(),
        Some(TimeNote::Carried { name: None })
    );
    assert!(note.to_string().contains("TIME"));
}

#[test]
fn the_clock_is_the_setting_s_else_the_parameter_s_else_the_source_s() {
    let ours = clock_id().to_string();
    let others = ClockId([9; 16]).to_string();
    let given = ("axis_offset", real_number(1.0));
    let clock = |name: &str| ("clock", text(name));
    let id = |id: &str| ("clock_id", text(id));
    use Clock::{Monotonic, Source, Unix};
    for (setting, sent, expected) in [
        (None, vec![given.clone()], Source),
        (None, vec![given.clone(), clock("unix")], Unix),
        (None, vec![given.clone(), clock("source")], Source),
        (None, vec![given.clone(), clock("monotonic"), id(&ours)], Monotonic),
        (None, vec![given.clone(), clock("monotonic"), id(&others)], Source),
        (None, vec![given.clone(), clock("monotonic")], Source),
        (None, vec![given.clone(), clock("TAI")], Source),
        (Some(Unix), vec![given.clone(), clock("source")], Unix),
        (Some(Source), vec![given.clone(), clock("unix")], Source),
        (Some(Monotonic), vec![given.clone()], Monotonic),
        // Times that the sink makes.
        (None, vec![], Unix),
        (None, vec![clock("source")], Unix),
        (Some(Unix), vec![], Unix),
        (Some(Source), vec![], Unix),
        (Some(Monotonic), vec![], Monotonic),
    ] {
        for rate in [true, false] {
            let settings = MessageSettings { clock: setting, ..MessageSettings::default() };
            let outcome = &outcomes(&settings, &rows(1), &[signal(rate, &sent)])[0];
            assert_eq!(outcome.clock, expected, "{setting:?} {sent:?}");
        }
    }
}

#[test]
fn a_clock_that_counts_is_not_an_attribute_and_any_other_is_one() {
    let attrs = |sent: &[(&str, Parameter)]| {
        let stored = interpret(&rows(1), &signal(true, sent), MessageSettings::default()).unwrap();
        stored.plan.description().attrs.clone()
    };
    let ours = text(&clock_id().to_string());
    let offset = ("axis_offset", real_number(1.0));
    assert!(attrs(&[offset.clone(), ("clock", text("unix")), ("source_time", real_number(1.0))]).is_empty());
    assert!(attrs(&[offset.clone(), ("clock", text("monotonic")), ("clock_id", ours.clone())]).is_empty());
    let attr = |text: &str| Attr::String(text.to_owned());
    assert_eq!(attrs(&[offset.clone(), ("clock", text("TAI"))])["clock"], attr("TAI"));
    let elsewhere = attrs(&[offset, ("clock", text("monotonic")), ("clock_id", text("elsewhere"))]);
    assert_eq!((&elsewhere["clock"], &elsewhere["clock_id"]), (&attr("monotonic"), &attr("elsewhere")));
}

#[test]
fn a_change_of_the_clock_ends_a_generation() {
    let mut interpreter = Interpreter::new("data", MessageSettings::default());
    let sent = |clock: &str| signal(true, &[("axis_offset", real_number(1.0)), ("clock", text(clock))]);
    let unix = store(&mut interpreter, &rows(1), &sent("unix")).unwrap();
    let again = store(&mut interpreter, &rows(3), &sent("unix")).unwrap();
    assert!(Arc::ptr_eq(&unix.plan, &again.plan));
    let source = store(&mut interpreter, &rows(1), &sent("source")).unwrap();
    assert!(!unix.plan.same_generation(&source.plan));
    assert_eq!(source.format().clock(), Clock::Source);
    // A clock in use changes even if the parameter has changed often.
    let monotonic = signal(
        true,
        &[("axis_offset", real_number(1.0)), ("clock", text("monotonic")), ("clock_id", text(&clock_id().to_string()))],
    );
    for _ in 0..5 {
        assert_eq!(store(&mut interpreter, &rows(1), &monotonic).unwrap().plan.clock(), Clock::Monotonic);
        let elsewhere = signal(
            true,
            &[("axis_offset", real_number(1.0)), ("clock", text("monotonic")), ("clock_id", text("elsewhere"))],
        );
        assert_eq!(store(&mut interpreter, &rows(1), &elsewhere).unwrap().plan.clock(), Clock::Source);
    }
}

#[test]
fn settings_of_the_times_that_change_live_forget_the_times_before() {
    let mut interpreter = Interpreter::new("data", MessageSettings::default());
    place(&mut interpreter, &rows(1), &signal(true, &[("axis_offset", real_number(8.0))])).unwrap();
    interpreter.set_settings(by("t"));
    assert!(place(&mut interpreter, &rows(1), &signal(true, &[])).is_err(), "it would follow a time of another clock");
    let outcome = place(&mut interpreter, &rows(1), &signal(true, &[("t", real_number(3.0))])).unwrap();
    assert_eq!(outcome.placed, given(&[3.0]));
    interpreter.set_settings(MessageSettings { sample_rate_hz: Some(2.0), ..by("t") });
    assert_eq!(place(&mut interpreter, &rows(1), &signal(true, &[])).unwrap().placed, given(&[3.5]));
}

#[test]
fn an_axis_that_is_not_time_is_on_the_source_s_clock() {
    let axes = text(r#"{"freq":{"kind":"linear","unit":"Hz","gain":0.5}}"#);
    let sent = parameters(&[("dims", names(&["freq", "ch"])), ("stream_dim", text("freq")), ("axes", axes)]);
    for clock in [None, Some(Clock::Unix)] {
        let settings = MessageSettings { clock, ..MessageSettings::default() };
        let outcome = &outcomes(&settings, &rows(2), std::slice::from_ref(&sent))[0];
        assert_eq!(outcome.clock, Clock::Source);
        assert!(matches!(&outcome.placed, Placed::Given(places) if places[1] - places[0] == 0.5));
    }
}

/// A message behind a mirror: the array and parameters that it sends of these frames.
fn mirrored(stored: &Stored) -> (ArrayRef, MetadataParameters) {
    stored.rebuild(None).unwrap()
}

#[test]
fn times_that_the_first_sink_made_are_those_of_the_second_ring() {
    let mut first = Interpreter::new("data", MessageSettings::default());
    let mut second = Interpreter::new("data", MessageSettings::default());
    for (frames, rate) in [(3, true), (1, true), (1, false), (3, false)] {
        let stored = store(&mut first, &rows(frames), &signal(rate, &[])).unwrap();
        let (array, sent) = mirrored(&stored);
        let again = store(&mut second, &array, &sent).unwrap();
        assert_eq!(again.times, stored.times, "{sent:?}");
        assert_eq!(again.plan.clock(), Clock::Unix);
        if rate {
            assert!(!sent.contains_key("axis_values"), "the rate places them: {sent:?}");
        }
        assert!(again.plan.description().attrs.is_empty());
    }
}

#[test]
fn frames_that_the_rate_does_not_place_have_a_time_each() {
    let mut stored = interpret(&rows(4), &signal(true, &[]), MessageSettings::default()).unwrap();
    // A device that is 5 % off, and a jump within the message.
    for times in [[8.0, 8.24, 8.48, 8.72], [8.0, 8.25, 18.5, 18.75]] {
        stored.times = times.to_vec();
        let (array, sent) = mirrored(&stored);
        assert_eq!(sent["axis_values"], Parameter::ListFloat(times.to_vec()));
        let again = interpret(&array, &sent, MessageSettings::default()).unwrap();
        assert_eq!(again.times, times);
        assert_eq!(again.plan.clock(), Clock::Unix);
        let samples = [Buffer::from_slice_ref(&stored.samples)];
        let (_, run) = stored.rebuilder().run(&samples, &[&stored.times], &MARKS).unwrap();
        assert_eq!(run["axis_values"], Parameter::ListFloat(times.to_vec()));
    }
}

#[test]
fn a_monotonic_clock_is_sent_as_unix_time() {
    let settings = MessageSettings { clock: Some(Clock::Monotonic), ..by("t") };
    let sent = signal(true, &[("t", real_number(1000.5))]);
    let stored = interpret(&rows(2), &sent, settings.clone()).unwrap();
    assert_eq!((stored.plan.clock(), &*stored.times), (Clock::Monotonic, &[1000.5, 1000.75][..]));
    let (array, sent) = mirrored(&stored);
    // The clocks of the generation differ by 1699998999.75 s.
    assert_eq!((&sent["source_time"], &sent["clock"]), (&real_number(1_700_000_000.25), &text("unix")));
    assert!(!sent.contains_key("clock_id"));
    let again = interpret(&array, &sent, MessageSettings::default()).unwrap();
    assert_eq!((again.plan.clock(), &*again.times), (Clock::Unix, &[1_700_000_000.25, 1_700_000_000.5][..]));
    // Frames that the rate does not place, and runs, are converted as well.
    let irregular = Stored { times: vec![1000.5, 1000.625], ..stored.clone() };
    let unix = Parameter::ListFloat(vec![1_700_000_000.25, 1_700_000_000.375]);
    assert_eq!(mirrored(&irregular).1["axis_values"], unix);
    let samples = [Buffer::from_slice_ref(&stored.samples)];
    let (_, run) = stored.rebuilder().run(&samples, &[&stored.times], &MARKS).unwrap();
    assert_eq!((&run["axis_offset"], &run["clock"]), (&real_number(1_700_000_000.25), &text("unix")));
}

#[test]
fn times_of_a_monotonic_clock_that_the_source_sent_come_back_as_they_were() {
    let own = [
        ("axis_offset", real_number(1000.5)),
        ("clock", text("monotonic")),
        ("clock_id", text(&clock_id().to_string())),
    ];
    let stored = interpret(&rows(2), &signal(true, &own), MessageSettings::default()).unwrap();
    let (array, sent) = mirrored(&stored);
    for (key, value) in own {
        assert_eq!(sent[key], value, "{key}");
    }
    let again = interpret(&array, &sent, MessageSettings::default()).unwrap();
    assert_eq!((again.plan.clock(), again.times), (Clock::Monotonic, stored.times.clone()));
    // On another machine they are of no clock that is known.
    let mut elsewhere = sent;
    elsewhere.insert("clock_id".into(), text(&ClockId([9; 16]).to_string()));
    assert_eq!(interpret(&array, &elsewhere, MessageSettings::default()).unwrap().plan.clock(), Clock::Source);
}

#[test]
fn a_monotonic_clock_that_cannot_be_named_is_the_source_s() {
    let settings = MessageSettings { clock: Some(Clock::Monotonic), ..MessageSettings::default() };
    for sent in [signal(true, &[("axis_offset", real_number(5.0))]), signal(true, &[])] {
        let stored = interpret(&rows(1), &sent, settings.clone()).unwrap();
        let clock = generation_clock(Clock::Monotonic, ClockId::UNKNOWN);
        let rebuilder = Rebuilder::new(&stored.format(), &stored.description()).unwrap().on_clock(clock);
        let (_, sent) =
            rebuilder.message(&[Buffer::from_slice_ref(&stored.samples)], &[&stored.times], &MARKS).unwrap();
        assert_eq!((&sent["clock"], &sent["source_time"]), (&text("source"), &real_number(stored.times[0])));
        assert!(!sent.contains_key("clock_id"));
    }
}

/// How one message states its times.
#[derive(Clone, Copy, Debug)]
enum Way {
    Nothing,
    Stamp,
    List,
    Offset,
    Values,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Through a sink, a mirror and a second sink, whatever states the times and whichever messages lack them.
    #[test]
    fn a_second_ring_has_the_times_and_the_clock_of_the_first(
        ways in vec((proptest::sample::select(vec![Way::Nothing, Way::Stamp, Way::List, Way::Offset, Way::Values]),
                     1_usize..4, 0_i64..1_000_000), 1..30),
        by_time in any::<bool>(),
        rate in any::<bool>(),
        last in any::<bool>(),
        setting in proptest::sample::select(vec![None, Some(Clock::Unix), Some(Clock::Source)]),
    ) {
        let settings = MessageSettings {
            time: by_time.then(|| "t".to_owned()),
            time_of: if last { StampedFrame::Last } else { StampedFrame::First },
            clock: setting,
            frames: FrameRule::Rows,
            ..MessageSettings::default()
        };
        let mut first = Interpreter::new("data", settings);
        let mut second = Interpreter::new("data", MessageSettings::default());
        let mut start_ms = 0;
        for (way, frames, pause_ms) in ways {
            start_ms += pause_ms;
            let at = |frame: usize| start_ms + 37 * frame as i64;
            let seconds: Vec<f64> = (0..frames).map(|frame| at(frame) as f64 / 1000.0).collect();
            let extra = match way {
                Way::Nothing => vec![],
                Way::Stamp => vec![("t", integer(at(0) * 1_000_000))],
                Way::List => vec![("t", Parameter::ListInt((0..frames).map(|frame| at(frame) * 1_000_000).collect()))],
                Way::Offset => vec![("axis_offset", real_number(seconds[0]))],
                Way::Values => vec![("axis_values", Parameter::ListFloat(seconds))],
            };
            let Ok(stored) = store(&mut first, &rows(frames), &signal(rate, &extra)) else {
                prop_assert!(by_time, "only what TIME names can be missing");
                continue;
            };
            prop_assert_eq!(stored.times.len(), frames);
            let (array, sent) = mirrored(&stored);
            prop_assert_eq!(&array, &rows(frames));
            let again = store(&mut second, &array, &sent).unwrap();
            for (again, first) in again.times.iter().zip(&stored.times) {
                let tolerance = if rate { 0.0025 } else { 0.0 } + first.abs() * 1e-15;
                prop_assert!((again - first).abs() <= tolerance, "{:?} of {:?}: {:?}", again, stored.times, sent);
            }
            prop_assert_eq!(again.plan.clock(), stored.plan.clock());
        }
    }

    /// Integers of any unit are as exact as a double can be.
    #[test]
    fn an_integer_of_any_unit_is_its_moment(ms in 0_i64..5_000_000_000_000, frames in 1_usize..5) {
        use TimestampUnit::{Microseconds, Milliseconds, Nanoseconds, Seconds};
        for (unit, in_a_ms) in [(None, 1e6), (Some(Nanoseconds), 1e6), (Some(Microseconds), 1e3), (Some(Milliseconds), 1.0)] {
            let settings = MessageSettings { time_unit: unit, ..by("t") };
            let sent = signal(false, &[("t", integer(ms * in_a_ms as i64))]);
            let expected = (ms / 1000) as f64 + (ms % 1000) as f64 / 1000.0;
            prop_assert_eq!(&times(&settings, &rows(1), std::slice::from_ref(&sent)), &[given(&[expected])]);
            prop_assert_eq!(&times(&settings, &rows(frames), &[sent]), &[given(&vec![expected; frames])]);
        }
        let settings = MessageSettings { time_unit: Some(Seconds), ..by("t") };
        let column: ArrayRef = Arc::new(Float64Array::from_iter_values((0..frames).map(|i| i as f64)));
        let table = record(&[("t", column), ("x", doubles(frames)), ("y", doubles(frames))]);
        let settings = MessageSettings { fields: strings(&["x", "y"]), ..settings };
        let expected: Vec<f64> = (0..frames).map(|i| i as f64).collect();
        prop_assert_eq!(times(&settings, &table, &[none()]), [Placed::Given(expected)]);
    }
}
