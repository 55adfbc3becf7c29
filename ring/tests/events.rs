//! What happens to a stream apart from its frames, as readers report it; and skipping to the newest.

use dora_shm_ring::EventKind::{NewDescription, NewGeneration, WriterGone, WriterRestarted};
use dora_shm_ring::*;
use dora_shm_testkit::follower::oldest;
use dora_shm_testkit::process::Process;
use dora_shm_testkit::roles::{self, DONE};
use dora_shm_testkit::signal::{self, description, format};
use dora_shm_testkit::{Name, PATIENCE};

fn stream(name: &str) -> Writer {
    let mut writer = Writer::create(name, WriterOptions::default()).unwrap();
    begin(&mut writer, "one");
    writer
}

fn begin(writer: &mut Writer, key: &str) {
    writer.begin(&format(16), &description(key), 4).unwrap();
}

/// Writes one frame, the first under the description with `key`.
fn describe(writer: &mut Writer, key: &str) {
    writer.describe(&description(key)).unwrap();
    signal::write(writer, 1).unwrap();
}

fn by_frames(name: &str, options: ReaderOptions) -> Reader {
    Reader::open(name, options).unwrap()
}

fn by_messages(name: &str, options: ReaderOptions) -> MessageReader {
    MessageReader::open(name, options).unwrap()
}

/// An event in short: its kind, its generation, the position of the next frame, and the key of the description.
type Short = (EventKind, Option<u32>, u64, Option<String>);

fn short(event: Event) -> Short {
    (event.kind, event.generation, event.position, event.description.map(|description| description.key.clone()))
}

/// All events that a reader of either kind keeps.
macro_rules! events {
    ($reader:expr) => {
        std::iter::from_fn(|| $reader.next_event()).map(short).collect::<Vec<Short>>()
    };
}

/// Reads until nothing is new, or the stream has ended.
fn read_all(reader: &mut Reader) {
    let mut frames = Frames::new();
    while !matches!(reader.read(&mut frames, u64::MAX).unwrap(), Outcome::Nothing | Outcome::Closed) {}
}

/// As [`read_all`], message by message.
fn next_all(reader: &mut MessageReader) {
    let mut message = Message::new();
    while !matches!(reader.next(&mut message).unwrap(), Outcome::Nothing | Outcome::Closed) {}
}

fn key(key: &str) -> Option<String> {
    Some(key.to_owned())
}

const GONE: EventKind = WriterGone { orderly: true };
const DEAD: EventKind = WriterGone { orderly: false };

#[test]
fn where_a_reader_begins_is_not_an_event() {
    let name = Name::new("beginning");
    let mut writer = stream(&name);
    describe(&mut writer, "two");
    begin(&mut writer, "three");
    describe(&mut writer, "four");
    for start in [Start::Oldest, Start::Newest, Start::Last(1)] {
        let mut frames = by_frames(&name, ReaderOptions::default().start(start));
        let mut messages = by_messages(&name, ReaderOptions::default().start(start));
        assert_eq!((frames.next_event(), messages.next_event()), (None, None));
        read_all(&mut frames);
        next_all(&mut messages);
        assert!(matches!(frames.wait(Default::default()).unwrap(), Wait::Timeout(_)));
        frames.liveness(PATIENCE).unwrap();
        assert_eq!((frames.next_event(), messages.next_event()), (None, None), "{start:?}");
    }
}

#[test]
fn the_first_ring_of_a_stream_that_was_waited_for_is_an_event() {
    let name = Name::new("first");
    let (mut frames, mut messages) = (by_frames(&name, oldest()), by_messages(&name, oldest()));
    let mut writer = stream(&name);
    assert_eq!(frames.wait(PATIENCE).unwrap(), Wait::Ready);
    signal::write(&mut writer, 3).unwrap();
    read_all(&mut frames);
    next_all(&mut messages);
    let expected = [(NewGeneration, Some(0), 0, key("one"))];
    assert_eq!((events!(frames), events!(messages)), (expected.to_vec(), expected.to_vec()));
}

#[test]
fn each_generation_is_an_event_once_and_in_order() {
    let name = Name::new("generations");
    let mut writer = stream(&name);
    let (mut frames, mut messages) = (by_frames(&name, oldest()), by_messages(&name, oldest()));
    let mut expected = Vec::new();
    for generation in 1..4 {
        signal::write(&mut writer, 2).unwrap();
        let described = format!("of {generation}");
        begin(&mut writer, &described);
        read_all(&mut frames);
        next_all(&mut messages);
        expected.push((NewGeneration, Some(generation), 0, Some(described)));
    }
    assert_eq!((events!(frames), events!(messages)), (expected.clone(), expected));
    read_all(&mut frames);
    next_all(&mut messages);
    assert_eq!((frames.next_event(), messages.next_event()), (None, None));
}

#[test]
fn a_new_description_is_an_event_before_the_first_frame_that_it_describes() {
    let name = Name::new("descriptions");
    let mut writer = Writer::create(&name, WriterOptions::default().keep_replaced(true)).unwrap();
    begin(&mut writer, "one");
    let (mut each, mut messages) = (by_frames(&name, oldest().each_description(true)), by_messages(&name, oldest()));
    signal::write(&mut writer, 3).unwrap();
    describe(&mut writer, "two");
    // The same description again.
    describe(&mut writer, "two");
    describe(&mut writer, "three");
    let mut frames = Frames::new();
    let mut seen = Vec::new();
    for end in [3, 5, 6] {
        assert!(each.read(&mut frames, u64::MAX).unwrap().is_data());
        assert_eq!(each.position(), end);
        seen.append(&mut events!(each));
    }
    next_all(&mut messages);
    let expected = [(NewDescription, Some(0), 3, key("two")), (NewDescription, Some(0), 5, key("three"))];
    assert_eq!((seen, events!(messages)), (expected.to_vec(), expected.to_vec()));
}

#[test]
fn a_reader_that_holds_the_newest_description_reports_its_change_at_its_own_position() {
    let name = Name::new("newest-description");
    let mut writer = stream(&name);
    let mut reader = by_frames(&name, oldest());
    signal::write(&mut writer, 3).unwrap();
    let mut frames = Frames::new();
    assert_eq!(reader.read(&mut frames, 2).unwrap(), Outcome::Data(2));
    writer.describe(&description("two")).unwrap();
    assert_eq!(reader.read(&mut frames, 1).unwrap(), Outcome::Data(1));
    assert_eq!(reader.next_event(), None, "the description has no frames yet");
    signal::write(&mut writer, 4).unwrap();
    let Outcome::Data(view) = reader.view(2).unwrap() else { panic!("expected a view") };
    assert_eq!(events!(reader), [(NewDescription, Some(0), 3, key("two"))]);
    assert_eq!(reader.finish(view), 3..5);
    read_all(&mut reader);
    assert_eq!(reader.next_event(), None);
}

#[test]
fn a_clean_end_is_an_event_after_the_last_frame_and_the_next_stream_begins_with_two() {
    let name = Name::new("orderly");
    let mut writer = stream(&name);
    let (mut frames, mut messages) = (by_frames(&name, oldest()), by_messages(&name, oldest()));
    signal::write(&mut writer, 5).unwrap();
    drop(writer);
    let mut read = Frames::new();
    assert_eq!(frames.read(&mut read, 3).unwrap(), Outcome::Data(3));
    assert_eq!(frames.next_event(), None, "frames are left");
    read_all(&mut frames);
    next_all(&mut messages);
    let end = [(GONE, Some(0), 5, key("one"))];
    assert_eq!((events!(frames), events!(messages)), (end.to_vec(), end.to_vec()));
    let mut writer = stream(&name);
    signal::write(&mut writer, 1).unwrap();
    read_all(&mut frames);
    next_all(&mut messages);
    let begins = [(WriterRestarted, Some(0), 0, key("one")), (NewGeneration, Some(0), 0, key("one"))];
    assert_eq!((events!(frames), events!(messages)), (begins.to_vec(), begins.to_vec()));
}

/// A writer in its own process, which has the name and no ring.
fn start_writer(name: &str) -> Process {
    let mut writer = roles::start("writer", &[name]);
    writer.request_expecting("create", DONE).unwrap();
    writer
}

/// The line that makes a writer in its own process do what [`begin`] does.
const BEGIN_ONE: &str = "begin 4 16 4 one";
const BEGIN_TWO: &str = "begin 4 16 4 two";

fn writer_that_dies(name: &str, lines: &[&str]) {
    let mut writer = start_writer(name);
    lines.iter().for_each(|line| writer.request_expecting(line, DONE).unwrap());
    writer.kill_and_wait().unwrap();
}

#[test]
fn a_writers_death_is_an_event_once_and_so_is_its_successor() {
    let name = Name::new("death");
    let mut writer = start_writer(&name);
    writer.request_expecting(BEGIN_ONE, DONE).unwrap();
    let (mut frames, mut messages) = (by_frames(&name, oldest()), by_messages(&name, oldest()));
    writer.request_expecting("write 1", DONE).unwrap();
    read_all(&mut frames);
    next_all(&mut messages);
    writer.kill_and_wait().unwrap();
    assert_eq!((frames.next_event(), messages.next_event()), (None, None), "liveness was not requested");

    assert_eq!(frames.wait(PATIENCE).unwrap(), Wait::Timeout(Liveness::Dead));
    assert_eq!(messages.liveness(PATIENCE).unwrap(), Liveness::Dead);
    let death = [(DEAD, Some(0), 1, key("one"))];
    assert_eq!((events!(frames), events!(messages)), (death.to_vec(), death.to_vec()));
    assert_eq!(frames.liveness(PATIENCE).unwrap(), Liveness::Dead);
    assert_eq!(frames.wait(Default::default()).unwrap(), Wait::Timeout(Liveness::Dead));
    read_all(&mut frames);
    assert_eq!(frames.next_event(), None);

    writer_that_dies(&name, &[]);
    read_all(&mut frames);
    next_all(&mut messages);
    let heir = [(WriterRestarted, Some(0), 1, key("one"))];
    assert_eq!((events!(frames), events!(messages)), (heir.to_vec(), heir.to_vec()));
    assert_eq!(frames.liveness(PATIENCE).unwrap(), Liveness::Dead);
    assert_eq!(events!(frames), [(DEAD, Some(0), 1, key("one"))], "a different writer died");

    let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
    begin(&mut writer, "two");
    read_all(&mut frames);
    assert_eq!(events!(frames), [(WriterRestarted, Some(0), 1, key("one")), (NewGeneration, Some(1), 0, key("two"))]);
}

#[test]
fn a_reader_that_is_two_writers_behind_does_not_report_a_restart_for_the_older_one() {
    let name = Name::new("two-behind");
    writer_that_dies(&name, &[BEGIN_ONE, "write 1"]);
    let mut reader = by_frames(&name, oldest());
    read_all(&mut reader);
    writer_that_dies(&name, &[BEGIN_TWO, "write 1"]);
    let _writer = Writer::create(&name, WriterOptions::default()).unwrap();
    read_all(&mut reader);
    read_all(&mut reader);
    let seen = [(WriterRestarted, Some(0), 1, key("one")), (NewGeneration, Some(1), 0, key("two"))];
    assert_eq!(events!(reader), seen);
    assert_ne!(reader.writer_of_ring(), reader.newest_writer());
}

#[test]
fn the_newest_64_events_are_kept_for_a_reader_that_asks_for_none() {
    let name = Name::new("kept");
    let mut writer = stream(&name);
    let mut reader = by_frames(&name, oldest());
    for i in 1..=100 {
        begin(&mut writer, &i.to_string());
        read_all(&mut reader);
    }
    let seen = events!(reader);
    assert_eq!(seen.len(), 64);
    for (event, generation) in seen.iter().zip(37..) {
        assert_eq!(*event, (NewGeneration, Some(generation), 0, Some(generation.to_string())));
    }
}

#[test]
fn skipping_to_the_newest_counts_no_loss() {
    let name = Name::new("skip");
    let (mut frames, mut messages) = (by_frames(&name, oldest()), by_messages(&name, oldest()));
    assert_eq!(frames.skip_to_newest().unwrap(), Outcome::Nothing, "there is no stream");
    let mut writer = stream(&name);
    let (mut later, mut later_messages) = (by_frames(&name, oldest()), by_messages(&name, oldest()));
    signal::write(&mut writer, 3).unwrap();
    signal::write(&mut writer, 4).unwrap();
    assert_eq!(frames.skip_to_newest().unwrap(), Outcome::Generation, "a generation takes precedence over frames");
    assert_eq!(messages.skip_to_newest().unwrap(), Outcome::Generation);
    assert_eq!(later.skip_to_newest().unwrap(), Outcome::Data(7));
    assert_eq!(later_messages.skip_to_newest().unwrap(), Outcome::Data(7));
    assert_eq!((frames.position(), later.position()), (7, 7));
    // More frames than the ring holds.
    for _ in 0..10 {
        signal::write(&mut writer, 5).unwrap();
    }
    assert_eq!(later.skip_to_newest().unwrap(), Outcome::Data(50));
    assert_eq!(later_messages.skip_to_newest().unwrap(), Outcome::Data(50));
    assert_eq!(later.skip_to_newest().unwrap(), Outcome::Nothing);
    assert_eq!(later_messages.skip_to_newest().unwrap(), Outcome::Nothing);
    signal::write(&mut writer, 2).unwrap();
    let (mut read, mut message) = (Frames::new(), Message::new());
    assert_eq!(later.read(&mut read, u64::MAX).unwrap(), Outcome::Data(2));
    assert_eq!((read.first(), read.lost(), later.lost()), (57, 0, 0));
    assert!(later_messages.next(&mut message).unwrap().is_data());
    assert_eq!((message.info().first, message.info().lost, later_messages.lost()), (57, 0, 0));
    // Frames lost before stay lost.
    for _ in 0..10 {
        signal::write(&mut writer, 5).unwrap();
    }
    assert!(frames.read(&mut read, 1).unwrap().is_data());
    let lost = frames.lost();
    assert!(lost > 0);
    assert!(frames.skip_to_newest().unwrap().is_data());
    assert_eq!(frames.lost(), lost);
}

#[test]
fn skipping_moves_on_to_the_newest_generation_and_its_description() {
    let name = Name::new("skip-generations");
    let mut writer = stream(&name);
    let (mut frames, mut messages) = (by_frames(&name, oldest()), by_messages(&name, oldest()));
    for described in ["two", "three", "four"] {
        signal::write(&mut writer, 5).unwrap();
        begin(&mut writer, described);
    }
    signal::write(&mut writer, 6).unwrap();
    assert_eq!(frames.skip_to_newest().unwrap(), Outcome::Generation);
    assert_eq!(messages.skip_to_newest().unwrap(), Outcome::Generation);
    assert_eq!((frames.generation(), frames.position(), frames.lost()), (Some(3), 6, 0));
    assert_eq!((messages.generation(), messages.lag().frames, messages.lost()), (Some(3), 0, 0));
    assert_eq!(frames.description().unwrap().key, "four");
    assert_eq!(events!(frames), [(NewGeneration, Some(3), 0, key("four"))]);
    signal::write(&mut writer, 1).unwrap();
    let (mut read, mut message) = (Frames::new(), Message::new());
    assert!(frames.read(&mut read, u64::MAX).unwrap().is_data() && messages.next(&mut message).unwrap().is_data());
    assert_eq!((read.first(), read.lost()), (6, 0));
    assert_eq!((message.info().first, message.info().lost), (6, 0));
}

#[test]
fn skipping_reports_the_end_of_a_stream_once_and_then_follows_the_next() {
    let name = Name::new("skip-end");
    let mut writer = stream(&name);
    let (mut frames, mut messages) = (by_frames(&name, oldest()), by_messages(&name, oldest()));
    signal::write(&mut writer, 5).unwrap();
    begin(&mut writer, "two");
    signal::write(&mut writer, 5).unwrap();
    drop(writer);
    assert_eq!(frames.skip_to_newest().unwrap(), Outcome::Closed);
    assert_eq!(messages.skip_to_newest().unwrap(), Outcome::Closed);
    assert_eq!((frames.lost(), messages.lost()), (0, 0));
    assert_eq!(frames.skip_to_newest().unwrap(), Outcome::Nothing);
    assert_eq!(messages.skip_to_newest().unwrap(), Outcome::Nothing);
    let mut writer = stream(&name);
    assert_eq!(frames.skip_to_newest().unwrap(), Outcome::Generation);
    assert_eq!(messages.skip_to_newest().unwrap(), Outcome::Generation);
    signal::write(&mut writer, 1).unwrap();
    let mut read = Frames::new();
    assert_eq!(frames.read(&mut read, u64::MAX).unwrap(), Outcome::Data(1));
    assert_eq!((read.lost(), frames.lost()), (0, 0));
}

#[test]
fn a_view_that_was_skipped_over_has_nothing_whole() {
    let name = Name::new("skip-view");
    let mut writer = stream(&name);
    let (mut frames, mut messages) = (by_frames(&name, oldest()), by_messages(&name, oldest()));
    signal::write(&mut writer, 5).unwrap();
    let Outcome::Data(view) = frames.view(3).unwrap() else { panic!("expected a view") };
    let Outcome::Data(message) = messages.view().unwrap() else { panic!("expected a message") };
    assert!(frames.skip_to_newest().unwrap().is_data() && messages.skip_to_newest().unwrap().is_data());
    assert_eq!(frames.finish(view), 3..3);
    assert!(!messages.finish(message));
    assert_eq!((frames.position(), frames.lost(), messages.lost()), (5, 0, 0));
}
