//! How long a ring must be for the seconds that were asked for, if nobody states a rate.

use std::time::Duration;

use super::rate::{Amount, Measured, RateMeter};
use super::{NS_PER_S, elapsed_s};

/// How long the first messages are held back. The later half of what comes in it sizes the first ring.
pub const HOLD: Duration = Duration::from_millis(500);
const HOLD_NS: u64 = HOLD.as_nanos() as u64;
/// A first ring holds at least this many times what was held back.
const ROOM: f64 = 2.0;
/// The first ring is a guess: it is corrected if two windows in a row say that it is off by more than this factor.
const GUESS: Rule = Rule { off: 1.2, windows: 2 };
/// A ring whose rate was measured is corrected after more, and by more.
const KNOWN: Rule = Rule { off: 1.5, windows: 3 };
const MOST_WINDOWS: usize = 3;
/// A ring is begun for what the newest of them measured.
const MEASURING_WINDOWS: usize = 2;
/// Shortest time between two corrections.
const BETWEEN_S: f64 = 60.0;
/// A guess is far too short if half of the ring was filled in this part of the seconds that it is to hold: a reader has
/// lost nothing yet.
const HALF_FILLED_IN: f64 = 0.125;

#[derive(Clone, Copy, Debug)]
struct Rule {
    off: f64,
    windows: usize,
}

/// What a ring counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counts {
    /// A ring of samples: frames.
    Frames,
    /// A ring of messages: messages, and bytes.
    MessagesAndBytes,
}

/// What to do about the ring.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sizing {
    /// Hold the message back: there is no ring yet, or the first one is far too short.
    Hold,
    /// Begin a ring for so much, and write what was held back into it.
    Begin(Amount),
    /// The ring is as long as it should be, as far as is known.
    Keep,
    /// Begin the next ring, for so much: the rate is known now, or has changed for good. Nothing is carried over.
    Correct(Amount),
}

/// Finds the length of a ring that holds some seconds of a source that states no rate.
///
/// The first messages come in a burst (what queued up at the start), so a rate measured on them is several times too
/// high. So messages are held back for half a second, and its later half sizes the first ring. Two windows of a second
/// and ten messages or more (see [`RateMeter`]) then say whether that ring is off by more than 1.2 times; if it is, the
/// next one is begun, after about three seconds. Later, three windows in a row that are off by more than 1.5 times in the
/// same direction mean that the rate has changed for good. Corrections are at least a minute apart.
///
/// A source may send one message at its start, and begin in earnest when the first ring was made for that message alone.
/// If half of a ring that is a guess is filled in an eighth of its seconds, messages are held back once more, and the next ring
/// is at least twice as long.
#[derive(Clone, Debug)]
pub struct RingLength {
    buffer_s: f64,
    counts: Counts,
    meter: RateMeter,
    hold: Option<Hold>,
    /// What the ring is for; `None` before the first.
    ring: Option<Amount>,
    /// The one before a correction.
    before: Option<Amount>,
    /// Whether the ring's length follows from a measured rate.
    known: bool,
    corrected_ns: Option<u64>,
    half: Half,
    /// The newest windows that agree about the ring, newest last: that it is too short, too long or right.
    agreeing: [Option<Measured>; MOST_WINDOWS],
    verdict: Verdict,
}

/// Messages that are held back.
#[derive(Clone, Copy, Debug)]
struct Hold {
    first_ns: u64,
    all: Amount,
    /// What came in the later half of the time.
    later_half: Amount,
}

/// What fills half of the ring.
#[derive(Clone, Copy, Debug, Default)]
struct Half {
    since_ns: u64,
    amount: Amount,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Short,
    Right,
    Long,
}

impl RingLength {
    /// The length of a ring for `buffer_s` seconds, by what it counts.
    pub fn new(buffer_s: f64, counts: Counts) -> Self {
        Self {
            buffer_s,
            counts,
            meter: RateMeter::new(),
            hold: None,
            ring: None,
            before: None,
            known: false,
            corrected_ns: None,
            half: Half::default(),
            agreeing: [None; MOST_WINDOWS],
            verdict: Verdict::Right,
        }
    }

    /// A message came at `came_mono_ns` (CLOCK_MONOTONIC). The answer includes it: what a ring is begun for is at least
    /// twice what was held back with this message.
    pub fn message(&mut self, frames: u64, bytes: u64, came_mono_ns: u64) -> Sizing {
        let amount = Amount::message(frames, bytes);
        let measured = self.meter.add(frames, bytes, came_mono_ns);
        if let (Some(ring), None) = (self.ring, self.hold) {
            if let Some(Sizing::Correct(ring)) = measured.map(|measured| self.measured(ring, measured, came_mono_ns)) {
                return Sizing::Correct(ring);
            }
            if !self.is_far_too_short(ring, amount, came_mono_ns) {
                return Sizing::Keep;
            }
        }
        let none = Hold { first_ns: came_mono_ns, all: Amount::default(), later_half: Amount::default() };
        let hold = self.hold.get_or_insert(none);
        hold.all = hold.all.plus(amount);
        let age_ns = came_mono_ns.saturating_sub(hold.first_ns);
        if (HOLD_NS / 2 + 1..=HOLD_NS).contains(&age_ns) {
            hold.later_half = hold.later_half.plus(amount);
        }
        self.idle(came_mono_ns)
    }

    /// When messages have been held back for long enough, CLOCK_MONOTONIC: call [`idle`](Self::idle) then, if no message
    /// comes before. `None` if nothing is held back.
    pub fn hold_until_mono_ns(&self) -> Option<u64> {
        self.hold.map(|hold| hold.first_ns.saturating_add(HOLD_NS))
    }

    /// No message came until `now_mono_ns` (CLOCK_MONOTONIC).
    pub fn idle(&mut self, now_mono_ns: u64) -> Sizing {
        match self.hold_until_mono_ns() {
            Some(until_ns) if now_mono_ns < until_ns => Sizing::Hold,
            _ => self.end_hold(),
        }
    }

    /// Stops holding back before it is time. Without anything held back, it does nothing.
    pub fn end_hold(&mut self) -> Sizing {
        let Some(hold) = self.hold.take() else {
            return if self.ring.is_some() { Sizing::Keep } else { Sizing::Hold };
        };
        let a_second = hold.later_half.times(2.0 * NS_PER_S as f64 / HOLD_NS as f64);
        let longer = self.ring.unwrap_or_default().times(ROOM);
        let ring = a_second.times(self.buffer_s).max(hold.all.times(ROOM)).max(longer);
        self.begun(ring, Half { since_ns: hold.first_ns, amount: hold.all });
        Sizing::Begin(ring)
    }

    /// What is held back. `None`: nothing.
    pub fn held(&self) -> Option<Amount> {
        self.hold.map(|hold| hold.all)
    }

    /// What a ring of `buffer_s` seconds is for, as far as is known. `None` before the first ring.
    pub fn ring_for(&self, buffer_s: f64) -> Option<Amount> {
        let factor = buffer_s / self.buffer_s;
        self.ring.map(|ring| if factor.is_finite() { ring.times(factor) } else { ring })
    }

    /// Changes the seconds that the ring is to hold, and what it is for with them.
    pub fn set_seconds(&mut self, buffer_s: f64) {
        if buffer_s != self.buffer_s {
            self.ring = self.ring_for(buffer_s);
            (self.before, self.buffer_s) = (None, buffer_s);
        }
    }

    /// Frames per second that were measured. `None`: the ring's length is a guess by the first messages.
    pub fn measured_hz(&self) -> Option<f64> {
        self.ring.filter(|_| self.known).map(|ring| ring.frames / self.buffer_s)
    }

    /// The correction that was asked for last could not be made: the ring is as before. It is asked for again after a
    /// minute, if the ring is off by more than 1.5 times.
    pub fn not_corrected(&mut self) {
        self.ring = self.before.take().or(self.ring);
    }

    /// Frames mean something else from now on: what was measured is a guess again.
    pub fn doubt(&mut self) {
        self.known = false;
        (self.verdict, self.agreeing) = (Verdict::Right, [None; MOST_WINDOWS]);
    }

    fn begun(&mut self, ring: Amount, half: Half) {
        self.before = self.ring.replace(ring);
        self.half = half;
        (self.verdict, self.agreeing) = (Verdict::Right, [None; MOST_WINDOWS]);
    }

    /// Whether half of a ring that is a guess was filled in a small part of the seconds that it is to hold.
    fn is_far_too_short(&mut self, ring: Amount, amount: Amount, now_ns: u64) -> bool {
        if self.known {
            return false;
        }
        self.half.amount = self.half.amount.plus(amount);
        let is_filled = self.compare(ring, self.half.amount.times(2.0), 1.0) == Verdict::Short;
        if !is_filled {
            return false;
        }
        let seconds = elapsed_s(self.half.since_ns, now_ns);
        self.half = Half { since_ns: now_ns, amount };
        seconds < self.buffer_s * HALF_FILLED_IN
    }

    /// A window ended.
    fn measured(&mut self, ring: Amount, measured: Measured, now_ns: u64) -> Sizing {
        let rule = if self.known { KNOWN } else { GUESS };
        let verdict = self.compare(ring, measured.per_second().times(self.buffer_s), rule.off);
        if verdict != self.verdict {
            (self.verdict, self.agreeing) = (verdict, [None; MOST_WINDOWS]);
        }
        self.agreeing.rotate_left(1);
        self.agreeing[MOST_WINDOWS - 1] = Some(measured);
        let newest = self.agreeing[MOST_WINDOWS - rule.windows..].iter().flatten();
        if newest.clone().count() < rule.windows {
            return Sizing::Keep;
        }
        if verdict == Verdict::Right {
            self.known = true;
            return Sizing::Keep;
        }
        if self.corrected_ns.is_some_and(|corrected_ns| elapsed_s(corrected_ns, now_ns) < BETWEEN_S) {
            return Sizing::Keep;
        }
        // The first of three windows may have begun before the rate changed.
        let none = Measured { amount: Amount::default(), seconds: 0.0 };
        let measured = newest.rev().take(MEASURING_WINDOWS).fold(none, |sum, window| Measured {
            amount: sum.amount.plus(window.amount),
            seconds: sum.seconds + window.seconds,
        });
        let ring = measured.per_second().times(self.buffer_s);
        (self.known, self.corrected_ns) = (true, Some(now_ns));
        self.begun(ring, Half { since_ns: now_ns, amount: Amount::default() });
        Sizing::Correct(ring)
    }

    /// A ring is too short if one of its parts is, and too long if all are.
    fn compare(&self, ring: Amount, needed: Amount, off: f64) -> Verdict {
        let pairs = match self.counts {
            Counts::Frames => [(ring.frames, needed.frames); 2],
            Counts::MessagesAndBytes => [(ring.messages, needed.messages), (ring.bytes, needed.bytes)],
        };
        if pairs.iter().any(|(ring, needed)| *needed > ring * off) {
            Verdict::Short
        } else if pairs.iter().all(|(ring, needed)| *needed * off < *ring) {
            Verdict::Long
        } else {
            Verdict::Right
        }
    }
}
