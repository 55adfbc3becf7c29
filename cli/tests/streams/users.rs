//! Streams of other users, and our own streams as other users see them. Only root can create them.

use std::os::unix::fs::{PermissionsExt, chown};
use std::process::Command;

use dora_shm_ring::*;
use serde_json::{Value, json};

use crate::list::row;
use crate::tool::*;
use dora_shm_testkit::isolated::with_private_shm;
use dora_shm_testkit::{Name, segments};

const OTHER: u32 = 54321;
const NOBODY: &str = "65534";

fn is_root() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        eprintln!("not root: nothing was tested with other users");
    }
    is_root
}

#[test]
fn another_users_stream_is_a_row_and_is_read_if_its_owner_is_named() {
    if !is_root() {
        return;
    }
    let name = Name::new("users/other");
    let mut writer = live(&name);
    write(&mut writer, 3);
    for path in segments::of(&name) {
        chown(path, Some(OTHER), None).unwrap();
    }
    let segment = shorten(&name);
    let found = row(&segment, &["list", "--json"]);
    assert_eq!((&found["state"], &found["position"]), (&Value::Null, &Value::Null));
    assert!(done(&["list"]).err.contains(&format!("{segment}: a stream of user {OTHER}")));
    let found = row(&name, &["list", "--json", "--owner", &OTHER.to_string()]);
    assert_eq!((&found["state"], &found["position"]), (&json!("live"), &json!(3)));

    let error = failed(&["info", &name]);
    assert!(error.contains(&format!("belongs to user {OTHER}, and you are root")), "{error}");
    assert!(error.contains(&format!("--owner {OTHER}")), "{error}");
    assert!(failed(&["info", "--owner", "54322", &name]).contains(&format!("belongs to user {OTHER}, not to 54322")));
    assert!(failed(&["info", &segment]).contains(&format!("dora-shm list --owner {OTHER}")));
    assert_eq!(json(&["info", "--json", "--owner", &OTHER.to_string(), &name])["owner_uid"], OTHER);
    assert!(failed(&["watch", &name]).contains("--owner"));
}

#[test]
fn the_error_without_access_to_shared_memory_does_not_blame_a_writer() {
    if !is_root() {
        return;
    }
    with_private_shm(16, || {
        std::fs::set_permissions("/dev/shm", PermissionsExt::from_mode(0o700)).unwrap();
        let ran = as_nobody(&["info", "eeg"]);
        assert_eq!(ran.code, Some(1));
        assert!(ran.err.contains("you are nobody and may not access /dev/shm"), "{}", ran.err);
        assert!(ran.err.contains("dora-shm doctor") && !ran.err.contains("MODE"), "{}", ran.err);
        let ran = as_nobody(&["doctor"]);
        assert_eq!(ran.code, Some(1));
        assert!(ran.out.contains("mode 0700: you may neither create streams nor see any"), "{}", ran.out);
        assert!(ran.out.contains("listing /dev/shm failed: Permission denied"), "{}", ran.out);
    });
}

/// The tool as another user would run it.
fn as_nobody(arguments: &[&str]) -> Ran {
    // Other users may not be able to read the folder where it was built.
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let copy = folder.path().join("dora-shm");
    std::fs::copy(env!("CARGO_BIN_EXE_dora-shm"), &copy).unwrap();
    std::fs::set_permissions(&copy, PermissionsExt::from_mode(0o755)).unwrap();
    let mut command = Command::new("setpriv");
    command.args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", "--"]).arg(copy).args(arguments);
    command.output().unwrap().into()
}

#[test]
fn the_error_for_a_stream_that_may_not_be_read_gives_the_reason() {
    if !is_root() {
        return;
    }
    let name = Name::new("users/private");
    let writer = live(&name);
    for command in ["info", "watch"] {
        let ran = as_nobody(&[command, &name]);
        assert_eq!(ran.code, Some(1));
        for expected in ["may not read stream", "user root lets no other user read it (mode 0600)", "MODE \"0644\""] {
            assert!(ran.err.contains(expected), "{expected} in {}", ran.err);
        }
    }
    let ran = as_nobody(&["list", "--json"]);
    let rows: Value = serde_json::from_str(&ran.out).unwrap();
    let segment = shorten(&name);
    let found = rows.as_array().unwrap().iter().find(|row| row["name"] == segment).unwrap();
    assert_eq!(found["state"], Value::Null);
    assert!(ran.err.contains(&format!("{segment}: user root lets no other user read it (mode 0600)")), "{}", ran.err);
    let ran = as_nobody(&["doctor"]);
    assert!(ran.out.contains("note     others      user root has "), "{}", ran.out);
    drop(writer);

    let group = Name::new("users/group");
    let _group = live_as(&group, WriterOptions::default().mode(0o640));
    let ran = as_nobody(&["info", &group]);
    assert!(ran.err.contains("(everybody may read), join the group root, or run"), "{}", ran.err);
    assert!(!ran.err.contains("\"0640\""), "it has that mode: {}", ran.err);

    let everybody = Name::new("users/public");
    let _writer = live_as(&everybody, WriterOptions::default().mode(0o644));
    let ran = as_nobody(&["info", &everybody]);
    assert_eq!(ran.code, Some(0), "root's streams are read without naming root: {}", ran.err);
    assert!(ran.out.contains("everybody, mode 0644"), "{}", ran.out);
}
