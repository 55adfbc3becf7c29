use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use dora_shm_ring::{
    Chunk, Clock, Description, Dtype, Format, Message, MessageReader, Outcome, ReaderOptions, Times, Writer,
    WriterOptions,
};

use crate::fixture::*;

/// A recording of `messages` messages of 5 frames.
fn recording(folder: &Path, messages: u64) -> std::path::PathBuf {
    let (name, file) = (Name::new("recording"), folder.join("r.arrow"));
    let mut source = Source::float32(&name, 10_000);
    for _ in 0..messages {
        source.write(5);
        std::thread::sleep(Duration::from_millis(5));
    }
    let arguments = ["record", &name, "-o", file.to_str().unwrap(), "--pre-roll", "all", "--for", "10ms"];
    assert_eq!(Running::start(dora_shm(&arguments)).end().0, Some(0));
    file
}

/// Messages of a stream from its first to its close: frames, times and send times of each.
fn messages(name: &str) -> Vec<(Vec<u8>, Vec<f64>, i64)> {
    let mut reader = MessageReader::open(name, ReaderOptions::default()).unwrap();
    let (mut message, mut read) = (Message::new(), Vec::new());
    let deadline = Instant::now() + PATIENCE;
    loop {
        assert!(Instant::now() < deadline, "the stream is not closed");
        match reader.next(&mut message).unwrap() {
            Outcome::Data(_) => {
                read.push((message.samples().to_vec(), message.times().to_vec(), message.info().send_ns));
            }
            Outcome::Closed => break,
            Outcome::Generation => {}
            Outcome::Nothing => _ = reader.wait(Duration::from_millis(100)).unwrap(),
        }
    }
    assert_eq!(reader.lost(), 0);
    read
}

#[test]
fn a_recording_is_played_at_its_own_pace_or_at_a_given_speed() {
    let folder = tempfile::tempdir().unwrap();
    let file = recording(folder.path(), 60);
    for (speed, least) in [("1", 0.29), ("0.5", 0.59), ("inf", 0.0)] {
        let name = Name::new("paced");
        let arguments = ["replay", file.to_str().unwrap(), "--as", &name, "--speed", speed];
        let began = Instant::now();
        let player = Running::start(dora_shm(&arguments));
        let read = messages(&name);
        let took = began.elapsed().as_secs_f64();
        let (code, _, stderr) = player.end();
        assert_eq!(code, Some(0), "{stderr}");
        assert!(stderr.contains("60 messages with 300 frames replayed"), "{stderr}");
        assert!(took >= least, "at speed {speed}: {took} s");
        assert_eq!(read.len(), 60);
        let times: Vec<f64> = read.iter().flat_map(|(_, times, _)| times.clone()).collect();
        assert_eq!(times, (0..300).map(|position| f64::from(position) / 100.0).collect::<Vec<_>>());
    }
}

#[test]
fn a_replay_ends_cleanly_on_a_signal_and_refuses_a_name_with_a_live_writer() {
    let folder = tempfile::tempdir().unwrap();
    let file = recording(folder.path(), 3);
    let name = Name::new("looped");
    let arguments = ["replay", file.to_str().unwrap(), "--as", &name, "--loop"];
    let player = Running::start(dora_shm(&arguments));
    let mut reader = MessageReader::open(&name, ReaderOptions::default()).unwrap();
    let (mut message, mut seen, mut last) = (Message::new(), 0, f64::NEG_INFINITY);
    let deadline = Instant::now() + PATIENCE;
    while seen < 20 {
        assert!(Instant::now() < deadline, "the replay stopped");
        if !reader.next(&mut message).unwrap().is_data() {
            reader.wait(Duration::from_millis(100)).unwrap();
            continue;
        }
        assert!(message.times().iter().all(|&time| std::mem::replace(&mut last, time) < time), "times increase");
        assert_eq!(reader.generation(), Some(0));
        seen += 1;
    }
    let (code, _, stderr) = Running::start(dora_shm(&arguments)).end();
    assert!(code == Some(1) && stderr.contains("already has a live writer"), "{stderr}");
    player.signal("-TERM");
    let (code, _, stderr) = player.end();
    assert_eq!(code, Some(0), "{stderr}");
    assert!(dora_shm_ring::streams().unwrap().iter().all(|stream| !format!("{stream:?}").contains(&*name)));
}

#[test]
fn a_file_that_is_not_a_recording_creates_no_stream() {
    let folder = tempfile::tempdir().unwrap();
    let name = Name::new("none");
    let file = folder.path().join("notes.txt");
    fs::write(&file, "some text").unwrap();
    let (code, _, stderr) = Running::start(dora_shm(&["replay", file.to_str().unwrap(), "--as", &name])).end();
    assert!(code == Some(1) && stderr.contains("not a recording: it is text"), "{stderr}");
    let whole = fs::read(recording(folder.path(), 3)).unwrap();
    for length in [whole.len() - 1, 200, 5, 1] {
        fs::write(&file, &whole[..length]).unwrap();
        let (code, _, stderr) =
            Running::start(dora_shm(&["replay", file.to_str().unwrap(), "--as", &name, "--hold", "0"])).end();
        assert_eq!(code, Some(0), "{length} bytes: {stderr}");
        assert!(stderr.contains("was not finished") || stderr.contains("nothing in it yet"), "{stderr}");
    }
}

#[test]
fn a_replay_has_the_recorded_times_on_the_recorded_clock_but_monotonic_is_another_time() {
    let folder = tempfile::tempdir().unwrap();
    for (clock, played) in
        [(Clock::Source, Clock::Source), (Clock::Unix, Clock::Unix), (Clock::Monotonic, Clock::Source)]
    {
        let (name, copy) = (Name::new("clock"), Name::new("clock-copy"));
        let file = folder.path().join(format!("{clock}.arrow"));
        let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
        let format = Format::new(Dtype::F32, &[], 100.0, 100).unwrap().on_clock(clock);
        writer.begin(&format, &Description::default(), 1).unwrap();
        // The last message does not follow the one before it.
        for start in [5.0, 5.01, 5.05] {
            let times = Times::Linear { start, step: 0.01 };
            writer.write(&Chunk { samples: &[0; 4], times, send_ns: 1 }).unwrap();
        }
        let arguments = ["record", &name, "-o", file.to_str().unwrap(), "--pre-roll", "all", "--for", "10ms"];
        assert_eq!(Running::start(dora_shm(&arguments)).end().0, Some(0));

        let player = Running::start(dora_shm(&["replay", file.to_str().unwrap(), "--as", &copy, "--speed", "inf"]));
        let mut reader = MessageReader::open(&copy, ReaderOptions::default()).unwrap();
        let (mut message, mut jumps, mut found) = (Message::new(), Vec::new(), None);
        loop {
            match reader.next(&mut message).unwrap() {
                Outcome::Data(info) => {
                    jumps.push(info.discontinuity);
                    found = reader.clock();
                }
                Outcome::Closed => break,
                Outcome::Generation => {}
                Outcome::Nothing => _ = reader.wait(Duration::from_millis(100)).unwrap(),
            }
        }
        assert_eq!(found.unwrap().clock, played, "{clock}");
        assert_eq!(jumps, [false, false, true], "{clock}");
        let (code, _, stderr) = player.end();
        assert_eq!(code, Some(0), "{stderr}");
    }
}
