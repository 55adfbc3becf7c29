//! The JSON of a description: any bytes are refused in a sentence or give a description that comes out again as it is.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|json: &[u8]| dora_shm_ring::fuzzing::description(json));
