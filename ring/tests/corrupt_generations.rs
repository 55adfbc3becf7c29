//! What a reader does if the next generation contradicts the previous one.

use dora_shm_ring::*;
use dora_shm_testkit::segments::{self, patch, trailer_at};
use dora_shm_testkit::signal::{self, description, format};
use dora_shm_testkit::{Name, PATIENCE};

#[test]
fn a_generation_whose_base_decreases_is_corrupt_and_nothing_is_delivered_twice() {
    let name = Name::new("base-goes-back");
    let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
    writer.begin(&format(16), &description(""), 4).unwrap();
    signal::write(&mut writer, 5).unwrap();
    let oldest = || ReaderOptions::default().start(Start::Oldest);
    let mut reader = Reader::open(&name, oldest()).unwrap();
    let mut by_message = MessageReader::open(&name, oldest()).unwrap();
    let (mut frames, mut message) = (Frames::new(), Message::new());
    assert!(reader.read(&mut frames, u64::MAX).unwrap().is_data());
    assert!(by_message.next(&mut message).unwrap().is_data());

    writer.begin(&format(16), &description(""), 4).unwrap();
    signal::write(&mut writer, 3).unwrap();
    let ring = segments::ring(&name, 1);
    let trailer = ring.metadata().unwrap().len() - trailer_at::LENGTH;
    patch(&ring, trailer + trailer_at::BASE, &2u64.to_le_bytes()).unwrap();

    assert!(matches!(reader.read(&mut frames, u64::MAX), Err(Error::Corrupt { .. })));
    assert!(matches!(by_message.next(&mut message), Err(Error::Corrupt { .. })));
    // The readers have detached, and attach anew at the next read.
    assert_eq!((reader.generation(), by_message.generation()), (None, None));
    assert_eq!(reader.wait(PATIENCE).unwrap(), Wait::Ready);
    assert_eq!(reader.read(&mut frames, u64::MAX).unwrap(), Outcome::Generation);
    assert!(reader.read(&mut frames, u64::MAX).unwrap().is_data());
    assert_eq!((frames.generation(), frames.first(), frames.frames()), (1, 0, 3));
    assert_eq!(by_message.next(&mut message).unwrap(), Outcome::Generation);
    assert!(by_message.next(&mut message).unwrap().is_data());
    assert_eq!((message.info().generation, message.info().first, message.info().frames), (1, 0, 3));
}

/// Leaves the stream in the state of a dead writer's.
fn die(name: &str, writer: Writer) {
    let segments = [segments::header(name), segments::ring(name, 0), segments::metadata(name, 1)];
    let bytes = segments.each_ref().map(|path| std::fs::read(path).unwrap());
    drop(writer);
    for (path, bytes) in segments.iter().zip(bytes) {
        std::fs::write(path, bytes).unwrap();
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        std::fs::hard_link(path, segments::anchor(path)).unwrap();
    }
}

#[test]
fn a_dead_stream_whose_counters_would_overflow_is_finished_and_not_taken_over() {
    let name = Name::new("counted-out");
    // Frames committed and reserved in the dead ring, and its base.
    for (committed, reserved, base) in
        [(u64::MAX, u64::MAX, 0), (u64::MAX - 1, u64::MAX, 1), (5, 5, u64::MAX - 5), (1 << 63, u64::MAX, 0), (6, 5, 0)]
    {
        let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
        writer.begin(&format(16), &description(""), 4).unwrap();
        signal::write(&mut writer, 5).unwrap();
        let stream_id = writer.stream_id();
        die(&name, writer);
        let ring = segments::ring(&name, 0);
        let trailer = ring.metadata().unwrap().len() - trailer_at::LENGTH;
        for (offset, value) in
            [(trailer_at::COMMITTED, committed), (trailer_at::RESERVED, reserved), (trailer_at::BASE, base)]
        {
            patch(&ring, trailer + offset, &u64::to_le_bytes(value)).unwrap();
        }
        let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
        assert_eq!((writer.epoch(), writer.stream_position()), (1, 0), "{committed} {reserved} {base}");
        assert_ne!(writer.stream_id(), stream_id);
        writer.begin(&format(16), &description(""), 4).unwrap();
        signal::write(&mut writer, 3).unwrap();
    }
}
