//! Debian packages, if this user may install them.

use eyre::bail;

use crate::workspace::{command as in_root, on_path, run, stdout_of};

/// Ensures that `program` is on the PATH. If it is not, installs Debian's `package`.
pub fn command(program: &str, package: &str) -> eyre::Result<()> {
    if on_path(program) {
        return Ok(());
    }
    install(package)?;
    if !on_path(program) {
        bail!("`{program}` is still not on the PATH after installing Debian's package `{package}`");
    }
    Ok(())
}

/// Installs `package` as root, or with sudo if it asks for no password. Otherwise the error gives the line to run.
pub fn install(package: &str) -> eyre::Result<()> {
    let line = format!("apt-get install --yes --no-install-recommends {package}");
    let words: Vec<&str> = line.split(' ').collect();
    let sudo: &[&str] = match stdout_of(in_root("id").arg("-u")).as_deref() {
        Some("0") => &[],
        _ if stdout_of(in_root("sudo").args(["-n", "true"])).is_some() => &["sudo", "-n"],
        _ => bail!("Debian's package `{package}` is missing; run `sudo {line}` and start again"),
    };
    if !on_path("apt-get") {
        bail!("the package that Debian calls `{package}` is missing; install it and start again");
    }
    let as_root = |words: &[&str]| {
        let words = [sudo, words].concat();
        let mut apt = in_root(words[0]);
        apt.args(&words[1..]).env("DEBIAN_FRONTEND", "noninteractive");
        run(&mut apt)
    };
    as_root(&["apt-get", "update", "--quiet"])?;
    as_root(&words)
}
