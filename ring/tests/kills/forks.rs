//! Writers that fork, and what their children inherit of the stream.

use std::io::{PipeReader, PipeWriter, Read as _, Write as _, pipe};

use dora_shm_ring::*;
use dora_shm_testkit::follower::{Follower, oldest};
use dora_shm_testkit::isolated::in_own_process;
use dora_shm_testkit::ledger::Ledger;
use dora_shm_testkit::signal::{self, description, format};
use dora_shm_testkit::{Name, PATIENCE, segments, wait_until};
use rustix::process::{Pid, Signal};

use crate::stream;

/// Forks. Calls `child` in the child, which has only one thread, and exits with its result as the status.
fn fork(child: impl FnOnce() -> i32) -> Pid {
    // SAFETY: the child continues with a copy of all memory, which these tests are about. It ends without running the
    // parent's exit handlers.
    match unsafe { libc::fork() } {
        -1 => panic!("{}", std::io::Error::last_os_error()),
        0 => {
            let status = std::panic::catch_unwind(std::panic::AssertUnwindSafe(child)).unwrap_or(99);
            // SAFETY: ends the process.
            unsafe { libc::_exit(status) }
        }
        pid => Pid::from_raw(pid).unwrap(),
    }
}

fn exit_status(pid: Pid) -> Option<i32> {
    rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty()).unwrap().unwrap().1.exit_status()
}

/// Waits for a byte.
fn await_byte(mut from: &PipeReader) {
    from.read_exact(&mut [0]).unwrap();
}

/// Runs in a forked child: writes five frames and forks a child without exec, which lives until the lifeline is closed.
/// Then writes one frame for each order. Reports the child's process ID, then a byte for each frame.
fn write_and_fork(name: &str, orders: &PipeReader, mut reports: PipeWriter, mut lifeline: PipeReader) -> ! {
    let mut writer = stream(name);
    signal::write(&mut writer, 5).unwrap();
    let child = fork(|| lifeline.read(&mut [0]).map_or(1, |_| 0));
    reports.write_all(&child.as_raw_nonzero().get().to_le_bytes()).unwrap();
    loop {
        await_byte(orders);
        signal::write(&mut writer, 1).unwrap();
        reports.write_all(b"!").unwrap();
    }
}

#[test]
fn a_child_without_exec_keeps_no_lock_of_its_dead_parent() {
    in_own_process(|| {
        let name = Name::new("fork");
        let ((orders, mut order), (mut report, reports)) = (pipe().unwrap(), pipe().unwrap());
        // Only this process holds the other end, so the child ends with it.
        let (lifeline, held) = pipe().unwrap();
        let mut held = Some(held);
        let parent = fork(|| {
            held = None;
            write_and_fork(&name, &orders, reports, lifeline)
        });
        let mut child = [0; 4];
        report.read_exact(&mut child).unwrap();
        let child = Pid::from_raw(i32::from_le_bytes(child)).unwrap();
        let mut reader = Reader::open(&name, oldest()).unwrap();
        order.write_all(b"!").unwrap();
        await_byte(&report);
        assert_eq!(reader.liveness(PATIENCE).unwrap(), Liveness::Live);
        rustix::process::kill_process(parent, Signal::KILL).unwrap();
        assert_eq!(exit_status(parent), None, "killed");
        the_stream_is_free(&name, reader, child);
        rustix::process::kill_process(child, Signal::KILL).unwrap();
        drop(held);
    });
}

fn the_stream_is_free(name: &str, mut reader: Reader, child: Pid) {
    // The child is alive, with the parent's descriptors and mappings.
    rustix::process::test_kill_process(child).unwrap();
    let descriptors = std::fs::read_dir(format!("/proc/{}/fd", child.as_raw_nonzero())).unwrap();
    let segments_open = descriptors
        .filter(|entry| {
            let target = std::fs::read_link(entry.as_ref().unwrap().path());
            target.is_ok_and(|target| target.starts_with("/dev/shm"))
        })
        .count();
    assert!(segments_open > 0, "without them, this test proves nothing");
    wait_until("the stream is dead", || reader.liveness(PATIENCE).unwrap() == Liveness::Dead);
    let mut writer = stream(name);
    assert_eq!(writer.epoch(), 2);
    signal::write(&mut writer, 1).unwrap();
    let mut frames = Frames::new();
    let mut read = 0;
    wait_until("all frames are read", || {
        if reader.read(&mut frames, u64::MAX).unwrap().is_data() {
            read += frames.frames();
        }
        read >= 7
    });
    assert_eq!(reader.lost(), 0);
}

#[test]
fn a_writer_that_is_used_or_dropped_in_a_forked_child_does_nothing_to_the_stream() {
    in_own_process(|| use_and_drop_in_a_child(&Name::new("heir")));
}

fn use_and_drop_in_a_child(name: &str) {
    // Each process drops its own copy.
    let mut inherited = Some(stream(name));
    signal::write(inherited.as_mut().unwrap(), 5).unwrap();
    let before = segments::of(name);
    let mut reader = Reader::open(name, oldest()).unwrap();
    let child = fork(|| {
        let mut writer = inherited.take().unwrap();
        let chunk = Chunk { samples: &[0; signal::LEAST_BYTES], times: Times::Values(&[0.0]), send_ns: 0 };
        let answers = [
            writer.write(&chunk),
            writer.write_with(0, Times::Values(&[]), 0, |_, _| {}),
            writer.begin(&format(8), &description(""), 1),
            writer.describe(&description("heir")),
            writer.maintain(),
        ];
        if answers.iter().any(|answer| !matches!(answer, Err(Error::Forked))) {
            return 1;
        }
        let _ = (writer.warnings(), format!("{writer:?}"), writer.position());
        // The child cannot create its own writer, since the parent lives.
        if !matches!(Writer::create(name, WriterOptions::default()), Err(Error::Live { .. })) {
            return 2;
        }
        let mut frames = Frames::new();
        if !matches!(reader.read(&mut frames, 2), Ok(Outcome::Data(2))) || frames.frames() != 2 {
            return 3;
        }
        drop(writer);
        if segments::of(name) == before { 0 } else { 4 }
    });
    assert_eq!(exit_status(child), Some(0));
    assert_eq!(segments::of(name), before);
    signal::write(inherited.as_mut().unwrap(), 1).unwrap();
    let mut follower = Follower::of_frames(reader, Ledger::default());
    follower.drain().unwrap();
    assert_eq!((follower.ledger.read, follower.lost()), (6, 0));
    assert!(matches!(Writer::create(name, WriterOptions::default()), Err(Error::Live { .. })));

    // Dropping an inherited handle leaves a new stream of that name alone.
    let (come, mut go) = pipe().unwrap();
    let child = fork(|| {
        await_byte(&come);
        drop(inherited.take());
        0
    });
    drop(inherited.take());
    let mut next = stream(name);
    let before = segments::of(name);
    assert_eq!(before.len(), 6);
    go.write_all(b"!").unwrap();
    assert_eq!(exit_status(child), Some(0));
    assert_eq!(segments::of(name), before);
    signal::write(&mut next, 1).unwrap();
    follower.drain().unwrap();
    let found = streams().unwrap();
    assert!(found.iter().any(|stream| matches!(stream, StreamInfo::Stream(info) if info.name == name)));
}
