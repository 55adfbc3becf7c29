//! What other processes of this program can do in the campaigns.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::ValueEnum;
use dora_shm_testkit::process::listen;

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// Does everything that a writer can do until it is killed ([`dora_shm_testkit::roles::storm`]). Arguments: seed, name.
    Storm,
    /// Writes as lines order, until its input ends ([`dora_shm_testkit::roles::writer`]). Arguments: name.
    Writer,
    /// Reads everything, checks everything, until it is killed. Arguments: kind, seed, name.
    Reader,
    /// Changes the format as fast as it can until its input ends. Arguments: seed, name.
    Changer,
    /// Wants the name all the time ([`dora_shm_testkit::roles::contend`]). Arguments: seed, token file, name.
    Contender,
    /// Begins a stream, writes a little, closes it, again and again, until its input ends. Arguments: seed, name.
    Restarter,
    /// Attaches and detaches as fast as it can until its input ends. Arguments: seed, name.
    Attacher,
    /// Reads a stream that somebody scribbles over; typed errors are right answers. Arguments: kind, seed, name.
    Victim,
    /// Probes what stands under a name, once for each line that it hears. Arguments: name.
    Prober,
    /// Small frames in large chunks at full speed until its input ends. Arguments: seed, name.
    FloodWriter,
    /// Reads the flood to its end and accounts for all of it. Arguments: kind, name.
    FloodReader,
    /// Takes all the time of a core until its input ends.
    Hog,
}

impl Role {
    pub fn word(self) -> String {
        self.to_possible_value().expect("no role is hidden").get_name().to_owned()
    }
}

/// In a role: raised when the parent has closed our input.
pub fn input_ends() -> Arc<AtomicBool> {
    let flag = Arc::new(AtomicBool::new(false));
    let ended = flag.clone();
    std::thread::spawn(move || {
        while listen().is_some() {}
        ended.store(true, Ordering::Relaxed);
    });
    flag
}

/// Runs `once` until the parent closes our input.
pub fn until_input_ends(mut once: impl FnMut() -> eyre::Result<()>) -> eyre::Result<()> {
    let ended = input_ends();
    while !ended.load(Ordering::Relaxed) {
        once()?;
    }
    Ok(())
}
