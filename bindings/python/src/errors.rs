//! The library's errors as the exceptions of `dora_shm._errors`, one class each.

use std::error::Error as _;

use dora_shm_ring::Error;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

fn class_name(error: &Error) -> &'static str {
    match error {
        Error::BadName { .. } => "BadNameError",
        Error::UnknownDtype { .. } => "UnknownDtypeError",
        Error::BadFormat { .. } => "BadFormatError",
        Error::BadArgument { .. } => "BadArgumentError",
        Error::Live { .. } => "StreamBusyError",
        Error::Obstructed { .. } => "ObstructedError",
        Error::NameTaken { .. } => "NameTakenError",
        Error::WrongOwner { .. } => "WrongOwnerError",
        Error::Permission { .. } => "StreamPermissionError",
        Error::Version { .. } => "VersionError",
        Error::Ezmsg { .. } => "EzmsgError",
        Error::Unsupported { .. } => "UnsupportedError",
        Error::Corrupt { .. } => "CorruptError",
        Error::TooLarge { .. } => "TooLargeError",
        Error::NoSpace { .. } => "NoSpaceError",
        Error::NoGeneration => "NoGenerationError",
        Error::Forked => "ForkedError",
        Error::Io { .. } => "IoError",
        // A variant that the library has gained since.
        _ => "Error",
    }
}

/// The exception for `error`, with the library's message.
pub fn raise(py: Python<'_>, error: Error) -> PyErr {
    let mut message = error.to_string();
    if let Some(source) = error.source() {
        message = format!("{message}: {source}");
    }
    named(py, class_name(&error), message)
}

/// The exception `class` of `dora_shm._errors`.
pub fn named(py: Python<'_>, class: &str, message: impl Into<String>) -> PyErr {
    static MODULE: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    let message = message.into();
    let made = || {
        let module = MODULE.get_or_try_init(py, || py.import("dora_shm._errors").map(Bound::unbind))?;
        module.bind(py).getattr(class)?.call1((&message,))
    };
    made().map_or_else(|_| PyRuntimeError::new_err(message.clone()), PyErr::from_value)
}
