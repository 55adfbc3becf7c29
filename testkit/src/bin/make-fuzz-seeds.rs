//! `make-fuzz-seeds [--check]` generates the fuzzers' first inputs in `fuzz/corpus` from real segments.
//!
//! Without an argument it replaces the committed files. With `--check` it fails unless they are, byte for byte, what it
//! generates. Inputs that a fuzzer found have other names and are not changed. `cargo xtask fuzz-seeds` runs it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use dora_shm_ring::{Attr, Axis, Description, Dtype, Format, Times, Writer, WriterOptions};
use dora_shm_testkit::fuzz_input::{NAME, input_of, paths};
use dora_shm_testkit::isolated::in_private_shm;
use dora_shm_testkit::programs::root;
use dora_shm_testkit::segments::{Bytes, footer_at};
use dora_shm_testkit::settled;

/// The argument of the process that this program starts, which has a private `/dev/shm`.
const INSIDE: &str = "inside";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words[..] {
        [] | ["--check"] => run_inside(&words),
        [INSIDE] => replace(&make()),
        [INSIDE, "--check"] => check(&make()),
        _ => Err(format!("expected no argument or --check, found {words:?}")),
    };
    if let Err(sentence) = outcome {
        eprintln!("make-fuzz-seeds: {sentence}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Runs this program again in a private `/dev/shm`, since its stream has the name that all fuzzers use.
fn run_inside(words: &[&str]) -> Result<(), String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = in_private_shm(64, program);
    let status = command.arg(INSIDE).args(words).status().map_err(|error| format!("{command:?}: {error}"))?;
    if status.success() { Ok(()) } else { Err("failed; the reason is above".to_owned()) }
}

fn replace(made: &BTreeMap<PathBuf, Vec<u8>>) -> Result<(), String> {
    made.iter().try_for_each(|(path, bytes)| {
        let folder = path.parent().unwrap_or(path);
        let written = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(path, bytes));
        written.map_err(|error| format!("{}: {error}", path.display()))
    })
}

fn check(made: &BTreeMap<PathBuf, Vec<u8>>) -> Result<(), String> {
    made.iter().try_for_each(|(path, bytes)| match std::fs::read(path) {
        Ok(committed) if committed == *bytes => Ok(()),
        Ok(_) => Err(format!(
            "{} differs; if the change is intended, `cargo xtask fuzz-seeds` regenerates it",
            path.display()
        )),
        Err(error) => Err(format!("{}: {error}", path.display())),
    })
}

/// The inputs by their paths.
fn make() -> BTreeMap<PathBuf, Vec<u8>> {
    let corpus = root().join("fuzz/corpus");
    let mut made = BTreeMap::new();
    let mut put = |target: &str, name: &str, bytes: Vec<u8>| made.insert(corpus.join(target).join(name), bytes);
    for (name, format, description, chunks) in streams() {
        let mut writer = Writer::create(NAME, WriterOptions::default()).unwrap();
        writer.begin(&format, &description, 4).unwrap();
        for frames in chunks {
            let times = Times::Linear { start: writer.position() as f64, step: 0.1 };
            writer.write_with(frames, times, 1, |_, memory| memory.fill(7)).unwrap();
        }
        let [mut header, mut ring, mut metadata] = paths().map(|path| Bytes::of(&path));
        settled::header(&mut header);
        settled::ring(&mut ring);
        settled::metadata(&mut metadata);
        put("attach", name, input_of([&header, &ring, &metadata]));
        put("description", name, description.to_json());
        put("pickle", name, pickle_of(&metadata));
    }
    for version in ["v1", "v2"] {
        let golden = root().join("tests/vectors/ezmsg").join(version).join("eeg_f32_wrapped/aux.bin");
        put("pickle", &format!("ezmsg-{version}"), std::fs::read(golden).unwrap());
    }
    // Attach both readers, read, move the counters on, read again.
    let counters = |place: u8, value: u64| [&[0x85, place][..], &value.to_le_bytes()].concat();
    let story = [
        vec![0, 1, 8, 9, 12, 13],
        counters(0, 50),
        counters(2, 50),
        counters(1, 9),
        counters(3, 9),
        vec![8, 255, 9, 12, 13, 10, 5, 11, 14, 15],
    ];
    put("reading", "story", story.concat());
    let closed = [vec![0, 1, 12], [&[3, 1][..], &2u64.to_le_bytes()].concat(), vec![8, 255, 8, 255, 12, 13, 14]];
    put("reading", "closed", closed.concat());
    made
}

/// The pickle at the start of a metadata segment, which ezmsg's mirrors read.
fn pickle_of(metadata: &Bytes) -> Vec<u8> {
    let length = metadata.u64(metadata.footer() + footer_at::AUX_LEN) as usize;
    // The pickle is padded with zeros after its last opcode.
    let end = metadata.0[..length].iter().rposition(|&byte| byte == b'.').expect("a pickle ends with its last opcode");
    metadata.0[..=end].to_vec()
}

fn streams() -> Vec<(&'static str, Format, Description, Vec<u64>)> {
    let axis = |unit: &str| Axis::Linear { unit: unit.to_owned(), gain: 0.001, offset: None };
    let rich = Description {
        dims: vec!["time".into(), "ch".into()],
        axes: [
            ("time".to_owned(), axis("s")),
            (
                "ch".to_owned(),
                Axis::Coord { unit: String::new(), data: Some(vec!["Cz".into(), "Fz".into(), 3.5.into()]) },
            ),
        ]
        .into(),
        attrs: [
            ("bool".to_owned(), Attr::Bool(true)),
            ("integer".to_owned(), Attr::Integer(-7)),
            ("float".to_owned(), Attr::Float(f64::NAN)),
            ("text".to_owned(), Attr::String("größe \u{1F600}".to_owned())),
            ("integers".to_owned(), Attr::ListInt(vec![1, i64::MIN])),
            ("floats".to_owned(), Attr::ListFloat(vec![f64::INFINITY, -0.0, 1e300])),
            ("none".to_owned(), Attr::ListString(Vec::new())),
            ("then".to_owned(), Attr::Timestamp(1_795_392_000_000_000_000)),
        ]
        .into(),
        key: "eeg/1".to_owned(),
        stream_dim: Some("time".to_owned()),
        message: None,
    };
    vec![
        ("vector", Format::new(Dtype::U64, &[4], 1000.0, 32).unwrap(), Description::default(), vec![8, 8, 0, 8, 8, 8]),
        ("eeg", Format::new(Dtype::F32, &[3], 250.0, 200).unwrap(), rich, vec![10, 10]),
        ("picture", Format::new(Dtype::U8, &[4, 6, 3], 30.0, 3).unwrap(), Description::default(), vec![1, 1]),
        ("scalar", Format::new(Dtype::Bool, &[], 0.0, 1).unwrap(), Description::default(), vec![5]),
        ("empty", Format::new(Dtype::F16, &[1, 2, 1, 2], 0.0, 7).unwrap(), Description::default(), vec![]),
    ]
}
