//! What every campaign works with: its stream's name, its time, its random numbers, its counters, and readers that
//! follow the stream through the whole campaign.

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dora_shm_ring::{ReaderOptions, Writer, WriterOptions};
use dora_shm_testkit::follower::{Follower, Kind};
use dora_shm_testkit::ledger::Ledger;
use dora_shm_testkit::process::Process;
use dora_shm_testkit::rng::{Rng, mix};
use dora_shm_testkit::roles;
use dora_shm_testkit::signal;

use crate::counters::{Counters, DEFECT_MARK, FAULTS_MARK, FRAMES_MARK};
use crate::follow::{Goal, Places, follow};
use crate::role::Role;

pub struct Fixture {
    /// The stream.
    pub name: String,
    pub seed: u64,
    pub budget: Duration,
    pub started: Instant,
    pub counters: Arc<Counters>,
}

/// The result of a campaign, or of a part of one. The error describes a defect.
pub type Outcome = Result<(), String>;

impl Fixture {
    /// A generator of random numbers for one of several purposes.
    pub fn rng(&self, purpose: u64) -> Rng {
        Rng::new(mix(self.seed ^ mix(purpose)))
    }

    /// Whether time is left and no defect was found.
    pub fn goes_on(&self) -> bool {
        self.started.elapsed() < self.budget && !self.counters.is_over()
    }

    /// The remaining time, divided by `parts`.
    pub fn part(&self, parts: u32) -> Duration {
        self.budget.saturating_sub(self.started.elapsed()) / parts
    }

    /// Starts this program in a role.
    pub fn start(&self, role: Role, arguments: &[&str]) -> Result<Process, String> {
        self.start_with(role, arguments, &[])
    }

    /// Like [`start`](Self::start), with additional environment variables.
    pub fn start_with(&self, role: Role, arguments: &[&str], environment: &[(&str, &str)]) -> Result<Process, String> {
        let mut command = Command::new(std::env::current_exe().map_err(|error| error.to_string())?);
        command.args(["role", &role.word(), "--"]).args(arguments).envs(environment.iter().copied());
        let counters = self.counters.clone();
        Process::start_filtered(&mut command, move |line| {
            if let Some(frames) = line.strip_prefix(FRAMES_MARK).and_then(|number| number.parse().ok()) {
                counters.checked(frames);
            } else if let Some(faults) = line.strip_prefix(FAULTS_MARK).and_then(|number| number.parse().ok()) {
                counters.faults(faults);
            } else if let Some(defect) = line.strip_prefix(DEFECT_MARK) {
                counters.defect(&format!("{}: {defect}", role.word()));
            } else {
                return Some(line);
            }
            None
        })
    }

    /// Runs `body` while readers of these kinds follow the stream, from before its beginning to its end. `body` returns
    /// the stream's last writer, which this function drops to close the stream.
    pub fn among_followers(
        &self,
        kinds: &[Kind],
        ledger: &Ledger,
        body: impl FnOnce(&Places) -> Result<Writer, String>,
    ) -> Outcome {
        self.among_followers_from(&ReaderOptions::default(), kinds, ledger, body)
    }

    /// Like [`among_followers`](Self::among_followers), for a stream that may exist already.
    pub fn among_followers_from(
        &self,
        options: &ReaderOptions,
        kinds: &[Kind],
        ledger: &Ledger,
        body: impl FnOnce(&Places) -> Result<Writer, String>,
    ) -> Outcome {
        let (goal, places) = (Goal::default(), Places::default());
        std::thread::scope(|scope| {
            for &kind in kinds {
                let follower = Follower::open(&self.name, kind, options, ledger.clone())
                    .map_err(|error| format!("attaching before the first event: {error:?}"));
                match follower {
                    Ok(follower) => {
                        let me = places.join(kind);
                        let (goal, places) = (&goal, &places);
                        scope.spawn(move || follow(follower, &self.counters, goal, places, me));
                    }
                    Err(defect) => self.counters.defect(&defect),
                }
            }
            let ended = body(&places).and_then(|writer| {
                let (stream_id, total) = (writer.stream_id(), writer.stream_position());
                // A reader can attribute the end to this stream only if it has read frames of it.
                places.all_reach(&self.counters, stream_id, total)?;
                drop(writer);
                Ok((stream_id, total))
            });
            match ended {
                Ok((stream_id, total)) => goal.set(stream_id, total),
                Err(defect) => self.counters.defect(&defect),
            }
        });
        Ok(())
    }

    /// The last writer of a campaign: takes over the stream, if there is one, and writes a few frames.
    pub fn last_writer(&self) -> Result<Writer, String> {
        let failed = |error| format!("the last writer: {error:?}");
        let mut writer = create_patiently(&self.name).map_err(failed)?;
        writer.begin(&signal::format(64), &signal::description("last"), 4).map_err(failed)?;
        signal::write(&mut writer, 9).map_err(failed)?;
        Ok(writer)
    }
}

/// Like [`Writer::create`], but retries until the last thread of a dead writer has ended.
pub fn create_patiently(name: &str) -> dora_shm_ring::Result<Writer> {
    roles::create_patiently(name, &WriterOptions::default())
}
