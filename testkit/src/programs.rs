//! The workspace's programs, built before they are started.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The workspace's root folder.
///
/// # Panics
/// Never: this package lies in the workspace.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("testkit/ lies in the workspace")
}

/// The folder of current release builds that `DORA_SHM_PROGRAMS` names, if it is set.
pub fn built_folder() -> Option<PathBuf> {
    std::env::var_os("DORA_SHM_PROGRAMS").map(PathBuf::from)
}

/// The program of the [`roles`](crate::roles), built with the profile, target and features of this test.
///
/// # Panics
/// When it cannot be built.
pub fn role_program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        // For a test, cargo does not build programs of other packages. The named folder has release builds without
        // failpoints.
        let release = !cfg!(debug_assertions);
        if release
            && !cfg!(feature = "failpoints")
            && let Some(folder) = built_folder()
        {
            return folder.join(ROLE_PROGRAM);
        }
        let mut arguments = vec!["-p", "dora-shm-testkit", "--bin", ROLE_PROGRAM];
        if release {
            arguments.push("--release");
        }
        if cfg!(feature = "failpoints") {
            arguments.extend(["--features", "failpoints"]);
        }
        let folder = profile_folder();
        let target = target_of(&folder);
        if let Some(target) = &target {
            arguments.extend(["--target", target]);
        }
        build(&arguments);
        folder.join(ROLE_PROGRAM)
    })
}

const ROLE_PROGRAM: &str = "dora-shm-role";

/// The folder of the profile that this program was built with: `target/debug`, or `target/TRIPLE/debug`.
fn profile_folder() -> PathBuf {
    let program = std::env::current_exe().expect("this program has a path");
    let folder = program.ancestors().find(|folder| folder.join("deps").is_dir());
    folder.expect("cargo keeps this program in its target folder").to_owned()
}

/// The target that cargo was called with, derived from the folder of its builds.
fn target_of(profile_folder: &Path) -> Option<String> {
    let name = profile_folder.parent()?.file_name()?.to_str()?;
    // A target folder has no name like a triple, such as `x86_64-unknown-linux-gnu`.
    (name.split('-').count() >= 3 && name.contains("linux")).then(|| name.to_owned())
}

/// Runs `cargo build` with these arguments in the workspace.
///
/// # Panics
/// When it fails.
pub fn build(arguments: &[&str]) {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet"]).args(arguments).current_dir(root());
    // These variables describe this test's package. A build script deep below dora reads them and would run again.
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")) {
            command.env_remove(name);
        }
    }
    let output = command.output().expect("cargo runs");
    assert!(output.status.success(), "cargo build failed:\n{}", String::from_utf8_lossy(&output.stderr));
}
