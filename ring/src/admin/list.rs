//! Lists all streams of the machine.

use std::collections::HashSet;
use std::io;

use crate::error::io_error;
use crate::ezmsg::{self, Listed};
use crate::layout::header;
use crate::reader::{Info, Reader, ReaderOptions};
use crate::shm;
use crate::shm::open::read_header;
use crate::stream::name::ANCHOR_SUFFIX;
use crate::stream::name::SHM_DIR;
use crate::{Error, Format, Result, shorten};

/// A stream as [`streams`] found it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum StreamInfo {
    /// A stream of this process's user or of root, with all facts that a reader reports.
    Stream(Box<Info>),
    /// Another user's stream. It is opened only if the user is named ([`ReaderOptions::owner`]).
    #[non_exhaustive]
    OtherUser {
        /// Name of the header segment; the stream's own name is inside.
        segment: String,
        /// User ID of its writer.
        owner: u32,
    },
    /// A stream of this format that cannot be read.
    #[non_exhaustive]
    Unreadable {
        /// Name of the header segment.
        segment: String,
        /// Why it cannot be read.
        reason: String,
    },
    /// A stream that ezmsg wrote. Its name is not in its header.
    #[non_exhaustive]
    Ezmsg {
        /// Name of the header segment.
        segment: String,
        /// ezmsg's struct version, 1 or 2.
        struct_version: u32,
        /// The signal's key, if it has one.
        key: Option<String>,
        /// User ID of its writer.
        owner: u32,
        /// Number of its ring; `None` before the first, or while its writer creates another.
        generation: Option<u32>,
        /// Format of that ring, if it is supported.
        format: Option<Format>,
        /// Size of that ring in bytes, if its format is supported.
        ring_bytes: Option<u64>,
        /// Frames written to that ring, as far as one snapshot shows.
        position: u64,
    },
}

impl StreamInfo {
    /// Name of the header segment, whatever the kind of stream.
    pub fn segment(&self) -> &str {
        match self {
            Self::Stream(info) => &info.segment,
            Self::OtherUser { segment, .. } | Self::Unreadable { segment, .. } | Self::Ezmsg { segment, .. } => segment,
        }
    }
}

/// All streams of the machine, sorted by the names of their segments.
///
/// # Errors
/// [`Error::Io`](crate::Error::Io) if the shared-memory folder cannot be listed.
pub fn streams() -> Result<Vec<StreamInfo>> {
    streams_of(None)
}

/// As [`streams`]. Streams of the user `owner` are opened too, if their modes permit it.
///
/// # Errors
/// As [`streams`].
pub fn streams_of(owner: Option<u32>) -> Result<Vec<StreamInfo>> {
    let names = shm::list().map_err(io_error("listing", SHM_DIR))?;
    let anchored: HashSet<&str> =
        names.iter().filter(|(_, is_anchor)| *is_anchor).map(|(name, _)| name.as_str()).collect();
    let mut found = Vec::new();
    for (segment, is_anchor) in &names {
        if *is_anchor {
            found.extend(anchored_stream(segment, owner));
        } else if !anchored.contains(segment.as_str()) {
            found.extend(ezmsg_stream(segment, owner));
        }
    }
    Ok(found)
}

/// The options with which a reader opens this user's streams. `None`: they must not be opened.
fn options_for(owner: u32, asked: Option<u32>) -> Option<ReaderOptions> {
    if owner == 0 || owner == shm::effective_user() {
        return Some(ReaderOptions::default());
    }
    (asked == Some(owner)).then(|| ReaderOptions { owner: asked, ..ReaderOptions::default() })
}

/// The stream whose header has this anchor; `None` for anchors of rings and metadata.
fn anchored_stream(segment: &str, asked: Option<u32>) -> Option<StreamInfo> {
    let anchor = format!("{segment}{ANCHOR_SUFFIX}");
    let stat = shm::stat_name(&anchor).ok()??;
    if !stat.is_file {
        return None;
    }
    let Some(options) = options_for(stat.owner, asked) else {
        // The segment cannot be opened, and only headers have this length.
        let owner = stat.owner;
        return (stat.length == header::LENGTH as u64)
            .then(|| StreamInfo::OtherUser { segment: segment.to_owned(), owner });
    };
    let unreadable = |reason: String| StreamInfo::Unreadable { segment: segment.to_owned(), reason };
    let opened = match shm::open_segment(&anchor, false) {
        Ok(opened) => opened,
        Err(error) => {
            return (stat.length == header::LENGTH as u64).then(|| unreadable(why_not_opened(segment, &error)));
        }
    };
    let header = read_header(&opened.file).ok()??;
    // Its writer is removing it, or died before it could.
    if header.is_closed() {
        return None;
    }
    let name = header.name_lossy();
    if shorten(&name) != segment {
        return Some(unreadable(format!("its header names stream {name:?}, whose segment has another name")));
    }
    let info = Reader::open(&name, options).and_then(|reader| reader.info());
    Some(match info {
        Ok(info) => StreamInfo::Stream(Box::new(info)),
        Err(error) => unreadable(error.to_string()),
    })
}

fn why_not_opened(segment: &str, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => Error::Permission { segment: segment.to_owned() }.to_string(),
        _ => format!("opening it failed: {error}"),
    }
}

fn ezmsg_stream(segment: &str, asked: Option<u32>) -> Option<StreamInfo> {
    let stat = shm::stat_name(segment).ok()??;
    if !stat.is_file || options_for(stat.owner, asked).is_none() {
        return None;
    }
    let opened = shm::open_segment(segment, false).ok()?;
    // This library's headers start with ezmsg's fields, too. Without its anchor, such a header is a leftover.
    if matches!(read_header(&opened.file), Ok(Some(_))) {
        return None;
    }
    let Listed { struct_version, key, generation, format, ring_bytes, position } = ezmsg::listed(&opened.file)?;
    let (segment, owner) = (segment.to_owned(), opened.stat.owner);
    Some(StreamInfo::Ezmsg { segment, struct_version, key, owner, generation, format, ring_bytes, position })
}
