//! The pickle of a description that ezmsg wrote: any bytes are refused in a sentence or give a description, and nothing in
//! them is ever run.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|pickle: &[u8]| dora_shm_ring::fuzzing::pickle(pickle));
