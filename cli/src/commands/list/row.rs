//! What `list` prints about one stream.

use dora_shm_ring::{Leftover, Liveness, StreamInfo};

use crate::json_fields::Fields;
use crate::permissions::Permissions;
use crate::stream_arg::{UNKNOWN_KIND, name_of};
use crate::text::quoted;
use crate::{unwritten, users};

pub struct Row {
    pub fields: Fields,
    /// `None`: the stream cannot be read.
    pub liveness: Option<Liveness>,
    /// A sentence for stderr that does not fit into the fields.
    pub remark: Option<String>,
}

impl Row {
    pub fn of(stream: &StreamInfo, now_ns: u64) -> Self {
        match stream {
            StreamInfo::Stream(info) => {
                let remark = info.counted.as_ref().and_then(unwritten::words);
                let remark = remark.map(|words| format!("{}: messages not written: {words}", quoted(&info.name)));
                Self { fields: Fields::of(info, now_ns), liveness: Some(info.liveness), remark }
            }
            StreamInfo::OtherUser { segment, owner, .. } => {
                let owner = users::name(*owner);
                Self::unseen(
                    segment,
                    format!("{segment}: a stream of user {owner}; `dora-shm list --owner {owner}` reads it"),
                )
            }
            StreamInfo::Unreadable { segment, reason, .. } => {
                let refusal = Permissions::of(segment).filter(|of| of.owner != users::me()).map(|of| of.refusal());
                let why = refusal.unwrap_or_else(|| format!("cannot be read: {reason}"));
                Self::unseen(segment, format!("{segment}: {why}"))
            }
            StreamInfo::Ezmsg { segment, key, generation, format, ring_bytes, position, .. } => {
                let name = name_of(stream);
                let key = key.as_ref().filter(|key| !key.is_empty());
                let remark = name.is_none().then(|| {
                    let key = key.map(|key| format!(", with key {}", quoted(key))).unwrap_or_default();
                    format!("{segment}: a stream that ezmsg wrote{key}; read it by its name, which it does not contain")
                });
                let fields = Fields {
                    name: name.unwrap_or_else(|| segment.clone()),
                    bytes: *ring_bytes,
                    generation: *generation,
                    position: format.is_some().then_some(*position),
                    state: Some(Liveness::Ezmsg.name()),
                    ..Fields::of_format(format.as_ref())
                };
                Self { fields, liveness: Some(Liveness::Ezmsg), remark }
            }
            other => {
                let segment = other.segment();
                Self::unseen(segment, format!("{segment}: {UNKNOWN_KIND}"))
            }
        }
    }

    /// A stream that was closed and not removed. `None`: it was not closed, so it is among the other streams.
    pub fn of_closed(left: Leftover) -> Option<Self> {
        let name = left.stream.filter(|_| left.closed)?;
        let remark =
            format!("{}: its writer closed it and died before removing it; `dora-shm clean` removes it", quoted(&name));
        let fields = Fields { name, state: Some(Liveness::Closed.name()), ..Fields::default() };
        Some(Self { fields, liveness: Some(Liveness::Closed), remark: Some(remark) })
    }

    fn unseen(segment: &str, remark: String) -> Self {
        let fields = Fields { name: segment.to_owned(), ..Fields::default() };
        Self { fields, liveness: None, remark: Some(remark) }
    }
}
