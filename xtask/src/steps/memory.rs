//! Checks of how the ring uses memory: Miri, which sees most and maps nothing, AddressSanitizer and valgrind.

use eyre::bail;

use super::{Step, words};
use crate::setup;
use crate::workspace::{answer, cargo, run, rustup_cargo, target_dir};

const TARGET: &str = "x86_64-unknown-linux-gnu";
/// All of the ring's, but for `ezmsg_mirror` and `ezmsg_writer`, whose other halves are Python.
const ASAN_TESTS: &str = "test -p dora-shm-ring --features failpoints --lib --test allocations --test corrupt_generations \
    --test crash_table \
    --test events --test ezmsg_defects --test ezmsg_streams --test hostile --test kills --test limits \
    --test looking_back --test names --test notifier --test provenance --test reader --test waiters \
    --test spec_reader --test spinning --test stream --test reference_model --test vectors --test writer";

/// The checks of memory that this machine's toolchains can do.
pub fn fitting_steps() -> Vec<Step> {
    let mut steps = Vec::new();
    if miri_toolchain().is_some() {
        steps.push(Step::Miri);
    } else {
        println!("no toolchain here has Miri: left out");
    }
    if has_nightly() {
        steps.push(Step::Asan);
    } else {
        println!("AddressSanitizer needs a nightly toolchain, and there is none: left out");
    }
    steps.push(Step::Valgrind);
    steps
}

/// Miri runs what neither maps nor starts processes: tests that do are ignored under `cfg(miri)`.
pub fn miri() -> eyre::Result<()> {
    let Some(toolchain) = miri_toolchain() else {
        bail!("no toolchain here has Miri; `rustup +nightly component add miri` adds it");
    };
    run(rustup_cargo(toolchain, words("miri test -p dora-shm-ring --lib"))
        .env("CARGO_TARGET_DIR", target_dir().join("miri")))
}

/// AddressSanitizer copes with mappings, and with processes that fork and are killed.
pub fn asan() -> eyre::Result<()> {
    if !has_nightly() {
        bail!("AddressSanitizer needs a nightly toolchain; `rustup toolchain install nightly` adds one");
    }
    run(rustup_cargo("+nightly", words(ASAN_TESTS).chain(["--target", TARGET]))
        .env("RUSTFLAGS", "-Zsanitizer=address")
        // What random histories and single corruptions find, they find without the sanitizer, which makes them several
        // times as slow; here a part of them shows what it has to say of the memory.
        .env("PROPTEST_CASES", "40")
        .env("DORA_SHM_HOSTILE_ONE_OF", "5")
        .env("CARGO_TARGET_DIR", target_dir().join("asan")))
}

/// valgrind runs the tests of the algorithm over private memory, and those of one process over mappings. It lets only one
/// thread run at a time, so races are not its business.
pub fn valgrind() -> eyre::Result<()> {
    setup::debian_command("valgrind", "valgrind")?;
    for tests in ["--lib -- plain:: --skip concurrent", "--test stream --test writer"] {
        run(cargo(words("test -p dora-shm-ring").chain(words(tests)))
            .env(
                "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER",
                "valgrind --quiet --error-exitcode=99 --errors-for-leak-kinds=none",
            )
            // rustix looks for the kernel's own functions by itself, where valgrind has hidden them.
            .env("RUSTFLAGS", "--cfg rustix_use_libc")
            .env("CARGO_TARGET_DIR", target_dir().join("valgrind")))?;
    }
    Ok(())
}

fn miri_toolchain() -> Option<&'static str> {
    ["+nightly", "+stable"]
        .into_iter()
        .find(|toolchain| answer(&mut rustup_cargo(toolchain, ["miri", "--version"])).is_some())
}

fn has_nightly() -> bool {
    answer(&mut rustup_cargo("+nightly", ["--version"])).is_some()
}
