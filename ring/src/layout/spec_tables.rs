//! The tables of `SPEC.md` agree with the code.

use super::fields::{Kind, Row};
use super::{RawFooter, RawHeader, RawTrailer, Record, footer, header, trailer};
use crate::ezmsg::header::RawMeta;
use crate::{Axis, Description, Dtype};

const SPEC: &str = include_str!("../../../SPEC.md");

/// The page from this heading to the next of any level.
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

/// The type as the page writes it.
fn type_of(row: &Row) -> String {
    let prefix = if row.kind == Kind::Atomic { "atomic " } else { "" };
    format!("{prefix}{}", (row.type_name)())
}

/// Compares offset, size, type and name of each row of the section's table of fields.
#[track_caller]
fn same(heading: &str, table: &[Row]) {
    let page: Vec<_> = rows(section(heading))
        .filter(|cells| cells.len() == 5)
        .filter_map(|cells| {
            let numbers: [usize; 2] = [cells[0].parse().ok()?, cells[1].parse().ok()?];
            let type_name = match cells[2] {
                "" => "bytes",
                "char" => "u8",
                other => other,
            };
            Some((numbers, type_name.to_owned(), cells[3]))
        })
        .collect();
    let code: Vec<_> = table.iter().map(|row| ([row.offset, row.bytes], type_of(row), row.name)).collect();
    assert_eq!(page, code, "{heading}");
}

#[test]
fn every_field_of_the_page_is_the_one_of_the_code() {
    same("## Header segment", RawHeader::TABLE);
    same("### ezmsg's part of the header", RawMeta::TABLE);
    same("## Ring segment", RawTrailer::TABLE);
    same("### Chunk record", Record::TABLE);
    same("## Metadata segment", RawFooter::TABLE);
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
        // The page writes i16 for numpy's int16.
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
    // Every link within the page leads to one of its headings.
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
