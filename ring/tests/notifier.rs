//! A stream's updates as a descriptor, which is readable exactly if something is new.

use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use dora_shm_ring::*;
use dora_shm_testkit::source::{Source, format};
use dora_shm_testkit::{Name, PATIENCE};

/// Long enough to conclude that nothing was reported.
const QUIET: Duration = Duration::from_millis(50);

fn is_readable(notifier: &Notifier, within: Duration) -> bool {
    let mut poll = libc::pollfd { fd: notifier.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one entry, which outlives the call.
    let ready = unsafe { libc::poll(&mut poll, 1, within.as_millis() as i32) };
    assert!(ready >= 0, "{}", std::io::Error::last_os_error());
    ready == 1
}

/// How often the eventfd was set since it was last read.
fn count(notifier: &Notifier) -> u64 {
    let mut bytes = [0; 8];
    rustix::io::read(notifier.as_fd(), &mut bytes).map_or(0, |_| u64::from_ne_bytes(bytes))
}

/// Clears until the descriptor stays unreadable, since a notifier may report frames that have just been read.
fn settle(notifier: &Notifier) {
    let deadline = Instant::now() + PATIENCE;
    notifier.clear();
    while is_readable(notifier, QUIET) {
        assert!(Instant::now() < deadline, "the descriptor stays readable");
        notifier.clear();
    }
}

fn open(name: &str) -> Notifier {
    Notifier::open(name, ReaderOptions::default()).unwrap()
}

#[test]
fn a_notifier_is_readable_at_first_and_again_after_each_write() {
    let name = Name::new("notify-writes");
    let mut source = Source::new(&name, 100);
    let notifier = open(&name);
    assert!(is_readable(&notifier, Duration::ZERO), "readable at first, since a reader may begin at older frames");
    settle(&notifier);
    for _ in 0..20 {
        source.write(3);
        assert!(is_readable(&notifier, PATIENCE));
        settle(&notifier);
    }
}

#[test]
fn a_reader_that_clears_before_reading_misses_nothing() {
    let name = Name::new("notify-all");
    let mut source = Source::new(&name, 100_000);
    let mut reader = Reader::open(&name, ReaderOptions::default()).unwrap();
    let notifier = open(&name);
    let total = 20_000;
    let writing = std::thread::spawn(move || {
        for i in 0..total {
            source.write(1);
            if i % 100 == 0 {
                std::thread::sleep(Duration::from_micros(200));
            }
        }
        source
    });
    let mut frames = Frames::new();
    let mut read = 0;
    while read < total {
        assert!(is_readable(&notifier, PATIENCE), "{read} of {total} frames were reported");
        notifier.clear();
        while reader.read(&mut frames, u64::MAX).unwrap().is_data() {
            read += frames.frames();
        }
    }
    assert_eq!((read, reader.lost()), (total, 0));
    drop(writing.join().unwrap());
}

#[test]
fn a_stream_that_is_not_read_sets_the_notifier_once() {
    let name = Name::new("notify-unread");
    let mut source = Source::new(&name, 100);
    let notifier = open(&name);
    settle(&notifier);
    source.write(1);
    assert!(is_readable(&notifier, PATIENCE));
    for _ in 0..10_000 {
        source.write(1);
    }
    std::thread::sleep(QUIET);
    assert_eq!(count(&notifier), 1);
}

#[test]
fn a_notifier_follows_a_stream_from_before_it_exists_to_its_end_and_to_the_next_one() {
    let name = Name::new("notify-life");
    let notifier = open(&name);
    settle(&notifier);
    for round in 0..3 {
        let mut source = Source::new(&name, 100);
        assert!(is_readable(&notifier, PATIENCE), "round {round}: a stream exists");
        settle(&notifier);
        source.write(1);
        assert!(is_readable(&notifier, PATIENCE), "round {round}: a frame");
        settle(&notifier);
        source.writer.begin(&format(200), &dora_shm_testkit::source::description(), 1).unwrap();
        assert!(is_readable(&notifier, PATIENCE), "round {round}: a generation");
        settle(&notifier);
        drop(source);
        assert!(is_readable(&notifier, PATIENCE), "round {round}: its end");
        settle(&notifier);
    }
}

#[test]
fn a_reader_that_left_something_unread_can_set_the_notifier() {
    let name = Name::new("notify-set");
    let notifier = open(&name);
    settle(&notifier);
    notifier.set();
    notifier.set();
    assert!(is_readable(&notifier, Duration::ZERO));
    notifier.clear();
    assert!(!is_readable(&notifier, QUIET));
}

#[test]
fn a_notifier_ends_at_once_in_every_state() {
    let name = Name::new("notify-drop");
    let mut source = Source::new(&name, 100);
    for case in 0..200 {
        let notifier = open(&name);
        match case % 4 {
            0 => {}
            1 => notifier.clear(),
            2 => settle_if_quick(&notifier),
            _ => {
                notifier.clear();
                source.write(1);
            }
        }
        let started = Instant::now();
        drop(notifier);
        assert!(started.elapsed() < PATIENCE, "it hangs");
    }
}

fn settle_if_quick(notifier: &Notifier) {
    notifier.clear();
    let _ = is_readable(notifier, Duration::from_millis(1));
}

#[test]
fn an_inherited_notifier_does_nothing_in_a_forked_child_and_a_new_one_works() {
    let name = Name::new("notify-fork");
    let mut source = Source::new(&name, 100);
    let notifier = open(&name);
    settle(&notifier);
    // SAFETY: the child ends without running the parent's exit handlers.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let works = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            notifier.set();
            notifier.clear();
            let own = open(&name);
            own.clear();
            drop(own);
        }));
        // SAFETY: ends the process.
        unsafe { libc::_exit(i32::from(works.is_err())) };
    }
    let pid = rustix::process::Pid::from_raw(child).unwrap();
    let status = rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty()).unwrap().unwrap().1;
    assert_eq!(status.exit_status(), Some(0));
    assert!(!is_readable(&notifier, QUIET), "the child has set its parent's descriptor");
    source.write(1);
    assert!(is_readable(&notifier, PATIENCE));
}
