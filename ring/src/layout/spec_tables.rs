//! The tables of `SPEC.md` say what the code says.

use crate::layout::{MAX_RANK, RECORD_BYTES, footer, header, record, trailer};
use crate::stream::name::MAX_NAME_BYTES;
use crate::{Axis, Description, Dtype, ezmsg};

const SPEC: &str = include_str!("../../../SPEC.md");

/// The page from this heading to the next, of whatever level.
fn section(heading: &str) -> &'static str {
    let start = SPEC.find(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no heading {heading:?}"));
    let rest = &SPEC[start + heading.len() + 2..];
    &rest[..rest.find("\n#").unwrap_or(rest.len())]
}

fn rows(section: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    section
        .lines()
        .filter(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
}

/// Offset, bytes, type and name of each row of the section's table of fields.
fn fields(heading: &str) -> Vec<(usize, usize, &'static str, &'static str)> {
    rows(section(heading))
        .filter(|cells| cells.len() == 5)
        .filter_map(|cells| Some((cells[0].parse().ok()?, cells[1].parse().ok()?, cells[2], cells[3])))
        .collect()
}

fn type_bytes(name: &str) -> Option<usize> {
    Some(match name.trim_start_matches("atomic ") {
        "u8" | "char" => 1,
        "u16" => 2,
        "u32" => 4,
        "u64" | "i64" | "f64" => 8,
        "u32[64]" => 256,
        "u64[8]" => 64,
        "bytes" | "" => return None,
        other => panic!("no type {other:?}"),
    })
}

#[track_caller]
fn same(heading: &str, code: &[(&str, usize)], end: usize) {
    let table = fields(heading);
    let names: Vec<_> = table.iter().map(|&(offset, _, _, name)| (name, offset)).collect();
    assert_eq!(names, code, "{heading}");
    let mut free = 0;
    for (offset, bytes, type_name, name) in table {
        assert!(offset >= free, "{heading}: {name} lies in the field before it");
        assert_eq!(type_bytes(type_name).unwrap_or(bytes), bytes, "{heading}: {name}");
        assert!(!type_name.starts_with("atomic") || offset % bytes == 0, "{heading}: {name} is not aligned");
        free = offset + bytes;
    }
    assert!(free <= end, "{heading}: {free}");
}

#[test]
fn every_offset_of_the_page_is_the_one_of_the_code() {
    let header_fields = [
        ("ezmsg", 0),
        ("magic", header::MAGIC),
        ("major", header::MAJOR),
        ("minor", header::MINOR),
        ("must_understand", header::MUST_UNDERSTAND),
        ("stream_id", header::STREAM_ID),
        ("created_ns", header::CREATED_NS),
        ("bell", header::BELL),
        ("wake", header::WAKE),
        ("state", header::STATE),
        ("generation", header::GENERATION),
        ("meta_generation", header::META_GENERATION),
        ("epoch", header::EPOCH),
        ("writer_pid", header::WRITER_PID),
        ("final_position", header::FINAL_POSITION),
        ("waking", header::WAKING),
        ("name_len", header::NAME_LEN),
        ("name", header::NAME),
    ];
    same("## Header segment", &header_fields, header::LENGTH);
    let table = fields("## Header segment");
    assert_eq!((table[0].1, table[17].1), (ezmsg::header::LENGTH, MAX_NAME_BYTES));
    same("### ezmsg's part of the header", &ezmsg::header::FIELDS, ezmsg::header::LENGTH);
    let trailer_fields = [
        ("magic", trailer::MAGIC),
        ("major", trailer::MAJOR),
        ("minor", trailer::MINOR),
        ("must_understand", trailer::MUST_UNDERSTAND),
        ("stream_id", trailer::STREAM_ID),
        ("generation", trailer::GENERATION),
        ("epoch", trailer::EPOCH),
        ("base", trailer::BASE),
        ("frames", trailer::FRAMES),
        ("frame_bytes", trailer::FRAME_BYTES),
        ("rate", trailer::RATE),
        ("samples_offset", trailer::SAMPLES_OFFSET),
        ("index_offset", trailer::INDEX_OFFSET),
        ("records", trailer::RECORDS),
        ("record_bytes", trailer::RECORD_BYTES),
        ("dtype", trailer::DTYPE),
        ("rank", trailer::RANK),
        ("dims", trailer::DIMS),
        ("meta_generation", trailer::META_GENERATION),
        ("created_ns", trailer::CREATED_NS),
        ("created_mono_ns", trailer::CREATED_MONO_NS),
        ("reserved", trailer::RESERVED),
        ("reserved_chunks", trailer::RESERVED_CHUNKS),
        ("committed", trailer::COMMITTED),
        ("committed_chunks", trailer::COMMITTED_CHUNKS),
        ("committed_meta_generation", trailer::COMMITTED_META_GENERATION),
    ];
    same("## Ring segment", &trailer_fields, trailer::LENGTH as usize);
    assert_eq!(fields("## Ring segment")[17].1, 8 * MAX_RANK);
    let record_fields = [
        ("first", record::FIRST),
        ("frames", record::FRAMES),
        ("send_ns", record::SEND_NS),
        ("mono_ns", record::MONO_NS),
        ("meta_generation", record::META_GENERATION),
        ("flags", record::FLAGS),
    ];
    same("### Chunk record", &record_fields, RECORD_BYTES as usize);
    let footer_fields = [
        ("magic", footer::MAGIC),
        ("major", footer::MAJOR),
        ("minor", footer::MINOR),
        ("must_understand", footer::MUST_UNDERSTAND),
        ("stream_id", footer::STREAM_ID),
        ("meta_generation", footer::META_GENERATION),
        ("aux_len", footer::AUX_LEN),
        ("json_offset", footer::JSON_OFFSET),
        ("json_len", footer::JSON_LEN),
    ];
    same("## Metadata segment", &footer_fields, footer::LENGTH as usize);
}

#[test]
fn magics_and_lengths_of_the_page_are_those_of_the_code() {
    for (heading, magic) in [
        ("## Header segment", header::MAGIC_VALUE),
        ("## Ring segment", trailer::MAGIC_VALUE),
        ("## Metadata segment", footer::MAGIC_VALUE),
    ] {
        let text = String::from_utf8(magic.to_le_bytes().to_vec()).unwrap();
        assert!(section(heading).contains(&format!("the bytes `{text}`")), "{heading}");
    }
    let names = section("## Names of segments");
    assert!(names.contains(&format!("a header is {} bytes", header::LENGTH)));
    assert!(names.contains(&format!("a multiple of {} bytes", crate::layout::SEGMENT_UNIT)));
    let ring = section("## Ring segment");
    assert!(ring.contains(&format!("**the last {} bytes**", trailer::LENGTH)));
    assert!(section("## Metadata segment").contains(&format!("**the last {} bytes**", footer::LENGTH)));
    let limit = crate::layout::MAX_METADATA_BYTES >> 20;
    assert!(section("## Hostile input").contains(&format!("Metadata: at most {limit} MiB")));
}

#[test]
fn the_codes_of_the_dtypes_are_those_of_the_code() {
    let table: Vec<_> = rows(section("## Ring segment")).filter(|cells| cells.len() == 13).collect();
    let line = |first: &str| table.iter().find(|cells| cells[0] == first).unwrap();
    for dtype in Dtype::ALL {
        let column = dtype.code() as usize;
        assert_eq!(line("code")[column], dtype.code().to_string());
        assert_eq!(line("bytes")[column], dtype.size().to_string());
        // The page's i16 is numpy's int16.
        let short = dtype.name().replace("uint", "u").replace("int", "i").replace("float", "f");
        assert_eq!(line("dtype")[column], short);
    }
}

#[test]
fn the_json_that_the_page_shows_is_a_description() {
    let json = section("### What the JSON says").split("```json").nth(1).unwrap().split("```").next().unwrap();
    let description = Description::from_json(json.as_bytes()).unwrap();
    assert_eq!(description.dims, ["time", "ch"]);
    assert_eq!(description.axes["time"], Axis::Linear { unit: "s".into(), gain: 0.001, offset: None });
    assert_eq!(Description::from_json(&description.to_json()).unwrap(), description);
    let members: Vec<_> = rows(section("### What the JSON says"))
        .filter(|cells| cells.len() == 3)
        .filter_map(|cells| cells[0].strip_prefix('`')?.strip_suffix('`'))
        .filter(|name| !name.starts_with('"') && *name != "kind")
        .collect();
    let written = serde_json::from_slice::<serde_json::Value>(&description.to_json()).unwrap();
    let written: Vec<_> = written.as_object().unwrap().keys().cloned().collect();
    assert_eq!(members.iter().collect::<std::collections::BTreeSet<_>>().len(), members.len());
    assert!(
        written.iter().all(|name| members.contains(&name.as_str())) && members.len() == written.len(),
        "{members:?}"
    );
}

#[test]
fn what_the_sources_say_of_the_page_is_there() {
    // Headings that comments and other pages refer to.
    for heading in ["## Liveness", "## What everybody sees when a writer dies", "### How one message is rebuilt"] {
        assert!(!section(heading).is_empty());
    }
    // Every link within the page leads to a heading of it.
    let anchor = |heading: &str| {
        let kept = |c: char| c.is_alphanumeric() || c == ' ' || c == '-' || c == '_';
        heading.to_lowercase().chars().filter(|&c| kept(c)).collect::<String>().replace(' ', "-")
    };
    let anchors: Vec<_> = SPEC
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| anchor(line.trim_start_matches('#').trim()))
        .collect();
    for link in SPEC.split("](#").skip(1) {
        let target = link.split(')').next().unwrap();
        assert!(anchors.iter().any(|anchor| anchor == target), "no heading for #{target}");
    }
}
