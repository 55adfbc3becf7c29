//! What to do with a message whose format differs from that of the current generation ([`Plan::same_generation`]).

use dora_shm_message::Plan;
use dora_shm_node_kit::settings::OnChange;

use crate::rate;

/// After this many consecutive generations of a single message each, the messages of the source are considered to vary,
/// rather than to have changed.
const SINGLES: u32 = 3;

/// Number of consecutive messages of one new format that begin a generation even if the messages vary.
const STEADY: u64 = 8;

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Begin the next generation.
    Begin,
    /// Refuse the message: `ON_CHANGE` is `skip`.
    Skip,
    /// Refuse the message: the format keeps changing.
    Varying,
    /// End the node.
    Stop,
}

/// What is remembered of past changes.
#[derive(Debug, Default)]
pub struct Changes {
    /// Consecutive generations that ended after a single message.
    singles: u32,
    /// Messages in the current generation.
    messages: u64,
    /// The messages of the source vary. This stays true while formats alternate, even if some messages fit the ring.
    varying: bool,
}

impl Changes {
    /// A generation has begun.
    pub fn begun(&mut self) {
        self.singles = if self.messages == 1 { self.singles + 1 } else { 0 };
        self.messages = 0;
    }

    /// A message was written into the current generation.
    pub fn written(&mut self) {
        self.messages = self.messages.saturating_add(1);
    }

    /// What to do with a message of a different format, which is the `in_a_row`th consecutive message of exactly that
    /// format.
    pub fn verdict(&mut self, on_change: OnChange, in_a_row: u64) -> Verdict {
        match on_change {
            OnChange::Skip => return Verdict::Skip,
            OnChange::Stop => return Verdict::Stop,
            OnChange::Generation => {}
        }
        let singles = if self.messages == 1 { self.singles + 1 } else { 0 };
        self.varying |= singles >= SINGLES;
        if self.varying && in_a_row < STEADY {
            return Verdict::Varying;
        }
        self.varying = false;
        Verdict::Begin
    }
}

/// The difference between a message's format and that of the generation, for a log line.
pub fn difference(before: Option<&Plan>, now: &Plan) -> String {
    let shown = |plan: &Plan| {
        let key = if plan.key().is_empty() { String::new() } else { format!(", key {:?}", plan.key()) };
        format!("{} {:?}, {}{key}", plan.dtype(), plan.frame_shape(), rate::text(plan.rate_hz(), None))
    };
    match before {
        Some(before) => {
            format!("a message has frames of {}, but the stream has frames of {}", shown(now), shown(before))
        }
        None => format!("a message has frames of {}", shown(now)),
    }
}

/// The reason for refusing messages whose format keeps changing. It contains no figures, so that all these refusals
/// share one reason.
pub fn varying(before: Option<&Plan>, now: &Plan) -> String {
    let differs = |differ: fn(&Plan, &Plan) -> bool| before.is_some_and(|before| differ(before, now));
    let (what, help) = if differs(|a, b| a.dtype() != b.dtype()) {
        ("type", "send messages of one type, or give each type its own sink")
    } else if differs(|a, b| a.frame_shape() != b.frame_shape()) {
        (
            "frame shape",
            "if each message holds a varying number of frames, set FRAMES: rows and SHAPE to the shape of one frame",
        )
    } else if differs(|a, b| a.rate_hz() != b.rate_hz()) {
        ("sample rate", "set SAMPLE_RATE to the rate that is meant")
    } else {
        ("key", "set KEY to one name for the stream")
    };
    format!("the {what} of the messages keeps changing (three generations had a single message each); {help}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Begins a generation and writes this many messages into it.
    fn generation(changes: &mut Changes, messages: u64) {
        changes.begun();
        (0..messages).for_each(|_| changes.written());
    }

    #[test]
    fn the_user_decides_what_a_change_does() {
        let mut changes = Changes::default();
        generation(&mut changes, 5);
        assert_eq!(changes.verdict(OnChange::Generation, 1), Verdict::Begin);
        assert_eq!(changes.verdict(OnChange::Skip, 1), Verdict::Skip);
        assert_eq!(changes.verdict(OnChange::Stop, 1), Verdict::Stop);
    }

    #[test]
    fn after_three_generations_of_a_single_message_further_formats_are_refused() {
        let mut changes = Changes::default();
        for _ in 0..3 {
            assert_eq!(changes.verdict(OnChange::Generation, 1), Verdict::Begin);
            generation(&mut changes, 1);
        }
        assert_eq!(changes.verdict(OnChange::Generation, 1), Verdict::Varying);
        // If two formats alternate, every other message fits the last generation.
        changes.written();
        assert_eq!(changes.verdict(OnChange::Generation, 1), Verdict::Varying);
    }

    #[test]
    fn after_a_generation_of_several_messages_the_format_may_change_again() {
        let mut changes = Changes::default();
        generation(&mut changes, 1);
        generation(&mut changes, 1);
        generation(&mut changes, 2);
        generation(&mut changes, 1);
        generation(&mut changes, 1);
        assert_eq!(changes.verdict(OnChange::Generation, 1), Verdict::Begin);
    }

    #[test]
    fn a_format_that_stays_begins_a_generation() {
        let mut changes = Changes::default();
        (0..3).for_each(|_| generation(&mut changes, 1));
        assert_eq!(changes.verdict(OnChange::Generation, STEADY - 1), Verdict::Varying);
        assert_eq!(changes.verdict(OnChange::Generation, STEADY), Verdict::Begin);
        generation(&mut changes, 20);
        assert_eq!(changes.verdict(OnChange::Generation, 1), Verdict::Begin);
    }
}
