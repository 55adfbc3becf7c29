//! When a generation ends and the next one begins, and how long its ring is. Pure policy: it makes no ring, reads no clock
//! and writes no log. [`Plan::same_generation`] says what two messages of one generation share: element type, frame shape,
//! rate, clock and key. A changed setting can end a generation, too ([`Generations::end_current`]).
//! [`Generations::decide`] returns what to do, and the caller reports the outcome ([`Generations::begun`],
//! [`Generations::failed`], ...).

use std::sync::Arc;
use std::time::{Duration, Instant};

use dora_shm_message::Plan;
use dora_shm_node_kit::settings::{Length, OnChange, SinkSettings};
use dora_shm_ring::Format;

use crate::format_change::{Changes, Verdict, differ_in_shape, difference, varying};
use crate::length::{Request, expected_chunk_frames, grown, ring_format};

/// How long to wait before trying again to make a ring that could not be made: each attempt to reserve its pages takes
/// milliseconds.
pub const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// A measured rate counts as changed if it requires a ring at least this many times as long.
const MUCH_LONGER: f64 = 2.0;

/// What to do with a message.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Write it into the current ring.
    Write,
    /// Hold it back until the rate of the messages is known.
    Hold,
    /// Begin a generation with this ring, and write it there.
    Begin(Ring),
    /// Begin a generation of the same format with a longer ring, and write it there.
    Lengthen(Longer),
    /// Refuse it, with this reason.
    Refuse(String),
    /// End the node, with this reason.
    End(String),
}

/// A ring to make.
#[derive(Clone, Debug, PartialEq)]
pub struct Ring {
    pub format: Format,
    /// Expected frames per chunk, which gives the number of chunk records.
    pub expected_chunk: u64,
    /// `MAX_BYTES` does not allow a ring as long as `BUF_DUR`.
    pub is_shortened: bool,
    /// The largest chunk that the ring is to hold twice.
    largest_chunk: u64,
    /// The measured rate that the length comes from, in frames per second.
    pub measured_hz: Option<f64>,
}

/// A longer ring, and what to do if there is no room for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Longer {
    pub ring: Ring,
    /// A ring as long as the current one, to replace it if it had to be given up.
    pub as_before: Ring,
    pub why: Why,
}

/// Why a ring is to be longer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Why {
    /// This many frames came in one message, more than half of the ring.
    Chunk(u64),
    /// Messages come at this many frames per second, faster than the first ones.
    Rate(f64),
}

/// The state that these decisions depend on, from one message to the next.
#[derive(Debug, Default)]
pub struct Generations {
    /// What the frames of the current generation mean. `None`: the next message begins a generation in any case.
    current: Option<Arc<Plan>>,
    /// Frames of the current ring, as requested. `None`: there is no ring.
    ring_frames: Option<u64>,
    changes: Changes,
    /// The rate that was measured last, in frames per second.
    measured_hz: Option<f64>,
    /// The rate at which messages turned out to come, if it requires a much longer ring.
    faster_hz: Option<f64>,
    /// The largest chunk that the current ring is to hold twice, or that is known to be too large for that.
    largest_chunk: u64,
    /// The plan of the last message that was refused for its format, and the number of consecutive messages that had it.
    misfit: Option<(Arc<Plan>, u64)>,
    no_room: Option<NoRoom>,
}

/// A ring that could not be made.
#[derive(Debug)]
struct NoRoom {
    format: Format,
    reason: String,
    until: Instant,
}

impl Generations {
    /// What the frames of the current generation mean.
    pub fn current(&self) -> Option<&Arc<Plan>> {
        self.current.as_ref()
    }

    /// Decides about a message of `frames` frames.
    pub fn decide(&mut self, plan: &Arc<Plan>, frames: u64, settings: &SinkSettings) -> Decision {
        if self.changes.refuses_source()
            && let Some(reason) = self.refusal_of_source(plan, frames, settings)
        {
            return Decision::Refuse(reason);
        }
        let Some(current) = &self.current else { return self.first(plan, frames, settings) };
        let is_as_before = Arc::ptr_eq(current, plan) && self.faster_hz.is_none();
        // An empty message never changes the format.
        if frames == 0 || (is_as_before && frames <= self.largest_chunk) {
            return Decision::Write;
        }
        if current.same_generation(plan) {
            return match self.longer(plan, frames, settings) {
                Some(longer) => Decision::Lengthen(longer),
                None => Decision::Write,
            };
        }
        let in_a_row = self.in_a_row(plan);
        let before = self.current.as_deref();
        match self.changes.verdict(settings.on_change, in_a_row, differ_in_shape(before, plan)) {
            Verdict::Begin => self.first(plan, frames, settings),
            Verdict::RefuseSource => Decision::Refuse(self.changes.refuse_source(before, plan)),
            Verdict::Skip => Decision::Refuse(format!("ON_CHANGE: skip: {}", difference(before, plan))),
            Verdict::Varying => Decision::Refuse(varying(before, plan)),
            Verdict::Stop => Decision::End(format!("ON_CHANGE: stop: {}", difference(before, plan))),
        }
    }

    /// Why to refuse a message of a source that is refused. `None`: it is taken again.
    fn refusal_of_source(&mut self, plan: &Arc<Plan>, frames: u64, settings: &SinkSettings) -> Option<String> {
        // An empty message neither continues nor ends a run of messages of one format.
        let in_a_row = if frames == 0 { 0 } else { self.in_a_row(plan) };
        self.changes.refusal_of_source(settings.on_change, in_a_row).map(str::to_owned)
    }

    /// Decides about a message that begins a generation.
    fn first(&self, plan: &Plan, frames: u64, settings: &SinkSettings) -> Decision {
        if frames == 0 {
            // After a change of settings, the old ring stays until a message needs the new one.
            return match self.ring_frames {
                Some(_) => Decision::Write,
                None => Decision::Refuse(
                    "an empty message came before the first ring; send a message with frames first".into(),
                ),
            };
        }
        let is_by_duration = matches!(settings.length, Length::Duration(_));
        if is_by_duration && plan.rate_hz().is_none() && self.measured_hz.is_none() {
            return Decision::Hold;
        }
        match ring(plan, self.measured_hz, frames, settings) {
            Ok(ring) => Decision::Begin(ring),
            Err(reason) => Decision::Refuse(reason),
        }
    }

    /// The ring of messages that were held back: `measured_hz` is their rate, and `largest_chunk` the largest of them.
    ///
    /// # Errors
    /// The reason why there cannot be such a ring.
    pub fn after_holding(
        &self,
        plan: &Plan,
        measured_hz: Option<f64>,
        largest_chunk: u64,
        settings: &SinkSettings,
    ) -> Result<Ring, String> {
        ring(plan, measured_hz.or(self.measured_hz), largest_chunk, settings)
    }

    /// A ring like the current one, for the same frames. `None`: there is no generation.
    pub fn again(&self, settings: &SinkSettings) -> Option<Ring> {
        ring(self.current.as_ref()?, self.measured_hz, self.largest_chunk, settings).ok()
    }

    /// The longer ring that a message of the current format requires, if any. Each reason for a longer ring is
    /// considered once.
    fn longer(&mut self, plan: &Plan, frames: u64, settings: &SinkSettings) -> Option<Longer> {
        let before = self.ring_frames?;
        if let Some(rate_hz) = self.faster_hz {
            let largest = self.largest_chunk.max(frames);
            let longer = ring(plan, Some(rate_hz), largest, settings);
            let as_before = ring(plan, self.measured_hz, largest, settings);
            self.faster_hz = None;
            if let (Ok(ring), Ok(as_before)) = (longer, as_before)
                && ring.format.frames() > before
            {
                return Some(Longer { ring, as_before, why: Why::Rate(rate_hz) });
            }
        }
        if frames <= self.largest_chunk || settings.on_change != OnChange::Generation {
            return None;
        }
        let largest = grown(settings.length, before, frames)?.max(frames);
        let longer = ring(plan, self.measured_hz, largest, settings);
        let as_before = ring(plan, self.measured_hz, self.largest_chunk, settings);
        // Whether or not there will be a longer ring, chunks of this size are not considered again.
        self.largest_chunk = largest;
        let (longer, as_before) = (longer.ok()?, Ring { largest_chunk: largest, ..as_before.ok()? });
        (longer.format.frames() > before).then_some(Longer { ring: longer, as_before, why: Why::Chunk(frames) })
    }

    /// The number of consecutive messages with this format, this one included.
    fn in_a_row(&mut self, plan: &Arc<Plan>) -> u64 {
        let before = match &self.misfit {
            Some((misfit, times)) if misfit.same_generation(plan) => *times,
            _ => 0,
        };
        self.misfit = Some((plan.clone(), before + 1));
        before + 1
    }

    /// Why this ring cannot be made, if it is too early to try again.
    pub fn no_room(&self, ring: &Ring, now: Instant) -> Option<&str> {
        let no_room = self.no_room.as_ref()?;
        (no_room.format == ring.format && now < no_room.until).then_some(&*no_room.reason)
    }

    /// A generation of `plan` has begun. `is_new_format`: false if only the ring is longer.
    pub fn begun(&mut self, plan: &Arc<Plan>, ring: &Ring, is_new_format: bool) {
        self.current = Some(plan.clone());
        self.ring_frames = Some(ring.format.frames());
        self.measured_hz = ring.measured_hz;
        self.largest_chunk = ring.largest_chunk;
        self.faster_hz = None;
        self.no_room = None;
        if is_new_format {
            self.changes.begun();
            self.misfit = None;
        }
    }

    /// A ring could not be made. `is_without_ring`: the current one was given up to free its memory.
    pub fn failed(&mut self, ring: &Ring, reason: &str, is_without_ring: bool, now: Instant) {
        self.no_room =
            Some(NoRoom { format: ring.format.clone(), reason: reason.to_owned(), until: now + RETRY_PAUSE });
        if is_without_ring {
            self.current = None;
            self.ring_frames = None;
        }
    }

    /// The messages that were held back have no ring. A rate that requires more memory than there is may have been
    /// measured wrongly.
    pub fn forget_rate(&mut self) {
        self.measured_hz = None;
    }

    /// The description in force is that of `plan`.
    pub fn describes(&mut self, plan: &Arc<Plan>) {
        self.current = Some(plan.clone());
    }

    /// A message with frames was written.
    pub fn written(&mut self) {
        self.changes.written();
        self.misfit = None;
    }

    /// Whether to watch the rate of the messages: it is not stated, and the length of the ring is given in seconds.
    pub fn watches_rate(&self, settings: &SinkSettings) -> bool {
        matches!(settings.length, Length::Duration(_))
            && self.current.as_ref().is_some_and(|plan| plan.rate_hz().is_none())
    }

    /// The messages have come at this rate lately.
    pub fn comes_at(&mut self, rate_hz: f64, settings: &SinkSettings) {
        let (Length::Duration(seconds), Some(ring_frames)) = (settings.length, self.ring_frames) else { return };
        let is_much_longer = rate_hz * seconds > MUCH_LONGER * ring_frames as f64;
        self.faster_hz = (is_much_longer && settings.on_change == OnChange::Generation).then_some(rate_hz);
    }

    /// Checks changed settings before they come into force.
    ///
    /// # Errors
    /// The reason why no ring can satisfy them.
    pub fn check(&self, now: &SinkSettings, changed: &SinkSettings) -> Result<(), String> {
        // If the change affects what messages mean, the frames are not known yet.
        let Some(plan) = self.current.as_ref().filter(|_| now.message == changed.message) else { return Ok(()) };
        ring(plan, self.measured_hz, self.largest_chunk, changed).map(drop)
    }

    /// Settings have changed: the next message begins a generation in any case. The ring stays until then.
    pub fn end_current(&mut self) {
        *self = Self { ring_frames: self.ring_frames, measured_hz: self.measured_hz, ..Self::default() };
    }

    /// The stream has moved to another name, under which there is no ring yet.
    pub fn moved(&mut self) {
        self.end_current();
        self.ring_frames = None;
    }
}

/// The ring for messages of `plan`, of which the largest has `largest_chunk` frames.
fn ring(plan: &Plan, measured_hz: Option<f64>, largest_chunk: u64, settings: &SinkSettings) -> Result<Ring, String> {
    let (format, is_shortened) = ring_format(&Request::new(plan, measured_hz, largest_chunk), settings)?;
    let expected_chunk = expected_chunk_frames(format.frames(), largest_chunk);
    Ok(Ring { format, expected_chunk, is_shortened, largest_chunk, measured_hz })
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, Float32Array};
    use dora_node_api::{MetadataParameters, Parameter};
    use dora_shm_message::{Interpreter, MessageSettings};

    use super::*;

    /// The plan of messages of `channels` channels.
    fn plan(channels: usize, rate_hz: Option<f64>) -> Arc<Plan> {
        let array: ArrayRef = Arc::new(Float32Array::from(vec![0.0; 2 * channels]));
        let names = |names: [&str; 2]| Parameter::ListString(names.map(str::to_owned).to_vec());
        let mut parameters = MetadataParameters::from([
            ("shape".to_owned(), Parameter::ListInt(vec![2, channels as i64])),
            ("dims".to_owned(), names(["time", "ch"])),
        ]);
        parameters.extend(rate_hz.map(|rate_hz| ("sample_rate".to_owned(), Parameter::Float(rate_hz))));
        let mut interpreter = Interpreter::new("data", MessageSettings::default());
        let chunk = interpreter.interpret(&array, &parameters, 0).unwrap();
        chunk.plan().unwrap().clone()
    }

    fn seconds(seconds: f64) -> SinkSettings {
        SinkSettings { length: Length::Duration(seconds), ..SinkSettings::default() }
    }

    /// Decides, and makes the ring that is asked for.
    fn begun(generations: &mut Generations, plan: &Arc<Plan>, frames: u64, settings: &SinkSettings) -> u64 {
        let Decision::Begin(ring) = generations.decide(plan, frames, settings) else { panic!("no new generation") };
        generations.begun(plan, &ring, true);
        ring.format.frames()
    }

    #[test]
    fn the_first_message_begins_a_generation_whose_length_follows_from_its_rate() {
        let (mut generations, plan) = (Generations::default(), plan(3, Some(100.0)));
        assert_eq!(begun(&mut generations, &plan, 10, &seconds(2.0)), 200);
        assert_eq!(generations.decide(&plan, 10, &seconds(2.0)), Decision::Write);
    }

    #[test]
    fn messages_without_a_rate_are_held_back_unless_the_length_is_given_in_frames() {
        let plan = plan(3, None);
        assert_eq!(Generations::default().decide(&plan, 10, &seconds(2.0)), Decision::Hold);
        let frames = SinkSettings { length: Length::Frames(70), ..SinkSettings::default() };
        assert_eq!(begun(&mut Generations::default(), &plan, 10, &frames), 70);
    }

    #[test]
    fn a_rate_that_was_measured_gives_the_length_of_this_and_of_later_generations() {
        let (mut generations, settings) = (Generations::default(), seconds(2.0));
        let ring = generations.after_holding(&plan(3, None), Some(50.0), 10, &settings).unwrap();
        assert_eq!((ring.format.frames(), ring.format.rate_hz()), (100, 0.0));
        generations.begun(&plan(3, None), &ring, true);
        assert_eq!(begun(&mut generations, &plan(4, None), 10, &settings), 100);
    }

    #[test]
    fn an_empty_message_never_changes_the_format() {
        let (mut generations, settings) = (Generations::default(), seconds(2.0));
        let refused = generations.decide(&plan(3, Some(100.0)), 0, &settings);
        assert!(matches!(refused, Decision::Refuse(_)), "{refused:?}");
        begun(&mut generations, &plan(3, Some(100.0)), 10, &settings);
        assert_eq!(generations.decide(&plan(4, Some(100.0)), 0, &settings), Decision::Write);
        generations.end_current();
        assert_eq!(generations.decide(&plan(3, Some(100.0)), 0, &settings), Decision::Write, "the ring is still there");
        generations.moved();
        assert!(matches!(generations.decide(&plan(3, Some(100.0)), 0, &settings), Decision::Refuse(_)));
    }

    #[test]
    fn a_changed_format_has_the_effect_of_the_setting() {
        let (first, other) = (plan(3, Some(100.0)), plan(4, Some(100.0)));
        for (on_change, expected) in
            [(OnChange::Generation, "begin"), (OnChange::Skip, "refuse"), (OnChange::Stop, "end")]
        {
            let (mut generations, settings) = (Generations::default(), SinkSettings { on_change, ..seconds(2.0) });
            begun(&mut generations, &first, 10, &settings);
            generations.written();
            let found = match generations.decide(&other, 10, &settings) {
                Decision::Begin(ring) if ring.format.frame_shape() == [4] => "begin",
                Decision::Refuse(reason) if reason.contains("[4]") && reason.contains("[3]") => "refuse",
                Decision::End(reason) if reason.contains("ON_CHANGE: stop") => "end",
                other => panic!("{other:?}"),
            };
            assert_eq!(found, expected);
        }
    }

    /// The plan of flat vectors of `length` numbers, of which each is a frame.
    fn vector(length: usize) -> Arc<Plan> {
        let array: ArrayRef = Arc::new(Float32Array::from(vec![0.0; length]));
        let mut interpreter = Interpreter::new("data", MessageSettings::default());
        let none = MetadataParameters::new();
        let chunk = interpreter.interpret(&array, &none, 0).unwrap();
        chunk.plan().unwrap().clone()
    }

    /// A source of vectors whose length varies, which has just been refused. The ring holds vectors of five numbers.
    fn refused_source(settings: &SinkSettings) -> Generations {
        let mut generations = Generations::default();
        for length in [3, 4, 5] {
            begun(&mut generations, &vector(length), 1, settings);
            generations.written();
        }
        let refused = generations.decide(&vector(6), 1, settings);
        assert!(matches!(&refused, Decision::Refuse(reason) if reason.contains("FRAMES: rows")), "{refused:?}");
        generations
    }

    #[test]
    fn a_source_of_vectors_of_varying_length_is_refused_for_one_reason_whatever_the_length() {
        let settings = SinkSettings { length: Length::Frames(70), ..SinkSettings::default() };
        let mut generations = refused_source(&settings);
        let mut reasons = Vec::new();
        for length in [5, 6, 5, 5, 3, 5, 7] {
            let Decision::Refuse(reason) = generations.decide(&vector(length), 1, &settings) else {
                panic!("{length} numbers were not refused")
            };
            reasons.push(reason);
        }
        let Decision::Refuse(reason) = generations.decide(&vector(5), 0, &settings) else {
            panic!("an empty message was not refused")
        };
        reasons.push(reason);
        reasons.dedup();
        assert_eq!(reasons.len(), 1, "{reasons:?}");
    }

    #[test]
    fn sixty_four_messages_of_one_length_end_the_refusal_of_the_source() {
        let settings = SinkSettings { length: Length::Frames(70), ..SinkSettings::default() };
        for (length, expected) in [(5, "the ring of before"), (9, "a new ring")] {
            let mut generations = refused_source(&settings);
            for number in 1..64 {
                let refused = generations.decide(&vector(length), 1, &settings);
                assert!(matches!(refused, Decision::Refuse(_)), "message {number}: {refused:?}");
                // An empty message does not count.
                assert!(matches!(generations.decide(&vector(length), 0, &settings), Decision::Refuse(_)));
            }
            let found = match generations.decide(&vector(length), 1, &settings) {
                Decision::Write => "the ring of before",
                Decision::Begin(_) => "a new ring",
                other => panic!("{other:?}"),
            };
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn changed_settings_end_the_refusal_of_the_source() {
        let settings = SinkSettings { length: Length::Frames(70), ..SinkSettings::default() };
        let mut generations = refused_source(&settings);
        generations.end_current();
        assert!(matches!(generations.decide(&vector(6), 1, &settings), Decision::Begin(_)));
        let mut generations = refused_source(&settings);
        let skip = SinkSettings { on_change: OnChange::Skip, ..settings };
        assert_eq!(generations.decide(&vector(5), 1, &skip), Decision::Write);
    }

    #[test]
    fn a_chunk_of_more_than_half_of_the_ring_requests_a_longer_one_once() {
        let (plan, settings) = (plan(3, Some(100.0)), seconds(2.0));
        let mut generations = Generations::default();
        begun(&mut generations, &plan, 10, &settings);
        assert_eq!(generations.decide(&plan, 100, &settings), Decision::Write);
        let Decision::Lengthen(longer) = generations.decide(&plan, 101, &settings) else { panic!("not longer") };
        assert_eq!(longer.why, Why::Chunk(101));
        assert_eq!((longer.ring.format.frames(), longer.as_before.format.frames()), (256, 200));
        // There was no room for it.
        generations.failed(&longer.ring, "no room", false, Instant::now());
        assert_eq!(generations.decide(&plan, 101, &settings), Decision::Write);
        assert_eq!(generations.decide(&plan, 128, &settings), Decision::Write);
        assert!(matches!(generations.decide(&plan, 129, &settings), Decision::Lengthen(_)));
    }

    #[test]
    fn a_ring_that_takes_the_place_of_a_longer_one_is_not_lengthened_for_the_same_chunk() {
        let (plan, settings, now) = (plan(3, Some(100.0)), seconds(2.0), Instant::now());
        let mut generations = Generations::default();
        begun(&mut generations, &plan, 10, &settings);
        let Decision::Lengthen(longer) = generations.decide(&plan, 101, &settings) else { panic!("not longer") };
        generations.failed(&longer.ring, "no room", true, now);
        generations.begun(&plan, &longer.as_before, false);
        assert_eq!(generations.decide(&plan, 101, &settings), Decision::Write);
    }

    #[test]
    fn a_ring_that_was_given_up_is_replaced_with_the_next_message() {
        let (plan, settings) = (plan(3, Some(100.0)), seconds(2.0));
        let mut generations = Generations::default();
        begun(&mut generations, &plan, 10, &settings);
        let Decision::Lengthen(longer) = generations.decide(&plan, 101, &settings) else { panic!("not longer") };
        generations.failed(&longer.ring, "no room", true, Instant::now());
        generations.failed(&longer.as_before, "no room", true, Instant::now());
        assert_eq!(begun(&mut generations, &plan, 10, &settings), 200);
    }

    #[test]
    fn messages_that_come_much_faster_than_the_first_ones_request_a_longer_ring() {
        let (plan, settings) = (plan(3, None), seconds(2.0));
        let mut generations = Generations::default();
        let ring = generations.after_holding(&plan, Some(50.0), 10, &settings).unwrap();
        generations.begun(&plan, &ring, true);
        assert!(generations.watches_rate(&settings));
        generations.comes_at(99.0, &settings);
        assert_eq!(generations.decide(&plan, 10, &settings), Decision::Write);
        generations.comes_at(1000.0, &settings);
        assert_eq!(generations.decide(&plan, 0, &settings), Decision::Write, "an empty message waits for the next one");
        let Decision::Lengthen(longer) = generations.decide(&plan, 10, &settings) else { panic!("not longer") };
        assert_eq!(longer.why, Why::Rate(1000.0));
        assert_eq!((longer.ring.format.frames(), longer.as_before.format.frames()), (2000, 100));
        assert_eq!(generations.decide(&plan, 10, &settings), Decision::Write, "there was no room for it");
        let fixed = SinkSettings { on_change: OnChange::Skip, ..settings };
        generations.comes_at(1000.0, &fixed);
        assert_eq!(generations.decide(&plan, 10, &fixed), Decision::Write);
    }

    #[test]
    fn a_ring_without_room_is_not_tried_again_at_once_but_another_one_is() {
        let (plan, settings, now) = (plan(3, Some(100.0)), seconds(2.0), Instant::now());
        let mut generations = Generations::default();
        let Decision::Begin(ring) = generations.decide(&plan, 10, &settings) else { panic!("no new generation") };
        generations.failed(&ring, "no room", true, now);
        assert_eq!(generations.no_room(&ring, now + RETRY_PAUSE / 2), Some("no room"));
        assert_eq!(generations.no_room(&ring, now + RETRY_PAUSE), None);
        let Decision::Begin(shorter) = generations.decide(&plan, 10, &seconds(1.0)) else {
            panic!("no new generation")
        };
        assert_eq!(generations.no_room(&shorter, now), None);
    }

    #[test]
    fn changed_settings_begin_a_generation_unless_no_ring_can_satisfy_them() {
        let (plan, settings) = (plan(3, Some(100.0)), seconds(2.0));
        let mut generations = Generations::default();
        begun(&mut generations, &plan, 10, &settings);
        let frames =
            |frames, max_bytes| SinkSettings { length: Length::Frames(frames), max_bytes, ..SinkSettings::default() };
        let reason = generations.check(&settings, &frames(1_000_000, 1 << 20)).unwrap_err();
        assert!(reason.contains("MAX_BYTES"), "{reason}");
        let changed = frames(50, 1 << 20);
        generations.check(&settings, &changed).unwrap();
        generations.end_current();
        assert_eq!(begun(&mut generations, &plan, 10, &changed), 50);
    }
}
