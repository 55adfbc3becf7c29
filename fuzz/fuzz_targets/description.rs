//! The JSON of a description: any bytes are either refused with a reason, or give a description that survives being
//! written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|json: &[u8]| dora_shm_ring::fuzzing::description(json));
