//! Writers and readers are killed at random moments, stopped for seconds, and left as zombies, while readers of every
//! kind follow the stream from the first frame to the last.

use std::time::Duration;

use dora_shm_ring::{Error, Liveness, Writer, WriterOptions};
use rustix::process::Signal;

use crate::actor::Actor;
use crate::book::Book;
use crate::dice::Dice;
use crate::follower::{ALL_KINDS, Follower, Kind, oldest};
use crate::roles::Role;
use crate::scene::{Outcome, Scene};

/// Dead writers that have not been waited for, at most.
const ZOMBIES: usize = 6;
/// Readers in processes of their own that live at the same time.
const VICTIMS: usize = 2;

pub fn run(scene: &Scene) -> Outcome {
    scene.among_followers(&ALL_KINDS, &Book::default(), |_| {
        let mut dice = scene.dice(1);
        let mut killing = Killing { scene, zombies: Vec::new(), victims: Vec::new(), counts: Counts::default() };
        // The first one makes the stream that readers attach to.
        killing.kill_a_writer(&mut dice)?;
        while scene.goes_on() {
            killing.kill_a_writer(&mut dice)?;
            if dice.one_in(3) {
                killing.kill_a_reader(&mut dice)?;
            }
        }
        killing.end()?;
        scene.last_writer()
    })
}

#[derive(Default)]
struct Counts {
    writers: u64,
    readers: u64,
    stops: u64,
    zombies: u64,
}

struct Killing<'a> {
    scene: &'a Scene,
    zombies: Vec<Actor>,
    victims: Vec<Actor>,
    counts: Counts,
}

impl Killing<'_> {
    fn kill_a_writer(&mut self, dice: &mut Dice) -> Outcome {
        let scene = self.scene;
        let mut writer = scene.actor(Role::Storm, &[&dice.roll().to_string(), &scene.name])?;
        writer.expect("begins")?;
        std::thread::sleep(Duration::from_micros(dice.below(9000)));
        if dice.one_in(40) {
            self.stop_a_writer(&writer, dice)?;
        }
        writer.kill();
        self.counts.writers += 1;
        scene.tally.fault();
        if dice.one_in(8) {
            writer.comes_to('Z')?;
            self.counts.zombies += 1;
            self.zombies.push(writer);
            if self.zombies.len() > ZOMBIES {
                self.zombies.remove(0).end_killed()?;
            }
        } else {
            writer.end_killed()?;
        }
        Ok(())
    }

    /// A stopped writer keeps its stream: a second one is refused, readers see it live or idle.
    fn stop_a_writer(&mut self, writer: &Actor, dice: &mut Dice) -> Outcome {
        let scene = self.scene;
        writer.signal(Signal::STOP);
        writer.comes_to('T')?;
        scene.tally.fault();
        self.counts.stops += 1;
        // Between two streams of its, or in the middle of making one, it has none to be seen.
        let refused = Writer::create(&scene.name, WriterOptions::default());
        match refused {
            Err(Error::Live { .. }) => {
                let seen = Follower::open(&scene.name, Kind::Wait, &oldest(), Book::anywhere());
                let liveness = seen.and_then(|mut reader| reader.liveness()).map_err(|error| format!("{error:?}"))?;
                if ![Liveness::Live, Liveness::Idle, Liveness::Waiting, Liveness::Absent].contains(&liveness) {
                    return Err(format!("a stopped writer's stream is {liveness:?}"));
                }
            }
            // It was stopped while it owned nothing, and now it is this one's. Closed at once.
            Ok(_) => {}
            Err(error) => return Err(format!("beside a stopped writer: {error:?}")),
        }
        let most = if scene.budget > Duration::from_secs(60) { 3000 } else { 600 };
        std::thread::sleep(Duration::from_millis(100 + dice.below(most)));
        if dice.one_in(2) {
            writer.signal(Signal::CONT);
            std::thread::sleep(Duration::from_micros(dice.below(5000)));
        }
        Ok(())
    }

    fn kill_a_reader(&mut self, dice: &mut Dice) -> Outcome {
        let scene = self.scene;
        if self.victims.len() >= VICTIMS {
            let mut victim = self.victims.swap_remove(dice.below(VICTIMS as u64) as usize);
            if dice.one_in(6) {
                // Stopped, lapped, and then it has to account for what it missed.
                victim.signal(Signal::STOP);
                scene.tally.fault();
                std::thread::sleep(Duration::from_millis(dice.below(100)));
                victim.signal(Signal::CONT);
                std::thread::sleep(Duration::from_millis(dice.below(20)));
            }
            victim.kill();
            victim.end_killed()?;
            self.counts.readers += 1;
            scene.tally.fault();
        }
        let kind = format!("{:?}", dice.pick(&ALL_KINDS)).to_lowercase();
        let kind = if kind == "messageviews" { "message-views" } else { &kind };
        let victim = scene.actor(Role::Reader, &[kind, &dice.roll().to_string(), &scene.name])?;
        self.victims.push(victim);
        Ok(())
    }

    fn end(self) -> Outcome {
        for mut victim in self.victims {
            victim.kill();
            victim.end_killed()?;
        }
        for zombie in self.zombies {
            zombie.end_killed()?;
        }
        let Counts { writers, readers, stops, zombies } = self.counts;
        self.scene.tally.note(format!(
            "{writers} writers killed ({zombies} of them zombies while the next took over, {stops} stopped before), \
             {readers} readers killed"
        ));
        Ok(())
    }
}
