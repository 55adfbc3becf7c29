//! A reader in C finds what `expected.json` states in each stream of `tests/vectors/streams`.

mod common;

use std::process::Command;

use common::{compile, start};
use dora_shm_ring::ClockId;
use dora_shm_testkit::segments;
use dora_shm_testkit::vectors::{Reservation, cases, folder};
use serde_json::{Value, json};

/// The send times of the frames according to the table of messages, if it has them.
fn send_times(expected: &Value, found: &Value) -> Value {
    let oldest = expected["oldest"].as_u64().unwrap();
    let mut times = found.as_array().unwrap().clone();
    for chunk in expected["chunks"].as_array().unwrap() {
        let (first, frames) = (chunk["first"].as_u64().unwrap(), chunk["frames"].as_u64().unwrap());
        let at = first.saturating_sub(oldest) as usize;
        times[at..at + frames as usize].fill(chunk["send_ns"].clone());
    }
    Value::Array(times)
}

#[test]
#[ignore = "needs a compiler for C and pkg-config: cargo xtask c"]
fn a_reader_in_c_finds_what_is_expected_in_each_vector() {
    let program = compile("tests/programs/vector.c", "plain", &[]);
    let reservation = Reservation::wait();
    let cases = cases();
    assert!(cases.len() > 70, "{cases:?}");
    for case in cases {
        println!("case {case}");
        let text = std::fs::read_to_string(folder().join(&case).join("expected.json")).unwrap();
        let expected: Value = serde_json::from_str(&text).unwrap();
        let name = expected["name"].as_str().unwrap();
        let _taken = reservation.place(&case, name);
        let closes = expected["state"] == "closed";
        let set_state = |state: u32| {
            segments::patch(&segments::header(name), segments::header_at::STATE, &state.to_le_bytes()).unwrap();
        };
        if closes {
            set_state(1);
        }
        let mut reader = start(Command::new(&program).arg(name));
        let line = reader.read_line().unwrap().expect("it reads the stream");
        let mut found: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let send_ns = found.as_object_mut().unwrap().remove("send_ns").unwrap();
        assert_eq!(send_ns, send_times(&expected, &send_ns));
        // A stream of 1.0 names no clock and counts nothing.
        let in_1_0 = json!({"clock": "source", "clock_id": ClockId::UNKNOWN.to_string(), "counted": null});
        for (member, value) in in_1_0.as_object().unwrap() {
            assert_eq!(&found[member], expected.get(member).unwrap_or(value), "{member}");
        }
        for (member, value) in expected.as_object().unwrap() {
            if !["state", "chunks"].contains(&&**member) {
                assert_eq!(&found[member], value, "{member}");
            }
        }
        if closes {
            set_state(2);
        }
        reader.send_line("again");
        assert_eq!(
            json!(reader.read_line().unwrap()),
            json!(if closes { "DORA_SHM_CLOSED" } else { "DORA_SHM_NOTHING" })
        );
        reader.end_well().unwrap();
    }
}
