//! Sets the shared library's soname: programs that were linked with one version run with every compatible one.

fn main() {
    let version = |part: &str| std::env::var(format!("CARGO_PKG_VERSION_{part}")).expect("cargo sets it");
    let compatible = match version("MAJOR").as_str() {
        // Before 1.0, a minor version may change everything.
        "0" => format!("0.{}", version("MINOR")),
        major => major.to_owned(),
    };
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libdora_shm.so.{compatible}");
    println!("cargo:rerun-if-changed=build.rs");
}
