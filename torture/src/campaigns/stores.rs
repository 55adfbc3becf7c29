//! A writer under load is killed after each of its stores. Readers of every kind that stay attached, readers that
//! attach afterwards, and the next writer must find exactly what the crash table states.

use std::collections::BTreeMap;
use std::time::Duration;

use dora_shm_ring::{Liveness, Writer};
use dora_shm_testkit::crash_table::{Death, Keeps, Next, ROWS, Row};
use dora_shm_testkit::follower::{Follower, Kind, oldest};
use dora_shm_testkit::ledger::Ledger;
use dora_shm_testkit::rng::Rng;
use dora_shm_testkit::segments;
use dora_shm_testkit::segments::{Names, Snapshot};
use dora_shm_testkit::signal;

use crate::fixture::{Fixture, Outcome, create_patiently};
use crate::follow::Places;
use crate::role::Role;

/// Time limit for a storm to reach its failpoint. A storm that exceeds it does not pass the failpoint often enough.
const STORM: Duration = Duration::from_secs(4);

pub fn run(fixture: &Fixture) -> Outcome {
    if !cfg!(feature = "failpoints") {
        return Err("built without the feature `failpoints`".to_owned());
    }
    fixture.among_followers(&Kind::ALL, &Ledger::default(), |places| {
        let mut rng = fixture.rng(1);
        let mut killing = Killing { fixture, places, slowest: Duration::ZERO, deaths: BTreeMap::new() };
        let mut rounds = 0;
        // Each row at least once, in a different order each round.
        while rounds == 0 || fixture.goes_on() {
            let mut rows: Vec<&Row> = ROWS.iter().collect();
            rng.shuffle(&mut rows);
            for row in rows {
                if fixture.counters.is_over() || rounds > 0 && !fixture.goes_on() {
                    break;
                }
                let seed = rng.next_u64();
                killing
                    .die_at(row, &mut Rng::new(seed))
                    .map_err(|defect| format!("killed after {} (row seed {seed}): {defect}", row.label))?;
            }
            rounds += 1;
        }
        let least = killing.deaths.values().min().copied().unwrap_or(0);
        fixture.counters.note(format!(
            "{} of {} failpoints, each at least {least} times; the slowest reader had accounted for all frames \
             {:.0} ms after a death",
            killing.deaths.len(),
            ROWS.len(),
            killing.slowest.as_secs_f64() * 1e3
        ));
        fixture.last_writer()
    })
}

struct Killing<'a> {
    fixture: &'a Fixture,
    places: &'a Places,
    /// Longest time from a death until every reader had accounted for everything.
    slowest: Duration,
    deaths: BTreeMap<&'static str, u64>,
}

impl Killing<'_> {
    fn die_at(&mut self, row: &Row, rng: &mut Rng) -> Outcome {
        let name = &self.fixture.name;
        // If this storm does not reach the random passing, another one dies at its first.
        for passing in [1 + rng.below(row.passings), 1] {
            let mut before = Snapshot::of(name);
            if row.needs_a_dead_stream() {
                let at = row.needs_a_death_at();
                if at.is_some() || !before.magic || before.closed || before.total() == 0 {
                    self.leave_a_dead_stream(at, rng)?;
                    before = Snapshot::of(name);
                }
                self.check_attached(&before)?;
            }
            if !self.storm_dies(row.label, passing, row.keeps(), rng)? {
                continue;
            }
            let death = Death { name, before, now: Snapshot::of(name), left: segments::listing() };
            (row.check)(&death).map_err(|defect| format!("{defect}; {:?}", death.now))?;
            self.check_attached(&death.now)?;
            self.check_newcomers(&death.now)?;
            if rng.one_in(2) {
                // Every event passes W10, also the event of the close.
                let next = if death.now.closed { Next::FinishThenCreate } else { row.next };
                self.check_next_writer(next, &death.now, rng)?;
            }
            *self.deaths.entry(row.label).or_default() += 1;
            self.fixture.counters.fault();
            return Ok(());
        }
        Err("no storm reached the failpoint".to_owned())
    }

    /// Whether the storm reached the failpoint and died there.
    fn storm_dies(&self, label: &str, passing: u64, keeps: Keeps, rng: &mut Rng) -> Result<bool, String> {
        let (seed, point) = (rng.next_u64().to_string(), format!("{label}:{passing}"));
        let environment = [("DORA_SHM_FAILPOINT", &*point)];
        let arguments = [&*seed, &self.fixture.name, keeps.option()];
        self.fixture.start_with(Role::Storm, &arguments, &environment)?.dies_within(STORM)
    }

    /// Leaves a stream with frames, or one whose writer died at the failpoint `at`, after that many passings.
    fn leave_a_dead_stream(&self, at: Option<(&str, u64)>, rng: &mut Rng) -> Outcome {
        let (label, passing) = at.unwrap_or(("W8", 20 + rng.below(50)));
        if self.storm_dies(label, passing, Keeps::None, rng)? { Ok(()) } else { Err("no storm wrote".to_owned()) }
    }

    /// Readers that stayed attached account for every committed frame and for no other.
    fn check_attached(&mut self, now: &Snapshot) -> Outcome {
        if !now.magic || now.generation.is_none() || !now.public && !now.closed || now.total() == 0 {
            return Ok(());
        }
        if now.closed && Names::of(&segments::ring(&self.fixture.name, now.generation.unwrap_or(0))) == Names::NONE {
            // Only the header contains the total.
            let took = self.places.all_reach_if_they_came(&self.fixture.counters, now.stream_id, now.final_position)?;
            self.slowest = self.slowest.max(took);
            return Ok(());
        }
        let took = if now.closed {
            self.places.all_reach_if_they_came(&self.fixture.counters, now.stream_id, now.total())?
        } else {
            self.places.all_reach(&self.fixture.counters, now.stream_id, now.total())?
        };
        self.slowest = self.slowest.max(took);
        Ok(())
    }

    fn check_newcomers(&self, now: &Snapshot) -> Outcome {
        let absent = !now.public || !now.magic || now.closed;
        for kind in [Kind::Wait, Kind::MessageViews] {
            let failed = |error| format!("a newcomer, {kind:?}: {error:?}");
            let mut follower =
                Follower::open(&self.fixture.name, kind, &oldest(), Ledger::anywhere()).map_err(failed)?;
            let liveness = follower.liveness().map_err(failed)?;
            let expected = if absent { Liveness::Absent } else { Liveness::Dead };
            if liveness != expected {
                return Err(format!("a newcomer sees the stream as {liveness:?}, expected {expected:?}; {now:?}"));
            }
            if absent {
                continue;
            }
            let info = follower.info().map_err(failed)?;
            if info.epoch != Some(now.epoch) || info.generation != now.generation {
                return Err(format!("a newcomer gets {info:?}, which differs from {now:?}"));
            }
            let is_closed = follower.drain()?;
            self.fixture.counters.checked(follower.ledger.read);
            if is_closed {
                return Err(format!("a newcomer sees the stream as closed; {now:?}"));
            }
            let place = follower.place();
            let readable = follower.ledger.read > 0;
            if readable && (place.stream_id, place.position) != (now.stream_id, now.total()) || follower.lost() > 0 {
                return Err(format!("a newcomer reached {place:?} and lost {}; {now:?}", follower.lost()));
            }
            // Newcomers may lose frames only if an incomplete write may have overwritten them.
            if kind == Kind::Wait && !readable && now.committed > 0 && now.reserved == now.committed {
                return Err(format!("a newcomer read nothing; {now:?}"));
            }
        }
        Ok(())
    }

    fn check_next_writer(&self, next: Next, now: &Snapshot, rng: &mut Rng) -> Outcome {
        let name = &self.fixture.name;
        let failed = |error| format!("the next writer: {error:?}");
        let mut writer = create_patiently(name).map_err(failed)?;
        let found = (writer.stream_id(), writer.epoch(), writer.stream_position());
        match next {
            Next::TakeOver => {
                let expected = (now.stream_id, now.epoch + 1, now.total());
                if found != expected {
                    return Err(format!("the next writer is {found:?}, expected to take over {expected:?}; {now:?}"));
                }
                self.check_neighbours(now)?;
            }
            Next::Create | Next::FinishThenCreate => {
                if (found.1, found.2) != (1, 0) || found.0 == now.stream_id {
                    return Err(format!("the next writer is {found:?}, expected a new stream; {now:?}"));
                }
                let left = segments::listing();
                if left.len() != 2 {
                    return Err(format!("expected only both names of the new stream's header, found {left:?}"));
                }
            }
        }
        if rng.one_in(2) {
            self.write_on(&mut writer)?;
        }
        drop(writer);
        let left = segments::listing();
        if left.is_empty() { Ok(()) } else { Err(format!("the next writer closed and left {left:?}; {now:?}")) }
    }

    /// No segments are left except the current ones.
    fn check_neighbours(&self, now: &Snapshot) -> Outcome {
        let name = &self.fixture.name;
        let mut expected = vec![segments::header(name)];
        expected.extend(now.generation.map(|generation| segments::ring(name, generation)));
        if now.meta_generation != 0 {
            expected.push(segments::metadata(name, now.meta_generation));
        }
        // That of the frames, if it was still there.
        let of_frames = segments::metadata(name, now.committed_meta_generation);
        if now.committed_meta_generation != now.meta_generation && Names::of(&of_frames) != Names::NONE {
            expected.push(of_frames);
        }
        let left = segments::listing();
        let whole = expected.iter().all(|public| Names::of(public) == Names::BOTH);
        if whole && left.len() == 2 * expected.len() {
            Ok(())
        } else {
            Err(format!("after the takeover {left:?} is left, expected both names of {expected:?}; {now:?}"))
        }
    }

    /// All attached readers receive the next writer's frames.
    fn write_on(&self, writer: &mut Writer) -> Outcome {
        let failed = |error| format!("the next writer: {error:?}");
        writer.begin(&signal::format(64), &signal::description("next"), 4).map_err(failed)?;
        signal::write(writer, 6).map_err(failed)?;
        self.places.all_reach(&self.fixture.counters, writer.stream_id(), writer.stream_position()).map(|_| ())
    }
}
