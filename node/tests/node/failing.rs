//! A sink that cannot work: what it does until it can.

use std::process::Command;

use dora_shm_testkit::process::Process;
use dora_shm_testkit::segments::Obstacle;

use super::*;

/// A sink that must have failed, for a reason that contains `reason`.
fn failed(settings: &[(&str, &str)], reason: &str) -> Opened {
    let own = settings.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect();
    let opened = Opened::open(&surroundings(NodeEnv { own, ..NodeEnv::default() }));
    let failure = opened.started.failure().expect("a failure");
    assert!(failure.contains(reason), "{failure}");
    opened
}

/// Runs a sink that has failed on messages for a long time, and stops it when a reader of `name` has seen the stream.
/// Returns the sink's last status.
fn recovers(name: &str, opened: Opened, first: Vec<IncomingEvent>) -> Value {
    let stopper = Stopper::default();
    let mut reader = MessageReader::open(name, ReaderOptions::default()).unwrap();
    let signalled = stopper.clone();
    let reading = std::thread::spawn(move || {
        let (mut message, end) = (Message::new(), Instant::now() + PATIENCE);
        while !matches!(reader.next(&mut message).unwrap(), Outcome::Data(_)) {
            assert!(Instant::now() < end, "no message came");
            reader.wait(Duration::from_millis(200)).unwrap();
        }
        signalled.stop();
    });
    let events = first.into_iter().chain((0..4000).map(|i| signal(10 * i, 10)));
    let (ended, outputs) = play_until(opened, events.collect(), stopper);
    ended.unwrap();
    reading.join().unwrap();
    last_status(&outputs)
}

fn check_recovered(status: &Value, name: &str) {
    assert_eq!((&status["state"], &status["stream"]), (&json!("closed"), &json!(name)));
    assert_eq!(status["error"], Value::Null);
    assert!(status["refused"].as_u64().unwrap() > 0, "the messages before are counted as refused: {status}");
    assert!(status["chunks"].as_u64().unwrap() > 0, "{status}");
}

#[test]
fn a_sink_with_wrong_settings_takes_and_counts_its_messages_reports_why_and_fails_at_its_end() {
    let name = stream_name("wrong");
    let opened = failed(&[("SHMEM_NAME", &name), ("BUFDUR", "2")], "nearest known key is BUF_DUR");
    let (ended, outputs) = play(opened, (0..20).map(|i| signal(10 * i, 10)).collect());
    let error = format!("{:#}", ended.unwrap_err());
    assert!(error.contains("has not recovered") && error.contains("BUFDUR"), "{error}");
    let status = last_status(&outputs);
    assert_eq!((&status["state"], &status["refused"]), (&json!("failed"), &json!(20)));
    assert_eq!(status["stream"], json!(name), "what is wrong is not the name");
    assert!(status["error"].as_str().unwrap().contains("BUFDUR"), "{status}");
}

#[test]
fn a_sink_whose_settings_do_not_name_its_stream_for_certain_reports_none() {
    let name = stream_name("uncertain");
    let (ended, outputs) = play(failed(&[("SHMEM_NAM", &name)], "SHMEM_NAM"), vec![signal(0, 10)]);
    assert!(ended.is_err());
    assert_eq!(last_status(&outputs)["stream"], json!(""));

    let (ended, outputs) = play(failed(&[("BUFDUR", "2")], "BUFDUR"), vec![signal(0, 10)]);
    assert!(ended.is_err());
    assert_eq!(last_status(&outputs)["stream"], json!("test:test-node"), "the fresh name, which is not in doubt");
}

#[test]
fn a_settings_document_corrects_wrong_settings_and_a_wrong_document_does_not() {
    let name = stream_name("corrected");
    let opened = failed(&[("SHMEM_NAM", &name), ("BUF_DUR", "two")], "BUF_DUR");
    let documents = ["buf_dur: three", "{buf_dur: 3, axes: x}", &format!("{{shmem_name: {name}, buf_dur: 3}}")];
    let settings = |document: &str| input("settings", json!([document]), "Utf8", &[]);
    let first = std::iter::once(signal(0, 10)).chain(documents.map(settings)).collect();
    check_recovered(&recovers(&name, opened, first), &name);
}

#[test]
fn a_stream_that_a_live_writer_has_is_written_once_it_is_free() {
    let name = stream_name("taken");
    let writer = Writer::create(&name, WriterOptions::default()).unwrap();
    let opened = failed(&[("SHMEM_NAME", &name)], "already has a live writer");
    writer.close();
    check_recovered(&recovers(&name, opened, vec![signal(0, 10)]), &name);
}

#[test]
fn another_name_helps_a_sink_whose_stream_a_live_writer_keeps() {
    let (taken, free) = (stream_name("kept"), stream_name("free"));
    let writer = Writer::create(&taken, WriterOptions::default()).unwrap();
    let opened = failed(&[("SHMEM_NAME", &taken)], "live writer");
    let document = input("settings", json!([format!("shmem_name: {free}")]), "Utf8", &[]);
    check_recovered(&recovers(&free, opened, vec![signal(0, 10), document]), &free);
    writer.close();
}

#[test]
fn a_header_that_cannot_be_made_is_made_once_that_is_possible() {
    let name = stream_name("no-header");
    let obstacle = Obstacle::to_header_of(&name);
    let opened = failed(&[("SHMEM_NAME", &name)], "taken by something else");
    drop(obstacle);
    check_recovered(&recovers(&name, opened, vec![signal(0, 10)]), &name);
}

#[test]
fn the_end_of_a_sink_that_has_failed_does_not_wait_for_a_stream_that_is_not_free() {
    const HOLD: &str = "import fcntl, sys
file = open(sys.argv[1], 'w+')
fcntl.lockf(file, fcntl.LOCK_SH)
print('locked', flush=True)
input()";
    try_until_it_holds(|attempt| {
        let name = stream_name(&format!("locked-{attempt}"));
        let anchor = segments::anchor(&segments::header(&name));
        let mut holder = Process::start(Command::new("python3").args(["-c", HOLD]).arg(&anchor)).unwrap();
        assert_eq!(holder.read_line().unwrap().as_deref(), Some("locked"));
        let opened = failed(&[("SHMEM_NAME", &name)], "read lock");
        let began = Instant::now();
        // Half a second after the next attempt has begun.
        let (ended, _) = play_at(opened, vec![(1.5, IncomingEvent::Stop)], Stopper::default());
        assert!(ended.is_err());
        std::fs::remove_file(&anchor).unwrap();
        // A busy machine may need any time for one try, but an attempt that waits always takes two seconds.
        began.elapsed() < Duration::from_millis(2500)
    });
}

#[test]
fn a_signal_ends_a_sink_that_has_failed() {
    let opened = failed(&[("BUFDUR", "2")], "BUFDUR");
    let stopper = Stopper::default();
    stopper.stop();
    let (ended, outputs) = play_until(opened, (0..10_000).map(|i| signal(i, 1)).collect(), stopper);
    assert!(ended.unwrap_err().to_string().contains("has not recovered"));
    assert_eq!(last_status(&outputs)["state"], json!("failed"));
}
