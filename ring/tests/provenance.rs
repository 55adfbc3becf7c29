//! The messages, descriptions and writers of the frames that were read; and frames copied into the caller's memory.

use dora_shm_ring::*;
use dora_shm_testkit::signal::{self, description, format, format_of};
use dora_shm_testkit::source::{CHANNELS, Source, from_oldest, samples_at, time_at};
use dora_shm_testkit::{Name, PATIENCE, segments, wait_until};

fn each() -> ReaderOptions {
    ReaderOptions::default().start(Start::Oldest).each_description(true)
}

fn keeping(name: &str, frames: u64) -> Writer {
    let mut writer = Writer::create(name, WriterOptions::default().keep_replaced(true)).unwrap();
    writer.begin(&format(frames), &description("first"), 10).unwrap();
    writer
}

fn key(reader: &Reader) -> String {
    reader.description().map_or_else(String::new, |description| description.key.clone())
}

/// A description with the same key, since another key would begin another generation.
fn labelled(label: &str) -> Description {
    let mut described = description("first");
    described.attrs.insert("label".into(), Attr::String(label.into()));
    described
}

fn label(reader: &Reader) -> String {
    let described = reader.description();
    match described.and_then(|described| described.attrs.get("label")) {
        Some(Attr::String(label)) => label.clone(),
        _ => String::new(),
    }
}

#[test]
fn a_read_ends_where_the_description_changes() {
    let name = Name::new("each");
    let mut writer = keeping(&name, 1000);
    for label in ["a", "b", "c"] {
        writer.describe(&labelled(label)).unwrap();
        signal::write(&mut writer, 10).unwrap();
        signal::write(&mut writer, 5).unwrap();
    }
    for views in [false, true] {
        let mut reader = Reader::open(&name, each()).unwrap();
        assert_eq!(label(&reader), "a", "the description of the next frame");
        let mut seen = Vec::new();
        let mut frames = Frames::new();
        loop {
            let read = if views {
                match reader.view(u64::MAX).unwrap() {
                    Outcome::Data(view) => {
                        let range = reader.finish(view);
                        range.end - range.start
                    }
                    _ => break,
                }
            } else {
                reader.read(&mut frames, u64::MAX).unwrap();
                frames.frames()
            };
            if read == 0 {
                break;
            }
            seen.push((label(&reader), read));
        }
        assert_eq!(seen, [("a".to_owned(), 15), ("b".to_owned(), 15), ("c".to_owned(), 15)]);
        assert!(!reader.description_missed());
    }
}

#[test]
fn a_description_that_is_gone_is_missed_and_its_frames_are_still_read_separately() {
    let name = Name::new("each-gone");
    let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
    writer.begin(&format(1000), &labelled("a"), 10).unwrap();
    for label in ["a", "b", "c"] {
        writer.describe(&labelled(label)).unwrap();
        signal::write(&mut writer, 10).unwrap();
    }
    let mut reader = Reader::open(&name, each()).unwrap();
    let mut frames = Frames::new();
    let mut seen = Vec::new();
    while reader.read(&mut frames, u64::MAX).unwrap().is_data() {
        seen.push((frames.frames(), reader.description_missed(), label(&reader)));
    }
    assert_eq!(seen, [(10, true, "c".into()), (10, true, "c".into()), (10, false, "c".into())]);
}

#[test]
fn a_description_of_the_next_generation_changes_nothing_for_the_frames_before_it() {
    let name = Name::new("each-next");
    let mut writer = keeping(&name, 100);
    let mut reader = Reader::open(&name, each()).unwrap();
    signal::write(&mut writer, 10).unwrap();
    writer.begin(&format_of(&[2, 2], 100), &description("second"), 10).unwrap();
    signal::write(&mut writer, 10).unwrap();
    let mut frames = Frames::new();
    assert!(reader.read(&mut frames, u64::MAX).unwrap().is_data());
    assert_eq!((frames.frames(), key(&reader)), (10, "first".into()));
    assert_eq!(reader.read(&mut frames, u64::MAX).unwrap(), Outcome::Generation);
    assert_eq!(key(&reader), "second");
}

#[test]
fn messages_of_frames_are_those_that_contain_them() {
    let name = Name::new("messages-of");
    let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
    writer.begin(&Format::new(Dtype::U8, &[], 0.0, 1000).unwrap(), &Description::default(), 1).unwrap();
    let mut write = |frames: u64, send_ns: i64| {
        let samples = vec![0; frames as usize];
        let times = Times::Linear { start: 0.0, step: 1.0 };
        writer.write(&Chunk { samples: &samples, times, send_ns }).unwrap();
    };
    write(10, 100);
    write(0, 101);
    write(5, 102);
    write(1, 103);
    let reader = from_oldest(&name);
    let messages = |range| {
        let mut messages = Vec::new();
        reader.messages(range, &mut messages);
        messages.iter().map(|message| (message.first, message.frames, message.send_ns)).collect::<Vec<_>>()
    };
    assert_eq!(messages(0..16), [(0, 10, 100), (10, 0, 101), (10, 5, 102), (15, 1, 103)]);
    assert_eq!(messages(9..10), [(0, 10, 100)]);
    assert_eq!(messages(10..15), [(10, 0, 101), (10, 5, 102)]);
    assert_eq!(messages(11..15), [(10, 5, 102)], "the empty message came with the frame at 10");
    assert_eq!(messages(14..16), [(10, 5, 102), (15, 1, 103)]);
    assert_eq!(messages(3..3), []);
    assert_eq!(messages(16..20), []);
}

/// The messages of `range`: their generations, numbers and frames.
fn messages_of(reader: &Reader, range: std::ops::Range<u64>) -> Vec<(u32, u64, u64)> {
    let mut messages = Vec::new();
    reader.messages(range, &mut messages);
    messages.iter().map(|message| (message.generation, message.chunk, message.frames)).collect()
}

#[test]
fn an_empty_message_is_found_with_the_frame_that_follows_it_and_is_no_update() {
    let name = Name::new("empty");
    let mut source = Source::new(&name, 64);
    let mut reader = from_oldest(&name);
    let mut frames = Frames::new();
    source.write(0);
    assert_eq!(reader.read(&mut frames, u64::MAX).unwrap(), Outcome::Nothing);
    assert_eq!(reader.wait(std::time::Duration::ZERO).unwrap(), Wait::Timeout(Liveness::Live));
    source.write(5);
    source.write(0);
    source.write(0);
    assert_eq!(reader.read(&mut frames, 2).unwrap(), Outcome::Data(2));
    assert_eq!(messages_of(&reader, 0..2), [(0, 0, 0), (0, 1, 5)]);
    let Outcome::Data(view) = reader.view(u64::MAX).unwrap() else { panic!("3 frames are there") };
    assert_eq!(messages_of(&reader, view.whole()), [(0, 1, 5)]);
    assert_eq!(reader.finish(view), 2..5);
    assert_eq!(messages_of(&reader, 5..6), [(0, 2, 0), (0, 3, 0)], "of the frame that has not been written");
    source.write(1);
    assert_eq!(reader.read(&mut frames, u64::MAX).unwrap(), Outcome::Data(1));
    assert_eq!(messages_of(&reader, 5..6), [(0, 2, 0), (0, 3, 0), (0, 4, 1)]);
    assert_eq!(messages_of(&reader, 0..6).len(), 5, "looking back");
}

#[test]
fn empty_messages_at_the_end_of_a_generation_come_with_the_first_frame_of_the_next() {
    let name = Name::new("empty-end");
    let mut source = Source::new(&name, 64);
    let begin = |source: &mut Source| {
        source
            .writer
            .begin(&dora_shm_testkit::source::format(32), &dora_shm_testkit::source::description(), 1)
            .unwrap();
    };
    let mut reader = from_oldest(&name);
    let mut frames = Frames::new();
    source.write(3);
    source.write(0);
    assert_eq!(reader.read(&mut frames, u64::MAX).unwrap(), Outcome::Data(3));
    begin(&mut source);
    assert_eq!(reader.read(&mut frames, u64::MAX).unwrap(), Outcome::Generation);
    source.write(0);
    begin(&mut source);
    assert_eq!(reader.read(&mut frames, u64::MAX).unwrap(), Outcome::Generation);
    source.write(0);
    source.write(2);
    assert_eq!(messages_of(&reader, 1..2), [(2, 1, 2)]);
    assert_eq!(reader.read(&mut frames, u64::MAX).unwrap(), Outcome::Data(2));
    assert_eq!(messages_of(&reader, 0..2), [(0, 1, 0), (1, 0, 0), (2, 0, 0), (2, 1, 2)]);
    // The next generation begins behind frames, and a stream behind a stream.
    begin(&mut source);
    source.write(1);
    assert_eq!(reader.read(&mut frames, u64::MAX).unwrap(), Outcome::Generation);
    assert_eq!(messages_of(&reader, 0..1), [(3, 0, 1)]);
    source.write(0);
    drop(source);
    assert_eq!(reader.read(&mut frames, u64::MAX).unwrap(), Outcome::Data(1));
    assert_eq!(reader.read(&mut frames, u64::MAX).unwrap(), Outcome::Closed);
    let mut source = Source::new(&name, 64);
    source.write(1);
    assert_eq!(reader.read(&mut frames, u64::MAX).unwrap(), Outcome::Generation);
    assert_eq!(messages_of(&reader, 0..1), [(0, 0, 1)]);
}

#[test]
fn empty_messages_are_lost_with_the_frame_that_follows_them() {
    let name = Name::new("empty-lost");
    let mut source = Source::new(&name, 64);
    let begin = |source: &mut Source| {
        source
            .writer
            .begin(&dora_shm_testkit::source::format(64), &dora_shm_testkit::source::description(), 1)
            .unwrap();
    };
    let mut reader = from_oldest(&name);
    let mut frames = Frames::new();
    source.write(1);
    assert_eq!(reader.read(&mut frames, u64::MAX).unwrap(), Outcome::Data(1));
    // Its frame is in a generation that the reader never sees.
    source.write(0);
    begin(&mut source);
    source.write(1);
    begin(&mut source);
    source.write(1);
    wait_until("the ring is not kept any more", || !segments::ring(&name, 1).exists());
    assert_eq!(reader.read(&mut frames, u64::MAX).unwrap(), Outcome::Generation);
    assert_eq!(messages_of(&reader, 0..1), [(2, 0, 1)]);
    assert_eq!(reader.read(&mut frames, u64::MAX).unwrap(), Outcome::Data(1));
    assert_eq!(frames.lost(), 1);
    // Its frame is lapped.
    source.write(0);
    source.write(60);
    source.write(0);
    source.write(60);
    assert_eq!(reader.read(&mut frames, u64::MAX).unwrap(), Outcome::Data(32));
    assert_eq!(messages_of(&reader, 89..121), [(2, 4, 60)]);
}

#[test]
fn frames_within_seconds_are_a_number_of_frames_where_a_rate_is_stated() {
    let name = Name::new("within");
    let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
    let mut reader = from_oldest(&name);
    let mut frames = Frames::new();
    // Times of a clock that follows its source, on Unix time, whose doubles are 238 ns apart.
    for step in [1.0 / 1000.0, 0.999 / 1000.0, 1.01 / 1000.0] {
        writer.begin(&Format::new(Dtype::U8, &[], 1000.0, 6000).unwrap(), &Description::default(), 7).unwrap();
        reader.skip_to_newest().unwrap();
        for block in 0..1000 {
            let times = Times::Linear { start: 1.7e9 + (7 * block) as f64 * step, step };
            writer.write(&Chunk { samples: &[0; 7], times, send_ns: 0 }).unwrap();
            let held = (7 * (block + 1)).min(reader.held().end - reader.held().start);
            for (seconds, expected) in [(5.0, 5000), (0.1, 100), (0.0004, 0), (0.0005, 1), (0.0, 0), (-1.0, 0)] {
                assert_eq!(reader.frames_within(seconds).unwrap(), held.min(expected), "{seconds} s after {block}");
            }
            assert_eq!(reader.frames_within(f64::INFINITY).unwrap(), held);
            assert_eq!(reader.frames_within(f64::NAN).unwrap(), 0);
        }
    }
    assert_eq!(reader.latest(5000, &mut frames).unwrap(), 5000);
    let mut reader = from_oldest(&name);
    reader.skip_to_last(5.0).unwrap();
    assert_eq!(reader.read(&mut frames, u64::MAX).unwrap(), Outcome::Data(5000));
}

#[test]
fn frames_within_seconds_are_those_newer_than_that_where_no_rate_is_stated() {
    let name = Name::new("within-times");
    let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
    writer.begin(&Format::new(Dtype::U8, &[], 0.0, 1000).unwrap(), &Description::default(), 1).unwrap();
    for time in [0.0, 1.0, 1.5, 3.0] {
        writer.write(&Chunk { samples: &[0], times: Times::Values(&[time]), send_ns: 0 }).unwrap();
    }
    let mut reader = from_oldest(&name);
    let within = [0.0, 0.1, 1.5, 1.6, 2.0, 2.5, f64::INFINITY, f64::NAN, -1.0];
    let found = within.map(|seconds| reader.frames_within(seconds).unwrap());
    assert_eq!(found, [0, 1, 1, 2, 2, 3, 4, 0, 0]);
}

#[test]
fn frames_are_copied_into_the_callers_memory() {
    let name = Name::new("into");
    let mut source = Source::new(&name, 64);
    let mut reader = from_oldest(&name);
    let frame_bytes = 8 * CHANNELS as usize;
    let mut samples = vec![0xAA; 40 * frame_bytes];
    let mut times = vec![0.0; 40];
    source.write(30);
    let check = |copied: Copied, samples: &[u8], times: &[f64]| {
        for i in 0..copied.frames as usize {
            let expected: Vec<u8> = samples_at(copied.first + i as u64).iter().flat_map(|x| x.to_le_bytes()).collect();
            assert_eq!(samples[i * frame_bytes..][..frame_bytes], expected);
            assert_eq!(times[i], time_at(copied.first + i as u64));
        }
    };
    let copied = reader.read_into(&mut samples, &mut times).unwrap().data().unwrap();
    assert_eq!((copied.first, copied.frames, copied.lost), (0, 30, 0));
    check(copied, &samples, &times);
    assert!(samples[30 * frame_bytes..].iter().all(|byte| *byte == 0xAA));
    assert_eq!(reader.read_into(&mut samples, &mut times).unwrap(), Outcome::Nothing);

    source.write(50);
    source.write(50);
    let copied = reader.read_into(&mut samples, &mut times).unwrap().data().unwrap();
    assert_eq!((copied.first, copied.frames, copied.lost), (98, 32, 68));
    check(copied, &samples, &times);

    let copied = reader.latest_into(&mut samples, &mut times).unwrap();
    assert_eq!((copied.first, copied.frames), (90, 40));
    check(copied, &samples, &times);

    let refused = reader.read_into(&mut samples[1..], &mut times).unwrap_err().to_string();
    assert!(refused.contains("639 bytes") && refused.contains("40 frames of 16 bytes"), "{refused}");
    assert_eq!(reader.read_into(&mut [], &mut []).unwrap(), Outcome::Nothing);
}

#[test]
fn times_are_read_without_samples_and_count_as_read() {
    let name = Name::new("times-only");
    let mut source = Source::new(&name, 64);
    let mut reader = from_oldest(&name);
    let mut times = vec![f64::NAN; 40];
    let expected = |copied: &Copied| (copied.first..copied.first + copied.frames).map(time_at).collect::<Vec<_>>();
    source.write(50);
    let copied = reader.read_times_into(&mut times).unwrap().data().unwrap();
    assert_eq!((copied.first, copied.frames, copied.lost), (0, 40, 0));
    assert_eq!(times, expected(&copied));
    source.write(50);
    source.write(50);
    let copied = reader.read_times_into(&mut times).unwrap().data().unwrap();
    assert_eq!((copied.first, copied.frames, copied.lost), (118, 32, 78), "lapped");
    assert_eq!(times[..32], expected(&copied));
    assert_eq!(reader.read_times_into(&mut times).unwrap(), Outcome::Nothing);
    assert_eq!((reader.position(), reader.lost()), (150, 78));
    source.write(1);
    assert_eq!(reader.read_times_into(&mut []).unwrap(), Outcome::Nothing);
    assert_eq!(reader.unread(), 1);
}

#[test]
fn a_read_is_continued_only_by_frames_that_directly_follow_it() {
    let name = Name::new("continue");
    let mut writer = keeping(&name, 64);
    let mut reader = Reader::open(&name, each()).unwrap();
    let mut samples = vec![0; 64 * signal::LEAST_BYTES];
    let mut times = vec![0.0; 64];
    let mut read = |reader: &mut Reader, continuing: bool| {
        let read = if continuing { Reader::continue_into } else { Reader::read_into };
        let outcome = read(reader, &mut samples, &mut times).unwrap();
        outcome.map(|copied| (copied.first, copied.frames, copied.lost))
    };
    signal::write(&mut writer, 10).unwrap();
    assert_eq!(read(&mut reader, false), Outcome::Data((0, 10, 0)));
    assert_eq!(read(&mut reader, true), Outcome::Nothing);
    signal::write(&mut writer, 5).unwrap();
    assert_eq!(read(&mut reader, true), Outcome::Data((10, 5, 0)));

    writer.describe(&labelled("b")).unwrap();
    signal::write(&mut writer, 5).unwrap();
    assert_eq!(read(&mut reader, true), Outcome::Nothing, "another description");
    assert_eq!((label(&reader), reader.position()), (String::new(), 15));
    assert_eq!(read(&mut reader, false), Outcome::Data((15, 5, 0)));
    assert_eq!(label(&reader), "b");

    signal::write(&mut writer, 64).unwrap();
    signal::write(&mut writer, 6).unwrap();
    assert_eq!(read(&mut reader, true), Outcome::Nothing, "lapped");
    assert_eq!((reader.position(), reader.lost()), (20, 0));
    assert_eq!(read(&mut reader, false), Outcome::Data((58, 32, 38)));
}

#[test]
fn a_view_reports_what_is_whole_while_it_is_held_and_gives_its_times_as_bytes() {
    let name = Name::new("view-whole");
    let mut source = Source::new(&name, 64);
    let mut reader = from_oldest(&name);
    source.write(60);
    let Outcome::Data(view) = reader.view(50).unwrap() else { panic!("60 frames are there") };
    assert_eq!(reader.finish(view), 0..50);
    source.write(40);
    let Outcome::Data(view) = reader.view(u64::MAX).unwrap() else { panic!("50 frames are there") };
    assert_eq!(view.whole(), 50..100);
    let bytes: Vec<u8> = view.times_bytes().iter().flat_map(|part| part.to_vec()).collect();
    let expected: Vec<u8> = (50..100).flat_map(|position| time_at(position).to_le_bytes()).collect();
    assert_eq!(bytes, expected);
    assert_eq!(view.times_bytes()[0].len(), 8 * 14);
    source.write(34);
    assert_eq!(view.whole(), 70..100);
    assert_eq!(reader.finish(view), 70..100);
    assert_eq!(reader.lost(), 20);
}

#[test]
fn the_writers_of_two_rings_are_distinguished() {
    let name = Name::new("writer-id");
    let mut source = Source::new(&name, 64);
    source.write(1);
    let mut reader = from_oldest(&name);
    let first = reader.writer_of_ring().unwrap();
    assert_eq!((first.epoch, reader.newest_writer()), (1, Some(first)));
    assert_eq!(first.stream_id, source.writer.stream_id());
    drop(source);
    let mut frames = Frames::new();
    assert!(reader.read(&mut frames, u64::MAX).unwrap().is_data());
    assert_eq!(reader.read(&mut frames, u64::MAX).unwrap(), Outcome::Closed);
    assert_eq!((reader.writer_of_ring(), reader.newest_writer()), (None, None));
    let mut source = Source::new(&name, 64);
    source.write(1);
    assert_eq!(reader.wait(PATIENCE).unwrap(), Wait::Ready);
    assert_eq!(reader.read(&mut frames, u64::MAX).unwrap(), Outcome::Generation);
    assert_ne!(reader.writer_of_ring().unwrap().stream_id, first.stream_id);
}

#[test]
fn a_reader_moves_on_without_reading_when_nothing_is_left_to_read() {
    let name = Name::new("advance");
    let mut source = Source::new(&name, 64);
    let mut reader = from_oldest(&name);
    assert_eq!((reader.advance().unwrap(), reader.unread()), (Outcome::Nothing, 0));
    source.write(5);
    assert_eq!((reader.advance().unwrap(), reader.unread()), (Outcome::Data(5), 5));
    source.writer.begin(&dora_shm_testkit::source::format(32), &dora_shm_testkit::source::description(), 1).unwrap();
    assert_eq!((reader.advance().unwrap(), reader.unread(), reader.position()), (Outcome::Data(5), 5, 0));
    let mut frames = Frames::new();
    assert!(reader.read(&mut frames, u64::MAX).unwrap().is_data());
    assert_eq!((reader.advance().unwrap(), reader.generation()), (Outcome::Generation, Some(1)));
    assert_eq!(reader.advance().unwrap(), Outcome::Nothing);
    drop(source);
    assert_eq!((reader.advance().unwrap(), reader.unread()), (Outcome::Closed, 0));
    assert_eq!(reader.lost(), 0);
}
