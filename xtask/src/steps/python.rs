//! Checks the Python package in a private environment.

use std::fs;
use std::path::{Path, PathBuf};

use eyre::{WrapErr, bail};

use crate::setup;
use crate::workspace::{command, root, run, target_dir, without_our_package};

const FOLDER: &str = "bindings/python";
const STUB: &str = "python/dora_shm/_dora_shm.pyi";

/// Compares the stub, installs the package as a user does, and runs its tests, and mypy on it, its examples and its
/// benchmarks.
pub fn check() -> eyre::Result<()> {
    let python = setup::binding_python()?;
    let (made, committed) = (generated_stub(&python)?, root().join(FOLDER).join(STUB));
    if fs::read_to_string(&committed).unwrap_or_default() != made {
        bail!("{} differs from the compiled module; `cargo xtask stubs` regenerates it", committed.display());
    }
    install(&python)?;
    let tools = setup::test_tools()?;
    let mut tests = in_package(&python, &python);
    tests.env("DORA_SHM_EZMSG_PYTHON", &tools.python).env("DORA_SHM_EZMSG06_PYTHON", &tools.ezmsg06_python);
    run(tests.args(["-m", "pytest", "--quiet"]))?;
    run(in_package(&python, &python).args(["-m", "mypy", "python/dora_shm", "examples", "benchmarks"]))
}

/// Installs the package as a user does, for the programs of other checks. Returns the path of the Python that has it.
pub fn installed() -> eyre::Result<PathBuf> {
    let python = setup::binding_python()?;
    install(&python)?;
    Ok(python)
}

fn install(python: &Path) -> eyre::Result<()> {
    // The environment contains the build tools. Without `--no-build-isolation` pip would download them each time.
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-build-isolation", "--no-deps"];
    run(in_package(python, python).args(pip).args(["--force-reinstall", "."]))
}

/// Regenerates the stub of the compiled module.
pub fn write_stub() -> eyre::Result<()> {
    let python = setup::binding_python()?;
    fs::write(root().join(FOLDER).join(STUB), generated_stub(&python)?).wrap_err("cannot write the stub")
}

/// The text of the stub, generated from the compiled module.
fn generated_stub(python: &Path) -> eyre::Result<String> {
    let out = target_dir().join("python-stubs");
    // The wheel's profile strips the data that the stub is generated from.
    let arguments = ["generate-stubs", "--quiet", "--features", "stubs", "--profile", "dev", "--out"];
    run(in_package(python, python.with_file_name("maturin")).args(arguments).arg(&out))?;
    let stub = out.join("dora_shm/_dora_shm.pyi");
    fs::read_to_string(&stub).wrap_err_with(|| format!("cannot read maturin's output {}", stub.display()))
}

/// A command that runs `program` in the package's folder, with the environment of `python`.
fn in_package(python: &Path, program: impl AsRef<Path>) -> std::process::Command {
    let mut command = command(program.as_ref());
    without_our_package(&mut command);
    let environment = python.parent().and_then(Path::parent).map(Path::to_owned).unwrap_or_default();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(environment.join("bin")).chain(std::env::split_paths(&path));
    let path = std::env::join_paths(folders.collect::<Vec<PathBuf>>()).unwrap_or(path);
    command.current_dir(root().join(FOLDER)).env("PATH", path).env("VIRTUAL_ENV", environment);
    command.env("CARGO_TARGET_DIR", target_dir());
    command
}
