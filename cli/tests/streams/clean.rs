//! `dora-shm clean`. It acts on all of shared memory, so these tests have a shared memory of their own.

use serde_json::{Value, json};

use crate::tool::*;
use dora_shm_testkit::isolated::with_private_shm;
use dora_shm_testkit::segments::{self, listing};

#[test]
fn clean_removes_what_dead_writers_left_and_nothing_else() {
    with_private_shm(64, || {
        let mut writer = live("living");
        write(&mut writer, 5);
        let stopped = start_writer("stopped");
        stopped.signal(rustix::process::Signal::STOP);
        std::fs::write("/dev/shm/other", "x").unwrap();
        let before = listing();
        let ran = done(&["clean"]);
        assert_eq!((&*ran.out, &*ran.err), ("", "dead writers left nothing\n"));

        dead("eeg");
        dead("headless");
        for path in [segments::header("headless"), segments::anchor(&segments::header("headless"))] {
            std::fs::remove_file(path).unwrap();
        }
        let with_the_dead = listing();
        let ran = done(&["clean", "--dry-run"]);
        let lines: Vec<&str> = ran.out.lines().collect();
        assert_eq!(lines.len(), 2, "{}", ran.out);
        assert!(ran.out.contains("would remove stream \"eeg\" (3 segments, "), "{}", ran.out);
        assert!(ran.out.contains("would remove parts of a stream that is gone: sm_"), "{}", ran.out);
        assert!(ran.err.starts_with("`dora-shm clean` frees "), "{}", ran.err);
        let planned = json(&["clean", "--dry-run", "--json"]);
        assert_eq!((&planned["dry_run"], planned["removed"].as_array().unwrap().len()), (&json!(true), 2));
        assert_eq!(listing(), with_the_dead, "a dry run removes nothing");

        let removed = json(&["clean", "--json"]);
        assert_eq!(listing(), before);
        assert_eq!((&removed["dry_run"], &removed["removed"]), (&json!(false), &planned["removed"]));
        let eeg = planned["removed"].as_array().unwrap().iter().find(|left| left["stream"] == "eeg").unwrap();
        assert_eq!(eeg["segments"].as_array().unwrap().len(), 3);
        let sum: u64 = planned["removed"].as_array().unwrap().iter().map(|left| left["bytes"].as_u64().unwrap()).sum();
        assert_eq!((planned["bytes"].as_u64(), sum > 0), (Some(sum), true));

        write(&mut writer, 5);
        assert_eq!(json(&["info", "--json", "living"])["position"], 10);
        stopped.signal(rustix::process::Signal::CONT);
        stopped.end_well().unwrap();
        assert_eq!(json(&["clean", "--json"]), json!({"dry_run": false, "removed": [], "bytes": 0}));
    });
}

#[test]
fn a_dead_stream_is_listed_until_it_is_cleaned() {
    with_private_shm(64, || {
        dead("eeg");
        assert_eq!(json(&["list", "--json"])[0]["state"], "dead");
        for name in ["d", "b", "a", "c"] {
            dead(name);
        }
        let ran = done(&["clean"]);
        let names: Vec<&str> = ran.out.lines().map(|line| line.split('"').nth(1).unwrap()).collect();
        assert_eq!(names, ["a", "b", "c", "d", "eeg"], "sorted by name, as in the list");
        assert!(ran.out.lines().all(|line| line.contains("\" (3 segments, ")), "{}", ran.out);
        assert!(ran.err.ends_with(" freed\n"), "{}", ran.err);
        assert_eq!(json(&["list", "--json"]), Value::Array(Vec::new()));
        assert_eq!(listing(), [""; 0]);
    });
}
