//! Segments that are truncated, corrupt in any field, or of another stream or version.

use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use dora_shm_ring::*;
use dora_shm_testkit::specimen::{RING_FRAMES, Specimen, WRITTEN, write};

use crate::probe::probe;
use crate::specimen::{specimen, take_name};
use dora_shm_testkit::PATIENCE;
use dora_shm_testkit::rng::Rng;
use dora_shm_testkit::segments::{self, Bytes, footer_at, header_at, patch, trailer_at};

#[test]
fn truncated_segments_are_detected_before_they_are_read() {
    let specimen = specimen("truncated");
    let mut errors = 0;
    let lengths = [0, 1, 63, 64, 1333, 1334, 2047, 2048, 2056, 4095, 4096, 4097, 12288, 16383, 16384];
    for (i, path) in specimen.paths().into_iter().enumerate() {
        for length in lengths {
            specimen.put().unwrap();
            let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
            let whole = file.metadata().unwrap().len();
            if length < whole {
                file.set_len(length).unwrap();
                let error = probe(&specimen.name);
                errors += u32::from(error.is_some());
                // A header that does not exist yet is not an error, and one that ends before this library's fields
                // counts as ezmsg's. All other segments must be complete.
                assert_eq!(
                    error.is_some(),
                    i > 0 || (2049..4096).contains(&length),
                    "{path:?} of {length} bytes: {error:?}"
                );
            }
        }
    }
    assert!(errors > 20, "{errors}");
    specimen.put().unwrap();
    take_name(&specimen.name);
}

/// One of this many corruptions is tried. 1, unless `DORA_SHM_HOSTILE_ONE_OF` is set, for runs under tools that make
/// the tests many times slower. The selection is the same in every run.
fn one_of() -> usize {
    std::env::var("DORA_SHM_HOSTILE_ONE_OF").map_or(1, |text| text.parse().expect("a number"))
}

/// Asserts that more than `than` errors were found, or a proportional number if not every corruption is tried.
#[track_caller]
fn assert_more_errors(found: u32, than: usize) {
    let fewest = if one_of() == 1 { than } else { than / (2 * one_of()) };
    assert!(found as usize > fewest, "found {found} errors, expected more than {fewest}");
}

/// Corrupts bytes of one segment, one place at a time, and probes the stream.
fn corrupt_each(
    specimen: &Specimen,
    path: &Path,
    whole: &Bytes,
    places: impl Iterator<Item = (usize, Vec<u8>)>,
) -> u32 {
    specimen.put().unwrap();
    let mut errors = 0;
    for (offset, bytes) in places.step_by(one_of()) {
        patch(path, offset as u64, &bytes).unwrap();
        errors += u32::from(probe(&specimen.name).is_some());
        patch(path, offset as u64, &whole.0[offset..offset + bytes.len()]).unwrap();
    }
    assert!(probe(&specimen.name).is_none(), "whole again");
    errors
}

/// Flips every byte of a range: all its bits, and a single one.
fn flips(whole: &Bytes, range: Range<usize>) -> impl Iterator<Item = (usize, Vec<u8>)> {
    range.flat_map(move |offset| [0xFF, 1].map(|bits| (offset, vec![whole.0[offset] ^ bits])))
}

/// Sets every aligned word of a range to values at the limits of its range.
fn edges(range: Range<usize>) -> impl Iterator<Item = (usize, Vec<u8>)> {
    let wide = [0, 1, 7, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 1 << 32, 1 << 40, 1 << 61, (1 << 63) - 1, 1 << 63]
        .into_iter()
        .chain([u64::MAX - 16383, u64::MAX - 1, u64::MAX]);
    let words: Vec<Vec<u8>> = wide
        .map(|value: u64| value.to_le_bytes().to_vec())
        .chain(
            [0, 1, 2, 13, 0xFFFF, 0x7FFF_FFFF, 0xFFFF_FFFE, 0xFFFF_FFFF].map(|value: u32| value.to_le_bytes().to_vec()),
        )
        .collect();
    range.step_by(4).flat_map(move |offset| {
        words.clone().into_iter().filter(move |word| offset.is_multiple_of(word.len())).map(move |word| (offset, word))
    })
}

#[test]
fn every_field_of_a_header_may_be_corrupt() {
    let specimen = specimen("header");
    let path = segments::header(&specimen.name);
    let name_end = header_at::NAME as usize + specimen.name.len();
    let fields = header_at::MAGIC as usize..name_end;
    let flipped = corrupt_each(&specimen, &path, &specimen.header, flips(&specimen.header, fields.clone()));
    // Magic, major, must_understand, name.
    assert_more_errors(flipped, 2 * (8 + 2 + 4 + specimen.name.len()));
    let edged = corrupt_each(&specimen, &path, &specimen.header, edges(fields));
    assert_more_errors(edged, 30);
    // Counts are numbers like any other.
    let counts = header_at::REFUSED as usize..header_at::COUNTED_BY as usize + 4;
    assert_eq!(corrupt_each(&specimen, &path, &specimen.header, flips(&specimen.header, counts)), 0);
    // The library ignores ezmsg's part.
    assert_eq!(corrupt_each(&specimen, &path, &specimen.header, flips(&specimen.header, 0..64)), 0);
}

#[test]
fn every_field_of_a_trailer_may_be_corrupt() {
    let specimen = specimen("trailer");
    let path = segments::ring(&specimen.name, 0);
    let trailer = specimen.ring.trailer() as usize;
    let fields = trailer..trailer + trailer_at::COMMITTED_CHUNKS as usize + 8;
    let flipped = corrupt_each(&specimen, &path, &specimen.ring, flips(&specimen.ring, fields.clone()));
    assert_more_errors(flipped, 200);
    let edged = corrupt_each(&specimen, &path, &specimen.ring, edges(fields));
    assert_more_errors(edged, 400);
}

#[test]
fn a_ring_or_a_description_of_another_stream_or_generation_is_not_read() {
    let specimen = specimen("another");
    let [_, ring, metadata] = specimen.paths();
    let trailer = specimen.ring.trailer();
    let footer = specimen.metadata.footer();
    let options = ReaderOptions::default().start(Start::Oldest);
    let mut frames = Frames::new();
    let mut message = Message::new();
    for (offset, right) in [(trailer_at::STREAM_ID, &specimen.ring), (trailer_at::GENERATION, &specimen.ring)] {
        specimen.put().unwrap();
        let place = (trailer + offset) as usize;
        patch(&ring, trailer + offset, &[right.0[place] ^ 1]).unwrap();
        let mut reader = Reader::open(&specimen.name, options.clone()).unwrap();
        let mut by_message = MessageReader::open(&specimen.name, options.clone()).unwrap();
        assert_eq!((reader.generation(), by_message.generation()), (None, None));
        assert_eq!(reader.read(&mut frames, u64::MAX).unwrap(), Outcome::Nothing);
        assert_eq!(by_message.next(&mut message).unwrap(), Outcome::Nothing);
        assert_eq!(reader.wait(Duration::ZERO).unwrap(), Wait::Timeout(Liveness::Dead));
        // The reader tries again, since the right file may get that name.
        patch(&ring, trailer + offset, &[right.0[place]]).unwrap();
        assert_eq!(reader.wait(PATIENCE).unwrap(), Wait::Ready);
        assert_eq!(reader.read(&mut frames, u64::MAX).unwrap(), Outcome::Generation);
        assert!(reader.read(&mut frames, u64::MAX).unwrap().is_data());
    }
    for offset in [16, 24] {
        specimen.put().unwrap();
        let place = (footer + offset) as usize;
        patch(&metadata, footer + offset, &[specimen.metadata.0[place] ^ 1]).unwrap();
        let reader = Reader::open(&specimen.name, options.clone()).unwrap();
        assert!(reader.description().is_none() && reader.description_missed());
    }
}

#[test]
fn every_field_of_the_chunk_records_may_be_corrupt() {
    let specimen = specimen("records");
    let path = segments::ring(&specimen.name, 0);
    let index = specimen.ring.u64(specimen.ring.trailer() + trailer_at::INDEX_OFFSET) as usize;
    let records = index..index + 6 * 64;
    let flipped = corrupt_each(&specimen, &path, &specimen.ring, flips(&specimen.ring, records.clone()));
    let edged = corrupt_each(&specimen, &path, &specimen.ring, edges(records));
    assert_more_errors(flipped, 20);
    assert_more_errors(edged, 50);
}

#[test]
fn every_byte_of_a_description_and_its_footer_may_be_corrupt() {
    let specimen = specimen("footer");
    let path = segments::metadata(&specimen.name, 1);
    let footer = specimen.metadata.footer() as usize;
    let word = |at| specimen.metadata.u64(specimen.metadata.footer() + at) as usize;
    let (json, json_len) = (word(footer_at::JSON_OFFSET), word(footer_at::JSON_LEN));
    let flipped = corrupt_each(&specimen, &path, &specimen.metadata, flips(&specimen.metadata, footer..footer + 64));
    let edged = corrupt_each(&specimen, &path, &specimen.metadata, edges(footer..footer + 64));
    assert_more_errors(flipped, 16);
    assert_more_errors(edged, 16);
    let json = flips(&specimen.metadata, json..json + json_len);
    assert_more_errors(corrupt_each(&specimen, &path, &specimen.metadata, json), json_len / 2);
}

#[test]
fn consistent_but_false_counters_and_records_do_not_keep_a_reader_busy() {
    let specimen = specimen("together");
    let ring = segments::ring(&specimen.name, 0);
    let trailer = specimen.ring.trailer();
    let index = specimen.ring.u64(trailer + trailer_at::INDEX_OFFSET) as usize;
    let mut records = specimen.ring.0[index..index + 64 * 64].to_vec();
    let words = [0, 1, WRITTEN, RING_FRAMES, 64, 65, 1 << 32, u64::MAX / 2, u64::MAX - 64, u64::MAX - 1, u64::MAX];
    let mut rng = Rng::new(1);
    for round in 0..1500 / one_of() {
        specimen.put().unwrap();
        let mut roll = || words[rng.below(words.len() as u64) as usize];
        let counters =
            [trailer_at::RESERVED, trailer_at::RESERVED_CHUNKS, trailer_at::COMMITTED, trailer_at::COMMITTED_CHUNKS];
        for counter in counters {
            patch(&ring, trailer + counter, &roll().to_le_bytes()).unwrap();
        }
        if round % 2 == 0 {
            patch(&ring, trailer + trailer_at::BASE, &roll().to_le_bytes()).unwrap();
        }
        // All records are equal, so that a search for the right one finds none.
        let alike = [roll(), roll()].map(u64::to_le_bytes).concat();
        for record in records.chunks_exact_mut(64) {
            record[..16].copy_from_slice(&alike);
        }
        patch(&ring, index as u64, &records).unwrap();
        probe(&specimen.name);
    }
}

#[test]
fn a_writer_takes_the_name_of_a_dead_stream_whatever_its_fields_hold() {
    let specimen = specimen("dead");
    let name_end = header_at::NAME + specimen.name.len() as u64;
    let trailer = specimen.ring.trailer();
    let footer = specimen.metadata.footer();
    let [header, ring, metadata] = specimen.paths();
    let mut rng = Rng::new(2);
    let fields = (header_at::MAGIC..name_end)
        .step_by(4)
        .map(|offset| (&header, offset))
        .chain((trailer..trailer + 400).step_by(4).map(|offset| (&ring, offset)))
        .chain((footer..footer + 64).step_by(4).map(|offset| (&metadata, offset)))
        // ezmsg's length of the description, which must never shrink.
        .chain([(&header, 1328)]);
    let values = |(path, offset)| [0, u32::MAX, rng.below(1 << 32) as u32].map(|value| (path, offset, value));
    for (path, offset, value) in fields.flat_map(values).step_by(one_of()) {
        specimen.put().unwrap();
        patch(path, offset, &value.to_le_bytes()).unwrap();
        take_name(&specimen.name);
        // Segments whose names differ from those in the header cannot be found from it; `clean` removes them.
        if path != &header || ![header_at::GENERATION, header_at::META_GENERATION].contains(&offset) {
            let left = segments::of(&specimen.name);
            assert!(left.is_empty(), "{left:?} after {value:#x} at {offset} of {path:?}");
        }
    }
}

#[test]
fn unknown_versions_and_extensions_are_refused_and_later_minor_versions_are_read() {
    let specimen = specimen("version");
    let trailer = specimen.ring.trailer();
    let footer = specimen.metadata.footer();
    let [header, ring, metadata] = specimen.paths();
    for (path, start) in [(header, header_at::MAGIC), (ring, trailer), (metadata, footer)] {
        for (offset, value, refused) in [(8, 2, true), (8, 0, true), (10, 7, false), (12, 1, true), (12, 1 << 15, true)]
        {
            specimen.put().unwrap();
            patch(&path, start + offset, &u16::to_le_bytes(value)).unwrap();
            let error = probe(&specimen.name);
            match &error {
                Some(Error::Version { major, minor, must_understand, .. }) => {
                    let found = [u32::from(*major), 0, u32::from(*minor), 0, *must_understand];
                    assert!(refused && found[offset as usize - 8] == u32::from(value), "{error:?}");
                }
                other => assert!(other.is_none() && !refused, "{path:?} {offset} {value}: {other:?}"),
            }
        }
    }
}

#[test]
fn a_takeover_does_not_continue_with_a_description_of_an_unknown_version() {
    let specimen = specimen("takeover");
    let footer = specimen.metadata.footer();
    let [_, ring, metadata] = specimen.paths();
    for (offset, value) in [(8, 2), (12, 1)] {
        specimen.put().unwrap();
        patch(&metadata, footer + offset, &u16::to_le_bytes(value)).unwrap();
        let mut writer = Writer::create(&specimen.name, WriterOptions::default()).unwrap();
        assert_eq!(writer.epoch(), 2, "taken over");
        assert!(ring.exists() && !metadata.exists() && !segments::anchor(&metadata).exists());
        // Readers find the ring without its description.
        let mut reader = Reader::open(&specimen.name, ReaderOptions::default().start(Start::Oldest)).unwrap();
        let mut frames = Frames::new();
        assert_eq!(reader.read(&mut frames, u64::MAX).unwrap(), Outcome::Data(RING_FRAMES));
        assert!(reader.description().is_none() && reader.description_missed());
        write(&mut writer).unwrap();
        while reader.read(&mut frames, u64::MAX).unwrap() != Outcome::Generation {}
        assert_eq!(reader.description().map(|described| described.dims.len()), Some(2));
    }
}

#[test]
fn a_takeover_does_not_continue_with_a_ring_that_has_holes() {
    let specimen = specimen("holes");
    let [_, ring, _] = specimen.paths();
    specimen.put().unwrap();
    let end = specimen.ring.trailer();
    std::fs::write(&ring, "").unwrap();
    patch(&ring, end, &specimen.ring.0[end as usize..]).unwrap();
    assert!(matches!(probe(&specimen.name), Some(Error::Corrupt { .. })));
    let writer = Writer::create(&specimen.name, WriterOptions::default()).unwrap();
    assert_eq!((writer.epoch(), writer.stream_position()), (1, 0), "the old stream is finished, and a new one created");
    drop(writer);
    take_name(&specimen.name);
}
