//! The machine and the versions with which the figures were made.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

const LOCK: &str = include_str!("../../Cargo.lock");
/// Packages whose versions belong to the figures.
const PACKAGES: [&str; 3] = ["dora-shm-ring", "iceoryx2", "zenoh"];
/// The packages that the Python rows use; liblsl is in pylsl.
const PYTHON_PACKAGES: &str = "\
import importlib.metadata, platform
print('Python', platform.python_version())
for name in ['ezmsg-tools', 'ezmsg', 'numpy', 'pylsl', 'dora-rs']:
    print(name, importlib.metadata.version(name))";
/// The environment variable that names the interpreter with these packages.
pub const PYTHON: &str = "DORA_SHM_BENCH_PYTHON";

/// The machine, the versions, the date, and what was asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Machine {
    pub cpu: String,
    pub cores: usize,
    /// Of the first core: level, kind and size.
    pub caches: Vec<String>,
    pub memory: String,
    pub virtual_machine: bool,
    pub kernel: String,
    pub glibc: String,
    pub rustc: String,
    pub packages: Vec<(String, String)>,
    /// The commit of this repository, with a mark if files were changed.
    pub commit: String,
    pub date: String,
    /// With its arguments.
    pub command: String,
}

impl Machine {
    /// Detects this machine.
    pub fn detect() -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let field = |name: &str| {
            let line = cpuinfo.lines().find(|line| line.starts_with(name))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        };
        let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let memory_kib = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB"));
        let memory_kib = memory_kib.and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0);
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Self {
            cpu: field("model name").unwrap_or_else(|| "unknown".to_owned()),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            caches: caches(),
            memory: format!("{:.0} GiB", memory_kib as f64 / (1 << 20) as f64),
            virtual_machine: field("flags").is_some_and(|flags| flags.split(' ').any(|flag| flag == "hypervisor")),
            kernel: format!("Linux {}", kernel.trim()),
            glibc: printed_by("getconf", &["GNU_LIBC_VERSION"]),
            rustc: printed_by("rustc", &["--version"]),
            packages: packages(),
            commit: printed_by("git", &["describe", "--always", "--dirty", "--abbrev=10"]),
            command: ["cargo xtask bench".to_owned()]
                .into_iter()
                .chain(std::env::args().skip(1))
                .collect::<Vec<_>>()
                .join(" "),
            date: chrono::Utc::now().format("%Y-%m-%d %H:%M UTC").to_string(),
        }
    }

    /// One line for people.
    pub fn sentence(&self) -> String {
        let kind = if self.virtual_machine { ", virtual machine" } else { "" };
        format!(
            "{}, {} cores{kind}; {}; {}; {}",
            self.cpu,
            self.cores,
            self.caches.join(", "),
            self.memory,
            self.kernel
        )
    }

    /// One line of versions.
    pub fn versions(&self) -> String {
        let packages: Vec<_> = self.packages.iter().map(|(name, version)| format!("{name} {version}")).collect();
        format!("{}; {}; {}; commit {}", packages.join(", "), self.rustc, self.glibc, self.commit)
    }
}

/// The interpreter that has the packages of the rows in Python.
pub fn python() -> Option<OsString> {
    std::env::var_os(PYTHON).filter(|path| !path.is_empty())
}

fn packages() -> Vec<(String, String)> {
    let locked = PACKAGES.iter().map(|&name| (name.to_owned(), locked_version(name)));
    let installed = python().map(|python| printed_by(python, &["-c", PYTHON_PACKAGES])).unwrap_or_default();
    let installed = installed.lines().filter_map(|line| line.split_once(' '));
    locked.chain(installed.map(|(name, version)| (name.to_owned(), version.to_owned()))).collect()
}

fn caches() -> Vec<String> {
    let folder = "/sys/devices/system/cpu/cpu0/cache";
    let value = |index: usize, name: &str| {
        let text = fs::read_to_string(format!("{folder}/index{index}/{name}")).ok()?;
        Some(text.trim().to_owned())
    };
    let cache = |index| {
        let kind = match &*value(index, "type")? {
            "Data" => "d",
            "Instruction" => "i",
            _ => "",
        };
        Some(format!("L{}{kind} {}", value(index, "level")?, value(index, "size")?))
    };
    (0..8).map_while(cache).collect()
}

fn printed_by(program: impl AsRef<OsStr>, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).stderr(Stdio::null()).output();
    let output = output.ok().filter(|output| output.status.success());
    output.map_or_else(|| "unknown".to_owned(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn locked_version(package: &str) -> String {
    let entry = LOCK.split("[[package]]").find(|entry| entry.contains(&format!("name = \"{package}\"\n")));
    let version = entry.and_then(|entry| entry.lines().find_map(|line| line.strip_prefix("version = ")));
    version.map_or_else(|| "unknown".to_owned(), |version| version.trim_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_package_has_a_version() {
        for package in PACKAGES {
            assert!(locked_version(package).starts_with(|c: char| c.is_ascii_digit()), "{package}");
        }
        assert_eq!(locked_version("no-such-package"), "unknown");
    }
}
