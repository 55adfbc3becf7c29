//! Writers whose names somebody removed, beside the next writer of that name.

use dora_shm_ring::*;

use crate::common::process::Actor;
use crate::common::segments::anchor;
use crate::common::signal::{self, Account, Follower};
use crate::common::{Name, segments, wait_until};
use crate::{oldest, stream};

#[test]
fn an_old_handle_that_is_dropped_while_a_new_stream_of_that_name_lives_leaves_that_one_alone() {
    let name = Name::new("old-handle");
    let mut old = stream(&name);
    signal::write(&mut old, 3);
    let mut attached = Follower::frames(Reader::open(&name, oldest()).unwrap(), Account::default());
    // All names at once, before the service thread of the old one can put any back, and it has no header to put back then.
    let actor = loop {
        for path in segments::of(&name) {
            let _ = std::fs::remove_file(path);
        }
        let mut actor = Actor::start("the_obedient_writer", &name, &[]);
        if actor.tells("written") {
            break actor;
        }
    };
    let theirs = segments::of(&name);
    assert_eq!(theirs.len(), 6);
    drop(old);
    assert_eq!(segments::of(&name), theirs);
    let mut reader = Follower::frames(Reader::open(&name, oldest()).unwrap(), Account::default());
    reader.drain();
    assert_eq!((reader.account().read, reader.liveness()), (5, Liveness::Live));
    // Who was attached to the old one drains it, sees it closed, and goes on with the new one.
    assert!(attached.drain());
    assert_eq!((attached.account().read, attached.lost()), (3, 0));
    attached.drain();
    assert_eq!((attached.account().read, attached.lost()), (8, 0));
    actor.end_well();
}

#[test]
fn a_writer_that_lost_its_header_to_another_writer_says_so_and_takes_it_back_when_that_one_has_gone() {
    let name = Name::new("usurped");
    let mut old = stream(&name);
    signal::write(&mut old, 3);
    let public = segments::header(&name);
    // Both names at once: the service thread looks four times a second.
    std::fs::remove_file(anchor(&public)).unwrap();
    std::fs::remove_file(&public).unwrap();
    let mut actor = Actor::start("the_obedient_writer", &name, &[]);
    assert!(actor.tells("written"), "the other one came to own the name");
    let mut refused = Ok(());
    wait_until("it notices", || {
        refused = old.maintain();
        refused.is_err()
    });
    assert!(matches!(refused, Err(Error::Live { .. })), "{refused:?}");
    let chunk = Chunk { samples: &[], times: Times::Values(&[]), send_ns: 0 };
    assert!(matches!(old.write(&chunk), Err(Error::Live { .. })), "as long as the other one lives");
    actor.end_well();
    old.maintain().unwrap();
    signal::write(&mut old, 2);
    let mut reader = Follower::frames(Reader::open(&name, oldest()).unwrap(), Account::default());
    reader.drain();
    assert_eq!(reader.account().read, 2);
}
