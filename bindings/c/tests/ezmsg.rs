//! A reader in C of streams that the real ezmsg-tools, 0.6 and 0.10, are writing.

mod common;

use std::process::{Command, Stdio};

use common::{compile, start};
use dora_shm_testkit::Name;
use dora_shm_testkit::process::Process;
use dora_shm_testkit::segments;
use serde_json::{Value, json};

/// The original's sink, driven line by line by the script of the ring's tests.
struct Original {
    process: Process,
}

impl Original {
    fn start(variable: &str) -> Self {
        let python = std::env::var_os(variable)
            .unwrap_or_else(|| panic!("{variable} names no Python with ezmsg-tools; `cargo xtask c` makes one"));
        let mut command = Command::new(python);
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../../ring/tests/ezmsg_writer/writer.py"));
        // Its resource tracker warns about what the original leaks.
        let mut process = start(command.stderr(Stdio::null()));
        assert_eq!(process.read_line().unwrap().as_deref(), Some("ready"));
        Self { process }
    }

    #[track_caller]
    fn call(&mut self, command: Value) {
        self.process.send_line(&command.to_string());
        let line = self.process.read_line().unwrap().expect("the original's process is there");
        let answer: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(answer.get("raised").is_none(), "{answer}");
    }
}

#[test]
#[ignore = "needs ezmsg-tools, and compilers for C, pkg-config and valgrind: cargo xtask c"]
fn a_reader_in_c_reads_what_each_release_of_ezmsg_writes() {
    let program = compile("tests/programs/ezmsg.c", "plain", &[]);
    for (version, variable) in [(1, "DORA_SHM_EZMSG06_PYTHON"), (2, "DORA_SHM_EZMSG_PYTHON")] {
        let name = Name::new(&format!("ezmsg-{version}"));
        let mut original = Original::start(variable);
        let mut valgrind = Command::new("valgrind");
        valgrind.args(["--quiet", "--error-exitcode=99", "--leak-check=full"]).arg(&program);
        let mut reader = start(valgrind.arg(&*name));
        assert_eq!(reader.read_line().unwrap().as_deref(), Some("ready "));
        original.call(json!({"do": "open", "name": &*name, "seconds": 1.0}));
        original.call(json!({"do": "describe", "attrs": true, "labels": "plain"}));
        original.call(json!({"do": "write", "frames": 30}));
        reader.send_line("30");
        let next_line = |reader: &mut Process| reader.read_line().unwrap().expect("a line from the reader");
        // Version 1 has no times, so they begin at 0 with the stream.
        let since = if version == 1 { "0.000 to 0.029" } else { "100.000 to 100.029" };
        assert_eq!(next_line(&mut reader), format!("times {since}"));
        assert_eq!(next_line(&mut reader), "read up to 30, lost 0");
        assert_eq!(next_line(&mut reader), "state ezmsg");
        assert_eq!(next_line(&mut reader), format!("version {version}"));
        assert_eq!(next_line(&mut reader), "key k");
        assert_eq!(next_line(&mut reader), "refused NULL");
        assert_eq!(next_line(&mut reader), "left out 1");
        let line = next_line(&mut reader);
        let description: Value = serde_json::from_str(line.strip_prefix("description ").unwrap()).unwrap();
        assert_eq!(description["dims"], json!(["time", "ch"]));
        assert_eq!(description["axes"]["time"], json!({"kind": "linear", "unit": "s", "gain": 0.001}));
        assert_eq!(description["axes"]["ch"]["data"], json!(["Fp1", "größer", "Cz"]));
        assert_eq!(description["attrs"]["text"], json!("µV"));
        assert_eq!(description["attrs"]["integer"], json!(-7));

        // The sink writes a lap and a half while the reader does not read: what is read is correct, and the rest is
        // counted.
        original.call(json!({"do": "write", "frames": 50, "messages": 30}));
        reader.send_line("1530");
        assert!(next_line(&mut reader).starts_with("times "));
        let line = next_line(&mut reader);
        let lost: u64 = line.strip_prefix("read up to 1530, lost ").expect(&line).parse().unwrap();
        assert!((500..1500).contains(&lost), "{lost}");
        for _ in 0..6 {
            next_line(&mut reader);
        }
        reader.end_well().unwrap();
        original.call(json!({"do": "close"}));
        // Defect D7 of the original.
        segments::remove(&name);
    }
}
