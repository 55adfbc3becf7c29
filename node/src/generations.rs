//! When a generation ends and the next one begins, and how long its ring is. Pure policy: it makes no ring, reads no clock
//! and writes no log. [`Plan::same_generation`] says what two messages of one generation share: element type, frame shape,
//! rate, clock and key. A changed setting can end a generation, too ([`Generations::end_current`]).
//! [`Generations::decide`] returns what to do, and the caller reports the outcome ([`Generations::begun`],
//! [`Generations::failed`], ...).

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dora_shm_message::Plan;
use dora_shm_node_kit::settings::{Length, OnChange, SinkSettings};
use dora_shm_ring::Format;
use dora_shm_ring::times::{Counts, RingLength, Sizing};

use crate::format_change::{Changes, Verdict, differ_in_shape, difference, skipped, varying};
use crate::length::{Request, expected_chunk_frames, grown, ring_format};

/// How long to wait before trying again to make a ring that could not be made: each attempt to reserve its pages takes
/// milliseconds.
pub const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// The same, if the current ring was just given up to free its memory: readers unmap it within milliseconds.
const LET_GO_PAUSE: Duration = Duration::from_millis(10);

/// What to do with a message.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Write it into the current ring.
    Write,
    /// Hold it back until it is known how many messages come.
    Hold,
    /// Begin a generation with this ring, and write it there.
    Begin(Ring),
    /// Begin a generation of the same format with a ring of another length, and write it there.
    Resize(Resize),
    /// Keep it until there is a ring: it is empty, and so begins none.
    Keep,
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
    pub rate: Rate,
}

/// The rate that the length of a ring comes from, in frames per second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rate {
    Stated(f64),
    Measured(f64),
    /// Not stated, and not needed or not measured yet.
    Unknown,
}

/// A ring of another length.
#[derive(Clone, Debug, PartialEq)]
pub struct Resize {
    pub ring: Ring,
    pub why: Why,
}

/// Why a ring is to have another length.
#[derive(Clone, Debug, PartialEq)]
pub enum Why {
    /// So many frames came in one message, more than half of the ring. `as_before` is as long as the current ring, to
    /// replace it if it had to be given up.
    Chunk { frames: u64, as_before: Ring },
    /// This many frames come per second, and the ring was made for more or fewer.
    Rate(f64),
}

/// What the decisions need of a message.
#[derive(Clone, Copy, Debug)]
pub struct Incoming {
    pub frames: u64,
    pub bytes: u64,
    /// When it came, CLOCK_MONOTONIC.
    pub came_mono_ns: u64,
}

/// The state that these decisions depend on, from one message to the next.
#[derive(Debug, Default)]
pub struct Generations {
    /// What the frames of the current generation mean. `None`: the next message begins a generation in any case.
    current: Option<Arc<Plan>>,
    /// Frames of the current ring, as requested. `None`: there is no ring.
    ring_frames: Option<u64>,
    changes: Changes,
    /// Finds the length of the ring while it is given in seconds and no rate is stated.
    length: Option<RingLength>,
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

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stated(rate_hz) => write!(f, "{rate_hz} Hz"),
            Self::Measured(rate_hz) => write!(f, "rate not stated, about {rate_hz:.1} Hz measured"),
            Self::Unknown => f.write_str("rate not stated"),
        }
    }
}

impl Generations {
    /// What the frames of the current generation mean.
    pub fn current(&self) -> Option<&Arc<Plan>> {
        self.current.as_ref()
    }

    /// Whether the current ring has as many frames as `ring`.
    pub fn has_ring_as_long_as(&self, ring: &Ring) -> bool {
        self.ring_frames == Some(ring.format.frames())
    }

    /// Decides about a message.
    pub fn decide(&mut self, plan: &Arc<Plan>, message: Incoming, settings: &SinkSettings) -> Decision {
        if self.changes.refuses_source()
            && let Some(reason) = self.refusal_of_source(plan, message.frames, settings)
        {
            return Decision::Refuse(reason);
        }
        let Some(current) = &self.current else { return self.first(plan, message, settings) };
        // An empty message never changes the format.
        if message.frames == 0 {
            return Decision::Write;
        }
        if Arc::ptr_eq(current, plan) || current.same_generation(plan) {
            return self.next(plan, message, settings);
        }
        let in_a_row = self.in_a_row(plan);
        let before = self.current.as_deref();
        match self.changes.verdict(settings.on_change, in_a_row, differ_in_shape(before, plan)) {
            Verdict::Begin => {
                if let Some(length) = &mut self.length {
                    length.doubt();
                }
                self.first(plan, message, settings)
            }
            Verdict::RefuseSource => Decision::Refuse(self.changes.refuse_source(before, plan)),
            Verdict::Skip => Decision::Refuse(skipped(before, plan)),
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
    fn first(&mut self, plan: &Plan, message: Incoming, settings: &SinkSettings) -> Decision {
        if message.frames == 0 {
            // After a change of settings, the old ring stays until a message needs the new one.
            return match self.ring_frames {
                Some(_) => Decision::Write,
                None => Decision::Keep,
            };
        }
        if self.measure(plan, message, settings) == Sizing::Hold {
            return Decision::Hold;
        }
        // A ring that was given up is replaced by one for the same chunks.
        let given_up = if self.current.is_none() { self.largest_chunk } else { 0 };
        match self.ring(plan, message.frames.max(given_up), settings) {
            Ok(ring) => Decision::Begin(ring),
            Err(reason) => Decision::Refuse(reason),
        }
    }

    /// Decides about a message of the current format.
    fn next(&mut self, plan: &Plan, message: Incoming, settings: &SinkSettings) -> Decision {
        let corrected = match self.measure(plan, message, settings) {
            Sizing::Hold => return Decision::Hold,
            Sizing::Keep => None,
            Sizing::Begin(_) | Sizing::Correct(_) => self.corrected(plan, message.frames, settings),
        };
        match corrected.or_else(|| self.longer(plan, message.frames, settings)) {
            Some(resize) => Decision::Resize(resize),
            None => Decision::Write,
        }
    }

    /// Counts a message of a stream whose ring's length is given in seconds, and which states no rate.
    fn measure(&mut self, plan: &Plan, message: Incoming, settings: &SinkSettings) -> Sizing {
        let Length::Duration(seconds) = settings.length else {
            self.length = None;
            return Sizing::Keep;
        };
        if plan.rate_hz().is_some() {
            return Sizing::Keep;
        }
        let length = self.length.get_or_insert_with(|| RingLength::new(seconds, Counts::Frames));
        length.set_seconds(seconds);
        length.message(message.frames, message.bytes, message.came_mono_ns)
    }

    /// Counts a message that is held back, as those before it. Returns whether it is time to make the ring.
    pub fn holds(&mut self, plan: &Plan, message: Incoming, settings: &SinkSettings) -> bool {
        self.measure(plan, message, settings) != Sizing::Hold
    }

    /// The ring of messages that were held back, of which the largest has `largest_chunk` frames.
    ///
    /// # Errors
    /// The reason why there cannot be such a ring.
    pub fn after_holding(&mut self, plan: &Plan, largest_chunk: u64, settings: &SinkSettings) -> Result<Ring, String> {
        if let Some(length) = &mut self.length {
            let _ = length.end_hold();
        }
        self.ring(plan, largest_chunk.max(self.largest_chunk), settings)
    }

    /// A ring like the current one, for the same frames. `None`: there is no generation.
    pub fn again(&self, settings: &SinkSettings) -> Option<Ring> {
        self.ring(self.current.as_ref()?, self.largest_chunk, settings).ok()
    }

    /// The ring of the length that was measured, unless it is as long as the current one.
    fn corrected(&mut self, plan: &Plan, frames: u64, settings: &SinkSettings) -> Option<Resize> {
        let before = self.ring_frames?;
        let largest = self.largest_chunk.max(frames);
        let ring = self.ring(plan, largest, settings).ok()?;
        let Rate::Measured(rate_hz) = ring.rate else { return None };
        (ring.format.frames() != before).then_some(Resize { ring, why: Why::Rate(rate_hz) })
    }

    /// The longer ring that a chunk of the current format requires, if any. Each size is considered once.
    fn longer(&mut self, plan: &Plan, frames: u64, settings: &SinkSettings) -> Option<Resize> {
        let before = self.ring_frames?;
        if frames <= self.largest_chunk || settings.on_change != OnChange::Generation {
            return None;
        }
        let largest = grown(settings.length, before, frames)?.max(frames);
        let longer = self.ring(plan, largest, settings);
        // A stated rate gives the same length again.
        let as_before = make(plan, Some(before as f64), self.largest_chunk, Rate::Unknown, settings);
        // Whether or not there will be a longer ring, chunks of this size are not considered again.
        self.largest_chunk = largest;
        let (longer, as_before) = (longer.ok()?, Ring { largest_chunk: largest, ..as_before.ok()? });
        (longer.format.frames() > before).then_some(Resize { ring: longer, why: Why::Chunk { frames, as_before } })
    }

    /// The ring for messages of `plan`, of which the largest has `largest_chunk` frames.
    fn ring(&self, plan: &Plan, largest_chunk: u64, settings: &SinkSettings) -> Result<Ring, String> {
        let Length::Duration(seconds) = settings.length else {
            return make(plan, None, largest_chunk, Rate::Unknown, settings);
        };
        let length = self.length.as_ref().filter(|_| plan.rate_hz().is_none());
        let rate = length.and_then(RingLength::measured_hz).map_or(Rate::Unknown, Rate::Measured);
        let frames = length.and_then(|length| length.ring_for(seconds)).map(|ring| ring.frames);
        make(plan, frames, largest_chunk, rate, settings)
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
        self.largest_chunk = ring.largest_chunk;
        self.no_room = None;
        if is_new_format {
            self.changes.begun();
            self.misfit = None;
        }
    }

    /// A ring could not be made. `is_without_ring`: the current one was given up to free its memory.
    pub fn failed(&mut self, ring: &Ring, reason: &str, is_without_ring: bool, now: Instant) {
        let pause = if is_without_ring && self.ring_frames.is_some() { LET_GO_PAUSE } else { RETRY_PAUSE };
        self.no_room = Some(NoRoom { format: ring.format.clone(), reason: reason.to_owned(), until: now + pause });
        if is_without_ring {
            self.current = None;
            self.ring_frames = None;
        }
    }

    /// The messages that were held back have no ring: what was measured may require more memory than there is.
    pub fn forget_rate(&mut self) {
        self.length = None;
    }

    /// The ring could not get the length that was measured.
    pub fn not_corrected(&mut self) {
        if let Some(length) = &mut self.length {
            length.not_corrected();
        }
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

    /// Checks changed settings before they come into force.
    ///
    /// # Errors
    /// The reason why no ring can satisfy them.
    pub fn check(&self, now: &SinkSettings, changed: &SinkSettings) -> Result<(), String> {
        // If the change affects what messages mean, the frames are not known yet.
        let Some(plan) = self.current.as_ref().filter(|_| now.message == changed.message) else { return Ok(()) };
        self.ring(plan, self.largest_chunk, changed).map(drop)
    }

    /// Settings have changed: the next message begins a generation in any case. The ring stays until then.
    pub fn end_current(&mut self) {
        *self = Self { ring_frames: self.ring_frames, length: self.length.take(), ..Self::default() };
    }

    /// The stream has moved to another name, under which there is no ring yet.
    pub fn moved(&mut self) {
        self.end_current();
        self.ring_frames = None;
    }
}

fn make(
    plan: &Plan,
    measured_frames: Option<f64>,
    largest_chunk: u64,
    rate: Rate,
    settings: &SinkSettings,
) -> Result<Ring, String> {
    let (format, is_shortened) = ring_format(&Request::new(plan, measured_frames, largest_chunk), settings)?;
    let expected_chunk = expected_chunk_frames(format.frames(), largest_chunk);
    let rate = plan.rate_hz().map_or(rate, Rate::Stated);
    Ok(Ring { format, expected_chunk, is_shortened, largest_chunk, rate })
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

    /// A message of so many frames.
    fn of(frames: u64) -> Incoming {
        Incoming { frames, bytes: 8 * frames, came_mono_ns: 0 }
    }

    /// A message of one frame of 12 bytes that came at `came_ms`.
    fn at(came_ms: u64) -> Incoming {
        Incoming { frames: 1, bytes: 12, came_mono_ns: came_ms * 1_000_000 }
    }

    fn seconds(seconds: f64) -> SinkSettings {
        SinkSettings { length: Length::Duration(seconds), ..SinkSettings::default() }
    }

    /// Decides, and makes the ring that is asked for.
    fn begun(generations: &mut Generations, plan: &Arc<Plan>, frames: u64, settings: &SinkSettings) -> u64 {
        let Decision::Begin(ring) = generations.decide(plan, of(frames), settings) else { panic!("no new generation") };
        generations.begun(plan, &ring, true);
        ring.format.frames()
    }

    #[test]
    fn the_first_message_begins_a_generation_whose_length_follows_from_its_rate() {
        let (mut generations, plan) = (Generations::default(), plan(3, Some(100.0)));
        assert_eq!(begun(&mut generations, &plan, 10, &seconds(2.0)), 200);
        assert_eq!(generations.decide(&plan, of(10), &seconds(2.0)), Decision::Write);
    }

    #[test]
    fn messages_without_a_rate_are_held_back_unless_the_length_is_given_in_frames() {
        let plan = plan(3, None);
        assert_eq!(Generations::default().decide(&plan, of(10), &seconds(2.0)), Decision::Hold);
        let frames = SinkSettings { length: Length::Frames(70), ..SinkSettings::default() };
        assert_eq!(begun(&mut Generations::default(), &plan, 10, &frames), 70);
    }

    /// Holds back messages of `plan` that come `per_second`, and begins the ring for them.
    fn held(generations: &mut Generations, plan: &Arc<Plan>, per_second: u64, settings: &SinkSettings) -> u64 {
        assert_eq!(generations.decide(plan, at(0), settings), Decision::Hold);
        let is_over = |generations: &mut Generations, i| generations.holds(plan, at(i * 1000 / per_second), settings);
        assert!((1..=per_second).any(|i| is_over(generations, i)));
        let ring = generations.after_holding(plan, 1, settings).unwrap();
        assert_eq!(ring.rate, Rate::Unknown);
        generations.begun(plan, &ring, true);
        ring.format.frames()
    }

    #[test]
    fn what_came_gives_the_length_of_this_generation_and_of_later_ones() {
        let (mut generations, settings) = (Generations::default(), seconds(2.0));
        assert_eq!(held(&mut generations, &plan(3, None), 100, &settings), 200);
        assert_eq!(begun(&mut generations, &plan(4, None), 10, &settings), 200);
        assert_eq!(generations.again(&settings).unwrap().format.frames(), 200);
        generations.end_current();
        assert_eq!(begun(&mut generations, &plan(4, None), 10, &seconds(4.0)), 400);
    }

    #[test]
    fn an_empty_message_never_changes_the_format() {
        let (mut generations, settings) = (Generations::default(), seconds(2.0));
        assert_eq!(generations.decide(&plan(3, Some(100.0)), of(0), &settings), Decision::Keep);
        begun(&mut generations, &plan(3, Some(100.0)), 10, &settings);
        assert_eq!(generations.decide(&plan(4, Some(100.0)), of(0), &settings), Decision::Write);
        generations.end_current();
        assert_eq!(
            generations.decide(&plan(3, Some(100.0)), of(0), &settings),
            Decision::Write,
            "the ring is still there"
        );
        generations.moved();
        assert_eq!(generations.decide(&plan(3, Some(100.0)), of(0), &settings), Decision::Keep);
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
            let found = match generations.decide(&other, of(10), &settings) {
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
        let refused = generations.decide(&vector(6), of(1), settings);
        assert!(matches!(&refused, Decision::Refuse(reason) if reason.contains("FRAMES: rows")), "{refused:?}");
        generations
    }

    #[test]
    fn a_source_of_vectors_of_varying_length_is_refused_for_one_reason_whatever_the_length() {
        let settings = SinkSettings { length: Length::Frames(70), ..SinkSettings::default() };
        let mut generations = refused_source(&settings);
        let mut reasons = Vec::new();
        for length in [5, 6, 5, 5, 3, 5, 7] {
            let Decision::Refuse(reason) = generations.decide(&vector(length), of(1), &settings) else {
                panic!("{length} numbers were not refused")
            };
            reasons.push(reason);
        }
        let Decision::Refuse(reason) = generations.decide(&vector(5), of(0), &settings) else {
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
                let refused = generations.decide(&vector(length), of(1), &settings);
                assert!(matches!(refused, Decision::Refuse(_)), "message {number}: {refused:?}");
                // An empty message does not count.
                assert!(matches!(generations.decide(&vector(length), of(0), &settings), Decision::Refuse(_)));
            }
            let found = match generations.decide(&vector(length), of(1), &settings) {
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
        assert!(matches!(generations.decide(&vector(6), of(1), &settings), Decision::Begin(_)));
        let mut generations = refused_source(&settings);
        let skip = SinkSettings { on_change: OnChange::Skip, ..settings };
        assert_eq!(generations.decide(&vector(5), of(1), &skip), Decision::Write);
    }

    #[test]
    fn a_chunk_of_more_than_half_of_the_ring_requests_a_longer_one_once() {
        let (plan, settings) = (plan(3, Some(100.0)), seconds(2.0));
        let mut generations = Generations::default();
        begun(&mut generations, &plan, 10, &settings);
        assert_eq!(generations.decide(&plan, of(100), &settings), Decision::Write);
        let Decision::Resize(longer) = generations.decide(&plan, of(101), &settings) else { panic!("not longer") };
        let Why::Chunk { frames: 101, as_before } = longer.why else { panic!("{longer:?}") };
        assert_eq!((longer.ring.format.frames(), as_before.format.frames()), (256, 200));
        // There was no room for it.
        generations.failed(&longer.ring, "no room", false, Instant::now());
        assert_eq!(generations.decide(&plan, of(101), &settings), Decision::Write);
        assert_eq!(generations.decide(&plan, of(128), &settings), Decision::Write);
        assert!(matches!(generations.decide(&plan, of(129), &settings), Decision::Resize(_)));
    }

    #[test]
    fn a_ring_that_takes_the_place_of_a_longer_one_is_not_lengthened_for_the_same_chunk() {
        let (plan, settings, now) = (plan(3, Some(100.0)), seconds(2.0), Instant::now());
        let mut generations = Generations::default();
        begun(&mut generations, &plan, 10, &settings);
        let Decision::Resize(longer) = generations.decide(&plan, of(101), &settings) else { panic!("not longer") };
        generations.failed(&longer.ring, "no room", true, now);
        let Why::Chunk { as_before, .. } = longer.why else { panic!("{longer:?}") };
        generations.begun(&plan, &as_before, false);
        assert_eq!(generations.decide(&plan, of(101), &settings), Decision::Write);
    }

    #[test]
    fn a_ring_that_was_given_up_is_replaced_with_the_next_message() {
        let (plan, settings) = (plan(3, Some(100.0)), seconds(2.0));
        let mut generations = Generations::default();
        begun(&mut generations, &plan, 10, &settings);
        let Decision::Resize(longer) = generations.decide(&plan, of(101), &settings) else { panic!("not longer") };
        generations.failed(&longer.ring, "no room", true, Instant::now());
        let Why::Chunk { as_before, .. } = longer.why else { panic!("{longer:?}") };
        generations.failed(&as_before, "no room", true, Instant::now());
        assert_eq!(begun(&mut generations, &plan, 10, &settings), 256);
        assert_eq!(generations.decide(&plan, of(101), &settings), Decision::Write, "it must not be given up again");
    }

    #[test]
    fn a_ring_for_which_one_was_given_up_is_tried_again_soon_and_then_less_often() {
        let (plan, settings, now) = (plan(3, Some(100.0)), seconds(2.0), Instant::now());
        let mut generations = Generations::default();
        begun(&mut generations, &plan, 10, &settings);
        let ring = generations.again(&settings).unwrap();
        generations.failed(&ring, "no room", true, now);
        assert!(generations.no_room(&ring, now + LET_GO_PAUSE / 2).is_some());
        assert!(generations.no_room(&ring, now + LET_GO_PAUSE).is_none());
        generations.failed(&ring, "no room", true, now);
        assert!(generations.no_room(&ring, now + LET_GO_PAUSE).is_some());
    }

    /// Messages that come `per_second` from `from_ms` on, until the ring is to have another length. At most for 20 s.
    fn resized(
        generations: &mut Generations,
        plan: &Arc<Plan>,
        (from_ms, per_second): (u64, u64),
        settings: &SinkSettings,
    ) -> Option<(u64, Resize)> {
        (1..=20 * per_second).map(|i| from_ms + i * 1000 / per_second).find_map(|came_ms| {
            match generations.decide(plan, at(came_ms), settings) {
                Decision::Write => None,
                Decision::Resize(resize) => Some((came_ms, resize)),
                other => panic!("{other:?}"),
            }
        })
    }

    #[test]
    fn a_ring_that_was_made_for_a_burst_gets_the_length_that_was_measured_whatever_on_change_says() {
        for on_change in [OnChange::Generation, OnChange::Skip, OnChange::Stop] {
            let (plan, settings) = (plan(3, None), SinkSettings { on_change, ..seconds(2.0) });
            let mut generations = Generations::default();
            assert_eq!(held(&mut generations, &plan, 500, &settings), 1000);
            let (came_ms, resize) = resized(&mut generations, &plan, (500, 50), &settings).expect("a shorter ring");
            assert!((2000..4000).contains(&came_ms), "{came_ms}");
            assert_eq!(resize.ring.format.frames(), 100);
            let Why::Rate(rate_hz) = resize.why else { panic!("{resize:?}") };
            assert!((rate_hz - 50.0).abs() < 0.1 && resize.ring.rate == Rate::Measured(rate_hz), "{resize:?}");
            generations.begun(&plan, &resize.ring, false);
            assert_eq!(resized(&mut generations, &plan, (came_ms, 50), &settings), None);
        }
    }

    #[test]
    fn a_ring_that_could_not_get_its_length_is_as_before() {
        let (plan, settings) = (plan(3, None), seconds(2.0));
        let mut generations = Generations::default();
        held(&mut generations, &plan, 500, &settings);
        let (came_ms, resize) = resized(&mut generations, &plan, (500, 50), &settings).unwrap();
        generations.failed(&resize.ring, "no room", false, Instant::now());
        generations.not_corrected();
        assert_eq!(generations.again(&settings).unwrap().format.frames(), 1000);
        assert_eq!(resized(&mut generations, &plan, (came_ms, 50), &settings), None, "it is tried a minute later");
        assert!(resized(&mut generations, &plan, (came_ms + 60_000, 50), &settings).is_some());
    }

    #[test]
    fn messages_are_held_back_once_more_when_the_first_ring_is_far_too_short() {
        let (plan, settings) = (plan(3, None), seconds(2.0));
        let mut generations = Generations::default();
        assert_eq!(generations.decide(&plan, at(0), &settings), Decision::Hold);
        let ring = generations.after_holding(&plan, 1, &settings).unwrap();
        assert_eq!(ring.format.frames(), 2);
        generations.begun(&plan, &ring, true);
        let written = (0..10).find(|i| generations.decide(&plan, at(10_000 + i), &settings) == Decision::Hold);
        assert!(written.is_some_and(|written| written <= 2), "{written:?}");
        assert!((4..1000).any(|i| generations.holds(&plan, at(10_000 + i), &settings)));
        let ring = generations.after_holding(&plan, 1, &settings).unwrap();
        assert!((1800..2200).contains(&ring.format.frames()), "{ring:?}");
    }

    #[test]
    fn a_ring_without_room_is_not_tried_again_at_once_but_another_one_is() {
        let (plan, settings, now) = (plan(3, Some(100.0)), seconds(2.0), Instant::now());
        let mut generations = Generations::default();
        let Decision::Begin(ring) = generations.decide(&plan, of(10), &settings) else { panic!("no new generation") };
        generations.failed(&ring, "no room", true, now);
        assert_eq!(generations.no_room(&ring, now + RETRY_PAUSE / 2), Some("no room"));
        assert_eq!(generations.no_room(&ring, now + RETRY_PAUSE), None);
        let Decision::Begin(shorter) = generations.decide(&plan, of(10), &seconds(1.0)) else {
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
