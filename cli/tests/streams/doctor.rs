//! `dora-shm doctor`, in a private shared memory.

use std::os::unix::fs::PermissionsExt;

use dora_shm_ring::internal::unix_ns;
use dora_shm_ring::*;
use serde_json::Value;

use crate::tool::*;
use dora_shm_testkit::isolated::with_private_shm;
use dora_shm_testkit::segments;

/// The checks, as JSON, with only this folder in PATH.
fn examine(dora: &std::path::Path) -> (Option<i32>, Value) {
    let ran: Ran = tool().args(["doctor", "--json"]).env("PATH", dora).output().unwrap().into();
    let document: Value = serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {}", ran.out));
    assert_eq!(document["healthy"], ran.code == Some(0), "{}", ran.out);
    (ran.code, document["checks"].clone())
}

/// The checks that are findings.
fn findings(checks: &Value) -> Vec<String> {
    let found = checks.as_array().unwrap().iter().filter(|check| check["level"] == "finding");
    let text = |check: &Value| {
        assert!(check["advice"].is_string(), "each finding has advice: {check}");
        format!("{}: {}", check["check"].as_str().unwrap(), check["text"].as_str().unwrap())
    };
    // The test's /dev/shm does differ from that of the machine's first process.
    found.map(text).filter(|text| !text.starts_with("place: ")).collect()
}

fn is_apart(checks: &Value) -> bool {
    checks.as_array().unwrap().iter().any(|check| check["check"] == "place" && check["level"] == "finding")
}

#[test]
fn what_is_wrong_with_shared_memory_is_found() {
    with_private_shm(192, || {
        let nowhere = tempfile::tempdir().unwrap();
        let (code, checks) = examine(nowhere.path());
        assert_eq!(findings(&checks), [""; 0]);
        assert_eq!(code, Some(i32::from(is_apart(&checks))));
        let dora = checks.as_array().unwrap().iter().find(|check| check["check"] == "dora").unwrap();
        assert_eq!(dora["level"], "note", "streams can be read without dora");
        let probe = checks.as_array().unwrap().iter().find(|check| check["check"] == "probe").unwrap();
        assert_eq!(probe["text"], "memory can be reserved, and other processes see locks");

        // Another release of dora.
        let program = nowhere.path().join("dora");
        let script = |text: &str| {
            std::fs::write(&program, format!("#!/bin/sh\n{text}\n")).unwrap();
            std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
        };
        script("echo dora-cli 0.3.12");
        let (code, checks) = examine(nowhere.path());
        assert_eq!(code, Some(1));
        let found = findings(&checks);
        assert!(found.len() == 1 && found[0].contains("has version 0.3.12"), "{found:?}");
        script("echo dora-cli 1.1.0");
        assert_eq!(findings(&examine(nowhere.path()).1), [""; 0]);
        // A dora that leaves a process behind, which keeps its output open.
        script("/bin/sleep 60 & echo $! > \"$0.pid\"; echo dora-cli 1.1.0");
        let started = std::time::Instant::now();
        assert_eq!(findings(&examine(nowhere.path()).1), [""; 0]);
        let took = started.elapsed();
        let pid = std::fs::read_to_string(program.with_extension("pid")).unwrap();
        let pid = rustix::process::Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        assert!(took < dora_shm_testkit::PATIENCE, "{took:?}");
        script("echo dora-cli 1.1.0");

        // A dead writer's leftovers, until they are cleaned.
        dead("eeg");
        let found = findings(&examine(nowhere.path()).1);
        assert!(found.len() == 1 && found[0].starts_with("leftovers: dead writers left \"eeg\""), "{found:?}");
        done(&["clean"]);
        assert_eq!(findings(&examine(nowhere.path()).1), [""; 0]);

        // A header that cannot be read.
        let writer = live("liar");
        std::fs::copy(segments::header("liar"), "/dev/shm/sm_liar.anchor").unwrap();
        let found = findings(&examine(nowhere.path()).1);
        assert!(found.iter().any(|found| found.starts_with("unreadable: sm_liar")), "{found:?}");
        std::fs::remove_file("/dev/shm/sm_liar.anchor").unwrap();
        drop(writer);

        // A message from a machine whose clock is ahead.
        let mut writer = live("ahead");
        let samples = vec![0; CHANNELS * 4];
        let send_ns = unix_ns() + 3_000_000_000;
        writer.write(&Chunk { samples: &samples, times: Times::Values(&[0.0]), send_ns }).unwrap();
        let found = findings(&examine(nowhere.path()).1);
        assert!(
            found.len() == 1 && found[0].starts_with("clock: messages of stream \"ahead\" were sent 3.00 s"),
            "{found:?}"
        );
        drop(writer);

        // No room for a second ring of the longest stream.
        let mut writer = Writer::create("long", WriterOptions::default()).unwrap();
        writer.begin(&Format::new(Dtype::U8, &[1 << 20], 10.0, 110).unwrap(), &Description::default(), 1).unwrap();
        let found = findings(&examine(nowhere.path()).1);
        assert!(found.len() == 1 && found[0].contains("the next ring does not fit"), "{found:?}");
        drop(writer);

        // A folder in which every user can remove the files of others.
        std::fs::set_permissions("/dev/shm", PermissionsExt::from_mode(0o777)).unwrap();
        let found = findings(&examine(nowhere.path()).1);
        assert!(found.len() == 1 && found[0].contains("sticky"), "{found:?}");
    });
}

#[test]
fn a_read_only_mount_is_one_finding_and_a_missing_folder_is_named() {
    with_private_shm(16, || {
        let nowhere = tempfile::tempdir().unwrap();
        let mount = |arguments: &[&str]| {
            assert!(std::process::Command::new("mount").args(arguments).status().unwrap().success(), "{arguments:?}");
        };
        mount(&["-o", "remount,ro", "/dev/shm"]);
        let found = findings(&examine(nowhere.path()).1);
        assert!(found.len() == 1 && found[0].starts_with("mount: /dev/shm is mounted read-only"), "{found:?}");

        mount(&["-t", "tmpfs", "tmpfs", "/dev"]);
        std::fs::write("/dev/null", "").unwrap();
        let found = findings(&examine(nowhere.path()).1);
        assert!(found[0].starts_with("folder: /dev/shm cannot be used: No such file"), "{found:?}");
        assert!(found[1].starts_with("streams: ") && found[1].contains("failed: No such file"), "{found:?}");
        for command in ["list", "clean"] {
            let error = failed(&[command]);
            assert!(error.contains("No such file") && error.contains("`dora-shm doctor`"), "{error}");
        }
    });
}

#[test]
fn the_report_has_advice_below_each_finding() {
    with_private_shm(192, || {
        dead("eeg");
        let ran = run(&["doctor"]);
        assert_eq!(ran.code, Some(1));
        let after = ran.out.lines().skip_while(|line| !line.starts_with("finding  leftovers")).nth(1).unwrap();
        assert!(after.trim_start().starts_with("-> `dora-shm clean`"), "{}", ran.out);
        assert!(ran.err.ends_with("finding\n") || ran.err.ends_with("findings\n"), "{}", ran.err);
    });
}

#[test]
fn limits_that_are_too_low_are_found() {
    let name = dora_shm_testkit::Name::new("doctor/limits");
    let mut writer = live(&name);
    write(&mut writer, 1);
    let script = r#"ulimit -n 40 && exec "$0" doctor --json"#;
    let mut shell = std::process::Command::new("sh");
    let ran: Ran = shell.args(["-c", script, env!("CARGO_BIN_EXE_dora-shm")]).output().unwrap().into();
    let checks: Value = serde_json::from_str::<Value>(&ran.out).unwrap()["checks"].clone();
    assert!(findings(&checks).contains(&"limits: only 40 open files (RLIMIT_NOFILE)".to_owned()), "{}", ran.out);
}

#[test]
fn a_writer_that_refuses_messages_is_a_finding() {
    with_private_shm(64, || {
        let nowhere = tempfile::tempdir().unwrap();
        let mut writer = live("doctor/refused");
        writer.count_dropped(4);
        let (_, checks) = examine(nowhere.path());
        assert_eq!(findings(&checks), [""; 0]);
        let text = |checks: &Value| {
            let check = checks.as_array().unwrap().iter().find(|check| check["check"] == "unwritten");
            check.map(|check| check["text"].as_str().unwrap().to_owned())
        };
        let began = "\"doctor/refused\": messages not written since its writer began: ";
        let dropped = "4 dropped by the queue of the writer's input";
        assert_eq!(text(&checks).unwrap(), format!("{began}{dropped}"));
        writer.count_refused(3);
        let (code, checks) = examine(nowhere.path());
        assert_eq!(code, Some(1));
        assert_eq!(findings(&checks), [format!("unwritten: {began}3 refused, {dropped}")]);
    });
}
