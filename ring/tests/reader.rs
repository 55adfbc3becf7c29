//! What a reader reports and counts if streams begin, change and end while it does not poll.

use std::time::Duration;

use dora_shm_ring::*;
use dora_shm_testkit::follower::{Follower, Kind, Step, oldest};
use dora_shm_testkit::ledger::Ledger;
use dora_shm_testkit::signal::{self, description, format, format_of};
use dora_shm_testkit::{Name, PATIENCE, segments};

fn stream(name: &str, frames: u64) -> Writer {
    let mut writer = Writer::create(name, WriterOptions::default()).unwrap();
    writer.begin(&format(frames), &description("first"), 10).unwrap();
    writer
}

/// A stream whose replaced descriptions are kept for a while.
fn keeping(name: &str, frames: u64) -> Writer {
    let options = WriterOptions::default().keep_replaced(true);
    let mut writer = Writer::create(name, options).unwrap();
    writer.begin(&format(frames), &description("first"), 10).unwrap();
    writer
}

#[test]
fn a_reader_that_started_at_the_oldest_frames_counts_every_frame_that_it_misses_after_its_first() {
    let name = Name::new("oldest");
    let mut writer = stream(&name, 40);
    for _ in 0..10 {
        signal::write(&mut writer, 10).unwrap();
    }
    let mut frames = Frames::new();
    let mut reader = Reader::open(&name, oldest()).unwrap();
    assert!(reader.read(&mut frames, 5).unwrap().is_data());
    assert_eq!(
        (frames.first(), frames.lost()),
        (60, 0),
        "frames overwritten before the reader was opened do not count as lost"
    );
    for _ in 0..6 {
        signal::write(&mut writer, 10).unwrap();
    }
    assert!(reader.read(&mut frames, u64::MAX).unwrap().is_data());
    assert_eq!(frames.lost(), frames.first() - 65);
    assert_eq!(reader.lost(), frames.lost());
}

#[test]
fn a_reader_that_waited_for_the_first_frame_counts_a_stream_that_ran_and_closed_unseen() {
    for kind in [Kind::Wait, Kind::Messages] {
        let name = Name::new("unseen");
        let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
        let mut reader = Follower::open(&name, kind, &ReaderOptions::default(), Ledger::default()).unwrap();
        assert_eq!(reader.liveness().unwrap(), Liveness::Waiting);
        writer.begin(&format(20), &description(""), 10).unwrap();
        signal::write(&mut writer, 10).unwrap();
        writer.close();
        assert_eq!(reader.wait(PATIENCE).unwrap(), Wait::Ready);
        assert_eq!(reader.step().unwrap(), Step::Closed);
        assert_eq!(reader.lost(), 10);
        assert_eq!(reader.step().unwrap(), Step::Nothing);
        // The next stream is counted from its first frame.
        let mut writer = stream(&name, 20);
        signal::write(&mut writer, 7).unwrap();
        reader.drain().unwrap();
        assert_eq!((reader.ledger.read, reader.lost()), (7, 10));
    }
}

#[test]
fn a_description_that_was_missed_does_not_hide_the_next_one() {
    let name = Name::new("missed");
    let mut writer = stream(&name, 40);
    // The service thread links the name again within a quarter of a second, so the test removes it until a reader has
    // missed it.
    let mut reader = Reader::open(&name, oldest()).unwrap();
    dora_shm_testkit::wait_until("a reader misses it", || {
        std::fs::remove_file(segments::metadata(&name, 1)).unwrap();
        reader = Reader::open(&name, oldest()).unwrap();
        reader.description_missed() || {
            dora_shm_testkit::wait_until("the name is linked again", || segments::metadata(&name, 1).exists());
            false
        }
    });
    assert_eq!(reader.description(), None);
    writer.describe(&description("second")).unwrap();
    signal::write(&mut writer, 1).unwrap();
    let mut frames = Frames::new();
    assert!(reader.read(&mut frames, 1).unwrap().is_data());
    assert_eq!(reader.description().map(|found| found.key.as_str()), Some("second"));
    assert!(!reader.description_missed());
}

#[test]
fn every_message_of_a_burst_is_read_with_the_description_that_was_in_force_for_it() {
    let name = Name::new("burst");
    let mut reader = MessageReader::open(&name, oldest()).unwrap();
    let mut writer = keeping(&name, 40);
    let mut message = Message::new();
    // The reader has entered the first ring.
    signal::write(&mut writer, 2).unwrap();
    assert_eq!(reader.next(&mut message).unwrap(), Outcome::Generation);
    let keys = ["first", "2", "3", "4", "5", "6", "7", "8"];
    for (i, key) in keys.into_iter().enumerate().skip(1) {
        if i == 4 {
            writer.begin(&format(50), &description(key), 10).unwrap();
        }
        writer.describe(&description(key)).unwrap();
        signal::write(&mut writer, 2).unwrap();
    }
    let mut found = Vec::new();
    loop {
        match reader.next(&mut message).unwrap() {
            Outcome::Data(_) => found.push(reader.description().unwrap().key.clone()),
            Outcome::Generation => {}
            Outcome::Nothing | Outcome::Closed => break,
        }
    }
    assert_eq!(found, keys);
    assert!(!reader.description_missed());
}

#[test]
fn few_replaced_descriptions_are_kept_and_all_are_removed_after_a_while() {
    const SEGMENTS: usize = 6;
    const MOST_REPLACED: usize = 8;
    let name = Name::new("replaced");
    let mut writer = keeping(&name, 40);
    for key in 0..20 {
        writer.describe(&description(key.to_string())).unwrap();
    }
    let left = segments::of(&name).len();
    // Unless this thread did not run for the whole time.
    assert!((SEGMENTS..=SEGMENTS + 2 * MOST_REPLACED).contains(&left), "{left}");
    dora_shm_testkit::wait_until("the removal of the replaced descriptions", || segments::of(&name).len() == SEGMENTS);
}

#[test]
fn reading_the_latest_frames_does_not_move_the_cursor() {
    let name = Name::new("latest");
    let mut reader = Reader::open(&name, ReaderOptions::default()).unwrap();
    let mut writer = stream(&name, 40);
    signal::write(&mut writer, 3).unwrap();
    let mut frames = Frames::new();
    assert_eq!(reader.latest(2, &mut frames).unwrap(), 2);
    assert_eq!(frames.first(), 1);
    assert_eq!(reader.read(&mut frames, u64::MAX).unwrap(), Outcome::Generation);
    assert!(reader.read(&mut frames, u64::MAX).unwrap().is_data());
    assert_eq!((frames.first(), frames.frames()), (0, 3));
    writer.close();

    let writer = Writer::create(&name, WriterOptions::default()).unwrap();
    assert_eq!(reader.read(&mut frames, u64::MAX).unwrap(), Outcome::Closed);
    assert_eq!(reader.latest(2, &mut frames).unwrap(), 0);
    assert_eq!(reader.liveness(PATIENCE).unwrap(), Liveness::Waiting);
    drop(writer);
    assert_eq!(reader.latest(2, &mut frames).unwrap(), 0);
    assert_eq!(reader.read(&mut frames, u64::MAX).unwrap(), Outcome::Closed);
}

#[test]
fn any_timeout_is_accepted() {
    let name = Name::new("patience");
    let mut writer = stream(&name, 40);
    signal::write(&mut writer, 1).unwrap();
    let mut reader = Reader::open(&name, oldest()).unwrap();
    // Just above the range of 64 bits of nanoseconds.
    for idle_after in [Duration::new(18_446_744_073, 709_551_616), Duration::MAX] {
        assert_eq!(reader.liveness(idle_after).unwrap(), Liveness::Live);
    }
    assert_eq!(reader.liveness(Duration::ZERO).unwrap(), Liveness::Idle);
    let interrupter = reader.interrupter();
    interrupter.interrupt();
    assert_eq!(reader.wait(Duration::MAX).unwrap(), Wait::Interrupted);
}

#[test]
fn a_writer_is_not_idle_because_its_reader_is_a_generation_behind() {
    let name = Name::new("behind");
    let mut writer = stream(&name, 40);
    signal::write(&mut writer, 1).unwrap();
    let mut reader = Reader::open(&name, oldest()).unwrap();
    assert_eq!(reader.liveness(Duration::ZERO).unwrap(), Liveness::Idle);
    writer.begin(&format_of(&[2, 2], 40), &description("second"), 10).unwrap();
    assert_eq!(reader.liveness(Duration::ZERO).unwrap(), Liveness::Live);
}

#[test]
fn a_view_returns_the_same_outcomes_as_a_read() {
    let name = Name::new("view");
    let mut reader = Reader::open(&name, ReaderOptions::default()).unwrap();
    assert!(matches!(reader.view(u64::MAX).unwrap(), Outcome::Nothing), "there is no stream");
    let mut writer = stream(&name, 40);
    signal::write(&mut writer, 10).unwrap();
    assert!(matches!(reader.view(0).unwrap(), Outcome::Nothing), "no frames are requested");
    assert!(matches!(reader.view(u64::MAX).unwrap(), Outcome::Generation), "the first generation");
    for positions in [0..4, 4..8, 8..10] {
        let Outcome::Data(view) = reader.view(4).unwrap() else { panic!("expected a view") };
        assert_eq!((view.first()..view.first() + view.frames(), view.generation()), (positions.clone(), 0));
        assert_eq!(reader.finish(view), positions);
    }
    assert!(matches!(reader.view(u64::MAX).unwrap(), Outcome::Nothing));
    signal::write(&mut writer, 1).unwrap();
    writer.begin(&format_of(&[2, 2], 40), &description("second"), 10).unwrap();
    signal::write(&mut writer, 2).unwrap();
    let Outcome::Data(view) = reader.view(u64::MAX).unwrap() else { panic!("the old ring is drained first") };
    assert_eq!(reader.finish(view), 10..11);
    assert!(matches!(reader.view(u64::MAX).unwrap(), Outcome::Generation));
    assert_eq!(reader.format().map(Format::frame_shape), Some(&[2, 2][..]));
    let Outcome::Data(view) = reader.view(u64::MAX).unwrap() else { panic!("two frames were written") };
    assert_eq!(reader.finish(view), 0..2);
    writer.close();
    assert!(matches!(reader.view(u64::MAX).unwrap(), Outcome::Closed));
    assert!(matches!(reader.view(u64::MAX).unwrap(), Outcome::Nothing), "reported once");
    assert_eq!(reader.lost(), 0);
}

#[test]
fn skipped_frames_count_as_read_and_lapped_frames_as_lost() {
    let name = Name::new("skipped");
    let mut writer = stream(&name, 40);
    let mut reader = Reader::open(&name, oldest()).unwrap();
    let skip = |reader: &mut Reader, frames| {
        reader.skip(frames).unwrap().map(|skipped| (skipped.first, skipped.frames, skipped.lost))
    };
    assert_eq!(skip(&mut reader, 1), Outcome::Nothing);
    signal::write(&mut writer, 10).unwrap();
    assert_eq!(skip(&mut reader, 0), Outcome::Nothing);
    assert_eq!(skip(&mut reader, 3), Outcome::Data((0, 3, 0)));
    let mut frames = Frames::new();
    assert_eq!(reader.read(&mut frames, 2).unwrap(), Outcome::Data(2));
    assert_eq!(frames.first(), 3);
    assert_eq!(skip(&mut reader, u64::MAX), Outcome::Data((5, 5, 0)));
    signal::write(&mut writer, 100).unwrap();
    let Outcome::Data((first, count, lost)) = skip(&mut reader, u64::MAX) else { panic!("expected frames") };
    assert_eq!((first + count, first - lost), (110, 10));
    assert!(lost >= 60 && reader.lost() == lost, "{lost}");
    writer.begin(&signal::format(40), &Description::default(), 10).unwrap();
    assert_eq!(skip(&mut reader, 1), Outcome::Generation);
    writer.close();
    assert_eq!(skip(&mut reader, 1), Outcome::Closed);
}

#[test]
fn a_reader_can_begin_some_seconds_back_without_events_of_the_skipped_frames() {
    let name = Name::new("seconds-back");
    let mut late = Reader::open(&name, oldest()).unwrap();
    late.skip_to_last(1.0).unwrap();
    let mut writer = keeping(&name, 400);
    for i in 0..10 {
        writer.describe(&Description { key: i.to_string(), ..Description::default() }).unwrap();
        signal::write(&mut writer, 10).unwrap();
    }
    for (seconds, position) in [(0.0, 100), (0.005, 95), (0.031, 69), (1e9, 0)] {
        let mut reader = Reader::open(&name, oldest().each_description(true)).unwrap();
        reader.skip_to_last(seconds).unwrap();
        assert_eq!(
            (reader.position(), reader.lost(), reader.next_event()),
            (position, 0, None),
            "{seconds} s at 1 kHz"
        );
        signal::write(&mut writer, 0).unwrap();
    }
    let mut frames = Frames::new();
    assert_eq!(late.read(&mut frames, 1).unwrap(), Outcome::Generation);
    assert_eq!(late.read(&mut frames, 1).unwrap(), Outcome::Data(1));
    assert_eq!(frames.first(), 0, "the reader was opened first");
}

#[test]
fn a_loss_is_reported_with_the_frames_that_follow_it_even_if_a_whole_view_was_lost() {
    let name = Name::new("lost-view");
    let mut writer = stream(&name, 40);
    let mut reader = Reader::open(&name, oldest()).unwrap();
    signal::write(&mut writer, 10).unwrap();
    let Outcome::Data(view) = reader.view(u64::MAX).unwrap() else { panic!("expected a view") };
    for _ in 0..10 {
        signal::write(&mut writer, 10).unwrap();
    }
    let whole = reader.finish(view);
    assert!(whole.is_empty());
    let mut frames = Frames::new();
    assert!(reader.read(&mut frames, u64::MAX).unwrap().is_data());
    assert_eq!(frames.lost(), frames.first(), "all frames before the first one");
    assert_eq!(reader.lost(), frames.first());
}

#[test]
fn message_readers_that_attach_while_messages_are_written_find_a_beginning() {
    let name = Name::new("beginning");
    let stop = dora_shm_testkit::Flag::new();
    std::thread::scope(|scope| {
        let _stop = stop.raise_at_end();
        scope.spawn(|| {
            let mut writer = stream(&name, 400);
            while !stop.is_raised() {
                signal::write(&mut writer, 3).unwrap();
            }
        });
        dora_shm_testkit::wait_until("the stream exists", || {
            Reader::open(&name, oldest()).unwrap().info().unwrap().position > 0
        });
        for i in 0..3000 {
            let start = [Start::Newest, Start::Last(3), Start::Oldest][i % 3];
            let options = ReaderOptions::default().start(start);
            let mut reader = MessageReader::open(&name, options).unwrap();
            let mut message = Message::new();
            let outcome = reader.next(&mut message).unwrap();
            assert!(matches!(outcome, Outcome::Data(_) | Outcome::Nothing), "{outcome:?}");
        }
    });
}
