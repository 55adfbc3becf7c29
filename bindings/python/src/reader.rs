//! The reading half.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dora_shm_ring as ring;
use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PySlice, PyTuple, PyType};
use ring::{Copied, MessageInfo, Outcome, ReaderOptions, Start, ViewOutcome, Wait, WriterId};

use crate::buffers::Memory;
use crate::describe::{Arrays, Described};
use crate::errors::raise;
use crate::info::{info_to_python, state};
use crate::shared::{Shared, Takes};
use crate::view::View;

/// Longest sleep between two looks for a signal such as Ctrl-C.
const SLICE: Duration = Duration::from_millis(200);

/// `(stream_id, epoch)`
type Writer = (u64, u32);

/// Python's word for an outcome that brought no frames.
fn word(py: Python<'_>, outcome: Outcome) -> Bound<'_, PyAny> {
    let word = match outcome {
        Outcome::Data => intern!(py, "data"),
        Outcome::Nothing => intern!(py, "nothing"),
        Outcome::Generation => intern!(py, "generation"),
        Outcome::Closed => intern!(py, "closed"),
    };
    word.clone().into_any()
}

fn copied((outcome, copied): (Outcome, Copied)) -> Result<Copied, Outcome> {
    if outcome == Outcome::Data { Ok(copied) } else { Err(outcome) }
}

#[pyclass(frozen, module = "dora_shm._dora_shm")]
pub struct Reader {
    shared: Shared<Inside>,
}

struct Inside {
    reader: ring::Reader,
    /// How numpy stores frames of the ring that was looked at last.
    arrays: Option<Arc<Arrays>>,
    /// The description that was held last. It is asked for with every read and changes rarely.
    described: Option<Arc<Described>>,
}

/// Where frames are copied to: memory of one array for the samples, and of one for the times.
struct Destination {
    samples: Memory,
    times: Memory,
}

impl Destination {
    fn new(samples: &Bound<'_, PyAny>, times: &Bound<'_, PyAny>) -> PyResult<Self> {
        let (samples, times) = (Memory::of_writable(samples)?, Memory::of_writable(times)?);
        if samples.overlaps(&times) {
            return Err(PyValueError::new_err("samples and times share memory, expected separate arrays"));
        }
        Ok(Self { samples, times })
    }

    fn takes(&self) -> Takes {
        Takes::to_copy(self.samples.length())
    }

    fn slices(&mut self) -> PyResult<(&mut [u8], &mut [f64])> {
        Ok((self.samples.bytes_mut(), self.times.floats_mut()?))
    }
}

/// Frames that were copied, and what the reader knew of them at that moment, when no other thread could move it.
struct Taken {
    copied: Copied,
    messages: Vec<MessageInfo>,
    described: Option<Arc<Described>>,
    missed: bool,
}

impl Taken {
    /// Python's `Chunk`, of arrays that may have room for more frames.
    fn chunk<'py>(
        self,
        py: Python<'py>,
        mut samples: Bound<'py, PyAny>,
        mut times: Bound<'py, PyAny>,
        room: u64,
    ) -> PyResult<Bound<'py, PyAny>> {
        let Copied { first, frames, lost, generation, .. } = self.copied;
        if frames < room {
            let used = PySlice::new(py, 0, frames as isize, 1);
            (samples, times) = (samples.get_item(&used)?, times.get_item(&used)?);
        }
        let messages = PyBytes::new_with(py, self.messages.len() * 24, |bytes| {
            for (message, bytes) in self.messages.iter().zip(bytes.chunks_exact_mut(24)) {
                bytes[..8].copy_from_slice(&message.first.to_ne_bytes());
                bytes[8..16].copy_from_slice(&message.frames.to_ne_bytes());
                bytes[16..].copy_from_slice(&message.send_ns.to_ne_bytes());
            }
            Ok(())
        })?;
        let description = self.described.map(|described| described.python(py)).transpose()?;
        chunk_class(py)?.call1((samples, times, first, lost, generation, description, self.missed, messages))
    }
}

fn chunk_class(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    static CHUNK: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    CHUNK.import(py, "dora_shm._chunk", "Chunk")
}

impl Inside {
    fn arrays(&mut self) -> Option<Arc<Arrays>> {
        let format = self.reader.format()?;
        if self.arrays.as_ref().is_none_or(|arrays| arrays.format != *format) {
            self.arrays = Some(Arc::new(Arrays::new(format.clone())));
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

    /// How many frames there are to read, and the arrays for them; or what there is instead. It polls only when there are
    /// none: whoever reads then polls.
    fn look(&mut self) -> ring::Result<Result<(Arc<Arrays>, u64), Outcome>> {
        if self.reader.unread() == 0 {
            let outcome = self.reader.advance()?;
            if outcome != Outcome::Data {
                return Ok(Err(outcome));
            }
        }
        let unread = self.reader.unread();
        Ok(self.arrays().map(|arrays| (arrays, unread)).ok_or(Outcome::Nothing))
    }

    fn take(&mut self, copied: Copied) -> Taken {
        let mut messages = Vec::new();
        self.reader.messages(copied.first..copied.first + copied.frames, &mut messages);
        Taken { copied, messages, described: self.described(), missed: self.reader.description_missed() }
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
    #[pyo3(signature = (name, start, owner, idle_after, max_bytes, each_description, spin))]
    fn new(
        py: Python<'_>,
        name: &str,
        start: Begin,
        owner: Option<u32>,
        idle_after: f64,
        max_bytes: Option<u64>,
        each_description: bool,
        spin: f64,
    ) -> PyResult<Self> {
        let [idle_after, spin] =
            [idle_after, spin].map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX));
        let mut options = ReaderOptions { owner, idle_after, each_description, spin, ..ReaderOptions::default() };
        options.start = match &start {
            Begin::Frames(frames) => Start::Last(*frames),
            Begin::Word(word) if word == "newest" => Start::Newest,
            Begin::Word(_) | Begin::Seconds(_) => Start::Oldest,
        };
        options.max_ring_bytes = max_bytes.unwrap_or(options.max_ring_bytes);
        let mut reader = ring::Reader::open(name, options).map_err(|error| raise(py, error))?;
        if let Begin::Seconds(seconds) = start {
            skip_to_last(&mut reader, seconds).map_err(|error| raise(py, error))?;
        }
        let interrupter = reader.interrupter();
        let inside = Inside { reader, arrays: None, described: None };
        Ok(Self { shared: Shared::new("reader", inside, Some(interrupter)) })
    }

    /// Copies new frames into new arrays, at most `max_frames`. Returns a `Chunk`; or "nothing", "generation" or "closed".
    #[pyo3(signature = (max_frames))]
    fn read<'py>(&self, py: Python<'py>, max_frames: u64) -> PyResult<Bound<'py, PyAny>> {
        loop {
            let (arrays, unread) = match self.shared.try_with(py, Takes::Moments, Inside::look)? {
                Ok(found) => found,
                Err(outcome) => return Ok(word(py, outcome)),
            };
            let frames = unread.min(max_frames).min(arrays.format.frames());
            let read = |reader: &mut ring::Reader, samples: &mut [u8], times: &mut [f64]| {
                reader.read_into(samples, times).map(copied)
            };
            if let Some(found) = self.copy(py, &arrays, frames, read)? {
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
        let taken = self.shared.try_with(py, takes, |inside| {
            let reader = &mut inside.reader;
            if reader.generation() != of {
                return Ok(None);
            }
            if from_.is_some_and(|from| reader.position() != from) {
                return Ok(Some(Err(Outcome::Nothing)));
            }
            let read = if from_.is_some() { ring::Reader::continue_into } else { ring::Reader::read_into };
            let copied = copied(read(reader, to_samples, to_times)?);
            Ok(Some(copied.map(|copied| inside.take(copied))))
        })?;
        match taken {
            Some(Ok(taken)) => taken.chunk(py, samples, times, room),
            Some(Err(outcome)) => Ok(word(py, outcome)),
            None => Ok(intern!(py, "stale").clone().into_any()),
        }
    }

    /// A `Chunk` of no frames, at the reader's position; its samples are `samples`, or a new array.
    #[pyo3(signature = (samples=None))]
    fn empty<'py>(&self, py: Python<'py>, samples: Option<Bound<'py, PyAny>>) -> PyResult<Bound<'py, PyAny>> {
        let (arrays, described, missed, generation, position) = self.shared.with(py, Takes::Moments, |inside| {
            let (generation, position) = (inside.reader.generation(), inside.reader.position());
            // After the end of a stream: arrays as before.
            let arrays = inside.arrays().or_else(|| inside.arrays.clone());
            (arrays, inside.described(), inside.reader.description_missed(), generation, position)
        })?;
        let (made, times) = match &arrays {
            Some(arrays) => arrays.make(py, 0)?,
            None => Arrays::unknown(py)?,
        };
        let description = described.map(|described| described.python(py)).transpose()?;
        let samples = samples.unwrap_or(made);
        chunk_class(py)?.call1((samples, times, position, 0, generation, description, missed, PyBytes::new(py, &[])))
    }

    /// Moves on to the next generation, or to the end, if nothing is left in this one. Returns as `read`, or "data".
    fn advance<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let outcome = self.shared.try_with(py, Takes::Moments, |inside| inside.reader.advance())?;
        Ok(word(py, outcome))
    }

    /// Follows the stream to its newest generation without reading, then copies its newest frames into new arrays: `frames`
    /// of them, or those of the newest `seconds`. Returns a `Chunk`, or "nothing" before the first ring.
    #[pyo3(signature = (frames, seconds))]
    fn latest<'py>(&self, py: Python<'py>, frames: u64, seconds: Option<f64>) -> PyResult<Bound<'py, PyAny>> {
        loop {
            let found = self.shared.try_with(py, Takes::Moments, |inside| {
                skip_to_newest(&mut inside.reader)?;
                let wanted = seconds.map_or(frames, |seconds| inside.reader.frames_within(seconds));
                Ok(inside.arrays().map(|arrays| (arrays, wanted)))
            })?;
            let Some((arrays, wanted)) = found else { return Ok(word(py, Outcome::Nothing)) };
            let frames = wanted.min(arrays.format.frames());
            let latest = |reader: &mut ring::Reader, samples: &mut [u8], times: &mut [f64]| {
                reader.latest_into(samples, times).map(Ok)
            };
            if let Some(chunk) = self.copy(py, &arrays, frames, latest)? {
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
                reader.read_at_into(start, samples, times).map(Ok)
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
        let found = self.shared.try_with(py, Takes::Moments, |inside| {
            let view = match inside.reader.view(max_frames)? {
                ViewOutcome::Frames(view) => view,
                ViewOutcome::Nothing => return Ok(Err(Outcome::Nothing)),
                ViewOutcome::Generation => return Ok(Err(Outcome::Generation)),
                ViewOutcome::Closed => return Ok(Err(Outcome::Closed)),
            };
            let missed = inside.reader.description_missed();
            Ok(Ok(View::new(view, inside.arrays(), inside.described(), missed)))
        })?;
        match found {
            Ok(view) => Ok(Bound::new(py, view)?.into_any()),
            Err(outcome) => Ok(word(py, outcome)),
        }
    }

    /// Takes a view back and moves behind it.
    fn finish(&self, py: Python<'_>, view: &View) -> PyResult<()> {
        let Some(view) = view.take() else { return Ok(()) };
        self.shared.with(py, Takes::Moments, |inside| {
            inside.reader.finish(view);
        })
    }

    /// Sleeps until there is something to read, at most `seconds`, or until a signal's handler raises: "ready", or how the
    /// stream is. Unless it is known that the writer is dead, its death ends it early.
    fn wait(&self, py: Python<'_>, seconds: Option<f64>, death_is_known: bool) -> PyResult<&'static str> {
        let seconds = seconds.map(|seconds| Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX));
        let deadline = seconds.and_then(|seconds| Instant::now().checked_add(seconds));
        let mut found = ring::Liveness::Absent;
        loop {
            let left = deadline.map_or(SLICE, |deadline| deadline.saturating_duration_since(Instant::now()));
            let slice = left.min(SLICE);
            match self.shared.with_patience(py, slice, |inside| inside.reader.wait(slice))? {
                Some(Wait::Ready) => return Ok("ready"),
                Some(Wait::Quiet(liveness)) => {
                    found = liveness;
                    if liveness == ring::Liveness::Dead && !death_is_known {
                        return Ok(state(liveness));
                    }
                }
                // Another thread wanted the reader, or has it.
                Some(Wait::Interrupted) | None => {}
            }
            py.check_signals()?;
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Ok(state(found));
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

    /// How the stream is, the writer that made the ring that is read, and the one that has the stream now.
    fn status(&self, py: Python<'_>, idle_after: f64) -> PyResult<(&'static str, Option<Writer>, Option<Writer>)> {
        let idle_after = Duration::try_from_secs_f64(idle_after).unwrap_or(Duration::MAX);
        self.shared.try_with(py, Takes::Moments, |inside| {
            let reader = &inside.reader;
            let id = |writer: WriterId| (writer.stream_id, writer.epoch);
            let liveness = reader.liveness(idle_after)?;
            Ok((state(liveness), reader.writer_of_ring().map(id), reader.newest_writer().map(id)))
        })
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
    /// Copies at most `frames` frames into new arrays with `copy`. `None`: another thread has moved the reader on.
    fn copy<'py>(
        &self,
        py: Python<'py>,
        arrays: &Arrays,
        frames: u64,
        copy: impl FnOnce(&mut ring::Reader, &mut [u8], &mut [f64]) -> ring::Result<Result<Copied, Outcome>> + Send,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let (samples, times) = arrays.make(py, frames)?;
        let mut to = Destination::new(&samples, &times)?;
        let takes = to.takes();
        let (to_samples, to_times) = to.slices()?;
        let taken = self.shared.try_with(py, takes, |inside| {
            if inside.reader.format() != Some(&arrays.format) {
                return Ok(None);
            }
            let copied = copy(&mut inside.reader, to_samples, to_times)?;
            Ok(Some(copied.map(|copied| inside.take(copied))))
        })?;
        match taken {
            Some(Ok(taken)) => taken.chunk(py, samples, times, frames).map(Some),
            Some(Err(outcome)) => Ok(Some(word(py, outcome))),
            None => Ok(None),
        }
    }
}

/// Moves a reader that has just begun at the oldest frame on to the frames that are less than `seconds` older than the
/// newest.
fn skip_to_last(reader: &mut ring::Reader, seconds: f64) -> ring::Result<()> {
    // Frames that are written meanwhile are read, too.
    let unread = reader.unread();
    let mut passed = unread.saturating_sub(reader.frames_within(seconds));
    while passed > 0
        && let ViewOutcome::Frames(view) = reader.view(passed)?
    {
        passed = passed.saturating_sub(view.frames());
        reader.finish(view);
    }
    Ok(())
}

/// Passes everything but the newest generation, and in that everything, without copying.
fn skip_to_newest(reader: &mut ring::Reader) -> ring::Result<()> {
    // A writer that is always ahead is not chased for ever.
    for _ in 0..16 {
        match reader.view(u64::MAX)? {
            ViewOutcome::Frames(view) => {
                reader.finish(view);
            }
            ViewOutcome::Generation | ViewOutcome::Closed => {}
            ViewOutcome::Nothing => break,
        }
    }
    Ok(())
}
