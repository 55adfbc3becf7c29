//! The sink as a program.

use std::process::ExitCode;

fn main() -> ExitCode {
    dora_shm_node_kit::launch::exit(dora_shm_sink::main())
}
