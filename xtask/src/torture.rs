//! `cargo xtask torture` injects faults into streams. `cargo xtask fuzz` gives readers bytes that no writer writes.

use clap::ValueEnum as _;
use eyre::{WrapErr as _, bail};

use crate::setup;
use crate::workspace::{
    ask_rustup, cargo, command, programs, root, run as run_command, rustup_cargo, stdout_of, target_dir,
};

/// A fuzz target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Target {
    /// Headers, trailers, records and footers
    Attach,
    /// The JSON of a description
    Description,
    /// The pickle of a description that ezmsg wrote
    Pickle,
    /// Words that change while readers are attached
    Reading,
}

/// Runs the campaigns, then the hardware test that shows why the store fences are needed. The arguments are those of
/// `dora-shm-torture`; without arguments the short form runs.
pub fn run(arguments: &[String]) -> eyre::Result<()> {
    setup::debian_command("unshare", "util-linux")?;
    // A separate build, since no other program may contain the ring's failpoints.
    run_command(&mut cargo("build --release -p dora-shm-torture --features failpoints".split(' ')))?;
    let asks = |word: &str| arguments.iter().any(|argument| argument.split('=').next() == Some(word));
    let for_help = asks("--help") || asks("-h");
    let mut torture = command(programs().join("dora-shm-torture"));
    if !for_help && (!asks("--only") || arguments.iter().any(|argument| argument.contains("graph"))) {
        // The campaign `graph` runs the nodes as users get them, and needs dora's command line.
        run_command(&mut cargo("build --release --bins".split(' ')))?;
        torture.env("DORA_BIN", setup::dora_cli()?).env("DORA_SHM_PROGRAMS", programs());
    }
    run_command(torture.args(arguments))?;
    if cfg!(target_arch = "x86_64") && !asks("--only") && !for_help {
        let test = "test --release -p dora-shm-ring --lib streaming -- --ignored --nocapture";
        run_command(&mut cargo(test.split(' ')))?;
    }
    Ok(())
}

/// Fuzzes one target, or each in turn, for `seconds` each, in a private /dev/shm.
pub fn fuzz(target: Option<Target>, seconds: u64) -> eyre::Result<()> {
    if stdout_of(&mut rustup_cargo("+nightly", ["--version"])).is_none() {
        bail!("cargo-fuzz needs a nightly toolchain; `rustup toolchain install nightly` adds one");
    }
    setup::debian_command("unshare", "util-linux")?;
    if stdout_of(&mut rustup_cargo("+nightly", ["fuzz", "--version"])).is_none() {
        run_command(&mut cargo(["install", "cargo-fuzz", "--locked"]))?;
    }
    let targets = target.as_ref().map_or(Target::value_variants(), std::slice::from_ref);
    for target in targets {
        let word = target.to_possible_value().expect("no target is hidden").get_name().to_owned();
        // The fuzzer adds its findings to the first corpus, outside of the repository. It only reads the second.
        let found = target_dir().join("fuzz-corpus").join(&word);
        std::fs::create_dir_all(&found).wrap_err_with(|| format!("cannot make {}", found.display()))?;
        let mut fuzzed = command("unshare");
        let is_root = stdout_of(command("id").arg("-u")).as_deref() == Some("0");
        fuzzed.arg(if is_root { "-m" } else { "-Urm" }).args(["sh", "-c"]);
        fuzzed.arg(r#"mount -t tmpfs -o size=1g tmpfs /dev/shm && exec "$0" "$@""#);
        fuzzed.args(["cargo", "+nightly", "fuzz", "run", &word]).arg(found);
        fuzzed.arg(root().join("fuzz/corpus").join(&word)).arg("--").arg(format!("-max_total_time={seconds}"));
        // No input may make a reader allocate more memory than the largest segment has.
        fuzzed.args(["-malloc_limit_mb=128", "-timeout=10", "-max_len=8192", "-print_final_stats=1"]);
        run_command(ask_rustup(&mut fuzzed).env("CARGO_TARGET_DIR", target_dir().join("fuzz")))?;
    }
    Ok(())
}
