//! Links the unwinder into the program, since `dora-shm` is to run wherever there is a libc, and leaves the line tables out
//! of it.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    // They are 70 MB of 86. The other programs of the workspace keep theirs, and so do builds for debugging; names of
    // functions stay.
    if variable("PROFILE") == "release" && variable("CARGO_CFG_TARGET_OS") == "linux" {
        println!("cargo:rustc-link-arg-bins=-Wl,--strip-debug");
    }
    // Another machine's linker is not known here; its program needs libgcc_s, as Rust's programs do.
    let is_native = variable("HOST") == variable("TARGET");
    if !is_native || variable("CARGO_CFG_TARGET_ENV") != "gnu" {
        return;
    }
    let Ok(answer) = Command::new("cc").arg("-print-file-name=libgcc_eh.a").output() else { return };
    let path = String::from_utf8_lossy(&answer.stdout).trim().to_owned();
    if let Some(folder) = Path::new(&path).parent().filter(|folder| folder.is_absolute() && Path::new(&path).is_file())
    {
        println!("cargo:rustc-link-search=native={}", folder.display());
        // All of it: what needs it comes later on the linker's command line, and before that the shared one.
        println!("cargo:rustc-link-lib=static:+whole-archive=gcc_eh");
    }
}
