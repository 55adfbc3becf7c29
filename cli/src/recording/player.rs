//! Writes a recording back into a stream, at the pace at which it was recorded.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dora_shm_ring::{Chunk, Description, Format, Times, Writer};

use super::{Batch, Generation, Row};

/// How a recording is played.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Recorded seconds per second; infinite: as fast as possible.
    pub speed: f64,
    /// Longest pause between two messages, in recorded time.
    pub max_gap: Duration,
    /// How long the stream waits for readers: before its first message, after its last, and, when played as fast as
    /// possible, before each further generation.
    pub hold: Duration,
}

/// Totals of a replay.
#[derive(Clone, Copy, Debug, Default)]
pub struct Played {
    pub generations: u64,
    pub messages: u64,
    pub frames: u64,
    /// Frames that the recorder had lost.
    pub lost: u64,
}

/// The player's pause between two messages.
pub trait Pause {
    /// Sleeps until `until`, which may have passed, and maintains the writer meanwhile. `played` and `at`, in recorded
    /// time, are the progress. `false` ends the replay.
    fn pause(&mut self, writer: &mut Writer, until: Instant, played: &Played, at: Duration) -> bool;
}

/// Plays recordings into one stream.
pub struct Player<P> {
    writer: Writer,
    pace: Pace,
    pause: P,
    played: Played,
    /// A generation that has begun in the file but not in the stream.
    next: Option<Arc<Generation>>,
    clock: Clock,
    /// Whether this is not the first round.
    again: bool,
    round: Round,
    /// The offset of times in this round.
    shift: Shift,
    shifted: Vec<f64>,
}

/// Where in the recorded time the player is.
#[derive(Debug, Default)]
struct Clock {
    /// When the first message was due.
    start: Option<Instant>,
    /// Recorded time since then, and the stamp of the latest message.
    at: Duration,
    stamp_ns: Option<u64>,
}

/// The content of one round of a recording, so that the next one can follow it.
#[derive(Debug, Default)]
struct Round {
    generations: u64,
    messages: u64,
    frames: u64,
    began_at: Duration,
    earliest: Option<f64>,
    latest: Option<f64>,
    rate_hz: f64,
}

/// The offset of the times and send times of a round.
#[derive(Clone, Copy, Debug, Default)]
struct Shift {
    time: f64,
    send_ns: i64,
}

impl<P: Pause> Player<P> {
    /// Plays into `writer`, which has no ring yet.
    pub fn new(writer: Writer, pace: Pace, pause: P) -> Self {
        Self {
            writer,
            pace,
            pause,
            again: false,
            played: Played::default(),
            next: None,
            clock: Clock::default(),
            round: Round::default(),
            shift: Shift::default(),
            shifted: Vec::new(),
        }
    }

    /// A generation begins in the recording. `false`: the user wants to end.
    ///
    /// # Errors
    /// Those of [`Writer::begin`].
    pub fn begin(&mut self, generation: Arc<Generation>) -> dora_shm_ring::Result<bool> {
        let going = self.begin_next(None)?;
        self.round.rate_hz = generation.format.rate_hz();
        self.next = Some(generation);
        Ok(going)
    }

    /// Plays the messages of a batch. `false`: the user wants to end.
    ///
    /// # Errors
    /// Those of [`Writer::begin`], [`Writer::describe`] and [`Writer::write`].
    pub fn play(&mut self, batch: &Batch) -> dora_shm_ring::Result<bool> {
        for row in batch.rows() {
            self.played.lost = self.played.lost.saturating_add(row.info.lost);
            if row.info.chunk.is_some() && !self.play_row(&row)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The recording is over; it may be played again from its beginning, as the next round. `false`: the user wants to
    /// end.
    ///
    /// # Errors
    /// Those of [`Writer::begin`].
    pub fn end_round(&mut self) -> dora_shm_ring::Result<bool> {
        let going = self.begin_next(None)?;
        let span = self.clock.at.saturating_sub(self.round.began_at);
        let period = span + self.round.mean_gap(span);
        self.clock.at = self.round.began_at + period;
        self.clock.stamp_ns = None;
        self.shift.time += self.round.time_period();
        self.shift.send_ns = self.shift.send_ns.saturating_add_unsigned(period.as_nanos() as u64);
        let has_messages = self.round.messages > 0;
        self.round = Round { began_at: self.clock.at, ..Round::default() };
        self.again = true;
        // An empty recording would be repeated without end and without a pause.
        Ok(going && has_messages)
    }

    /// Closes the stream, after readers have had time to reach its last generation.
    pub fn close(mut self) -> Played {
        self.hold();
        self.writer.close();
        self.played
    }

    fn hold(&mut self) -> bool {
        self.pause_until(Instant::now() + self.pace.hold)
    }

    fn pause_until(&mut self, until: Instant) -> bool {
        self.pause.pause(&mut self.writer, until, &self.played, self.clock.at)
    }

    fn play_row(&mut self, row: &Row<'_>) -> dora_shm_ring::Result<bool> {
        if !self.begin_next(Some(row))? {
            return Ok(false);
        }
        if let Some(description) = row.description {
            self.writer.describe(description)?;
        }
        let due = self.clock.due(row.info.mono_ns, &self.pace);
        if !self.pause_until(due) {
            return Ok(false);
        }
        let times = if self.shift.time == 0.0 {
            row.times
        } else {
            self.shifted.clear();
            self.shifted.extend(row.times.iter().map(|time| time + self.shift.time));
            &self.shifted
        };
        let send_ns = row.info.sent_ns.saturating_add(self.shift.send_ns);
        self.writer.write(&Chunk { samples: row.samples, times: Times::Values(times), send_ns })?;
        self.round.count(row.times);
        self.played.messages += 1;
        self.played.frames += row.times.len() as u64;
        Ok(true)
    }

    /// Begins the pending generation in the stream, if there is one.
    fn begin_next(&mut self, first: Option<&Row<'_>>) -> dora_shm_ring::Result<bool> {
        let Some(generation) = self.next.take() else { return Ok(true) };
        let unknown = Description::default();
        let described = first.and_then(|row| row.description.map(AsRef::as_ref));
        let description = described.or(generation.description.as_ref()).unwrap_or(&unknown);
        let is_first = self.played.generations == 0;
        let seam = self.again && self.round.generations == 0;
        self.round.generations += 1;
        let format = played_format(&generation);
        if seam && self.writer.format() == Some(&format) {
            // This round begins with the format with which the last one ended: the generation continues.
            return self.writer.describe(description).map(|()| true);
        }
        if !is_first && self.pace.speed.is_infinite() && !self.hold() {
            return Ok(false);
        }
        self.writer.begin(&format, description, first.map_or(1, |row| row.times.len() as u64))?;
        self.played.generations += 1;
        if is_first && !self.hold() {
            return Ok(false);
        }
        Ok(true)
    }
}

/// The format in which a generation is played: with the recorded times on the recorded clock. What was CLOCK_MONOTONIC
/// of the recorded machine is not that of this one.
fn played_format(generation: &Generation) -> Format {
    let clock = match generation.format.clock() {
        dora_shm_ring::Clock::Monotonic => dora_shm_ring::Clock::Source,
        clock => clock,
    };
    generation.format.clone().on_clock(clock)
}

impl Clock {
    /// When the message with the stamp `mono_ns` is due.
    fn due(&mut self, mono_ns: u64, pace: &Pace) -> Instant {
        let start = *self.start.get_or_insert_with(Instant::now);
        // Stamps go back where recordings of different boots were joined.
        let gap = self.stamp_ns.map_or(0, |before| mono_ns.saturating_sub(before));
        self.stamp_ns = Some(mono_ns);
        self.at += Duration::from_nanos(gap).min(pace.max_gap);
        // At infinite speed, every message is due at once.
        let after = Duration::try_from_secs_f64(self.at.as_secs_f64() / pace.speed).unwrap_or(Duration::MAX);
        start.checked_add(after).unwrap_or_else(|| start + Duration::from_secs(u64::from(u32::MAX)))
    }
}

impl Round {
    fn count(&mut self, times: &[f64]) {
        self.messages += 1;
        self.frames += times.len() as u64;
        for &time in times.iter().filter(|time| time.is_finite()) {
            self.earliest = Some(self.earliest.map_or(time, |earliest| earliest.min(time)));
            self.latest = Some(self.latest.map_or(time, |latest| latest.max(time)));
        }
    }

    /// Mean time from one message to the next, in recorded time.
    fn mean_gap(&self, span: Duration) -> Duration {
        match self.messages {
            0 => Duration::ZERO,
            1 => {
                let frames = if self.rate_hz > 0.0 { self.frames as f64 / self.rate_hz } else { 1.0 };
                Duration::try_from_secs_f64(frames).unwrap_or(Duration::from_secs(1))
            }
            messages => Duration::from_secs_f64(span.as_secs_f64() / (messages - 1) as f64),
        }
    }

    /// How much later on the buffered axis a frame is in the next round.
    fn time_period(&self) -> f64 {
        let (Some(earliest), Some(latest)) = (self.earliest, self.latest) else { return 0.0 };
        let step = if self.rate_hz > 0.0 {
            1.0 / self.rate_hz
        } else if self.frames > 1 {
            (latest - earliest) / (self.frames - 1) as f64
        } else {
            1.0
        };
        latest - earliest + step
    }
}
