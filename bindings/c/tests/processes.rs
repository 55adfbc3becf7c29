//! Writers and readers in separate processes, in C and in Rust: a reader reads what a writer writes, and reports what
//! happens to the stream as it happens.

mod common;

use std::process::Command;

use common::{PATIENCE, compile, wait_until};
use dora_shm_ring::{
    Chunk, Description, Dtype, Format, Liveness, Message, MessageReader, Outcome, Reader, ReaderOptions, Start, Times,
    Wait, Writer, WriterOptions, shorten,
};
use dora_shm_testkit::Name;
use dora_shm_testkit::process::Process;
use rustix::process::Signal;

const CHANNELS: u64 = 3;

/// Starts a program in C that takes a stream's name.
#[track_caller]
fn start(program: &str, kind: &str, name: &str) -> Process {
    let program = compile(&format!("tests/programs/{program}.c"), kind, &[]);
    common::start(Command::new(program).arg(name))
}

/// The test signal of `tests/programs/check.h`.
fn samples(first: u64, frames: u64) -> Vec<u8> {
    (first * CHANNELS..(first + frames) * CHANNELS).flat_map(|sample| (sample as i32).to_le_bytes()).collect()
}

fn format(dtype: Dtype) -> Format {
    Format::new(dtype, &[CHANNELS], 1000.0, 1000).unwrap()
}

fn description(key: &str) -> Description {
    Description { dims: vec!["time".to_owned(), "ch".to_owned()], key: key.to_owned(), ..Description::default() }
}

fn write(writer: &mut Writer, frames: u64) {
    let first = writer.position();
    let times = Times::Linear { start: first as f64 * 0.001, step: 0.001 };
    writer.write(&Chunk { samples: &samples(first, frames), times, send_ns: first as i64 + 1 }).unwrap();
}

/// Waits until the follower has come to position `end` of this generation. Returns the number of frames that it lost on
/// the way.
#[track_caller]
fn frames_up_to(follower: &mut Process, begin: u64, end: u64) -> u64 {
    let (mut next, mut lost) = (begin, 0);
    while next < end {
        let line = follower.read_line().unwrap().expect("it follows");
        let numbers = line.strip_prefix("frames ").and_then(|line| line.split_once(" lost "));
        let (range, lost_now) = numbers.unwrap_or_else(|| panic!("{line:?}, expected frames"));
        let (first, last) = range.split_once("..").unwrap();
        assert_eq!(first.parse(), Ok(next), "{line}");
        next = last.parse().unwrap();
        lost += lost_now.parse::<u64>().unwrap();
    }
    assert_eq!(next, end);
    lost
}

#[track_caller]
fn expect_line(process: &mut Process, line: &str) {
    assert_eq!(process.read_line().unwrap().as_deref(), Some(line));
}

#[track_caller]
fn send(producer: &mut Process, line: &str) {
    producer.send_line(line);
    expect_line(producer, "done");
}

#[test]
#[ignore = "needs compilers for C and C++, pkg-config and valgrind: cargo xtask c"]
fn c_reads_what_rust_writes_and_sees_generations_descriptions_and_the_end() {
    let name = Name::new("rust-to-c");
    let mut follower = start("follow", "a", &name);
    expect_line(&mut follower, "attached");
    let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
    writer.begin(&format(Dtype::I32), &description("first"), 10).unwrap();
    expect_line(&mut follower, "generation 0 epoch 1 of int32");
    expect_line(&mut follower, "description first");
    (0..30).for_each(|_| write(&mut writer, 10));
    assert_eq!(frames_up_to(&mut follower, 0, 300), 0);
    writer.describe(&description("second")).unwrap();
    write(&mut writer, 5);
    // Either line may come first.
    let mut lines = [follower.read_line().unwrap().unwrap(), follower.read_line().unwrap().unwrap()];
    lines.sort();
    assert_eq!(lines, ["description second", "frames 300..305 lost 0"]);
    writer.begin(&format(Dtype::U32), &description("third"), 10).unwrap();
    expect_line(&mut follower, "generation 1 epoch 1 of uint32");
    expect_line(&mut follower, "description third");
    write(&mut writer, 2000);
    writer.close();
    assert!(frames_up_to(&mut follower, 0, 2000) < 2000);
    expect_line(&mut follower, "closed");
    follower.end_well().unwrap();
}

#[test]
#[ignore = "needs compilers for C and C++, pkg-config and valgrind: cargo xtask c"]
fn a_reader_in_c_that_was_stopped_counts_what_it_lost() {
    let name = Name::new("stopped");
    let mut follower = start("follow", "b", &name);
    expect_line(&mut follower, "attached");
    let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
    writer.begin(&format(Dtype::I32), &description("first"), 10).unwrap();
    expect_line(&mut follower, "generation 0 epoch 1 of int32");
    expect_line(&mut follower, "description first");
    write(&mut writer, 10);
    assert_eq!(frames_up_to(&mut follower, 0, 10), 0);
    follower.signal(Signal::STOP);
    (0..500).for_each(|_| write(&mut writer, 10));
    follower.signal(Signal::CONT);
    let lost = frames_up_to(&mut follower, 10, 5010);
    assert!((4000..5000).contains(&lost), "{lost} lost of 5000, in a ring of 1000");
    writer.close();
    expect_line(&mut follower, "closed");
    follower.end_well().unwrap();
}

#[test]
#[ignore = "needs compilers for C and C++, pkg-config and valgrind: cargo xtask c"]
fn a_reader_in_c_sees_a_killed_writer_and_follows_the_one_that_takes_over() {
    let name = Name::new("killed");
    let mut follower = start("follow", "c", &name);
    expect_line(&mut follower, "attached");
    let mut producer = start("produce", "c", &name);
    expect_line(&mut producer, "ready");
    send(&mut producer, "begin first");
    expect_line(&mut follower, "generation 0 epoch 1 of int32");
    expect_line(&mut follower, "description first");
    send(&mut producer, "write 20");
    assert_eq!(frames_up_to(&mut follower, 0, 20), 0);
    producer.kill();
    producer.end_killed().unwrap();
    expect_line(&mut follower, "dead");
    let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
    writer.begin(&format(Dtype::I32), &description("second"), 10).unwrap();
    write(&mut writer, 7);
    expect_line(&mut follower, "generation 1 epoch 2 of int32");
    expect_line(&mut follower, "description second");
    assert_eq!(frames_up_to(&mut follower, 0, 7), 0);
    writer.close();
    expect_line(&mut follower, "closed");
    follower.end_well().unwrap();
}

#[test]
#[ignore = "needs compilers for C and C++, pkg-config and valgrind: cargo xtask c"]
fn rust_reads_what_c_writes_with_its_description_and_send_times() {
    let name = Name::new("c-to-rust");
    let mut producer = start("produce", "d", &name);
    expect_line(&mut producer, "ready");
    let options = ReaderOptions::default().start(Start::Oldest);
    let mut reader = MessageReader::open(&name, options.clone()).unwrap();
    assert_eq!(reader.liveness(options.idle_after).unwrap(), Liveness::Waiting);
    send(&mut producer, "begin first");
    send(&mut producer, "write 4");
    send(&mut producer, "describe second");
    send(&mut producer, "write 6");
    let mut message = Message::new();
    assert_eq!(reader.wait(PATIENCE).unwrap(), Wait::Ready);
    assert_eq!(reader.next(&mut message).unwrap(), Outcome::Generation);
    let written = reader.format().unwrap();
    assert_eq!((written.dtype(), written.frame_shape(), written.rate_hz()), (Dtype::I32, &[CHANNELS][..], 1000.0));
    for (first, frames) in [(0, 4), (4, 6)] {
        assert!(reader.next(&mut message).unwrap().is_data());
        let info = message.info();
        assert_eq!((info.first, info.frames, info.send_ns), (first, frames, first as i64 + 1));
        assert_eq!(message.samples(), samples(first, frames));
        assert_eq!(message.times()[0], first as f64 * 0.001);
    }
    assert_eq!(**reader.description().unwrap(), description("second"));
    producer.end_well().unwrap();
    assert!(matches!(reader.view().unwrap(), Outcome::Closed));
}

#[test]
#[ignore = "needs compilers for C and C++, pkg-config and valgrind: cargo xtask c"]
fn c_reads_what_c_writes() {
    let name = Name::new("c-to-c");
    let mut producer = start("produce", "e", &name);
    expect_line(&mut producer, "ready");
    let mut follower = start("follow", "e", &name);
    expect_line(&mut follower, "attached");
    send(&mut producer, "begin first");
    send(&mut producer, "write 100");
    expect_line(&mut follower, "generation 0 epoch 1 of int32");
    expect_line(&mut follower, "description first");
    assert_eq!(frames_up_to(&mut follower, 0, 100), 0);
    producer.end_well().unwrap();
    expect_line(&mut follower, "closed");
    follower.end_well().unwrap();
}

/// Begins a ring of float32, as the examples expect one.
fn begin_floats(writer: &mut Writer, ring_frames: u64) {
    let format = Format::new(Dtype::F32, &[2], 10.0, ring_frames).unwrap();
    writer.begin(&format, &description(""), 1).unwrap();
}

fn write_floats(writer: &mut Writer) {
    let samples: Vec<u8> = (0..20).flat_map(|sample| (sample as f32).to_le_bytes()).collect();
    writer.write(&Chunk { samples: &samples, times: Times::Linear { start: 1.5, step: 0.1 }, send_ns: 0 }).unwrap();
}

/// Waits until a process has mapped the first ring of a stream and sleeps on a futex. From then on, it misses nothing.
#[track_caller]
fn wait_until_attached(process: &Process, name: &str) {
    let ring = shorten(&format!("{name}/buffer0"));
    let about = |file: &str| std::fs::read_to_string(format!("/proc/{}/{file}", process.pid())).unwrap_or_default();
    // Numbers of the system calls futex and futex_waitv on x86-64.
    let sleeps = || ["202 ", "449 "].iter().any(|number| about("syscall").starts_with(number));
    wait_until("the reader sleeps on the stream", || about("maps").contains(&ring) && sleeps());
}

#[test]
#[ignore = "needs compilers for C and C++, pkg-config and valgrind: cargo xtask c"]
fn the_examples_print_what_comes_and_end_after_enough_frames_or_with_the_stream() {
    for example in ["read.c", "read.cpp"] {
        let name = Name::new(example);
        let program = compile(&format!("examples/{example}"), "example", &[]);
        let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
        begin_floats(&mut writer, 50);
        let mut enough = common::start(Command::new(&program).args([&name[..], "4"]));
        let mut all = common::start(Command::new(&program).arg(&name[..]));
        wait_until_attached(&enough, &name);
        wait_until_attached(&all, &name);
        write_floats(&mut writer);
        let expected = |frames| match example {
            "read.c" => format!("{frames} frames from 0 at 1.500 s, 0 lost: 0, ..."),
            _ => format!("{frames} frames from 0 at 1.5 s, 0 lost: 0, ..."),
        };
        expect_line(&mut enough, &expected(4));
        enough.end_well().unwrap();
        expect_line(&mut all, &expected(10));
        begin_floats(&mut writer, 60);
        assert!(all.read_line().unwrap().unwrap().starts_with("frames are now 8 bytes"));
        writer.close();
        all.end_well().unwrap();
    }
}

#[test]
#[ignore = "needs compilers for C and C++, pkg-config and valgrind: cargo xtask c"]
fn a_reader_in_rust_sees_a_writer_in_c_that_was_killed() {
    let name = Name::new("c-killed");
    let mut producer = start("produce", "f", &name);
    expect_line(&mut producer, "ready");
    send(&mut producer, "begin first");
    send(&mut producer, "write 3");
    let mut reader = Reader::open(&name, ReaderOptions::default()).unwrap();
    producer.kill();
    producer.end_killed().unwrap();
    assert_eq!(reader.wait(PATIENCE).unwrap(), Wait::Timeout(Liveness::Dead));
    Writer::create(&name, WriterOptions::default()).unwrap().close();
    assert_eq!(reader.wait(PATIENCE).unwrap(), Wait::Ready);
}
