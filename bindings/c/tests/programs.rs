//! Programs in C and C++ that assert what the library does. Each runs plainly, under valgrind, and with
//! AddressSanitizer, which checks what the library does to the program's memory.

mod common;

use std::collections::BTreeSet;
use std::process::Command;

use common::{Language, compile, pkg_config, run, source, text};
use dora_shm_testkit::Name;

/// Whether a program can free all the memory that it has allocated.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leaks {
    AreErrors,
    /// A forked child has no copy of the writer's thread, which would free its memory.
    Happen,
}

#[track_caller]
fn run_in_every_way(test: &str, path: &str, leaks: Leaks) {
    let name = Name::new(test);
    let program = compile(path, "plain", &[]);
    run(Command::new(&program).arg(&*name));
    let kinds = if leaks == Leaks::AreErrors { "definite,indirect,possible" } else { "none" };
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--quiet", "--error-exitcode=99", "--leak-check=full"]);
    run(valgrind.arg(format!("--errors-for-leak-kinds={kinds}")).arg(&program).arg(&*name));
    let program = compile(path, "asan", &["-fsanitize=address", "-fno-omit-frame-pointer"]);
    let detect = if leaks == Leaks::AreErrors { "detect_leaks=1" } else { "detect_leaks=0" };
    run(Command::new(&program).arg(&*name).env("ASAN_OPTIONS", detect));
}

#[test]
#[ignore = "needs compilers for C and C++, pkg-config and valgrind: cargo xtask c"]
fn wrong_arguments_return_an_error_and_change_nothing() {
    run_in_every_way("arguments", "tests/programs/arguments.c", Leaks::AreErrors);
}

#[test]
#[ignore = "needs compilers for C and C++, pkg-config and valgrind: cargo xtask c"]
fn descriptions_come_out_as_they_were_put_in() {
    run_in_every_way("description", "tests/programs/description.c", Leaks::AreErrors);
}

#[test]
#[ignore = "needs compilers for C and C++, pkg-config and valgrind: cargo xtask c"]
fn frames_views_losses_and_generations_come_as_they_were_written() {
    run_in_every_way("stream", "tests/programs/stream.c", Leaks::AreErrors);
}

#[test]
#[ignore = "needs compilers for C and C++, pkg-config and valgrind: cargo xtask c"]
fn messages_come_as_they_were_written() {
    run_in_every_way("messages", "tests/programs/messages.c", Leaks::AreErrors);
}

#[test]
#[ignore = "needs compilers for C and C++, pkg-config and valgrind: cargo xtask c"]
fn threads_signals_and_descriptors_are_handled() {
    run_in_every_way("threads", "tests/programs/threads.c", Leaks::AreErrors);
}

#[test]
#[ignore = "needs compilers for C and C++, pkg-config and valgrind: cargo xtask c"]
fn a_forked_child_reads_and_does_not_write() {
    run_in_every_way("fork", "tests/programs/fork.c", Leaks::Happen);
}

#[test]
#[ignore = "needs compilers for C and C++, pkg-config and valgrind: cargo xtask c"]
fn the_wrapper_for_cpp_throws_returns_moves_and_closes() {
    run_in_every_way("wrapper", "tests/programs/wrapper.cpp", Leaks::AreErrors);
}

/// The functions that the header declares.
fn declared() -> BTreeSet<String> {
    let header = std::fs::read_to_string(source("include/dora_shm.h")).unwrap();
    let function = |line: &str| {
        let before = line.split_once('(').filter(|(before, _)| before.starts_with(|c: char| c.is_ascii_lowercase()))?.0;
        let name = before.rsplit([' ', '*']).next()?;
        name.starts_with("dora_shm_").then(|| name.to_owned())
    };
    let functions: BTreeSet<String> = header.lines().filter_map(function).collect();
    assert!(functions.len() > 40 && functions.contains("dora_shm_version"), "{functions:?}");
    functions
}

#[test]
#[ignore = "needs compilers for C and C++, pkg-config and valgrind: cargo xtask c"]
fn every_function_of_the_header_is_called_by_a_test_in_c() {
    let mut called = BTreeSet::new();
    for program in ["arguments", "description", "ezmsg", "messages", "stream", "threads"] {
        let program = compile(&format!("tests/programs/{program}.c"), "symbols", &[]);
        let symbols = text(Command::new("nm").args(["--undefined-only", "--format=just-symbols"]).arg(program));
        called.extend(symbols.lines().map(|symbol| symbol.split('@').next().unwrap().to_owned()));
    }
    let missing: Vec<_> = declared().difference(&called).cloned().collect();
    assert!(missing.is_empty(), "no program calls {missing:?}");
}

#[test]
#[ignore = "needs compilers for C and C++, pkg-config and valgrind: cargo xtask c"]
fn the_shared_library_exports_the_functions_of_the_header_and_nothing_else() {
    let library = common::prefix().join("lib/libdora_shm.so");
    let symbols = text(Command::new("nm").args(["-D", "--defined-only", "--format=just-symbols"]).arg(library));
    let exported: BTreeSet<String> =
        symbols.lines().map(|symbol| symbol.split('@').next().unwrap().to_owned()).collect();
    assert_eq!(exported, declared());
}

#[test]
#[ignore = "needs compilers for C and C++, pkg-config and valgrind: cargo xtask c"]
fn the_headers_compile_in_every_standard_that_they_are_for() {
    let c = ["c99", "c11", "c17", "gnu11"].map(|standard| (Language::C, "dora_shm.h", standard));
    let cpp = ["c++11", "c++17", "c++20"].map(|standard| (Language::Cpp, "dora_shm.h", standard));
    let wrapper = ["c++17", "c++20"].map(|standard| (Language::Cpp, "dora_shm.hpp", standard));
    for (language, header, standard) in [&c[..], &cpp, &wrapper].concat() {
        let extension = if language == Language::C { "c" } else { "cpp" };
        let unit = common::folder().join(format!("{}-{standard}.{extension}", header.replace('.', "-")));
        // Each header is included twice, to test its include guard.
        std::fs::write(&unit, format!("#include <{header}>\n#include <{header}>\nint use(void);\nint use(void) {{ return dora_shm_version() != 0; }}\n").replace("(void)", if language == Language::C { "(void)" } else { "()" })).unwrap();
        let mut compiler = language.compiler();
        compiler.args([&format!("-std={standard}"), "-Wundef", "-fsyntax-only"]).arg(&unit);
        run(compiler.args(pkg_config(&["--cflags"])));
    }
}

#[test]
#[ignore = "needs compilers for C and C++, pkg-config and valgrind: cargo xtask c"]
fn the_benchmark_compiles() {
    compile("benchmarks/cost.c", "plain", &["-O2"]);
}
