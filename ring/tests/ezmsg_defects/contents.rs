//! The content of samples, description and header, also if it is invalid.

use dora_shm_ring::{
    Attr, Axis, Chunk, Description, Dtype, Error, Format, Frames, Outcome, Reader, ReaderOptions, Start, Times, Writer,
    WriterOptions, check_name,
};
use serde_json::json;

use dora_shm_testkit::source::*;
use dora_shm_testkit::{Name, segments, wait_until};

// D13: a pickle in the segment runs code in the reader.
#[test]
fn a_hostile_pickle_in_the_metadata_is_not_read() {
    let name = Name::new("d13");
    let mut source = Source::new(&name, 100);
    source.write(1);
    let proof = std::env::temp_dir().join(format!("dora-shm-d13-{}", std::process::id()));
    let pickle = format!("cos\nsystem\n(S'touch {}'\ntR.", proof.display());
    segments::patch(&segments::metadata(&name, 1), 0, pickle.as_bytes()).unwrap();
    let mut reader = from_oldest(&name);
    assert_eq!(drain(&mut reader, u64::MAX).read, 1);
    assert_eq!(**reader.description().expect("a description"), description());
    assert!(!proof.exists());
}

// D14: of 20 corruptions of the header, only one is refused as documented; a key's length crashes the reader.
#[test]
fn a_reader_ignores_ezmsgs_part_of_the_header() {
    let name = Name::new("d14");
    let mut source = Source::new(&name, 100);
    source.write(10);
    for byte in [0x00, 0x01, 0x7f, 0xff] {
        segments::patch(&segments::header(&name), 0, &[byte; 1334]).unwrap();
        let mut reader = from_oldest(&name);
        assert_eq!(drain(&mut reader, u64::MAX).read, 10);
        assert_eq!(reader.format().unwrap().frames(), 100);
    }
}

// D14, second part.
#[test]
fn a_header_with_any_wrong_byte_gives_a_typed_error_or_the_data() {
    let name = Name::new("d14-bytes");
    let mut source = Source::new(&name, 100);
    source.write(10);
    let header = segments::header(&name);
    let good = std::fs::read(&header).unwrap();
    let write = |offset: usize, bytes: &[u8]| segments::patch(&header, offset as u64, bytes).unwrap();
    let mut frames = Frames::default();
    // Only the first byte of numbers that are compared (stream_id, generation), since a reader that does not find the
    // ring waits for it.
    let our_fields = (2048..2065).chain(2072..2080).chain(2176..2185).chain(2188..2208).chain(2304..2308 + name.len());
    for offset in our_fields {
        for wrong in [0, 1, 0xff] {
            write(offset, &[wrong]);
            match Reader::open(&name, ReaderOptions::default().start(Start::Oldest)) {
                Ok(mut reader) => match reader.read(&mut frames, 100) {
                    Ok(Outcome::Data(_)) => assert_eq!(checked(&frames), 0..10, "byte {offset} is {wrong}"),
                    Ok(_) => {}
                    Err(error) => assert!(!error.to_string().is_empty()),
                },
                Err(error) => assert!(!error.to_string().is_empty()),
            }
            write(offset, &good[offset..=offset]);
        }
    }
    assert_eq!(drain(&mut from_oldest(&name), u64::MAX).read, 10);
}

// D16: a one-dimensional stream crashes the reader; some types arrive as other types.
#[test]
fn every_type_and_rank_arrives_as_it_was() {
    let name = Name::new("d16");
    let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
    let mut reader = from_oldest(&name);
    let mut frames = Frames::default();
    for dtype in Dtype::ALL {
        for rank in 0..=8 {
            let shape: Vec<u64> = (0..rank).map(|axis| 1 + axis % 3).collect();
            let format = Format::new(dtype, &shape, 0.0, 10).unwrap();
            let dims = (0..=rank).map(|axis| format!("dim_{axis}")).collect();
            writer.begin(&format, &Description { dims, ..Description::default() }, 3).unwrap();
            let samples: Vec<u8> = (0..3 * format.frame_bytes()).map(|byte| (byte % 2) as u8).collect();
            let times = Times::Linear { start: 1.0, step: 0.5 };
            writer.write(&Chunk { samples: &samples, times, send_ns: 0 }).unwrap();
            wait_until("the frames", || reader.read(&mut frames, 100).unwrap().is_data());
            let read = reader.format().unwrap();
            assert_eq!((read.dtype(), read.frame_shape()), (dtype, &shape[..]));
            assert_eq!(frames.samples(), samples);
            assert_eq!(frames.times(), [1.0, 1.5, 2.0]);
        }
    }
    assert_eq!(reader.lost(), 0);
    let error = Format::new(Dtype::F32, &[0], 0.0, 10).unwrap_err();
    assert!(matches!(error, Error::BadFormat { .. }), "no channels: {error}");
}

// D19: labels or attributes that change in place are never published; the dims are not in the documented order.
#[test]
fn a_changed_description_reaches_the_reader_in_the_same_ring() {
    let name = Name::new("d19");
    let mut source = Source::new(&name, 100);
    let mut reader = from_oldest(&name);
    source.write(1);
    drain(&mut reader, u64::MAX);
    let generation = reader.generation();
    let mut described = description();
    for label in ["Fp1", "Cz", "Oz"] {
        let data = Some(vec![json!(label), json!({"label": "Pz", "x": 0.5})]);
        described.axes.insert("ch".into(), Axis::Coord { unit: String::new(), data });
        described.attrs.insert("n".into(), Attr::Integer(label.len() as i64));
        source.writer.describe(&described).unwrap();
        source.write(1);
        wait_ready(&mut reader);
        drain(&mut reader, u64::MAX);
        assert_eq!(**reader.description().unwrap(), described);
    }
    // A description that readers cannot distinguish from the current one is not published again.
    described.attrs.insert("nan".into(), Attr::Float(f64::NAN));
    source.writer.describe(&described).unwrap();
    let published = segments::of(&name);
    source.writer.describe(&described.clone()).unwrap();
    assert_eq!(segments::of(&name), published);
    assert_eq!(reader.generation(), generation);
    assert_eq!(reader.description().unwrap().dims, ["time", "ch"], "dims in the ring's order");
}

// D20: invalid settings raise unrelated exceptions; a key is cut inside a character; requesting -3 frames moves the
// cursor back.
#[test]
fn odd_names_lengths_and_keys_are_refused_by_name_or_work() {
    for bad in ["", "a\0b", &"x".repeat(1025), "a/buffer0"] {
        let error = check_name(bad).unwrap_err();
        assert!(matches!(error, Error::BadName { .. }), "{error}");
        assert!(matches!(Writer::create(bad, WriterOptions::default()), Err(Error::BadName { .. })));
        assert!(matches!(Reader::open(bad, ReaderOptions::default()), Err(Error::BadName { .. })));
    }
    assert!(matches!(Format::new(Dtype::F32, &[2], 1.0, 0), Err(Error::BadFormat { .. })), "0 frames");

    let stem = Name::new("d20");
    let name = Name::new(&format!("d20{}", "é".repeat((1024 - stem.len()) / 2)));
    let mut source = Source::new(&name, 10);
    let key = format!("{}é", "k".repeat(1023));
    source.writer.describe(&Description { key: key.clone(), ..description() }).unwrap();
    source.write(3);
    let mut reader = from_oldest(&name);
    let mut frames = Frames::default();
    assert_eq!(reader.latest(0, &mut frames).unwrap(), 0);
    assert_eq!(reader.latest(u64::MAX, &mut frames).unwrap(), 3);
    for (seconds, expected) in [(-3.0, 0), (f64::INFINITY, 3)] {
        let within = reader.frames_within(seconds).unwrap();
        assert_eq!(reader.latest(within, &mut frames).unwrap(), expected);
    }
    assert_eq!(drain(&mut reader, 100), Taken { read: 3, lost: 0, next: 3 }, "the cursor has not moved");
    assert_eq!(reader.description().unwrap().key, key);
}
