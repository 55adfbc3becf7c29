//! What other processes of this program do in the campaigns. Some roles are the test kit's.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::ValueEnum;
use dora_shm_testkit::follower::Kind;
use dora_shm_testkit::process::listen;
use dora_shm_testkit::rng::Rng;
use dora_shm_testkit::roles;
use eyre::{Report, WrapErr as _, eyre};

use crate::campaigns;
use crate::counters::Counters;

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// Does everything that a writer can do until it is killed ([`roles::storm`]). Arguments: seed, name.
    Storm,
    /// Writes as lines order, until its input ends ([`roles::writer`]). Arguments: name.
    Writer,
    /// Reads everything, checks everything, until it is killed. Arguments: kind, seed, name.
    Reader,
    /// Changes the format as fast as it can until its input ends. Arguments: seed, name.
    Changer,
    /// Wants the name all the time ([`roles::contend`]). Arguments: seed, token file, name.
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

    pub fn play(self, arguments: &[String]) -> eyre::Result<()> {
        let word = |i: usize| {
            arguments.get(i).map(String::as_str).ok_or_else(|| eyre!("{} needs an argument {i}", self.word()))
        };
        let number = |i: usize| word(i)?.parse::<u64>().wrap_err("a seed");
        let kind = |i: usize| word(i)?.parse::<Kind>().map_err(Report::msg);
        match self {
            Role::Storm => roles::storm(&mut Rng::new(number(0)?), word(1)?, false).map_err(Report::msg),
            Role::Writer => roles::writer(word(0)?).map_err(Report::msg),
            Role::Reader => {
                read(kind(0)?, Rng::new(number(1)?), word(2)?);
                Ok(())
            }
            Role::Changer => campaigns::formats::changer(Rng::new(number(0)?), word(1)?),
            Role::Contender => {
                let token = Path::new(word(1)?);
                roles::contend(&mut Rng::new(number(0)?), token, word(2)?).map_err(Report::msg)
            }
            Role::Restarter => campaigns::attaches::restarter(Rng::new(number(0)?), word(1)?),
            Role::Attacher => campaigns::attaches::attacher(Rng::new(number(0)?), word(1)?),
            Role::Victim => campaigns::hostile::victim(kind(0)?, Rng::new(number(1)?), word(2)?),
            Role::Prober => campaigns::impostors::prober(word(0)?),
            Role::FloodWriter => campaigns::soak::flood(Rng::new(number(0)?), word(1)?),
            Role::FloodReader => campaigns::soak::read_flood(kind(0)?, word(1)?),
            Role::Hog => until_input_ends(|| {
                std::hint::spin_loop();
                Ok(())
            }),
        }
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

/// Reads everything and checks everything, until it is killed.
fn read(kind: Kind, mut rng: Rng, name: &str) {
    let counters = Counters::of_role();
    if let Err(defect) = roles::follow(kind, &mut rng, name, |frames| counters.checked(frames)) {
        counters.defect(&defect);
    }
}

/// Runs `once` until the parent closes our input.
pub fn until_input_ends(mut once: impl FnMut() -> eyre::Result<()>) -> eyre::Result<()> {
    let ended = input_ends();
    while !ended.load(Ordering::Relaxed) {
        once()?;
    }
    Ok(())
}
