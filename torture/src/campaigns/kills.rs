//! Writers and readers are killed at random moments, or stopped for seconds, and dead writers are left as zombies.
//! Meanwhile readers of every kind follow the stream from the first frame to the last.

use std::time::Duration;

use dora_shm_ring::{Error, Liveness, Writer, WriterOptions};
use dora_shm_testkit::follower::{Follower, Kind, oldest};
use dora_shm_testkit::ledger::Ledger;
use dora_shm_testkit::process::Process;
use dora_shm_testkit::rng::Rng;
use rustix::process::Signal;

use crate::fixture::{Fixture, Outcome};
use crate::role::Role;

/// Largest number of dead writers that have not been waited for.
const ZOMBIES: usize = 6;
/// Number of reader processes that run at the same time.
const VICTIMS: usize = 2;

pub fn run(fixture: &Fixture) -> Outcome {
    fixture.among_followers(&Kind::ALL, &Ledger::default(), |_| {
        let mut rng = fixture.rng(1);
        let mut killing = Killing { fixture, zombies: Vec::new(), victims: Vec::new(), counts: Counts::default() };
        // The first writer creates the stream that readers attach to.
        killing.kill_a_writer(&mut rng)?;
        while fixture.goes_on() {
            killing.kill_a_writer(&mut rng)?;
            if rng.one_in(3) {
                killing.kill_a_reader(&mut rng)?;
            }
        }
        killing.end()?;
        fixture.last_writer()
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
    fixture: &'a Fixture,
    zombies: Vec<Process>,
    victims: Vec<Process>,
    counts: Counts,
}

impl Killing<'_> {
    fn kill_a_writer(&mut self, rng: &mut Rng) -> Outcome {
        let fixture = self.fixture;
        let mut writer = fixture.start(Role::Storm, &[&rng.next_u64().to_string(), &fixture.name])?;
        writer.expect("begins")?;
        std::thread::sleep(Duration::from_micros(rng.below(9000)));
        if rng.one_in(40) {
            self.stop_a_writer(&writer, rng)?;
        }
        writer.kill();
        self.counts.writers += 1;
        fixture.counters.fault();
        if rng.one_in(8) {
            writer.wait_for_state('Z')?;
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

    /// A stopped writer keeps its stream: a second writer is refused, and readers see the stream live or idle.
    fn stop_a_writer(&mut self, writer: &Process, rng: &mut Rng) -> Outcome {
        let fixture = self.fixture;
        writer.signal(Signal::STOP);
        writer.wait_for_state('T')?;
        fixture.counters.fault();
        self.counts.stops += 1;
        // If the writer was stopped between two streams or while it created one, readers find no stream.
        let refused = Writer::create(&fixture.name, WriterOptions::default());
        match refused {
            Err(Error::Live { .. }) => {
                let seen = Follower::open(&fixture.name, Kind::Wait, &oldest(), Ledger::anywhere());
                let liveness = seen.and_then(|mut reader| reader.liveness()).map_err(|error| format!("{error:?}"))?;
                if ![Liveness::Live, Liveness::Idle, Liveness::Waiting, Liveness::Absent].contains(&liveness) {
                    return Err(format!("a stopped writer's stream is {liveness:?}"));
                }
            }
            // The stopped writer did not own the name, so this writer got it. It is closed at once.
            Ok(_) => {}
            Err(error) => return Err(format!("creating a writer while another is stopped: {error:?}")),
        }
        let most = if fixture.budget > Duration::from_secs(60) { 3000 } else { 600 };
        std::thread::sleep(Duration::from_millis(100 + rng.below(most)));
        if rng.one_in(2) {
            writer.signal(Signal::CONT);
            std::thread::sleep(Duration::from_micros(rng.below(5000)));
        }
        Ok(())
    }

    fn kill_a_reader(&mut self, rng: &mut Rng) -> Outcome {
        let fixture = self.fixture;
        if self.victims.len() >= VICTIMS {
            let mut victim = self.victims.swap_remove(rng.below(VICTIMS as u64) as usize);
            if rng.one_in(6) {
                // While it is stopped, the reader is lapped. Afterwards it must account for the frames that it missed.
                victim.signal(Signal::STOP);
                fixture.counters.fault();
                std::thread::sleep(Duration::from_millis(rng.below(100)));
                victim.signal(Signal::CONT);
                std::thread::sleep(Duration::from_millis(rng.below(20)));
            }
            victim.kill();
            victim.end_killed()?;
            self.counts.readers += 1;
            fixture.counters.fault();
        }
        let kind = rng.pick(&Kind::ALL).word();
        let victim = fixture.start(Role::Reader, &[kind, &rng.next_u64().to_string(), &fixture.name])?;
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
        self.fixture.counters.note(format!(
            "{writers} writers killed ({zombies} of them were zombies during the next takeover, {stops} were stopped \
             before), {readers} readers killed"
        ));
        Ok(())
    }
}
