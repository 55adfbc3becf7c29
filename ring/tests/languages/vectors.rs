//! Compares a program's output for the committed vectors with their expected content.

use std::process::Command;

use serde_json::{Value, json};

use dora_shm_testkit::vectors::{Reservation, cases, folder};

/// Starts `program` with each case on the stage.
#[track_caller]
pub fn all(program: fn() -> Command) {
    let reservation = Reservation::wait();
    let cases = cases();
    assert!(cases.len() > 70, "{cases:?}");
    for case in cases {
        let text = std::fs::read_to_string(folder().join(&case).join("expected.json")).unwrap();
        let expected: Value = serde_json::from_str(&text).unwrap();
        let name = expected["name"].as_str().unwrap();
        let _taken = reservation.place(&case, name);
        println!("case {case}");
        let output = program().args(["all", name]).output().expect("the language's program");
        let stdout = String::from_utf8(output.stdout).unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{stdout}{stderr}");
        let found = serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stdout}{stderr}"));
        compare(found, &expected);
    }
}

#[track_caller]
fn compare(mut found: Value, expected: &Value) {
    if expected["state"] == "closed" {
        assert_eq!(found, json!({"outcome": "absent"}));
        return;
    }
    let dtype = expected["dtype"].as_str().unwrap();
    let kind = if dtype.starts_with("float") { Kind::Float } else { Kind::Exact };
    let samples = expected["samples"].as_array().unwrap();
    let width = expected["frame_shape"].as_array().unwrap().iter().map(|dim| dim.as_u64().unwrap()).product::<u64>();
    let newest = &samples[samples.len().saturating_sub(2 * width as usize)..];
    assert_eq!(kind.canonical(&found["latest"]), kind.canonical(&json!(newest)), "the newest two frames");
    for (member, kind) in [("samples", kind), ("times", Kind::Float), ("rate_hz", Kind::Float)] {
        assert_eq!(kind.canonical(&found[member].take()), kind.canonical(&expected[member]), "{member}");
    }
    let members = [
        "generation",
        "epoch",
        "stream_id",
        "dtype",
        "frame_shape",
        "ring_frames",
        "base",
        "position",
        "oldest",
        "description",
    ];
    for member in members {
        assert_eq!(found[member], expected[member], "{member}");
    }
    assert_eq!(found["lost"], 0);
}

#[derive(Clone, Copy)]
enum Kind {
    /// 1 and 1.0 are equal; 0.0 and -0.0 are not.
    Float,
    /// A string of digits is an integer.
    Exact,
}

impl Kind {
    fn canonical(self, value: &Value) -> Value {
        match (self, value) {
            (_, Value::Array(values)) => values.iter().map(|value| self.canonical(value)).collect(),
            (Kind::Float, Value::Number(number)) => json!(number.as_f64().unwrap().to_bits()),
            (Kind::Exact, Value::Number(number)) => json!(number.to_string()),
            _ => value.clone(),
        }
    }
}
