//! Smallest and largest values: formats, rings, free memory, modes, and numbers that wrap around.

use std::os::unix::fs::MetadataExt;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use dora_shm_ring::*;
use dora_shm_testkit::follower::{Follower, Kind, oldest};
use dora_shm_testkit::isolated::with_private_shm;
use dora_shm_testkit::ledger::Ledger;
use dora_shm_testkit::rng::mix;
use dora_shm_testkit::roles::{self, DONE};
use dora_shm_testkit::segments::{self, Bytes, footer_at, header_at, listing, patch, record_at, trailer_at};
use dora_shm_testkit::signal::{self, description, format};
use dora_shm_testkit::{Name, PATIENCE, wait_until};

/// Bytes that encode their place.
fn pattern(position: u64, bytes: &mut [u8]) {
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for (i, word) in words.iter_mut().enumerate() {
        *word = mix(position << 32 | i as u64).to_le_bytes();
    }
    for (i, byte) in rest.iter_mut().enumerate() {
        *byte = (mix(position) >> (8 * i)) as u8;
    }
}

/// Writes `frames` frames of the pattern, the first of which has position `start`.
fn write_pattern(writer: &mut Writer, start: u64, frames: u64) {
    let frame_bytes = writer.format().unwrap().frame_bytes() as usize;
    let times = Times::Linear { start: start as f64, step: 1.0 };
    writer
        .write_with(frames, times, start as i64, |range, memory| {
            for (position, frame) in range.zip(memory.chunks_exact_mut(frame_bytes)) {
                pattern(start + position, frame);
            }
        })
        .unwrap();
}

#[track_caller]
fn check_pattern(frames: &Frames, expected: &mut Vec<u8>) {
    let frame_bytes = frames.samples().len() / frames.frames() as usize;
    expected.resize(frame_bytes, 0);
    for (i, (frame, time)) in frames.samples().chunks_exact(frame_bytes).zip(frames.times()).enumerate() {
        let position = frames.first() + i as u64;
        pattern(position, expected);
        assert!(frame == &expected[..] && *time == position as f64, "position {position}");
    }
}

#[test]
fn every_dtype_and_every_rank_is_read_as_it_was_written() {
    let name = Name::new("dtypes");
    let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
    let mut reader = Reader::open(&name, ReaderOptions::default()).unwrap();
    let mut messages = MessageReader::open(&name, ReaderOptions::default()).unwrap();
    let (mut frames, mut message, mut expected) = (Frames::new(), Message::new(), Vec::new());
    let mut generation = 0;
    for dtype in Dtype::ALL {
        for rank in 0..=8 {
            let shape: Vec<u64> = [2, 1, 3, 1, 2, 1, 1, 5][..rank].to_vec();
            let asked = Format::new(dtype, &shape, rank as f64 * 12.5, 7).unwrap();
            writer.begin(&asked, &Description::default(), 2).unwrap();
            for start in [0, 3, 6] {
                write_pattern(&mut writer, start, 3);
                loop {
                    match reader.read(&mut frames, u64::MAX).unwrap() {
                        Outcome::Generation => {}
                        Outcome::Data(_) => break,
                        other => panic!("{other:?}"),
                    }
                }
                assert_eq!((frames.first(), frames.frames(), frames.lost()), (start, 3, 0));
                assert_eq!((reader.format(), reader.generation()), (Some(&asked), Some(generation)));
                check_pattern(&frames, &mut expected);
                while !messages.next(&mut message).unwrap().is_data() {}
                assert_eq!((message.info().first, message.samples()), (start, frames.samples()));
            }
            generation += 1;
        }
    }
    assert_eq!((reader.lost(), messages.lost()), (0, 0));
}

#[test]
fn samples_are_given_only_as_the_streams_own_type() {
    let name = Name::new("typed");
    let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
    let mut frames = Frames::new();
    for dtype in Dtype::ALL {
        writer.begin(&Format::new(dtype, &[4], 0.0, 7).unwrap(), &Description::default(), 2).unwrap();
        write_pattern(&mut writer, 0, 2);
        let mut reader = Reader::open(&name, oldest()).unwrap();
        assert!(reader.read(&mut frames, u64::MAX).unwrap().is_data());
        let lengths = [
            (Dtype::I8, frames.samples_as::<i8>().map(<[_]>::len)),
            (Dtype::U8, frames.samples_as::<u8>().map(<[_]>::len)),
            (Dtype::I16, frames.samples_as::<i16>().map(<[_]>::len)),
            (Dtype::U16, frames.samples_as::<u16>().map(<[_]>::len)),
            (Dtype::I32, frames.samples_as::<i32>().map(<[_]>::len)),
            (Dtype::U32, frames.samples_as::<u32>().map(<[_]>::len)),
            (Dtype::I64, frames.samples_as::<i64>().map(<[_]>::len)),
            (Dtype::U64, frames.samples_as::<u64>().map(<[_]>::len)),
            (Dtype::F32, frames.samples_as::<f32>().map(<[_]>::len)),
            (Dtype::F64, frames.samples_as::<f64>().map(<[_]>::len)),
        ];
        for (of, length) in lengths {
            assert_eq!(length, (of == dtype).then_some(8), "{of} of a stream of {dtype}");
        }
    }
}

/// One size of frames at a time, since together these tests need gigabytes of memory.
static LARGE: Mutex<()> = Mutex::new(());

#[test]
fn frames_from_one_byte_to_64_mib_are_read_whole_from_rings_of_one_or_more_frames() {
    let _alone = LARGE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let name = Name::new("sizes");
    let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
    let mut reader = Reader::open(&name, ReaderOptions::default()).unwrap();
    let mut messages = MessageReader::open(&name, ReaderOptions::default()).unwrap();
    let (mut frames, mut expected) = (Frames::new(), Vec::new());
    let mib = 1 << 20;
    for frame_bytes in [1, 2, 7, 63, 64, 65, 4095, 4097, 65536, mib - 1, mib, mib + 1, 16 * mib, 64 * mib] {
        for ring_frames in [1, 2, 3] {
            writer
                .begin(&Format::new(Dtype::U8, &[frame_bytes], 0.0, ring_frames).unwrap(), &Description::default(), 1)
                .unwrap();
            for position in 0..ring_frames + 2 {
                write_pattern(&mut writer, position, 1);
                while !reader.read(&mut frames, u64::MAX).unwrap().is_data() {}
                assert_eq!((frames.first(), frames.frames(), frames.lost()), (position, 1, 0));
                check_pattern(&frames, &mut expected);
                let view = loop {
                    if let Outcome::Data(view) = messages.view().unwrap() {
                        break view;
                    }
                };
                let [head, tail] = view.samples();
                assert!(tail.is_empty(), "a single frame never wraps");
                assert!(head.to_vec() == frames.samples());
                assert!(messages.finish(view));
            }
        }
    }
    assert_eq!((reader.lost(), messages.lost()), (0, 0));
}

#[test]
fn a_ring_of_one_frame_keeps_the_newest_and_counts_the_rest() {
    let name = Name::new("one");
    let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
    writer.begin(&format(1), &description(""), 1).unwrap();
    let mut followers = Follower::open_both(&name, &oldest(), &Ledger::default()).unwrap();
    for frames in [1, 1, 1, 0, 3, 1, 7, 0] {
        signal::write(&mut writer, frames).unwrap();
    }
    for follower in &mut followers {
        follower.drain().unwrap();
        assert_eq!(follower.position(), 14);
    }
    assert_eq!(followers[0].ledger.read, 1, "the newest");
    signal::write(&mut writer, 1).unwrap();
    for follower in &mut followers {
        follower.drain().unwrap();
        assert_eq!(follower.position(), 15);
    }
}

#[test]
fn chunks_longer_than_the_ring_lose_exactly_what_does_not_fit() {
    let name = Name::new("longer");
    let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
    for (ring_frames, chunk) in [(1, 2), (7, 8), (7, 14), (7, 15), (7, 700), (200, 201), (200, 1999)] {
        writer.begin(&format(ring_frames), &description(""), chunk).unwrap();
        let base = writer.stream_position();
        let held = writer.ring_frames();
        for copy in [false, true] {
            let mut reader = Follower::open(&name, Kind::Wait, &oldest(), Ledger::anywhere()).unwrap();
            reader.drain().unwrap();
            if copy {
                signal::write_copy(&mut writer, chunk, &mut Vec::new()).unwrap();
            } else {
                signal::write(&mut writer, chunk).unwrap();
            }
            let mut frames = Frames::new();
            let mut newest = Reader::open(&name, ReaderOptions::default()).unwrap();
            assert_eq!(newest.latest(u64::MAX, &mut frames).unwrap(), chunk.min(held));
            reader.drain().unwrap();
            assert_eq!(reader.ledger.next(), writer.stream_position());
            assert!(writer.stream_position() - base >= chunk);
        }
    }
}

#[test]
fn rings_beyond_the_limit_are_refused_with_both_numbers_and_change_nothing() {
    let name = Name::new("limit");
    let limit = 1 << 20;
    let mut writer = Writer::create(&name, WriterOptions::default().max_ring_bytes(limit)).unwrap();
    let refused = |writer: &mut Writer, frames: u64| match writer.begin(&format(frames), &description(""), 1) {
        Err(error @ Error::TooLarge { needed, limit: said }) => {
            assert_eq!(said, limit);
            assert_eq!(needed, format(frames).ring_bytes(1).unwrap());
            assert!(error.to_string().contains(&needed.to_string()));
            needed
        }
        other => panic!("{other:?}"),
    };
    assert!(refused(&mut writer, 1 << 20) > limit);
    assert_eq!(writer.generation(), None);
    let fits = (1..).take_while(|&frames| format(frames).ring_bytes(1).unwrap() <= limit).last().unwrap();
    writer.begin(&format(fits), &description(""), 1).unwrap();
    signal::write(&mut writer, 5).unwrap();
    refused(&mut writer, fits + 1000);
    assert_eq!((writer.generation(), writer.position()), (Some(0), 5));
    signal::write(&mut writer, 5).unwrap();
    let mut reader = Follower::open(&name, Kind::Wait, &oldest(), Ledger::default()).unwrap();
    reader.drain().unwrap();
    assert_eq!(reader.ledger.read, 10);
    let options = ReaderOptions::default().max_ring_bytes(limit / 2);
    assert!(matches!(Reader::open(&name, options), Err(Error::TooLarge { .. })));
}

#[test]
fn sizes_that_overflow_are_refused_as_formats() {
    for (shape, frames) in [
        (vec![u64::MAX], 1),
        (vec![1 << 32, 1 << 32], 1),
        (vec![1 << 31; 8], 1),
        (vec![1 << 60], 1000),
        (vec![1 << 40], u64::from(u32::MAX)),
        (vec![i64::MAX as u64], 1),
    ] {
        let refused = Format::new(Dtype::F64, &shape, 0.0, frames);
        assert!(matches!(refused, Err(Error::BadFormat { .. })), "{shape:?} {frames}: {refused:?}");
    }
    for (rate_hz, frames) in [(f64::NAN, 1), (f64::INFINITY, 1), (-1.0, 1), (0.0, 0), (0.0, 1 << 32)] {
        assert!(matches!(Format::new(Dtype::U8, &[], rate_hz, frames), Err(Error::BadFormat { .. })));
    }
    assert!(matches!(Format::new(Dtype::U8, &[1; 9], 0.0, 1), Err(Error::BadFormat { .. })));
    assert!(matches!(Format::new(Dtype::U8, &[3, 0], 0.0, 1), Err(Error::BadFormat { .. })));
}

#[test]
fn a_ring_that_does_not_fit_into_memory_is_refused_with_the_needed_and_the_free_bytes() {
    let name = Name::new("terabyte");
    let options = WriterOptions::default().max_ring_bytes(u64::MAX);
    let mut writer = Writer::create(&name, options).unwrap();
    for frame_bytes in [1 << 50, 1 << 62] {
        let huge = Format::new(Dtype::U8, &[frame_bytes], 0.0, 1).unwrap();
        match writer.begin(&huge, &Description::default(), 1) {
            Err(Error::NoSpace { needed, free }) => assert!(needed > frame_bytes && free < needed),
            other => panic!("{other:?}"),
        }
    }
    writer.begin(&format(8), &description(""), 1).unwrap();
    signal::write(&mut writer, 1).unwrap();
}

#[test]
fn modes_are_exact_with_any_umask() {
    let name = Name::new("umask");
    for mode in [0o600, 0o640, 0o644] {
        for umask in [0, 0o022, 0o077, 0o777] {
            let mut writer = roles::start("writer", &[&name]);
            for line in
                [&format!("umask {umask:o}"), &format!("create {mode:o}"), "begin 4 8 1 first", "describe again"]
            {
                writer.request_expecting(line, DONE).unwrap();
            }
            let paths = segments::of(&name);
            assert_eq!(paths.len(), 6);
            for path in paths {
                assert_eq!(path.metadata().unwrap().mode() & 0o7777, mode, "umask {umask:o}, {path:?}");
            }
            writer.end_well().unwrap();
        }
    }
    for mode in [0, 0o400, 0o660, 0o666, 0o602, 0o622, 0o1600, 0o777] {
        let refused = Writer::create(&name, WriterOptions::default().mode(mode));
        assert!(matches!(refused, Err(Error::BadArgument { .. })), "{mode:o}");
    }
}

/// A dead writer's stream whose numbers are about to wrap: its words are set, and its segments renamed to match.
fn before_the_wrap(name: &str, generation: u32, meta_generation: u32, epoch: u32) {
    roles::leave_dead_stream(name, 16);
    let header = segments::header(name);
    let ring = segments::ring(name, 0);
    let trailer = ring.metadata().unwrap().len() - trailer_at::LENGTH;
    let metadata = segments::metadata(name, 1);
    let footer = metadata.metadata().unwrap().len() - footer_at::LENGTH;
    patch(&ring, trailer + trailer_at::GENERATION, &generation.to_le_bytes()).unwrap();
    patch(&metadata, footer + footer_at::META_GENERATION, &meta_generation.to_le_bytes()).unwrap();
    let index = Bytes::of(&ring).u64(trailer + trailer_at::INDEX_OFFSET);
    patch(&ring, index + record_at::META_GENERATION, &meta_generation.to_le_bytes()).unwrap();
    for (from, to) in [(ring, segments::ring(name, generation)), (metadata, segments::metadata(name, meta_generation))]
    {
        std::fs::rename(segments::anchor(&from), segments::anchor(&to)).unwrap();
        std::fs::rename(from, to).unwrap();
    }
    patch(&header, header_at::GENERATION, &generation.to_le_bytes()).unwrap();
    patch(&header, header_at::META_GENERATION, &meta_generation.to_le_bytes()).unwrap();
    patch(&header, header_at::EPOCH, &epoch.to_le_bytes()).unwrap();
    patch(&header, header_at::WAKE, &(u32::MAX - 2).to_le_bytes()).unwrap();
}

#[test]
fn generations_descriptions_epochs_and_the_wake_word_wrap_around() {
    let name = Name::new("wrap");
    before_the_wrap(&name, u32::MAX - 1, u32::MAX, u32::MAX);
    let mut followers = Follower::open_both(&name, &oldest(), &Ledger::default()).unwrap();
    for follower in &mut followers {
        let info = follower.info().unwrap();
        assert_eq!((info.generation, info.epoch), (Some(u32::MAX - 1), Some(u32::MAX)));
        follower.drain().unwrap();
        assert_eq!(follower.ledger.read, 5);
    }
    // Segments with the number after the wrap are removed first.
    for public in [segments::ring(&name, 0), segments::metadata(&name, 1)] {
        std::fs::write(&public, "an orphan from before the wrap").unwrap();
        std::fs::write(segments::anchor(&public), "an orphan from before the wrap").unwrap();
    }
    let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
    assert_eq!(writer.epoch(), 1, "0 is not an epoch");
    let mut keys = Vec::new();
    for (generation, key) in [(0, "second"), (1, "third")] {
        writer.begin(&format(16), &description(key), 4).unwrap();
        assert_eq!(writer.generation(), Some(generation), "0xFFFFFFFF is not a generation");
        let header = Bytes::of(&segments::header(&name));
        assert_eq!(header.u32(header_at::META_GENERATION), generation + 1, "0 is not a description");
        for _ in 0..3 {
            signal::write(&mut writer, 4).unwrap();
            for follower in &mut followers {
                // A sleep across the wake word's wrap also ends at once, rather than with the slice.
                assert_eq!(follower.wait(PATIENCE).unwrap(), Wait::Ready);
                follower.drain().unwrap();
                assert_eq!((follower.position(), follower.lost()), (writer.stream_position(), 0));
            }
        }
        keys.push(followers[0].description().unwrap().key.clone());
    }
    assert_eq!(keys, ["second", "third"]);
    let wake = Bytes::of(&segments::header(&name)).u32(header_at::WAKE);
    assert!(wake < 100, "{wake}");
    drop(writer);
}

#[test]
fn a_waiter_is_woken_across_the_wrap_of_the_wake_word() {
    let name = Name::new("wake-wrap");
    let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
    writer.begin(&format(16), &description(""), 1).unwrap();
    patch(&segments::header(&name), header_at::WAKE, &u32::MAX.to_le_bytes()).unwrap();
    let mut reader = Reader::open(&name, ReaderOptions::default()).unwrap();
    let asleep = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            asleep.store(true, std::sync::atomic::Ordering::Relaxed);
            reader.wait(PATIENCE).unwrap()
        });
        wait_until("it sleeps", || asleep.load(std::sync::atomic::Ordering::Relaxed));
        signal::write(&mut writer, 1).unwrap();
        assert_eq!(waiter.join().unwrap(), Wait::Ready);
    });
    assert_eq!(Bytes::of(&segments::header(&name)).u32(header_at::WAKE), 0);
}

// The following tests run with a /dev/shm of 64 MB.

const MIB: u64 = 1 << 20;

/// A format whose ring takes about that many MiB, in frames of 64 KiB.
fn mebibytes(mebibytes: u64) -> Format {
    Format::new(Dtype::U8, &[65536], 0.0, 16 * mebibytes).unwrap()
}

/// Takes all free memory.
fn fill_up() {
    use std::io::Write;
    let room = rustix::fs::statvfs("/dev/shm").unwrap();
    assert!(room.f_blocks * room.f_frsize <= 64 * MIB, "expected a small shared memory of this test's own");
    let mut file = std::fs::File::create("/dev/shm/ballast").unwrap();
    let page = [1; 4096];
    let error = loop {
        if let Err(error) = file.write_all(&page) {
            break error;
        }
    };
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull, "{error}");
}

#[test]
fn a_small_shared_memory_is_a_clear_error_and_never_a_sigbus() {
    with_private_shm(64, || {
        let mut writer = Writer::create("small", WriterOptions::default()).unwrap();
        match writer.begin(&mebibytes(80), &Description::default(), 1) {
            Err(error @ Error::NoSpace { needed, free }) => {
                assert_eq!(needed, mebibytes(80).ring_bytes(1).unwrap());
                assert!((60 * MIB..=64 * MIB).contains(&free), "{free}");
                let text = error.to_string();
                assert!(
                    text.contains(&needed.to_string())
                        && text.contains(&free.to_string())
                        && text.contains("--shm-size")
                );
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(listing().len(), 2, "only the header");
        assert!(matches!(
            writer.write(&Chunk { samples: &[], times: Times::Values(&[]), send_ns: 0 }),
            Err(Error::NoGeneration)
        ));

        writer.begin(&mebibytes(20), &Description::default(), 1).unwrap();
        write_pattern(&mut writer, 0, 100);
        let mut reader = Reader::open("small", oldest()).unwrap();
        // The ring fits neither beside nor instead of the old one, so the stream stays as it is.
        assert!(matches!(writer.begin(&mebibytes(70), &Description::default(), 1), Err(Error::NoSpace { .. })));
        assert_eq!((writer.generation(), writer.position()), (Some(0), 100));
        // Another process takes all free memory: every page of the ring is already reserved.
        fill_up();
        write_pattern(&mut writer, 100, 400);
        let mut frames = Frames::new();
        assert!(reader.read(&mut frames, u64::MAX).unwrap().is_data());
        assert_eq!(frames.first() + frames.frames(), 500);
        assert_eq!(frames.lost() + frames.frames(), 500);
        check_pattern(&frames, &mut Vec::new());
        // A new description or a new ring cannot be created; the old ones stay in use.
        let described = Description { key: "new".into(), ..Default::default() };
        assert!(matches!(writer.describe(&described), Err(Error::NoSpace { .. })));
        write_pattern(&mut writer, 500, 1);
        assert!(reader.read(&mut frames, u64::MAX).unwrap().is_data());
        // Once there is room again, the writer continues.
        std::fs::remove_file("/dev/shm/ballast").unwrap();
        writer.describe(&described).unwrap();
        writer.begin(&mebibytes(21), &described, 1).unwrap();
        write_pattern(&mut writer, 0, 1);
        assert_eq!(writer.generation(), Some(1));
        while !reader.read(&mut frames, u64::MAX).unwrap().is_data() {}
        assert_eq!((frames.generation(), frames.frames(), frames.lost()), (1, 1, 0));
        drop(writer);
        assert_eq!(listing(), [""; 0]);
    });
}

#[test]
fn a_ring_that_fits_only_without_the_old_one_does_not_begin_beside_it() {
    with_private_shm(64, || {
        let mut writer = Writer::create("beside", WriterOptions::default()).unwrap();
        writer.begin(&mebibytes(40), &Description::default(), 1).unwrap();
        write_pattern(&mut writer, 0, 2);
        let error = writer.begin_beside(&mebibytes(41), &Description::default(), 1).unwrap_err();
        assert!(matches!(error, Error::NoSpace { .. }), "{error}");
        assert_eq!((writer.generation(), writer.ring_frames()), (Some(0), 640));
        write_pattern(&mut writer, 2, 2);
        let mut reader = Reader::open("beside", oldest()).unwrap();
        let mut frames = Frames::default();
        assert!(matches!(reader.read(&mut frames, 10), Ok(Outcome::Data(_))) && frames.frames() == 4);
        writer.begin_beside(&mebibytes(10), &Description::default(), 1).unwrap();
        assert_eq!((writer.generation(), writer.ring_frames()), (Some(1), 160));
    });
}

#[test]
fn if_the_new_ring_fits_only_without_the_old_one_the_stream_restarts_and_readers_lose_nothing() {
    with_private_shm(64, || {
        // Without readers, closing frees the memory at once.
        let mut writer = Writer::create("restart", WriterOptions::default()).unwrap();
        writer.begin(&mebibytes(40), &Description::default(), 1).unwrap();
        write_pattern(&mut writer, 0, 10);
        let before = writer.stream_id();
        writer.begin(&mebibytes(41), &Description::default(), 1).unwrap();
        assert_ne!(writer.stream_id(), before);
        write_pattern(&mut writer, 0, 3);
        assert_eq!((writer.generation(), writer.position()), (Some(0), 3));
        // An attached reader maps the old ring until it has drained it, and the writer waits for that.
        let (frames_read, outcomes) = std::thread::scope(|scope| {
            let (attached, is_attached) = std::sync::mpsc::channel();
            let following = scope.spawn(move || {
                let mut reader = Reader::open("restart", oldest()).unwrap();
                attached.send(()).unwrap();
                let (mut frames, mut expected, mut read, mut outcomes) = (Frames::new(), Vec::new(), 0, Vec::new());
                let deadline = Instant::now() + PATIENCE;
                while read < 3 + 5 + 2 {
                    assert!(Instant::now() < deadline, "{read} read, {outcomes:?}");
                    if reader.wait(Duration::from_secs(1)).unwrap() == Wait::Ready {
                        // The reader is busy while it maps the old ring.
                        std::thread::sleep(Duration::from_millis(50));
                        match reader.read(&mut frames, u64::MAX).unwrap() {
                            Outcome::Data(_) => {
                                check_pattern(&frames, &mut expected);
                                read += frames.frames();
                            }
                            other => outcomes.push(other),
                        }
                    }
                }
                assert_eq!(reader.lost(), 0);
                (read, outcomes)
            });
            is_attached.recv().unwrap();
            write_pattern(&mut writer, 3, 5);
            writer.begin(&mebibytes(42), &Description::default(), 1).unwrap();
            write_pattern(&mut writer, 0, 2);
            following.join().unwrap()
        });
        assert_eq!((frames_read, outcomes), (10, vec![Outcome::Closed, Outcome::Generation]));
        // A reader that keeps the old ring mapped keeps its memory. The writer returns an error, and continues once the
        // reader has ended.
        let sleepy = Reader::open("restart", oldest()).unwrap();
        match writer.begin(&mebibytes(43), &Description::default(), 1) {
            Err(Error::NoSpace { needed, free }) => assert!(free < needed),
            other => panic!("{other:?}"),
        }
        drop(sleepy);
        writer.begin(&mebibytes(43), &Description::default(), 1).unwrap();
        write_pattern(&mut writer, 0, 1);
        drop(writer);
        assert_eq!(listing(), [""; 0]);
    });
}

#[test]
fn without_patience_a_ring_that_has_to_wait_for_readers_is_refused_at_once() {
    with_private_shm(64, || {
        let options = WriterOptions::default().begin_patience(Duration::ZERO);
        let mut writer = Writer::create("at-once", options).unwrap();
        // A busy machine may need any time for one attempt, but a writer that waits always needs half a second.
        let shortest = (0..10).map(|_| {
            writer.begin(&mebibytes(40), &Description::default(), 1).unwrap();
            write_pattern(&mut writer, 0, 1);
            let reader = Reader::open("at-once", oldest()).unwrap();
            let began = Instant::now();
            let refused = writer.begin(&mebibytes(41), &Description::default(), 1);
            assert!(matches!(refused, Err(Error::NoSpace { .. })), "{refused:?}");
            drop(reader);
            began.elapsed()
        });
        assert!(shortest.min().unwrap() < Duration::from_millis(500));
        drop(writer);
        assert_eq!(listing(), [""; 0]);
    });
}

#[test]
fn a_header_that_finds_no_room_is_refused_and_leaves_nothing() {
    with_private_shm(1, || {
        fill_up();
        match Writer::create("full", WriterOptions::default()) {
            Err(Error::NoSpace { needed: 4096, free }) => assert!(free < 4096),
            other => panic!("{other:?}"),
        }
        assert_eq!(listing(), ["ballast"]);
        std::fs::remove_file("/dev/shm/ballast").unwrap();
        drop(Writer::create("full", WriterOptions::default()).unwrap());
        assert_eq!(listing(), [""; 0]);
    });
}
