//! Files in the place of a segment that this library did not make.

use std::os::unix::fs::MetadataExt;

use dora_shm_ring::*;
use dora_shm_testkit::Name;
use dora_shm_testkit::impostors::{self, Answer};
use dora_shm_testkit::programs::root;
use dora_shm_testkit::segments::{self, patch, trailer_at};
use dora_shm_testkit::signal::LEAST_BYTES;

use crate::probe::probe;
use crate::specimen::specimen;

#[test]
fn readers_neither_block_on_nor_follow_other_files_in_the_place_of_a_segment() {
    let specimen = specimen("impostor");
    let tried = impostors::check_readers(&specimen, || {
        let error = probe(&specimen.name);
        assert!(streams().is_ok());
        Ok(Answer::of(error.as_ref()))
    });
    assert!(tried.unwrap() >= 3 * 8);
}

#[test]
fn a_huge_ring_that_claims_to_be_full_but_has_no_memory_is_not_read() {
    let specimen = specimen("sparse");
    specimen.put().unwrap();
    let path = segments::ring(&specimen.name, 0);
    let length: u64 = 1 << 40;
    let mut page = specimen.ring.0[specimen.ring.trailer() as usize..].to_vec();
    let mut set = |offset: u64, value: u64| {
        page[offset as usize..offset as usize + 8].copy_from_slice(&value.to_le_bytes());
    };
    let frames = (1 << 32) - 8;
    set(40, frames);
    set(64, 8 * frames);
    set(72, (8 + LEAST_BYTES as u64) * frames);
    set(trailer_at::RESERVED, frames);
    set(trailer_at::COMMITTED, frames);
    std::fs::File::create(&path).unwrap().set_len(length).unwrap();
    patch(&path, length - trailer_at::LENGTH, &page).unwrap();
    match probe(&specimen.name) {
        Some(Error::Corrupt { reason, .. }) => assert!(reason.contains("reserved"), "{reason}"),
        other => panic!("{other:?}"),
    }
    assert!(path.metadata().unwrap().blocks() < 100, "reading must not allocate the file's memory");
    let options = ReaderOptions::default().max_ring_bytes(1 << 30);
    let refused = Reader::open(&specimen.name, options);
    assert!(matches!(refused, Err(Error::TooLarge { needed, limit }) if needed == length && limit == 1 << 30));
}

#[test]
fn writers_report_or_replace_other_files_in_the_place_of_a_segment() {
    let tried = impostors::check_writers(&specimen("squatter")).unwrap();
    assert!(tried >= 6 * 8, "{tried}");
}

#[test]
fn a_header_that_ezmsg_wrote_is_read_and_blocks_writers() {
    let name = Name::new("ezmsg");
    let path = segments::header(&name);
    let vectors = root().join("tests/vectors/ezmsg");
    for (version, golden) in [(1, "v1/eeg_f32_wrapped/header.bin"), (2, "v2/eeg_f32_wrapped/header.bin")] {
        let bytes = std::fs::read(vectors.join(golden)).unwrap();
        for length in [bytes.len(), 4096, 8192] {
            let mut bytes = bytes.clone();
            bytes.resize(length, 0);
            std::fs::write(&path, &bytes).unwrap();
            assert!(probe(&name).is_none(), "without its ring there is nothing to read");
            let info = Reader::open(&name, ReaderOptions::default()).unwrap().info().unwrap();
            assert_eq!(info.ezmsg.map(|ezmsg| ezmsg.struct_version), Some(version));
            let listed = streams().unwrap().into_iter().any(|stream| {
                matches!(stream, StreamInfo::Ezmsg { segment, struct_version, key, .. }
                    if segment == shorten(&name) && struct_version == version && key.as_deref() == Some("eeg/headset-1"))
            });
            assert!(listed);
            let refused = Writer::create(&name, WriterOptions::default());
            assert!(matches!(refused, Err(Error::NameTaken { .. })), "{refused:?}");
            assert_eq!(std::fs::read(&path).unwrap(), bytes, "the file is unchanged");
        }
    }
    std::fs::remove_file(path).unwrap();
}

#[test]
fn an_ezmsg_pickle_cannot_allocate_much_memory_or_keep_a_reader_busy() {
    let name = Name::new("ezmsg-pickle");
    let golden = root().join("tests/vectors/ezmsg/v2/eeg_f32_wrapped");
    let mut header = std::fs::read(golden.join("header.bin")).unwrap();
    // Frames of the length that the probe expects: four u64.
    header[9] = b'L';
    header[26..30].copy_from_slice(&4_u32.to_le_bytes());
    std::fs::write(segments::ring(&name, 0), vec![0; 20 * (8 + LEAST_BYTES)]).unwrap();
    // Each list contains the next one twice, down to a list with a number.
    let laughs: Vec<u8> = (0..200).flat_map(|i| [b']', 0x94, b'(', b'h', i, b'h', i, b'e']).collect();
    let bombs = [
        b"N".repeat(2 << 20),
        b"(".repeat(2 << 20),
        b"]\x94".repeat(1 << 20),
        [&b"]\x94K\x01a"[..], &laughs, b"."].concat(),
        [&b"]\x94"[..], &b"h\0a".repeat(1 << 18), b"."].concat(),
        // Lengths without content.
        [&b"\x8d"[..], &[0xff; 8]].concat(),
        [&b"\x96"[..], &(1_u64 << 40).to_le_bytes()].concat(),
        [&b"\x8b"[..], &[0xff; 4]].concat(),
    ];
    for bomb in bombs {
        std::fs::write(segments::metadata(&name, 1), &bomb).unwrap();
        let mut header = header.clone();
        header[1330..1334].copy_from_slice(&(bomb.len() as u32).to_le_bytes());
        std::fs::write(segments::header(&name), header).unwrap();
        assert!(probe(&name).is_none(), "the samples are still read");
        let info = Reader::open(&name, ReaderOptions::default()).unwrap().info().unwrap();
        assert!(info.ezmsg.unwrap().refused.is_some());
    }
    for path in segments::of(&name) {
        std::fs::remove_file(path).unwrap();
    }
}
