//! Segments of other users, and other users as readers.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::process::Command;

use dora_shm_ring::*;

use crate::common::Name;
use crate::common::process::{Actor, argument, tell};
use crate::common::segments;
use crate::common::signal::{self, description, format};
use crate::probe::probe;
use crate::specimen::{RING_FRAMES, Specimen};

#[test]
fn segments_of_other_users_are_read_only_when_the_user_is_named() {
    let specimen = Specimen::new("owner");
    specimen.put();
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
        eprintln!("not root: segments that really belong to another user were not tried");
        return;
    }
    let mut frames = Frames::new();
    for path in specimen.paths() {
        specimen.put();
        chown(&path, Some(other), None).unwrap();
        assert!(matches!(probe(&specimen.name), Some(Error::WrongOwner { .. })), "{path:?}");
        if path == segments::header(&specimen.name) {
            let refused = Writer::create(&specimen.name, WriterOptions::default());
            assert!(matches!(refused, Err(Error::WrongOwner { .. } | Error::NameTaken { .. })), "{refused:?}");
            let segment = shorten(&specimen.name);
            let listed = streams().unwrap().into_iter().any(|stream| {
                matches!(stream, StreamInfo::OtherUser { segment: found, owner } if found == segment && owner == other)
            });
            assert!(listed);
            // Its ring is not that user's.
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

/// Reads root's stream as somebody else, whom the mode allows it or not; nothing allows him to write or remove it.
#[test]
#[ignore = "a role: a reader who is another user"]
fn the_other_user() {
    let Some(name) = argument() else { return };
    let mut frames = Frames::new();
    let options = ReaderOptions::default().start(Start::Oldest);
    for path in segments::of(&name) {
        let refused = [std::fs::OpenOptions::new().write(true).open(&path).err(), std::fs::remove_file(&path).err()];
        let refused = refused.map(|error| error.map(|error| error.kind()));
        assert_eq!(refused, [Some(std::io::ErrorKind::PermissionDenied); 2], "{path:?}");
    }
    assert!(Writer::create(&name, WriterOptions::default()).is_err());
    let read = Reader::open(&name, options).and_then(|mut reader| reader.read(&mut frames, u64::MAX));
    tell(&match read {
        Ok(outcome) => format!("{outcome:?}"),
        Err(Error::Permission { .. }) => "Permission".to_owned(),
        Err(error) => format!("{error:?}"),
    });
}

#[test]
fn the_mode_decides_which_other_users_may_read_and_none_can_write_or_remove() {
    use std::os::unix::process::CommandExt;
    const USER: u32 = 54321;
    const GROUP: u32 = 54322;
    if rustix::process::geteuid().as_raw() != 0 {
        eprintln!("not root: reading as another user was not tried");
        return;
    }
    // Where the other user may run it, wherever this program lives.
    let program = std::env::temp_dir().join(format!("dora-shm-ring-other-user-{}", std::process::id()));
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    for (mode, group, expected) in
        [(0o600, GROUP, "Permission"), (0o640, GROUP, "Permission"), (0o640, 0, "Data(5)"), (0o644, GROUP, "Data(5)")]
    {
        let name = Name::new("mode");
        let mut writer = Writer::create(&name, WriterOptions::default().mode(mode)).unwrap();
        writer.begin(&format(8), &description(""), 1).unwrap();
        signal::write(&mut writer, 5);
        for path in segments::of(&name) {
            assert_eq!(path.metadata().unwrap().mode() & 0o7777, mode, "{path:?}");
        }
        let mut command = Command::new(&program);
        command.uid(USER).gid(group).current_dir("/");
        let mut reader = Actor::start_by(command, "owners::the_other_user", &name, &[]);
        reader.expect(expected);
        reader.end_well();
    }
    std::fs::remove_file(program).unwrap();
}
