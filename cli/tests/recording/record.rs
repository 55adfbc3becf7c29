use std::fs;
use std::os::unix::process::CommandExt as _;
use std::time::Duration;

use dora_shm_testkit::roles::{self, DONE};

use crate::fixture::*;

#[test]
fn a_stream_that_comes_later_is_recorded_from_its_first_frame_to_its_end() {
    let (name, folder) = (Name::new("waits"), tempfile::tempdir().unwrap());
    let file = folder.path().join("r.arrow");
    let mut recorder = Running::start(dora_shm(&["record", &name, "-o", file.to_str().unwrap(), "--json"]));
    recorder.wait_for("waiting for it");
    let mut source = Source::float32(&name, 1000);
    source.write(5);
    source.write(0);
    source.write(3);
    wait_until("a batch is written", || fs::metadata(&file).unwrap().len() > 0);
    source.write(4);
    drop(source);
    let (code, stdout, stderr) = recorder.end();
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stderr.contains("4 messages with 12 frames, none lost"), "{stderr}");
    assert!(stdout.contains("\"messages\":4,\"frames\":12,\"lost\":0") && stdout.contains("\"end\":\"closed\""));
    assert_eq!(positions(&file), (0..12).collect::<Vec<_>>());
}

#[test]
fn only_a_pre_roll_records_what_is_already_in_the_ring() {
    let (name, folder) = (Name::new("preroll"), tempfile::tempdir().unwrap());
    let mut source = Source::float32(&name, 100_000);
    (0..10).for_each(|_| source.write(5));
    let cases: [(&[&str], u64); 4] =
        [(&[], 50), (&["--pre-roll", "all"], 0), (&["--pre-roll", "1h"], 0), (&["--pre-roll", "0"], 50)];
    for (number, (options, first)) in cases.into_iter().enumerate() {
        let file = folder.path().join(number.to_string());
        let arguments = [&["record", &name, "-o", file.to_str().unwrap(), "--for", "1h"], options].concat();
        let recorder = Running::start(dora_shm(&arguments));
        // The recorder may start at any time. Once it has written a batch, it records whatever is written.
        wait_until("a batch is written", || {
            source.write(1);
            fs::metadata(&file).is_ok_and(|file| file.len() > 0)
        });
        recorder.signal("-INT");
        let (code, _, stderr) = recorder.end();
        assert_eq!(code, Some(0), "{stderr}");
        let taken = positions(&file);
        assert!(if first == 0 { taken[0] == 0 } else { taken[0] >= first }, "{options:?}: from {}", taken[0]);
        assert!(taken.windows(2).all(|two| two[1] == two[0] + 1));
    }
}

#[test]
fn a_pre_roll_has_the_empty_messages_behind_the_newest_frame() {
    let (name, folder) = (Name::new("preroll-empty"), tempfile::tempdir().unwrap());
    let mut source = Source::float32(&name, 100);
    (0..3).for_each(|_| source.write(0));
    let file = folder.path().join("r.arrow");
    let arguments = ["record", &name, "-o", file.to_str().unwrap(), "--pre-roll", "all", "--for", "10ms", "--json"];
    let (code, stdout, stderr) = Running::start(dora_shm(&arguments)).end();
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stdout.contains("\"messages\":3,\"frames\":0"), "{stdout}");
}

#[test]
fn a_recording_stops_after_its_time_and_at_its_size_with_whole_messages() {
    let (name, folder) = (Name::new("limits"), tempfile::tempdir().unwrap());
    let (short, small) = (folder.path().join("short"), folder.path().join("small"));
    let mut source = Source::float32(&name, 10_000);
    (0..1000).for_each(|_| source.write(5));
    let arguments = ["record", &name, "--pre-roll", "all", "-o"];
    let timed = dora_shm(&[&arguments[..], &[short.to_str().unwrap(), "--for", "200ms", "--json"]].concat());
    let (code, stdout, _) = Running::start(timed).end();
    assert!(code == Some(0) && stdout.contains("\"end\":\"duration\""), "{stdout}");
    assert_eq!(positions(&short).len(), 5000);
    let sized = dora_shm(&[&arguments[..], &[small.to_str().unwrap(), "--max-bytes", "100kB", "--json"]].concat());
    let (code, stdout, _) = Running::start(sized).end();
    assert!(code == Some(0) && stdout.contains("\"end\":\"size\""), "{stdout}");
    let length = fs::metadata(&small).unwrap().len();
    assert!((80_000..=100_000).contains(&length), "{length} bytes");
    let taken = positions(&small);
    assert!(taken.len().is_multiple_of(5) && taken == (0..taken.len() as u64).collect::<Vec<_>>());
}

#[test]
fn a_recorder_that_is_killed_leaves_all_but_its_last_batch() {
    let (name, folder) = (Name::new("killed"), tempfile::tempdir().unwrap());
    let mut source = Source::float32(&name, 100_000);
    for round in 0..6_u64 {
        let file = folder.path().join(round.to_string());
        let recorder = Running::start(dora_shm(&["record", &name, "-o", file.to_str().unwrap()]));
        // With large messages, a batch is written at 4 MiB: a longer file contains a whole one.
        let mut since = 0;
        wait_until("some batches are written", || {
            source.write(20_000);
            let length = fs::metadata(&file).map_or(0, |file| file.len());
            since += u64::from(length > 5_000_000);
            since > round
        });
        recorder.signal("-KILL");
        drop(recorder);
        let exported = folder.path().join(format!("{round}.npz"));
        let (code, _, stderr) =
            Running::start(dora_shm(&["export", file.to_str().unwrap(), "-o", exported.to_str().unwrap()])).end();
        assert_eq!(code, Some(0), "{stderr}");
        assert!(stderr.contains("was not finished"), "{stderr}");
        let taken = positions(&file);
        assert!(!taken.is_empty());
    }
}

#[test]
fn a_full_disk_is_an_error_and_what_was_written_can_be_read() {
    let (name, folder) = (Name::new("full"), tempfile::tempdir().unwrap());
    let mut source = Source::float32(&name, 1_200_000);
    (0..100).for_each(|_| source.write(10_000));
    let arguments = ["record", &name, "--pre-roll", "all", "-o"];
    // Nothing fits.
    let full = dora_shm(&[&arguments[..], &["/dev/full", "--force"]].concat());
    let (code, _, stderr) = Running::start(full).end();
    assert!(code == Some(1) && stderr.contains("the disk is full"), "{stderr}");
    // Some of it fits.
    let file = folder.path().join("r.arrow");
    let command = dora_shm(&[&arguments[..], &[file.to_str().unwrap()]].concat());
    let mut limited = std::process::Command::new("sh");
    let program = command.get_program().to_owned();
    limited.arg("-c").arg("ulimit -f 20000; exec \"$0\" \"$@\"").arg(program).args(command.get_args()).arg0("sh");
    let (code, _, stderr) = Running::start(limited).end();
    assert!(code == Some(1) && stderr.contains("can be read"), "{stderr}");
    let taken = positions(&file);
    assert!(!taken.is_empty() && taken == (0..taken.len() as u64).collect::<Vec<_>>());
}

#[test]
fn an_existing_file_is_kept_unless_forced_and_an_empty_recording_leaves_none() {
    let (name, folder) = (Name::new("exists"), tempfile::tempdir().unwrap());
    let file = folder.path().join("r.arrow");
    fs::write(&file, "precious").unwrap();
    let record = ["record", &name, "-o", file.to_str().unwrap()];
    let (code, _, stderr) = Running::start(dora_shm(&record)).end();
    assert!(code == Some(1) && stderr.contains("--force"), "{stderr}");
    assert_eq!(fs::read(&file).unwrap(), b"precious");
    let mut source = Source::float32(&name, 100);
    source.write(5);
    let forced = dora_shm(&[&record[..], &["--force", "--pre-roll", "all", "--for", "10ms"]].concat());
    assert_eq!(Running::start(forced).end().0, Some(0));
    assert_eq!(positions(&file), [0, 1, 2, 3, 4]);
    drop(source);

    fs::remove_file(&file).unwrap();
    let mut recorder = Running::start(dora_shm(&record));
    recorder.wait_for("waiting for it");
    recorder.signal("-TERM");
    let (code, _, stderr) = recorder.end();
    assert!(code == Some(1) && stderr.contains("nothing was recorded"), "{stderr}");
    assert!(!file.exists());
}

#[test]
fn the_recorder_waits_for_a_stream_no_longer_than_requested() {
    let (name, folder) = (Name::new("too-late"), tempfile::tempdir().unwrap());
    let file = folder.path().join("r.arrow");
    let record = ["record", &name, "-o", file.to_str().unwrap(), "--for", "10ms", "--wait"];
    let (code, _, stderr) = Running::start(dora_shm(&[&record[..], &["50ms"]].concat())).end();
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("did not come within 50.0 ms"), "{stderr}");
    assert!(!file.exists());
    // The wait does not limit the recording of a stream that exists.
    let mut source = Source::float32(&name, 100);
    source.write(5);
    let recorder = Running::start(dora_shm(&[&record[..], &["0s", "--pre-roll", "all"]].concat()));
    assert_eq!(recorder.end().0, Some(0));
    assert_eq!(positions(&file), [0, 1, 2, 3, 4]);
}

#[test]
fn lost_frames_are_reported_in_the_file_at_the_end_and_by_the_exit_code() {
    let (name, folder) = (Name::new("lost"), tempfile::tempdir().unwrap());
    let file = folder.path().join("r.arrow");
    let mut source = Source::float32(&name, 64);
    source.write(1);
    let recorder = Running::start(dora_shm(&["record", &name, "-o", file.to_str().unwrap(), "--json"]));
    wait_until("a batch is written", || {
        source.write(1);
        std::thread::sleep(Duration::from_millis(1));
        fs::metadata(&file).is_ok_and(|file| file.len() > 0)
    });
    recorder.signal("-STOP");
    // More than the ring holds.
    (0..40).for_each(|_| source.write(5));
    recorder.signal("-CONT");
    drop(source);
    let (code, stdout, stderr) = recorder.end();
    assert_eq!(code, Some(3), "{stderr}");
    assert!(stderr.contains("LOST"), "{stderr}");
    let taken = positions(&file);
    let gaps: u64 = taken.windows(2).map(|two| two[1] - two[0] - 1).sum();
    assert!(gaps > 0 && stdout.contains(&format!("\"lost\":{gaps},")), "{gaps} missing: {stdout}");
}

#[test]
fn with_follow_the_next_stream_of_the_name_is_recorded_too() {
    let (name, folder) = (Name::new("follow"), tempfile::tempdir().unwrap());
    let file = folder.path().join("r.arrow");
    let recorder =
        Running::start(dora_shm(&["record", &name, "-o", file.to_str().unwrap(), "--follow", "--json", "--force"]));
    for streams in 1..=2_usize {
        let mut source = Source::float32(&name, 100_000);
        wait_until("it has been recorded", || {
            source.write(1);
            batches(&file).iter().filter(|batches| !batches.is_empty()).count() == streams
        });
    }
    recorder.signal("-INT");
    let (code, stdout, stderr) = recorder.end();
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stdout.contains("\"generations\":2"), "{stdout}");
}

#[test]
fn a_writer_that_takes_over_from_a_killed_one_continues_in_the_same_recording() {
    let (name, folder) = (Name::new("taken-over"), tempfile::tempdir().unwrap());
    let file = folder.path().join("r.arrow");
    let start = || {
        let mut source = roles::start("source", &[&name, "1000", "5", "float32"]);
        source.expect("begins").unwrap();
        source.request_expecting("write 5", DONE).unwrap();
        source
    };
    let mut writer = start();
    let record = ["record", &name, "-o", file.to_str().unwrap(), "--pre-roll", "all", "--json"];
    let recorder = Running::start(dora_shm(&record));
    let has_some_of = |generations: usize| batches(&file).iter().filter(|of| !of.is_empty()).count() == generations;
    wait_until("the first writer is recorded", || has_some_of(1));
    writer.request_expecting("write 5", DONE).unwrap();
    writer.kill_and_wait().unwrap();
    let mut writer = start();
    wait_until("the second writer is recorded", || has_some_of(2));
    // This writer closes the stream at its end.
    writer.request_expecting("write 5", DONE).unwrap();
    writer.end_well().unwrap();
    let (code, stdout, stderr) = recorder.end();
    assert_eq!(code, Some(0), "{stderr}");
    for part in ["\"generations\":2", "\"frames\":20,\"lost\":0", "\"end\":\"closed\""] {
        assert!(stdout.contains(part), "{part} in {stdout}");
    }
    // Each counts from 0.
    assert_eq!(positions(&file), [(0..10).collect::<Vec<_>>(), (0..10).collect()].concat());
    let recorded = batches(&file);
    let of = |key: &str| -> Vec<String> {
        recorded.iter().map(|of| of[0].schema().metadata()[&format!("dora_shm.{key}")].clone()).collect()
    };
    assert_eq!((of("generation"), of("epoch")), (vec!["0".into(), "1".into()], vec!["1".into(), "2".into()]));
    assert_eq!(of("base"), ["0", "10"]);
    assert_eq!(of("stream_id")[0], of("stream_id")[1]);
}
