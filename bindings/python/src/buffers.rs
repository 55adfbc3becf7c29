//! numpy's memory, by the buffer protocol.

use pyo3::buffer::PyUntypedBuffer;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// Contiguous memory of an object, exported until this is dropped, so that it is neither freed nor moved.
pub struct Memory {
    start: *mut u8,
    length: usize,
    readonly: bool,
    _export: PyUntypedBuffer,
}

// SAFETY: the exporter keeps the memory where it is until the export ends, for every thread that accesses it.
unsafe impl Send for Memory {}

impl Memory {
    pub fn of(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        let export = PyUntypedBuffer::get(object)?;
        if !export.is_c_contiguous() {
            return Err(PyValueError::new_err("an array is not contiguous in C order, expected a contiguous one"));
        }
        let (start, length, readonly) = (export.buf_ptr().cast(), export.len_bytes(), export.readonly());
        Ok(Self { start, length, readonly, _export: export })
    }

    pub fn of_writable(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        let memory = Self::of(object)?;
        if memory.readonly {
            return Err(PyValueError::new_err("an array is read-only, expected a writable one"));
        }
        Ok(memory)
    }

    /// Whether a byte belongs to both.
    pub fn overlaps(&self, other: &Memory) -> bool {
        let end = |memory: &Memory| memory.start as usize + memory.length;
        (self.start as usize) < end(other) && (other.start as usize) < end(self)
    }

    pub fn length(&self) -> usize {
        self.length
    }

    pub fn bytes(&self) -> &[u8] {
        if self.length == 0 {
            return &[];
        }
        // SAFETY: exported as that many contiguous bytes, for as long as `self` lives. As with numpy, it is up to the
        // program not to store to its own array in another thread meanwhile.
        unsafe { std::slice::from_raw_parts(self.start, self.length) }
    }

    pub fn bytes_mut(&mut self) -> &mut [u8] {
        if self.length == 0 || self.readonly {
            return &mut [];
        }
        // SAFETY: as in `bytes`, and exported as writable.
        unsafe { std::slice::from_raw_parts_mut(self.start, self.length) }
    }

    fn check_floats(&self) -> PyResult<()> {
        if self.start.align_offset(align_of::<f64>()) != 0 || !self.length.is_multiple_of(size_of::<f64>()) {
            return Err(PyValueError::new_err(
                "times are not aligned float64 numbers, expected an aligned float64 array",
            ));
        }
        Ok(())
    }

    pub fn floats(&self) -> PyResult<&[f64]> {
        self.check_floats()?;
        let bytes = self.bytes();
        if bytes.is_empty() {
            // Its pointer is not the array's, and need not be aligned.
            return Ok(&[]);
        }
        // SAFETY: aligned, as many whole numbers, and every bit pattern is an f64.
        Ok(unsafe { std::slice::from_raw_parts(bytes.as_ptr().cast(), bytes.len() / size_of::<f64>()) })
    }

    pub fn floats_mut(&mut self) -> PyResult<&mut [f64]> {
        self.check_floats()?;
        let bytes = self.bytes_mut();
        if bytes.is_empty() {
            return Ok(&mut []);
        }
        // SAFETY: as in `floats`.
        Ok(unsafe { std::slice::from_raw_parts_mut(bytes.as_mut_ptr().cast(), bytes.len() / size_of::<f64>()) })
    }
}
