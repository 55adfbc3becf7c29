//! The reading half: each read takes frames out of the ring and becomes a Chunk in `chunk.rs`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dora_shm_ring as ring;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyList, PyTuple};
use ring::{Copied, EventKind, Liveness, Outcome, ReaderOptions, Start, Wait};

use crate::chunk::{Arrays, Destination, Taken, chunk_class};
use crate::described::Described;
use crate::errors::raise;
use crate::info::info_to_python;
use crate::shared::{Shared, Takes};
use crate::view::View;

/// Longest sleep between two checks for a signal such as Ctrl-C.
const SLICE: Duration = Duration::from_millis(200);

/// Pause between two checks whether the writer lives, for a reader that finds nothing: the same as for one that waits.
const LIVENESS_PAUSE: Duration = Duration::from_millis(250);

/// Python's word for an outcome.
fn word<T>(py: Python<'_>, outcome: Outcome<T>) -> Bound<'_, PyAny> {
    let word = match outcome {
        Outcome::Data(_) => intern!(py, "data"),
        Outcome::Nothing => intern!(py, "nothing"),
        Outcome::Generation => intern!(py, "generation"),
        Outcome::Closed => intern!(py, "closed"),
    };
    word.clone().into_any()
}

#[pyclass(frozen, module = "dora_shm._dora_shm")]
pub struct Reader {
    shared: Shared<Inside>,
    /// Python's list, to which every call that reads or waits adds the events that it noticed.
    events: Option<Py<PyList>>,
}

struct Inside {
    reader: ring::Reader,
    idle_after: Duration,
    /// When it was last checked whether the writer lives.
    liveness_at: Instant,
    /// How numpy stores the frames of the ring that was read last.
    arrays: Option<Arc<Arrays>>,
    /// The description that was held last. Every read needs it, and it changes rarely.
    described: Option<Arc<Described>>,
}

impl Inside {
    fn arrays(&mut self) -> Option<Arc<Arrays>> {
        let (format, clock) = (self.reader.format()?, self.reader.clock());
        if self.arrays.as_ref().is_none_or(|arrays| arrays.format != *format || arrays.clock != clock) {
            self.arrays = Some(Arc::new(Arrays::new(format.clone(), clock)));
        }
        self.arrays.clone()
    }

    fn described(&mut self) -> Option<Arc<Described>> {
        let description = self.reader.description()?;
        if self.described.as_ref().is_none_or(|described| !described.is_of(description)) {
            self.described = Some(Arc::new(Described::new(description.clone())));
        }
        self.described.clone()
    }

    /// The same object as [`described`](Self::described), if that is the description.
    fn described_as(&mut self, description: Option<Arc<ring::Description>>) -> Option<Arc<Described>> {
        let description = description?;
        let held = self.described().filter(|held| held.is_of(&description));
        Some(held.unwrap_or_else(|| Arc::new(Described::new(description))))
    }

    /// How many frames there are to read, and the arrays for them; or the outcome of a poll. It polls only if there are no
    /// frames: the read that follows polls by itself.
    fn unread(&mut self) -> ring::Result<Outcome<(Arc<Arrays>, u64)>> {
        let outcome = match self.reader.unread() {
            0 => self.advance()?,
            unread => Outcome::Data(unread),
        };
        let arrays = self.arrays();
        Ok(match (outcome, arrays) {
            (Outcome::Data(unread), Some(arrays)) => Outcome::Data((arrays, unread)),
            (Outcome::Data(_) | Outcome::Nothing, _) => Outcome::Nothing,
            (Outcome::Generation, _) => Outcome::Generation,
            (Outcome::Closed, _) => Outcome::Closed,
        })
    }

    fn advance(&mut self) -> ring::Result<Outcome<u64>> {
        let outcome = self.reader.advance()?;
        self.watch_writer(&outcome)?;
        Ok(outcome)
    }

    /// Checks from time to time, when a call found nothing, whether the writer lives: its death is an event.
    fn watch_writer<T>(&mut self, outcome: &Outcome<T>) -> ring::Result<()> {
        if matches!(outcome, Outcome::Nothing) && self.liveness_at.elapsed() >= LIVENESS_PAUSE {
            self.liveness_at = Instant::now();
            self.reader.liveness(self.idle_after)?;
        }
        Ok(())
    }

    /// The events that were noticed since the last call.
    fn take_events(&mut self) -> Vec<Noticed> {
        let mut noticed = Vec::new();
        while let Some(event) = self.reader.next_event() {
            let liveness = match event.kind {
                EventKind::WriterGone { orderly: true } => Liveness::Closed,
                EventKind::WriterGone { orderly: false } => Liveness::Dead,
                // If the system call fails, the next call reports that.
                _ => self.reader.liveness(self.idle_after).unwrap_or(Liveness::Live),
            };
            let described = self.described_as(event.description.clone());
            noticed.push(Noticed { event, liveness, described });
        }
        noticed
    }

    fn take(&mut self, copied: Copied) -> Taken {
        let mut messages = Vec::new();
        self.reader.messages(copied.first..copied.first + copied.frames, &mut messages);
        let (described, missed) = (self.described(), self.reader.description_missed());
        Taken { copied, messages, described, missed, arrays: self.arrays() }
    }
}

/// An event, and what Python's `Event` has in addition.
struct Noticed {
    event: ring::Event,
    liveness: Liveness,
    described: Option<Arc<Described>>,
}

impl Noticed {
    fn is_death(&self) -> bool {
        self.event.kind == EventKind::WriterGone { orderly: false }
    }

    fn python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        static EVENT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let kind = match self.event.kind {
            EventKind::NewGeneration => "new_generation",
            EventKind::NewDescription => "new_description",
            EventKind::WriterRestarted => "writer_restarted",
            EventKind::WriterGone { .. } => "writer_gone",
        };
        let description = self.described.as_ref().map(|described| described.python(py)).transpose()?;
        let made = EVENT.import(py, "dora_shm._events", "event_of")?;
        made.call1((kind, self.event.generation, self.event.position, self.liveness.name(), description))
    }
}

/// Where a reader begins: a word, the last frames, or the last seconds.
#[derive(FromPyObject)]
pub enum Begin {
    Word(String),
    Frames(u64),
    Seconds(f64),
}

/// Where a reader is.
#[pyclass(frozen, get_all, module = "dora_shm._dora_shm")]
pub struct Position {
    generation: Option<u32>,
    position: u64,
    lost: u64,
}

#[pymethods]
impl Reader {
    /// `start` is "newest", "oldest", a number of frames (int) or of seconds (float).
    #[new]
    #[expect(clippy::too_many_arguments, reason = "they are Python's")]
    #[pyo3(signature = (name, start, owner, idle_after, max_bytes, each_description, spin, events))]
    fn new(
        py: Python<'_>,
        name: &str,
        start: Begin,
        owner: Option<u32>,
        idle_after: f64,
        max_bytes: Option<u64>,
        each_description: bool,
        spin: f64,
        events: Option<Py<PyList>>,
    ) -> PyResult<Self> {
        let [idle_after, spin] =
            [idle_after, spin].map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX));
        let from = match &start {
            Begin::Frames(frames) => Start::Last(*frames),
            Begin::Word(word) if word == "newest" => Start::Newest,
            Begin::Word(_) | Begin::Seconds(_) => Start::Oldest,
        };
        let options = ReaderOptions::default().start(from).owner(owner).idle_after(idle_after);
        let mut options = options.each_description(each_description).spin(spin);
        options.max_ring_bytes = max_bytes.unwrap_or(options.max_ring_bytes);
        let mut reader = ring::Reader::open(name, options).map_err(|error| raise(py, error))?;
        if let Begin::Seconds(seconds) = start {
            reader.skip_to_last(seconds).map_err(|error| raise(py, error))?;
        }
        let interrupter = reader.interrupter();
        let inside = Inside { reader, idle_after, liveness_at: Instant::now(), arrays: None, described: None };
        Ok(Self { shared: Shared::new("reader", inside, Some(interrupter)), events })
    }

    /// Copies new frames into new arrays, at most `max_frames`. Returns a `Chunk`; or "nothing", "generation" or "closed".
    #[pyo3(signature = (max_frames))]
    fn read<'py>(&self, py: Python<'py>, max_frames: u64) -> PyResult<Bound<'py, PyAny>> {
        loop {
            let (arrays, unread) = match self.notice(py, Takes::Moments, Inside::unread)? {
                Outcome::Data(found) => found,
                other => return Ok(word(py, other)),
            };
            let frames = unread.min(max_frames).min(arrays.format.frames());
            if let Some(found) = self.copy(py, &arrays, frames, ring::Reader::read_into)? {
                return Ok(found);
            }
        }
    }

    /// Copies new frames into the arrays, at most as many as `times` holds. With a position `from_`, only frames that
    /// continue from there without a gap. Returns as `read`; "stale" if the reader is not in the generation `of`, for which
    /// the arrays were checked.
    #[pyo3(signature = (samples, times, of, from_))]
    fn read_into<'py>(
        &self,
        py: Python<'py>,
        samples: Bound<'py, PyAny>,
        times: Bound<'py, PyAny>,
        of: Option<u32>,
        from_: Option<u64>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let mut to = Destination::new(&samples, &times)?;
        let takes = to.takes();
        let (to_samples, to_times) = to.slices()?;
        let room = to_times.len() as u64;
        let found = self.notice(py, takes, |inside| {
            let reader = &mut inside.reader;
            if reader.generation() != of {
                return Ok(None);
            }
            if from_.is_some_and(|from| reader.position() != from) {
                return Ok(Some(Outcome::Nothing));
            }
            let read = if from_.is_some() { ring::Reader::continue_into } else { ring::Reader::read_into };
            let outcome = read(reader, to_samples, to_times)?;
            inside.watch_writer(&outcome)?;
            Ok(Some(outcome.map(|copied| inside.take(copied))))
        })?;
        match found {
            Some(Outcome::Data(taken)) => taken.chunk(py, samples, times, room),
            Some(other) => Ok(word(py, other)),
            None => Ok(intern!(py, "stale").clone().into_any()),
        }
    }

    /// A `Chunk` without frames, at the reader's position. Its samples are `samples`, or a new array.
    #[pyo3(signature = (samples=None))]
    fn empty<'py>(&self, py: Python<'py>, samples: Option<Bound<'py, PyAny>>) -> PyResult<Bound<'py, PyAny>> {
        let (arrays, described, missed, generation, position) = self.shared.with(py, Takes::Moments, |inside| {
            let (generation, position) = (inside.reader.generation(), inside.reader.position());
            // After the end of a stream, the arrays are like those before.
            let arrays = inside.arrays().or_else(|| inside.arrays.clone());
            (arrays, inside.described(), inside.reader.description_missed(), generation, position)
        })?;
        let (made, times) = match &arrays {
            Some(arrays) => arrays.make(py, 0)?,
            None => Arrays::unknown(py)?,
        };
        let description = described.map(|described| described.python(py)).transpose()?;
        let clock = arrays.map(|arrays| arrays.clock(py)).transpose()?.flatten();
        let (samples, messages) = (samples.unwrap_or(made), PyBytes::new(py, &[]));
        chunk_class(py)?.call1((samples, times, position, 0, generation, description, missed, messages, clock))
    }

    /// Moves on to the next generation, or to the end, if nothing is left in this one. Returns as `read`, or "data".
    fn advance<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let outcome = self.notice(py, Takes::Moments, Inside::advance)?;
        Ok(word(py, outcome))
    }

    /// Skips everything written so far, generations included, without counting it as lost. Returns as `advance`.
    fn skip_to_newest<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let outcome = self.notice(py, Takes::Moments, |inside| inside.reader.skip_to_newest())?;
        Ok(word(py, outcome))
    }

    /// Follows the stream to its newest generation without reading, then copies its newest frames into new arrays: `frames`
    /// of them, or those of the newest `seconds`. Returns a `Chunk`, or "nothing" before the first ring.
    #[pyo3(signature = (frames, seconds))]
    fn latest<'py>(&self, py: Python<'py>, frames: u64, seconds: Option<f64>) -> PyResult<Bound<'py, PyAny>> {
        loop {
            let found = self.shared.try_with(py, Takes::Moments, |inside| {
                if inside.reader.skip_to_newest()? == Outcome::Closed {
                    // The next stream of that name.
                    inside.reader.skip_to_newest()?;
                }
                let wanted = match seconds {
                    Some(seconds) => inside.reader.frames_within(seconds)?,
                    None => frames,
                };
                Ok(inside.arrays().map(|arrays| (arrays, wanted)))
            })?;
            let Some((arrays, wanted)) = found else { return Ok(word(py, Outcome::<()>::Nothing)) };
            let latest = |reader: &mut ring::Reader, samples: &mut [u8], times: &mut [f64]| {
                reader.latest_into(samples, times).map(Outcome::Data)
            };
            if let Some(chunk) = self.copy(py, &arrays, wanted.min(arrays.format.frames()), latest)? {
                return Ok(chunk);
            }
        }
    }

    /// Positions of the frames that the ring holds: the first, and the one behind the last.
    fn held(&self, py: Python<'_>) -> PyResult<(u64, u64)> {
        let held = self.shared.with(py, Takes::Moments, |inside| inside.reader.held())?;
        Ok((held.start, held.end))
    }

    /// Copies the frames from position `first` on, at most `frames`, as far as the ring holds them. Returns a `Chunk`.
    fn read_at<'py>(&self, py: Python<'py>, first: u64, frames: u64) -> PyResult<Bound<'py, PyAny>> {
        loop {
            let (arrays, held) =
                self.shared.with(py, Takes::Moments, |inside| (inside.arrays(), inside.reader.held()))?;
            let Some(arrays) = arrays else { return self.empty(py, None) };
            let start = first.clamp(held.start, held.end);
            let frames = first.saturating_add(frames).clamp(start, held.end) - start;
            let read = |reader: &mut ring::Reader, samples: &mut [u8], times: &mut [f64]| {
                reader.read_at_into(start, samples, times).map(Outcome::Data)
            };
            if let Some(chunk) = self.copy(py, &arrays, frames, read)? {
                return Ok(chunk);
            }
        }
    }

    fn position_at(&self, py: Python<'_>, time: f64) -> PyResult<u64> {
        self.shared.with(py, Takes::Moments, |inside| inside.reader.position_at(time))
    }

    /// Lends what is new in place, at most `max_frames` frames. Returns a `View`, or as `read`.
    fn view<'py>(&self, py: Python<'py>, max_frames: u64) -> PyResult<Bound<'py, PyAny>> {
        let found = self.notice(py, Takes::Moments, |inside| {
            let outcome = inside.reader.view(max_frames)?;
            inside.watch_writer(&outcome)?;
            let (arrays, described) = (inside.arrays(), inside.described());
            let missed = inside.reader.description_missed();
            Ok(outcome.map(|view| View::new(view, arrays, described, missed)))
        })?;
        match found {
            Outcome::Data(view) => Ok(Bound::new(py, view)?.into_any()),
            other => Ok(word(py, other)),
        }
    }

    /// Takes a view back and moves behind it.
    fn finish(&self, py: Python<'_>, view: &View) -> PyResult<()> {
        let Some(view) = view.take() else { return Ok(()) };
        self.shared.with(py, Takes::Moments, |inside| {
            inside.reader.finish(view);
        })
    }

    /// Sleeps until there is something to read, at most `seconds`, or until a signal handler raises. Returns "ready", or the
    /// state of the stream. The writer's death ends it early when it is noticed.
    fn wait(&self, py: Python<'_>, seconds: Option<f64>) -> PyResult<&'static str> {
        let seconds = seconds.map(|seconds| Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX));
        let deadline = seconds.and_then(|seconds| Instant::now().checked_add(seconds));
        let mut found = Liveness::Absent;
        loop {
            let left = deadline.map_or(SLICE, |deadline| deadline.saturating_duration_since(Instant::now()));
            let slice = left.min(SLICE);
            let waited = self.shared.with_patience(py, slice, |inside| {
                let wait = inside.reader.wait(slice);
                Ok((wait, inside.take_events()))
            })?;
            // None: another thread uses the reader.
            if let Some((wait, events)) = waited {
                let has_died = events.iter().any(Noticed::is_death);
                self.keep(py, events)?;
                match wait.map_err(|error| raise(py, error))? {
                    Wait::Ready => return Ok("ready"),
                    Wait::Timeout(liveness) => {
                        found = liveness;
                        if has_died {
                            return Ok(found.name());
                        }
                    }
                    // Another thread wants to use the reader.
                    Wait::Interrupted => {}
                }
            }
            py.check_signals()?;
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Ok(found.name());
            }
        }
    }

    /// Whether there is something to read.
    fn is_ready(&self, py: Python<'_>) -> PyResult<bool> {
        self.shared.try_with(py, Takes::Moments, |inside| Ok(inside.reader.wait(Duration::ZERO)? == Wait::Ready))
    }

    /// dtype and frame shape of the ring that is read.
    fn format<'py>(&self, py: Python<'py>) -> PyResult<Option<(Bound<'py, PyAny>, Bound<'py, PyTuple>)>> {
        let arrays = self.shared.with(py, Takes::Moments, Inside::arrays)?;
        arrays.map(|arrays| Ok((arrays.dtype(py)?, arrays.shape(py)?))).transpose()
    }

    /// The description in force, and whether the one of the frames that were read last was missed.
    fn description<'py>(&self, py: Python<'py>) -> PyResult<(Option<Bound<'py, PyAny>>, bool)> {
        let (described, missed) =
            self.shared.with(py, Takes::Moments, |inside| (inside.described(), inside.reader.description_missed()))?;
        Ok((described.map(|described| described.python(py)).transpose()?, missed))
    }

    fn position(&self, py: Python<'_>) -> PyResult<Position> {
        self.shared.with(py, Takes::Moments, |inside| {
            let reader = &inside.reader;
            Position { generation: reader.generation(), position: reader.position(), lost: reader.lost() }
        })
    }

    /// Frames that are committed and not read, and seconds since the oldest of them was committed.
    fn lag(&self, py: Python<'_>) -> PyResult<(u64, f64)> {
        let lag = self.shared.with(py, Takes::Moments, |inside| inside.reader.lag())?;
        Ok((lag.frames, lag.time.as_secs_f64()))
    }

    /// State of the stream.
    fn state(&self, py: Python<'_>) -> PyResult<&'static str> {
        self.shared.try_with(py, Takes::Moments, |inside| Ok(inside.reader.liveness(inside.idle_after)?.name()))
    }

    fn info<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let (info, described) = self.shared.try_with(py, Takes::Moments, |inside| {
            let info = inside.reader.info()?;
            let described = inside.described();
            Ok((info, described))
        })?;
        info_to_python(py, &info, described.as_deref())
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.shared.close(py)
    }

    fn is_closed(&self) -> bool {
        self.shared.is_closed().unwrap_or(false)
    }

    fn after_fork(&self) {
        self.shared.after_fork();
    }
}

impl Reader {
    /// Calls `f`, and adds the events that it noticed to Python's list.
    fn notice<R: Send>(
        &self,
        py: Python<'_>,
        takes: Takes,
        f: impl FnOnce(&mut Inside) -> ring::Result<R> + Send,
    ) -> PyResult<R> {
        let (result, events) = self.shared.with(py, takes, |inside| {
            let result = f(inside);
            (result, inside.take_events())
        })?;
        self.keep(py, events)?;
        result.map_err(|error| raise(py, error))
    }

    fn keep(&self, py: Python<'_>, events: Vec<Noticed>) -> PyResult<()> {
        let Some(kept) = &self.events else { return Ok(()) };
        events.iter().try_for_each(|event| kept.bind(py).append(event.python(py)?))
    }

    /// Copies at most `frames` frames into new arrays with `copy`. `None`: another thread has moved the reader on.
    fn copy<'py>(
        &self,
        py: Python<'py>,
        arrays: &Arrays,
        frames: u64,
        copy: impl FnOnce(&mut ring::Reader, &mut [u8], &mut [f64]) -> ring::Result<Outcome<Copied>> + Send,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let (samples, times) = arrays.make(py, frames)?;
        let mut to = Destination::new(&samples, &times)?;
        let takes = to.takes();
        let (to_samples, to_times) = to.slices()?;
        let found = self.notice(py, takes, |inside| {
            if inside.reader.format() != Some(&arrays.format) {
                return Ok(None);
            }
            let outcome = copy(&mut inside.reader, to_samples, to_times)?;
            Ok(Some(outcome.map(|copied| inside.take(copied))))
        })?;
        match found {
            Some(Outcome::Data(taken)) => taken.chunk(py, samples, times, frames).map(Some),
            Some(other) => Ok(Some(word(py, other))),
            None => Ok(None),
        }
    }
}
