//! Programs of version 1.0 of the format beside those of this one: each reads what the other writes, and takes over what
//! the other left. `cargo xtask old-beside-new` builds the last commit that writes 1.0 and runs these tests.

use std::process::Command;

use dora_shm_ring::*;
use dora_shm_testkit::Name;
use dora_shm_testkit::follower::{Follower, oldest};
use dora_shm_testkit::ledger::Ledger;
use dora_shm_testkit::process::Process;
use dora_shm_testkit::roles::{self, DONE};
use dora_shm_testkit::segments::{self, Bytes};

/// Offset of `minor` in a header.
const HEADER_MINOR: u64 = 2058;
/// Offset of `minor` in a trailer.
const TRAILER_MINOR: u64 = 10;

/// A process of 1.0 that plays this role of `dora-shm-role`.
#[track_caller]
fn old(role: &str, name: &str) -> Process {
    let program = std::env::var_os("DORA_SHM_ROLE_1_0").expect("set by `cargo xtask old-beside-new`");
    Process::start(Command::new(program).args([role, name])).unwrap()
}

fn new(role: &str, name: &str) -> Process {
    roles::start(role, &[name])
}

#[track_caller]
fn ask(process: &mut Process, lines: &[&str]) {
    for line in lines {
        process.request_expecting(line, DONE).unwrap();
    }
}

/// A writer of either version, whose stream has a ring of 64 frames.
#[track_caller]
fn started(mut writer: Process) -> Process {
    ask(&mut writer, &["create", "begin 4 64 4 first"]);
    writer
}

/// Frames that the role `reader` reads until it finds nothing new.
#[track_caller]
fn frames_read(reader: &mut Process) -> u64 {
    let mut frames = 0;
    loop {
        let outcome = reader.request("read 1000").unwrap().expect("it lives");
        match outcome.strip_prefix("Data(").and_then(|rest| rest.strip_suffix(')')) {
            Some(count) => frames += count.parse::<u64>().unwrap(),
            None if outcome == "Generation" => {}
            None => {
                assert!(["Nothing", "Closed"].contains(&&*outcome), "{outcome}");
                return frames;
            }
        }
    }
}

/// Readers of frames and of messages of this version, which check each frame.
fn followers(name: &str) -> [Follower; 2] {
    Follower::open_both(name, &oldest(), &Ledger::default()).unwrap()
}

#[track_caller]
fn drain(followers: &mut [Follower; 2], position: u64) {
    for follower in followers {
        follower.drain().unwrap();
        assert_eq!((follower.position(), follower.lost()), (position, 0), "{:?}", follower.kind());
    }
}

/// The writer closes the stream, and the readers come to its end without a loss.
#[track_caller]
fn end(writer: &mut Process, followers: &mut [Follower; 2]) {
    ask(writer, &["close"]);
    for follower in followers {
        assert!(follower.drain().unwrap(), "{:?} is not at the end", follower.kind());
        assert_eq!(follower.lost(), 0, "{:?}", follower.kind());
    }
}

fn minors(name: &str, generation: u32) -> (u16, u16) {
    let header = Bytes::of(&segments::header(name)).u32(HEADER_MINOR) as u16;
    let ring = Bytes::of(&segments::ring(name, generation));
    (header, ring.u32(ring.trailer() + TRAILER_MINOR) as u16)
}

#[test]
#[ignore = "needs a program of version 1.0: cargo xtask old-beside-new"]
fn a_reader_of_1_0_reads_a_stream_of_this_version_to_its_end() {
    let name = Name::new("old-reader");
    let mut writer = started(new("writer", &name));
    assert_eq!(minors(&name, 0), (1, 1));
    let mut reader = old("reader", &name);
    ask(&mut reader, &["open"]);
    ask(&mut writer, &["write 5", "count 7 8 9", "write 0", "write 20"]);
    assert_eq!(frames_read(&mut reader), 25);
    ask(&mut writer, &["describe second", "write 3", "begin 2,2 32 4 third", "write 9"]);
    assert_eq!(frames_read(&mut reader), 12);
    ask(&mut writer, &["write 4", "close"]);
    assert_eq!(frames_read(&mut reader), 4);
}

#[test]
#[ignore = "needs a program of version 1.0: cargo xtask old-beside-new"]
fn a_stream_of_1_0_is_read_to_its_end_and_names_no_clock_and_no_counts() {
    let name = Name::new("old-writer");
    let mut writer = started(old("writer", &name));
    assert_eq!(minors(&name, 0), (0, 0));
    let mut readers = followers(&name);
    ask(&mut writer, &["write 5", "write 0", "write 20", "begin 2,2 32 4 second", "write 9"]);
    drain(&mut readers, 34);
    let info = readers[0].info().unwrap();
    assert_eq!(info.counted, None);
    let clock = info.clock.unwrap();
    assert_eq!((clock.clock, clock.id), (Clock::Source, ClockId::UNKNOWN));
    end(&mut writer, &mut readers);
}

#[test]
#[ignore = "needs a program of version 1.0: cargo xtask old-beside-new"]
fn a_dead_stream_of_1_0_is_taken_over_and_its_header_keeps_its_minor() {
    let name = Name::new("old-dead");
    let mut writer = started(old("writer", &name));
    let (mut readers, mut reader) = (followers(&name), old("reader", &name));
    ask(&mut reader, &["open"]);
    ask(&mut writer, &["write 5"]);
    writer.kill_and_wait().unwrap();

    let mut writer = started(new("writer", &name));
    ask(&mut writer, &["count 7 8 9", "write 6"]);
    assert_eq!(minors(&name, 1), (0, 1));
    drain(&mut readers, 11);
    assert_eq!(frames_read(&mut reader), 11);
    let info = readers[0].info().unwrap();
    let counted = info.counted.unwrap();
    assert_eq!((info.epoch, counted.refused, counted.dropped, counted.gaps), (Some(2), 7, 8, 9));
    end(&mut writer, &mut readers);
}

#[test]
#[ignore = "needs a program of version 1.0: cargo xtask old-beside-new"]
fn a_writer_of_1_0_takes_over_a_dead_stream_of_this_version_and_shows_no_counts() {
    let name = Name::new("new-dead");
    let mut writer = started(new("writer", &name));
    let (mut readers, mut reader) = (followers(&name), old("reader", &name));
    ask(&mut reader, &["open"]);
    ask(&mut writer, &["count 7 8 9", "write 5"]);
    assert_eq!(readers[0].info().unwrap().counted.map(|counted| counted.refused), Some(7));
    writer.kill_and_wait().unwrap();

    let mut writer = started(old("writer", &name));
    ask(&mut writer, &["write 6"]);
    assert_eq!(minors(&name, 1), (1, 0));
    drain(&mut readers, 11);
    assert_eq!(frames_read(&mut reader), 11);
    let info = readers[0].info().unwrap();
    assert_eq!((info.epoch, info.counted), (Some(2), None));

    // And back again.
    writer.kill_and_wait().unwrap();
    let mut writer = started(new("writer", &name));
    ask(&mut writer, &["write 7"]);
    drain(&mut readers, 18);
    let info = readers[0].info().unwrap();
    assert_eq!((info.epoch, info.counted), (Some(3), Some(Counted::default())));
    end(&mut writer, &mut readers);
}
