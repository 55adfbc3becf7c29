//! What a writer stores, refuses and reports.

use std::panic::{AssertUnwindSafe, catch_unwind};

use dora_shm_ring::*;
use dora_shm_testkit::follower::Follower;
use dora_shm_testkit::ledger::Ledger;
use dora_shm_testkit::segments::{Bytes, header_at, trailer_at};
use dora_shm_testkit::signal::{self, description, format, format_of};
use dora_shm_testkit::{Name, segments};

fn stream(name: &str, frames: u64) -> Writer {
    let mut writer = Writer::create(name, WriterOptions::default()).unwrap();
    writer.begin(&format(frames), &description("first"), 10).unwrap();
    writer
}

#[test]
fn an_abandoned_chunk_is_invisible_to_readers_and_mirrors() {
    let name = Name::new("given-up");
    let mut writer = stream(&name, 40);
    signal::write(&mut writer, 10).unwrap();
    let reader = Reader::open(&name, ReaderOptions::default().start(Start::Oldest)).unwrap();
    let mut reader = Follower::of_frames(reader, Ledger::default());
    let times = Times::Linear { start: 0.0, step: 0.0 };
    let result = catch_unwind(AssertUnwindSafe(|| writer.write_with(35, times, 0, |_, _| panic!("no more samples"))));
    assert!(result.is_err());
    let write_index = || Bytes::of(&segments::header(&name)).u64(1318);
    assert_eq!(write_index(), 10, "ezmsg's counter");
    reader.drain().unwrap();
    assert_eq!((reader.ledger.read, reader.lost()), (5, 5), "the chunk would have overwritten 35 - 30 frames");
    signal::write(&mut writer, 7).unwrap();
    assert_eq!(write_index(), 17);
    reader.drain().unwrap();
    assert_eq!((reader.ledger.read, reader.lost()), (12, 5));
}

#[test]
fn more_frames_than_a_position_can_count_are_refused() {
    let name = Name::new("too-many");
    let mut writer = stream(&name, 40);
    signal::write(&mut writer, 10).unwrap();
    for frames in [u64::MAX, u64::MAX - 9] {
        let times = Times::Linear { start: 0.0, step: 0.0 };
        let refused = writer.write_with(frames, times, 0, |_, _| panic!("the samples are not requested"));
        assert!(matches!(refused, Err(Error::BadArgument { .. })), "{refused:?}");
    }
    signal::write(&mut writer, 10).unwrap();
    assert_eq!(writer.position(), 20);
}

#[test]
fn a_rings_trailer_names_the_description_that_is_in_force_at_its_start() {
    let name = Name::new("trailer");
    let mut writer = stream(&name, 40);
    let check = |generation, meta_generation| {
        let ring = Bytes::of(&segments::ring(&name, generation));
        assert_eq!(ring.u32(ring.trailer() + trailer_at::META_GENERATION), meta_generation);
        let header = Bytes::of(&segments::header(&name));
        assert_eq!(header.u32(header_at::META_GENERATION), meta_generation);
    };
    check(0, 1);
    writer.begin(&format(80), &description("first"), 10).unwrap();
    check(1, 1);
    writer.begin(&format(80), &description("second"), 10).unwrap();
    check(2, 2);
    writer.describe(&description("third")).unwrap();
    writer.begin(&format_of(&[2, 2], 80), &description("third"), 10).unwrap();
    check(3, 3);
}

#[test]
fn errors_and_warnings_of_taken_names_name_the_stream() {
    let name = Name::new("taken");
    let mut writer = stream(&name, 40);
    let public = segments::ring(&name, 0);
    std::fs::remove_file(&public).unwrap();
    std::fs::write(&public, "somebody else's").unwrap();
    let mut warnings = Vec::new();
    dora_shm_testkit::wait_until("the service thread reports it", || {
        warnings.extend(writer.warnings());
        // The service thread may have linked the name again between the test's two steps.
        !warnings.is_empty() || {
            if std::fs::read(&public).is_ok_and(|bytes| bytes != b"somebody else's") {
                std::fs::remove_file(&public).unwrap();
                std::fs::write(&public, "somebody else's").unwrap();
            }
            false
        }
    });
    assert!(warnings[0].to_string().contains(&format!("{:?}", &*name)), "{warnings:?}");
    // Attached readers continue, and the name is linked again once it is free.
    signal::write(&mut writer, 1).unwrap();
    std::fs::remove_file(&public).unwrap();
    dora_shm_testkit::wait_until("the name is linked again", || public.exists());
}

/// Resident kilobytes of this process's mappings of a segment's anchor.
fn resident_kib(segment: &std::path::Path) -> u64 {
    let anchor = segments::anchor(segment);
    let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
    let mut ours = false;
    let mut resident = 0;
    for line in maps.lines() {
        if let Some(value) = line.strip_prefix("Rss:") {
            if ours {
                resident += value.trim().trim_end_matches(" kB").parse::<u64>().unwrap();
            }
        } else if line.contains('/') {
            ours = line.ends_with(&*anchor.to_string_lossy()) || line.ends_with(&*segment.to_string_lossy());
        }
    }
    resident
}

#[test]
fn the_whole_ring_is_prefaulted_while_the_first_chunks_are_written() {
    let name = Name::new("ready");
    let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
    // As many bytes of times as of samples, and more of both than is prefaulted at once.
    let format = Format::new(Dtype::F64, &[], 1000.0, 1 << 20).unwrap();
    writer.begin(&format, &description(""), 10).unwrap();
    let ring = segments::ring(&name, 0);
    let kib = ring.metadata().unwrap().len() / 1024;
    dora_shm_testkit::wait_until("every page is resident", || resident_kib(&ring) >= kib);
}

/// The flags of all messages of the stream, from the oldest.
fn discontinuities(name: &str) -> Vec<bool> {
    let mut reader = MessageReader::open(name, ReaderOptions::default().start(Start::Oldest)).unwrap();
    let mut message = Message::new();
    let mut flags = Vec::new();
    loop {
        match reader.next(&mut message).unwrap() {
            Outcome::Data(info) => flags.push(info.discontinuity),
            Outcome::Generation => {}
            Outcome::Nothing | Outcome::Closed => return flags,
        }
    }
}

#[test]
fn a_message_whose_times_do_not_follow_those_before_it_is_a_discontinuity_on_every_clock() {
    for clock in Clock::ALL {
        let name = Name::new("discontinuity");
        let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
        let format = Format::new(Dtype::U8, &[], 100.0, 4).unwrap().on_clock(clock);
        writer.begin(&format, &Description::default(), 1).unwrap();
        let mut write = |frames: usize, start: f64| {
            let times = Times::Linear { start, step: 0.01 };
            writer.write(&Chunk { samples: &vec![0; frames], times, send_ns: 0 }).unwrap();
        };
        write(1, 5.0);
        write(0, 0.0);
        write(1, 5.01);
        // One frame is missing.
        write(1, 5.03);
        assert_eq!(discontinuities(&name), [false, false, false, true], "{clock}");
        // Longer than the ring: only its newest frames are there, and it is compared by its first.
        write(6, 5.04);
        write(1, 5.10);
        write(1, 5.20);
        let newest = discontinuities(&name);
        assert_eq!(newest[newest.len() - 2..], [false, true], "{clock}");
    }
}

#[test]
fn a_generation_begins_without_a_discontinuity_whatever_came_before() {
    let name = Name::new("discontinuity-generation");
    let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
    let format = Format::new(Dtype::U8, &[], 0.0, 4).unwrap();
    for start in [70.0, 5.0] {
        writer.begin(&format, &Description::default(), 1).unwrap();
        let times = Times::Linear { start, step: 1.0 };
        writer.write(&Chunk { samples: &[0], times, send_ns: 0 }).unwrap();
        assert_eq!(discontinuities(&name), [false]);
    }
}

#[test]
fn a_message_that_was_given_up_is_not_compared_with() {
    let name = Name::new("discontinuity-given-up");
    let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
    writer.begin(&Format::new(Dtype::U8, &[], 0.0, 4).unwrap(), &Description::default(), 1).unwrap();
    let write = |writer: &mut Writer, start: f64| {
        writer.write(&Chunk { samples: &[0], times: Times::Linear { start, step: 1.0 }, send_ns: 0 }).unwrap();
    };
    write(&mut writer, 5.0);
    let panics = std::panic::AssertUnwindSafe(|| {
        let _ = writer.write_with(1, Times::Values(&[90.0]), 0, |_, _| panic!("the source failed"));
    });
    assert!(std::panic::catch_unwind(panics).is_err());
    write(&mut writer, 6.0);
    assert_eq!(discontinuities(&name), [false, false]);
}

fn counted(name: &str) -> Option<[u64; 3]> {
    let counted = Reader::open(name, ReaderOptions::default()).unwrap().info().unwrap().counted;
    counted.map(|Counted { refused, dropped, gaps, .. }| [refused, dropped, gaps])
}

#[test]
fn what_the_writer_counts_is_seen_from_outside_and_begins_at_zero_with_each_writer() {
    let name = Name::new("counted");
    let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
    assert_eq!(counted(&name), Some([0; 3]), "before the first ring");
    writer.count_refused(3);
    writer.count_dropped(4);
    writer.count_gaps(5);
    assert_eq!(counted(&name), Some([3, 4, 5]));
    assert_eq!((writer.counted().refused, writer.counted().dropped, writer.counted().gaps), (3, 4, 5));
    // Another writer's epoch, as a writer of version 1.0 leaves the counts.
    segments::patch(&segments::header(&name), header_at::EPOCH, &2u32.to_le_bytes()).unwrap();
    assert_eq!(counted(&name), None);
    drop(writer);

    dora_shm_testkit::roles::leave_dead_stream(&name, 16);
    segments::patch(&segments::header(&name), header_at::REFUSED, &7u64.to_le_bytes()).unwrap();
    assert_eq!(counted(&name), Some([7, 0, 0]), "the dead writer's");
    let writer = Writer::create(&name, WriterOptions::default()).unwrap();
    assert_eq!((writer.epoch(), counted(&name)), (2, Some([0; 3])));
}

#[test]
fn counts_survive_a_header_that_was_removed() {
    let name = Name::new("counted-again");
    let mut writer = stream(&name, 40);
    writer.count_refused(3);
    let header = segments::header(&name);
    [segments::anchor(&header), header].iter().for_each(|path| std::fs::remove_file(path).unwrap());
    dora_shm_testkit::wait_until("the stream is there again", || {
        writer.maintain().unwrap();
        segments::header(&name).exists()
    });
    assert_eq!(counted(&name), Some([3, 0, 0]));
}
