//! The programs in `bindings/single-file/README.md`, run with a writer.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use dora_shm_ring::{Chunk, Description, Dtype, Format, Times, Writer, WriterOptions};

use dora_shm_testkit::{Name, wait_until};

/// The first code block of `language` on the page, changed to read the stream `name`.
pub fn program(language: &str, name: &str) -> String {
    let page = fs::read_to_string(crate::shown("README.md")).expect("the page");
    let block = page.split(&format!("```{language}\n")).nth(1).and_then(|rest| rest.split("```").next());
    let block = block.expect("a program on the page");
    assert!(block.contains("my-signal"));
    block.replace("my-signal", name)
}

/// The path of a file of this process, for a program or its output.
pub fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("dora-shm-{}-{name}", std::process::id()))
}

/// Runs `program`, writes the stream `name` until the program has printed what it read, and checks that it ends with
/// the stream.
pub fn reads(name: &Name, program: &mut Command) {
    let output = file("page-output");
    let mut child =
        program.stdout(File::create(&output).expect("a file")).stderr(Stdio::inherit()).spawn().expect("it starts");
    let printed = || fs::read_to_string(&output).expect("the program's output");

    let mut writer = Writer::create(name, WriterOptions::default()).expect("a writer");
    let format = Format::new(Dtype::F32, &[2], 100.0, 1000).expect("a format");
    let description = Description { dims: vec!["time".into(), "ch".into()], ..Description::default() };
    writer.begin(&format, &description, 5).expect("a generation");
    let times = Times::Linear { start: 0.0, step: 0.01 };
    wait_until("the program has read frames", || {
        writer.write(&Chunk { samples: &[0; 5 * 8], times, send_ns: 0 }).expect("a write");
        printed().contains(" lost before")
    });
    writer.close();
    wait_until("the program ends with the stream", || child.try_wait().expect("a process").is_some());
    let status = child.wait().expect("a process");
    assert!(status.success(), "{status}: {}", printed());
    let _ = fs::remove_file(output);
}
