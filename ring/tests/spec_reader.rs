//! `SPEC.md` suffices to write a reader: `spec_reader.py` (standard library only) and the C program on the page itself
//! were written from it alone, and read this library's streams.

use std::process::Command;

use dora_shm_ring::{Attr, Axis, Chunk, Description, Dtype, Format, SHM_DIR, Times, Writer, WriterOptions, shorten};
use serde_json::{Value, json};

use dora_shm_testkit::process::Process;
use dora_shm_testkit::{Name, wait_until};

const SPEC: &str = include_str!("../../SPEC.md");
const CHANNELS: u64 = 2;

fn format(channels: u64, frames: u64) -> Format {
    Format::new(Dtype::I64, &[channels], 1000.0, frames).unwrap()
}

fn description(key: &str) -> Description {
    Description { key: key.to_owned(), ..Description::default() }
}

/// Frame `p` of a generation holds p, !p, p, ... at time p / 1000.
fn write(writer: &mut Writer, frames: u64) {
    let channels = writer.format().unwrap().frame_shape()[0];
    let positions = writer.position()..writer.position() + frames;
    let sample = |p: u64, c: u64| if c.is_multiple_of(2) { p as i64 } else { !(p as i64) };
    let samples: Vec<u8> =
        positions.clone().flat_map(|p| (0..channels).flat_map(move |c| sample(p, c).to_le_bytes())).collect();
    let times: Vec<f64> = positions.clone().map(|p| p as f64 / 1000.0).collect();
    let send_ns = positions.start as i64 - 5;
    writer.write(&Chunk { samples: &samples, times: Times::Values(&times), send_ns }).unwrap();
}

fn samples(positions: std::ops::Range<u64>) -> Value {
    positions.map(|p| json!([p as i64, !(p as i64)])).collect()
}

/// The reader in Python, in its own process.
struct Outsider(Process);

impl Outsider {
    fn open(kind: &str, name: &str, start: &str) -> Self {
        let python = std::env::var_os("DORA_SHM_EZMSG_PYTHON").unwrap_or_else(|| "python3".into());
        let mut command = Command::new(python);
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/spec_reader.py"));
        let mut outsider = Self(Process::start(&mut command).unwrap());
        outsider.request(&format!("open {kind} {name} {start}"));
        outsider
    }

    #[track_caller]
    fn request(&mut self, line: &str) -> Value {
        let answer = self.0.request(line).unwrap().expect("the reader in Python is running");
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert!(answer.get("corrupt").is_none(), "{line}: {answer}");
        answer
    }

    /// The members `names` of the next frames or message.
    #[track_caller]
    fn take(&mut self, most: u64, names: &[&str]) -> Value {
        let answer = self.request(&format!("take {most}"));
        names.iter().map(|name| answer[name].clone()).collect()
    }
}

const FRAMES: [&str; 4] = ["outcome", "first", "lost", "samples"];

#[test]
fn a_reader_written_from_the_page_alone_gets_frames_times_and_losses() {
    let name = Name::new("spec-frames");
    let mut reader = Outsider::open("frames", &name, "newest");
    assert_eq!(reader.request("liveness"), "absent");
    assert_eq!(reader.take(9, &["outcome"]), json!(["nothing"]));
    let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
    assert_eq!(reader.take(9, &["outcome"]), json!(["nothing"]));
    assert_eq!(reader.request("liveness"), "waiting");
    writer.begin(&format(CHANNELS, 20), &description("first"), 5).unwrap();
    write(&mut writer, 7);
    assert_eq!(reader.take(9, &["outcome"]), json!(["generation"]));
    let expected = json!({
        "dtype": "int64", "shape": [2], "rate": 1000.0, "frames": 20, "base": 0, "generation": 0, "records": 64,
        "meta_generation": 1,
    });
    assert_eq!(reader.request("format"), expected);
    assert_eq!(reader.take(5, &FRAMES), json!(["data", 0, 0, samples(0..5)]));
    assert_eq!(reader.take(5, &["first", "times"]), json!([5, [0.005, 0.006]]));
    assert_eq!(reader.take(5, &["outcome"]), json!(["nothing"]));
    assert_eq!(reader.request("liveness"), "live");
    // Around the end of the ring, and exactly one ring's length behind.
    for _ in 0..4 {
        write(&mut writer, 5);
    }
    assert_eq!(reader.take(99, &FRAMES), json!(["data", 7, 0, samples(7..27)]));
    // A lapped reader continues half a ring behind, and counts all skipped frames.
    for _ in 0..5 {
        write(&mut writer, 5);
    }
    assert_eq!(reader.take(99, &FRAMES), json!(["data", 42, 15, samples(42..52)]));
    // A chunk longer than the ring.
    write(&mut writer, 50);
    assert_eq!(reader.take(99, &FRAMES), json!(["data", 92, 40, samples(92..102)]));
    assert_eq!(reader.request("lost"), 55);
}

#[test]
fn a_reader_written_from_the_page_alone_drains_each_generation_and_follows_to_the_next_writer() {
    let name = Name::new("spec-generations");
    let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
    writer.begin(&format(CHANNELS, 20), &description("first"), 5).unwrap();
    write(&mut writer, 30);
    let mut oldest = Outsider::open("frames", &name, "oldest");
    let mut newest = Outsider::open("frames", &name, "newest");
    let mut last = Outsider::open("frames", &name, "3");
    write(&mut writer, 2);
    writer.begin(&format(3, 8), &description("second"), 5).unwrap();
    writer.begin(&format(CHANNELS, 9), &description("third"), 5).unwrap();
    write(&mut writer, 4);
    assert_eq!(newest.take(99, &FRAMES), json!(["data", 30, 0, samples(30..32)]));
    assert_eq!(last.take(99, &FRAMES), json!(["data", 27, 0, samples(27..32)]));
    assert_eq!(oldest.take(99, &["outcome", "first"]), json!(["data", 22]));
    for reader in [&mut oldest, &mut newest, &mut last] {
        assert_eq!(reader.take(99, &["outcome"]), json!(["generation"]));
        assert_eq!(reader.request("format")["generation"], 2);
        assert_eq!(reader.take(99, &FRAMES), json!(["data", 0, 0, samples(0..4)]));
        assert_eq!(reader.request("description")["key"], "third");
    }
    write(&mut writer, 1);
    writer.begin(&format(CHANNELS, 9), &description("unseen"), 5).unwrap();
    write(&mut writer, 6);
    drop(writer);
    assert_eq!(newest.take(99, &FRAMES), json!(["data", 4, 0, samples(4..5)]));
    assert_eq!(newest.take(99, &["outcome"]), json!(["closed"]));
    assert_eq!(newest.request("lost"), 6, "the frames of a generation that the reader never saw");
    let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
    writer.begin(&format(CHANNELS, 9), &description("next"), 5).unwrap();
    write(&mut writer, 3);
    assert_eq!(newest.take(99, &["outcome"]), json!(["generation"]));
    assert_eq!(newest.take(99, &FRAMES), json!(["data", 0, 6, samples(0..3)]));
}

#[test]
fn a_reader_written_from_the_page_alone_gets_messages_as_they_were_written() {
    let name = Name::new("spec-messages");
    let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
    writer.begin(&format(CHANNELS, 20), &description("first"), 5).unwrap();
    write(&mut writer, 3);
    write(&mut writer, 0);
    let mut reader = Outsider::open("messages", &name, "oldest");
    let mut last = Outsider::open("messages", &name, "1");
    let names = ["outcome", "chunk", "first", "send_ns", "lost", "samples"];
    assert_eq!(reader.take(0, &names), json!(["data", 0, 0, -5, 0, samples(0..3)]));
    assert_eq!(reader.request("description")["key"], "first");
    writer.describe(&description("second")).unwrap();
    write(&mut writer, 4);
    for reader in [&mut reader, &mut last] {
        assert_eq!(reader.take(0, &names), json!(["data", 1, 3, -2, 0, []]));
        assert_eq!(reader.take(0, &names), json!(["data", 2, 3, -2, 0, samples(3..7)]));
        assert_eq!(reader.request("description")["key"], "second");
        assert_eq!(reader.take(0, &names[..1]), json!(["nothing"]));
    }
    // A reader lapped by frames continues at the first message of the newer half.
    for _ in 0..9 {
        write(&mut writer, 3);
    }
    assert_eq!(reader.take(0, &names), json!(["data", 9, 25, 20, 18, samples(25..28)]));
    // A reader lapped by records.
    for _ in 0..70 {
        write(&mut writer, 0);
    }
    assert_eq!(reader.take(0, &names[..5]), json!(["data", 50, 34, 29, 6]));
    // A message longer than the ring is skipped.
    write(&mut writer, 21);
    write(&mut writer, 1);
    assert_eq!(last.take(0, &names), json!(["data", 83, 55, 50, 48, samples(55..56)]));
    write(&mut writer, 1);
    drop(writer);
    assert_eq!(last.take(0, &names[..3]), json!(["data", 84, 56]));
    assert_eq!(last.take(0, &names[..1]), json!(["closed"]));
    assert_eq!(last.request("lost"), 48);
}

#[test]
fn a_reader_written_from_the_page_alone_understands_every_dtype_and_the_description() {
    let name = Name::new("spec-dtypes");
    let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
    let mut reader = Outsider::open("frames", &name, "newest");
    let described = Description {
        dims: vec!["time".into(), "y".into(), "x".into()],
        axes: [
            ("time".to_owned(), Axis::Linear { unit: "s".into(), gain: 0.5, offset: None }),
            (
                "y".to_owned(),
                Axis::Coord { unit: String::new(), data: Some(vec![json!("Fp1"), json!({"label": "Cz"})]) },
            ),
        ]
        .into(),
        attrs: [
            ("n".to_owned(), Attr::Integer(3)),
            ("f".to_owned(), Attr::Float(1.0)),
            ("when".to_owned(), Attr::Timestamp(1_700_000_000_123_456_789)),
        ]
        .into(),
        key: "größe".into(),
        stream_dim: Some("time".into()),
        message: Some(json!({"version": 1})),
    };
    for dtype in Dtype::ALL {
        let format = Format::new(dtype, &[2, 1], 0.0, 5).unwrap();
        writer.begin(&format, &described, 1).unwrap();
        let one: &[u8] = match dtype {
            Dtype::F16 => &[0x00, 0x3c],
            Dtype::F32 => &1_f32.to_le_bytes(),
            Dtype::F64 => &1_f64.to_le_bytes(),
            _ => &1_u64.to_le_bytes()[..dtype.size()],
        };
        let samples = [one, &vec![0; dtype.size()]].concat();
        writer
            .write(&Chunk { samples: &samples, times: Times::Linear { start: -1.5, step: 0.0 }, send_ns: 0 })
            .unwrap();
        assert_eq!(reader.take(1, &["outcome"]), json!(["generation"]));
        let format = reader.request("format");
        assert_eq!((&format["dtype"], &format["shape"]), (&json!(dtype.name()), &json!([2, 1])));
        let got = reader.request("take 1");
        assert_eq!(got["samples"][0][0].as_f64(), Some(1.0), "{dtype}: {got}");
        assert_eq!(got["samples"][0][1].as_f64(), Some(0.0), "{dtype}: {got}");
        assert_eq!(got["times"], json!([-1.5]));
    }
    let expected = json!({
        "version": 1, "dims": ["time", "y", "x"], "buffered_axis": "time", "key": "größe", "stream_dim": "time",
        "axes": {
            "time": {"kind": "linear", "unit": "s", "gain": 0.5},
            "y": {"kind": "coord", "unit": "", "data": ["Fp1", {"label": "Cz"}]},
        },
        "attrs": {"n": 3, "f": 1.0, "when": {"$timestamp_ns": 1_700_000_000_123_456_789_u64}},
        "message": {"version": 1},
    });
    assert_eq!(reader.request("description"), expected);
}

#[test]
fn a_reader_written_from_the_page_alone_discards_what_was_overwritten_during_its_copy() {
    let name = Name::new("spec-torn");
    let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
    writer.begin(&format(CHANNELS, 20), &description("first"), 5).unwrap();
    for (kind, found) in
        [("frames", json!(["data", 10, samples(10..25)])), ("messages", json!(["data", 45, samples(45..50)]))]
    {
        let start = writer.position();
        let mut reader = Outsider::open(kind, &name, "newest");
        write(&mut writer, 20);
        assert_eq!(reader.request("pause"), true);
        assert_eq!(reader.request("take 99"), "half-way");
        // A lap begins: the frames copied so far are still the old ones, and the next ones are new.
        write(&mut writer, 5);
        reader.0.send_line("go on");
        let answer: Value = serde_json::from_str(&reader.0.read_line().unwrap().unwrap()).unwrap();
        let got: Value = ["outcome", "first", "samples"].iter().map(|name| answer[name].clone()).collect();
        assert_eq!(got, found, "begun at {start}");
        assert_eq!(answer["lost"], found[1].as_u64().unwrap() - start);
        assert_eq!(reader.request("lost"), answer["lost"]);
    }
}

/// Frames large enough that a copy in Python takes as long as several writes.
const STORM_CHANNELS: u64 = 64;
const STORM_FRAMES: u64 = 24;

fn storm(writer: &mut Writer) -> u64 {
    for generation in 0..3 {
        writer.begin(&format(STORM_CHANNELS, STORM_FRAMES), &description(&generation.to_string()), 8).unwrap();
        for _ in 0..400 {
            write(writer, 8);
        }
    }
    writer.stream_position()
}

#[test]
fn a_reader_written_from_the_page_alone_never_takes_a_torn_frame_and_counts_every_position() {
    let name = Name::new("spec-storm");
    let mut reader = Outsider::open("frames", &name, "newest");
    let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
    reader.request("take 1");
    reader.0.send_line(&format!("storm {STORM_CHANNELS}"));
    let written = storm(&mut writer);
    drop(writer);
    let totals: Value = serde_json::from_str(&reader.0.read_line().unwrap().unwrap()).unwrap();
    let (read, lost) = (totals["read"].as_u64(), totals["lost"].as_u64());
    assert_eq!(read.zip(lost).map(|(read, lost)| read + lost), Some(written), "{totals}");
    assert!(read > Some(0), "{totals}");
}

/// A program around the page's C: `segment_name` from a table in its arguments (LONG=SEGMENT), and a loop that adds up.
const C_MAIN: &str = r#"
#include <stdlib.h>

static int names;
static char **table;

void segment_name(char out[24], const char *long_name) {
    for (int i = 0; i < names; i++) {
        size_t length = strlen(long_name);
        if (strncmp(table[i], long_name, length) == 0 && table[i][length] == '=') {
            strcpy(out, table[i] + length + 1);
            return;
        }
    }
    abort();
}

int main(int count, char **arguments) {
    struct reader reader = {0};
    reader.name = arguments[1];
    names = count - 2;
    table = arguments + 2;
    static uint8_t samples[1 << 20];
    static double times[1 << 12];
    uint64_t first = 0, got = 0, read = 0;
    int result = attach(&reader, 0), waited = result != GENERATION;
    puts("ready");
    fflush(stdout);
    while (result != CLOSED && result != CORRUPT) {
        if (!reader.ring.start) {
            result = attach(&reader, waited);
            if (result == NOTHING) wait_for_news(&reader);
            continue;
        }
        result = read_frames(&reader, samples, times, 7, &first, &got);
        if (result == NOTHING) wait_for_news(&reader);
        if (result != DATA) continue;
        read += got;
        for (uint64_t i = 0; i < got; i++)
            for (uint64_t c = 0; c < reader.ring.dims[0]; c++) {
                uint64_t p = first + i, sample = get64(samples + i * reader.ring.frame_bytes + 8 * c);
                if (sample != (c % 2 ? ~p : p) || times[i] != (double)p / 1000.0) {
                    printf("torn at %llu\n", (unsigned long long)p);
                    return 1;
                }
            }
    }
    printf("%d %llu %llu\n", result, (unsigned long long)read, (unsigned long long)reader.lost);
    return 0;
}
"#;

#[test]
fn the_reader_in_c_that_the_page_shows_compiles_and_reads() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (source, program) = (folder.join("spec_reader.c"), folder.join("spec_reader"));
    let code = SPEC.split("```c\n").nth(1).and_then(|rest| rest.split("```").next()).expect("the page has C");
    std::fs::write(&source, format!("#define _GNU_SOURCE\n{code}\n{C_MAIN}")).unwrap();
    let compiled = Command::new("cc")
        .args(["-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-o"])
        .args([&program, &source])
        .output()
        .expect("a C compiler (`cc`); on Debian: apt-get install gcc");
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));

    let name = Name::new("spec-c");
    let long = [name.to_string()].into_iter().chain((0..4).map(|g| format!("{name}/buffer{g}")));
    let table: Vec<String> = long.map(|long| format!("{long}={}", shorten(&long))).collect();
    let mut reader = Process::start(Command::new(&program).arg(&*name).args(table)).unwrap();
    reader.expect("ready").unwrap();
    let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
    // It looks for the stream every 50 ms, and would miss one that is closed before that.
    writer.begin(&format(STORM_CHANNELS, STORM_FRAMES), &description(""), 8).unwrap();
    wait_until("the reader in C has the ring", || {
        let maps = std::fs::read_to_string(format!("/proc/{}/maps", reader.pid())).unwrap();
        maps.contains(&shorten(&format!("{name}/buffer0"))) && SHM_DIR == "/dev/shm"
    });
    let written = storm(&mut writer);
    drop(writer);
    let account = reader.read_line().unwrap().expect("its account");
    let numbers: Vec<u64> =
        account.split(' ').map(|word| word.parse().unwrap_or_else(|_| panic!("{account}"))).collect();
    assert_eq!(
        (numbers[0], numbers[1] + numbers[2]),
        (3, written),
        "closed, and every position counted once: {account}"
    );
    assert!(numbers[1] > 0);
    reader.end_well().unwrap();
}

#[test]
fn the_example_names_on_the_page_are_right() {
    for long in ["demo", "demo/buffer0", "demo/meta1"] {
        assert!(SPEC.contains(&format!("| `{long}` | `{}` |", shorten(long))), "{long}");
    }
}
