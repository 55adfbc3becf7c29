//! Segments of other users, and other users as readers.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::process::Command;

use dora_shm_ring::*;
use dora_shm_testkit::process::Process;
use dora_shm_testkit::programs::role_program;
use dora_shm_testkit::roles::{DONE, REFUSED};
use dora_shm_testkit::signal::{self, description, format};
use dora_shm_testkit::specimen::RING_FRAMES;
use dora_shm_testkit::{Name, segments};

use crate::probe::probe;
use crate::specimen::specimen;

#[test]
fn segments_of_other_users_are_read_only_if_the_user_is_named() {
    let specimen = specimen("owner");
    specimen.put().unwrap();
    let me = segments::header(&specimen.name).metadata().unwrap().uid();
    let other = me + 1;
    let named = |owner| ReaderOptions::default().owner(Some(owner)).start(Start::Oldest);
    assert!(Reader::open(&specimen.name, named(me)).is_ok());
    match Reader::open(&specimen.name, named(other)) {
        Err(error @ Error::WrongOwner { found, .. }) => {
            assert_eq!(found, me);
            assert!(error.to_string().contains("owner"));
        }
        refused => panic!("{refused:?}"),
    }
    if me != 0 {
        eprintln!("not root: segments of a real other user were not tested");
        return;
    }
    let mut frames = Frames::new();
    for path in specimen.paths() {
        specimen.put().unwrap();
        chown(&path, Some(other), None).unwrap();
        assert!(matches!(probe(&specimen.name), Some(Error::WrongOwner { .. })), "{path:?}");
        if path == segments::header(&specimen.name) {
            let refused = Writer::create(&specimen.name, WriterOptions::default());
            assert!(matches!(refused, Err(Error::WrongOwner { .. } | Error::NameTaken { .. })), "{refused:?}");
            let segment = shorten(&specimen.name);
            let listed = streams().unwrap().into_iter().any(|stream| {
                matches!(stream, StreamInfo::OtherUser { segment: found, owner, .. } if found == segment && owner == other)
            });
            assert!(listed);
            // Its ring does not belong to that user.
            assert!(matches!(Reader::open(&specimen.name, named(other)), Err(Error::WrongOwner { .. })));
            chown(segments::ring(&specimen.name, 0), Some(other), None).unwrap();
            chown(segments::metadata(&specimen.name, 1), Some(other), None).unwrap();
            let mut reader = Reader::open(&specimen.name, named(other)).unwrap();
            assert!(reader.read(&mut frames, u64::MAX).unwrap().is_data());
            assert_eq!(frames.frames(), RING_FRAMES);
            let named = streams_of(Some(other)).unwrap().into_iter().any(
                |stream| matches!(stream, StreamInfo::Stream(info) if *info.name == *specimen.name && info.owner == Some(other)),
            );
            assert!(named);
        }
    }
}

#[test]
fn the_mode_decides_which_other_users_may_read_and_none_can_write_or_remove() {
    const USER: u32 = 54321;
    const GROUP: u32 = 54322;
    if rustix::process::geteuid().as_raw() != 0 {
        eprintln!("not root: reading as another user was not tested");
        return;
    }
    // In a place from which the other user may run the program with the roles.
    let program = std::env::temp_dir().join(format!("dora-shm-ring-other-user-{}", std::process::id()));
    std::fs::copy(role_program(), &program).unwrap();
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    let allowed = [(0o600, GROUP, false), (0o640, GROUP, false), (0o640, 0, true), (0o644, GROUP, true)];
    for (mode, group, may_read) in allowed {
        let name = Name::new("mode");
        let mut writer = Writer::create(&name, WriterOptions::default().mode(mode)).unwrap();
        writer.begin(&format(8), &description(""), 1).unwrap();
        signal::write(&mut writer, 5).unwrap();
        for path in segments::of(&name) {
            assert_eq!(path.metadata().unwrap().mode() & 0o7777, mode, "{path:?}");
        }
        let start = |role: &str| {
            let mut command = Command::new(&program);
            command.uid(USER).gid(group).current_dir("/").args([role, &name]);
            Process::start(&mut command).unwrap()
        };
        let mut intruder = start("intruder");
        for attempt in 0..2 * 6 + 1 {
            assert_eq!(intruder.read_line().unwrap().as_deref(), Some(REFUSED), "attempt {attempt}");
        }
        intruder.end_well().unwrap();
        let mut reader = start("reader");
        if may_read {
            reader.request_expecting("open", DONE).unwrap();
            reader.request_expecting("read 100", "Data(5)").unwrap();
        } else {
            let answer = reader.request("open").unwrap().expect("it lives");
            assert!(answer.starts_with("failed: Permission"), "{answer}");
        }
        reader.end_well().unwrap();
    }
    std::fs::remove_file(program).unwrap();
}
