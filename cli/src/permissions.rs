//! The permissions of a stream: who may read it.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use dora_shm_ring::SHM_DIR;

use crate::users;

/// Owner, group and mode of a stream's segments.
#[derive(Clone, Copy, Debug)]
pub struct Permissions {
    pub owner: u32,
    pub group: u32,
    pub mode: u32,
}

impl Permissions {
    /// The permissions of a header's segment, which all segments of the stream share. `None`: it has gone.
    pub fn of(segment: &str) -> Option<Self> {
        let found = Path::new(SHM_DIR).join(segment).symlink_metadata().ok()?;
        Some(Self { owner: found.uid(), group: found.gid(), mode: found.mode() & 0o777 })
    }

    /// Why another user may not read it: `user root lets no other user read it (mode 0600)`.
    pub fn refusal(&self) -> String {
        let lets = match self.mode & 0o044 {
            0 => "lets no other user read it".to_owned(),
            0o040 => format!("lets only the group {} read it", users::group(self.group)),
            _ => "lets others read it, but something else prevents it".to_owned(),
        };
        format!("user {} {lets} (mode {:04o})", users::name(self.owner), self.mode)
    }

    /// What the other user can do about it.
    pub fn remedy(&self) -> String {
        let group = match self.mode & 0o040 {
            0 => "or \"0640\" (the group)".to_owned(),
            _ => format!("join the group {}", users::group(self.group)),
        };
        let comma = if self.mode & 0o040 == 0 { "" } else { "," };
        format!(
            "have its writer started with MODE \"0644\" (everybody may read){comma} {group}, or run this as user {}",
            users::name(self.owner)
        )
    }

    /// Who may read it.
    pub fn readers(&self) -> String {
        let owner = users::name(self.owner);
        // Another user's stream is read only on request, but root's by everybody who may.
        let asking =
            if self.owner == 0 { String::new() } else { format!(" (users other than {owner} with --owner {owner})") };
        if self.mode & 0o004 != 0 {
            format!("everybody{asking}")
        } else if self.mode & 0o040 != 0 {
            format!("{owner} and the group {}{asking}", users::group(self.group))
        } else {
            format!("{owner} only")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mode_decides_who_may_read() {
        let of = |owner, mode| Permissions { owner, group: 0, mode }.readers();
        assert_eq!(
            Permissions { owner: 0, group: 0, mode: 0o600 }.refusal(),
            "user root lets no other user read it (mode 0600)"
        );
        let remedy = |mode| Permissions { owner: 0, group: 0, mode }.remedy();
        assert!(
            remedy(0o600)
                .contains("MODE \"0644\" (everybody may read) or \"0640\" (the group), or run this as user root")
        );
        let group = format!("(everybody may read), join the group {}, or run this as user root", users::group(0));
        assert!(remedy(0o640).ends_with(&group), "the group may read it already: {}", remedy(0o640));
        assert_eq!(of(0, 0o600), "root only");
        assert_eq!(of(0, 0o640), format!("root and the group {}", users::group(0)));
        assert_eq!(of(0, 0o644), "everybody");
        assert_eq!(of(1_234_567, 0o644), "everybody (users other than 1234567 with --owner 1234567)");
    }
}
