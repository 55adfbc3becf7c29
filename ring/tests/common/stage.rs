//! A /dev/shm of one's own: for tests that fill it, list all of it, or clean it.

use std::process::Command;

use super::process::Actor;

/// Starts a role in a mount namespace whose /dev/shm is empty and has `megabytes` of room.
#[track_caller]
pub fn start(role: &str, megabytes: u64) -> Actor {
    let mut command = Command::new("unshare");
    // Who is not root can be root in a user namespace of his own.
    command.arg(if rustix::process::geteuid().is_root() { "-m" } else { "-Urm" });
    command.args(["sh", "-c"]);
    command.arg(format!(r#"mount -t tmpfs -o size={megabytes}m tmpfs /dev/shm && exec "$0" "$@""#));
    command.arg(std::env::current_exe().unwrap());
    Actor::start_by(command, role, ON_STAGE, &[])
}

const ON_STAGE: &str = "on stage";

/// In a role: whether it has a /dev/shm of its own. Else it must do nothing: what it does to it would be done to all.
pub fn is_on() -> bool {
    super::process::argument().as_deref() == Some(ON_STAGE)
}

/// Plays a role that is a whole test, to its end.
#[track_caller]
pub fn play(role: &str, megabytes: u64) {
    start(role, megabytes).end_well();
}

/// In a role: what is in its /dev/shm.
pub fn listing() -> Vec<String> {
    let mut names: Vec<_> =
        std::fs::read_dir("/dev/shm").unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
