//! Installs what a fresh machine lacks: Python packages in private environments, Debian packages, parts of the
//! toolchain.

mod debian;
mod dora;
mod python;

use std::path::PathBuf;

use crate::workspace;

pub use debian::command as debian_command;
pub use dora::{cli as dora_cli, oldest_cli as oldest_dora_cli};

use python::Environment;

/// The dora command line alone: all that the demo needs.
const DORA: Environment = Environment { folder: ".venv", packages: &["dora-rs-cli==1.1.0"], without_dependencies: &[] };

/// The same of the oldest release that the nodes are tried with.
const OLDEST_DORA: Environment =
    Environment { folder: ".venv-dora-1.0", packages: &["dora-rs-cli==1.0.1"], without_dependencies: &[] };

/// What the tests need in addition: ezmsg-tools, Lab Streaming Layer (pylsl contains its library), and published nodes
/// with their node API. `opencv-video-capture` depends on the OpenCV that needs a display's libraries. The headless
/// OpenCV works as well, so the node is installed without dependencies.
const TESTS: Environment = Environment {
    folder: ".venv-tests",
    packages: &["dora-rs==1.1.0", "ezmsg-tools==0.10.0", "numpy>=2", "opencv-python-headless>=4.10", "pylsl==1.18.2"],
    without_dependencies: &["opencv-video-capture==0.5.0"],
};

/// ezmsg-tools from before its struct version 2, with the last ezmsg that starts a graph with a `conn`.
const EZMSG06: Environment = Environment {
    folder: ".venv-ezmsg06",
    packages: &["ezmsg-tools==0.6.0", "ezmsg==3.6.2", "numpy>=2"],
    without_dependencies: &[],
};

/// What the benchmark measures in addition to our own programs.
const BENCH: Environment = Environment {
    folder: ".venv-bench",
    packages: &["dora-rs==1.1.0", "ezmsg-tools==0.10.0", "numpy>=2", "pyarrow", "pylsl==1.18.2"],
    without_dependencies: &[],
};

/// What builds and checks the Python package, and its optional dependencies.
const BINDING: Environment = Environment {
    folder: ".venv-python",
    packages: &[
        "maturin>=1.16,<2",
        "numpy>=2",
        "pytest>=8",
        "mypy>=1.18",
        "pyarrow>=15",
        "matplotlib>=3.8",
        "ezmsg-tools==0.10.0",
    ],
    without_dependencies: &[],
};

/// What the whole-system tests run in addition to our own programs.
pub struct TestTools {
    /// The dora command line.
    pub dora: PathBuf,
    /// A Python that imports `ezmsg.tools`, `dora`, `pyarrow`, `cv2`, `pylsl` and `numpy`. The published nodes are in its
    /// folder.
    pub python: PathBuf,
    /// A Python that imports `ezmsg.tools` 0.6.
    pub ezmsg06_python: PathBuf,
}

/// Sets up everything that the tests need.
pub fn test_tools() -> eyre::Result<TestTools> {
    debian::command("unshare", "util-linux")?;
    Ok(TestTools { dora: dora_cli()?, python: TESTS.ensure()?, ezmsg06_python: EZMSG06.ensure()? })
}

/// Sets up what the benchmark measures and returns the path of its Python.
pub fn bench_python() -> eyre::Result<PathBuf> {
    BENCH.ensure()
}

/// Sets up what builds and checks the Python package and returns the path of its Python.
pub fn binding_python() -> eyre::Result<PathBuf> {
    BINDING.ensure()
}

/// Sets up the parts of the toolchain that a minimal installation lacks.
pub fn toolchain() -> eyre::Result<()> {
    debian::command("cc", "gcc")?;
    for (subcommand, component) in [("fmt", "rustfmt"), ("clippy", "clippy")] {
        if workspace::stdout_of(&mut workspace::cargo([subcommand, "--version"])).is_none() {
            workspace::run(workspace::command("rustup").args(["component", "add", component]))?;
        }
    }
    Ok(())
}
