//! Links the unwinder into the program, since `dora-shm` needs no library except libc, and strips its line tables.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    // Line tables are 70 MB of 86. The other programs of the workspace and debug builds keep theirs; names of functions
    // stay.
    if variable("PROFILE") == "release" && variable("CARGO_CFG_TARGET_OS") == "linux" {
        println!("cargo:rustc-link-arg-bins=-Wl,--strip-debug");
    }
    // The linker for another machine is unknown here; a cross-built program needs libgcc_s, as Rust programs do.
    let is_native = variable("HOST") == variable("TARGET");
    if !is_native || variable("CARGO_CFG_TARGET_ENV") != "gnu" {
        return;
    }
    let Ok(found) = Command::new("cc").arg("-print-file-name=libgcc_eh.a").output() else { return };
    let path = String::from_utf8_lossy(&found.stdout).trim().to_owned();
    if let Some(folder) = Path::new(&path).parent().filter(|folder| folder.is_absolute() && Path::new(&path).is_file())
    {
        println!("cargo:rustc-link-search=native={}", folder.display());
        // The whole archive: what needs it comes later on the linker's command line, after the shared library.
        println!("cargo:rustc-link-lib=static:+whole-archive=gcc_eh");
    }
}
