//! What to do with a message whose format differs from that of the current generation ([`Plan::same_generation`]).

use dora_shm_message::Plan;
use dora_shm_node_kit::settings::OnChange;

/// After this many consecutive brief generations, the messages of the source are considered to vary, rather than to have
/// changed.
const BRIEF: u32 = 3;

/// Number of consecutive messages of one new format that begin a generation even if the messages vary. A generation that
/// ends with another frame shape is brief if it has fewer, any other one if it has a single message: vectors whose length
/// varies often come with one length twice by chance.
const STEADY: u64 = 8;

/// Number of consecutive messages of one frame shape with which a source is taken again whose frame shape varied. It is
/// more than [`STEADY`], because a source whose lengths vary often sends some messages of one length by chance.
const STEADY_SHAPE: u64 = 64;

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Begin the next generation.
    Begin,
    /// Refuse the message: `ON_CHANGE` is `skip`.
    Skip,
    /// Refuse the message: the format keeps changing.
    Varying,
    /// Refuse the source: the shape of the frames keeps changing, so this message and the following ones are refused,
    /// even if they fit the ring. Otherwise readers would get the messages of one length, as if there were no others.
    RefuseSource,
    /// End the node.
    Stop,
}

/// What is remembered of past changes.
#[derive(Debug, Default)]
pub struct Changes {
    /// Consecutive generations that were brief.
    brief: u32,
    /// The last change was one of the frame shape.
    in_shape: bool,
    /// Messages in the current generation.
    messages: u64,
    /// The messages of the source vary. This stays true while formats alternate, even if some messages fit the ring.
    varying: bool,
    /// Why the source is refused.
    source_refused: Option<String>,
}

impl Changes {
    /// A generation has begun.
    pub fn begun(&mut self) {
        self.brief = self.brief_with_current();
        self.messages = 0;
    }

    /// Consecutive brief generations, if the current one ends now.
    fn brief_with_current(&self) -> u32 {
        let is_brief = self.messages == 1 || (self.in_shape && (1..STEADY).contains(&self.messages));
        if is_brief { self.brief + 1 } else { 0 }
    }

    /// A message was written into the current generation.
    pub fn written(&mut self) {
        self.messages = self.messages.saturating_add(1);
    }

    /// Why to refuse a message of a source that is refused. `in_a_row`: it is the `in_a_row`th consecutive message of
    /// exactly its format; 0 if it is empty. `None`: the source is not refused, or is taken again from this message on.
    pub fn refusal_of_source(&mut self, on_change: OnChange, in_a_row: u64) -> Option<&str> {
        if on_change != OnChange::Generation || in_a_row >= STEADY_SHAPE {
            self.source_refused = None;
        }
        self.source_refused.as_deref()
    }

    /// Whether the source is refused.
    pub fn refuses_source(&self) -> bool {
        self.source_refused.is_some()
    }

    /// The source is refused because of messages of these two formats. Returns the reason.
    pub fn refuse_source(&mut self, before: Option<&Plan>, now: &Plan) -> String {
        self.brief = 0;
        self.messages = 0;
        self.varying = false;
        self.source_refused.insert(varying_shape(before, now)).clone()
    }

    /// What to do with a message of a different format, which is the `in_a_row`th consecutive message of exactly that
    /// format. `in_shape`: it differs in the shape of the frames, and not in their type.
    pub fn verdict(&mut self, on_change: OnChange, in_a_row: u64, in_shape: bool) -> Verdict {
        match on_change {
            OnChange::Skip => return Verdict::Skip,
            OnChange::Stop => return Verdict::Stop,
            OnChange::Generation => {}
        }
        self.in_shape = in_shape;
        self.varying |= self.brief_with_current() >= BRIEF;
        if self.varying && in_shape {
            return Verdict::RefuseSource;
        }
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
        let rate = plan.rate_hz().map_or_else(|| "rate not stated".into(), |rate_hz| format!("{rate_hz} Hz"));
        format!("{} {:?}, {rate}, clock {}{key}", plan.dtype(), plan.frame_shape(), plan.clock())
    };
    match before {
        Some(before) => {
            format!("a message has frames of {}, but the stream has frames of {}", shown(now), shown(before))
        }
        None => format!("a message has frames of {}", shown(now)),
    }
}

/// The reason for refusing a message of another format, if `ON_CHANGE` is `skip`.
pub fn skipped(before: Option<&Plan>, now: &Plan) -> String {
    format!("ON_CHANGE: skip: {}", difference(before, now))
}

/// Whether the messages differ in the shape of their frames, and not in their type.
pub fn differ_in_shape(before: Option<&Plan>, now: &Plan) -> bool {
    before.is_some_and(|before| before.dtype() == now.dtype() && before.frame_shape() != now.frame_shape())
}

/// The reason for refusing messages whose format keeps changing. It contains no figures, so that all these refusals
/// share one reason.
pub fn varying(before: Option<&Plan>, now: &Plan) -> String {
    let differs = |differ: fn(&Plan, &Plan) -> bool| before.is_some_and(|before| differ(before, now));
    let (what, help) = if differs(|a, b| a.dtype() != b.dtype()) {
        ("type", "send messages of one type, or give each type its own sink")
    } else if differs(|a, b| a.rate_hz() != b.rate_hz()) {
        ("sample rate", "set SAMPLE_RATE to the rate that is meant")
    } else if differs(|a, b| a.clock() != b.clock()) {
        ("clock", "set CLOCK to the clock of the source's times, or have it send times and `clock` with each message")
    } else {
        ("key", "set KEY to one name for the stream")
    };
    format!("the {what} of the messages keeps changing (three generations had a single message each); {help}")
}

/// The reason for refusing a source whose messages have frames of varying shape. It does not depend on the message that
/// is refused, so that all these refusals share one reason.
fn varying_shape(before: Option<&Plan>, now: &Plan) -> String {
    let are_vectors = before.is_some_and(|before| before.frame_shape().len() == 1) && now.frame_shape().len() == 1;
    let (what, help) = if are_vectors {
        (
            "length",
            "if their number of frames varies, set FRAMES: rows and SHAPE to the shape of one frame (SHAPE: \"\" if each \
             number is a frame)",
        )
    } else {
        (
            "frame shape",
            "if their number of frames varies, set FRAMES: rows and SHAPE to the shape of one frame; otherwise, give each \
             shape its own sink",
        )
    };
    format!(
        "the {what} of the messages keeps changing (three generations had fewer than {STEADY} messages each), so all of them \
         are refused until {STEADY_SHAPE} consecutive ones share a {what}; {help}"
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Float32Array};
    use dora_node_api::{MetadataParameters, Parameter};
    use dora_shm_message::{Interpreter, MessageSettings};

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
        assert_eq!(changes.verdict(OnChange::Generation, 1, false), Verdict::Begin);
        assert_eq!(changes.verdict(OnChange::Skip, 1, false), Verdict::Skip);
        assert_eq!(changes.verdict(OnChange::Stop, 1, false), Verdict::Stop);
    }

    #[test]
    fn after_three_generations_of_a_single_message_further_formats_are_refused() {
        let mut changes = Changes::default();
        for _ in 0..3 {
            assert_eq!(changes.verdict(OnChange::Generation, 1, false), Verdict::Begin);
            generation(&mut changes, 1);
        }
        assert_eq!(changes.verdict(OnChange::Generation, 1, false), Verdict::Varying);
        // If two formats alternate, every other message fits the last generation.
        changes.written();
        assert_eq!(changes.verdict(OnChange::Generation, 1, false), Verdict::Varying);
    }

    #[test]
    fn after_a_generation_of_several_messages_the_format_may_change_again() {
        let mut changes = Changes::default();
        generation(&mut changes, 1);
        generation(&mut changes, 1);
        generation(&mut changes, 2);
        generation(&mut changes, 1);
        generation(&mut changes, 1);
        assert_eq!(changes.verdict(OnChange::Generation, 1, false), Verdict::Begin);
    }

    #[test]
    fn a_format_that_stays_begins_a_generation() {
        let mut changes = Changes::default();
        (0..3).for_each(|_| generation(&mut changes, 1));
        assert_eq!(changes.verdict(OnChange::Generation, STEADY - 1, false), Verdict::Varying);
        assert_eq!(changes.verdict(OnChange::Generation, STEADY, false), Verdict::Begin);
        generation(&mut changes, 20);
        assert_eq!(changes.verdict(OnChange::Generation, 1, false), Verdict::Begin);
    }

    #[test]
    fn after_three_generations_of_a_single_message_a_source_of_varying_shape_is_refused_whatever_comes() {
        let mut changes = Changes::default();
        for _ in 0..BRIEF {
            assert_eq!(changes.verdict(OnChange::Generation, 1, true), Verdict::Begin);
            generation(&mut changes, 1);
        }
        assert_eq!(changes.verdict(OnChange::Generation, 1, true), Verdict::RefuseSource);
        let reason = changes.refuse_source(Some(&plan(&[3])), &plan(&[4]));
        for in_a_row in [1, 2, 1, 0, STEADY, STEADY_SHAPE - 1] {
            assert_eq!(changes.refusal_of_source(OnChange::Generation, in_a_row), Some(&*reason), "{in_a_row}");
        }
        assert_eq!(changes.refusal_of_source(OnChange::Generation, STEADY_SHAPE), None);
        assert!(!changes.refuses_source());
    }

    #[test]
    fn a_source_whose_shape_comes_twice_by_chance_varies_as_well() {
        // 8, 8, 9, 8, 8, 9, ...: every second generation has two messages.
        for runs in [[2, 1, 2], [1, 2, 1], [7, 7, 7], [3, 1, 3]] {
            let mut changes = Changes::default();
            for messages in runs {
                assert_eq!(changes.verdict(OnChange::Generation, 1, true), Verdict::Begin, "{runs:?}");
                generation(&mut changes, messages);
            }
            assert_eq!(changes.verdict(OnChange::Generation, 1, true), Verdict::RefuseSource, "{runs:?}");
        }
        // A picture's size changed several times, but not as often.
        let mut changes = Changes::default();
        for messages in [2, 2, STEADY, 2, 2] {
            assert_eq!(changes.verdict(OnChange::Generation, 1, true), Verdict::Begin);
            generation(&mut changes, messages);
        }
        assert_eq!(changes.verdict(OnChange::Generation, 1, true), Verdict::Begin);
    }

    #[test]
    fn types_that_come_a_few_times_each_do_not_vary() {
        let mut changes = Changes::default();
        for in_shape in [false, true, false, true, true, false, true, true] {
            assert_eq!(changes.verdict(OnChange::Generation, 1, in_shape), Verdict::Begin);
            generation(&mut changes, 4);
        }
    }

    #[test]
    fn a_source_that_is_taken_again_may_change_its_shape_again() {
        let mut changes = Changes::default();
        (0..3).for_each(|_| generation(&mut changes, 1));
        changes.refuse_source(Some(&plan(&[3])), &plan(&[4]));
        assert_eq!(changes.refusal_of_source(OnChange::Generation, STEADY_SHAPE), None);
        assert_eq!(changes.verdict(OnChange::Generation, STEADY_SHAPE, true), Verdict::Begin);
        generation(&mut changes, 1);
        assert_eq!(changes.verdict(OnChange::Generation, 1, true), Verdict::Begin);
    }

    #[test]
    fn another_on_change_ends_the_refusal_of_a_source() {
        let mut changes = Changes::default();
        changes.refuse_source(Some(&plan(&[3])), &plan(&[4]));
        assert_eq!(changes.refusal_of_source(OnChange::Skip, 1), None);
        assert!(!changes.refuses_source());
    }

    #[test]
    fn the_reason_names_the_settings_that_help() {
        let reason = varying_shape(Some(&plan(&[3])), &plan(&[4]));
        for part in ["length", "FRAMES: rows", "SHAPE: \"\"", "64 consecutive"] {
            assert!(reason.contains(part), "{part}: {reason}");
        }
        assert!(varying_shape(Some(&plan(&[3, 2])), &plan(&[4, 2])).contains("frame shape"));
        assert!(differ_in_shape(Some(&plan(&[3])), &plan(&[4])));
        assert!(!differ_in_shape(Some(&plan(&[3])), &plan(&[3])) && !differ_in_shape(None, &plan(&[3])));
    }

    /// The plan of messages that are one frame of this shape.
    fn plan(shape: &[i64]) -> Arc<Plan> {
        let array: ArrayRef = Arc::new(Float32Array::from(vec![0.0; shape.iter().product::<i64>() as usize]));
        let parameters = MetadataParameters::from([("shape".to_owned(), Parameter::ListInt(shape.to_vec()))]);
        let mut interpreter = Interpreter::new("data", MessageSettings::default());
        let chunk = interpreter.interpret(&array, &parameters, 0).unwrap();
        chunk.plan().unwrap().clone()
    }
}
