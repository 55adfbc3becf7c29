//! What every campaign works with: its stream's name, its time, its dice, its tally, and readers that follow the stream
//! through all of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dora_shm_ring::{ReaderOptions, Writer, WriterOptions};

use crate::actor::Actor;
use crate::book::Book;
use crate::dice::{Dice, mix};
use crate::follower::{Follower, Goal, Kind, PATIENCE, Places, follow};
use crate::roles::Role;
use crate::signal;
use crate::tally::Tally;

pub struct Scene {
    /// The stream.
    pub name: String,
    pub seed: u64,
    pub budget: Duration,
    pub started: Instant,
    pub tally: Arc<Tally>,
}

/// A campaign goes on until it fails or its time is over.
pub type Outcome = Result<(), String>;

impl Scene {
    /// Dice of one of several purposes.
    pub fn dice(&self, purpose: u64) -> Dice {
        Dice::new(mix(self.seed ^ mix(purpose)))
    }

    /// Whether there is time left, and nothing was found.
    pub fn goes_on(&self) -> bool {
        self.started.elapsed() < self.budget && !self.tally.is_over()
    }

    /// Time that is left, cut into `parts` for what is still to come.
    pub fn part(&self, parts: u32) -> Duration {
        self.budget.saturating_sub(self.started.elapsed()) / parts
    }

    pub fn actor(&self, role: Role, arguments: &[&str]) -> Result<Actor, String> {
        let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        Actor::start(&self.tally, role, &arguments)
    }

    /// Readers of these kinds follow the stream from before its beginning to its end. `body` lets happen what is to
    /// happen, and ends with a writer, by which the stream is closed.
    pub fn among_followers(
        &self,
        kinds: &[Kind],
        book: &Book,
        body: impl FnOnce(&Places) -> Result<Writer, String>,
    ) -> Outcome {
        self.among_followers_from(&ReaderOptions::default(), kinds, book, body)
    }

    /// As [`among_followers`](Self::among_followers), for a stream that may be there already.
    pub fn among_followers_from(
        &self,
        options: &ReaderOptions,
        kinds: &[Kind],
        book: &Book,
        body: impl FnOnce(&Places) -> Result<Writer, String>,
    ) -> Outcome {
        let (goal, places) = (Goal::default(), Places::default());
        std::thread::scope(|scope| {
            for &kind in kinds {
                let follower = Follower::open(&self.name, kind, options, book.clone())
                    .map_err(|error| format!("attaching before anything happens: {error:?}"));
                match follower {
                    Ok(follower) => {
                        let me = places.join(kind);
                        let (goal, places) = (&goal, &places);
                        scope.spawn(move || follow(follower, &self.tally, goal, places, me));
                    }
                    Err(defect) => self.tally.defect(&defect),
                }
            }
            let ended = body(&places).and_then(|writer| {
                let (stream_id, total) = (writer.stream_id(), writer.stream_position());
                // Who has read of it knows which stream it is that ends.
                places.all_reach(&self.tally, stream_id, total)?;
                drop(writer);
                Ok((stream_id, total))
            });
            match ended {
                Ok((stream_id, total)) => goal.set(stream_id, total),
                Err(defect) => self.tally.defect(&defect),
            }
        });
        Ok(())
    }

    /// The writer with which a campaign ends: it takes over what is there, and writes a few frames.
    pub fn last_writer(&self) -> Result<Writer, String> {
        let told = |error| format!("the last writer: {error:?}");
        let mut writer = create_patiently(&self.name).map_err(told)?;
        writer.begin(&signal::format(4, 64), &signal::description("last"), 4).map_err(told)?;
        signal::write(&mut writer, 9).map_err(told)?;
        Ok(writer)
    }
}

/// As [`Writer::create`], for a moment longer than the dead writer's last thread lives.
pub fn create_patiently(name: &str) -> dora_shm_ring::Result<Writer> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match Writer::create(name, WriterOptions::default()) {
            Err(dora_shm_ring::Error::Live { .. }) if Instant::now() < deadline => {
                std::thread::sleep(Duration::from_micros(200));
            }
            result => return result,
        }
    }
}
