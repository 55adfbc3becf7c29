//! Several writers want the same name, and are killed in the middle of everything: never do two own it.

use std::os::fd::AsFd as _;
use std::time::Duration;

use dora_shm_ring::{Error, Writer, WriterOptions};
use rustix::fs::{FlockOperation, flock};

use crate::actor::Actor;
use crate::book::Book;
use crate::dice::Dice;
use crate::follower::ALL_KINDS;
use crate::roles::{Role, anything};
use crate::scene::{Outcome, Scene};
use crate::signal;
use crate::tally::tell;

const CONTENDERS: u64 = 6;

pub fn run(scene: &Scene) -> Outcome {
    let token = std::env::temp_dir().join(format!("dora-shm-torture-token-{}", std::process::id()));
    std::fs::write(&token, "").map_err(|error| format!("{}: {error}", token.display()))?;
    let raced = scene.among_followers(&ALL_KINDS, &Book::default(), |_| {
        let mut dice = scene.dice(1);
        let token = token.display().to_string();
        let start = |dice: &mut Dice| scene.actor(Role::Contender, &[&dice.roll().to_string(), &token, &scene.name]);
        let mut contenders = Vec::new();
        for _ in 0..CONTENDERS {
            contenders.push(start(&mut dice)?);
        }
        let (mut killed, mut owned) = (0, 0);
        while scene.goes_on() {
            std::thread::sleep(Duration::from_micros(dice.below(8000)));
            let unlucky = dice.below(CONTENDERS) as usize;
            let actor = std::mem::replace(&mut contenders[unlucky], start(&mut dice)?);
            owned += end(actor)?;
            killed += 1;
            scene.tally.fault();
        }
        for actor in contenders {
            owned += end(actor)?;
        }
        scene.tally.note(format!("{killed} contenders killed, the name was owned {owned} times"));
        scene.last_writer()
    });
    let _ = std::fs::remove_file(&token);
    raced
}

/// Kills a contender; how many times it had owned the name.
fn end(mut actor: Actor) -> Result<u64, String> {
    actor.kill();
    let mut owned = 0;
    while let Some(line) = actor.hear()? {
        match line.as_str() {
            "owned" => owned += 1,
            other => return Err(format!("a contender says {other:?}")),
        }
    }
    actor.end_killed()?;
    Ok(owned)
}

/// The role that wants the name all the time. Whoever has the name holds the token, too.
pub fn contender(mut dice: Dice, token: &str, name: &str) -> eyre::Result<()> {
    // Opened before the stream's lock: a dying process gives up what it opened first, first.
    let token = std::fs::File::open(token)?;
    let mut buffer = Vec::new();
    loop {
        match Writer::create(name, WriterOptions::default()) {
            Ok(mut writer) => {
                if flock(token.as_fd(), FlockOperation::NonBlockingLockExclusive).is_err() {
                    tell("two owners");
                    return Ok(());
                }
                writer.begin(&signal::format(4, 64), &signal::description(""), 4)?;
                for _ in 0..dice.below(30) {
                    anything(&mut writer, &mut dice, &mut buffer)?;
                }
                tell("owned");
                flock(token.as_fd(), FlockOperation::Unlock)?;
            }
            Err(Error::Live { .. }) => std::thread::yield_now(),
            Err(error) => {
                tell(&format!("{error:?}"));
                return Ok(());
            }
        }
    }
}
