//! `dora-shm-role`: a process that plays one of the roles of [`dora_shm_testkit::roles`].

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match dora_shm_testkit::roles::play(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            eprintln!("dora-shm-role {arguments:?}: {sentence}");
            ExitCode::FAILURE
        }
    }
}
