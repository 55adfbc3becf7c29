//! Streams that ezmsg wrote.

use std::path::Path;

use dora_shm_ring::shorten;
use serde_json::{Value, json};

use crate::list::row;
use crate::tool::*;
use dora_shm_testkit::{Name, segments};

/// A stream as ezmsg wrote it, copied into shared memory under a name of our own.
struct Golden(Name);

impl Golden {
    fn put(test: &str, version: &str) -> Self {
        let name = Name::new(test);
        let folder =
            Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../tests/vectors/ezmsg/{version}/eeg_f32_wrapped"));
        let put = |file: &str, to: &Path| std::fs::write(to, std::fs::read(folder.join(file)).unwrap()).unwrap();
        put("data.bin", &segments::ring(&name, 0));
        put("aux.bin", &segments::metadata(&name, 1));
        put("header.bin", &segments::header(&name));
        Self(name)
    }
}

impl Drop for Golden {
    fn drop(&mut self) {
        for path in segments::of(&self.0) {
            let _ = std::fs::remove_file(path);
        }
    }
}

#[test]
fn a_stream_that_ezmsg_wrote_is_listed_by_its_segment_with_the_content_of_its_header() {
    for (version, bytes) in [("v1", 240), ("v2", 400)] {
        let golden = Golden::put("ezmsg/list", version);
        let segment = shorten(&golden.0);
        let expected = json!({
            "name": segment, "dtype": "float32", "shape": [3], "rate_hz": 10.0, "measured_hz": null, "ring_frames": 20,
            "position": 24, "bytes": bytes, "age_s": null, "pid": null, "state": "ezmsg", "generation": 0,
            "clock": null, "refused": null, "dropped": null, "gaps": null,
        });
        assert_eq!(row(&segment, &["list", "--json"]), expected);
        let ran = done(&["list"]);
        assert!(
            ran.err.contains(&format!("{segment}: a stream that ezmsg wrote, with key \"eeg/headset-1\"")),
            "{}",
            ran.err
        );
    }
}

#[test]
fn a_stream_that_ezmsg_wrote_is_listed_by_its_key_if_that_is_its_name() {
    let golden = Golden::put("ezmsg/key", "v2");
    let header = segments::header(&golden.0);
    segments::patch(&header, 290, golden.0.as_bytes()).unwrap();
    segments::patch(&header, 1314, &(golden.0.len() as u32).to_le_bytes()).unwrap();
    assert_eq!(row(&golden.0, &["list", "--json"])["state"], "ezmsg");
    assert_eq!(json(&["info", "--json", &shorten(&golden.0)])["name"], &*golden.0);
}

#[test]
fn a_stream_that_ezmsg_wrote_can_be_inspected_by_its_name() {
    let golden = Golden::put("ezmsg/info", "v2");
    let found = json(&["info", "--json", &golden.0]);
    assert_eq!((&found["state"], &found["position"], &found["layout"]), (&json!("ezmsg"), &json!(24), &Value::Null));
    assert_eq!(found["ezmsg"]["struct_version"], 2);
    assert_eq!(found["ezmsg"]["key"], "eeg/headset-1");
    assert_eq!(found["description"]["dims"], json!(["time", "ch"]));
    let out = done(&["info", &golden.0]).out;
    assert!(out.contains("ezmsg-tools, struct version 2") && out.contains("eeg/headset-1"), "{out}");
}

#[test]
fn a_stream_that_ezmsg_wrote_cannot_be_read_by_its_segment_and_the_error_gives_the_reason() {
    let golden = Golden::put("ezmsg/segment", "v2");
    let error = failed(&["info", &shorten(&golden.0)]);
    assert!(error.contains("ezmsg wrote, which does not contain its name"), "{error}");
}

#[test]
fn a_stream_that_ezmsg_wrote_can_be_watched() {
    let golden = Golden::put("ezmsg/watch", "v2");
    let out = done(&["watch", "--json", "--count", "1", "--every", "50ms", &golden.0]).out;
    let lines: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&lines[0]["event"], &lines[1]["event"]), (&json!("attached"), &json!("status")));
    assert_eq!((&lines[1]["state"], &lines[1]["latency_max_s"]), (&json!("ezmsg"), &Value::Null));
    assert_eq!((&lines[1]["position"], &lines[1]["messages_hz"]), (&json!(24), &Value::Null));
}
