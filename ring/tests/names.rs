//! The names of a stream's segments: linked while it lives, listed, and removed after its writer's death.

use std::path::Path;

use dora_shm_ring::*;
use dora_shm_testkit::follower::{Follower, Kind, Step, oldest};
use dora_shm_testkit::isolated::with_private_shm;
use dora_shm_testkit::ledger::Ledger;
use dora_shm_testkit::programs::root;
use dora_shm_testkit::roles::{DONE, leave_dead_stream, start_writer};
use dora_shm_testkit::segments::{self, Bytes, anchor, header_at, listing, patch};
use dora_shm_testkit::signal::{self, description, format};
use dora_shm_testkit::{Flag, Name, PATIENCE, wait_until};

fn stream(name: &str) -> Writer {
    let mut writer = Writer::create(name, WriterOptions::default()).unwrap();
    writer.begin(&format(64), &description("kept"), 4).unwrap();
    writer
}

fn follower(name: &str) -> Follower {
    Follower::open(name, Kind::Wait, &oldest(), Ledger::default()).unwrap()
}

#[test]
fn each_removed_name_is_linked_to_the_same_file_again() {
    use std::os::unix::fs::MetadataExt;
    let name = Name::new("back");
    let mut writer = stream(&name);
    let mut reader = follower(&name);
    for public in segments::publics(&name) {
        for path in [public.clone(), anchor(&public)] {
            let inode = path.metadata().unwrap().ino();
            std::fs::remove_file(&path).unwrap();
            signal::write(&mut writer, 3).unwrap();
            wait_until("the name is linked again", || path.exists());
            assert_eq!(path.metadata().unwrap().ino(), inode);
        }
    }
    reader.drain().unwrap();
    assert_eq!((reader.ledger.read, reader.lost()), (18, 0));
    assert_eq!((writer.generation(), writer.warnings()), (Some(0), Vec::new()));
}

#[test]
fn a_public_name_that_another_file_took_is_reported_once_and_linked_again_when_it_is_free() {
    let name = Name::new("taken");
    let mut writer = stream(&name);
    let mut reader = follower(&name);
    for public in segments::publics(&name) {
        // Replaces the stream's name atomically, since the service thread could otherwise link it again first.
        let others_file = public.with_extension("other");
        std::fs::write(&others_file, "somebody else's").unwrap();
        std::fs::rename(&others_file, &public).unwrap();
        let mut warnings = Vec::new();
        wait_until("the warning is reported", || {
            warnings.extend(writer.warnings());
            !warnings.is_empty()
        });
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        let Warning::NameTaken { name: stream, segment, .. } = &warnings[0] else { panic!("{warnings:?}") };
        assert_eq!((&**stream, &**segment), (&*name, public.file_name().unwrap().to_str().unwrap()));
        let text = warnings[0].to_string();
        assert!(text.contains(&*name) && text.contains(segment), "{text}");
        signal::write(&mut writer, 3).unwrap();
        assert_eq!(std::fs::read(&public).unwrap(), b"somebody else's", "the other program's file must stay");
        std::fs::remove_file(&public).unwrap();
        wait_until("the stream's name is linked again", || public.exists());
    }
    reader.drain().unwrap();
    assert_eq!((reader.ledger.read, reader.lost()), (9, 0), "attached readers continue");
}

#[test]
fn another_programs_file_under_the_streams_name_survives_the_close() {
    let name = Name::new("survives");
    for i in 0..3 {
        let mut writer = stream(&name);
        signal::write(&mut writer, 1).unwrap();
        let public = segments::publics(&name)[i].clone();
        let others_file = public.with_extension("other");
        std::fs::write(&others_file, "somebody else's").unwrap();
        std::fs::rename(&others_file, &public).unwrap();
        drop(writer);
        assert_eq!(segments::of(&name), std::slice::from_ref(&public));
        assert_eq!(std::fs::read(&public).unwrap(), b"somebody else's");
        std::fs::remove_file(public).unwrap();
    }
}

#[test]
fn a_segment_that_lost_both_names_is_created_again_by_maintain_or_by_the_next_write() {
    for by_write in [false, true] {
        for i in 0..3 {
            let name = Name::new("both");
            let mut writer = stream(&name);
            signal::write(&mut writer, 5).unwrap();
            let [mut reader, mut by_message] = Follower::open_both(&name, &oldest(), &Ledger::default()).unwrap();
            let public = segments::publics(&name)[i].clone();
            let before = (writer.stream_id(), writer.generation());
            std::fs::remove_file(anchor(&public)).unwrap();
            std::fs::remove_file(&public).unwrap();
            wait_until("the segment is created again", || {
                if by_write {
                    signal::write(&mut writer, 0).unwrap();
                } else {
                    writer.maintain().unwrap();
                }
                // That many empty messages would lap a reader that does not follow.
                reader.drain().unwrap();
                by_message.drain().unwrap();
                segments::of(&name).len() == 6 && (i != 1 || writer.generation() != before.1)
            });
            let same_stream = writer.stream_id() == before.0;
            assert_eq!(same_stream, i != 0, "a stream without its header is a new stream");
            assert_eq!(writer.generation(), if i == 1 { Some(1) } else { before.1 });
            signal::write(&mut writer, 2).unwrap();
            for reader in [&mut reader, &mut by_message] {
                while reader.ledger.read < 7 {
                    assert_eq!(reader.wait(PATIENCE).unwrap(), Wait::Ready);
                    reader.drain().unwrap();
                }
                assert_eq!(reader.lost(), 0);
            }
            // A new reader finds it.
            assert_eq!(follower(&name).info().unwrap().liveness, Liveness::Live);
            let found = Reader::open(&name, ReaderOptions::default()).unwrap();
            assert_eq!(found.description().unwrap().key, "kept");
        }
    }
}

#[test]
fn a_reader_waits_for_a_ring_that_has_lost_its_name_without_being_busy() {
    let name = Name::new("nameless");
    leave_dead_stream(&name, 64);
    // A dead stream: the name stays missing until the next writer takes over.
    let ring = segments::ring(&name, 0);
    let hidden = ring.with_extension("hidden");
    std::fs::rename(&ring, &hidden).unwrap();
    let mut reader = follower(&name);
    let started = std::time::Instant::now();
    assert_eq!(reader.wait(PATIENCE).unwrap(), Wait::Timeout(Liveness::Dead));
    let timeout = std::time::Duration::from_millis(120);
    assert_eq!(reader.wait(timeout).unwrap(), Wait::Timeout(Liveness::Dead));
    assert!(started.elapsed() >= timeout);
    assert_eq!(reader.step().unwrap(), Step::Nothing);
    std::fs::rename(&hidden, &ring).unwrap();
    assert_eq!(reader.wait(PATIENCE).unwrap(), Wait::Ready);
    reader.drain().unwrap();
    assert_eq!(reader.ledger.read, 5);
    drop(Writer::create(&name, WriterOptions::default()).unwrap());
}

#[test]
fn a_dead_stream_whose_public_names_were_removed_is_taken_over_by_its_anchors() {
    let name = Name::new("by-anchor");
    let mut dead = start_writer(&name, 64);
    dead.request_expecting("write 5", DONE).unwrap();
    let mut reader = follower(&name);
    dead.kill_and_wait().unwrap();
    for public in segments::publics(&name) {
        std::fs::remove_file(public).unwrap();
    }
    let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
    assert_eq!((writer.epoch(), writer.stream_position()), (2, 5));
    assert_eq!(segments::of(&name).len(), 6, "public again");
    let mut late = follower(&name);
    late.drain().unwrap();
    assert_eq!(late.ledger.read, 5);
    writer.begin(&format(64), &description("next"), 4).unwrap();
    signal::write(&mut writer, 2).unwrap();
    reader.drain().unwrap();
    assert_eq!((reader.ledger.read, reader.lost()), (7, 0));
}

#[test]
fn a_dead_stream_whose_anchors_were_removed_is_a_leftover_that_the_next_writer_replaces() {
    let name = Name::new("by-public");
    let mut dead = start_writer(&name, 64);
    dead.request_expecting("write 5", DONE).unwrap();
    let mut reader = Reader::open(&name, oldest()).unwrap();
    dead.kill_and_wait().unwrap();
    for public in segments::publics(&name) {
        std::fs::remove_file(anchor(&public)).unwrap();
    }
    let mut writer = stream(&name);
    assert_eq!((writer.epoch(), writer.stream_position()), (1, 0));
    signal::write(&mut writer, 2).unwrap();
    // The reader drains the dead stream, notices that another stream has the name, and moves there.
    let (mut frames, mut read) = (Frames::new(), 0);
    wait_until("it follows", || {
        let _ = reader.wait(PATIENCE).unwrap();
        if reader.read(&mut frames, u64::MAX).unwrap().is_data() {
            read += frames.frames();
        }
        read == 7
    });
}

// The following tests list or clean all of /dev/shm, so each has its own.

fn listed() -> Vec<(String, Liveness)> {
    let mut found: Vec<_> = streams()
        .unwrap()
        .into_iter()
        .map(|stream| match stream {
            StreamInfo::Stream(info) => (info.name, info.liveness),
            other => panic!("{other:?}"),
        })
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

#[test]
fn streams_of_every_writer_are_listed_by_their_full_names() {
    with_private_shm(64, || {
        assert!(streams().unwrap().is_empty());
        let long = "é".repeat(512);
        let mut live = stream("größe/live");
        signal::write(&mut live, 7).unwrap();
        let waiting = Writer::create(&long, WriterOptions::default()).unwrap();
        leave_dead_stream("dead", 64);
        let closed = stream("closed");
        drop(closed);
        let expected = [
            ("dead".to_owned(), Liveness::Dead),
            ("größe/live".to_owned(), Liveness::Live),
            (long.clone(), Liveness::Waiting),
        ];
        assert_eq!(listed(), expected);
        // A stream is listed even while its public name is missing.
        let public = segments::header("dead");
        std::fs::remove_file(&public).unwrap();
        assert_eq!(listed().len(), 3);
        assert!(listed().iter().any(|(name, _)| name == "dead"));
        std::fs::hard_link(anchor(&public), &public).unwrap();
        let info = streams().unwrap().into_iter().find_map(|stream| match stream {
            StreamInfo::Stream(info) if info.name == "größe/live" => Some(info),
            _ => None,
        });
        let info = info.unwrap();
        assert_eq!((info.position, info.stream_position, info.chunks), (7, 7, 1));
        assert_eq!(info.writer_pid, Some(std::process::id()));
        // A closed header that its writer did not remove before it died is a leftover, not a stream.
        patch(&public, header_at::STATE, &2u32.to_le_bytes()).unwrap();
        assert_eq!(listed().len(), 2);
        let left = leftovers().unwrap();
        assert_eq!((left[0].stream.as_deref(), left[0].closed, left.len()), (Some("dead"), true, 1));
        // Other programs' files are skipped; a header with a false name is reported.
        std::fs::write("/dev/shm/other", "x").unwrap();
        std::fs::write("/dev/shm/sm_other", "x").unwrap();
        std::fs::create_dir("/dev/shm/sm_folder.anchor").unwrap();
        assert_eq!(listed().len(), 2);
        std::fs::copy(segments::header("größe/live"), "/dev/shm/sm_liar.anchor").unwrap();
        let liars = streams().unwrap();
        let is_reported =
            liars.iter().any(|stream| matches!(stream, StreamInfo::Unreadable { segment, .. } if segment == "sm_liar"));
        assert!(is_reported, "{liars:?}");
        drop((live, waiting));
    });
}

#[test]
fn clean_removes_what_dead_writers_left_and_nothing_else() {
    with_private_shm(64, || {
        let mut live = stream("live");
        signal::write(&mut live, 3).unwrap();
        let waiting = Writer::create("waiting", WriterOptions::default()).unwrap();
        let mut elsewhere = start_writer("elsewhere", 64);
        let others_files =
            ["sm_ezmsgs_header", "sm_ezmsgs_ring", "sm_ezmsgs_metadata", "somebody-elses", "sm_x.anchored"];
        let golden = root().join("tests/vectors/ezmsg/v2/eeg_f32_wrapped/header.bin");
        std::fs::copy(golden, "/dev/shm/sm_ezmsgs_header").unwrap();
        for (name, length) in others_files[1..].iter().zip([16384, 699, 5, 7]) {
            std::fs::write(Path::new("/dev/shm").join(name), vec![7; length]).unwrap();
        }
        // A ring and a description of later versions, whose stream_id may be elsewhere, so that their stream is
        // unknown.
        leave_dead_stream("later", 64);
        let [header, ring, metadata] = segments::publics("later");
        patch(&ring, Bytes::of(&ring).trailer() + 8, &2u16.to_le_bytes()).unwrap();
        patch(&metadata, Bytes::of(&metadata).footer() + 12, &1u32.to_le_bytes()).unwrap();
        std::fs::remove_file(anchor(&header)).unwrap();
        std::fs::remove_file(header).unwrap();
        let before = listing();
        assert_eq!(clean().unwrap(), [""; 0], "no writer is dead");
        assert_eq!(leftovers().unwrap(), []);
        assert_eq!(listing(), before);

        // Dead streams: a whole one; one without anchors; one without public names; one whose creation was cut short; a
        // ring and a description without a header; one whose header names segments that it does not have.
        leave_dead_stream("whole", 64);
        let mut reader = follower("whole");
        leave_dead_stream("without-anchors", 64);
        for public in segments::publics("without-anchors") {
            std::fs::remove_file(anchor(&public)).unwrap();
        }
        leave_dead_stream("without-publics", 64);
        for public in segments::publics("without-publics") {
            std::fs::remove_file(public).unwrap();
        }
        std::fs::write(anchor(&segments::header("cut-short")), [0; 100]).unwrap();
        std::fs::write(anchor(&segments::header("cut-shorter")), "").unwrap();
        leave_dead_stream("without-header", 64);
        std::fs::remove_file(segments::header("without-header")).unwrap();
        std::fs::remove_file(anchor(&segments::header("without-header"))).unwrap();
        leave_dead_stream("misnaming", 64);
        patch(&segments::header("misnaming"), header_at::GENERATION, &77u32.to_le_bytes()).unwrap();
        patch(&segments::header("misnaming"), header_at::META_GENERATION, &77u32.to_le_bytes()).unwrap();
        assert_eq!(listing().len(), before.len() + 6 + 3 + 3 + 2 + 4 + 6);

        let whole = listing();
        let to_go = leftovers().unwrap();
        assert_eq!(listing(), whole, "listing leftovers changes nothing");
        let mut listed: Vec<(Option<&str>, usize)> =
            to_go.iter().map(|left| (left.stream.as_deref(), left.segments.len())).collect();
        listed.sort();
        let expected = [
            (None, 1),
            (None, 2),
            (Some("misnaming"), 3),
            (Some("whole"), 3),
            (Some("without-anchors"), 3),
            (Some("without-publics"), 3),
        ];
        assert_eq!(listed, expected);
        let allocated = |segment: &String| {
            use std::os::unix::fs::MetadataExt;
            let path = segments::path(segment);
            let file = if path.exists() { path } else { anchor(&path) };
            file.metadata().unwrap().blocks() * 512
        };
        for left in &to_go {
            assert_eq!(left.bytes, left.segments.iter().map(allocated).sum::<u64>(), "{left:?}");
        }

        let removed = clean().unwrap();
        assert_eq!(listing(), before, "removed: {removed:?}");
        assert_eq!(leftovers().unwrap(), []);
        for name in ["whole", "without-anchors", "without-publics", "misnaming"] {
            assert!(removed.iter().any(|found| found == name), "{name} among {removed:?}");
        }
        assert!(removed.contains(&format!("{}.anchor", shorten("cut-short"))));
        assert!(!removed.iter().any(|name| name.contains("live") || name.contains("ezmsg")), "{removed:?}");
        // An attached reader drains the stream and sees its end.
        assert!(reader.drain().unwrap());
        assert_eq!((reader.ledger.read, reader.lost()), (5, 0));
        assert_eq!(clean().unwrap(), [""; 0]);

        // A live stream that has lost one or all names is not dead.
        for path in segments::publics("live").iter().flat_map(|public| [public.clone(), anchor(public)]) {
            let whole = listing();
            std::fs::remove_file(&path).unwrap();
            assert_eq!(clean().unwrap(), [""; 0], "without {path:?}");
            wait_until("the name is linked again", || listing() == whole);
        }
        let mut attached = follower("live");
        signal::write(&mut live, 4).unwrap();
        attached.drain().unwrap();
        assert_eq!((attached.ledger.read, attached.lost()), (7, 0));
        assert_eq!((live.generation(), live.stream_position()), (Some(0), 7));

        // A stream with a stopped writer is not dead, either.
        elsewhere.signal(rustix::process::Signal::STOP);
        assert_eq!(clean().unwrap(), [""; 0]);
        elsewhere.signal(rustix::process::Signal::CONT);
        elsewhere.request_expecting("write 1", DONE).unwrap();
        elsewhere.end_well().unwrap();
        drop((live, waiting));
        let later = [ring, metadata].map(|public| [anchor(&public), public]).concat();
        let later = later.iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned());
        let mut left: Vec<String> = others_files.map(str::to_owned).into_iter().chain(later).collect();
        left.sort();
        assert_eq!(listing(), left);
    });
}

#[test]
fn clean_removes_nothing_of_writers_that_start_switch_and_end_at_the_same_time() {
    with_private_shm(64, || {
        let stop = Flag::new();
        std::thread::scope(|scope| {
            let _stop = stop.raise_at_end();
            let sweeper = scope.spawn(|| {
                let mut sweeps = 0;
                while !stop.is_raised() {
                    assert_eq!(leftovers().unwrap(), [], "no writer is dead");
                    assert_eq!(clean().unwrap(), [""; 0], "no writer is dead");
                    sweeps += 1;
                }
                sweeps
            });
            for round in 0..60 {
                let mut writer = stream("busy");
                let mut reader = follower("busy");
                for generation in 0..6 {
                    signal::write(&mut writer, 3).unwrap();
                    writer.describe(&description(format!("{round}/{generation}"))).unwrap();
                    signal::write(&mut writer, 3).unwrap();
                    reader.drain().unwrap();
                    writer.begin(&format(32 + generation), &description("again"), 4).unwrap();
                }
                drop(writer);
                assert!(reader.drain().unwrap());
                assert_eq!((reader.ledger.read, reader.lost()), (36, 0));
            }
            // Names that are being acquired at the moment.
            let header = segments::header("busy");
            for _ in 0..2000 {
                let writer = Writer::create("busy", WriterOptions::default()).unwrap();
                assert!(header.exists() && anchor(&header).exists());
                drop(writer);
            }
            stop.raise();
            assert!(sweeper.join().unwrap() > 20);
        });
        assert_eq!(listing(), [""; 0]);
    });
}
