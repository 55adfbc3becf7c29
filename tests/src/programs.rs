//! The paths of the programs under test.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

pub use dora_shm_testkit::programs::root;
use dora_shm_testkit::programs::{build, built_folder};

/// A program of the workspace in release, built if it is not up to date.
///
/// # Panics
/// When it cannot be built.
pub fn program(name: &str) -> PathBuf {
    let path = folder().join(name);
    assert!(path.is_file(), "{} does not exist; is it a program of this workspace?", path.display());
    path
}

/// The folder of the workspace's programs: `DORA_SHM_PROGRAMS` if it is set, else cargo's folder, after building them.
///
/// # Panics
/// When they cannot be built.
pub fn folder() -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let bring_up_to_date = || {
        if let Some(folder) = built_folder() {
            return folder;
        }
        // cargo builds a test together with the programs of its own package, but not those of other packages.
        build(&["--release", "--workspace", "--bins"]);
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from).join("release")
    };
    FOLDER.get_or_init(bring_up_to_date).clone()
}

/// The PATH with `folder` before everything else.
///
/// # Panics
/// When the folder's name cannot be part of a PATH.
pub fn path_with(folder: &Path) -> OsString {
    let existing = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(folder.to_owned()).chain(std::env::split_paths(&existing));
    std::env::join_paths(folders).expect("a folder without a colon in its name")
}

/// The dora command line.
pub fn dora() -> PathBuf {
    std::env::var_os("DORA_BIN").map_or_else(|| PathBuf::from("dora"), PathBuf::from)
}

/// A Python that imports `ezmsg.tools`, `dora`, `pyarrow`, `cv2` and `pylsl`. The published nodes are in its folder.
///
/// # Panics
/// When its environment variable is not set.
pub fn python() -> PathBuf {
    let python = std::env::var_os("DORA_SHM_EZMSG_PYTHON");
    python.expect("DORA_SHM_EZMSG_PYTHON must name the Python of .venv-tests; `cargo xtask system` sets it").into()
}

/// A Python that imports `ezmsg.tools` of release 0.6.
///
/// # Panics
/// When its environment variable is not set.
pub fn ezmsg_0_6() -> PathBuf {
    let python = std::env::var_os("DORA_SHM_EZMSG06_PYTHON");
    python.expect("DORA_SHM_EZMSG06_PYTHON must name the Python of .venv-ezmsg06; `cargo xtask system` sets it").into()
}

/// A Python that imports the installed `dora_shm`, and `pytest`.
///
/// # Panics
/// When its environment variable is not set.
pub fn package_python() -> PathBuf {
    let python = std::env::var_os("DORA_SHM_PYTHON");
    python.expect("DORA_SHM_PYTHON must name the Python of .venv-python; `cargo xtask system` sets it").into()
}

/// The prefix under which the C library is installed.
///
/// # Panics
/// When its environment variable is not set.
pub fn c_prefix() -> PathBuf {
    let prefix = std::env::var_os("DORA_SHM_C_PREFIX");
    prefix
        .expect("DORA_SHM_C_PREFIX must name the prefix of bindings/c/install.sh; `cargo xtask system` sets it")
        .into()
}
