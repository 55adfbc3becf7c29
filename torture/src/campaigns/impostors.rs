//! What is no segment in the place of one: links, folders, FIFOs, sockets, huge and sparse files, files of other users and
//! of other modes. Part of the campaign `hostile`.

use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use dora_shm_ring::{Error, Frames, Message, MessageReader, Reader, Writer, WriterOptions, streams};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::{Gid, Uid};

use crate::actor::Actor;
use crate::follower::oldest;
use crate::roles::{Role, is_about_segments, listen};
use crate::scene::{Outcome, Scene};
use crate::segments::{self, Bytes, anchor, patch};
use crate::signal;
use crate::tally::tell;

/// Somebody without any rights here.
const NOBODY: u32 = 54321;

/// Longest time that an answer may take.
const ANSWER: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Impostor {
    Fifo,
    Link,
    DanglingLink,
    Folder,
    Socket,
    Empty,
    Zeros,
    HugeAndSparse,
    OtherUser,
    ModeNone,
}

const IMPOSTORS: [Impostor; 10] = [
    Impostor::Fifo,
    Impostor::Link,
    Impostor::DanglingLink,
    Impostor::Folder,
    Impostor::Socket,
    Impostor::Empty,
    Impostor::Zeros,
    Impostor::HugeAndSparse,
    Impostor::OtherUser,
    Impostor::ModeNone,
];

/// A stream that was written, as the files that it consists of.
struct Specimen {
    name: String,
    files: [(PathBuf, Bytes); 3],
}

impl Specimen {
    fn new(name: &str) -> Result<Self, String> {
        let told = |error| format!("the specimen: {error:?}");
        let mut writer = Writer::create(name, WriterOptions::default()).map_err(told)?;
        writer.begin(&signal::format(4, 32), &signal::description("specimen"), 8).map_err(told)?;
        for frames in [8, 8, 0, 8, 8, 8] {
            signal::write(&mut writer, frames).map_err(told)?;
        }
        let paths = [segments::header(name), segments::ring(name, 0), segments::metadata(name, 1)];
        let file = |path: PathBuf| Bytes::of(&path).map(|bytes| (path, bytes)).ok_or("a segment is missing");
        let [header, ring, metadata] = paths.map(file);
        Ok(Self { name: name.to_owned(), files: [header?, ring?, metadata?] })
    }

    /// Puts the stream where it was: one whose writer is dead.
    fn put(&self) -> Outcome {
        for (path, bytes) in &self.files {
            remove(path);
            remove(&anchor(path));
            let told = |error: std::io::Error| format!("{}: {error}", path.display());
            std::fs::write(path, &bytes.0).map_err(told)?;
            std::fs::set_permissions(path, PermissionsExt::from_mode(0o600)).map_err(told)?;
            std::fs::hard_link(path, anchor(path)).map_err(told)?;
        }
        Ok(())
    }

    fn remove(&self) {
        self.files.iter().for_each(|(path, _)| {
            remove(path);
            remove(&anchor(path));
        });
    }
}

fn remove(path: &Path) {
    let _ = match path.symlink_metadata() {
        Ok(found) if found.is_dir() => std::fs::remove_dir(path),
        Ok(_) => std::fs::remove_file(path),
        Err(_) => Ok(()),
    };
}

/// Puts an impostor under a name. `false`: this machine does not let us.
fn impose(impostor: Impostor, path: &Path, whole: &Bytes) -> Result<bool, String> {
    remove(path);
    let told = |error: std::io::Error| format!("{impostor:?} as {}: {error}", path.display());
    match impostor {
        Impostor::Fifo => {
            mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).map_err(|errno| told(errno.into()))?
        }
        Impostor::Link => symlink(anchor(path), path).map_err(told)?,
        Impostor::DanglingLink => symlink("nothing-here", path).map_err(told)?,
        Impostor::Folder => std::fs::create_dir(path).map_err(told)?,
        Impostor::Socket => drop(std::os::unix::net::UnixListener::bind(path).map_err(told)?),
        Impostor::Empty => std::fs::write(path, "").map_err(told)?,
        Impostor::Zeros => std::fs::write(path, vec![0; whole.0.len()]).map_err(told)?,
        Impostor::HugeAndSparse => {
            // Its last page is that of a good segment, so that all that it says fits.
            let file = std::fs::File::create(path).map_err(told)?;
            let length = 1 << 40;
            file.set_len(length).map_err(told)?;
            let tail = whole.0.len().min(4096);
            patch(path, length - tail as u64, &whole.0[whole.0.len() - tail..])?;
        }
        Impostor::OtherUser => {
            std::fs::write(path, &whole.0).map_err(told)?;
            return Ok(chown(path, Some(NOBODY), Some(NOBODY)).is_ok());
        }
        Impostor::ModeNone => {
            std::fs::write(path, &whole.0).map_err(told)?;
            std::fs::set_permissions(path, PermissionsExt::from_mode(0o000)).map_err(told)?;
        }
    }
    Ok(true)
}

pub fn run(scene: &Scene) -> Outcome {
    let specimen = Specimen::new(&format!("{}/specimen", scene.name))?;
    let done = probe_readers(scene, &specimen).and_then(|()| probe_writers(scene, &specimen));
    specimen.remove();
    remove(&segments::path("nothing-here"));
    done
}

/// Asks a prober, which must answer in time and must not crash.
fn ask(prober: &mut Actor, line: &str) -> Result<String, String> {
    let started = Instant::now();
    prober.say(line);
    let answer = prober.hear()?.ok_or("a reader crashed")?;
    if started.elapsed() > ANSWER {
        return Err(format!("the answer {answer:?} took {:?}", started.elapsed()));
    }
    Ok(answer)
}

fn probe_readers(scene: &Scene, specimen: &Specimen) -> Outcome {
    let mut prober = scene.actor(Role::Prober, &[&specimen.name])?;
    specimen.put()?;
    let answer = ask(&mut prober, "probe")?;
    if answer != "fine" {
        return Err(format!("an intact stream: {answer}"));
    }
    for (i, (path, whole)) in specimen.files.iter().enumerate() {
        for impostor in IMPOSTORS {
            specimen.put()?;
            if !impose(impostor, path, whole)? {
                continue;
            }
            scene.tally.fault();
            let answer = ask(&mut prober, "probe")?;
            // An empty header is one that is not ready; root may read whatever the mode.
            let harmless = i == 0 && impostor == Impostor::Empty || impostor == Impostor::ModeNone;
            let refused = match impostor {
                Impostor::OtherUser => answer == "refused: WrongOwner",
                _ => answer.starts_with("refused: "),
            };
            if !(refused || harmless && answer == "fine") {
                return Err(format!("{impostor:?} in place of {}: {answer}", path.display()));
            }
            remove(path);
        }
    }
    // Who is nobody may read what is everybody's, if he names its owner, and nothing else.
    if ask(&mut prober, "become nobody")? == "done" {
        for (mode, expected) in [(0o600, "refused: Permission"), (0o640, "refused: Permission"), (0o644, "fine")] {
            specimen.put()?;
            for (path, _) in &specimen.files {
                let told = |error: std::io::Error| format!("{}: {error}", path.display());
                std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).map_err(told)?;
            }
            scene.tally.fault();
            let answer = ask(&mut prober, "probe")?;
            if answer != expected {
                return Err(format!("mode {mode:o}, as somebody else: {answer}, expected {expected}"));
            }
        }
    } else {
        scene.tally.note("no other user here: reading as somebody else was not tried".to_owned());
    }
    prober.end_well()
}

fn probe_writers(scene: &Scene, specimen: &Specimen) -> Outcome {
    let create = || Writer::create(&specimen.name, WriterOptions::default());
    let [(header, whole), (ring, whole_ring), (metadata, _)] = &specimen.files;
    for impostor in IMPOSTORS {
        specimen.remove();
        // Under the header's public name, which we must not remove: somebody may use it.
        if impose(impostor, header, whole)? {
            scene.tally.fault();
            match create() {
                Err(Error::NameTaken { .. } | Error::WrongOwner { .. }) => {}
                // A whole header of our own that nobody holds is an old leftover.
                Ok(_) if impostor == Impostor::ModeNone => {}
                other => return Err(format!("{impostor:?} under the public name: {other:?}")),
            }
            if anchor(header).symlink_metadata().is_ok() {
                return Err(format!("{impostor:?} under the public name: the refused writer left its anchor"));
            }
        }
        remove(header);
        // Under the header's anchor.
        if impose(impostor, &anchor(header), whole)? {
            scene.tally.fault();
            match create() {
                Ok(_) | Err(Error::NameTaken { .. } | Error::WrongOwner { .. }) => {}
                other => return Err(format!("{impostor:?} under the anchor: {other:?}")),
            }
        }
        remove(header);
        remove(&anchor(header));
        // Where its ring and its description will be: orphans, which go.
        for path in [ring.clone(), anchor(ring), metadata.clone(), anchor(metadata)] {
            if !impose(impostor, &path, whole_ring)? {
                continue;
            }
            scene.tally.fault();
            let mut writer = create().map_err(|error| format!("{impostor:?} as {}: {error:?}", path.display()))?;
            match writer.begin(&signal::format(4, 8), &signal::description(""), 1) {
                Ok(()) => {}
                Err(Error::Io { .. }) if impostor == Impostor::Folder => {}
                other => return Err(format!("{impostor:?} as {}: {other:?}", path.display())),
            }
            drop(writer);
            remove(&path);
        }
    }
    Ok(())
}

/// The role that probes what stands under a name.
pub fn prober(name: &str) -> eyre::Result<()> {
    let mut owner = None;
    while let Some(line) = listen() {
        let answer = match line.as_str() {
            "become nobody" => {
                let nobody = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
                // Of this thread alone, which is the one that reads.
                let became = rustix::thread::set_thread_groups(&[])
                    .and_then(|()| rustix::thread::set_thread_res_gid(nobody.1, nobody.1, nobody.1))
                    .and_then(|()| rustix::thread::set_thread_res_uid(nobody.0, nobody.0, nobody.0));
                owner = Some(0);
                if became.is_ok() { "done".to_owned() } else { "not allowed".to_owned() }
            }
            _ => match probe(name, owner) {
                Ok(()) => "fine".to_owned(),
                Err(error) if is_about_segments(&error) => {
                    let debug = format!("{error:?}");
                    format!("refused: {}", debug.split([' ', '{']).next().unwrap_or_default())
                }
                Err(error) => format!("error: {error:?}"),
            },
        };
        tell(&answer);
    }
    Ok(())
}

fn probe(name: &str, owner: Option<u32>) -> dora_shm_ring::Result<()> {
    let _ = streams()?;
    let options = || oldest().owner(owner);
    let mut reader = Reader::open(name, options())?;
    let mut frames = Frames::new();
    reader.wait(Duration::ZERO)?;
    reader.read(&mut frames, u64::MAX)?;
    reader.latest(3, &mut frames)?;
    reader.info()?;
    let mut reader = MessageReader::open(name, options())?;
    reader.wait(Duration::ZERO)?;
    reader.next(&mut Message::new())?;
    reader.info().map(|_| ())
}
