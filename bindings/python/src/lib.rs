//! `dora_shm._dora_shm`: the compiled part of the Python package `dora_shm`, and private to it. It converts between
//! Python and `dora-shm-ring`. The Python files of the package have the names, checks and documentation that users see.
//!
//! Calls that copy many bytes or wait let other Python threads run. Threads that share a handle take turns.

#![deny(unsafe_op_in_unsafe_fn)]

use pyo3::prelude::*;

mod buffers;
mod chunk;
mod clock;
mod described;
mod errors;
mod info;
mod notifier;
mod reader;
mod shared;
mod view;
mod writer;

#[pymodule]
mod _dora_shm {
    #[pymodule_export]
    use crate::clock::GenerationClock;
    #[pymodule_export]
    use crate::info::{shorten, streams};
    #[pymodule_export]
    use crate::notifier::Notifier;
    #[pymodule_export]
    use crate::reader::{Position, Reader};
    #[pymodule_export]
    use crate::view::{Part, View};
    #[pymodule_export]
    use crate::writer::{Progress, Writer};

    #[pymodule_export]
    #[expect(non_upper_case_globals, reason = "Python's name for it")]
    const __version__: &str = env!("CARGO_PKG_VERSION");
}
