//! Whose shared memory this is: in a container or a user namespace, it may differ from that of the writers.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use dora_shm_ring::SHM_DIR;

use super::check::Check;

pub fn examine() -> Vec<Check> {
    let mut found = Vec::new();
    let (container, apart) = (is_container(), is_apart());
    if apart {
        found.push(Check::finding(
            "place",
            format!("this process has a different {SHM_DIR} from the machine's first process: it does not see streams outside"),
            "run it where the writers run (`nsenter -t PID -m dora-shm ...`), or give both the same /dev/shm (docker: --ipc=host)",
        ));
    } else if container {
        found.push(Check::note(
            "place",
            format!("this is a container: it sees a stream only if the writer has the same {SHM_DIR}"),
            "if not: `docker run --ipc=host`, or --ipc=container:NAME, or one volume for both at /dev/shm",
        ));
    } else {
        found.push(Check::ok("place", format!("{SHM_DIR} is the machine's own")));
    }
    if let Ok(map) = std::fs::read_to_string("/proc/self/uid_map")
        && !is_identity(&map)
    {
        found.push(Check::note(
            "users",
            "this is a user namespace: user IDs here differ from those outside; users without an ID here appear as the user `nobody`",
            "name the owner by the number that `dora-shm list` shows (--owner), or run reader and writer in the same namespace",
        ));
    }
    found
}

fn is_container() -> bool {
    ["/.dockerenv", "/run/.containerenv"].iter().any(|path| Path::new(path).exists())
        || std::env::var_os("container").is_some()
        || std::fs::read_to_string("/proc/1/cgroup").is_ok_and(|groups| is_containers(&groups))
}

/// Whether the control groups of the first process are those of a container.
fn is_containers(groups: &str) -> bool {
    ["docker", "kubepods", "containerd", "lxc", "libpod"].iter().any(|word| groups.contains(word))
}

/// Whether the first visible process has a different folder. `false` if that may not be read.
fn is_apart() -> bool {
    let device = |path: &Path| std::fs::metadata(path).ok().map(|found| (found.dev(), found.ino()));
    let own = device(Path::new(SHM_DIR));
    let first = device(&Path::new("/proc/1/root").join(SHM_DIR.trim_start_matches('/')));
    own.zip(first).is_some_and(|(own, first)| own != first)
}

/// Whether users have the same numbers inside and outside.
fn is_identity(map: &str) -> bool {
    let fields: Vec<&str> = map.split_whitespace().collect();
    fields.len() == 3 && fields[0] == "0" && fields[1] == "0" && fields[2] == "4294967295"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_namespace_is_recognised_by_its_map() {
        assert!(is_identity("         0          0 4294967295\n"));
        assert!(!is_identity("         0       1000          1\n"));
        assert!(!is_identity("0 1000 1\n1 100000 65536\n"));
    }

    #[test]
    fn containers_are_recognised_by_their_control_groups() {
        assert!(is_containers("12:pids:/docker/0123abcd\n"));
        assert!(is_containers("0::/kubepods.slice/pod1\n"));
        assert!(!is_containers("0::/init.scope\n"));
    }
}
