//! A description in Python. The Python object is made on first use, because it needs the interpreter, and kept as long
//! as the reader holds the same description.

use std::sync::Arc;

use dora_shm_ring::Description;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyType};

/// A description, as Python's `Description`.
pub struct Described {
    description: Arc<Description>,
    python: PyOnceLock<Py<PyAny>>,
}

impl Described {
    pub fn new(description: Arc<Description>) -> Self {
        Self { description, python: PyOnceLock::new() }
    }

    pub fn is_of(&self, description: &Arc<Description>) -> bool {
        Arc::ptr_eq(&self.description, description)
    }

    /// The same object each time.
    pub fn python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
        let made = || {
            let class = CLASS.import(py, "dora_shm._description", "Description")?;
            Ok(class.call_method1("_from_json", (PyBytes::new(py, &self.description.to_json()),))?.unbind())
        };
        self.python.get_or_try_init(py, made).map(|python| python.bind(py).clone())
    }
}
