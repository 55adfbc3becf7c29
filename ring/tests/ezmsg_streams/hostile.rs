//! Any content of an ezmsg header gives a typed error or counts as an absent stream. It never causes a panic, or an
//! allocation whose size the header determines. Defect D14: some of ezmsg's readers crash.

use dora_shm_ring::*;
use proptest::prelude::*;

use crate::from;
use crate::stage::{HEADER_BYTES, Stage, at};
use dora_shm_testkit::segments;

/// Calls all methods of both kinds of readers, from every start.
fn probe(name: &str) -> Result<()> {
    for start in [Start::Oldest, Start::Newest, Start::Last(3)] {
        let mut reader = Reader::open(name, from(start))?;
        let mut frames = Frames::new();
        reader.read(&mut frames, u64::MAX)?;
        reader.latest(u64::MAX, &mut frames)?;
        let within = reader.frames_within(0.1)?;
        reader.latest(within, &mut frames)?;
        reader.wait(std::time::Duration::ZERO)?;
        if let Outcome::Data(view) = reader.view(u64::MAX)? {
            reader.finish(view);
        }
        let _ = (reader.lag(), reader.description().cloned(), reader.info()?);
        let mut reader = MessageReader::open(name, from(start))?;
        reader.next(&mut Message::new())?;
        if let Outcome::Data(view) = reader.view()? {
            reader.finish(view);
        }
        let _ = (reader.lag(), reader.description().cloned(), reader.info()?);
    }
    Ok(())
}

fn written(test: &str, version: u32) -> Stage {
    let stage = Stage::new(test, version, 20);
    stage.write(0..30);
    stage
}

#[track_caller]
fn expect_corrupt(stage: &Stage, says: &str) {
    match probe(&stage.name) {
        Err(Error::Corrupt { reason, .. }) => assert!(reason.contains(says), "expected {says:?} in {reason:?}"),
        other => panic!("{says}: {other:?}"),
    }
}

#[test]
fn fields_that_no_writer_stores_are_corrupt() {
    let fields: [(u64, &[u8], &str); 12] = [
        (at::NDIM, &[0; 4], "0 dimensions"),
        (at::NDIM, &[65, 0, 0, 0], "65 dimensions"),
        (at::NDIM, &[0xff; 4], "4294967295 dimensions"),
        (at::SHAPE, &[0; 4], "has 0 frames"),
        (at::SHAPE, &[0xff; 4], "bytes, expected"),
        (at::SHAPE + 4, &[0xff; 4], "bytes, expected"),
        (at::DTYPE, b"\0", "not a numpy type"),
        (at::DTYPE, b"z", "not a numpy type"),
        (at::RATE, &f64::NAN.to_le_bytes(), "rate NaN"),
        (at::RATE, &(-1.0_f64).to_le_bytes(), "rate -1"),
        (at::INDEX, &[21, 0, 0, 0], "write_index 21"),
        (at::LAPS, &[0xff; 8], "overflow"),
    ];
    for version in [1, 2] {
        for (offset, bytes, says) in &fields {
            let stage = written("fields", version);
            stage.patch(*offset, bytes);
            expect_corrupt(&stage, says);
        }
    }
    // More samples than 64 bits can count.
    let stage = written("product", 2);
    stage.patch(at::NDIM, &5_u32.to_le_bytes());
    stage.patch(at::SHAPE, &[0xff; 20]);
    expect_corrupt(&stage, "overflow");
}

#[test]
fn frames_that_no_format_describes_are_unsupported_and_named() {
    let cases: [(u64, &[u8], &str); 5] = [
        (at::DTYPE, b"O", "numpy's type O"),
        (at::DTYPE, b"F", "numpy's type F"),
        (at::DTYPE, b"U", "numpy's type U"),
        (at::SHAPE + 4, &[0; 4], "no samples"),
        (at::NDIM, &[12, 0, 0, 0], "rank 11"),
    ];
    for (offset, bytes, says) in cases {
        let stage = written("unsupported", 2);
        stage.patch(offset, bytes);
        match probe(&stage.name) {
            Err(Error::Unsupported { reason, .. }) => assert!(reason.contains(says), "{reason}"),
            other => panic!("{says}: {other:?}"),
        }
    }
}

#[test]
fn a_frame_of_no_dimensions_is_one_sample() {
    // Defect D16: ezmsg's reader fails with an IndexError.
    let stage = written("scalar", 2);
    stage.patch(at::NDIM, &1_u32.to_le_bytes());
    let mut reader = Reader::open(&stage.name, from(Start::Oldest)).unwrap();
    assert_eq!(reader.format().unwrap().frame_shape(), [0_u64; 0]);
    assert!(reader.read(&mut Frames::new(), u64::MAX).unwrap().is_data());
}

#[test]
fn other_struct_versions_are_refused_as_ezmsgs() {
    for version in [0, 3, u32::MAX] {
        let stage = Stage::new("versions", version, 20);
        let refused = Reader::open(&stage.name, ReaderOptions::default()).unwrap_err();
        assert!(matches!(refused, Error::Ezmsg { struct_version, .. } if struct_version == version), "{refused:?}");
        assert!(refused.to_string().contains("versions 1"), "{refused}");
    }
}

#[test]
fn a_header_that_is_not_filled_yet_counts_as_absent() {
    let stage = Stage::new("filling", 2, 20);
    for length in [0, 1, HEADER_BYTES as u64 - 1, HEADER_BYTES as u64] {
        std::fs::write(stage.header(), vec![0; length as usize]).unwrap();
        let mut reader = Reader::open(&stage.name, ReaderOptions::default()).unwrap();
        assert_eq!(reader.read(&mut Frames::new(), 1).unwrap(), Outcome::Nothing);
        assert_eq!(reader.wait(std::time::Duration::ZERO).unwrap(), Wait::Timeout(Liveness::Absent));
    }
}

#[test]
fn a_ring_that_is_absent_is_waited_for_and_one_that_is_short_is_corrupt() {
    let stage = written("short", 2);
    let bytes = std::fs::read(stage.ring()).unwrap();
    std::fs::remove_file(stage.ring()).unwrap();
    let mut reader = Reader::open(&stage.name, from(Start::Oldest)).unwrap();
    assert_eq!(reader.read(&mut Frames::new(), 1).unwrap(), Outcome::Nothing);
    std::fs::write(stage.ring(), &bytes[..bytes.len() - 1]).unwrap();
    assert!(matches!(reader.read(&mut Frames::new(), 1), Err(Error::Corrupt { .. })));
    std::fs::write(stage.ring(), &bytes).unwrap();
    assert_eq!(reader.read(&mut Frames::new(), 1).unwrap(), Outcome::Generation);
}

#[test]
fn segments_truncated_under_a_reader_cause_errors_and_no_sigbus() {
    for ring in [false, true] {
        let stage = written("truncated", 2);
        let mut reader = Reader::open(&stage.name, from(Start::Oldest)).unwrap();
        let path = if ring { stage.ring() } else { stage.header() };
        std::fs::OpenOptions::new().write(true).open(path).unwrap().set_len(16).unwrap();
        match reader.read(&mut Frames::new(), u64::MAX) {
            Err(Error::Corrupt { .. }) if ring => {}
            Ok(Outcome::Nothing) if !ring => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_ring_beyond_the_callers_limit_is_refused() {
    let stage = written("limit", 2);
    let options = ReaderOptions::default().max_ring_bytes(600);
    let refused = Reader::open(&stage.name, options).unwrap_err();
    assert!(matches!(refused, Error::TooLarge { needed: 640, limit: 600 }), "{refused:?}");
}

#[test]
fn a_file_that_is_not_regular_is_refused() {
    let stage = written("kinds", 2);
    for path in [stage.header(), stage.ring()] {
        let bytes = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
        assert!(matches!(probe(&stage.name), Err(Error::Corrupt { .. })));
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, bytes).unwrap();
    }
}

#[test]
fn claimed_frames_without_memory_are_corrupt() {
    let stage = Stage::new("hole", 2, 20);
    let frames = u32::MAX;
    stage.patch(at::SHAPE, &frames.to_le_bytes());
    let length = u64::from(frames) * (8 + 8 * 3);
    std::fs::OpenOptions::new().write(true).open(stage.ring()).unwrap().set_len(length).unwrap();
    stage.set(0, 100);
    let mut reader = Reader::open(&stage.name, from(Start::Oldest)).unwrap();
    assert_eq!(reader.latest(u64::MAX, &mut Frames::new()).unwrap(), 100);
    stage.set(7, u64::from(frames));
    let error = reader.read(&mut Frames::new(), u64::MAX).unwrap_err();
    assert!(matches!(error, Error::Corrupt { .. }), "{error:?}");
    expect_corrupt(&stage, "bytes of memory");
    use std::os::unix::fs::MetadataExt;
    assert!(std::fs::metadata(stage.ring()).unwrap().blocks() * 512 < 1 << 20);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_content_of_a_header_makes_a_reader_panic(
        changes in prop::collection::vec((0..HEADER_BYTES as u64, any::<[u8; 4]>(), 1..5_usize), 1..6),
        places in prop::collection::vec(0..6_usize, 0..4),
        pickle in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let stage = written("proptest", 2);
        stage.describe(1, &pickle);
        // Anywhere, and more often in the decisive fields.
        let fields = [at::VALID, at::NDIM, at::SHAPE, at::INDEX, at::LAPS, at::KEY_LEN];
        let chosen = places.into_iter().map(|i| fields[i]).chain(std::iter::repeat(u64::MAX));
        for ((offset, bytes, length), field) in changes.iter().zip(chosen) {
            let offset = if field == u64::MAX { *offset } else { field };
            let room = (HEADER_BYTES as u64 - offset).min(*length as u64);
            stage.patch(offset, &bytes[..room as usize]);
        }
        match probe(&stage.name) {
            Ok(()) | Err(Error::Corrupt { .. } | Error::Ezmsg { .. } | Error::Unsupported { .. }) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
}

#[test]
fn streams_of_ezmsgs_are_listed_with_their_version_and_key() {
    for version in [1, 2] {
        let stage = written("listed", version);
        stage.patch(290, b"eeg");
        stage.patch(at::KEY_LEN, &3_u32.to_le_bytes());
        let listed = streams().unwrap().into_iter().any(|stream| {
            let StreamInfo::Ezmsg { segment, struct_version, key, format, position, generation, ring_bytes, .. } =
                stream
            else {
                return false;
            };
            if segments::path(&segment) != stage.header() {
                return false;
            }
            let reader = Reader::open(&stage.name, ReaderOptions::default()).unwrap();
            let info = reader.info().unwrap();
            assert_eq!((format, ring_bytes), (info.format, info.ring_bytes));
            assert_eq!((Some(position), generation), (Some(info.position), info.generation));
            assert!(position > 0);
            struct_version == version && key.as_deref() == Some("eeg")
        });
        assert!(listed);
        // A stream whose header contradicts itself is listed, too.
        stage.patch(at::NDIM, &0_u32.to_le_bytes());
        let listed = streams().unwrap().into_iter().any(|stream| {
            matches!(stream, StreamInfo::Ezmsg { segment, format: None, ring_bytes: None, position: 0, .. }
                if segments::path(&segment) == stage.header())
        });
        assert!(listed);
    }
}
