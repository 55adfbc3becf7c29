//! The roles that processes of this program play in the campaigns.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::ValueEnum;
use dora_shm_testkit::process::read_line;

/// What a process does. Each role takes arguments, in the given order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// Does everything that a writer can do until it is killed ([`dora_shm_testkit::roles::storm`]). Arguments: seed,
    /// name.
    Storm,
    /// Obeys the commands in its input until the input ends ([`dora_shm_testkit::roles::writer`]). Arguments: name.
    Writer,
    /// Reads and checks everything until it is killed. Arguments: kind, seed, name.
    Reader,
    /// Changes the format as fast as it can until its input ends. Arguments: seed, name.
    Changer,
    /// Tries all the time to own the name ([`dora_shm_testkit::roles::contend`]). Arguments: seed, token file, name.
    Contender,
    /// Begins a stream, writes a little and closes it, repeatedly until its input ends. Arguments: seed, name.
    Restarter,
    /// Attaches and detaches as fast as it can until its input ends. Arguments: seed, name.
    Attacher,
    /// Reads a stream that the campaign overwrites. Typed errors are correct results. Arguments: kind, seed, name.
    Victim,
    /// Probes the files of a stream's name once for each line of its input. Arguments: name.
    Prober,
    /// Writes small frames in large chunks at full speed until its input ends. Arguments: seed, name.
    FloodWriter,
    /// Reads the flood to its end and accounts for all of it. Arguments: kind, name.
    FloodReader,
    /// Occupies one core until its input ends.
    Hog,
}

impl Role {
    pub fn word(self) -> String {
        self.to_possible_value().expect("no role is hidden").get_name().to_owned()
    }
}

/// In a role: a flag that is set when the parent closes our input.
pub fn input_ends() -> Arc<AtomicBool> {
    let flag = Arc::new(AtomicBool::new(false));
    let ended = flag.clone();
    std::thread::spawn(move || {
        while read_line().is_some() {}
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
