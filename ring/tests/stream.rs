//! A writer and readers in one process: everything written is read, generation after generation, up to the close.

use std::time::{Duration, Instant};

use dora_shm_ring::internal::monotonic_ns;
use dora_shm_ring::*;
use dora_shm_testkit::{Name, PATIENCE, segments, wait_until};

fn format(frames: u64) -> Format {
    Format::new(Dtype::F32, &[3], 100.0, frames).unwrap()
}

fn description() -> Description {
    Description { dims: vec!["time".into(), "ch".into()], key: "eeg".into(), ..Description::default() }
}

/// Frame `n` of the test signal.
fn frame(n: u64) -> [f32; 3] {
    [n as f32, n as f32 + 0.25, -(n as f32)]
}

fn write(writer: &mut Writer, from: u64, frames: u64) {
    let samples: Vec<u8> = (from..from + frames).flat_map(frame).flat_map(f32::to_le_bytes).collect();
    let times = Times::Linear { start: from as f64 * 0.01, step: 0.01 };
    writer.write(&Chunk { samples: &samples, times, send_ns: from as i64 }).unwrap();
}

fn check(frames: &Frames, first_value: u64) {
    let samples = frames.samples_as::<f32>().unwrap();
    for (i, got) in samples.chunks(3).enumerate() {
        assert_eq!(got, frame(first_value + i as u64));
        assert!((frames.times()[i] - (first_value + i as u64) as f64 * 0.01).abs() < 1e-9);
    }
}

fn read(reader: &mut Reader, frames: &mut Frames) -> Outcome<u64> {
    assert_eq!(reader.wait(PATIENCE).unwrap(), Wait::Ready);
    reader.read(frames, u64::MAX).unwrap()
}

#[test]
fn frames_are_read_as_they_were_written_and_nothing_is_left_after_the_close() {
    let name = Name::new("roundtrip");
    let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
    writer.begin(&format(100), &description(), 10).unwrap();
    let mut reader = Reader::open(&name, ReaderOptions::default().start(Start::Oldest)).unwrap();
    assert_eq!(reader.liveness(PATIENCE).unwrap(), Liveness::Live);
    let mut frames = Frames::new();
    let mut n = 0;
    for k in [1, 7, 30, 62, 99, 100] {
        write(&mut writer, n, k);
        assert!(read(&mut reader, &mut frames).is_data());
        assert_eq!((frames.first(), frames.frames(), frames.lost()), (n, k, 0));
        check(&frames, n);
        n += k;
    }
    assert_eq!(reader.read(&mut frames, 1).unwrap(), Outcome::Nothing);
    assert_eq!(reader.description().unwrap().key, "eeg");
    write(&mut writer, n, 5);
    writer.close();
    assert!(read(&mut reader, &mut frames).is_data());
    check(&frames, n);
    assert_eq!(read(&mut reader, &mut frames), Outcome::Closed);
    assert_eq!(reader.read(&mut frames, 1).unwrap(), Outcome::Nothing);
    assert_eq!(reader.liveness(PATIENCE).unwrap(), Liveness::Absent);
    assert_eq!(reader.lost(), 0);
    assert!(segments::of(&name).is_empty());
}

#[test]
fn a_reader_that_is_opened_before_the_writer_gets_every_frame_from_the_first() {
    let name = Name::new("first");
    let mut reader = Reader::open(&name, ReaderOptions::default()).unwrap();
    assert_eq!(reader.wait(Duration::ZERO).unwrap(), Wait::Timeout(Liveness::Absent));
    let (done, wait_until_read) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::spawn({
        let name = name.to_string();
        move || {
            let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
            writer.begin(&format(50), &description(), 10).unwrap();
            for n in 0..10 {
                write(&mut writer, n * 3, 3);
            }
            let _ = wait_until_read.recv();
        }
    });
    let mut frames = Frames::new();
    let mut n = 0;
    let mut done = Some(done);
    loop {
        match read(&mut reader, &mut frames) {
            Outcome::Data(_) => {
                assert_eq!((frames.first(), frames.lost()), (n, 0));
                check(&frames, n);
                n += frames.frames();
                if n == 30 {
                    done = None;
                }
            }
            Outcome::Closed => break,
            Outcome::Generation | Outcome::Nothing => {}
        }
    }
    assert!(done.is_none());
    thread.join().unwrap();
    assert_eq!((n, reader.lost()), (30, 0));
    assert!(segments::of(&name).is_empty());
}

#[test]
fn old_generations_are_drained_before_the_reader_moves_on() {
    let name = Name::new("generations");
    let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
    writer.begin(&format(20), &description(), 10).unwrap();
    let mut reader = Reader::open(&name, ReaderOptions::default()).unwrap();
    write(&mut writer, 0, 10);
    let wide = Format::new(Dtype::U8, &[2, 2], 0.0, 20).unwrap();
    let described = Description { dims: vec!["time".into(), "y".into(), "x".into()], ..Description::default() };
    writer.begin(&wide, &described, 1).unwrap();
    writer.write(&Chunk { samples: &[1, 2, 3, 4], times: Times::Values(&[5.0]), send_ns: 0 }).unwrap();
    let mut frames = Frames::new();
    assert!(read(&mut reader, &mut frames).is_data());
    assert_eq!(frames.frames(), 10);
    check(&frames, 0);
    assert_eq!(read(&mut reader, &mut frames), Outcome::Generation);
    assert_eq!(reader.format().unwrap().dtype(), Dtype::U8);
    assert_eq!(reader.description().unwrap().dims.len(), 3);
    assert!(read(&mut reader, &mut frames).is_data());
    assert_eq!((frames.samples(), frames.times()), (&[1, 2, 3, 4][..], &[5.0][..]));
    assert_eq!(reader.lost(), 0);
    wait_until("only the segments of one generation are left", || segments::of(&name).len() == 6);
    drop(writer);
    assert!(segments::of(&name).is_empty());
}

#[test]
fn a_second_writer_is_refused_while_the_first_lives() {
    let name = Name::new("second");
    let first = Writer::create(&name, WriterOptions::default()).unwrap();
    match Writer::create(&name, WriterOptions::default()) {
        Err(error @ Error::Live { pid: Some(pid), .. }) => {
            assert_eq!(pid, std::process::id());
            let text = error.to_string();
            assert!(text.ends_with("in this process; close that one first, or choose another name"), "{text}");
        }
        other => panic!("{other:?}"),
    }
    drop(first);
    drop(Writer::create(&name, WriterOptions::default()).unwrap());
    assert!(segments::of(&name).is_empty());
}

#[test]
fn messages_including_empty_ones_are_read_one_at_a_time_with_their_send_times() {
    let name = Name::new("messages");
    let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
    writer.begin(&format(100), &description(), 10).unwrap();
    let mut reader = MessageReader::open(&name, ReaderOptions::default()).unwrap();
    let id = reader.writer_of_ring().unwrap();
    assert_eq!((id.stream_id, id.epoch), (writer.stream_id(), writer.epoch()));
    let mut n = 0;
    let sizes = [3, 0, 1, 10, 0, 25];
    for k in sizes {
        write(&mut writer, n, k);
        n += k;
    }
    let mut message = Message::new();
    n = 0;
    for (i, k) in sizes.into_iter().enumerate() {
        assert_eq!(reader.wait(PATIENCE).unwrap(), Wait::Ready);
        assert!(reader.next(&mut message).unwrap().is_data());
        let info = message.info();
        assert_eq!((info.chunk, info.first, info.frames, info.send_ns, info.lost), (i as u64, n, k, n as i64, 0));
        assert_eq!(message.samples().len() as u64, 12 * k);
        n += k;
    }
    assert_eq!(reader.next(&mut message).unwrap(), Outcome::Nothing);
    write(&mut writer, n, 2);
    let Outcome::Data(view) = reader.view().unwrap() else { panic!("expected a message") };
    let [head, tail] = view.samples();
    let bytes: Vec<u8> = [head.to_vec(), tail.to_vec()].concat();
    assert_eq!(bytes, (n..n + 2).flat_map(frame).flat_map(f32::to_le_bytes).collect::<Vec<u8>>());
    assert!(reader.finish(view));
    drop(writer);
    assert_eq!(reader.next(&mut message).unwrap(), Outcome::Closed);
    assert_eq!(reader.lost(), 0);
}

#[test]
fn losses_of_a_lapped_reader_are_counted_exactly() {
    let name = Name::new("lapped");
    let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
    writer.begin(&format(40), &description(), 10).unwrap();
    let mut reader = Reader::open(&name, ReaderOptions::default().start(Start::Oldest)).unwrap();
    let mut by_message = MessageReader::open(&name, ReaderOptions::default()).unwrap();
    write(&mut writer, 0, 10);
    let mut frames = Frames::new();
    assert!(read(&mut reader, &mut frames).is_data());
    for n in 1..21 {
        write(&mut writer, n * 10, 10);
    }
    assert!(read(&mut reader, &mut frames).is_data());
    assert_eq!(frames.first() + frames.frames(), 210);
    assert_eq!(frames.lost(), frames.first() - 10);
    assert!(frames.frames() >= 20);
    check(&frames, frames.first());
    let mut message = Message::new();
    assert!(by_message.next(&mut message).unwrap().is_data());
    assert_eq!(message.info().lost, message.info().first);
    assert_eq!(message.info().frames, 10);
}

#[test]
fn a_chunk_longer_than_the_ring_keeps_the_newest_frames() {
    let name = Name::new("longer");
    let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
    writer.begin(&format(7), &description(), 10).unwrap();
    let mut reader = Reader::open(&name, ReaderOptions::default().start(Start::Oldest)).unwrap();
    let mut by_message = MessageReader::open(&name, ReaderOptions::default()).unwrap();
    write(&mut writer, 0, 2);
    let mut frames = Frames::new();
    read(&mut reader, &mut frames);
    write(&mut writer, 2, 25);
    let n = reader.latest(100, &mut frames).unwrap();
    assert_eq!((n, frames.first()), (7, 20));
    check(&frames, 20);
    assert!(read(&mut reader, &mut frames).is_data());
    assert_eq!(frames.first() + frames.frames(), 27);
    assert_eq!(frames.lost(), frames.first() - 2);
    check(&frames, frames.first());
    let mut message = Message::new();
    assert_eq!(by_message.next(&mut message).unwrap(), Outcome::Nothing);
    assert_eq!(by_message.lost(), 27);
    write(&mut writer, 27, 1);
    assert!(by_message.next(&mut message).unwrap().is_data());
    assert_eq!((message.info().lost, message.info().first), (27, 27));
}

#[test]
fn an_interrupter_ends_a_wait_at_once() {
    let name = Name::new("interrupt");
    let writer = Writer::create(&name, WriterOptions::default()).unwrap();
    let mut reader = Reader::open(&name, ReaderOptions::default()).unwrap();
    let interrupter = reader.interrupter();
    let started = Instant::now();
    let thread = std::thread::spawn(move || interrupter.interrupt());
    assert_eq!(reader.wait(PATIENCE).unwrap(), Wait::Interrupted);
    assert!(started.elapsed() < PATIENCE);
    thread.join().unwrap();
    drop(writer);
}

#[test]
fn streams_are_listed_by_their_full_names() {
    let name = Name::new("größe/listed");
    let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
    writer.begin(&format(10), &description(), 1).unwrap();
    let found = streams().unwrap().into_iter().find_map(|stream| match stream {
        StreamInfo::Stream(info) if *info.name == *name => Some(info),
        _ => None,
    });
    let info = found.expect("the stream is listed");
    assert_eq!(info.liveness, Liveness::Live);
    assert_eq!(info.format.unwrap().frames(), 10);
    assert_eq!(info.writer_pid, Some(std::process::id()));
    assert_eq!(info.newest_ns, None);
}

#[test]
fn info_reports_the_time_of_the_newest_message_and_the_layout_of_the_ring() {
    let name = Name::new("layout");
    let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
    writer.begin(&format(16), &description(), 1).unwrap();
    write(&mut writer, 0, 3);
    let before = monotonic_ns();
    write(&mut writer, 3, 1);
    let info = Reader::open(&name, ReaderOptions::default()).unwrap().info().unwrap();
    assert_eq!(info.newest_ns, Some(writer.committed_ns()));
    assert!((before..=monotonic_ns()).contains(&info.newest_ns.unwrap()));
    let (layout, format) = (info.layout.unwrap(), info.format.unwrap());
    assert_eq!(layout.samples_offset, 8 * format.frames());
    assert!(layout.samples_offset + format.frames() * format.frame_bytes() <= layout.records_offset);
    assert!(layout.records_offset + layout.records * segments::record_at::LENGTH <= layout.trailer_offset);
    assert_eq!(Some(layout.trailer_offset + segments::trailer_at::LENGTH), info.ring_bytes);
}

#[test]
fn a_reader_that_is_opened_while_a_streams_name_is_missing_does_not_count_earlier_frames_as_lost() {
    for (start, first) in [(Start::Newest, 25), (Start::Oldest, 15), (Start::Last(3), 22)] {
        let name = Name::new("nameless");
        let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
        writer.begin(&format(10), &description(), 1).unwrap();
        write(&mut writer, 0, 25);
        let mut reader = None;
        // The name is linked again within a quarter of a second, so the test removes it again if that has just
        // happened.
        while reader.is_none() {
            std::fs::remove_file(segments::header(&name)).unwrap();
            let opened = Reader::open(&name, ReaderOptions::default().start(start)).unwrap();
            reader = opened.generation().is_none().then_some(opened);
        }
        let mut reader = reader.unwrap();
        wait_until("the reader is attached", || {
            _ = reader.wait(PATIENCE).unwrap();
            reader.generation().is_some()
        });
        if start == Start::Newest {
            write(&mut writer, 25, 2);
        }
        let mut frames = Frames::new();
        while !read(&mut reader, &mut frames).is_data() {}
        assert_eq!((frames.first(), frames.lost()), (first, 0), "{start:?}");
        check(&frames, first);
        assert_eq!(reader.lost(), 0);
    }
}

#[test]
fn removed_names_are_linked_again() {
    let name = Name::new("names");
    let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
    writer.begin(&format(10), &description(), 1).unwrap();
    let whole = segments::of(&name);
    assert_eq!(whole.len(), 6);
    for one in &whole {
        std::fs::remove_file(one).unwrap();
        wait_until("the name is linked again", || segments::of(&name) == whole);
    }
    // A segment that loses both names is created again, and readers lose nothing.
    let mut reader = Reader::open(&name, ReaderOptions::default()).unwrap();
    write(&mut writer, 0, 3);
    for one in &whole {
        std::fs::remove_file(one).unwrap();
    }
    wait_until("all segments exist again", || {
        writer.maintain().unwrap();
        segments::of(&name).len() == 6
    });
    write(&mut writer, 3, 3);
    let mut frames = Frames::new();
    let mut n = 0;
    while n < 6 {
        match read(&mut reader, &mut frames) {
            Outcome::Data(_) => {
                assert_eq!(frames.lost(), 0);
                check(&frames, n);
                n += frames.frames();
            }
            outcome => assert!(matches!(outcome, Outcome::Generation | Outcome::Closed), "{outcome:?}"),
        }
    }
    assert_eq!(reader.lost(), 0);
}
