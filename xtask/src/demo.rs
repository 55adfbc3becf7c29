//! `cargo xtask demo`: a dora graph writes a signal into shared memory, and a process outside the graph reads it.

use std::fs::{self, File};
use std::process::{Command, Stdio};

use eyre::{WrapErr, bail};

use crate::setup;
use crate::workspace::{self, cargo, command, root, target_dir};

/// Length of the signal. dora takes no bare number for a variable, hence the unit.
const DURATION: &str = "10s";

/// Sets up, builds, and runs the demo; fails when a frame was lost or wrong.
pub fn run() -> eyre::Result<()> {
    let dora = setup::dora_cli()?;
    workspace::run(&mut cargo(["build", "--release", "-p", "dora-shm-sink", "-p", "dora-shm-dataflows"]))?;

    let log_path = target_dir().join("demo.log");
    let log = File::create(&log_path).wrap_err_with(|| format!("cannot write {}", log_path.display()))?;
    let dataflow = root().join("dataflows/demo.yml");
    // A process that is in no graph, started on its own: it finds the stream by its name.
    let mut reader = start(command(workspace::programs().join("demo-reader")).args(["--duration", DURATION]))?;
    let graph = command(&dora)
        .args(["run", "--env"])
        .arg(format!("SIGNAL_DURATION={DURATION}"))
        .arg(&dataflow)
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .status()
        .wrap_err_with(|| format!("cannot start {}", dora.display()))?;
    if !graph.success() {
        // The reader would wait for a stream that never comes.
        let _ = reader.kill();
        let _ = reader.wait();
        eprintln!("{}", fs::read_to_string(&log_path).unwrap_or_default());
        bail!("`dora run {}` failed ({graph}); its output is above", dataflow.display());
    }
    let result = reader.wait_with_output()?;
    print!("{}", String::from_utf8_lossy(&result.stdout));
    if !result.status.success() {
        bail!(
            "the reader outside the graph found faults ({}); the graph's log is {}",
            result.status,
            log_path.display()
        );
    }
    Ok(())
}

fn start(command: &mut Command) -> eyre::Result<std::process::Child> {
    let program = command.get_program().to_owned();
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .wrap_err_with(|| format!("cannot start {}", program.display()))
}
