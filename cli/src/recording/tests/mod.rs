//! Recordings are read as they were written: random histories, files cut at every byte, files with wrong bytes.

mod live;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use dora_shm_ring::{Attr, Axis, Clock, ClockId, Description, Dtype, Format, GenerationClock, WriterId};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::json;

use super::*;

/// A row as a plain value.
#[derive(Clone, Debug, PartialEq)]
struct Plain {
    info: RowInfo,
    description: Option<Description>,
    times: Vec<u64>,
    samples: Vec<u8>,
}

/// A generation, and its rows in the batches that they are written in.
type History = Vec<(Generation, Vec<Vec<Plain>>)>;

/// The same without batches.
type Content = Vec<(Generation, Vec<Plain>)>;

fn write(path: &Path, history: &History) {
    let mut writer = RecordingWriter::new(fs::File::create(path).unwrap());
    for (generation, batches) in history {
        let mut rows = writer.begin(generation).unwrap();
        for batch in batches {
            for row in batch {
                let description = row.description.clone().map(Arc::new);
                let times: Vec<f64> = row.times.iter().map(|&bits| f64::from_bits(bits)).collect();
                rows.push(row.info, description.as_ref(), &times, |to| to.copy_from_slice(&row.samples));
                // A row that was lapped.
                rows.push(RowInfo { position: 77, ..row.info }, None, &times, |_| ());
                rows.pop();
            }
            let most = writer.bytes_with(rows.bytes_with(0, None));
            writer.write(&mut rows).unwrap();
            // 8 bytes: the mark of the generation's end.
            assert!(writer.bytes() + 8 <= most, "{} bytes, predicted at most {most}", writer.bytes());
        }
    }
    writer.finish().unwrap();
}

/// The content of a file, generation by generation, and whether it was finished.
fn read(path: &Path) -> eyre::Result<(Content, bool)> {
    let mut reader = RecordingReader::open(path)?;
    let mut read = Content::new();
    while let Some(part) = reader.next()? {
        match part {
            Part::Generation(generation) => read.push((generation.as_ref().clone(), Vec::new())),
            Part::Batch(batch) => {
                let (generation, rows) = read.last_mut().expect("a generation comes before its rows");
                assert_eq!(**batch.generation(), *generation);
                rows.extend(batch.rows().map(|row| Plain {
                    info: row.info,
                    description: row.description.map(|description| description.as_ref().clone()),
                    times: row.times.iter().map(|time| time.to_bits()).collect(),
                    samples: row.samples.to_vec(),
                }));
            }
        }
    }
    Ok((read, reader.cut_notice().is_none()))
}

fn without_batches(history: &History) -> Content {
    history.iter().map(|(generation, batches)| (generation.clone(), batches.concat())).collect()
}

fn description() -> impl Strategy<Value = Description> {
    let attr = prop_oneof![
        any::<bool>().prop_map(Attr::Bool),
        any::<i64>().prop_map(Attr::Integer),
        any::<f64>().prop_map(Attr::Float),
        ".*".prop_map(Attr::String),
        vec(any::<i64>(), 0..3).prop_map(Attr::ListInt),
        any::<i64>().prop_map(Attr::Timestamp),
    ];
    let labels = vec("[a-zA-Zµ]{1,4}", 0..3).prop_map(|labels| Axis::Coord {
        unit: String::new(),
        data: Some(labels.into_iter().map(|l| json!(l)).collect()),
    });
    (btree_map("[a-z]{1,3}", attr, 0..3), labels, ".{0,5}").prop_map(|(attrs, labels, key)| Description {
        dims: Vec::new(),
        axes: [("ch".to_owned(), labels)].into(),
        attrs,
        key,
        stream_dim: None,
        message: None,
    })
}

fn generation() -> impl Strategy<Value = Generation> {
    let dtype = proptest::sample::select(Dtype::ALL.to_vec());
    let format = (dtype, vec(1..4_u64, 0..4), prop_oneof![Just(0.0), 1e-9..1e9], 1..100_u64)
        .prop_map(|(dtype, shape, rate_hz, frames)| Format::new(dtype, &shape, rate_hz, frames).unwrap());
    let clock =
        proptest::option::of((proptest::sample::select(Clock::ALL.to_vec()), any::<[u8; 16]>(), any::<(i64, u64)>()));
    let writer = (any::<u64>(), any::<u32>()).prop_map(|(stream_id, epoch)| WriterId { stream_id, epoch });
    let rest = (any::<u32>(), any::<u64>(), any::<i64>(), proptest::option::of(1..3_u32));
    (".{1,9}", format, clock, writer, proptest::option::of(description()), rest).prop_map(
        |(stream, format, clock, writer, description, (number, base, started_ns, ezmsg))| Generation {
            stream,
            format: format.on_clock(clock.map_or(Clock::Source, |(clock, ..)| clock)),
            clock: clock.map(|(clock, id, (created_ns, created_mono_ns))| {
                let mut made = GenerationClock::default();
                (made.clock, made.id) = (clock, ClockId(id));
                (made.created_ns, made.created_mono_ns) = (created_ns, created_mono_ns);
                made
            }),
            number,
            writer,
            base,
            started_ns,
            description,
            ezmsg,
        },
    )
}

fn row(frame_bytes: usize, descriptions: Vec<Description>) -> impl Strategy<Value = Plain> {
    let info = (proptest::option::weighted(0.9, any::<u64>()), any::<u64>(), any::<u64>(), any::<i64>(), any::<u64>());
    let description = proptest::option::weighted(0.8, proptest::sample::select(descriptions));
    let frames = prop_oneof![4 => 0..5_usize, 1 => 5..40_usize];
    (info, description, any::<bool>(), frames).prop_flat_map(move |(info, description, description_missed, frames)| {
        let (chunk, position, lost, sent_ns, mono_ns) = info;
        let info = RowInfo { chunk, position, lost, sent_ns, mono_ns, description_missed };
        (vec(any::<u64>(), frames), vec(any::<u8>(), frames * frame_bytes)).prop_map(move |(times, samples)| Plain {
            info,
            description: description.clone(),
            times,
            samples,
        })
    })
}

fn history() -> impl Strategy<Value = History> {
    let generation = (generation(), vec(description(), 1..3)).prop_flat_map(|(generation, descriptions)| {
        let rows = row(generation.format.frame_bytes() as usize, descriptions);
        (Just(generation), vec(vec(rows, 1..6), 0..4))
    });
    vec(generation, 0..4)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_history_is_read_as_it_was_written(history in history()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("recording");
        write(&path, &history);
        if history.is_empty() {
            prop_assert!(read(&path).unwrap_err().to_string().contains("it is empty"));
        } else {
            prop_assert_eq!(read(&path).unwrap(), (without_batches(&history), true));
        }
    }

    #[test]
    fn wrong_bytes_cause_an_error_or_other_values_and_never_a_panic(
        history in history(),
        wrong in vec((any::<prop::sample::Index>(), prop_oneof![Just(0), Just(1), Just(0xFF), any::<u8>()]), 1..4),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("recording");
        write(&path, &history);
        let mut bytes = fs::read(&path).unwrap();
        if !bytes.is_empty() {
            for (index, byte) in wrong {
                *index.get_mut(&mut bytes) = byte;
            }
            fs::write(&path, bytes).unwrap();
            if let Err(error) = read(&path) {
                prop_assert!(error.to_string().contains(&path.display().to_string()), "{}", error);
            }
        }
    }
}

/// Two generations, descriptions that change, an empty message, and a loss at the end.
fn small_history() -> History {
    let described = |key: &str| Some(Description { key: key.to_owned(), ..Description::default() });
    let generation = |number, dtype, shape: &[u64]| Generation {
        stream: "small".to_owned(),
        format: Format::new(dtype, shape, 100.0, 16).unwrap(),
        clock: None,
        number,
        writer: WriterId { stream_id: 7, epoch: 1 },
        base: 10 * u64::from(number),
        started_ns: 1_700_000_000_000_000_000,
        description: described("a"),
        ezmsg: None,
    };
    let row = |chunk: u64, frames: u64, frame_bytes: u64, key: &str| Plain {
        info: RowInfo {
            chunk: Some(chunk),
            position: 2 * chunk,
            lost: chunk % 2,
            sent_ns: 5 + chunk as i64,
            mono_ns: 9 + chunk,
            description_missed: chunk == 2,
        },
        description: described(key),
        times: (0..frames).map(|frame| (frame as f64).to_bits()).collect(),
        samples: (0..frames * frame_bytes).map(|byte| byte as u8).collect(),
    };
    let loss = Plain { info: RowInfo { chunk: None, ..row(9, 0, 1, "b").info }, ..row(9, 0, 1, "b") };
    vec![
        (generation(0, Dtype::F32, &[3]), vec![vec![row(0, 2, 12, "a"), row(1, 0, 12, "b")], vec![row(2, 1, 12, "b")]]),
        (generation(1, Dtype::Bool, &[]), vec![vec![row(0, 5, 1, "b"), loss]]),
    ]
}

#[test]
fn a_recording_cut_at_any_byte_opens_and_contains_the_batches_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("recording");
    let history = small_history();
    write(&path, &history);
    let bytes = fs::read(&path).unwrap();
    let whole = without_batches(&history);
    let rows = |read: &[(Generation, Vec<Plain>)]| read.iter().flat_map(|(_, rows)| rows.clone()).collect::<Vec<_>>();
    let (mut most, mut ends) = (0, 0);
    for length in 1..=bytes.len() {
        fs::write(&path, &bytes[..length]).unwrap();
        let (part, finished) = read(&path).unwrap_or_else(|error| panic!("{length} bytes: {error}"));
        let (got, expected) = (rows(&part), rows(&whole));
        assert!(expected.starts_with(&got), "{length} bytes: {got:?}");
        assert!(got.len() >= most, "{length} bytes have fewer rows than one byte less");
        assert!(part.iter().zip(&whole).all(|(part, whole)| part.0 == whole.0));
        most = got.len();
        ends += usize::from(finished);
    }
    assert_eq!(most, rows(&whole).len());
    // After each of the two generations.
    assert_eq!(ends, 2);
}

#[test]
fn any_wrong_byte_causes_an_error_or_another_value_and_never_a_panic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("recording");
    write(&path, &small_history());
    let whole = fs::read(&path).unwrap();
    for index in (0..whole.len()).step_by(3) {
        let right = whole[index];
        let mut bytes = whole.clone();
        bytes[index] = [0, 0x7F, 0xFF, right ^ 1, right.wrapping_add(8)][index % 5];
        fs::write(&path, bytes).unwrap();
        // Any result is right except a panic.
        let _ = read(&path);
    }
}

#[test]
fn the_error_for_a_file_that_is_not_a_recording_names_its_kind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let refused = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        read(&path).unwrap_err().to_string()
    };
    assert!(refused(b"PAR1....").contains("not a recording: it is a Parquet file"));
    assert!(refused(b"hello").contains("not a recording: it is text"));
    assert!(refused(b"").contains("it is empty"));
    assert!(refused(&[0xFF; 40]).contains("not a recording: there is no message of an Arrow stream"));
    assert!(refused(&[0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0]).contains("a stream ends that has not begun"));
    let other = arrow_schema::Schema::new(vec![arrow_schema::Field::new("x", arrow_schema::DataType::Int8, true)]);
    let stream = arrow_ipc::writer::StreamWriter::try_new(Vec::new(), &other).unwrap().into_inner().unwrap();
    assert!(refused(&stream).contains("an Arrow stream that `dora-shm record` did not write (columns \"x\")"));
    assert!(RecordingReader::open(folder.path()).err().unwrap().to_string().contains("a folder"));
    assert!(RecordingReader::open(&folder.path().join("none")).err().unwrap().to_string().contains("cannot open"));
}

#[test]
fn recordings_can_be_joined_and_only_a_stream_may_follow_a_stream() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("recording");
    let history = small_history();
    write(&path, &history);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, [&bytes[..], &bytes[..]].concat()).unwrap();
    let twice = [without_batches(&history), without_batches(&history)].concat();
    assert_eq!(read(&path).unwrap(), (twice, true));
    fs::write(&path, [&bytes[..], b"something else"].concat()).unwrap();
    let error = read(&path).unwrap_err().to_string();
    assert!(error.contains(&format!("damaged: at byte {}", bytes.len())), "{error}");
    // As after a loss of power, which may leave zeros at the end of a file.
    fs::write(&path, [&bytes[..], &[0; 100]].concat()).unwrap();
    assert_eq!(read(&path).unwrap(), (without_batches(&history), false));
}
