//! The commands of README.md, exactly as they are there: installing, compiling, linking.

mod common;

use std::path::Path;
use std::process::Command;

use common::{Language, folder, pkg_config, prefix, run, source, text};

/// Compiles `read` with exactly these arguments, and checks its error for an invalid name.
#[track_caller]
fn compile_and_run(language: Language, arguments: &[String]) -> String {
    let path = source(if language == Language::C { "examples/read.c" } else { "examples/read.cpp" });
    let program = folder().join(format!("read-{language:?}-{}", arguments.join("").len()));
    let mut compiler = language.compiler();
    run(compiler.arg(path).arg("-o").arg(&program).args(arguments));
    let output = Command::new(&program).arg("a/buffer1").env("LD_LIBRARY_PATH", prefix().join("lib")).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.starts_with("DORA_SHM_ERROR_BAD_NAME: stream name \"a/buffer1\" cannot be used"), "{stderr}");
    let libraries = Command::new("ldd").arg(&program).output().unwrap();
    String::from_utf8(libraries.stdout).unwrap()
}

#[test]
#[ignore = "needs compilers for C and C++, pkg-config and valgrind: cargo xtask c"]
fn programs_are_linked_with_the_shared_library() {
    for language in [Language::C, Language::Cpp] {
        let libraries = compile_and_run(language, &pkg_config(&["--cflags", "--libs"]));
        let soname = format!("libdora_shm.so.{}", compatible_version());
        assert!(libraries.contains(&soname), "{libraries}");
    }
}

#[test]
#[ignore = "needs compilers for C and C++, pkg-config and valgrind: cargo xtask c"]
fn programs_are_linked_statically_as_a_whole() {
    for language in [Language::C, Language::Cpp] {
        let line = [vec!["-static".to_owned()], pkg_config(&["--static", "--cflags", "--libs"])].concat();
        let libraries = compile_and_run(language, &line);
        assert!(!libraries.contains(".so"), "{libraries}");
    }
}

#[test]
#[ignore = "needs compilers for C and C++, pkg-config and valgrind: cargo xtask c"]
fn programs_are_linked_with_the_archive_and_the_shared_libraries_of_the_system() {
    let line = [pkg_config(&["--cflags"]), pkg_config(&["--variable=static_library"])].concat();
    let libraries = compile_and_run(Language::C, &line);
    assert!(libraries.contains("libc.so") && !libraries.contains("libdora_shm"), "{libraries}");
}

#[test]
#[ignore = "needs compilers for C and C++, pkg-config and valgrind: cargo xtask c"]
fn the_needed_libraries_of_the_system_are_those_that_the_compiler_names() {
    let libraries = pkg_config(&["--static", "--libs"]);
    for needed in ["-ldora_shm", "-lpthread", "-lm", "-lc"] {
        assert!(libraries.iter().any(|library| library == needed), "{libraries:?}");
    }
    assert!(!libraries.iter().any(|library| library == "-lgcc_s"), "{libraries:?}");
    assert_eq!(pkg_config(&["--modversion"]), [env!("CARGO_PKG_VERSION")]);
}

/// The first block of `language` in README.md.
fn block(language: &str) -> String {
    let readme = std::fs::read_to_string(source("README.md")).unwrap();
    let (_, after) = readme.split_once(&format!("```{language}\n")).expect("README.md shows one");
    after.split_once("\n```").expect("it ends").0.to_owned()
}

#[test]
#[ignore = "needs compilers for C and C++, pkg-config and valgrind: cargo xtask c"]
fn the_code_of_the_page_compiles() {
    let c = "#include <dora_shm.h>\n#include <inttypes.h>\n#include <stdio.h>\n\
        extern char samples[4096]; extern double times[1000]; void show(void); void show(void) { dora_shm_format format;\n";
    let cpp = "#include <dora_shm.hpp>\nvoid use(const std::vector<float> &, const std::vector<double> &);\n\
        void describe(const dora_shm_format &, std::optional<dora_shm::Description>);\nvoid show(); void show() {\n";
    for (language, before) in [(Language::C, c), (Language::Cpp, cpp)] {
        let name = if language == Language::C { "c" } else { "cpp" };
        let unit = folder().join(format!("page.{name}"));
        std::fs::write(&unit, format!("{before}{}\n}}\n", block(name))).unwrap();
        let mut compiler = language.compiler();
        run(compiler.arg("-fsyntax-only").arg(&unit).args(pkg_config(&["--cflags"])));
    }
}

fn compatible_version() -> String {
    let version = env!("CARGO_PKG_VERSION");
    let parts = if version.starts_with("0.") { 2 } else { 1 };
    version.split('.').take(parts).collect::<Vec<_>>().join(".")
}

#[test]
#[ignore = "needs compilers for C and C++, pkg-config and valgrind: cargo xtask c"]
fn the_library_is_installed_under_its_soname_and_its_version() {
    let library = prefix().join("lib/libdora_shm.so");
    let soname = format!("libdora_shm.so.{}", compatible_version());
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    assert_eq!(name(&std::fs::read_link(&library).unwrap()), soname);
    let versioned = std::fs::read_link(library.with_file_name(&soname)).unwrap();
    assert_eq!(name(&versioned), format!("libdora_shm.so.{}", env!("CARGO_PKG_VERSION")));
    assert!(text(Command::new("objdump").arg("-p").arg(&library)).contains(&format!("SONAME               {soname}")));
}

#[test]
#[ignore = "needs compilers for C and C++, pkg-config and valgrind: cargo xtask c"]
fn packagers_install_below_another_folder() {
    let root = folder().join("root");
    run(Command::new(source("install.sh")).arg("/opt/dora-shm").env("DESTDIR", &root));
    let config = std::fs::read_to_string(root.join("opt/dora-shm/lib/pkgconfig/dora_shm.pc")).unwrap();
    assert!(config.starts_with("prefix=/opt/dora-shm\n"), "{config}");
    assert!(root.join("opt/dora-shm/include/dora_shm.hpp").is_file());
}

#[test]
#[ignore = "needs compilers for C and C++, pkg-config and valgrind: cargo xtask c"]
fn a_relative_prefix_is_refused() {
    let output = Command::new(source("install.sh")).arg("usr/local").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("an absolute path"));
}
