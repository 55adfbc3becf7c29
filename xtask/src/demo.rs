//! `cargo xtask demo`: a dora graph writes a signal into shared memory. Outside of the graph, one process reads the
//! signal and another draws it.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

use eyre::{WrapErr, bail};

use crate::setup;
use crate::workspace::{self, cargo, command, root, target_dir};

/// Length of the signal. dora does not accept a bare number for a variable, hence the unit.
const DURATION: &str = "10s";
/// Length of the part that the picture shows. Shorter than the signal, so that the picture is complete before the
/// stream ends.
const DRAWN: &str = "5s";
const DRAWN_CHANNELS: &str = "0-15";
/// Time limit for dora to start the graph.
const PATIENCE: &str = "120s";

/// Sets up, builds and runs the demo. Fails if a frame was lost or wrong.
pub fn run() -> eyre::Result<()> {
    run_with(&setup::dora_cli()?)
}

/// The same with the oldest release of dora that the nodes are tried with.
pub fn run_with_oldest_dora() -> eyre::Result<()> {
    run_with(&setup::oldest_dora_cli()?)
}

fn run_with(dora: &Path) -> eyre::Result<()> {
    workspace::run(&mut cargo([
        "build",
        "--release",
        "-p",
        "dora-shm-sink",
        "-p",
        "dora-shm-dataflows",
        "-p",
        "dora-shm-cli",
    ]))?;

    let log_path = target_dir().join("demo.log");
    let log = File::create(&log_path).wrap_err_with(|| format!("cannot write {}", log_path.display()))?;
    let dataflow = root().join("dataflows/demo.yml");
    // These processes are not part of the graph: they find the stream by its name.
    let reader = start(command(workspace::programs().join("demo-reader")).args(["--duration", DURATION]))?;
    let picture = target_dir().join("demo.png");
    let drawn = ["--seconds", DRAWN, "--channels", DRAWN_CHANNELS, "--wait", PATIENCE];
    let plot = command(workspace::programs().join("dora-shm"));
    let mut plot = start({ plot }.args(["plot", "demo", "--output"]).arg(&picture).args(drawn))?;
    let graph = command(dora)
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
        // Both would wait for a stream that never begins.
        for mut process in [reader, plot] {
            let _ = process.kill();
            let _ = process.wait();
        }
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
    let plotted = plot.wait()?;
    if !plotted.success() {
        bail!("`dora-shm plot` could not save a picture of the stream ({plotted}); its error is above");
    }
    let picture = picture.strip_prefix(root()).unwrap_or(&picture);
    println!("demo: picture of the newest {DRAWN}: {}", picture.display());
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
