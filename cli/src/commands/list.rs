//! `dora-shm list`: every stream on this machine.

use std::io::Write as _;

use crate::exit::Exit;
use crate::open::name_of;
use crate::output;
use crate::text::printable;

/// Every stream on this machine
#[derive(clap::Args)]
pub struct Arguments {}

pub fn run(_: &Arguments) -> eyre::Result<Exit> {
    let mut out = output::stdout();
    for stream in dora_shm_ring::streams()? {
        if let Some(name) = name_of(&stream) {
            writeln!(out, "{}", printable(&name))?;
        }
    }
    out.flush()?;
    Ok(Exit::Done)
}
