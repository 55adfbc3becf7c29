//! Threads that follow a stream through all faults, and the functions that wait for these threads.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use dora_shm_testkit::PATIENCE;
use dora_shm_testkit::follower::{Follower, Kind, Step};
use dora_shm_testkit::ledger::Place;

use crate::counters::Counters;

/// The place that all followers must reach before they end: a stream's identity, and the total number of its frames.
#[derive(Default)]
pub struct Goal(OnceLock<(u64, u64)>);

impl Goal {
    pub fn set(&self, stream_id: u64, position: u64) {
        let _ = self.0.set((stream_id, position));
    }
}

/// The places that the followers of a campaign have reached.
#[derive(Default)]
pub struct Places(Mutex<Vec<(Kind, Place)>>);

impl Places {
    fn with<T>(&self, change: impl FnOnce(&mut Vec<(Kind, Place)>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Adds a follower and returns its index. Called before the follower's thread runs, so that no follower is
    /// forgotten.
    pub fn join(&self, kind: Kind) -> usize {
        self.with(|places| {
            places.push((kind, Place::default()));
            places.len() - 1
        })
    }

    pub fn now(&self) -> Vec<(Kind, Place)> {
        self.with(|places| places.clone())
    }

    /// Waits until every follower has accounted for all `position` frames of the stream, and returns how long that
    /// took. The error lists the followers that are behind.
    pub fn all_reach(&self, counters: &Counters, stream_id: u64, position: u64) -> Result<Duration, String> {
        self.all_are(counters, stream_id, position, |place| has_reached(place, stream_id, position))
    }

    /// Like [`all_reach`](Self::all_reach), for a stream that is closed. A reader that waits for a stream polls the
    /// name only every 50 ms, so it misses a stream that was created and closed in between.
    pub fn all_reach_if_they_came(
        &self,
        counters: &Counters,
        stream_id: u64,
        position: u64,
    ) -> Result<Duration, String> {
        self.all_are(counters, stream_id, position, |place| {
            has_reached(place, stream_id, position) || (place.stream_id == 0 && place.position == 0)
        })
    }

    fn all_are(
        &self,
        counters: &Counters,
        stream_id: u64,
        position: u64,
        reached: impl Fn(&Place) -> bool,
    ) -> Result<Duration, String> {
        let started = Instant::now();
        loop {
            let behind: Vec<_> = self.now().into_iter().filter(|(_, place)| !reached(place)).collect();
            if behind.is_empty() || counters.is_over() {
                return Ok(started.elapsed());
            }
            if started.elapsed() > PATIENCE {
                return Err(format!(
                    "stream {stream_id:#x} has {position} frames; readers behind after {PATIENCE:?}: {behind:?}"
                ));
            }
            std::thread::sleep(Duration::from_micros(200));
        }
    }
}

/// Whether the ledger accounts for all `position` frames of the stream.
fn has_reached(place: &Place, stream_id: u64, position: u64) -> bool {
    // The ledger learns the stream's identity from the frames. If none was read, it is 0.
    if place.ended.is_some_and(|(ended, total)| [stream_id, 0].contains(&ended) && total == position) {
        return true;
    }
    (place.stream_id == stream_id || place.stream_id == 0) && place.position == position
}

/// Follows the stream until the goal is set and reached. Reports a defect to the counters. `me` is the follower's index
/// in `places`.
pub fn follow(mut follower: Follower, counters: &Counters, goal: &Goal, places: &Places, me: usize) {
    if let Err(defect) = follow_to_goal(&mut follower, counters, goal, |place| places.with(|all| all[me].1 = place)) {
        counters.defect(&format!("{:?} reader: {defect}", follower.kind()));
    }
    counters.lost(follower.lost());
}

fn follow_to_goal(
    follower: &mut Follower,
    counters: &Counters,
    goal: &Goal,
    publish: impl Fn(Place),
) -> Result<(), String> {
    static TURN: AtomicU64 = AtomicU64::new(0);
    let mut deadline = None;
    while !counters.is_over() {
        match follower.kind() {
            Kind::Wait | Kind::Messages => {
                // Short waits notice the goal in time. Long waits must be ended by a wake-up.
                let long = TURN.fetch_add(1, Ordering::Relaxed).is_multiple_of(2);
                follower.wait(Duration::from_millis(if long { 300 } else { 20 }))?;
            }
            Kind::View => _ = follower.wait(Duration::from_millis(1))?,
            // Readers that poll without pausing would soon occupy all of two cores.
            Kind::Poll | Kind::MessageViews => std::thread::sleep(Duration::from_micros(50)),
        }
        for _ in 0..64 {
            match follower.step()? {
                Step::Read(frames) => counters.checked(frames),
                Step::Moved => {}
                Step::Nothing => break,
                Step::Closed => counters.closed(),
            }
        }
        let place = follower.place();
        publish(place);
        if let Some(&(stream_id, position)) = goal.0.get() {
            if has_reached(&place, stream_id, position) {
                return Ok(());
            }
            let deadline = *deadline.get_or_insert_with(|| Instant::now() + PATIENCE);
            if Instant::now() > deadline {
                return Err(format!(
                    "stream {stream_id:#x} has {position} frames; after {PATIENCE:?} the ledger is {:?}, {} lost; the \
                     stream is {:?}",
                    follower.ledger,
                    follower.lost(),
                    follower.info()
                ));
            }
        }
    }
    Ok(())
}
