//! Writers whose names were removed, next to a new writer of the same name.

use dora_shm_ring::*;
use dora_shm_testkit::follower::{Follower, oldest};
use dora_shm_testkit::ledger::Ledger;
use dora_shm_testkit::roles::{self, DONE};
use dora_shm_testkit::segments::anchor;
use dora_shm_testkit::signal;
use dora_shm_testkit::{Name, segments, wait_until};

use crate::stream;

#[test]
fn dropping_an_old_handle_leaves_a_new_stream_of_that_name_alone() {
    let name = Name::new("old-handle");
    let mut old = stream(&name);
    signal::write(&mut old, 3).unwrap();
    let mut attached = Follower::of_frames(Reader::open(&name, oldest()).unwrap(), Ledger::default());
    // Removes all names at once, before the old writer's service thread can link one again. Then it has no header left
    // to link.
    let mut other = roles::start("writer", &[&name]);
    loop {
        segments::remove(&name);
        if other.request("create").unwrap().as_deref() == Some(DONE) {
            break;
        }
    }
    other.request_expecting("begin 4 64 4 first", DONE).unwrap();
    other.request_expecting("write 5", DONE).unwrap();
    let theirs = segments::of(&name);
    assert_eq!(theirs.len(), 6);
    drop(old);
    assert_eq!(segments::of(&name), theirs);
    let mut reader = Follower::of_frames(Reader::open(&name, oldest()).unwrap(), Ledger::default());
    reader.drain().unwrap();
    assert_eq!((reader.ledger.read, reader.liveness().unwrap()), (5, Liveness::Live));
    // A reader of the old stream drains it, sees it closed, and continues with the new one.
    assert!(attached.drain().unwrap());
    assert_eq!((attached.ledger.read, attached.lost()), (3, 0));
    attached.drain().unwrap();
    assert_eq!((attached.ledger.read, attached.lost()), (8, 0));
    other.end_well().unwrap();
}

#[test]
fn a_writer_that_lost_its_header_to_another_writer_reports_it_and_takes_it_back_when_that_one_has_ended() {
    let name = Name::new("usurped");
    let mut old = stream(&name);
    signal::write(&mut old, 3).unwrap();
    let public = segments::header(&name);
    // Removes both names at once, since the service thread checks them four times a second.
    std::fs::remove_file(anchor(&public)).unwrap();
    std::fs::remove_file(&public).unwrap();
    let mut other = roles::start_writer(&name, 64);
    other.request_expecting("write 5", DONE).unwrap();
    let mut refused = Ok(());
    wait_until("it notices", || {
        refused = old.maintain();
        refused.is_err()
    });
    assert!(matches!(refused, Err(Error::Live { .. })), "{refused:?}");
    let chunk = Chunk { samples: &[], times: Times::Values(&[]), send_ns: 0 };
    assert!(matches!(old.write(&chunk), Err(Error::Live { .. })), "while the other writer lives");
    other.end_well().unwrap();
    old.maintain().unwrap();
    signal::write(&mut old, 2).unwrap();
    let mut reader = Follower::of_frames(Reader::open(&name, oldest()).unwrap(), Ledger::default());
    reader.drain().unwrap();
    assert_eq!(reader.ledger.read, 2);
}
