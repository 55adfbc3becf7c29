//! The shared-memory folder: whether it exists, is memory, may be used, and supports what the protocol needs.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use dora_shm_ring::SHM_DIR;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use rustix::fs::{Access, FallocateFlags, Mode, OFlags};

use super::check::Check;
use crate::{units, users};

pub fn examine() -> Vec<Check> {
    let metadata = match std::fs::metadata(SHM_DIR) {
        Ok(metadata) if metadata.is_dir() => metadata,
        Ok(_) => return vec![Check::finding("folder", format!("{SHM_DIR} is not a folder"), MOUNT)],
        Err(error) => return vec![Check::finding("folder", format!("{SHM_DIR} cannot be used: {error}"), MOUNT)],
    };
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let real = std::fs::canonicalize(SHM_DIR).unwrap_or_else(|_| SHM_DIR.into());
    let mut found = vec![mount(&mounts, &real)];
    let may = |what| rustix::fs::access(SHM_DIR, what | Access::EXEC_OK);
    let may_write = may(Access::WRITE_OK);
    if may_write == Err(rustix::io::Errno::ROFS) {
        // The check of the mount reports that, and permissions cannot change it.
        return found;
    }
    let (may_write, may_read) = (may_write.is_ok(), may(Access::READ_OK).is_ok());
    found.push(permissions(metadata.mode() & 0o7777, &users::name(metadata.uid()), may_write, may_read));
    if may_write {
        found.push(probe());
    }
    found
}

const MOUNT: &str = "mount a memory file system there: `mount -t tmpfs -o mode=1777 tmpfs /dev/shm`";

/// Checks what is mounted at the folder `real`, by the lines of /proc/self/mountinfo.
fn mount(mounts: &str, real: &Path) -> Check {
    const CHECK: &str = "mount";
    // If two mounts are at one place, the later one covers the earlier one.
    let of = mounts.lines().filter_map(Mount::parse).filter(|mount| real.starts_with(&mount.point));
    let Some(mount) = of.max_by_key(|mount| mount.point.len()) else {
        return Check::note(CHECK, "the system does not show what is mounted", "mount /proc");
    };
    let (point, kind, options) = (&mount.point, mount.kind, mount.options);
    if options.split(',').any(|option| option == "ro") {
        return Check::finding(
            CHECK,
            format!("{point} is mounted read-only: no stream can be created here"),
            "mount it read-write: `mount -o remount,rw /dev/shm`; in a container, do not run with --read-only, or add --tmpfs /dev/shm",
        );
    }
    if !matches!(kind, "tmpfs" | "ramfs" | "hugetlbfs") {
        return Check::finding(
            CHECK,
            format!(
                "{SHM_DIR} is on a {kind} file system (mounted at {point}), which is not memory: it is slow, and streams would outlive a restart of the machine"
            ),
            MOUNT,
        );
    }
    Check::ok(CHECK, format!("{kind} at {point} ({options})"))
}

struct Mount<'a> {
    point: String,
    options: &'a str,
    kind: &'a str,
}

impl<'a> Mount<'a> {
    /// A line: id, parent, device, root, mount point, options, further fields, `-`, type, source, options.
    fn parse(line: &'a str) -> Option<Self> {
        let (mount, system) = line.split_once(" - ")?;
        let mut fields = mount.split(' ').skip(4);
        let point = fields.next()?.replace("\\040", " ");
        Some(Self { point, options: fields.next()?, kind: system.split(' ').next()? })
    }
}

fn permissions(mode: u32, owner: &str, may_write: bool, may_read: bool) -> Check {
    const CHECK: &str = "access";
    let state = format!("{SHM_DIR} belongs to {owner}, mode {mode:04o}");
    if !may_write {
        let may = if may_read {
            "not create streams, only read those of others"
        } else {
            "neither create streams nor see any"
        };
        return Check::finding(CHECK, format!("{state}: you may {may}"), "`chmod 1777 /dev/shm`, as root");
    }
    if mode & 0o002 != 0 && mode & 0o1000 == 0 {
        return Check::finding(
            CHECK,
            format!("{state}: without the sticky bit, every user can remove your streams' names"),
            "`chmod 1777 /dev/shm`, as root",
        );
    }
    Check::ok(CHECK, state)
}

/// Does for a moment what a writer does, in a file without a name, which no other process can see.
fn probe() -> Check {
    const CHECK: &str = "probe";
    const BYTES: u64 = 64 << 10;
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let file = match rustix::fs::open(SHM_DIR, flags, Mode::RUSR | Mode::WUSR) {
        Ok(file) => file,
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::ISDIR) => {
            return Check::note(
                CHECK,
                "this system does not support files without a name, so nothing was tried",
                "start a writer to try it",
            );
        }
        Err(error) => {
            return Check::finding(
                CHECK,
                format!("a file cannot be created in {SHM_DIR}: {error}"),
                "see the checks `room` and `access`",
            );
        }
    };
    if let Err(error) = rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, BYTES) {
        return Check::finding(
            CHECK,
            format!("{} of shared memory cannot be reserved: {error}", units::bytes(BYTES)),
            "see the check `room`; a sandbox without fallocate cannot hold streams",
        );
    }
    match lock_is_seen(&file) {
        Ok(true) => Check::ok(CHECK, "memory can be reserved, and other processes see locks"),
        Ok(false) => Check::finding(
            CHECK,
            "a lock (F_OFD_SETLK) is not seen through another descriptor: whether a writer lives cannot be determined",
            "use another kernel or sandbox: Linux has these locks since 3.15",
        ),
        Err(error) => Check::finding(
            CHECK,
            format!("a file cannot be locked (F_OFD_SETLK): {error}; writers cannot own their streams"),
            "use another kernel or sandbox: Linux has these locks since 3.15, gVisor has none",
        ),
    }
}

/// Whether the lock of one open file is visible through another.
fn lock_is_seen(file: &OwnedFd) -> io::Result<bool> {
    let lock = |kind: libc::c_int| libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 1,
        l_pid: 0,
    };
    fcntl(file, FcntlArg::F_OFD_SETLK(&lock(libc::F_WRLCK)))?;
    // Opened again, not duplicated: the lock belongs to the open file.
    let other = std::fs::File::open(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
    let mut found = lock(libc::F_RDLCK);
    fcntl(&other, FcntlArg::F_OFD_GETLK(&mut found))?;
    Ok(found.l_type != libc::F_UNLCK as libc::c_short)
}

#[cfg(test)]
mod tests {
    use super::super::check::Level;
    use super::*;

    const ROOT: &str = "22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n";

    fn level(mounts: &str) -> Level {
        mount(mounts, Path::new("/dev/shm")).level
    }

    #[test]
    fn a_memory_file_system_is_fine_whatever_else_is_mounted() {
        let shm = "26 22 0:23 / /dev/shm rw,nosuid,nodev,noexec - tmpfs tmpfs rw,size=65536k\n";
        let found = mount(&format!("{ROOT}{shm}"), Path::new("/dev/shm"));
        assert_eq!((found.level, &*found.text), (Level::Ok, "tmpfs at /dev/shm (rw,nosuid,nodev,noexec)"));
    }

    #[test]
    fn a_disk_or_a_read_only_mount_is_found() {
        assert_eq!(level(ROOT), Level::Finding);
        assert_eq!(level(&format!("{ROOT}26 22 0:23 / /dev/shm ro,nosuid - tmpfs tmpfs rw\n")), Level::Finding);
        // A mount whose name is only the beginning of ours does not count.
        assert_eq!(level(&format!("{ROOT}26 22 0:23 / /dev/sh rw - tmpfs tmpfs rw\n")), Level::Finding);
        // The later mount covers the earlier one.
        let twice = "26 22 0:23 / /dev/shm rw - tmpfs tmpfs rw\n27 26 0:24 / /dev/shm rw - ext4 /dev/sdb rw\n";
        assert_eq!(level(twice), Level::Finding);
        assert_eq!(level(""), Level::Note);
    }

    #[test]
    fn a_folder_that_others_can_clear_or_that_cannot_be_written_is_found() {
        let permissions = |mode, may_write, may_read| permissions(mode, "root", may_write, may_read);
        assert_eq!(permissions(0o1777, true, true).level, Level::Ok);
        assert_eq!(permissions(0o777, true, true).level, Level::Finding);
        assert_eq!(permissions(0o755, false, true).level, Level::Finding);
        assert_eq!(permissions(0o755, true, true).level, Level::Ok);
        assert!(permissions(0o700, false, false).text.ends_with("you may neither create streams nor see any"));
    }

    #[test]
    fn the_probe_leaves_nothing() {
        let found = probe();
        assert_ne!(found.level, Level::Finding, "{found:?}");
    }
}
