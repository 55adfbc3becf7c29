//! The C interface of dora-shm.
//!
//! `include/dora_shm.h` is generated from these sources; `header/src/main.rs` has the conventions at its top. Each
//! function here checks its arguments, calls the library and returns a code. Nothing else is decided here.

// Names and documentation are written for readers of C.
#![allow(non_camel_case_types, clippy::missing_safety_doc)]

mod c_string;
mod call;
mod text;

// In the order of the header. The empty lines keep rustfmt from sorting them.
mod result;

mod format;

mod info;

mod reader;

mod notifier;

mod description;

mod writer;

mod streams;

use std::ffi::c_char;

/// Version of the library that this program runs with, such as "0.1.0". The version that it was compiled with is
/// DORA_SHM_VERSION. Never NULL.
/// @note Owner: the library. Always valid. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn dora_shm_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}
