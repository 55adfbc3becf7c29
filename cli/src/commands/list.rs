//! `dora-shm list`: every stream on this machine.

use dora_shm_ring::StreamInfo;

use crate::exit::Exit;

/// Every stream on this machine
#[derive(clap::Args)]
pub struct Arguments {}

pub fn run(_: &Arguments) -> eyre::Result<Exit> {
    for stream in dora_shm_ring::streams()? {
        if let StreamInfo::Stream(info) = stream {
            println!("{}", info.name);
        }
    }
    Ok(Exit::Done)
}
