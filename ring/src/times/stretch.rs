//! Messages that are late one after another.

use super::elapsed_s;
use super::window::FALL_S;

/// A stretch lasts at least this long before it says something.
const LASTS_S: f64 = 0.5;
const MESSAGES: u64 = 3;
const SLOT_S: f64 = 0.125;
const NEWEST_S: f64 = 0.25;
const SLOTS: usize = 8;

/// Whether lateness has risen within a window so much that there was another stall, of which the queue is still to come.
pub fn has_risen(fall_s: f64, late_s: f64) -> bool {
    -fall_s >= 0.1_f64.max(late_s / 10.0)
}

/// The fall of lateness within half a second from which on frames count as catching up: 50 ms, or a tenth of the
/// lateness.
pub fn is_falling(fall_s: f64, late_s: f64) -> bool {
    fall_s >= 0.05_f64.min(late_s / 10.0)
}

/// The current stretch of late messages. A silence begins a new one: what queued up in it says nothing yet.
#[derive(Clone, Debug, Default)]
pub struct Stretch {
    since_ns: u64,
    last_ns: u64,
    messages: u64,
    /// A ring of the newest.
    slots: [Slot; SLOTS],
    used: usize,
}

/// The messages of an eighth of a second.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    since_ns: u64,
    /// The least lateness, and when it came.
    least_s: f64,
    least_ns: u64,
}

impl Stretch {
    /// Ends the stretch: a message was in time.
    pub fn end(&mut self) {
        (self.messages, self.used) = (0, 0);
    }

    /// Adds a late message. Returns by how much the stretch is late, in seconds, once it has lasted and its lateness
    /// does not fall any more. A silence is a gap of more than `silence_s`.
    pub fn add(&mut self, now_ns: u64, late_s: f64, silence_s: f64) -> Option<f64> {
        if self.messages > 0 && elapsed_s(self.last_ns, now_ns) > silence_s {
            self.end();
        }
        if self.messages == 0 {
            self.since_ns = now_ns;
        }
        self.last_ns = now_ns;
        self.messages += 1;
        self.remember(now_ns, late_s);
        if self.messages < MESSAGES || elapsed_s(self.since_ns, now_ns) < LASTS_S {
            return None;
        }
        let slots = || (self.used.saturating_sub(SLOTS)..self.used).map(|i| &self.slots[i % SLOTS]);
        let least = |age_s: f64| {
            let recent = slots().filter(|slot| elapsed_s(slot.since_ns, now_ns) <= age_s);
            recent.min_by(|a, b| a.least_s.total_cmp(&b.least_s))
        };
        let before = slots().rfind(|slot| elapsed_s(slot.since_ns, now_ns) >= FALL_S)?;
        let newest = least(NEWEST_S)?;
        let apart_s = elapsed_s(before.least_ns, newest.least_ns).clamp(FALL_S / 2.0, FALL_S);
        let fall_s = (before.least_s - newest.least_s) * FALL_S / apart_s;
        let steady = !is_falling(fall_s, late_s) && !has_risen(fall_s, late_s);
        least(FALL_S).filter(|_| steady).map(|slot| slot.least_s)
    }

    fn remember(&mut self, now_ns: u64, late_s: f64) {
        let newest = self.used.checked_sub(1).map(|i| &mut self.slots[i % SLOTS]);
        match newest {
            Some(slot) if elapsed_s(slot.since_ns, now_ns) < SLOT_S => {
                if late_s <= slot.least_s {
                    (slot.least_s, slot.least_ns) = (late_s, now_ns);
                }
            }
            _ => {
                self.slots[self.used % SLOTS] = Slot { since_ns: now_ns, least_s: late_s, least_ns: now_ns };
                self.used += 1;
            }
        }
    }
}
