//! Files that are not segments, in the place of segments: links, folders, FIFOs, sockets, huge sparse files, files of
//! other users and of other modes. Readers must refuse them. Writers must refuse or replace them. Neither may hang or
//! crash.

use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::Path;

use dora_shm_ring::{Error, Writer, WriterOptions};
use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::segments::{self, Bytes, anchor, patch};
use crate::signal;
use crate::specimen::{Specimen, remove};

/// A user without any rights to the specimen.
pub const NOBODY: u32 = 54321;

/// A kind of impostor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names describe the variants")]
pub enum Impostor {
    Fifo,
    /// A symbolic link to the segment's anchor.
    Link,
    DanglingLink,
    Folder,
    Socket,
    Empty,
    Zeros,
    /// A sparse file of 1 TiB that ends with the last page of an intact segment.
    HugeAndSparse,
    /// An intact segment that belongs to [`NOBODY`].
    OtherUser,
    /// An intact segment without any permission.
    ModeNone,
}

impl Impostor {
    /// Every kind.
    pub const ALL: [Self; 10] = [
        Self::Fifo,
        Self::Link,
        Self::DanglingLink,
        Self::Folder,
        Self::Socket,
        Self::Empty,
        Self::Zeros,
        Self::HugeAndSparse,
        Self::OtherUser,
        Self::ModeNone,
    ];

    /// Creates the impostor under a name. Returns `false` if this user may not create it.
    ///
    /// # Errors
    /// When it cannot be created for another reason.
    pub fn impose(self, path: &Path, whole: &Bytes) -> Result<bool, String> {
        self.make(path, whole).map_err(|error| format!("{self:?} as {}: {error}", path.display()))
    }

    fn make(self, path: &Path, whole: &Bytes) -> std::io::Result<bool> {
        remove(path)?;
        match self {
            Self::Fifo => mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?,
            Self::Link => symlink(anchor(path), path)?,
            Self::DanglingLink => symlink(NOWHERE, path)?,
            Self::Folder => std::fs::create_dir(path)?,
            Self::Socket => drop(std::os::unix::net::UnixListener::bind(path)?),
            Self::Empty => std::fs::write(path, "")?,
            Self::Zeros => std::fs::write(path, vec![0; whole.0.len()])?,
            Self::HugeAndSparse => {
                let length = 1 << 40;
                std::fs::File::create(path)?.set_len(length)?;
                let tail = whole.0.len().min(4096);
                patch(path, length - tail as u64, &whole.0[whole.0.len() - tail..])?;
            }
            Self::OtherUser => {
                std::fs::write(path, &whole.0)?;
                return Ok(chown(path, Some(NOBODY), Some(NOBODY)).is_ok());
            }
            Self::ModeNone => {
                std::fs::write(path, &whole.0)?;
                std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o000))?;
            }
        }
        Ok(true)
    }
}

/// The target of a dangling link.
const NOWHERE: &str = "nothing-here";

/// The result of a probe of a stream with readers ([`probe`](crate::probe)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// All calls succeeded.
    Fine,
    /// An error about the segments: the name of its variant.
    Refused(String),
}

impl Answer {
    /// The result of a probe that ended with this error.
    pub fn of(error: Option<&Error>) -> Self {
        error.map_or(Self::Fine, |error| {
            let debug = format!("{error:?}");
            Self::Refused(debug.split([' ', '{']).next().unwrap_or_default().to_owned())
        })
    }
}

/// Puts each impostor in the place of each segment and calls `probe` each time. Returns the number of impostors.
///
/// # Errors
/// A sentence with the first impostor for which the probe had a wrong result.
pub fn check_readers(specimen: &Specimen, mut probe: impl FnMut() -> Result<Answer, String>) -> Result<u64, String> {
    let put = || specimen.put().map_err(|error| format!("putting the specimen back: {error}"));
    put()?;
    if probe()? != Answer::Fine {
        return Err("an intact stream is refused".to_owned());
    }
    let mut tried = 0;
    for (i, (path, whole)) in specimen.files().into_iter().enumerate() {
        for impostor in Impostor::ALL {
            put()?;
            if !impostor.impose(&path, whole)? {
                continue;
            }
            tried += 1;
            let answer = probe()?;
            let is_header = i == 0;
            let right = match impostor {
                Impostor::OtherUser => answer == Answer::Refused("WrongOwner".to_owned()),
                // Root may read a file of any mode.
                Impostor::ModeNone => true,
                // An empty header is one that its writer has not filled yet.
                Impostor::Empty if is_header => answer == Answer::Fine,
                _ => answer != Answer::Fine,
            };
            if !right {
                return Err(format!("{impostor:?} in place of {}: {answer:?}", path.display()));
            }
            remove(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        }
    }
    Ok(tried)
}

/// Puts each impostor where a writer creates or opens its segments: under the header's public name, under its anchor,
/// and in the place of ring and description. Returns the number of impostors.
///
/// # Errors
/// A sentence with the first impostor that a writer did not treat as it must.
pub fn check_writers(specimen: &Specimen) -> Result<u64, String> {
    let create = || Writer::create(&specimen.name, WriterOptions::default());
    let clear = |path: &Path| remove(path).map_err(|error| format!("{}: {error}", path.display()));
    let [(header, whole), (ring, whole_ring), (metadata, _)] = specimen.files();
    let mut tried = 0;
    for impostor in Impostor::ALL {
        specimen.remove().map_err(|error| format!("removing the specimen: {error}"))?;
        // Under the header's public name, which a writer must not remove: another program may use it.
        if impostor.impose(&header, whole)? {
            tried += 1;
            match create() {
                Err(error @ Error::NameTaken { .. }) if error.to_string().contains(&specimen.name) => {}
                Err(Error::WrongOwner { .. }) if impostor == Impostor::OtherUser => {}
                // An intact header of this user that no process holds is left over from a dead writer.
                Ok(_) if impostor == Impostor::ModeNone => {}
                other => return Err(format!("{impostor:?} under the public name: {other:?}")),
            }
            if anchor(&header).symlink_metadata().is_ok() {
                return Err(format!("{impostor:?} under the public name: the refused writer left its anchor behind"));
            }
            if header.symlink_metadata().is_err() && impostor != Impostor::ModeNone {
                return Err(format!("{impostor:?} under the public name was removed"));
            }
        }
        clear(&header)?;
        // Under the header's anchor, a name that only writers use. A writer replaces plain files only.
        if impostor.impose(&anchor(&header), whole)? {
            tried += 1;
            match create() {
                Ok(writer) if impostor.is_plain_file() => {
                    drop(writer);
                    if anchor(&header).symlink_metadata().is_ok() {
                        return Err(format!("{impostor:?} under the anchor: the writer closed, but left its anchor"));
                    }
                }
                Err(Error::NameTaken { .. }) if !impostor.is_plain_file() || impostor == Impostor::ModeNone => {}
                Err(Error::NameTaken { .. } | Error::WrongOwner { .. }) if impostor == Impostor::OtherUser => {}
                other => return Err(format!("{impostor:?} under the anchor: {other:?}")),
            }
        }
        clear(&header)?;
        clear(&anchor(&header))?;
        // Under the names of its ring and its description: orphans, which the writer replaces.
        for path in [ring.clone(), anchor(&ring), metadata.clone(), anchor(&metadata)] {
            if !impostor.impose(&path, whole_ring)? {
                continue;
            }
            tried += 1;
            let mut writer = create().map_err(|error| format!("{impostor:?} as {}: {error:?}", path.display()))?;
            match (impostor, writer.begin(&signal::format(8), &signal::description(""), 1)) {
                (Impostor::Folder, Err(Error::Io { .. })) => {}
                (Impostor::Folder, other) => return Err(format!("a folder as {}: {other:?}", path.display())),
                (_, Ok(())) => {}
                (_, other) => return Err(format!("{impostor:?} as {}: {other:?}", path.display())),
            }
            drop(writer);
            clear(&path)?;
        }
    }
    clear(&segments::path(NOWHERE))?;
    Ok(tried)
}

impl Impostor {
    fn is_plain_file(self) -> bool {
        matches!(self, Self::Empty | Self::Zeros | Self::HugeAndSparse | Self::ModeNone | Self::OtherUser)
    }
}
