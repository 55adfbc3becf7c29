//! This library's streams compared with the same streams written by ezmsg.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dora_shm_ring::{Attr, Axis, Chunk, Description, Dtype, Format, Times, Writer, WriterOptions};
use serde_json::{Value, json};

use crate::Mirror;
use dora_shm_testkit::{Name, segments};

/// A stream that ezmsg wrote.
struct Golden {
    folder: String,
    expected: Value,
}

impl Golden {
    fn load(stream: &str) -> Self {
        let folder = format!("{}/../tests/vectors/ezmsg/v2/{stream}", env!("CARGO_MANIFEST_DIR"));
        let expected = std::fs::read_to_string(format!("{folder}/expected.json")).unwrap();
        Self { folder, expected: serde_json::from_str(&expected).unwrap() }
    }

    /// Frame `index` of the ring, flattened.
    fn frame(&self, index: usize) -> Vec<f64> {
        fn flatten(value: &Value, out: &mut Vec<f64>) {
            match value {
                Value::Array(values) => values.iter().for_each(|value| flatten(value, out)),
                number => out.push(number.as_f64().unwrap()),
            }
        }
        let mut samples = Vec::new();
        flatten(&self.expected["ring"][index], &mut samples);
        samples
    }

    /// Compares what `mirror` reports for this library's stream `name` with what it reports for ezmsg's own.
    #[track_caller]
    fn compare(&self, name: &str, mirror: &mut Mirror) {
        let folder = &self.folder;
        let mut theirs = mirror.call(
            json!({"do": "decode", "header": format!("{folder}/header.bin"), "aux": format!("{folder}/aux.bin")}),
        );
        let (header, aux) = (segments::header(name), segments::metadata(name, 1));
        let mut ours = mirror.call(json!({"do": "decode", "header": header, "aux": aux}));
        let calls = |decoded: &mut Value| decoded.as_object_mut().unwrap().remove("names").unwrap();
        for name in calls(&mut ours).as_array().unwrap() {
            assert!(["numpy.array", "numpy.datetime64"].contains(&name.as_str().unwrap()), "{name}");
        }
        calls(&mut theirs);
        for decoded in [&mut ours, &mut theirs] {
            decoded["header"].as_object_mut().unwrap().remove("aux_nbytes").unwrap();
        }
        assert_eq!(ours, theirs);

        mirror.poll();
        let ring = mirror.call(json!({"do": "ring"}));
        let data = std::fs::read(format!("{folder}/data.bin")).unwrap();
        let frames = ring["times"].as_array().unwrap().len();
        assert_eq!(STANDARD.decode(ring["samples"].as_str().unwrap()).unwrap(), data[8 * frames..]);
        assert_eq!(ring["times"], self.expected["times"]);
    }
}

#[test]
#[ignore = "needs ezmsg-tools: cargo xtask test"]
fn a_wrapped_signal_looks_to_the_mirror_like_ezmsgs_own() {
    let golden = Golden::load("eeg_f32_wrapped");
    let name = Name::new("mirror-golden-eeg");
    let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
    let label = |bank: &str, elec: i64, label: &str| json!({"bank": bank, "elec": elec, "label": label});
    let labels = vec![label("A", 1, "Fp1"), label("A", 2, "Fp2"), label("B", 1, "Cz")];
    let described = Description {
        dims: vec!["time".into(), "ch".into()],
        axes: BTreeMap::from([
            ("time".into(), Axis::Linear { unit: "s".into(), gain: 0.1, offset: None }),
            ("ch".into(), Axis::Coord { unit: String::new(), data: Some(labels) }),
        ]),
        attrs: BTreeMap::from([("unit".into(), Attr::String("uV".into()))]),
        key: "eeg/headset-1".into(),
        ..Description::default()
    };
    writer.begin(&Format::new(Dtype::F32, &[3], 10.0, 20).unwrap(), &described, 8).unwrap();
    // The ring holds the newest 20 of 24 frames, and the first four slots may hold anything.
    for first in [0_usize, 8, 16] {
        let slots = first..first + 8;
        let samples: Vec<u8> = slots
            .clone()
            .flat_map(|position| golden.frame(position % 20))
            .flat_map(|sample| (sample as f32).to_le_bytes())
            .collect();
        let times: Vec<f64> = slots.map(|position| golden.expected["times"][position % 20].as_f64().unwrap()).collect();
        writer.write(&Chunk { samples: &samples, times: Times::Values(&times), send_ns: 0 }).unwrap();
    }
    golden.compare(&name, &mut Mirror::open(&name));
}

#[test]
#[ignore = "needs ezmsg-tools: cargo xtask test"]
fn pictures_look_to_the_mirror_like_ezmsgs_own() {
    let golden = Golden::load("image_u8");
    let name = Name::new("mirror-golden-image");
    let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
    let described = Description {
        dims: ["time", "y", "x", "c"].map(String::from).to_vec(),
        key: "cam0".into(),
        ..Description::default()
    };
    // The time axis is not described, since it follows from the rate.
    writer.begin(&Format::new(Dtype::U8, &[4, 5, 3], 30.0, 3).unwrap(), &described, 1).unwrap();
    for index in 0..2 {
        let samples: Vec<u8> = golden.frame(index).into_iter().map(|sample| sample as u8).collect();
        let times = [golden.expected["times"][index].as_f64().unwrap()];
        writer.write(&Chunk { samples: &samples, times: Times::Values(&times), send_ns: 0 }).unwrap();
    }
    golden.compare(&name, &mut Mirror::open(&name));
}
