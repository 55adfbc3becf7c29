//! The stream that the sink writes. Does what [`Generations`] decides, counts, and logs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dora_shm_message::{Interpreted, Placement, Plan, TimeNote};
use dora_shm_node_kit::report::{Log, Refusals, State, Status};
use dora_shm_node_kit::settings::{OnChange, SinkSettings};
use dora_shm_ring::internal::{ClockPair, clock_pair, monotonic_ns, unix_ns};
use dora_shm_ring::times::Timekeeper;
use dora_shm_ring::{Chunk, Closing, Error, Times, Writer, WriterOptions};
use eyre::{WrapErr as _, eyre};

use crate::ezmsg_conn::Conn;
use crate::format_change::skipped;
use crate::gaps::Gaps;
use crate::generations::{Decision, Generations, Incoming, RETRY_PAUSE, Resize, Ring, Why};
use crate::held::{Held, HeldMessages};
use crate::stated_rate::RateCheck;

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

/// The stream, from one message to the next.
pub struct SinkStream {
    writer: Writer,
    settings: SinkSettings,
    log: Log,
    pub counters: Counters,
    /// The listener outside the dataflow. It is declared after the writer, because dropping it waits for the last
    /// strings.
    pub conn: Conn,
    generations: Generations,
    /// Messages that wait for a ring.
    held: Option<HeldMessages>,
    /// When the empty messages were sent that came before there was a ring, in nanoseconds since the Unix epoch.
    early_empties_ns: Vec<i64>,
    timekeeper: Timekeeper,
    rate_check: RateCheck,
    /// Streams that were left, until they are closed.
    closing: Vec<Closing>,
    /// The description of the current messages could not be published; when to try again.
    undescribed_until: Option<Instant>,
    undescribed: Refusals,
    /// Messages that lack times, unlike those before them.
    untimed: Refusals,
    warned: Warned,
    /// The counters when the current stream's writer came.
    counted_before: Missed,
}

/// What did not reach a stream.
#[derive(Clone, Copy, Default)]
struct Missed {
    refused: u64,
    dropped: u64,
    gaps: u64,
}

impl Counters {
    fn missed(&self) -> Missed {
        Missed { refused: self.refused.total(), dropped: self.dropped, gaps: self.gaps.total() }
    }
}

/// Most empty messages that are kept until there is a ring: they take no room to speak of.
const MOST_EARLY_EMPTIES: usize = 1024;

/// How a generation begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Beginning {
    /// The messages need it. If there is no room for its ring, the current one is given up.
    NewFormat,
    /// The same, but the format stays.
    SameFormat,
    /// It is better than the current one, which goes on if there is no room for both.
    Better,
}

/// Warnings that are logged once.
#[derive(Default)]
struct Warned {
    shortened: bool,
    chunk_beyond_ring: bool,
}

impl SinkStream {
    /// A stream without a ring.
    pub fn new(writer: Writer, settings: SinkSettings, log: Log) -> Self {
        Self {
            conn: Conn::new(settings.conn.as_deref(), log.clone()),
            writer,
            settings,
            log,
            counters: Counters::default(),
            generations: Generations::default(),
            held: None,
            early_empties_ns: Vec::new(),
            timekeeper: timekeeper(),
            rate_check: RateCheck::default(),
            closing: Vec::new(),
            undescribed_until: None,
            undescribed: Refusals::default(),
            untimed: Refusals::default(),
            warned: Warned::default(),
            counted_before: Missed::default(),
        }
    }

    /// Opens the stream `name` as its writer. Waits at most for `patience` while another writer is closing it.
    ///
    /// # Errors
    /// If it has a live writer, or cannot be made.
    pub fn open(name: &str, settings: &SinkSettings, patience: Duration) -> eyre::Result<Writer> {
        // Attributes may change from one message to the next, before a reader that was woken has read them.
        let options = WriterOptions::default();
        let options = options.mode(settings.mode).max_ring_bytes(settings.max_bytes).keep_replaced(true);
        // Messages must not wait for readers: those that find no room for their ring are refused.
        let options = options.create_patience(patience).begin_patience(Duration::ZERO);
        Writer::create(name, options).wrap_err_with(|| format!("cannot write the stream {name:?}"))
    }

    /// The settings in force.
    pub fn settings(&self) -> &SinkSettings {
        &self.settings
    }

    /// Takes one message.
    ///
    /// # Errors
    /// If `ON_CHANGE: stop` ends the node. A message that cannot be written is refused and counted, which is not an
    /// error.
    pub fn take(&mut self, chunk: &Interpreted<'_>, now: Instant) -> eyre::Result<()> {
        self.counters.gaps.arrived(chunk.sequence());
        self.show_missed();
        self.note_times(chunk, now);
        let arrived = ClockPair { unix_ns: unix_ns(), mono_ns: monotonic_ns() };
        let came_mono_ns = self.timekeeper.came_mono_ns(chunk.send_ns(), arrived.unix_ns, arrived.mono_ns);
        let Some(plan) = chunk.plan() else {
            self.keep_empty(chunk.send_ns(), now);
            return Ok(());
        };
        if let Some(warning) = self.rate_check.message(plan.rate_hz(), chunk.frames(), came_mono_ns) {
            self.log.warn(&warning);
        }
        if let Some(held) = &mut self.held {
            if let Some(first) = held.other_plan(plan).filter(|_| self.settings.on_change == OnChange::Skip) {
                // It is refused in any case, so it does not end the hold.
                let reason = skipped(Some(first), plan);
                self.refuse_data(reason, now);
                return Ok(());
            }
            if held.takes(plan) {
                held.hold(plan, chunk, came_mono_ns);
                if self.generations.holds(plan, incoming(chunk, came_mono_ns), &self.settings) {
                    self.write_held(now);
                }
                self.due(now);
                return Ok(());
            }
            self.write_held(now);
        }
        if self.is_ready_for(plan, chunk, arrived, came_mono_ns, now)? {
            self.write(chunk, came_mono_ns, now);
        }
        Ok(())
    }

    /// Logs what a user should know about the times of a message.
    fn note_times(&mut self, chunk: &Interpreted<'_>, now: Instant) {
        match chunk.time_note() {
            Some(note @ TimeNote::Carried { .. }) => {
                if let Some(line) = self.untimed.add(note.to_string(), now) {
                    self.log.warn(&line);
                }
            }
            Some(note) => self.log.info(&note.to_string()),
            None => {}
        }
    }

    /// Refuses one message.
    pub fn refuse(&mut self, reason: String, now: Instant) {
        if let Some(line) = self.counters.refused.add(reason, now) {
            self.log.warn(&line);
        }
        self.show_missed();
    }

    /// Stores in the stream's header what did not reach it, for those who read it outside the graph.
    fn show_missed(&mut self) {
        let (now, before) = (self.counters.missed(), self.counted_before);
        self.writer.count_refused(now.refused - before.refused);
        self.writer.count_dropped(now.dropped - before.dropped);
        self.writer.count_gaps(now.gaps.saturating_sub(before.gaps));
    }

    /// Refuses one message of the input `data` because of the state of the stream.
    fn refuse_data(&mut self, reason: String, now: Instant) {
        self.refuse(format!("input `data`: {reason}"), now);
    }

    /// When [`SinkStream::due`] has to be called at the latest, if it has.
    pub fn deadline(&self) -> Option<Instant> {
        self.held.as_ref().map(HeldMessages::until)
    }

    /// Writes the messages that were held back, once it is time.
    pub fn due(&mut self, now: Instant) {
        self.show_missed();
        if self.held.as_ref().is_some_and(|held| held.is_over(now)) {
            self.write_held(now);
        }
    }

    /// Does what a writer has to do when no messages come. To be called about once a second.
    pub fn maintain(&mut self) {
        self.closing.retain(|closing| !closing.is_closed());
        let ClockPair { unix_ns, mono_ns } = clock_pair();
        self.timekeeper.idle(unix_ns, mono_ns);
        if let Err(error) = self.writer.maintain() {
            self.log.warn(&format!("stream {:?}: {error}", self.writer.name()));
        }
        for warning in self.writer.warnings() {
            self.log.warn(&warning.to_string());
        }
    }

    /// Puts changed settings in force. A new name moves the stream: the old one is closed, and the new one gets its
    /// first generation with the next message. Does not wait for another writer of that name.
    ///
    /// # Errors
    /// If a stream of the new name cannot be written, or no ring can satisfy the settings. Then nothing has changed.
    pub fn change_settings(&mut self, settings: SinkSettings, name: &str, now: Instant) -> eyre::Result<()> {
        if name != self.writer.name() {
            // A stream that was left a moment ago is needed again.
            self.closing.extract_if(.., |closing| closing.name() == name).for_each(Closing::close_now);
            let writer = Self::open(name, &settings, Duration::ZERO)?;
            // Messages that were held back belong to the old stream.
            self.write_held(now);
            let old = std::mem::replace(&mut self.writer, writer);
            let old_name = old.name().to_owned();
            self.closing.push(old.close_later());
            self.log.info(&format!("the stream moved from {old_name:?} to {name:?}"));
            self.conn.moved();
            self.generations.moved();
            self.timekeeper.forget();
            self.counted_before = self.counters.missed();
            self.warned = Warned::default();
        } else if self.settings.changes_ring(&settings) {
            self.generations.check(&self.settings, &settings).map_err(|reason| eyre!(reason))?;
            self.write_held(now);
            self.conn.ring_ended();
            self.generations.end_current();
            self.warned = Warned::default();
        }
        self.conn.set_path(settings.conn.as_deref());
        self.settings = settings;
        Ok(())
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
            error: None,
        }
    }

    /// Writes the messages that were held back and begins to close the stream. Returns the last counters, and the streams
    /// that are being closed, which must be kept until the process ends.
    pub fn close(mut self, now: Instant) -> (Status, Vec<Closing>) {
        self.write_held(now);
        for _ in std::mem::take(&mut self.early_empties_ns) {
            self.refuse_data("no message with frames has come, so the format of the frames is unknown".into(), now);
        }
        self.conn.ending();
        let status = Status { state: State::Closed, ..self.status() };
        self.closing.push(self.writer.close_later());
        // Sending the last strings to the listener may take a moment. The readers do not have to wait for it.
        drop(self.conn);
        (status, self.closing)
    }

    /// Ensures that the generation that a message needs is current. Returns false if the message is held back or
    /// refused.
    fn is_ready_for(
        &mut self,
        plan: &Arc<Plan>,
        chunk: &Interpreted<'_>,
        arrived: ClockPair,
        came_mono_ns: u64,
        now: Instant,
    ) -> eyre::Result<bool> {
        let (frames, message) = (chunk.frames(), incoming(chunk, came_mono_ns));
        let reason = loop {
            match self.generations.decide(plan, message, &self.settings) {
                Decision::Write if frames == 0 => return Ok(true),
                Decision::Write => {
                    self.follow_wall_clock(plan, arrived, now);
                    if self.writer.generation().is_some() {
                        self.describe(plan, now);
                        return Ok(true);
                    }
                }
                Decision::Hold => {
                    let mut held = HeldMessages::new(self.settings.max_bytes, now);
                    held.hold(plan, chunk, came_mono_ns);
                    self.held = Some(held);
                    self.due(now);
                    return Ok(false);
                }
                Decision::Begin(ring) => match self.begin(plan, &ring, Beginning::NewFormat, now) {
                    Ok(()) => return Ok(true),
                    Err(reason) => break reason,
                },
                Decision::Resize(resize) => match self.resize(plan, &resize, now) {
                    Ok(()) => return Ok(true),
                    Err(reason) => break reason,
                },
                Decision::Keep => {
                    self.keep_empty(chunk.send_ns(), now);
                    return Ok(false);
                }
                Decision::Refuse(reason) => break reason,
                Decision::End(reason) => return Err(eyre!(reason)),
            }
        };
        self.refuse_data(reason, now);
        Ok(false)
    }

    /// Begins a generation like the current one if the wall clock was set, so that times on Unix time are right again.
    /// If there is no room for it, the current one goes on.
    fn follow_wall_clock(&mut self, plan: &Arc<Plan>, arrived: ClockPair, now: Instant) {
        let again = || {
            let ClockPair { unix_ns, mono_ns } = clock_pair();
            (unix_ns, mono_ns)
        };
        if !self.timekeeper.needs_generation(arrived.unix_ns, arrived.mono_ns, again) {
            return;
        }
        let Some(ring) = self.generations.again(&self.settings) else { return };
        self.log.info("the system's clock was set, or the machine slept: a generation begins, with the right time");
        if let Err(reason) = self.begin(plan, &ring, Beginning::Better, now) {
            self.log.warn(&format!("times stay on the clock as it was before: {reason}"));
        }
    }

    /// Begins a generation with a ring of another length, or if that is not possible, goes on with one as long as before.
    ///
    /// # Errors
    /// If there is no ring at all: the reason for refusing the message.
    fn resize(&mut self, plan: &Arc<Plan>, resize: &Resize, now: Instant) -> Result<(), String> {
        let Resize { ring, why } = resize;
        let before = self.writer.ring_frames();
        self.log.info(&match why {
            Why::Chunk { frames, .. } => {
                format!(
                    "a message of {frames} frames fills more than half of the buffer of {before} frames; making a longer \
                     one"
                )
            }
            Why::Rate(rate_hz) => format!(
                "about {rate_hz:.1} frames come per second: the buffer of {before} frames holds {:.2} s; making one of \
                 {} frames",
                before as f64 / rate_hz,
                ring.format.frames()
            ),
        });
        // A chunk may be longer than the whole ring, but any ring does for a rate.
        let how = if matches!(why, Why::Rate(_)) { Beginning::Better } else { Beginning::SameFormat };
        let Err(reason) = self.begin(plan, ring, how, now) else { return Ok(()) };
        self.log.warn(&format!("the buffer keeps its length: {reason}"));
        match why {
            Why::Rate(_) => self.generations.not_corrected(),
            // The old ring was given up for the new one, but its memory is not free while a reader maps it.
            Why::Chunk { as_before, .. } if self.writer.generation().is_none() => {
                self.begin(plan, as_before, Beginning::SameFormat, now)?;
            }
            Why::Chunk { .. } => {}
        }
        self.describe(plan, now);
        Ok(())
    }

    /// Begins a generation.
    ///
    /// # Errors
    /// The reason for refusing a message that needs it. The current generation stays, unless it had to be given up to
    /// free its memory. Then the next message begins a generation in any case.
    fn begin(&mut self, plan: &Arc<Plan>, ring: &Ring, how: Beginning, now: Instant) -> Result<(), String> {
        if let Some(reason) = self.generations.no_room(ring, now) {
            return Err(reason.to_owned());
        }
        let (format, description) = (&ring.format, plan.description());
        let begun = match how {
            Beginning::Better => self.writer.begin_beside(format, description, ring.expected_chunk),
            Beginning::NewFormat | Beginning::SameFormat => self.writer.begin(format, description, ring.expected_chunk),
        };
        if let Err(error) = begun {
            let reason = explained(&error);
            let is_without_ring = self.writer.generation().is_none();
            if is_without_ring && self.generations.current().is_some() {
                self.conn.ring_ended();
            }
            self.generations.failed(ring, &reason, is_without_ring, now);
            return Err(reason);
        }
        self.generations.begun(plan, ring, how == Beginning::NewFormat);
        self.conn.begun(plan.description());
        self.undescribed_until = None;
        self.follow_generation();
        self.log_begun(ring);
        for send_ns in std::mem::take(&mut self.early_empties_ns) {
            self.write_empty(send_ns, now);
        }
        Ok(())
    }

    /// Keeps an empty message until there is a ring.
    fn keep_empty(&mut self, send_ns: i64, now: Instant) {
        if self.early_empties_ns.len() < MOST_EARLY_EMPTIES {
            self.early_empties_ns.push(send_ns);
        } else {
            let reason = format!(
                "only empty messages have come, so the format of the frames is unknown, and {MOST_EARLY_EMPTIES} of them \
                 are kept; send a message with frames"
            );
            self.refuse_data(reason, now);
        }
    }

    fn write_empty(&mut self, send_ns: i64, now: Instant) {
        let written = self.writer.write(&Chunk { samples: &[], times: Times::Values(&[]), send_ns });
        self.wrote(written, 0, 0, now);
    }

    fn log_begun(&mut self, ring: &Ring) {
        let format = &ring.format;
        if ring.is_shortened && !std::mem::replace(&mut self.warned.shortened, true) {
            self.log.warn(&format!(
                "BUF_DUR is shortened to {} frames, so that the ring stays within MAX_BYTES {}; raise MAX_BYTES for \
                 more",
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
            ring.rate,
        ));
    }

    /// Publishes the description of `plan`, unless it is in force. If that fails, it is tried again with later
    /// messages.
    fn describe(&mut self, plan: &Arc<Plan>, now: Instant) {
        let is_current = self.generations.current().is_some_and(|current| Arc::ptr_eq(current, plan));
        if is_current && self.undescribed_until.is_none_or(|until| now < until) {
            return;
        }
        self.generations.describes(plan);
        self.undescribed_until = match self.writer.describe(plan.description()) {
            Ok(()) => {
                self.conn.described(plan.description());
                None
            }
            Err(error) => {
                let reason = format!("the new description could not be published: {}", explained(&error));
                if let Some(line) = self.undescribed.add(reason, now) {
                    self.log.warn(&line);
                }
                Some(now + RETRY_PAUSE)
            }
        };
    }

    /// Makes the ring of the messages that were held back, and writes them.
    fn write_held(&mut self, now: Instant) {
        let Some(held) = self.held.take() else { return };
        let largest = held.largest_chunk();
        let messages = held.into_messages();
        let Some(plan) = messages.first().map(|first| first.plan.clone()) else { return };
        let ring = self.generations.after_holding(&plan, largest, &self.settings);
        if let Err(reason) = ring.and_then(|ring| self.begin_for_held(&plan, &ring, now)) {
            self.generations.forget_rate();
            messages.iter().for_each(|_| self.refuse_data(reason.clone(), now));
            return;
        }
        for held in &messages {
            self.write_copy(held, now);
        }
    }

    /// Begins the generation for messages that were held back, unless the current one is as long.
    ///
    /// # Errors
    /// The reason for refusing them.
    fn begin_for_held(&mut self, plan: &Arc<Plan>, ring: &Ring, now: Instant) -> Result<(), String> {
        let is_same = self.generations.current().is_some_and(|current| current.same_generation(plan));
        if is_same && self.generations.has_ring_as_long_as(ring) {
            return Ok(());
        }
        let how = if is_same { Beginning::SameFormat } else { Beginning::NewFormat };
        self.begin(plan, ring, how, now)
    }

    fn write_copy(&mut self, held: &Held, now: Instant) {
        self.describe(&held.plan, now);
        let times = held.times().unwrap_or_else(|| self.stamp(held.frames, held.came_mono_ns));
        let chunk = Chunk { samples: &held.samples, times, send_ns: held.send_ns };
        let written = self.writer.write(&chunk);
        self.wrote(written, held.frames, held.samples.len() as u64, now);
    }

    fn write(&mut self, chunk: &Interpreted<'_>, came_mono_ns: u64, now: Instant) {
        let frames = chunk.frames();
        let times = match chunk.placement() {
            Placement::Given(times) => times,
            Placement::ByRate | Placement::ByArrival => self.stamp(frames, came_mono_ns),
        };
        let written = self.writer.write_with(frames, times, chunk.send_ns(), |range, memory| {
            chunk.fill(range, memory);
        });
        self.wrote(written, frames, chunk.bytes(), now);
    }

    /// The times of a message to which the source gives none.
    fn stamp(&mut self, frames: u64, came_mono_ns: u64) -> Times<'static> {
        self.follow_generation();
        let (times, off_rate) = self.timekeeper.stamp(frames, came_mono_ns);
        if let Some(off_rate) = off_rate.filter(|_| !self.rate_check.has_warned()) {
            self.log.warn(&format!("{off_rate}; set SAMPLE_RATE to the rate of the device"));
        }
        Times::Run(times)
    }

    /// Gives times on the clock of the current generation. The writer begins one by itself if its segments were removed.
    fn follow_generation(&mut self) {
        if let (Some(generation), Some(format)) = (self.writer.clock(), self.writer.format()) {
            self.timekeeper.follow(generation, format.rate_hz(), generation.created_mono_ns);
        }
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
            self.generations.written();
        }
        let ring = self.writer.ring_frames();
        if frames > ring && !std::mem::replace(&mut self.warned.chunk_beyond_ring, true) {
            self.log.warn(&format!(
                "a message of {frames} frames is longer than the buffer of {ring} frames: only its newest frames are \
                 kept; raise BUF_FRAMES (twice the longest message is best) or MAX_BYTES"
            ));
        }
    }
}

fn incoming(chunk: &Interpreted<'_>, came_mono_ns: u64) -> Incoming {
    Incoming { frames: chunk.frames(), bytes: chunk.bytes(), came_mono_ns }
}

fn timekeeper() -> Timekeeper {
    let ClockPair { unix_ns, mono_ns } = clock_pair();
    Timekeeper::new(unix_ns, mono_ns)
}

/// The library's error, with the node's settings as the remedy.
fn explained(error: &Error) -> String {
    match error {
        Error::NoSpace { .. } => format!("{error}; lower BUF_DUR, BUF_FRAMES or MAX_BYTES"),
        Error::TooLarge { .. } => format!("{error}; lower BUF_DUR or BUF_FRAMES, or raise MAX_BYTES"),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, Float32Array};
    use dora_node_api::{MetadataParameters, Parameter};
    use dora_shm_message::Interpreter;
    use dora_shm_node_kit::report::Level;
    use dora_shm_testkit::{Name, segments, wait_until};

    use super::*;

    #[test]
    fn the_clock_of_a_generation_is_followed_that_the_writer_began_by_itself() {
        let (name, settings) = (Name::new("by-itself"), SinkSettings::default());
        let writer = SinkStream::open(&name, &settings, Duration::ZERO).unwrap();
        let mut interpreter = Interpreter::new("data", settings.message.clone());
        let mut stream = SinkStream::new(writer, settings, Log::new("sink", Level::Warn));
        let samples: ArrayRef = Arc::new(Float32Array::from(vec![1.0, 2.0]));
        let parameters = MetadataParameters::from([("sample_rate".to_owned(), Parameter::Float(100.0))]);
        let mut take = |stream: &mut SinkStream| {
            let message = interpreter.interpret(&samples, &parameters, unix_ns()).unwrap();
            stream.take(&message, Instant::now()).unwrap();
        };
        take(&mut stream);
        let first = stream.writer.clock().unwrap();
        let ring = segments::ring(&name, 0);
        [segments::anchor(&ring), ring].iter().for_each(|path| std::fs::remove_file(path).unwrap());
        wait_until("the writer has noticed", || {
            stream.maintain();
            stream.writer.generation() == Some(1)
        });
        let second = stream.writer.clock().unwrap();
        assert_ne!(second, first);
        take(&mut stream);
        assert_eq!((stream.writer.clock(), stream.counters.frames), (Some(second), 4));
        assert!(!stream.timekeeper.follow(second, 100.0, monotonic_ns()), "its pair of clocks is in force already");
    }
}
