//! Other processes that hold locks on a stream, or overwrite it while it lives.

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use dora_shm_ring::*;
use dora_shm_testkit::probe;
use dora_shm_testkit::rng::Rng;
use dora_shm_testkit::roles::{self, DONE, leave_dead_stream};
use dora_shm_testkit::segments::{self, header_at, trailer_at};
use dora_shm_testkit::signal::{self, format};
use dora_shm_testkit::specimen::description;
use dora_shm_testkit::{Flag, Name, PATIENCE, wait_until};
use nix::fcntl::{FcntlArg, fcntl};

use crate::probe::assert_about_segments;
use crate::specimen::{specimen, take_name};

fn read_lock(path: &Path) -> std::fs::File {
    let file = std::fs::File::open(path).unwrap();
    let lock = libc::flock { l_type: libc::F_RDLCK as i16, l_whence: 0, l_start: 0, l_len: 0, l_pid: 0 };
    fcntl(&file, FcntlArg::F_OFD_SETLK(&lock)).unwrap();
    file
}

#[test]
fn a_read_lock_on_a_dead_stream_obstructs_its_takeover_for_as_long_as_it_is_held() {
    let name = Name::new("obstructed");
    leave_dead_stream(&name, 32);
    let anchor = segments::anchor(&segments::header(&name));
    let lock = read_lock(&anchor);
    let mut reader = Reader::open(&name, ReaderOptions::default()).unwrap();
    assert_eq!(
        reader.liveness(PATIENCE).unwrap(),
        Liveness::Dead,
        "a reader's lock does not make the writer count as live"
    );
    let started = Instant::now();
    let refused = Writer::create(&name, WriterOptions::default());
    assert!(matches!(refused, Err(Error::Obstructed { .. })), "{refused:?}");
    assert!(started.elapsed() >= Duration::from_secs(2));
    // A busy machine may need any time for one attempt, but a writer that waits always needs two seconds.
    let impatient = (0..10).map(|_| {
        let started = Instant::now();
        let refused = Writer::create(&name, WriterOptions::default().create_patience(Duration::ZERO));
        assert!(matches!(refused, Err(Error::Obstructed { .. })), "{refused:?}");
        started.elapsed()
    });
    assert!(impatient.min().unwrap() < Duration::from_secs(2));
    let waiting = std::thread::spawn({
        let name = name.to_string();
        move || Writer::create(&name, WriterOptions::default()).map(|writer| writer.epoch())
    });
    drop(lock);
    assert_eq!(waiting.join().unwrap().unwrap(), 2, "taken over");
    assert!(segments::of(&name).is_empty());
}

#[test]
fn a_process_that_may_write_a_segment_can_kill_its_readers_by_truncating_it_and_the_next_writer_continues() {
    let specimen = specimen("cut-short");
    specimen.put().unwrap();
    // AddressSanitizer would handle the signal and end the process itself.
    let environment = [("ASAN_OPTIONS", "handle_sigbus=0")];
    let mut victim = roles::start_with("reader", &[&specimen.name], &environment);
    victim.request_expecting("open", DONE).unwrap();
    victim.request_expecting("read 1", "Data(1)").unwrap();
    let [_, ring, _] = specimen.paths();
    std::fs::OpenOptions::new().write(true).open(ring).unwrap().set_len(0).unwrap();
    victim.send_line("read 100");
    let status = victim.end().unwrap();
    assert_eq!(status.signal(), Some(libc::SIGBUS), "{status}");
    take_name(&specimen.name);
}

#[test]
fn a_leftover_header_without_an_anchor_is_replaced_unless_a_process_holds_its_lock() {
    let name = Name::new("leftover");
    leave_dead_stream(&name, 32);
    let public = segments::header(&name);
    std::fs::remove_file(segments::anchor(&public)).unwrap();
    let lock = read_lock(&public);
    let refused = Writer::create(&name, WriterOptions::default());
    assert!(matches!(refused, Err(Error::NameTaken { .. })), "{refused:?}");
    drop(lock);
    take_name(&name);
}

#[test]
fn readers_of_a_live_stream_survive_a_process_that_overwrites_its_header_and_trailer() {
    let name = Name::new("scribbler");
    let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
    writer.begin(&format(256), &description(), 8).unwrap();
    let stop = Flag::new();
    let (answers, errors, scribbles) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let _stop = stop.raise_at_end();
        let scribbler = scope.spawn(|| {
            // Overwrites one field of the header or the trailer at a time, then restores it.
            let header = std::fs::OpenOptions::new().read(true).write(true).open(segments::header(&name)).unwrap();
            let mut rng = Rng::new(3);
            let deadline = Instant::now() + Duration::from_secs(3);
            let mut generation = 0;
            while Instant::now() < deadline && !stop.is_raised() {
                use std::os::unix::fs::FileExt;
                let ring = std::fs::OpenOptions::new().read(true).write(true).open(segments::ring(&name, generation));
                let Ok(ring) = ring else {
                    generation = (generation + 1) % 150;
                    continue;
                };
                let length = ring.metadata().unwrap().len();
                for _ in 0..200 {
                    let (file, offset) = if rng.below(2) == 0 {
                        // Up to the name, one word at a time, so that the writer's stores to other words are kept.
                        (&header, header_at::MAGIC + 4 * rng.below((header_at::NAME - header_at::MAGIC) / 4 + 4))
                    } else {
                        (&ring, length - trailer_at::LENGTH + 4 * rng.below(100))
                    };
                    let mut before = [0; 4];
                    file.read_exact_at(&mut before, offset).unwrap();
                    let value = match rng.below(4) {
                        0 => 0,
                        1 => u32::MAX,
                        2 => rng.below(1 << 32) as u32,
                        _ => u32::from_le_bytes(before) ^ (1 << rng.below(32)),
                    };
                    file.write_all_at(&value.to_le_bytes(), offset).unwrap();
                    std::thread::yield_now();
                    file.write_all_at(&before, offset).unwrap();
                    scribbles.fetch_add(1, Ordering::Relaxed);
                }
            }
            stop.raise();
        });
        for i in 0..2 {
            let (answers, errors, name, stop) = (&answers, &errors, &name, &stop);
            scope.spawn(move || {
                let mut rng = Rng::new(10 + i);
                let _stop = stop.raise_at_end();
                while !stop.is_raised() {
                    let start = [Start::Oldest, Start::Newest, Start::Last(20)][rng.below(3) as usize];
                    let options = ReaderOptions::default().start(start);
                    let result = if i == 0 {
                        probe::frames(name, &options).and_then(|()| follow_frames(name, &options))
                    } else {
                        probe::messages(name, &options).and_then(|()| follow_messages(name, &options))
                    };
                    match result {
                        Ok(()) => answers.fetch_add(1, Ordering::Relaxed),
                        Err(error) => {
                            assert_about_segments(&error);
                            errors.fetch_add(1, Ordering::Relaxed)
                        }
                    };
                }
            });
        }
        let mut rng = Rng::new(4);
        let mut generations = 1;
        while !stop.is_raised() {
            for _ in 0..20 {
                signal::write(&mut writer, rng.below(40)).unwrap();
            }
            if generations < 100 && rng.below(50) == 0 {
                writer.begin(&format(128 + 8 * rng.below(4)), &description(), 8).unwrap();
                generations += 1;
            }
            std::thread::yield_now();
        }
        scribbler.join().unwrap();
    });
    let counts = [&answers, &errors, &scribbles].map(|count| count.load(Ordering::Relaxed));
    assert!(counts.iter().all(|&count| count > 20), "results, errors, overwrites: {counts:?}");
    // The writer does not rely on anything that it stored, so it closes cleanly.
    let header = segments::header(&name);
    drop(writer);
    wait_until("nothing is left", || segments::of(&name).is_empty());
    assert!(!header.exists());
}

fn follow_frames(name: &str, options: &ReaderOptions) -> Result<()> {
    let mut reader = Reader::open(name, options.clone())?;
    let mut frames = Frames::new();
    for _ in 0..20 {
        reader.wait(Duration::from_millis(1))?;
        reader.read(&mut frames, 100)?;
        if let Outcome::Data(view) = reader.view(100)? {
            let _ = view.samples().map(|run| run.to_vec());
            reader.finish(view);
        }
    }
    Ok(())
}

fn follow_messages(name: &str, options: &ReaderOptions) -> Result<()> {
    let mut reader = MessageReader::open(name, options.clone())?;
    let mut message = Message::new();
    for _ in 0..20 {
        reader.wait(Duration::from_millis(1))?;
        reader.next(&mut message)?;
        if let Outcome::Data(view) = reader.view()? {
            reader.finish(view);
        }
    }
    Ok(())
}
