//! The loop of `watch`: waits, counts, prints.
//!
//! At most twenty messages a second wake it, however fast they come: after each message it pauses, and then counts what
//! came meanwhile without copying it. So it costs little, and the latency of the messages that wake it is what any
//! waiting reader would measure.

use std::ops::Range;
use std::time::{Duration, Instant};

use dora_shm_ring::internal::monotonic_ns;
use dora_shm_ring::{EventKind, Frames, Info, Liveness, MessageInfo, Outcome, Reader, Start, Wait};
use eyre::eyre;

use super::changes::Seen;
use super::empty::Empties;
use super::meter::{Meter, Reading};
use super::show::{Form, Screen};
use super::unwritten::Refusals;
use crate::exit::Exit;
use crate::interrupt::Ending;
use crate::stream_arg::Which;
use crate::text::quoted;

/// Pause after a message that was copied and measured.
const REST: Duration = Duration::from_millis(50);
/// The same, if the ring is so short that frames would be lost meanwhile.
const SHORTEST_REST: Duration = Duration::from_millis(1);
/// A stream is called idle after this long without a message.
const IDLE_AFTER: Duration = Duration::from_secs(1);
/// Most bytes that are copied for a measurement.
const MOST_COPIED: u64 = 8 << 20;
/// Most rings that one pass goes through.
const MOST_RINGS: usize = 64;

pub struct Limits {
    pub interval: Duration,
    pub duration: Option<Duration>,
    pub lines: Option<u64>,
}

pub struct Watcher<'a> {
    which: &'a Which,
    reader: Reader,
    ending: Ending,
    limits: Limits,
    screen: Screen,
    meter: Meter,
    refusals: Refusals,
    empties: Empties,
    seen: Seen,
    frames: Frames,
    messages: Vec<MessageInfo>,
    lost: u64,
    /// The rate on the last line.
    rate_hz: f64,
    is_there: bool,
    /// Whether the stream was there at some time.
    was_there: bool,
    started: Instant,
    /// End of the pause after the last message.
    rests_until: Instant,
}

impl<'a> Watcher<'a> {
    /// # Errors
    /// As [`Which::open_or_wait`].
    pub fn open(which: &'a Which, form: Form, limits: Limits) -> eyre::Result<Self> {
        let mut reader = which.open_or_wait(which.options(Start::Newest))?;
        let interrupter = reader.interrupter();
        let ending = Ending::listen(move || interrupter.interrupt())?;
        let started = Instant::now();
        Ok(Self {
            which,
            reader,
            ending,
            limits,
            screen: Screen::new(form),
            meter: Meter::default(),
            refusals: Refusals::default(),
            empties: Empties::default(),
            seen: Seen::default(),
            frames: Frames::new(),
            messages: Vec::new(),
            lost: 0,
            rate_hz: 0.0,
            is_there: false,
            was_there: false,
            started,
            rests_until: started,
        })
    }

    /// # Errors
    /// An error of the stream, explained to the user, or a closed pipe.
    pub fn run(mut self) -> eyre::Result<Exit> {
        let ended = self.watch();
        // Also after an error, which is then printed on a line of its own.
        self.screen.end()?;
        ended
    }

    fn watch(&mut self) -> eyre::Result<Exit> {
        self.messages_of(self.reader.position()..self.reader.position());
        self.empties.begin(self.stream_id(), &self.messages);
        let info = self.update()?;
        if info.liveness == Liveness::Absent {
            self.screen.absent(&info, &format!("{}; waiting for it", self.which.absent()))?;
        }
        let mut lines = 0;
        let mut next_line = self.started + self.limits.interval;
        let end = self.limits.duration.and_then(|duration| self.started.checked_add(duration));
        while !self.ending.is_asked() {
            let now = Instant::now();
            if now >= next_line {
                self.pass()?;
                let info = self.update()?;
                if self.is_there {
                    let reading = Reading { empty: self.empties.total(), ..self.meter.read(monotonic_ns()) };
                    self.rate_hz = reading.rate_hz;
                    if let Some(event) = self.empties.since_the_last(reading.read) {
                        self.screen.event(&info, &event)?;
                    }
                    if let Some(event) = self.refusals.since_the_last(info.epoch, info.counted, reading.read) {
                        self.screen.event(&info, &event)?;
                    }
                    self.screen.status(&info, &reading, self.started.elapsed())?;
                    lines += 1;
                    if self.limits.lines.is_some_and(|most| lines >= most) {
                        return Ok(Exit::Done);
                    }
                }
                next_line = following(next_line, self.limits.interval, now);
            }
            if let Some(end) = end.filter(|&end| now >= end) {
                return self.is_over(end);
            }
            let until = end.map_or(next_line, |end| end.min(next_line));
            if now < self.rests_until {
                std::thread::sleep(self.rests_until.min(until).saturating_duration_since(now));
                continue;
            }
            self.step(until)?;
        }
        Ok(Exit::Done)
    }

    /// The result when the time of `--for` is over.
    fn is_over(&self, end: Instant) -> eyre::Result<Exit> {
        if self.was_there {
            return Ok(Exit::Done);
        }
        let waited = crate::units::duration(end - self.started);
        Err(eyre!("no stream {} came within {waited}", quoted(&self.which.name)))
    }

    /// Counts what came during the pause, then waits for the next message, at most until `until`.
    fn step(&mut self, until: Instant) -> eyre::Result<()> {
        self.pass()?;
        let wait = self.reader.wait(until.saturating_duration_since(Instant::now()));
        match self.which.explained(wait)? {
            Wait::Ready => self.measure()?,
            Wait::Timeout(Liveness::Dead) => _ = self.update()?,
            Wait::Timeout(_) | Wait::Interrupted => {}
        }
        Ok(())
    }

    /// Copies the messages that ended the wait, and measures their lag and latency.
    fn measure(&mut self) -> eyre::Result<()> {
        let lag = self.reader.lag();
        let frame_bytes = self.frame_bytes();
        let most = (MOST_COPIED / frame_bytes.max(1)).max(1);
        let read = self.reader.read(&mut self.frames, most);
        match self.which.explained(read)? {
            Outcome::Data(_) => {
                let now_ns = monotonic_ns();
                self.meter.lag(lag);
                let (first, count) = (self.frames.first(), self.frames.frames());
                self.took(count, frame_bytes);
                if let Some(message) = self.newest(first..first + count)
                    && !self.seen.is_of_ezmsg
                {
                    self.meter.latency(now_ns.saturating_sub(message.mono_ns));
                }
                self.rests_until = Instant::now() + self.rest();
            }
            Outcome::Generation | Outcome::Closed => _ = self.update()?,
            // Avoids a busy loop, whatever the reason.
            Outcome::Nothing => self.rests_until = Instant::now() + SHORTEST_REST,
        }
        Ok(())
    }

    /// Counts the new frames without copying them.
    fn pass(&mut self) -> eyre::Result<()> {
        let frame_bytes = self.frame_bytes();
        let slept_too_long = Instant::now().checked_duration_since(self.rests_until).is_some_and(|late| late > REST);
        if slept_too_long {
            // This process was not scheduled for a while, and fell behind.
            self.meter.lag(self.reader.lag());
        }
        for _ in 0..MOST_RINGS {
            // By a view, since `skip` moves a lapped reader half a ring on and counts frames as lost that are still held.
            let viewed = self.reader.view(u64::MAX);
            match self.which.explained(viewed)? {
                Outcome::Data(view) => {
                    let whole = self.reader.finish(view);
                    self.took(whole.end - whole.start, frame_bytes);
                    self.newest(whole);
                    return Ok(());
                }
                Outcome::Generation | Outcome::Closed => _ = self.update()?,
                Outcome::Nothing => {
                    // Those that came alone.
                    self.messages_of(self.reader.position()..self.reader.position());
                    self.empties.count(self.stream_id(), &self.messages);
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Counts frames that were read, and those that the reader lost before them.
    fn took(&mut self, frames: u64, frame_bytes: u64) {
        let lost = self.reader.lost();
        self.meter.take(frames, lost.saturating_sub(self.lost), frame_bytes);
        self.lost = lost;
    }

    /// Counts the empty messages that came with the frames at `positions`. Returns the message that contains the last of
    /// these frames.
    fn newest(&mut self, positions: Range<u64>) -> Option<MessageInfo> {
        let last = positions.end.saturating_sub(1);
        self.messages_of(positions.start.min(last)..positions.end);
        let stream_id = self.stream_id();
        self.empties.count(stream_id, &self.messages);
        let is_among = |message: &&MessageInfo| message.frames > 0 && message.first < positions.end;
        let message = *self.messages.iter().rfind(is_among)?;
        self.meter.newest(stream_id, &message);
        Some(message)
    }

    /// Finds the messages of the frames at `positions`, and the empty ones before and behind them.
    fn messages_of(&mut self, positions: Range<u64>) {
        self.messages.clear();
        self.reader.messages(positions.start..positions.end.saturating_add(1), &mut self.messages);
    }

    /// The stream that is read; 0 before there is one.
    fn stream_id(&self) -> u64 {
        self.reader.writer_of_ring().map_or(0, |writer| writer.stream_id)
    }

    /// Takes a snapshot of the stream, and prints the events since the last one.
    fn update(&mut self) -> eyre::Result<Info> {
        // If this finds that the writer died, the reader reports an event.
        self.which.explained(self.reader.liveness(IDLE_AFTER))?;
        let info = self.which.explained(self.reader.info())?;
        let seen = Seen {
            writer: self.reader.newest_writer(),
            pid: info.writer_pid,
            is_of_ezmsg: info.ezmsg.is_some(),
            generation: info.generation,
            format: info.format.clone(),
            description: info.description.clone(),
        };
        // The event that the stream is there covers all earlier ones except its end.
        let mut has_come = false;
        while let Some(happened) = self.reader.next_event() {
            let closes = happened.kind == EventKind::WriterGone { orderly: true };
            has_come |= !closes && self.attach(&info, &seen)?;
            if self.is_there && (!has_come || matches!(happened.kind, EventKind::WriterGone { .. })) {
                for event in seen.since(&self.seen, happened.kind) {
                    self.screen.event(&info, &event)?;
                }
            }
            self.is_there &= !closes;
        }
        self.attach(&info, &seen)?;
        self.seen = seen;
        Ok(info)
    }

    /// If the stream has just come, prints that it is there and returns `true`.
    fn attach(&mut self, info: &Info, seen: &Seen) -> eyre::Result<bool> {
        let came = !self.is_there && seen.writer.is_some();
        if came {
            (self.is_there, self.was_there) = (true, true);
            self.screen.event(info, &seen.attached())?;
        }
        Ok(came)
    }

    fn frame_bytes(&self) -> u64 {
        self.reader.format().map_or(0, |format| format.frame_bytes())
    }

    /// How long it can pause without losing frames.
    fn rest(&self) -> Duration {
        let Some(format) = self.reader.format() else { return REST };
        let rate_hz = format.rate_hz().max(self.rate_hz);
        // Without a rate this is infinite, and the conversion fails.
        let quarter = Duration::try_from_secs_f64(format.frames() as f64 / rate_hz / 4.0);
        quarter.map_or(REST, |quarter| quarter.clamp(SHORTEST_REST, REST))
    }
}

/// The time of the line after the one due at `line`. Lines that are already overdue are left out.
fn following(line: Instant, interval: Duration, now: Instant) -> Instant {
    let next = line + interval;
    if next > now { next } else { now + interval }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overdue_lines_are_left_out() {
        let line = Instant::now();
        let second = Duration::from_secs(1);
        assert_eq!(following(line, second, line + second / 10), line + second);
        let late = line + 3 * second + second / 2;
        assert_eq!(following(line, second, late), late + second);
    }
}
