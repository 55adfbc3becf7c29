//! Writers that fork, and what their children have of the stream.

use dora_shm_ring::*;
use rustix::process::{Pid, Signal};

use crate::common::process::{Actor, argument, listen, tell};
use crate::common::signal::{self, Account, Follower, description, format};
use crate::common::{Name, PATIENCE, segments, wait_until};
use crate::{oldest, stream};

/// Forks. In the child, which has one thread only, `child` is called, whose answer is the child's exit status.
fn fork(child: impl FnOnce() -> i32) -> Pid {
    // SAFETY: the child goes on with a copy of all memory; what it does with it is the point of these tests. It ends
    // without running anything of the parent's at exit.
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

/// Has a child without exec, which outlives it.
#[test]
#[ignore = "a role: a writer that forks"]
fn the_forking_writer() {
    let Some(name) = argument() else { return };
    let mut writer = stream(&name);
    signal::write(&mut writer, 5);
    let child = fork(|| {
        loop {
            std::thread::sleep(PATIENCE);
        }
    });
    tell(&child.as_raw_nonzero().to_string());
    while listen().is_some() {
        signal::write(&mut writer, 1);
        tell("written");
    }
}

#[test]
fn a_child_without_exec_keeps_no_lock_of_its_dead_parent() {
    let name = Name::new("fork");
    let mut actor = Actor::start("forks::the_forking_writer", &name, &[]);
    let Some(child) = actor.hear() else { panic!("it ended") };
    let child = Pid::from_raw(child.parse().unwrap()).unwrap();
    let mut reader = Reader::open(&name, oldest()).unwrap();
    actor.say("one more");
    actor.expect("written");
    assert_eq!(reader.liveness(PATIENCE).unwrap(), Liveness::Live);
    actor.kill();
    actor.end_killed();
    // The child lives, and has the parent's descriptors and mappings.
    rustix::process::test_kill_process(child).unwrap();
    let descriptors = std::fs::read_dir(format!("/proc/{}/fd", child.as_raw_nonzero())).unwrap();
    let segments_open = descriptors
        .filter(|entry| {
            let target = std::fs::read_link(entry.as_ref().unwrap().path());
            target.is_ok_and(|target| target.starts_with("/dev/shm"))
        })
        .count();
    assert!(segments_open > 0, "else this test proves nothing");
    wait_until("the stream is dead", || reader.liveness(PATIENCE).unwrap() == Liveness::Dead);
    let mut writer = stream(&name);
    assert_eq!(writer.epoch(), 2);
    signal::write(&mut writer, 1);
    let mut frames = Frames::new();
    let mut read = 0;
    wait_until("all is read", || {
        if reader.read(&mut frames, u64::MAX).unwrap().is_data() {
            read += frames.frames();
        }
        read >= 7
    });
    assert_eq!(reader.lost(), 0);
    rustix::process::kill_process(child, Signal::KILL).unwrap();
}

/// Uses and drops, in a forked child, what it inherited.
#[test]
#[ignore = "a role: forks, and uses the writer in the child"]
fn the_heir() {
    let Some(name) = argument() else { return };
    // Each process drops its own copy.
    let mut inherited = Some(stream(&name));
    signal::write(inherited.as_mut().unwrap(), 5);
    let before = segments::of(&name);
    let mut reader = Reader::open(&name, oldest()).unwrap();
    let child = fork(|| {
        let mut writer = inherited.take().unwrap();
        let chunk = Chunk { samples: &[0; signal::FRAME_BYTES], times: Times::Values(&[0.0]), send_ns: 0 };
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
        // A writer of one's own is refused: the parent lives.
        if !matches!(Writer::create(&name, WriterOptions::default()), Err(Error::Live { .. })) {
            return 2;
        }
        let mut frames = Frames::new();
        if !matches!(reader.read(&mut frames, 2), Ok(Outcome::Data(2))) || frames.frames() != 2 {
            return 3;
        }
        drop(writer);
        if segments::of(&name) == before { 0 } else { 4 }
    });
    assert_eq!(exit_status(child), Some(0));
    assert_eq!(segments::of(&name), before);
    signal::write(inherited.as_mut().unwrap(), 1);
    let mut follower = Follower::frames(reader, Account::default());
    follower.drain();
    assert_eq!((follower.account().read, follower.lost()), (6, 0));
    assert!(matches!(Writer::create(&name, WriterOptions::default()), Err(Error::Live { .. })));

    // An inherited handle that is dropped while a new stream of that name lives leaves that one alone.
    let (mut go, come) = std::io::pipe().map(|(come, go)| (go, come)).unwrap();
    let child = fork(|| {
        use std::io::Read;
        let _ = (&come).read(&mut [0]);
        drop(inherited.take());
        0
    });
    drop(inherited.take());
    let mut next = stream(&name);
    let before = segments::of(&name);
    assert_eq!(before.len(), 6);
    std::io::Write::write_all(&mut go, b"!").unwrap();
    assert_eq!(exit_status(child), Some(0));
    assert_eq!(segments::of(&name), before);
    signal::write(&mut next, 1);
    follower.drain();
    let found = streams().unwrap();
    assert!(found.iter().any(|stream| matches!(stream, StreamInfo::Stream(info) if *info.name == *name)));
    tell("done");
}

#[test]
fn a_writer_that_is_used_or_dropped_in_a_forked_child_does_nothing_to_the_stream() {
    let name = Name::new("heir");
    let mut actor = Actor::start("forks::the_heir", &name, &[]);
    actor.expect("done");
    actor.end_well();
}
