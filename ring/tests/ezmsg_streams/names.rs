//! Streams of one name, one after the other: ezmsg's and this library's.

use std::time::{Duration, Instant};

use dora_shm_ring::*;

use crate::stage::{Stage, at};
use crate::{expect, read};
use dora_shm_testkit::{PATIENCE, segments, wait_until};

/// Reads until the outcome is other than `Nothing`.
#[track_caller]
fn next(reader: &mut Reader) -> Outcome<u64> {
    let mut outcome = Outcome::Nothing;
    wait_until("the reader reports something", || {
        assert!(!matches!(reader.wait(PATIENCE).unwrap(), Wait::Interrupted));
        outcome = reader.read(&mut Frames::new(), u64::MAX).unwrap();
        outcome != Outcome::Nothing
    });
    outcome
}

#[test]
fn a_clean_end_is_reported_after_the_last_frame() {
    let stage = Stage::new("end", 2, 20);
    let mut reader = Reader::open(&stage.name, ReaderOptions::default()).unwrap();
    stage.write(0..10);
    stage.patch(at::VALID, &[0]);
    std::fs::remove_file(stage.ring()).unwrap();
    std::fs::remove_file(stage.header()).unwrap();
    assert_eq!(read(&mut reader).1, (0..10).collect::<Vec<_>>());
    assert_eq!(next(&mut reader), Outcome::Closed);
    expect(&mut reader, Outcome::Nothing);
    assert_eq!(reader.liveness(Duration::ZERO).unwrap(), Liveness::Absent);
    assert_eq!((reader.lost(), reader.format()), (0, None));
}

#[test]
fn a_stream_whose_names_a_mirror_removed_is_still_read() {
    // Defect D11: the end of one mirror removes all names of a live stream.
    let stage = Stage::new("unlinked", 2, 20);
    let mut reader = Reader::open(&stage.name, ReaderOptions::default()).unwrap();
    let header = std::fs::OpenOptions::new().write(true).open(stage.header()).unwrap();
    let ring = std::fs::OpenOptions::new().write(true).open(stage.ring()).unwrap();
    std::fs::remove_file(stage.header()).unwrap();
    std::fs::remove_file(stage.ring()).unwrap();
    assert_eq!(reader.wait(Duration::from_millis(400)).unwrap(), Wait::Timeout(Liveness::Ezmsg));
    use std::os::unix::fs::FileExt;
    let frame: Vec<u8> = crate::stage::frame_at(0).iter().flat_map(|sample| sample.to_le_bytes()).collect();
    ring.write_all_at(&frame, 8 * 20).unwrap();
    header.write_all_at(&1_u64.to_le_bytes(), at::INDEX).unwrap();
    assert_eq!(reader.wait(PATIENCE).unwrap(), Wait::Ready);
    assert_eq!(read(&mut reader), (0, vec![0], 0));
}

#[test]
fn a_restarted_writer_is_followed_from_its_first_frame() {
    // Defect D10. After a kill of the whole process group the old segments are still there.
    let stage = Stage::new("restart", 2, 20);
    let mut reader = Reader::open(&stage.name, ReaderOptions::default()).unwrap();
    stage.write(0..10);
    assert_eq!(read(&mut reader).1.len(), 10);
    for _ in 0..3 {
        stage.make_header();
        stage.make_ring();
        stage.write(0..5);
        stage.patch(at::VALID, &[1]);
        assert_eq!(next(&mut reader), Outcome::Generation);
        assert_eq!(read(&mut reader), (0, (0..5).collect(), 0));
    }
    assert_eq!(reader.lost(), 0);
}

#[test]
fn a_name_goes_from_ezmsg_to_dora_shm_and_back() {
    for messages in [false, true] {
        let stage = Stage::new("to-and-fro", 2, 20);
        let options = ReaderOptions::default;
        let (mut frames, mut message) = (Frames::new(), Message::new());
        let mut one = Reader::open(&stage.name, options()).unwrap();
        let mut other = MessageReader::open(&stage.name, options()).unwrap();
        // Data are represented by their first position.
        let mut next_outcome = || {
            let mut outcome = Outcome::Nothing;
            wait_until("the reader reports something", || {
                outcome = if messages {
                    other.next(&mut message).unwrap().map(|info| info.first)
                } else {
                    one.read(&mut frames, u64::MAX).unwrap().map(|_| frames.first())
                };
                outcome != Outcome::Nothing
            });
            outcome
        };
        stage.write(0..10);
        assert_eq!(next_outcome(), Outcome::Data(0));
        stage.patch(at::VALID, &[0]);
        for path in segments::of(&stage.name) {
            std::fs::remove_file(path).unwrap();
        }
        assert_eq!(next_outcome(), Outcome::Closed);
        let mut writer = Writer::create(&stage.name, WriterOptions::default()).unwrap();
        writer.begin(&Format::new(Dtype::U8, &[2], 0.0, 8).unwrap(), &Description::default(), 1).unwrap();
        writer.write(&Chunk { samples: &[1; 4], times: Times::Values(&[0.0, 1.0]), send_ns: 0 }).unwrap();
        assert_eq!(next_outcome(), Outcome::Generation);
        assert_eq!(next_outcome(), Outcome::Data(0));
        drop(writer);
        assert_eq!(next_outcome(), Outcome::Closed);
        stage.make_header();
        stage.make_ring();
        stage.write(0..5);
        stage.patch(at::VALID, &[1]);
        assert_eq!(next_outcome(), Outcome::Generation);
        assert_eq!(next_outcome(), Outcome::Data(0));
    }
}

#[test]
fn a_wait_is_interrupted_and_sleeps_between_its_polls() {
    let stage = Stage::new("sleep", 2, 20);
    let mut reader = Reader::open(&stage.name, ReaderOptions::default()).unwrap();
    let interrupter = reader.interrupter();
    let started = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| interrupter.interrupt());
        assert_eq!(reader.wait(PATIENCE).unwrap(), Wait::Interrupted);
    });
    assert!(started.elapsed() < PATIENCE / 2);

    // Each poll is a few system calls, while a reader that spins would use all of the time.
    let cpu = || rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let nanoseconds = |time: rustix::time::Timespec| time.tv_sec * 1_000_000_000 + time.tv_nsec;
    let before = nanoseconds(cpu());
    assert_eq!(reader.wait(Duration::from_secs(1)).unwrap(), Wait::Timeout(Liveness::Ezmsg));
    let used = nanoseconds(cpu()) - before;
    assert!(used < 100_000_000, "{used} ns of CPU in a second of waiting");
}

#[test]
fn another_users_stream_is_read_only_if_the_user_is_named() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let stage = Stage::new("owner", 2, 20);
    stage.write(0..3);
    for path in segments::of(&stage.name) {
        std::os::unix::fs::chown(path, Some(1234), None).unwrap();
    }
    let refused = Reader::open(&stage.name, ReaderOptions::default());
    assert!(matches!(refused, Err(Error::WrongOwner { found: 1234, .. })), "{refused:?}");
    let named = ReaderOptions::default().owner(Some(1234)).start(Start::Oldest);
    assert_eq!(read(&mut Reader::open(&stage.name, named.clone()).unwrap()).1, [0, 1, 2]);
    std::os::unix::fs::chown(stage.ring(), Some(1235), None).unwrap();
    let mixed = Reader::open(&stage.name, named);
    assert!(matches!(mixed, Err(Error::WrongOwner { found: 1235, .. })), "{mixed:?}");
}
