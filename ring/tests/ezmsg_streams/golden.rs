//! Recorded streams of ezmsg-tools 0.6 and 0.10.

use std::path::{Path, PathBuf};

use dora_shm_ring::*;
use serde_json::{Value, json};

use crate::from;
use dora_shm_testkit::{Name, segments};

/// A recorded stream, restored into shared memory.
struct Golden {
    name: Name,
    expected: Value,
}

impl Golden {
    fn put(version: u32, stream: &str) -> Self {
        let name = Name::new(&format!("golden-{version}-{stream}"));
        let folder: PathBuf =
            Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../tests/vectors/ezmsg/v{version}/{stream}"));
        for (file, path) in [
            ("header.bin", segments::header(&name)),
            ("data.bin", segments::ring(&name, 0)),
            ("aux.bin", segments::metadata(&name, 1)),
        ] {
            std::fs::copy(folder.join(file), path).unwrap();
        }
        let expected = std::fs::read_to_string(folder.join("expected.json")).unwrap();
        Self { name, expected: serde_json::from_str(&expected).unwrap() }
    }

    /// Positions that the ring holds.
    fn positions(&self) -> std::ops::Range<u64> {
        let header = &self.expected["header"];
        let number = |value: &Value| value.as_u64().unwrap();
        let frames = number(&header["shape"][0]);
        let end = number(&header["wrap_counter"]) * frames + number(&header["write_index"]);
        end.saturating_sub(frames)..end
    }

    /// The samples at `position`, flattened.
    fn frame(&self, position: u64) -> Vec<f64> {
        fn flatten(value: &Value, out: &mut Vec<f64>) {
            match value {
                Value::Array(values) => values.iter().for_each(|value| flatten(value, out)),
                number => out.push(number.as_f64().unwrap()),
            }
        }
        let ring = self.expected["ring"].as_array().unwrap();
        let mut samples = Vec::new();
        flatten(&ring[position as usize % ring.len()], &mut samples);
        samples
    }

    fn time(&self, position: u64) -> f64 {
        let rate = self.expected["header"]["srate"].as_f64().unwrap();
        match self.expected["times"].as_array() {
            Some(times) => times[position as usize % times.len()].as_f64().unwrap(),
            // Version 1 stores no times.
            None => position as f64 / rate,
        }
    }
}

impl Drop for Golden {
    fn drop(&mut self) {
        for path in segments::of(&self.name) {
            let _ = std::fs::remove_file(path);
        }
    }
}

fn samples_of(frames: &Frames) -> Vec<f64> {
    match frames.samples_as::<f32>() {
        Some(samples) => samples.iter().map(|&sample| sample.into()).collect(),
        None => frames.samples_as::<u8>().unwrap().iter().map(|&sample| sample.into()).collect(),
    }
}

#[test]
fn every_frame_of_a_real_stream_is_read_with_its_time() {
    for (version, stream) in [(1, "eeg_f32_wrapped"), (2, "eeg_f32_wrapped"), (1, "image_u8"), (2, "image_u8")] {
        let golden = Golden::put(version, stream);
        let mut reader = Reader::open(&golden.name, from(Start::Oldest)).unwrap();
        let format = reader.format().unwrap().clone();
        let header = &golden.expected["header"];
        let mut shape = vec![format.frames()];
        shape.extend(format.frame_shape());
        assert_eq!(json!(shape), header["shape"]);
        assert_eq!(json!(format.rate_hz()), header["srate"]);

        let mut frames = Frames::new();
        assert!(reader.read(&mut frames, u64::MAX).unwrap().is_data());
        let positions = golden.positions();
        assert_eq!(frames.first()..frames.first() + frames.frames(), positions, "{version} {stream}");
        assert_eq!((frames.lost(), reader.lost()), (0, 0));
        let expected: Vec<f64> = positions.clone().flat_map(|position| golden.frame(position)).collect();
        assert_eq!(samples_of(&frames), expected, "{version} {stream}");
        for (position, &time) in positions.clone().zip(frames.times()) {
            assert_eq!(time, golden.time(position), "{version} {stream} {position}");
        }
        assert_eq!(reader.read(&mut frames, u64::MAX).unwrap(), Outcome::Nothing);

        let info = reader.info().unwrap();
        assert_eq!((info.position, info.generation, info.liveness), (positions.end, Some(0), Liveness::Ezmsg));
        let ezmsg = info.ezmsg.unwrap();
        assert_eq!((ezmsg.struct_version, json!(ezmsg.key)), (version, header["key"].clone()));
        assert_eq!((ezmsg.refused, ezmsg.left_out), (None, vec![]));
    }
}

#[test]
fn the_description_of_a_real_stream_has_its_dims_axes_labels_units_attributes_and_key() {
    for version in [1, 2] {
        let golden = Golden::put(version, "eeg_f32_wrapped");
        let reader = Reader::open(&golden.name, ReaderOptions::default()).unwrap();
        let label = |bank: &str, elec: i64, label: &str| json!({"bank": bank, "elec": elec, "label": label});
        let labels = vec![label("A", 1, "Fp1"), label("A", 2, "Fp2"), label("B", 1, "Cz")];
        let expected = Description {
            dims: vec!["time".into(), "ch".into()],
            axes: [
                ("time".to_owned(), Axis::Linear { unit: "s".into(), gain: 0.1, offset: None }),
                ("ch".to_owned(), Axis::Coord { unit: String::new(), data: Some(labels) }),
            ]
            .into(),
            attrs: [("unit".to_owned(), Attr::String("uV".into()))].into(),
            key: "eeg/headset-1".into(),
            ..Description::default()
        };
        assert_eq!(reader.description().unwrap().as_ref(), &expected);

        let golden = Golden::put(version, "image_u8");
        let reader = Reader::open(&golden.name, ReaderOptions::default()).unwrap();
        let description = reader.description().unwrap();
        assert_eq!(description.dims, ["time", "y", "x", "c"]);
        let axis = Axis::Linear { unit: "s".into(), gain: 1.0 / 30.0, offset: None };
        assert_eq!(description.axes, [("time".to_owned(), axis)].into());
        assert_eq!((&*description.key, description.attrs.len()), ("cam0", 0));
    }
}

#[test]
fn the_newest_frames_of_a_real_stream_are_read_without_moving_the_cursor() {
    for version in [1, 2] {
        let golden = Golden::put(version, "eeg_f32_wrapped");
        let mut reader = Reader::open(&golden.name, ReaderOptions::default()).unwrap();
        let mut frames = Frames::new();
        assert_eq!(reader.latest(3, &mut frames).unwrap(), 3);
        assert_eq!(frames.first(), 21);
        assert_eq!(samples_of(&frames), (21..24).flat_map(|position| golden.frame(position)).collect::<Vec<_>>());
        // The frames at 2.1, 2.2 and 2.3 s are less than 0.25 s older than the newest.
        let within = reader.frames_within(0.25).unwrap();
        assert_eq!(reader.latest(within, &mut frames).unwrap(), 3);
        assert_eq!(reader.latest(u64::MAX, &mut frames).unwrap(), 20);
        assert_eq!((reader.position(), reader.read(&mut frames, 1).unwrap()), (24, Outcome::Nothing));
        let last = Reader::open(&golden.name, from(Start::Last(5))).unwrap();
        assert_eq!(last.position(), 19);
    }
}

#[test]
fn a_view_of_a_real_stream_is_whole_when_it_is_given_back() {
    let golden = Golden::put(2, "eeg_f32_wrapped");
    let mut reader = Reader::open(&golden.name, from(Start::Oldest)).unwrap();
    let Outcome::Data(view) = reader.view(u64::MAX).unwrap() else { panic!("expected a view") };
    let [samples, rest] = view.samples();
    assert_eq!((view.first(), view.frames(), samples.len(), rest.len()), (4, 20, 240, 0));
    let mut times = Vec::new();
    view.copy_times_to(&mut times);
    assert_eq!(times, (4..24).map(|p| golden.time(p)).collect::<Vec<_>>());
    assert_eq!(reader.position(), 4, "a view that is not given back does not move the cursor");
    assert_eq!(reader.finish(view), 4..24);
    assert!(matches!(reader.view(u64::MAX).unwrap(), Outcome::Nothing));
    assert_eq!(samples.to_vec()[..4], (golden.frame(4)[0] as f32).to_le_bytes(), "the bytes outlive the view");
}
