//! The description of a stream that ezmsg wrote, if it is refused, changed or gone.

use dora_shm_ring::*;

use crate::read;
use crate::stage::{Stage, at};

/// A pickled dict of strings as CPython writes it, in protocol 4, but without memo.
fn pickle(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = b"\x80\x04}(".to_vec();
    for (name, value) in members {
        out.extend(text(name));
        out.extend_from_slice(value);
    }
    out.extend(b"u.");
    out
}

fn text(text: &str) -> Vec<u8> {
    [b"X", &(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat()
}

fn described(key: &str, attrs: &[u8]) -> Vec<u8> {
    let dims = [&b"]("[..], &text("time"), &text("ch"), b"e"].concat();
    pickle(&[("version", b"K\x01"), ("dims", &dims), ("axes", b"}"), ("attrs", attrs), ("key", &text(key))])
}

fn stream(test: &str) -> (Stage, Reader) {
    let stage = Stage::new(test, 2, 20);
    let reader = Reader::open(&stage.name, ReaderOptions::default()).unwrap();
    (stage, reader)
}

#[track_caller]
fn ezmsg(reader: &Reader) -> EzmsgInfo {
    reader.info().unwrap().ezmsg.expect("ezmsg's")
}

#[test]
fn a_pickle_that_requires_a_call_is_refused_by_name_and_the_samples_are_read() {
    let evil = [&b"}("[..], &text("x"), b"cposix\nsystem\n(", &text("touch /dev/shm/pwned"), b"tRu"].concat();
    let stack = [&text("os")[..], &text("system"), b"\x93"].concat();
    let stack = [&b"}("[..], &text("x"), &stack, b"(", &text("true"), b"tRu"].concat();
    for (attrs, named) in [(evil, "posix.system"), (stack, "os.system")] {
        let (stage, mut reader) = stream("evil");
        stage.describe(1, &described("k", &attrs));
        stage.write(0..5);
        assert_eq!(read(&mut reader), (0, vec![0, 1, 2, 3, 4], 0));
        assert!(reader.description().is_none() && reader.description_missed());
        let refused = ezmsg(&reader).refused.unwrap();
        assert!(refused.contains(&format!("wants to call {named}, which is never done")), "{refused}");
        // The next description is read.
        stage.describe(2, &described("better", b"}"));
        assert_eq!(reader.read(&mut Frames::new(), 1).unwrap(), Outcome::Nothing);
        assert_eq!((&*reader.description().unwrap().key, ezmsg(&reader).refused), ("better", None));
        assert!(!reader.description_missed());
    }
    assert!(!std::path::Path::new("/dev/shm/pwned").exists());
}

#[test]
fn parts_that_a_description_cannot_represent_are_left_out_and_named() {
    let attrs = [&b"}("[..], &text("nothing"), b"N", &text("gain"), b"K\x07", &text("dict"), b"}u"].concat();
    let (stage, mut reader) = stream("left-out");
    stage.describe(1, &described("k", &attrs));
    stage.write(0..1);
    read(&mut reader);
    assert_eq!(reader.description().unwrap().attrs, [("gain".to_owned(), Attr::Integer(7))].into());
    assert_eq!(ezmsg(&reader).left_out, ["attribute \"nothing\": None", "attribute \"dict\": a dict"]);
}

#[test]
fn a_new_description_replaces_the_old_one_without_a_new_generation() {
    let (stage, mut reader) = stream("replaced");
    for number in 1..4 {
        let key = format!("key {number}");
        stage.describe(number, &described(&key, b"}"));
        stage.write(u64::from(number) - 1..number.into());
        read(&mut reader);
        assert_eq!(reader.description().unwrap().key, key);
    }
    assert_eq!(reader.generation(), Some(0));
}

#[test]
fn a_description_whose_segment_is_gone_or_short_does_not_affect_the_samples() {
    let (stage, mut reader) = stream("gone");
    stage.describe(1, &described("old", b"}"));
    stage.write(0..1);
    read(&mut reader);
    stage.describe(2, &described("new", b"}"));
    std::fs::remove_file(dora_shm_testkit::segments::metadata(&stage.name, 2)).unwrap();
    stage.write(1..2);
    assert_eq!(read(&mut reader).1, [1]);
    assert_eq!((&*reader.description().unwrap().key, reader.description_missed()), ("old", true));
    stage.describe(3, &described("short", b"}"));
    stage.patch(at::AUX_NBYTES, &[0xff; 4]);
    stage.write(2..3);
    assert_eq!(read(&mut reader).1, [2]);
    assert!(ezmsg(&reader).refused.unwrap().contains("4294967295 bytes"));
}

#[test]
fn a_description_of_another_rank_is_refused() {
    let stage = Stage::new("rank", 2, 20);
    stage.patch(at::NDIM, &3_u32.to_le_bytes());
    stage.patch(at::SHAPE + 8, &1_u32.to_le_bytes());
    stage.describe(1, &described("k", b"}"));
    let reader = Reader::open(&stage.name, ReaderOptions::default()).unwrap();
    assert!(reader.description().is_none());
    assert!(ezmsg(&reader).refused.unwrap().contains("2 dims"));
}
