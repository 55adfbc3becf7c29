//! Ownership of streams, lifetime of segments, and readers that follow writers.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use dora_shm_ring::{
    Dtype, Error, Format, Frames, Liveness, Outcome, Reader, ReaderOptions, Wait, Writer, WriterOptions,
};

use dora_shm_testkit::isolated::with_private_shm;
use dora_shm_testkit::roles::{self, DONE};
use dora_shm_testkit::source::*;
use dora_shm_testkit::{Flag, Name, PATIENCE, segments, wait_until};

// D5, second part.
#[test]
fn a_reader_maps_nothing_that_it_could_write() {
    let name = Name::new("d5-maps");
    let mut source = Source::new(&name, 100);
    source.write(10);
    let mut reader = roles::start("reader", &[&name]);
    reader.request_expecting("open", DONE).unwrap();
    reader.request_expecting("read 100", "Data(10)").unwrap();
    let maps = fs::read_to_string(format!("/proc/{}/maps", reader.pid())).unwrap();
    reader.end_well().unwrap();
    let mappings: Vec<_> = maps.lines().filter(|line| line.contains("/sm_")).collect();
    assert!(mappings.len() >= 2, "header and ring: {mappings:?}");
    for mapping in mappings {
        let permissions = mapping.split_whitespace().nth(1).unwrap();
        assert_eq!(permissions, "r--s", "{mapping}");
    }
}

// D7: every change leaks the old ring; an irregular time axis rebuilds the ring repeatedly; times that do not increase
// raise.
#[test]
fn old_rings_are_removed_soon_and_nothing_is_left_after_the_end() {
    let name = Name::new("d7");
    let mut source = Source::new(&name, 10);
    let rings_left = || {
        let rings = (0..60).map(|generation| segments::ring(&name, generation));
        rings.flat_map(|ring| [segments::anchor(&ring), ring]).filter(|path| path.exists()).count()
    };
    for change in 1..=40 {
        source.writer.begin(&format(10 + change), &description(), 1).unwrap();
        source.position = 0;
        source.write(3);
    }
    // A ring has a public name and an anchor.
    wait_until("one ring is left", || rings_left() == 2);
    source.writer.close();
    assert!(segments::of(&name).is_empty());
}

// D9: after a change of settings that keeps the number of frames, every later message raises.
#[test]
fn a_generation_may_begin_with_the_very_same_format() {
    let name = Name::new("d9");
    let mut source = Source::new(&name, 100);
    let mut reader = from_oldest(&name);
    source.write(10);
    source.writer.begin(&format(100), &description(), 1).unwrap();
    source.position = 0;
    source.write(10);
    assert_eq!(source.writer.generation(), Some(1));
    let taken = drain(&mut reader, u64::MAX);
    assert_eq!((taken.read, taken.lost, taken.next), (20, 0, 10));
}

// D10: a reader never follows a restarted writer, and treats the segments of a killed one as a live stream.
#[test]
fn a_reader_follows_a_writer_that_ended_cleanly_and_restarted() {
    let name = Name::new("d10-close");
    let mut reader = from_oldest(&name);
    for _ in 0..3 {
        let mut source = Source::new(&name, 100);
        source.write(10);
        wait_ready(&mut reader);
        source.writer.close();
        let mut frames = Frames::default();
        let mut read = 0;
        wait_until("the stream is closed for its reader", || match reader.read(&mut frames, 100).unwrap() {
            Outcome::Data(_) => {
                read += frames.frames();
                false
            }
            outcome => outcome == Outcome::Closed,
        });
        assert_eq!(read, 10);
    }
    assert_eq!(reader.lost(), 0);
}

// D10, second part.
#[test]
fn a_killed_writer_is_reported_dead_and_its_reader_continues_with_the_next_one() {
    let name = Name::new("d10-kill");
    let mut reader = from_oldest(&name);
    let mut source = roles::start("source", &[&name, "100", "1", "int64"]);
    source.expect("begins").unwrap();
    source.request_expecting("write 10", DONE).unwrap();
    wait_ready(&mut reader);
    assert_eq!(drain(&mut reader, u64::MAX).read, 10);
    assert_eq!(reader.liveness(PATIENCE).unwrap(), Liveness::Live);
    source.kill_and_wait().unwrap();
    wait_until("the writer is reported dead", || reader.liveness(PATIENCE).unwrap() == Liveness::Dead);

    let mut source = Source::new(&name, 100);
    source.write(5);
    wait_ready(&mut reader);
    let taken = drain(&mut reader, u64::MAX);
    assert_eq!((taken.read, reader.lost()), (5, 0));
    assert_eq!(reader.liveness(PATIENCE).unwrap(), Liveness::Live);
    source.writer.close();
    assert!(segments::of(&name).is_empty());
}

// D11: the exit of one reader unlinks header, ring and metadata of the live stream. (`ezmsg_mirror/` shows it with
// Python's own resource tracker.)
#[test]
fn removed_public_names_are_linked_to_the_same_content_again() {
    let name = Name::new("d11");
    let mut source = Source::new(&name, 100);
    source.write(10);
    let mut early = from_oldest(&name);
    assert_eq!(drain(&mut early, u64::MAX).read, 10);
    let public = segments::publics(&name);
    let inodes = || public.iter().map(|path| fs::metadata(path).unwrap().ino()).collect::<Vec<_>>();
    let before = inodes();
    public.iter().for_each(|path| fs::remove_file(path).unwrap());
    wait_until("the names are linked again", || public.iter().all(|path| path.exists()));
    assert_eq!(inodes(), before);
    let mut late = from_oldest(&name);
    assert_eq!(drain(&mut late, u64::MAX).read, 10);
    source.write(1);
    assert_eq!(drain(&mut early, u64::MAX).read, 1);
}

// D12: a second writer takes over the name, the first one's end deletes the second's segments, and another program's
// segment of that name is unlinked.
#[test]
fn a_second_writer_is_refused_and_the_first_continues() {
    let name = Name::new("d12");
    let mut source = Source::new(&name, 100);
    let mut reader = from_oldest(&name);
    source.write(10);
    let error = Writer::create(&name, WriterOptions::default()).expect_err("refused");
    assert!(matches!(&error, Error::Live { .. }), "{error}");
    let mut other = roles::start("writer", &[&name]);
    let answer = other.request("create").unwrap().expect("it lives");
    assert!(answer.starts_with("failed: Live"), "{answer}");
    other.end_well().unwrap();
    source.write(10);
    assert_eq!(drain(&mut reader, u64::MAX), Taken { read: 20, lost: 0, next: 20 });
}

// D12, second part.
#[test]
fn another_programs_segment_of_the_streams_name_is_left_alone() {
    let name = Name::new("d12-another-program");
    let others_file = segments::header(&name);
    fs::write(&others_file, b"not ours").unwrap();
    let error = Writer::create(&name, WriterOptions::default()).expect_err("refused");
    assert!(matches!(&error, Error::NameTaken { .. }), "{error}");
    assert_eq!(fs::read(&others_file).unwrap(), b"not ours");
    fs::remove_file(&others_file).unwrap();
    assert!(segments::of(&name).is_empty());
}

// D12, third part: the mode is fixed at 0600.
#[test]
fn the_mode_of_the_segments_is_the_one_asked_for() {
    for mode in [0o600, 0o640, 0o644] {
        let name = Name::new(&format!("d12-{mode:o}"));
        let mut writer = Writer::create(&name, WriterOptions::default().mode(mode)).unwrap();
        writer.begin(&format(10), &description(), 1).unwrap();
        let all = segments::of(&name);
        assert_eq!(all.len(), 6);
        for path in all {
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode, "{path:?}");
        }
    }
}

// D15: a reader that is opened first waits up to half a second, and one that attaches while the writer creates the
// stream gets a fatal error.
#[test]
fn a_reader_may_be_opened_first_and_attaches_when_the_stream_appears() {
    // A busy machine may delay one attempt, but not each.
    let delays = (0..10).map(|attempt| {
        let name = Name::new(&format!("d15-{attempt}"));
        let mut reader = Reader::open(&name, ReaderOptions::default()).unwrap();
        assert!(matches!(reader.wait(Duration::ZERO).unwrap(), Wait::Timeout(Liveness::Absent)));
        let mut source = Source::new(&name, 100);
        source.write(10);
        let appeared = Instant::now();
        wait_ready(&mut reader);
        let delay = appeared.elapsed();
        assert_eq!(drain(&mut reader, u64::MAX).read, 10, "a reader that was opened first gets the first frames");
        delay
    });
    assert!(delays.into_iter().any(|delay| delay < Duration::from_millis(200)));
}

// D15, second part.
#[test]
fn attaching_in_a_storm_of_restarts_never_fails() {
    let name = Name::new("d15-storm");
    let stop = Flag::new();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut restarts = 0_u64;
            while !stop.is_raised() {
                let mut source = Source::new(&name, 20);
                source.write(5);
                source.writer.close();
                restarts += 1;
            }
            restarts
        });
        let stop_at_the_end = stop.raise_at_end();
        let started = Instant::now();
        let (mut attempts, mut data) = (0_u64, 0_u64);
        let mut frames = Frames::default();
        while started.elapsed() < Duration::from_secs(2) {
            let mut reader = from_oldest(&name);
            for _ in 0..3 {
                if reader.read(&mut frames, 100).unwrap().is_data() {
                    checked(&frames);
                    data += 1;
                }
            }
            attempts += 1;
        }
        drop(stop_at_the_end);
        let restarts = writer.join().unwrap();
        assert!(attempts > 10 && restarts > 10 && data > 0, "{attempts} attempts, {restarts} restarts, {data} reads");
    });
}

// D17: a ring larger than shared memory kills its writer with SIGBUS; the number of frames is cut to 32 bits.
#[test]
fn a_ring_that_does_not_fit_is_refused_with_the_bytes_needed_and_free() {
    with_private_shm(8, || {
        let name = "small";
        let mut source = Source::new(name, 1000);
        source.write(10);
        let error = source.writer.begin(&format(1 << 20), &description(), 1).unwrap_err();
        let Error::NoSpace { needed, free } = error else { panic!("expected no space, got {error}") };
        assert!(needed > 16 << 20 && free < 8 << 20, "{needed} {free}");
        // The current generation continues.
        source.write(5000);
        let mut reader = from_oldest(name);
        assert_eq!(drain(&mut reader, u64::MAX).next, 5010);
    });
}

#[test]
fn a_ring_beyond_the_limits_is_refused() {
    let name = Name::new("d17");
    let error = Format::new(Dtype::U8, &[], 0.0, 1 << 32).unwrap_err();
    assert!(matches!(error, Error::BadFormat { .. }), "{error}");
    let mut writer = Writer::create(&name, WriterOptions::default().max_ring_bytes(1 << 20)).unwrap();
    let error = writer.begin(&format(1 << 20), &description(), 1).unwrap_err();
    assert!(matches!(error, Error::TooLarge { limit: 1_048_576, .. }), "{error}");
}
