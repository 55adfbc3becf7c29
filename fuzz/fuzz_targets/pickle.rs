//! The pickle of a description that ezmsg wrote: any bytes are either refused with a reason or give a description.
//! Nothing in them is executed.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|pickle: &[u8]| dora_shm_ring::fuzzing::pickle(pickle));
