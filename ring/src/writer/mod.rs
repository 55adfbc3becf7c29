//! The writing half of a stream.

mod acquire;
mod closing;
mod following;
mod kept;
mod lazy;
mod now;
mod publish;
mod segment;
mod service;
mod warning;

use std::ops::Range;
use std::time::{Duration, Instant};

use crate::layout::Geometry;
use crate::protocol::copy::{Stores, ordinary_copy};
use crate::protocol::counts::Counted;
use crate::stream::name::check_name;
use crate::times::RunTimes;
use crate::{Description, Error, Format, GenerationClock, Result};

pub(crate) use acquire::{finish_if_dead, neighbours, remove_unfinished};
pub use closing::Closing;
use kept::Young;
pub use lazy::LazyWriter;
use now::Timing;
use publish::Publisher;
use service::{LOST_HEADER, LOST_RING};
pub use warning::Warning;

/// How long [`Writer::create`] waits for a temporary obstacle: a writer that is closing, or a process that tests the lock.
const CREATE_PATIENCE: Duration = Duration::from_secs(2);

/// How long a restart waits for readers to unmap the old ring. They check at least four times a second.
const RESTART_PATIENCE: Duration = Duration::from_millis(500);
const RESTART_PAUSE: Duration = Duration::from_millis(2);

/// How a stream is created.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WriterOptions {
    /// Permission bits of the segments: `0o600` (only this user reads; the default), `0o640` (the group too) or `0o644`
    /// (all users). Other users may never write.
    pub mode: u32,
    /// Largest ring, in bytes of shared memory; default 1 GiB.
    pub max_ring_bytes: u64,
    /// Keep replaced descriptions readable for about a second (at most eight). Useful when descriptions change within a
    /// burst of frames. Off by default.
    pub keep_replaced: bool,
    young: Young,
    create_patience: Duration,
    begin_patience: Duration,
}

impl WriterOptions {
    /// Sets [`mode`](Self::mode).
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    /// Sets [`max_ring_bytes`](Self::max_ring_bytes).
    pub fn max_ring_bytes(mut self, bytes: u64) -> Self {
        self.max_ring_bytes = bytes;
        self
    }

    /// Sets [`keep_replaced`](Self::keep_replaced).
    pub fn keep_replaced(mut self, keep: bool) -> Self {
        self.keep_replaced = keep;
        self
    }

    /// Sets for how long [`Writer::create`] waits while another writer is closing the stream; default 2 s. Zero: it
    /// returns the error at once.
    pub fn create_patience(mut self, patience: Duration) -> Self {
        self.create_patience = patience;
        self
    }

    /// Sets for how long [`Writer::begin`] waits until readers unmap the previous ring, if the new one fits only without
    /// it; default half a second. Zero: it returns the error at once.
    pub fn begin_patience(mut self, patience: Duration) -> Self {
        self.begin_patience = patience;
        self
    }

    /// Sets when a ring is young, and for how long it then keeps its names: see [`Writer::begin`]. For tests, in which
    /// every ring is young, or none.
    #[doc(hidden)]
    pub fn young_rings(mut self, replaced_within: Duration, keeps_names: Duration) -> Self {
        self.young = Young { replaced_within, keeps_names };
        self
    }
}

impl Default for WriterOptions {
    fn default() -> Self {
        Self {
            mode: 0o600,
            max_ring_bytes: 1 << 30,
            keep_replaced: false,
            young: Young::default(),
            create_patience: CREATE_PATIENCE,
            begin_patience: RESTART_PATIENCE,
        }
    }
}

/// Values of a chunk's frames on the buffered axis; seconds if that is a time axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Times<'a> {
    /// Frame `i` of the chunk is at `start + i * step`.
    Linear {
        /// Value of the first frame.
        start: f64,
        /// Step from one frame to the next.
        step: f64,
    },
    /// One value per frame.
    Values(&'a [f64]),
    /// What a [`Stamper`](crate::times::Stamper) gives: see [`Run::on`](crate::times::Run::on). It must have been
    /// stamped for as many frames.
    Run(RunTimes),
}

/// The frames of one message, contiguous in memory.
#[derive(Clone, Copy, Debug)]
pub struct Chunk<'a> {
    /// Whole frames in C order, little-endian. An empty slice is an empty message.
    pub samples: &'a [u8],
    /// The frames' values on the buffered axis.
    pub times: Times<'a>,
    /// When the message was sent, nanoseconds since the Unix epoch.
    pub send_ns: i64,
}

/// The writer of a stream; there is at most one. Dropping it closes the stream cleanly: readers drain it and see it
/// closed. [`close_later`](Self::close_later) also gives readers time that were only just woken.
///
/// If the process dies instead, readers see the stream as dead, and the next writer of that name takes it over. In a
/// forked child, every call fails with [`Error::Forked`] and dropping does nothing.
pub struct Writer {
    name: String,
    options: WriterOptions,
    /// `None` after a restart that failed halfway; the next write tries again.
    publisher: Option<Publisher>,
    /// The arguments of the current generation, to begin it again.
    begun: Option<Begun>,
    counted: Counted,
    /// `None` while the caller gives all times.
    timing: Option<Box<Timing>>,
}

#[derive(Clone)]
struct Begun {
    format: Format,
    description: Description,
    first_chunk_frames: u64,
}

impl Writer {
    /// Creates the stream `name`, or takes it over from a dead writer, whose readers continue. The writer has no ring
    /// until [`begin`](Self::begin).
    ///
    /// Blocks while another writer is closing the stream: at most 2 s, or the
    /// [`create_patience`](WriterOptions::create_patience).
    ///
    /// # Errors
    /// [`Error::BadName`], [`Error::BadArgument`] for a mode that is not allowed, [`Error::Live`] if another live
    /// writer has the stream, [`Error::Obstructed`], [`Error::NameTaken`], [`Error::WrongOwner`], [`Error::NoSpace`].
    pub fn create(name: &str, options: WriterOptions) -> Result<Writer> {
        check_name(name)?;
        if ![0o600, 0o640, 0o644].contains(&options.mode) {
            return Err(Error::BadArgument {
                reason: format!("mode {:04o}, expected 0600, 0640 or 0644: others must never write", options.mode),
            });
        }
        let publisher = Publisher::acquire(name, &options, options.create_patience)?;
        Ok(Writer {
            name: name.to_owned(),
            options,
            publisher: Some(publisher),
            begun: None,
            counted: Counted::default(),
            timing: None,
        })
    }

    /// Begins the next generation: a ring of `format`, described by `description`. Readers drain the previous ring,
    /// which is removed, and move on.
    ///
    /// If the previous ring has frames and was current for less than 20 ms, it is removed 100 ms later, so that readers
    /// that are woken for it can still open it. The newest 128 such rings are kept, as far as they and their descriptions
    /// have at most [`max_ring_bytes`](WriterOptions::max_ring_bytes) together. They are removed at once if there is no
    /// room for the next ring.
    ///
    /// `first_chunk_frames` is the expected number of frames in a chunk. It decides how many chunk records a ring of
    /// small frames gets. Blocks while the ring's memory is reserved (60 to 250 ms per GiB); a thread of the writer
    /// prefaults most of the pages afterwards.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::NoSpace`] and [`Error::BadArgument`] (the description's dims do not fit the
    /// format) leave the current generation as it is. If the new ring fits only without the old one, the stream is
    /// restarted: readers of this library follow and lose nothing. If they map the old ring for longer than half a
    /// second, or the [`begin_patience`](WriterOptions::begin_patience), this is [`Error::NoSpace`], too, and the stream
    /// has no ring until a later call succeeds.
    pub fn begin(&mut self, format: &Format, description: &Description, first_chunk_frames: u64) -> Result<()> {
        let geometry = self.plan(format, description, first_chunk_frames)?;
        let publisher = self.publisher()?;
        match publisher.switch(format, geometry.clone(), description) {
            Err(Error::NoSpace { needed, free }) if publisher.would_fit_alone(needed, free) => {
                self.restart_empty()?;
                self.switch_when_readers_let_go(format, &geometry, description)?;
            }
            result => result?,
        }
        self.begun = Some(Begun { format: format.clone(), description: description.clone(), first_chunk_frames });
        Ok(())
    }

    /// As [`begin`](Self::begin), but only if the new ring fits beside the old one. The stream is never restarted, and
    /// nothing is waited for.
    ///
    /// # Errors
    /// Those of [`begin`](Self::begin). Each leaves the current generation as it is.
    pub fn begin_beside(&mut self, format: &Format, description: &Description, first_chunk_frames: u64) -> Result<()> {
        let geometry = self.plan(format, description, first_chunk_frames)?;
        self.publisher()?.switch(format, geometry, description)?;
        self.begun = Some(Begun { format: format.clone(), description: description.clone(), first_chunk_frames });
        Ok(())
    }

    /// The ring of a generation that may begin.
    fn plan(&self, format: &Format, description: &Description, first_chunk_frames: u64) -> Result<Geometry> {
        let geometry = Geometry::plan(format, first_chunk_frames)?;
        if geometry.length > self.options.max_ring_bytes {
            return Err(Error::TooLarge { needed: geometry.length, limit: self.options.max_ring_bytes });
        }
        description.check(format.frame_shape().len()).map_err(|reason| Error::BadArgument { reason })?;
        self.check_process()?;
        Ok(geometry)
    }

    /// Publishes a new description of the current generation. Does nothing if it equals the current description.
    ///
    /// Unless [`WriterOptions::keep_replaced`] is set, the replaced description is removed at once. A reader that has
    /// not yet reached the last frames it describes reads them without it, and reports that it was missed.
    ///
    /// # Errors
    /// [`Error::NoGeneration`] before the first [`begin`](Self::begin), [`Error::BadArgument`], [`Error::NoSpace`].
    pub fn describe(&mut self, description: &Description) -> Result<()> {
        self.check_process()?;
        let Some(begun) = &mut self.begun else { return Err(Error::NoGeneration) };
        if begun.description == *description {
            return Ok(());
        }
        description.check(begun.format.frame_shape().len()).map_err(|reason| Error::BadArgument { reason })?;
        let Some(publisher) = &mut self.publisher else { return Err(Error::NoGeneration) };
        publisher.describe(description, &begun.format)?;
        begun.description = description.clone();
        Ok(())
    }

    /// Writes one chunk: one copy of its samples into the ring. Never waits for readers.
    ///
    /// If the chunk is longer than the ring, the ring keeps the newest frames; the others count as written, and readers
    /// count them as lost.
    ///
    /// # Errors
    /// [`Error::NoGeneration`], [`Error::BadArgument`] if the samples are not a whole number of frames, or if the
    /// number of times differs from the number of frames. Nothing is written then.
    pub fn write(&mut self, chunk: &Chunk<'_>) -> Result<()> {
        let Some(begun) = &self.begun else { return Err(Error::NoGeneration) };
        let frame_bytes = begun.format.frame_bytes();
        let frames = whole_frames(&begun.format, chunk.samples)?;
        self.write_stored(frames, chunk.times, chunk.send_ns, Stores::Ordinary, |frames, memory| {
            let start = (frames.start * frame_bytes) as usize;
            let samples = &chunk.samples[start..start + memory.len()];
            // SAFETY: both are slices of the same length; `memory` is the ring's and `samples` the caller's.
            unsafe { ordinary_copy(samples.as_ptr(), memory.as_mut_ptr(), samples.len()) };
        })
    }

    /// Writes one chunk of `frames` frames, whose samples `fill` stores directly into the ring.
    ///
    /// `fill(range, memory)` is called once, or twice if the chunk wraps around the ring's end, with consecutive ranges
    /// of this chunk's frames (numbered from 0) and their memory, in C order. It must overwrite all of `memory`, which
    /// holds older frames. If the chunk is longer than the ring, `fill` is called for its newest frames only; for an
    /// empty chunk it is not called. If `fill` panics, the chunk is not written, and readers count the frames that it
    /// has overwritten as lost.
    ///
    /// A reader may copy these bytes while `fill` stores them; it then discards the copy. This is the one place where
    /// the library gives safe code a `&mut [u8]` of memory that others read.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn write_with(
        &mut self,
        frames: u64,
        times: Times<'_>,
        send_ns: i64,
        fill: impl FnMut(Range<u64>, &mut [u8]),
    ) -> Result<()> {
        self.write_stored(frames, times, send_ns, Stores::MayStream, fill)
    }

    #[inline]
    fn write_stored(
        &mut self,
        frames: u64,
        times: Times<'_>,
        send_ns: i64,
        stores: Stores,
        mut fill: impl FnMut(Range<u64>, &mut [u8]),
    ) -> Result<()> {
        self.check_process()?;
        check_times(times, frames)?;
        if self.publisher.as_ref().is_none_or(|publisher| publisher.has_lost()) {
            self.repair()?;
        }
        let Some(publisher) = &mut self.publisher else { return Err(Error::NoGeneration) };
        publisher.write(frames, times, send_ns, stores, &mut fill)
    }

    /// Creates again a segment whose two names were both removed (by `rm`, or by a session manager that cleans up).
    /// [`write`](Self::write) does the same; call this about once a second while there is nothing to write.
    ///
    /// # Errors
    /// Those of [`create`](Self::create) and [`begin`](Self::begin); the next call tries again.
    pub fn maintain(&mut self) -> Result<()> {
        self.check_process()?;
        self.repair()
    }

    /// States how many messages this writer was given in all and did not write. Readers find the number in
    /// [`Info::counted`](crate::Info::counted). A few stores; never blocks.
    pub fn count_refused(&mut self, total: u64) {
        self.count(Counted { refused: total, ..self.counted });
    }

    /// States how many messages the queue of this writer's input has dropped in all, as far as is known. As
    /// [`count_refused`](Self::count_refused).
    pub fn count_dropped(&mut self, total: u64) {
        self.count(Counted { dropped: total, ..self.counted });
    }

    /// States how many messages are missing in all by the source's own numbers. As
    /// [`count_refused`](Self::count_refused).
    pub fn count_gaps(&mut self, total: u64) {
        self.count(Counted { gaps: total, ..self.counted });
    }

    fn count(&mut self, counted: Counted) {
        self.counted = counted;
        if let Some(publisher) = &self.publisher {
            publisher.count(counted);
        }
    }

    /// The totals that were stated.
    pub fn counted(&self) -> Counted {
        self.counted
    }

    /// The stream's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The current generation; `None` before the first.
    pub fn generation(&self) -> Option<u32> {
        self.publisher.as_ref().and_then(Publisher::generation)
    }

    /// The format with which the current generation was begun. Its ring may hold up to 7 frames more.
    pub fn format(&self) -> Option<&Format> {
        self.begun.as_ref().map(|begun| &begun.format)
    }

    /// Clock of the current generation, and when it was created on both of the machine's clocks: what turns a moment of
    /// CLOCK_MONOTONIC into a time on it ([`GenerationClock::time_at`]). `None` before the first.
    pub fn clock(&self) -> Option<GenerationClock> {
        self.publisher.as_ref().and_then(Publisher::clock)
    }

    /// The current description.
    pub fn description(&self) -> Option<&Description> {
        self.begun.as_ref().map(|begun| &begun.description)
    }

    /// Frames written in the current generation.
    pub fn position(&self) -> u64 {
        self.publisher.as_ref().map_or(0, Publisher::position)
    }

    /// When the newest chunk of the current generation was committed, CLOCK_MONOTONIC in nanoseconds: what readers get
    /// as [`MessageInfo::mono_ns`](crate::MessageInfo::mono_ns). 0 before the first.
    #[doc(hidden)]
    pub fn committed_ns(&self) -> u64 {
        self.publisher.as_ref().map_or(0, Publisher::committed_ns)
    }

    /// Frames that the current ring holds; 0 before the first.
    pub fn ring_frames(&self) -> u64 {
        self.publisher.as_ref().map_or(0, Publisher::ring_frames)
    }

    /// Frames ever committed under this stream_id, including those of a dead writer that was taken over.
    pub fn stream_position(&self) -> u64 {
        self.publisher.as_ref().map_or(0, Publisher::stream_position)
    }

    /// Identity of the stream; it changes with every close.
    pub fn stream_id(&self) -> u64 {
        self.publisher.as_ref().map_or(0, Publisher::stream_id)
    }

    /// 1 for the stream's first writer, plus one for each takeover.
    pub fn epoch(&self) -> u32 {
        self.publisher.as_ref().map_or(0, Publisher::epoch)
    }

    /// Warnings for the user that no call could return as an error, such as a name that another file has taken. Each is
    /// returned once.
    pub fn warnings(&mut self) -> Vec<Warning> {
        let mut warnings = self.publisher.as_mut().map_or_else(Vec::new, Publisher::take_warnings);
        warnings.extend(self.timing.as_mut().and_then(|timing| timing.take_warning()));
        warnings
    }

    /// Closes the stream, as dropping does: readers drain it and see it closed, and its shared memory is freed. A
    /// reader that was woken for the last ring and has not opened it yet counts its frames as lost.
    pub fn close(self) {}

    /// Closes the stream once its last ring has been current for 100 ms, so that readers that were woken for it can
    /// still open it. Does not block: a thread closes the stream. Until then it looks live and idle, and its name
    /// cannot be used by another writer.
    ///
    /// If that time is over, or the stream has no frames that a reader may still have to open, the stream is closed
    /// before this returns.
    pub fn close_later(mut self) -> Closing {
        let publisher = self.publisher.take();
        let until = publisher.as_ref().filter(|own| own.is_own_process()).and_then(Publisher::young_until);
        Closing::start(self.name, publisher, until)
    }

    #[inline]
    fn check_process(&self) -> Result<()> {
        if self.publisher.as_ref().is_some_and(|publisher| !publisher.is_own_process()) {
            Err(Error::Forked)
        } else {
            Ok(())
        }
    }

    /// The publisher; acquired again if a restart failed halfway.
    fn publisher(&mut self) -> Result<&mut Publisher> {
        let publisher = match self.publisher.take() {
            Some(publisher) => publisher,
            None => {
                let publisher = Publisher::acquire(&self.name, &self.options, self.options.begin_patience)?;
                publisher.count(self.counted);
                publisher
            }
        };
        Ok(self.publisher.insert(publisher))
    }

    /// Closes and acquires the stream, which frees the ring's memory.
    fn restart_empty(&mut self) -> Result<()> {
        self.publisher = None;
        self.publisher()?;
        Ok(())
    }

    /// After a restart, waits until the last reader has drained and unmapped the old ring, whose memory is then free.
    fn switch_when_readers_let_go(
        &mut self,
        format: &Format,
        geometry: &Geometry,
        description: &Description,
    ) -> Result<()> {
        let patience = Instant::now() + self.options.begin_patience;
        loop {
            match self.publisher()?.switch(format, geometry.clone(), description) {
                Err(Error::NoSpace { .. }) if Instant::now() < patience => std::thread::sleep(RESTART_PAUSE),
                result => return result,
            }
        }
    }

    /// Creates again the segments that have lost both names.
    #[cold]
    fn repair(&mut self) -> Result<()> {
        let lost = match &self.publisher {
            Some(publisher) => publisher.take_lost(),
            None => LOST_HEADER,
        };
        if lost == 0 {
            return Ok(());
        }
        let result = self.repair_lost(lost);
        if result.is_err()
            && let Some(publisher) = &self.publisher
        {
            publisher.set_lost(lost);
        }
        result
    }

    fn repair_lost(&mut self, lost: u32) -> Result<()> {
        if lost & LOST_HEADER != 0 {
            self.restart_empty()?;
        }
        let Some(begun) = self.begun.clone() else { return Ok(()) };
        if lost & (LOST_HEADER | LOST_RING) != 0 {
            return self.begin(&begun.format, &begun.description, begun.first_chunk_frames);
        }
        // The same description again, in a new segment.
        self.publisher()?.describe(&begun.description, &begun.format)
    }
}

/// How many frames `samples` are.
#[inline]
fn whole_frames(format: &Format, samples: &[u8]) -> Result<u64> {
    let (length, frame_bytes) = (samples.len() as u64, format.frame_bytes());
    if !length.is_multiple_of(frame_bytes) {
        return Err(Error::BadArgument {
            reason: format!("{length} bytes of samples, expected a multiple of the {frame_bytes} of a frame"),
        });
    }
    Ok(length / frame_bytes)
}

#[inline]
fn check_times(times: Times<'_>, frames: u64) -> Result<()> {
    if let Times::Values(values) = times
        && values.len() as u64 != frames
    {
        return Err(Error::BadArgument {
            reason: format!("{} times for {frames} frames, expected one each", values.len()),
        });
    }
    Ok(())
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer")
            .field("name", &self.name)
            .field("generation", &self.generation())
            .field("position", &self.position())
            .finish_non_exhaustive()
    }
}
