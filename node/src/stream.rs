//! The stream that the sink writes: when a generation begins, and what is refused.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dora_shm_message::{Chunk, Plan};
use dora_shm_node_kit::report::{Log, Refusals, State, Status};
use dora_shm_node_kit::settings::{Length, OnChange, SinkSettings};
use dora_shm_ring::{Error, Format, Writer, WriterOptions};
use eyre::{WrapErr as _, eyre};

use crate::change::{Changes, Verdict};
use crate::conn::Conn;
use crate::gaps::Gaps;
use crate::length::{Request, expected_chunk_frames, grown, ring_format};
use crate::trial::{Held, Trial};
use crate::watch::RateWatch;

/// How long a ring that could not be made is not tried again: reserving its pages costs milliseconds each time.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// Counters since the node started, over every stream it wrote.
#[derive(Debug, Default)]
pub struct Counters {
    pub frames: u64,
    pub chunks: u64,
    pub bytes: u64,
    pub dropped: u64,
    pub refused: Refusals,
    pub gaps: Gaps,
}

/// The stream, and everything that is decided about it from one message to the next.
pub struct Stream {
    writer: Writer,
    settings: SinkSettings,
    log: Log,
    pub counters: Counters,
    /// Who is told of every step. After the writer, for it says goodbye when it is dropped.
    pub conn: Conn,
    /// What the frames of the current generation mean; `None` when the next message begins one whatever it is.
    current: Option<Arc<Plan>>,
    changes: Changes,
    trial: Option<Trial>,
    /// The rate that was measured last, Hz.
    measured_hz: Option<f64>,
    /// The largest chunk that this plan's ring must hold twice.
    largest_chunk: u64,
    /// The plan that was refused last, and how often in a row.
    refused_plan: Option<(Arc<Plan>, u64)>,
    no_room: Option<NoRoom>,
    /// When the current generation began.
    begun_at: Option<Instant>,
    /// Generations that were kept for [`SHORTEST_GENERATION`] since then.
    kept: (Instant, u32),
    watch: RateWatch,
    /// The rate at which messages turned out to come, when it asks for a much longer ring than there is.
    faster_hz: Option<f64>,
    /// The description in force is not that of `current`; when to try again.
    undescribed_until: Option<Instant>,
    undescribed: Refusals,
    warned: Warned,
}

/// How long a ring with frames stays current at least: a reader that slept until its first frame needs that long to come
/// to it, or all of its frames are lost for that reader.
const SHORTEST_GENERATION: Duration = Duration::from_millis(20);

/// Generations that are kept so long within [`KEPT_WINDOW`], at most: where formats or settings change all the time, the
/// messages that queue up meanwhile are worth more than the frames of each ring.
const MOST_KEPT: u32 = 10;
const KEPT_WINDOW: Duration = Duration::from_secs(2);

/// As long at least before the stream is closed, when nothing waits for us any more.
const SHORTEST_LAST_GENERATION: Duration = Duration::from_millis(100);

/// A rate is another one when it asks for a ring of so many times the length.
const MUCH_LONGER: f64 = 2.0;

/// A ring that could not be made.
struct NoRoom {
    format: Format,
    reason: String,
    until: Instant,
}

/// What is told once.
#[derive(Default)]
struct Warned {
    shortened: bool,
    chunk_beyond_ring: bool,
}

impl Stream {
    /// A stream without a ring.
    pub fn new(writer: Writer, settings: SinkSettings, log: Log) -> Self {
        Self {
            conn: Conn::new(settings.conn.as_deref(), log.clone()),
            writer,
            settings,
            log,
            counters: Counters::default(),
            current: None,
            changes: Changes::default(),
            trial: None,
            measured_hz: None,
            largest_chunk: 0,
            refused_plan: None,
            no_room: None,
            begun_at: None,
            kept: (Instant::now(), 0),
            watch: RateWatch::default(),
            faster_hz: None,
            undescribed_until: None,
            undescribed: Refusals::default(),
            warned: Warned::default(),
        }
    }

    /// Opens the stream `name` as its writer.
    ///
    /// # Errors
    /// When it has a live writer, or cannot be made.
    pub fn open(name: &str, settings: &SinkSettings) -> eyre::Result<Writer> {
        // Attributes may change from one message to the next, faster than a reader that was woken comes to them.
        let options = WriterOptions { mode: settings.mode, max_ring_bytes: settings.max_bytes, keep_replaced: true };
        Writer::create(name, options).wrap_err_with(|| format!("cannot write the stream {name:?}"))
    }

    /// The settings in force.
    pub fn settings(&self) -> &SinkSettings {
        &self.settings
    }

    /// Takes one message.
    ///
    /// # Errors
    /// When `ON_CHANGE: stop` ends the node. What cannot be written is refused and counted, which is no error.
    pub fn take(&mut self, chunk: &Chunk<'_>, now: Instant) -> eyre::Result<()> {
        self.counters.gaps.arrived(chunk.sequence());
        let Some(plan) = chunk.plan() else {
            self.refuse_data(
                "an empty message came before any other: it says nothing of what the frames will be".into(),
                now,
            );
            return Ok(());
        };
        if let Some(trial) = &mut self.trial {
            if trial.takes(plan) {
                trial.keep(plan, chunk);
                if trial.is_over(now) {
                    self.finish_trial(now);
                }
                return Ok(());
            }
            self.finish_trial(now);
        }
        if self.ready_for(plan, chunk, now)? {
            self.write(chunk, now);
        }
        Ok(())
    }

    /// Refuses one message.
    pub fn refuse(&mut self, reason: String, now: Instant) {
        if let Some(told) = self.counters.refused.add(reason, now) {
            self.log.warn(&told);
        }
    }

    /// Refuses one message of the input `data` for what the stream makes of it.
    fn refuse_data(&mut self, reason: String, now: Instant) {
        self.refuse(format!("input `data`: {reason}"), now);
    }

    /// When [`Stream::due`] has to be called at the latest, if it has.
    pub fn deadline(&self) -> Option<Instant> {
        self.trial.as_ref().map(Trial::until)
    }

    /// Does what time alone brings: messages kept back too long go into a ring of assumed length.
    pub fn due(&mut self, now: Instant) {
        if self.trial.as_ref().is_some_and(|trial| trial.is_over(now)) {
            self.finish_trial(now);
        }
    }

    /// Does what a writer has to do when nothing comes; call it about once a second.
    pub fn maintain(&mut self) {
        if let Err(error) = self.writer.maintain() {
            self.log.warn(&format!("stream {:?}: {error}", self.writer.name()));
        }
        for warning in self.writer.warnings() {
            self.log.warn(&warning);
        }
    }

    /// Puts changed settings in force. A new name moves the stream: the old one is closed, and the new one has its
    /// first generation with the next message.
    ///
    /// # Errors
    /// When a stream of the new name cannot be written; then nothing has changed.
    pub fn change_settings(&mut self, settings: SinkSettings, name: &str, now: Instant) -> eyre::Result<()> {
        if name != self.writer.name() {
            let writer = Self::open(name, &settings)?;
            // What was kept back belongs to the old stream.
            self.finish_trial(now);
            self.give_readers(SHORTEST_LAST_GENERATION);
            let old = std::mem::replace(&mut self.writer, writer);
            let old_name = old.name().to_owned();
            old.close();
            self.log.info(&format!("the stream moved from {old_name:?} to {name:?}"));
            self.conn.moved();
            self.forget_ring();
        } else if self.settings.changes_ring(&settings) {
            // What no message could satisfy is no change; of frames that will be others nobody knows.
            if let Some(plan) = self.current.as_ref().filter(|_| settings.message == self.settings.message) {
                ring_format(&Request::new(plan, self.measured_hz, self.largest_chunk), &settings)
                    .map_err(|reason| eyre!(reason))?;
            }
            self.finish_trial(now);
            self.conn.ring_ended();
            self.forget_ring();
        }
        self.conn.set_path(settings.conn.as_deref());
        self.settings = settings;
        Ok(())
    }

    fn forget_ring(&mut self) {
        self.current = None;
        self.changes = Changes::default();
        self.largest_chunk = 0;
        self.refused_plan = None;
        self.no_room = None;
        self.warned = Warned::default();
    }

    /// Counters and state.
    pub fn status(&self) -> Status {
        Status {
            stream: self.writer.name().to_owned(),
            state: if self.writer.generation().is_some() { State::Live } else { State::Waiting },
            generation: self.writer.generation(),
            frames: self.counters.frames,
            chunks: self.counters.chunks,
            refused: self.counters.refused.total(),
            dropped: self.counters.dropped,
            gaps: self.counters.gaps.total(),
            bytes: self.counters.bytes,
            bytes_per_second: 0.0,
            conn_dropped: Some(self.conn.dropped()),
        }
    }

    /// Writes what was kept back and closes the stream: its readers see the end. Answers with the last counters.
    pub fn close(mut self, now: Instant) -> Status {
        self.finish_trial(now);
        self.conn.ending();
        self.give_readers(SHORTEST_LAST_GENERATION);
        let status = Status { state: State::Closed, ..self.status() };
        self.writer.close();
        // The listener's last strings may take a moment: the readers need not wait for them.
        drop(self.conn);
        status
    }

    /// Brings about a generation for this message. `false` when the message is kept back or refused.
    fn ready_for(&mut self, plan: &Arc<Plan>, chunk: &Chunk<'_>, now: Instant) -> eyre::Result<bool> {
        let Some(current) = &self.current else {
            return Ok(self.begin_or_keep(plan, chunk, now));
        };
        let nothing_new = self.undescribed_until.is_none() && self.faster_hz.is_none();
        if nothing_new && Arc::ptr_eq(current, plan) && !self.outgrows(chunk.frames()) {
            return Ok(true);
        }
        if chunk.frames() == 0 {
            // An empty message never changes geometry.
            return Ok(true);
        }
        if current.same_generation(plan) {
            if let Some(rate_hz) = self.faster_hz.take() {
                self.lengthen(plan, rate_hz, chunk.frames(), now);
            }
            if !self.outgrows(chunk.frames()) {
                self.describe(plan, now);
                return Ok(true);
            }
            return Ok(match self.grow(plan, chunk.frames(), now) {
                Ok(()) => true,
                Err(reason) => {
                    self.refuse_data(reason, now);
                    false
                }
            });
        }
        let in_a_row = self.in_a_row(plan);
        match self.changes.verdict(self.settings.on_change, in_a_row) {
            Verdict::Begin => {
                let begun = self.begin_or_keep(plan, chunk, now);
                if begun {
                    self.refused_plan = None;
                }
                Ok(begun)
            }
            Verdict::Skip => {
                self.refuse_data(format!("ON_CHANGE: skip: {}", difference(self.current.as_deref(), plan)), now);
                Ok(false)
            }
            Verdict::Varying => {
                self.refuse_data(varying(self.current.as_deref(), plan), now);
                Ok(false)
            }
            Verdict::Stop => Err(eyre!("ON_CHANGE: stop: {}", difference(self.current.as_deref(), plan))),
        }
    }

    /// How many messages of this new format came in a row, this one included.
    fn in_a_row(&mut self, plan: &Arc<Plan>) -> u64 {
        let before = match &self.refused_plan {
            Some((refused, times)) if refused.same_generation(plan) => *times,
            _ => 0,
        };
        self.refused_plan = Some((plan.clone(), before + 1));
        before + 1
    }

    /// Begins a generation for `plan`, or keeps the message back until the rate is known.
    fn begin_or_keep(&mut self, plan: &Arc<Plan>, chunk: &Chunk<'_>, now: Instant) -> bool {
        if chunk.frames() == 0 {
            // After a change of settings the old ring stays until a message needs the new one.
            if self.writer.generation().is_some() {
                return true;
            }
            self.refuse_data("an empty message came before there was a ring".into(), now);
            return false;
        }
        let by_duration = matches!(self.settings.length, Length::Duration(_));
        if by_duration && plan.rate_hz().is_none() && self.measured_hz.is_none() {
            let mut trial = Trial::new(now);
            trial.keep(plan, chunk);
            self.trial = Some(trial);
            return false;
        }
        match self.begin(plan, chunk.frames(), now) {
            Ok(()) => {
                self.changes.begun();
                true
            }
            Err(reason) => {
                self.refuse_data(reason, now);
                false
            }
        }
    }

    fn finish_trial(&mut self, now: Instant) {
        let Some(trial) = self.trial.take() else { return };
        let (held, measured_hz, largest) = trial.finish();
        self.measured_hz = measured_hz.or(self.measured_hz);
        let Some(first) = held.first() else { return };
        if let Err(reason) = self.begin(&first.plan, largest, now) {
            // A rate that asked for more memory than there is may have been measured wrong.
            self.measured_hz = None;
            held.iter().for_each(|_| self.refuse_data(reason.clone(), now));
            return;
        }
        self.changes.begun();
        for held in &held {
            self.write_held(held, now);
        }
    }

    fn write_held(&mut self, held: &Held, now: Instant) {
        self.describe(&held.plan, now);
        let chunk = dora_shm_ring::Chunk { samples: &held.samples, times: held.times(), send_ns: held.send_ns };
        let written = self.writer.write(&chunk);
        self.wrote(written, held.frames, held.samples.len() as u64, now);
        self.watch_rate(held.send_ns, held.frames);
    }

    fn write(&mut self, chunk: &Chunk<'_>, now: Instant) {
        let frames = chunk.frames();
        let written = self.writer.write_with(frames, chunk.times(), chunk.send_ns(), |range, memory| {
            chunk.fill(range, memory);
        });
        self.wrote(written, frames, chunk.bytes(), now);
        self.watch_rate(chunk.send_ns(), frames);
    }

    /// Of a stream that states no rate and is to last so many seconds: whether it is faster than it seemed.
    fn watch_rate(&mut self, send_ns: i64, frames: u64) {
        let Length::Duration(seconds) = self.settings.length else { return };
        let states_none = self.current.as_ref().is_some_and(|plan| plan.rate_hz().is_none());
        if states_none && let Some(rate_hz) = self.watch.count(send_ns, frames) {
            let much_longer = rate_hz * seconds > MUCH_LONGER * self.writer.ring_frames() as f64;
            self.faster_hz = (much_longer && self.settings.on_change == OnChange::Generation).then_some(rate_hz);
        }
    }

    /// Waits until the current ring, if it has frames, is `at_least` so old; but not for longer than a quarter of what a ring
    /// lasts, since the messages that come meanwhile are written all at once. Whether that took any time.
    fn give_readers(&self, at_least: Duration) -> bool {
        let Some(begun_at) = self.begun_at.filter(|_| self.writer.position() > 0) else { return false };
        let stated_hz = self.current.as_ref().and_then(|plan| plan.rate_hz());
        let lasts = match (self.settings.length, stated_hz.or(self.measured_hz)) {
            (Length::Duration(seconds), _) => seconds,
            (Length::Frames(frames), Some(rate_hz)) => frames as f64 / rate_hz,
            (Length::Frames(_), None) => f64::INFINITY,
        };
        let quarter = Duration::try_from_secs_f64(lasts / 4.0).unwrap_or(Duration::MAX);
        let left = at_least.min(quarter).saturating_sub(begun_at.elapsed());
        std::thread::sleep(left);
        !left.is_zero()
    }

    fn wrote(&mut self, written: dora_shm_ring::Result<()>, frames: u64, bytes: u64, now: Instant) {
        if let Err(error) = written {
            self.refuse_data(format!("the message could not be written: {error}"), now);
            return;
        }
        self.counters.frames += frames;
        self.counters.chunks += 1;
        self.counters.bytes += bytes;
        if frames > 0 {
            self.changes.written();
            self.refused_plan = None;
        }
        self.warn_of_long_chunk(frames);
    }

    fn warn_of_long_chunk(&mut self, frames: u64) {
        let ring = self.writer.ring_frames();
        if frames > ring && !std::mem::replace(&mut self.warned.chunk_beyond_ring, true) {
            self.log.warn(&format!(
                "a message of {frames} frames is longer than the buffer of {ring}: only its newest frames are kept; \
                 raise BUF_FRAMES (best to twice the longest message) or MAX_BYTES"
            ));
        }
    }

    /// Whether a chunk asks for a longer ring, which the sink may choose.
    fn outgrows(&self, chunk_frames: u64) -> bool {
        // A chunk that was met before has been dealt with, be it that MAX_BYTES allowed no longer ring.
        chunk_frames > self.largest_chunk
            && self.settings.on_change == OnChange::Generation
            && self
                .writer
                .format()
                .is_some_and(|format| grown(self.settings.length, format.frames(), chunk_frames).is_some())
    }

    /// Begins a generation of the same format with a longer ring. Where `MAX_BYTES` or a lack of room is in the way, the
    /// stream goes on with a ring as long as before.
    ///
    /// # Errors
    /// The sentence with which the message is refused, when there is no ring any more.
    fn grow(&mut self, plan: &Arc<Plan>, chunk_frames: u64, now: Instant) -> Result<(), String> {
        let before = self.writer.format().map_or(0, Format::frames);
        let largest_before = self.largest_chunk;
        let largest = grown(self.settings.length, before, chunk_frames).unwrap_or(chunk_frames).max(chunk_frames);
        let longer = ring_format(&Request::new(plan, self.measured_hz, largest), &self.settings);
        if longer.is_ok_and(|(format, _)| format.frames() > before) {
            self.log.info(&format!(
                "a message of {chunk_frames} frames is more than half of the buffer of {before}: a longer one is made"
            ));
            match self.begin(plan, largest, now) {
                Ok(()) => return Ok(()),
                Err(reason) => self.log.warn(&format!("there is no longer buffer: {reason}")),
            }
            if self.current.is_none() {
                // The old ring was given up for the longer one, and a reader that still maps it keeps its memory.
                self.begin(plan, largest_before, now)?;
            }
        }
        self.largest_chunk = largest;
        self.describe(plan, now);
        Ok(())
    }

    /// Begins a generation of the same format that lasts as long as it should at this rate, as far as there is room.
    fn lengthen(&mut self, plan: &Arc<Plan>, rate_hz: f64, chunk_frames: u64, now: Instant) {
        let before = self.writer.ring_frames();
        let largest = self.largest_chunk.max(chunk_frames);
        let longer = ring_format(&Request::new(plan, Some(rate_hz), largest), &self.settings);
        if !longer.is_ok_and(|(format, _)| format.frames() > before) {
            return;
        }
        let seconds = before as f64 / rate_hz;
        self.log.info(&format!(
            "messages come faster than the first ones, about {rate_hz:.1} frames a second: the buffer of {before} frames holds \
             {seconds:.2} s of them, and a longer one is made"
        ));
        let assumed_hz = self.measured_hz.replace(rate_hz);
        if let Err(reason) = self.begin(plan, largest, now) {
            self.log.warn(&format!("there is no longer buffer: {reason}"));
            self.measured_hz = assumed_hz;
            if self.current.is_none() {
                // The old ring was given up for the longer one. What fails now is tried again with the next message.
                let _ = self.begin(plan, largest, now);
            }
        }
    }

    /// Begins a generation.
    ///
    /// # Errors
    /// The sentence with which a message that needs it is refused. The current generation stays, unless it had to be
    /// given up for its memory: then the next message begins one, whatever it is.
    fn begin(&mut self, plan: &Arc<Plan>, chunk_frames: u64, now: Instant) -> Result<(), String> {
        let request = Request::new(plan, self.measured_hz, chunk_frames);
        let (format, shortened) = ring_format(&request, &self.settings)?;
        if let Some(no_room) = self.no_room.as_ref().filter(|no_room| no_room.format == format && now < no_room.until) {
            return Err(no_room.reason.clone());
        }
        let expected_chunk = expected_chunk_frames(format.frames(), chunk_frames);
        if self.kept.0.elapsed() >= KEPT_WINDOW {
            self.kept = (Instant::now(), 0);
        }
        if self.kept.1 < MOST_KEPT && self.give_readers(SHORTEST_GENERATION) {
            self.kept.1 += 1;
        }
        if let Err(error) = self.writer.begin(&format, plan.description(), expected_chunk) {
            let reason = explained(&error);
            if self.writer.generation().is_none() && self.current.take().is_some() {
                self.conn.ring_ended();
            }
            self.no_room = Some(NoRoom { format, reason: reason.clone(), until: now + RETRY_PAUSE });
            return Err(reason);
        }
        self.conn.begun(plan.description());
        self.no_room = None;
        self.undescribed_until = None;
        self.begun_at = Some(Instant::now());
        self.watch = RateWatch::default();
        self.faster_hz = None;
        self.current = Some(plan.clone());
        self.largest_chunk = chunk_frames;
        if shortened && !std::mem::replace(&mut self.warned.shortened, true) {
            self.log.warn(&format!(
                "BUF_DUR is shortened to {} frames, so that the ring stays within MAX_BYTES {}",
                format.frames(),
                self.settings.max_bytes
            ));
        }
        self.log.info(&format!(
            "stream {:?}: generation {} of {} frames of {} {:?}, {}",
            self.writer.name(),
            self.writer.generation().map_or_else(|| "none".into(), |generation| generation.to_string()),
            format.frames(),
            format.dtype(),
            format.frame_shape(),
            rate_text(plan.rate_hz(), self.measured_hz),
        ));
        Ok(())
    }

    /// Publishes the description of `plan`, if it is not the one in force; what could not be published is tried again
    /// with later messages.
    fn describe(&mut self, plan: &Arc<Plan>, now: Instant) {
        let is_current = self.current.as_ref().is_some_and(|current| Arc::ptr_eq(current, plan));
        if is_current && self.undescribed_until.is_none_or(|until| now < until) {
            return;
        }
        self.current = Some(plan.clone());
        self.undescribed_until = match self.writer.describe(plan.description()) {
            Ok(()) => {
                self.conn.described(plan.description());
                None
            }
            Err(error) => {
                let reason = format!("the new description could not be published: {}", explained(&error));
                if let Some(told) = self.undescribed.add(reason, now) {
                    self.log.warn(&told);
                }
                Some(now + RETRY_PAUSE)
            }
        };
    }
}

fn rate_text(stated: Option<f64>, measured: Option<f64>) -> String {
    match (stated, measured) {
        (Some(rate), _) => format!("{rate} Hz"),
        (None, Some(rate)) => format!("rate not stated, about {rate:.1} Hz measured"),
        (None, None) => "rate unknown".into(),
    }
}

/// What a message has that the generation has not.
fn difference(before: Option<&Plan>, now: &Plan) -> String {
    let shown = |plan: &Plan| {
        let key = if plan.key().is_empty() { String::new() } else { format!(", key {:?}", plan.key()) };
        format!("{} {:?}, {}{key}", plan.dtype(), plan.frame_shape(), rate_text(plan.rate_hz(), None))
    };
    match before {
        Some(before) => format!("a message of frames {} came into a stream of {}", shown(now), shown(before)),
        None => format!("a message of frames {} came", shown(now)),
    }
}

/// What is said of messages whose format keeps changing. Without their figures, which would make each refusal another.
fn varying(before: Option<&Plan>, now: &Plan) -> String {
    let differs = |differ: fn(&Plan, &Plan) -> bool| before.is_some_and(|before| differ(before, now));
    let (what, help) = if differs(|a, b| a.dtype() != b.dtype()) {
        ("type", "send messages of one type, or give each type a sink of its own")
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

/// The library's error, with the node's own settings as the way out.
fn explained(error: &Error) -> String {
    match error {
        Error::NoSpace { .. } => format!("{error}; BUF_DUR, BUF_FRAMES or MAX_BYTES make the buffer shorter"),
        Error::TooLarge { .. } => format!("{error}: lower BUF_DUR or BUF_FRAMES, or raise MAX_BYTES"),
        other => other.to_string(),
    }
}
