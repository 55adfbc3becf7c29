//! Takes a stream's messages into a recording, from one generation and writer to the next.

use std::time::{Duration, Instant};

use dora_shm_ring::internal::{monotonic_ns, unix_ns};
use dora_shm_ring::{MessageInfo, MessageReader, MessageView, Outcome};

use super::{BatchBuilder, Generation, RecordingWriter, RowInfo};

/// A batch is written when it is this large, or this old. A killed recorder loses at most this much.
const BATCH_BYTES: u64 = 4 << 20;
const BATCH_AGE: Duration = Duration::from_secs(1);

/// Limits that end a recording, and what follows the end of the stream.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// Largest size of the file.
    pub max_bytes: Option<u64>,
    /// Messages are recorded if they were committed at most this long after the recording began.
    pub duration: Option<Duration>,
    /// Whether to continue with the next stream of the same name when the stream is closed.
    pub follow: bool,
}

/// The reason why a recording ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum End {
    /// The user.
    Interrupted,
    Size,
    Duration,
    /// The stream was closed.
    Closed,
}

/// The result of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Taken,
    /// There is nothing new.
    Nothing,
    Ended(End),
}

/// Totals of a recording.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub generations: u64,
    pub messages: u64,
    pub frames: u64,
    /// Frames lost before the recorder could take them.
    pub lost: u64,
    /// `mono_ns` of the first and the last message.
    pub span: Option<(u64, u64)>,
}

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The stream.
    #[error(transparent)]
    Stream(#[from] dora_shm_ring::Error),
    /// The file.
    #[error(transparent)]
    File(#[from] std::io::Error),
}

/// Records a stream.
pub struct Recorder {
    stream: String,
    limits: Limits,
    writer: RecordingWriter,
    /// The reader's generation, as long as none of its messages was taken.
    next: Option<Generation>,
    rows: Option<BatchBuilder>,
    rows_since: Instant,
    /// Nothing of the generation has been written yet.
    is_fresh: bool,
    /// Position after the last message.
    position: u64,
    counts: Counts,
    /// The times of the current message.
    times: Vec<f64>,
    began_ns: u64,
    /// `mono_ns` after which messages are not recorded; set once the stream is there.
    until_ns: Option<u64>,
}

impl Recorder {
    /// Records the stream `stream`, for which `reader` has just been opened, into `writer`.
    ///
    /// # Errors
    /// The stream's.
    pub fn new(
        stream: &str,
        reader: &MessageReader,
        writer: RecordingWriter,
        limits: Limits,
    ) -> dora_shm_ring::Result<Self> {
        let began_ns = monotonic_ns();
        // The reader reports no event for the ring in which it begins.
        let next = generation_of(stream, reader)?;
        Ok(Self {
            stream: stream.to_owned(),
            limits,
            writer,
            next,
            rows: None,
            rows_since: Instant::now(),
            is_fresh: false,
            position: 0,
            counts: Counts::default(),
            times: Vec::new(),
            began_ns,
            until_ns: None,
        })
    }

    /// Takes the next message, if there is one. Blocks only for the disk.
    ///
    /// # Errors
    /// The stream's or the file's; what was written before can be read.
    pub fn step(&mut self, reader: &mut MessageReader) -> Result<Step, StepError> {
        match reader.view()? {
            Outcome::Data(message) => self.take(reader, message),
            Outcome::Nothing => Ok(self.rest(reader)),
            Outcome::Generation => {
                self.begin_next(None)?;
                self.next = generation_of(&self.stream, reader)?;
                Ok(Step::Taken)
            }
            Outcome::Closed if self.limits.follow => Ok(Step::Taken),
            Outcome::Closed => Ok(Step::Ended(End::Closed)),
        }
    }

    fn rest(&mut self, reader: &MessageReader) -> Step {
        let now = monotonic_ns();
        if reader.format().is_some() {
            self.set_until(now);
        }
        match self.until_ns {
            Some(until) if now > until => Step::Ended(End::Duration),
            _ => Step::Nothing,
        }
    }

    fn take(&mut self, reader: &mut MessageReader, message: MessageView) -> Result<Step, StepError> {
        let info = *message.info();
        self.set_until(info.mono_ns);
        if self.until_ns.is_some_and(|until| info.mono_ns > until) {
            return Ok(Step::Ended(End::Duration));
        }
        let description = reader.description().cloned();
        self.begin_next(Some((&info, description.as_deref())))?;
        let Some(rows) = &mut self.rows else { return Ok(Step::Nothing) };
        let needed = self.writer.bytes_with(rows.bytes_with(info.frames, description.as_ref()));
        if self.limits.max_bytes.is_some_and(|most| needed > most) {
            return Ok(Step::Ended(End::Size));
        }
        if rows.rows() == 0 {
            self.rows_since = Instant::now();
        }
        let row = RowInfo {
            chunk: Some(info.chunk),
            position: info.first,
            lost: info.lost,
            sent_ns: info.send_ns,
            mono_ns: info.mono_ns,
            description_missed: reader.description_missed(),
        };
        message.copy_times_to(&mut self.times);
        rows.push(row, description.as_ref(), &self.times, |to| {
            let [early, late] = message.samples();
            let (front, back) = to.split_at_mut(early.len());
            early.copy_to(front);
            late.copy_to(back);
        });
        if reader.finish(message) {
            self.position = info.first + info.frames;
            self.counts.messages += 1;
            self.counts.frames += info.frames;
            self.counts.lost += info.lost;
            let first = self.counts.span.map_or(info.mono_ns, |(first, _)| first);
            self.counts.span = Some((first, info.mono_ns));
        } else {
            // Lapped while it was copied.
            rows.pop();
        }
        if rows.bytes_with(0, None) >= BATCH_BYTES {
            self.writer.write(rows)?;
        }
        Ok(Step::Taken)
    }

    /// Writes what has been gathered for long enough, and the first message of a generation at once, so that there is a
    /// recording even if the recorder is killed.
    ///
    /// # Errors
    /// The file's.
    pub fn write_if_due(&mut self) -> Result<(), StepError> {
        if let Some(rows) = self.rows.as_mut().filter(|rows| rows.rows() > 0)
            && (self.is_fresh || self.rows_since.elapsed() >= BATCH_AGE)
        {
            self.writer.write(rows)?;
            self.is_fresh = false;
        }
        Ok(())
    }

    /// Time until the next batch, or the end of the recording, is due.
    pub fn due_in(&self) -> Option<Duration> {
        let batch = self.rows.as_ref().filter(|rows| rows.rows() > 0);
        let batch = batch.map(|_| BATCH_AGE.saturating_sub(self.rows_since.elapsed()));
        let end = self.until_ns.map(|until| Duration::from_nanos(until.saturating_sub(monotonic_ns()) + 1));
        batch.into_iter().chain(end).min()
    }

    /// Ends the recording, with what `reader` has lost since the last message. Returns the length of the file.
    ///
    /// # Errors
    /// The file's.
    pub fn finish(mut self, reader: &MessageReader) -> Result<(Counts, u64), StepError> {
        self.begin_next(None)?;
        let lost = reader.lost().saturating_sub(self.counts.lost);
        if let Some(rows) = &mut self.rows {
            if lost > 0 {
                let row = RowInfo {
                    chunk: None,
                    position: self.position,
                    lost,
                    sent_ns: unix_ns(),
                    mono_ns: monotonic_ns(),
                    description_missed: false,
                };
                rows.push(row, None, &[], |_| ());
                self.counts.lost += lost;
            }
            self.writer.write(rows)?;
        }
        let bytes = self.writer.finish()?;
        Ok((self.counts, bytes))
    }

    /// The totals so far.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Bytes that have been written so far.
    pub fn bytes(&self) -> u64 {
        self.writer.bytes()
    }

    fn set_until(&mut self, there_ns: u64) {
        if let (None, Some(duration)) = (self.until_ns, self.limits.duration) {
            let duration = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
            self.until_ns = Some(self.began_ns.max(there_ns).saturating_add(duration));
        }
    }

    /// Begins the reader's generation in the file, if that has not been done: with its first message, or without one if
    /// the generation ends without a message.
    fn begin_next(
        &mut self,
        first: Option<(&MessageInfo, Option<&dora_shm_ring::Description>)>,
    ) -> Result<(), StepError> {
        let Some(mut next) = self.next.take() else { return Ok(()) };
        if let Some((info, description)) = first {
            next.base = info.stream_position.saturating_sub(info.first);
            next.description = description.cloned();
        }
        if let Some(rows) = &mut self.rows {
            self.writer.write(rows)?;
        }
        self.rows = Some(self.writer.begin(&next)?);
        self.is_fresh = true;
        self.counts.generations += 1;
        Ok(())
    }
}

/// The generation that the reader is in.
fn generation_of(stream: &str, reader: &MessageReader) -> dora_shm_ring::Result<Option<Generation>> {
    let (Some(format), Some(number), Some(writer)) = (reader.format(), reader.generation(), reader.writer_of_ring())
    else {
        return Ok(None);
    };
    let info = reader.info()?;
    Ok(Some(Generation {
        stream: stream.to_owned(),
        format: format.clone(),
        clock: reader.clock(),
        number,
        writer,
        base: info.stream_position.saturating_sub(info.position),
        started_ns: unix_ns(),
        description: reader.description().map(|description| description.as_ref().clone()),
        ezmsg: info.ezmsg.map(|ezmsg| ezmsg.struct_version),
    }))
}
