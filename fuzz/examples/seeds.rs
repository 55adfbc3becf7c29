//! Writes the first corpus from real segments: `cargo run --example seeds`, in a /dev/shm of its own.

use std::path::Path;

use dora_shm_fuzz::{EZMSG, HEADER, NAME, RECORDS, TRAILER, UNIT, paths};
use dora_shm_ring::{Attr, Axis, Description, Dtype, Format, Times, Writer, WriterOptions};

fn main() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (name, format, description, chunks) in streams() {
        let mut writer = Writer::create(NAME, WriterOptions::default()).unwrap();
        writer.begin(&format, &description, 4).unwrap();
        for frames in chunks {
            let times = Times::Linear { start: writer.position() as f64, step: 0.1 };
            writer.write_with(frames, times, 1, |_, memory| memory.fill(7)).unwrap();
        }
        put(&corpus.join("attach").join(name), &attach_input());
        put(&corpus.join("description").join(name), &description.to_json());
        put(&corpus.join("pickle").join(name), &pickle());
    }
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors/ezmsg");
    for version in ["v1", "v2"] {
        let pickle = std::fs::read(golden.join(version).join("eeg_f32_wrapped/aux.bin")).unwrap();
        put(&corpus.join("pickle").join(format!("ezmsg-{version}")), &pickle);
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
    put(&corpus.join("reading").join("story"), &story.concat());
    let closed = [vec![0, 1, 12], [&[3, 1][..], &2u64.to_le_bytes()].concat(), vec![8, 255, 8, 255, 12, 13, 14]];
    put(&corpus.join("reading").join("closed"), &closed.concat());
}

/// What stands at the beginning of the metadata segment for ezmsg's mirrors.
fn pickle() -> Vec<u8> {
    let metadata = std::fs::read(&paths()[2]).unwrap();
    let footer = metadata.len() - 64;
    let length = u64::from_le_bytes(metadata[footer + 32..footer + 40].try_into().unwrap()) as usize;
    // Padded with zeros behind its last opcode.
    let end = metadata[..length].iter().rposition(|&byte| byte == b'.').unwrap();
    metadata[..=end].to_vec()
}

fn put(path: &Path, bytes: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

/// An input of the target `attach` that says what the segments say.
fn attach_input() -> Vec<u8> {
    let [header, ring, metadata] = paths().map(|path| std::fs::read(path).unwrap());
    let units = |bytes: &[u8]| (bytes.len() as u64 / UNIT - 1) as u8;
    let trailer = &ring[ring.len() - 4096..];
    let word = |bytes: &[u8], at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize;
    let index = word(trailer, 72);
    let footer = &metadata[metadata.len() - 64..];
    let json = word(footer, 40);
    [
        &[units(&ring), units(&metadata)],
        &header[..EZMSG.1],
        &header[HEADER.0 as usize..][..HEADER.1],
        &trailer[..TRAILER],
        &ring[index..][..RECORDS],
        footer,
        &metadata[json..][..word(footer, 48)],
    ]
    .concat()
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
