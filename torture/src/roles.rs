//! What processes of this program play in the campaigns.

use std::time::Duration;

use clap::ValueEnum;
use dora_shm_ring::{Error, ReaderOptions, Start, Writer};
use eyre::{WrapErr as _, eyre};

use crate::book::Book;
use crate::campaigns;
use crate::dice::Dice;
use crate::follower::{Follower, Kind, Step};
use crate::scene::create_patiently;
use crate::signal;
use crate::tally::{Tally, tell};

/// What a process plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// Does everything that a writer can do, in any order, again and again, until it is killed. Arguments: seed, name.
    Storm,
    /// Writes as told by lines, until its input ends. Arguments: name.
    Scribe,
    /// Reads everything, checks everything, until it is killed. Arguments: kind, seed, name.
    Reader,
    /// Changes the format as fast as it can until its input ends. Arguments: seed, name.
    Changer,
    /// Wants the name all the time. Arguments: seed, token file, name.
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
    Torrent,
    /// Reads the torrent to its end and accounts for all of it. Arguments: kind, name.
    Drinker,
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
        let kind = |i: usize| Kind::from_str(word(i)?, true).map_err(|error| eyre!("{error}"));
        match self {
            Role::Storm => storm(Dice::new(number(0)?), word(1)?),
            Role::Scribe => scribe(word(0)?),
            Role::Reader => reader(kind(0)?, Dice::new(number(1)?), word(2)?),
            Role::Changer => campaigns::formats::changer(Dice::new(number(0)?), word(1)?),
            Role::Contender => campaigns::racers::contender(Dice::new(number(0)?), word(1)?, word(2)?),
            Role::Restarter => campaigns::attaches::restarter(Dice::new(number(0)?), word(1)?),
            Role::Attacher => campaigns::attaches::attacher(Dice::new(number(0)?), word(1)?),
            Role::Victim => campaigns::hostile::victim(kind(0)?, Dice::new(number(1)?), word(2)?),
            Role::Prober => campaigns::impostors::prober(word(0)?),
            Role::Torrent => campaigns::soak::torrent(Dice::new(number(0)?), word(1)?),
            Role::Drinker => campaigns::soak::drinker(kind(0)?, word(1)?),
            Role::Hog => until_input_ends(|| {
                std::hint::spin_loop();
                Ok(())
            }),
        }
    }
}

/// In a role: the next line that the parent says; `None` when it has closed our input.
pub fn listen() -> Option<String> {
    let mut line = String::new();
    match std::io::stdin().read_line(&mut line) {
        Ok(0) | Err(_) => None,
        Ok(_) => Some(line.trim_end().to_owned()),
    }
}

/// In a role: raised when the parent has closed our input.
pub fn input_ends() -> std::sync::Arc<std::sync::atomic::AtomicBool> {
    let flag = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let ended = flag.clone();
    std::thread::spawn(move || {
        while listen().is_some() {}
        ended.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    flag
}

/// Most frames of a ring in the storms.
const STORM_FRAMES: u64 = 200;

/// One thing of all that a writer does.
pub fn anything(writer: &mut Writer, dice: &mut Dice, buffer: &mut Vec<u8>) -> dora_shm_ring::Result<()> {
    match dice.below(40) {
        0 => {
            let key = format!("format {}", dice.below(1000));
            writer.begin(&signal::random_format(dice, STORM_FRAMES), &signal::description(key), 4)
        }
        1 => {
            // The same description in a new ring.
            let description = writer.description().cloned().unwrap_or_default();
            writer.begin(&signal::format(4 + dice.below(60), 1 + dice.below(STORM_FRAMES)), &description, 4)
        }
        2 => writer.describe(&signal::description(dice.below(1000).to_string())),
        3 => writer.maintain(),
        4 => signal::write(writer, dice.below(2 * STORM_FRAMES)),
        5..20 => signal::write_copy(writer, dice.below(9), buffer),
        _ => signal::write(writer, dice.below(9)),
    }
}

fn storm(mut dice: Dice, name: &str) -> eyre::Result<()> {
    let mut buffer = Vec::new();
    let mut told = false;
    loop {
        let mut writer = create_patiently(name)?;
        writer.begin(&signal::random_format(&mut dice, STORM_FRAMES), &signal::description(""), 4)?;
        if !std::mem::replace(&mut told, true) {
            tell("begins");
        }
        for _ in 0..50 + dice.below(400) {
            anything(&mut writer, &mut dice, &mut buffer)?;
        }
    }
}

fn scribe(name: &str) -> eyre::Result<()> {
    let mut writer = create_patiently(name)?;
    writer.begin(&signal::format(4, 64), &signal::description(""), 4)?;
    tell("begins");
    while let Some(line) = listen() {
        signal::write(&mut writer, line.parse().wrap_err("frames to write")?)?;
        tell(&format!("{}", writer.stream_position()));
    }
    Ok(())
}

fn reader(kind: Kind, mut dice: Dice, name: &str) -> eyre::Result<()> {
    let tally = Tally::of_role();
    let start = [Start::Oldest, Start::Newest, Start::Last(dice.below(50))][dice.below(3) as usize];
    let options = ReaderOptions::default().start(start);
    let mut follower = match Follower::open(name, kind, &options, Book::anywhere()) {
        Ok(follower) => follower,
        Err(error) => {
            tally.defect(&format!("attaching as {kind:?}: {error:?}"));
            return Ok(());
        }
    };
    tell("begins");
    let mut read = || -> Result<(), String> {
        follower.wait(Duration::from_millis(dice.below(20)))?;
        for _ in 0..64 {
            match follower.step()? {
                Step::Read(frames) => tally.checked(frames),
                Step::Moved | Step::Closed => {}
                Step::Nothing => break,
            }
        }
        Ok(())
    };
    loop {
        if let Err(defect) = read() {
            tally.defect(&format!("{kind:?} reader from {start:?}: {defect}"));
        }
    }
}

/// Whether an error is one that a reader may give of segments that somebody has spoilt.
pub fn is_about_segments(error: &Error) -> bool {
    matches!(
        error,
        Error::Corrupt { .. }
            | Error::Version { .. }
            | Error::Ezmsg { .. }
            | Error::WrongOwner { .. }
            | Error::Permission { .. }
            | Error::TooLarge { .. }
    )
}

/// Runs `once` until the parent closes our input.
pub fn until_input_ends(mut once: impl FnMut() -> eyre::Result<()>) -> eyre::Result<()> {
    let ended = input_ends();
    while !ended.load(std::sync::atomic::Ordering::Relaxed) {
        once()?;
    }
    Ok(())
}
