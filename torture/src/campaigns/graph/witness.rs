//! Readers outside the graph. Each has a ledger, and all ledgers must agree about every message.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use dora_shm_ring::{MessageInfo, ReaderOptions, Start};
use dora_shm_testkit::follower::{Follower, Kind, Step};
use dora_shm_testkit::ledger::{Account, Checked, Losses};
use dora_shm_testkit::rng::Rng;

use crate::counters::{Counters, lock};
use crate::events::Mark;
use crate::sequence::{Frame, Sequence};

/// Number of messages whose positions are remembered. No reader is this far behind another.
const REMEMBERED: usize = 200_000;

/// Largest number of messages that a reader may have lost at the end of a stream. A second brings fewer.
const VAGUE: u64 = 20_000;

/// The position at which each message began in its stream, as the first reader reported it.
#[derive(Debug, Default)]
pub struct Chart {
    places: Mutex<BTreeMap<u64, u64>>,
    /// Ends of the main stream: the last message before the end, and the total number of frames. Some readers may miss
    /// a stream that is shorter than their wait.
    ends: Mutex<BTreeSet<(u64, u64)>>,
    /// Ends before which a reader lost frames, so that its last message may not be the stream's last.
    vague_ends: Mutex<BTreeSet<(u64, u64)>>,
    /// Number of messages that a second reader has confirmed.
    pub confirmed: AtomicU64,
}

impl Chart {
    fn confirm(&self, message: u64, position: u64) -> Result<(), String> {
        let mut places = lock(&self.places);
        match places.get(&message) {
            Some(&known) if known == position => _ = self.confirmed.fetch_add(1, Ordering::Relaxed),
            Some(&known) => {
                return Err(format!("message {message} begins at {position}, but another reader found it at {known}"));
            }
            None => _ = places.insert(message, position),
        }
        while places.len() > REMEMBERED {
            places.pop_first();
        }
        Ok(())
    }
}

impl Chart {
    /// The loss that a mirror's mark must announce; `None` if it cannot be determined.
    pub fn lost_before(&self, mark: &Mark) -> Option<u64> {
        let places = lock(&self.places);
        let (from, to) = (places.get(&mark.from)? + mark.frames, *places.get(&mark.to)?);
        let ends = lock(&self.ends);
        let is_known = |total: u64| ends.iter().any(|(_, known)| *known == total);
        let near = (mark.from.saturating_sub(VAGUE), 0)..(mark.to, 0);
        if lock(&self.vague_ends).range(near).any(|(_, total)| !is_known(*total)) {
            return None;
        }
        let totals: BTreeSet<_> = ends.range((mark.from, 0)..(mark.to, 0)).map(|(_, total)| *total).collect();
        match totals.into_iter().filter(|total| *total > 0).collect::<Vec<_>>()[..] {
            [] => to.checked_sub(from),
            [total] => total.checked_sub(from).map(|tail| tail + to),
            // More than one stream ended in between. A reader may have missed one that existed only between two polls.
            _ => None,
        }
    }
}

/// The ledger of a reader that does not know at which positions the source's messages are.
#[derive(Debug)]
pub struct MessageLedger<'a> {
    chart: &'a Chart,
    /// Position in the stream of the next frame.
    next: u64,
    /// Whether the ends that this reader sees are added to the chart.
    records_ends: bool,
    /// The reader may begin in the middle of a stream. The first message gives the position.
    anywhere: bool,
    read: u64,
    losses: Losses,
    sequence: Sequence,
    ended: Option<u64>,
}

impl<'a> MessageLedger<'a> {
    fn new(chart: &'a Chart, records_ends: bool, anywhere: bool) -> Self {
        let sequence = Sequence::default();
        Self { chart, next: 0, records_ends, anywhere, read: 0, losses: Losses::default(), sequence, ended: None }
    }

    fn lose(&mut self, lost: u64) -> Checked {
        self.next += self.losses.announce(lost).map_err(|sentence| format!("{sentence}; {self:?}"))?;
        Ok(())
    }
}

impl Account for MessageLedger<'_> {
    fn read(&self) -> u64 {
        self.read
    }

    fn enter(&mut self, samples: &[u8], times: &[f64], lost: u64) -> Checked {
        if times.is_empty() || !samples.len().is_multiple_of(times.len()) {
            return Err(format!("{} bytes of samples for {} times", samples.len(), times.len()));
        }
        self.lose(lost)?;
        for (i, (frame, time)) in samples.chunks_exact(samples.len() / times.len()).zip(times).enumerate() {
            let found = self.sequence.check(frame, *time, i == 0 && (lost > 0 || self.anywhere));
            let found = found.map_err(|defect| format!("{defect}; frame {i} of this read, {lost} lost; {self:?}"))?;
            // If the message's first frames were lost at the very beginning of a stream, its position would be below 0.
            if let Some(first) = self.next.checked_sub(found.index).filter(|_| !self.anywhere) {
                self.chart.confirm(found.message, first).map_err(|defect| format!("{defect}; {self:?}"))?;
            }
            self.next += 1;
            self.read += 1;
        }
        Ok(())
    }

    fn enter_empty(&mut self, info: &MessageInfo) -> Checked {
        Err(format!("an empty message, but no source sends one: {info:?}"))
    }

    fn check_message(&mut self, info: &MessageInfo) -> Checked {
        let stream_position = info.stream_position + info.frames;
        if self.anywhere {
            let Some(last) = self.sequence.last() else { return Ok(()) };
            return self.chart.confirm(last.message, stream_position.saturating_sub(last.index + 1));
        }
        if stream_position == self.next {
            Ok(())
        } else {
            Err(format!("the message's info gives {stream_position} as its end, expected {}; {self:?}", self.next))
        }
    }

    fn close(&mut self, lost_in_all: u64) -> Checked {
        let at_the_end = self.losses.close(lost_in_all).map_err(|sentence| format!("{sentence}; {self:?}"))?;
        let total = self.next + at_the_end;
        if let Some(last) = self.sequence.last().filter(|_| self.records_ends) {
            let ends = if at_the_end == 0 { &self.chart.ends } else { &self.chart.vague_ends };
            lock(ends).insert((last.message, total));
        }
        self.ended = Some(total);
        self.next = 0;
        Ok(())
    }

    fn not_entered(&self, lost_in_all: u64) -> Result<u64, String> {
        self.losses.not_announced(lost_in_all).map_err(|sentence| format!("{sentence}; {self:?}"))
    }
}

/// How a witness reads.
#[derive(Clone, Copy, Debug)]
pub struct Witness {
    pub kind: Kind,
    /// Whether it follows the main stream rather than the other one.
    pub of_main: bool,
}

/// What a witness has seen.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    /// Position in its stream up to which everything has been read or counted as lost.
    pub position: u64,
    /// The newest frame.
    pub last: Option<Frame>,
    /// The first message after the newest gap.
    pub whole_since: u64,
    /// Messages of the source that are missing in the stream, as far as this reader knows.
    pub missing: u64,
    /// Frames in the ring.
    pub ring: u64,
    /// Number of ends of streams.
    pub ends: u64,
    /// Total number of frames of the stream that ended last.
    pub ended: Option<u64>,
    /// Number of new rings and of ends.
    pub moves: u64,
}

/// What all witnesses have seen. The campaign's thread reads it while it waits for them.
pub struct Watch {
    seen: Vec<(Witness, Mutex<Seen>)>,
    pub chart: Chart,
    over: AtomicBool,
    pub newcomers: AtomicU64,
}

impl Watch {
    pub fn new(witnesses: &[Witness]) -> Self {
        Self {
            seen: witnesses.iter().map(|&witness| (witness, Mutex::default())).collect(),
            chart: Chart::default(),
            over: AtomicBool::new(false),
            newcomers: AtomicU64::new(0),
        }
    }

    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Ends all witnesses.
    pub fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// What the witnesses of one stream have seen.
    pub fn seen(&self, of_main: bool) -> Vec<(Kind, Seen)> {
        let own = self.seen.iter().filter(|(witness, _)| witness.of_main == of_main);
        own.map(|(witness, seen)| (witness.kind, *lock(seen))).collect()
    }

    /// Follows a stream until [`end`](Self::end) is called. Reports a defect to the counters.
    pub fn follow(&self, index: usize, name: &str, counters: &Counters) {
        let (witness, seen) = &self.seen[index];
        let mut lost = 0;
        let outcome = self.follow_until_over(*witness, seen, name, counters, &mut lost);
        if let Err(defect) = outcome {
            counters.defect(&format!("{:?} reader of {name}: {defect}", witness.kind));
        }
        counters.lost(lost);
    }

    fn follow_until_over(
        &self,
        witness: Witness,
        seen: &Mutex<Seen>,
        name: &str,
        counters: &Counters,
        lost: &mut u64,
    ) -> Result<(), String> {
        let ledger = MessageLedger::new(&self.chart, witness.of_main, false);
        let follower = Follower::open_with(name, witness.kind, &ReaderOptions::default(), ledger);
        let mut follower = follower.map_err(|error| format!("attaching before the stream exists: {error:?}"))?;
        let mut now = Seen::default();
        while !self.is_over() && !counters.is_over() {
            follower.wait(Duration::from_millis(if witness.kind == Kind::Poll { 1 } else { 100 }))?;
            for _ in 0..64 {
                match follower.step()? {
                    Step::Read(frames) => counters.checked(frames),
                    Step::Moved => now.moves += 1,
                    Step::Nothing => break,
                    Step::Closed => {
                        counters.closed();
                        now.ends += 1;
                    }
                }
            }
            *lost = follower.lost();
            let ledger = &follower.ledger;
            now.position = ledger.losses.position(ledger.next, *lost);
            now.last = ledger.sequence.last();
            (now.whole_since, now.missing) = (ledger.sequence.whole_since, ledger.sequence.missing);
            now.ended = ledger.ended;
            now.ring = follower.info().ok().and_then(|info| info.format).map_or(0, |format| format.frames());
            *lock(seen) = now;
        }
        Ok(())
    }

    /// Repeatedly attaches a new reader, from every start, reads a little, and detaches.
    pub fn come_and_go(&self, name: &str, mut rng: Rng, counters: &Counters) {
        while !self.is_over() && !counters.is_over() {
            let start = [Start::Oldest, Start::Newest, Start::Last(rng.below(300))][rng.below(3) as usize];
            let kind = *rng.pick(&[Kind::Wait, Kind::Messages, Kind::MessageViews]);
            let options = ReaderOptions::default().start(start);
            let come = || -> Result<(), String> {
                let ledger = MessageLedger::new(&self.chart, false, true);
                let follower = Follower::open_with(name, kind, &options, ledger);
                let mut follower = follower.map_err(|error| format!("attaching: {error:?}"))?;
                for _ in 0..20 {
                    if self.is_over() {
                        break;
                    }
                    follower.wait(Duration::from_millis(5))?;
                    if let Step::Read(frames) = follower.step()? {
                        counters.checked(frames);
                    }
                }
                Ok(())
            };
            if let Err(defect) = come() {
                counters.defect(&format!("{kind:?} reader that attached to {name} from {start:?}: {defect}"));
            }
            self.newcomers.fetch_add(1, Ordering::Relaxed);
        }
    }
}
