//! Checks of how the ring uses memory: Miri, which detects most but cannot map files, AddressSanitizer and valgrind.

use eyre::bail;

use super::{Step, words};
use crate::setup;
use crate::workspace::{cargo, run, rustup_cargo, stdout_of, target_dir};

const TARGET: &str = "x86_64-unknown-linux-gnu";
/// All tests of the ring except `ezmsg_mirror` and `ezmsg_writer`, which need Python.
const ASAN_TESTS: &str = "test -p dora-shm-ring --features failpoints --lib --test allocations --test corrupt_generations \
    --test crash_table \
    --test events --test ezmsg_defects --test ezmsg_streams --test hostile --test kills --test limits \
    --test looking_back --test names --test notifier --test provenance --test reader --test waiters \
    --test spec_reader --test spinning --test stream --test reference_model --test vectors --test writer";

/// The memory checks that this machine's toolchains support.
pub fn fitting_steps() -> Vec<Step> {
    let mut steps = Vec::new();
    if miri_toolchain().is_some() {
        steps.push(Step::Miri);
    } else {
        println!("miri is skipped: no installed toolchain has it; `rustup +nightly component add miri` adds it");
    }
    if has_nightly() {
        steps.push(Step::Asan);
    } else {
        println!("asan is skipped: it needs a nightly toolchain; `rustup toolchain install nightly` adds one");
    }
    steps.push(Step::Valgrind);
    steps
}

/// Miri runs the tests that neither map files nor start processes. The others are ignored under `cfg(miri)`.
pub fn miri() -> eyre::Result<()> {
    let Some(toolchain) = miri_toolchain() else {
        bail!("no installed toolchain has Miri; `rustup +nightly component add miri` adds it");
    };
    run(rustup_cargo(toolchain, words("miri test -p dora-shm-ring --lib"))
        .env("CARGO_TARGET_DIR", target_dir().join("miri")))
}

/// AddressSanitizer supports mappings, and processes that fork and are killed.
pub fn asan() -> eyre::Result<()> {
    if !has_nightly() {
        bail!("AddressSanitizer needs a nightly toolchain; `rustup toolchain install nightly` adds one");
    }
    run(rustup_cargo("+nightly", words(ASAN_TESTS).chain(["--target", TARGET]))
        .env("RUSTFLAGS", "-Zsanitizer=address")
        // The full number of random histories and single corruptions runs without the sanitizer, which makes them
        // several times as slow. A part of them is enough here, where only accesses to memory are checked.
        .env("PROPTEST_CASES", "40")
        .env("DORA_SHM_HOSTILE_ONE_OF", "5")
        .env("CARGO_TARGET_DIR", target_dir().join("asan")))
}

/// valgrind runs the algorithm's tests in private memory, and the single-process tests in mappings. It runs one thread
/// at a time, so it cannot detect races.
pub fn valgrind() -> eyre::Result<()> {
    setup::debian_command("valgrind", "valgrind")?;
    for tests in ["--lib -- plain:: --skip concurrent", "--test stream --test writer"] {
        run(cargo(words("test -p dora-shm-ring").chain(words(tests)))
            .env(
                "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER",
                "valgrind --quiet --error-exitcode=99 --errors-for-leak-kinds=none",
            )
            // By default rustix searches for the kernel's vDSO functions by itself, but valgrind hides them.
            .env("RUSTFLAGS", "--cfg rustix_use_libc")
            .env("CARGO_TARGET_DIR", target_dir().join("valgrind")))?;
    }
    Ok(())
}

fn miri_toolchain() -> Option<&'static str> {
    ["+nightly", "+stable"]
        .into_iter()
        .find(|toolchain| stdout_of(&mut rustup_cargo(toolchain, ["miri", "--version"])).is_some())
}

fn has_nightly() -> bool {
    stdout_of(&mut rustup_cargo("+nightly", ["--version"])).is_some()
}
