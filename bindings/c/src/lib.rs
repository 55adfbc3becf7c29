//! The C interface of dora-shm.
//!
//! `include/dora_shm.h` is generated from these sources, and its conventions stand at its top (`tests/header.rs`). Each
//! function here takes its arguments apart, calls the library and answers with a code; nothing else is decided here.

// Names and the wording of the documentation are those of C, where both are read.
#![allow(non_camel_case_types, clippy::missing_safety_doc)]

mod call;
mod text;

// In the order in which the header has them; apart, or they would be sorted.
mod result;

mod format;

mod info;

mod reader;

mod messages;

mod notifier;

mod description;

mod writer;

mod streams;

use std::ffi::c_char;

/// The version of the library that this program runs with, such as "0.1.0": compare it with DORA_SHM_VERSION, with which it
/// was compiled. Never NULL.
///
/// Owner: the library. Valid for ever. Any thread. Never blocks.
#[unsafe(no_mangle)]
pub extern "C" fn dora_shm_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}
