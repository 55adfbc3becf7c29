//! The reading half.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use dora_shm_ring as ring;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use ring::{Copied, Description, MessageInfo, Outcome, ReaderOptions, Start, Wait, WriterId};

use crate::buffers::{Memory, empty};
use crate::errors::raise;
use crate::info::{PythonFormat, format_to_python, info_to_python, state};
use crate::shared::{Shared, Takes};
use crate::view::View;

/// Longest sleep between two looks for a signal such as Ctrl-C.
const SLICE: Duration = Duration::from_millis(200);

/// `(stream_id, epoch)`
type Writer = (u64, u32);

/// An outcome, and with data the view, the description and whether it was missed, and the format.
type Lent = (u8, Option<View>, Option<Py<PyBytes>>, bool, Option<PythonFormat>);

/// What a read gave: one of the outcomes, and with data the arrays, the position of the first frame, the number of frames,
/// how many were lost before them, the generation, and `(first, frames, send_ns)` of each message as int64 numbers.
type Read<'py> = (
    u8,
    Option<Bound<'py, PyAny>>,
    Option<Bound<'py, PyAny>>,
    u64,
    u64,
    u64,
    u32,
    Option<Bound<'py, PyBytes>>,
    Option<Py<PyBytes>>,
    bool,
);

const DATA: u8 = 0;
const NOTHING: u8 = 1;
const GENERATION: u8 = 2;
const CLOSED: u8 = 3;

fn code(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Data(_) => DATA,
        Outcome::Nothing => NOTHING,
        Outcome::Generation => GENERATION,
        Outcome::Closed => CLOSED,
    }
}

#[pyclass(frozen, module = "dora_shm._dora_shm")]
pub struct Reader {
    shared: Shared<ring::Reader>,
    /// The JSON of the description that was asked for last: it is asked for with every read and changes rarely.
    converted: Mutex<Option<(Arc<Description>, Py<PyBytes>)>>,
}

/// A room for frames: memory of an array for the samples, and one for the times.
struct Room {
    samples: Memory,
    times: Memory,
}

impl Room {
    fn new(samples: &Bound<'_, PyAny>, times: &Bound<'_, PyAny>) -> PyResult<Self> {
        let (samples, times) = (Memory::of_writable(samples)?, Memory::of_writable(times)?);
        if samples.overlaps(&times) {
            return Err(PyValueError::new_err("samples and times in the same memory, expected arrays of their own"));
        }
        Ok(Self { samples, times })
    }
}

/// What is taken out of the library's reader beside the frames, while no other thread has it.
struct Taken {
    outcome: Outcome,
    copied: Copied,
    messages: Vec<MessageInfo>,
    description: Option<Arc<Description>>,
    missed: bool,
}

impl Taken {
    fn of(reader: &ring::Reader, outcome: Outcome, copied: Copied) -> Self {
        let mut messages = Vec::new();
        reader.messages(copied.first..copied.first + copied.frames, &mut messages);
        let (description, missed) = (reader.description().cloned(), reader.description_missed());
        Self { outcome, copied, messages, description, missed }
    }
}

impl Reader {
    fn convert(&self, py: Python<'_>, description: Option<Arc<Description>>) -> PyResult<Option<Py<PyBytes>>> {
        let Some(description) = description else { return Ok(None) };
        let cached = || self.converted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, converted)) = &*cached()
            && Arc::ptr_eq(of, &description)
        {
            return Ok(Some(converted.clone_ref(py)));
        }
        let converted = PyBytes::new(py, &description.to_json()).unbind();
        *cached() = Some((description, converted.clone_ref(py)));
        Ok(Some(converted))
    }

    fn give<'py>(
        &self,
        py: Python<'py>,
        taken: Taken,
        samples: Bound<'py, PyAny>,
        times: Bound<'py, PyAny>,
    ) -> PyResult<Read<'py>> {
        let Taken { outcome, copied, messages, description, missed } = taken;
        let Copied { first, frames, lost, generation } = copied;
        let messages = PyBytes::new_with(py, messages.len() * 24, |bytes| {
            for (message, bytes) in messages.iter().zip(bytes.chunks_exact_mut(24)) {
                bytes[..8].copy_from_slice(&message.first.to_ne_bytes());
                bytes[8..16].copy_from_slice(&message.frames.to_ne_bytes());
                bytes[16..].copy_from_slice(&message.send_ns.to_ne_bytes());
            }
            Ok(())
        })?;
        let description = self.convert(py, description)?;
        let (samples, times) = (Some(samples), Some(times));
        Ok((code(outcome), samples, times, first, frames, lost, generation, Some(messages), description, missed))
    }
}

fn without_data<'py>(outcome: u8) -> Read<'py> {
    (outcome, None, None, 0, 0, 0, 0, None, None, false)
}

#[pymethods]
impl Reader {
    /// `start` is "newest", "oldest" or "last", the last `last` frames.
    #[new]
    #[expect(clippy::too_many_arguments, reason = "they are Python's")]
    #[pyo3(signature = (name, start, last, owner, idle_after, max_bytes, each_description, spin))]
    fn new(
        py: Python<'_>,
        name: &str,
        start: &str,
        last: u64,
        owner: Option<u32>,
        idle_after: f64,
        max_bytes: Option<u64>,
        each_description: bool,
        spin: f64,
    ) -> PyResult<Self> {
        let start = match start {
            "oldest" => Start::Oldest,
            "last" => Start::Last(last),
            _ => Start::Newest,
        };
        let [idle_after, spin] =
            [idle_after, spin].map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX));
        let mut options = ReaderOptions::default()
            .start(start)
            .owner(owner)
            .idle_after(idle_after)
            .each_description(each_description)
            .spin(spin);
        options.max_ring_bytes = max_bytes.unwrap_or(options.max_ring_bytes);
        let mut reader = ring::Reader::open(name, options).map_err(|error| raise(py, error))?;
        let interrupter = reader.interrupter();
        Ok(Self { shared: Shared::new("reader", reader, Some(interrupter)), converted: Mutex::new(None) })
    }

    /// Copies what is new into new arrays, at most `max_frames` frames.
    #[pyo3(signature = (max_frames))]
    fn read<'py>(&self, py: Python<'py>, max_frames: u64) -> PyResult<Read<'py>> {
        let look = |reader: &mut ring::Reader| {
            let outcome = reader.advance()?;
            let format = reader.format().filter(|_| outcome.is_data());
            Ok((outcome, format.map(|format| (format.clone(), reader.unread()))))
        };
        loop {
            let (outcome, found) = self.shared.try_with(py, Takes::Moments, look)?;
            let Some((format, unread)) = found else { return Ok(without_data(code(outcome))) };
            let frames = unread.min(max_frames).min(format.frames());
            let (samples, times) = new_arrays(py, &format, frames)?;
            let mut room = Room::new(&samples, &times)?;
            let (to, at) = (room.samples.bytes_mut(), room.times.floats_mut()?);
            let taken = self.shared.with(py, Takes::to_copy(to.len()), |reader| {
                if reader.format() != Some(&format) {
                    // Another thread has moved on.
                    return Ok(None);
                }
                let (outcome, copied) = reader.read_into(to, at)?;
                Ok(Some(Taken::of(reader, outcome, copied)))
            })?;
            match taken.map_err(|error| raise(py, error))? {
                Some(taken) if taken.outcome == Outcome::Data(_) => return self.give(py, taken, samples, times),
                Some(taken) => return Ok(without_data(code(taken.outcome))),
                None => {}
            }
        }
    }

    /// Copies what is new into the arrays, as many frames as `times` holds, if it is of the generation `of`, for which the
    /// arrays are; with a position `from`, only what goes on from there without a gap. Another thread may have moved on.
    #[pyo3(signature = (samples, times, of, from_))]
    fn read_into<'py>(
        &self,
        py: Python<'py>,
        samples: Bound<'py, PyAny>,
        times: Bound<'py, PyAny>,
        of: Option<u32>,
        from_: Option<u64>,
    ) -> PyResult<Read<'py>> {
        let mut room = Room::new(&samples, &times)?;
        let (to, at) = (room.samples.bytes_mut(), room.times.floats_mut()?);
        let taken = self.shared.try_with(py, Takes::to_copy(to.len()), |reader| {
            if reader.generation() != of || from_.is_some_and(|from| reader.position() != from) {
                return Ok(None);
            }
            let read = if from_.is_some() { ring::Reader::continue_into } else { ring::Reader::read_into };
            let (outcome, copied) = read(reader, to, at)?;
            Ok(Some(Taken::of(reader, outcome, copied)))
        })?;
        match taken {
            Some(taken) if taken.outcome == Outcome::Data(_) => self.give(py, taken, samples, times),
            taken => Ok(without_data(taken.map_or(NOTHING, |taken| code(taken.outcome)))),
        }
    }

    /// Moves on to the next generation, or to the end, if nothing is left in this one.
    fn advance(&self, py: Python<'_>) -> PyResult<u8> {
        self.shared.try_with(py, Takes::Moments, ring::Reader::advance).map(code)
    }

    /// Follows the stream to its newest generation without reading, then copies its newest frames into new arrays: `frames`
    /// of them, or those of the newest `seconds`.
    #[pyo3(signature = (frames, seconds))]
    fn latest<'py>(&self, py: Python<'py>, frames: u64, seconds: Option<f64>) -> PyResult<Read<'py>> {
        let look = move |reader: &mut ring::Reader| {
            skip_to_newest(reader)?;
            let wanted = seconds.map_or(frames, |seconds| reader.frames_within(seconds));
            Ok(reader.format().map(|format| (format.clone(), wanted)))
        };
        loop {
            let Some((format, wanted)) = self.shared.try_with(py, Takes::Moments, look)? else {
                return Ok(without_data(NOTHING));
            };
            let (samples, times) = new_arrays(py, &format, wanted.min(format.frames()))?;
            let mut room = Room::new(&samples, &times)?;
            let (to, at) = (room.samples.bytes_mut(), room.times.floats_mut()?);
            let taken = self.shared.with(py, Takes::to_copy(to.len()), |reader| {
                if reader.format() != Some(&format) {
                    return Ok(None);
                }
                let copied = reader.latest_into(to, at)?;
                Ok(Some(Taken::of(reader, Outcome::Data, copied)))
            })?;
            if let Some(taken) = taken.map_err(|error| raise(py, error))? {
                return self.give(py, taken, samples, times);
            }
        }
    }

    /// Lends what is new in place, at most `max_frames` frames, with the description and whether it was missed.
    fn view(&self, py: Python<'_>, max_frames: u64) -> PyResult<Lent> {
        let (code, view, description, missed, format) = self.shared.try_with(py, Takes::Moments, |reader| {
            let (code, view) = match reader.view(max_frames)? {
                Outcome::Data(view) => (DATA, Some(View::new(view))),
                Outcome::Nothing => (NOTHING, None),
                Outcome::Generation => (GENERATION, None),
                Outcome::Closed => (CLOSED, None),
            };
            let format = reader.format().filter(|_| view.is_some()).map(format_to_python);
            Ok((code, view, reader.description().cloned(), reader.description_missed(), format))
        })?;
        Ok((code, view, self.convert(py, description)?, missed, format))
    }

    /// Takes a view back and moves behind it.
    fn finish(&self, py: Python<'_>, view: &View) -> PyResult<()> {
        let Some(view) = view.take() else { return Ok(()) };
        self.shared.with(py, Takes::Moments, |reader| {
            reader.finish(view);
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
            match self.shared.with_patience(py, slice, |reader| reader.wait(slice))? {
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

    /// Of a reader that has just begun at the oldest frames: moves on to those that are less than `seconds` older than the
    /// newest.
    fn skip_to_last(&self, py: Python<'_>, seconds: f64) -> PyResult<()> {
        self.shared.try_with(py, Takes::Moments, |reader| {
            // What comes in between is read, too.
            let unread = reader.unread();
            let mut passed = unread.saturating_sub(reader.frames_within(seconds));
            while passed > 0
                && let Outcome::Data(view) = reader.view(passed)?
            {
                passed = passed.saturating_sub(view.frames());
                reader.finish(view);
            }
            Ok(())
        })
    }

    /// Whether there is something to read.
    fn is_ready(&self, py: Python<'_>) -> PyResult<bool> {
        self.shared.try_with(py, Takes::Moments, |reader| Ok(reader.wait(Duration::ZERO)? == Wait::Ready))
    }

    fn format(&self, py: Python<'_>) -> PyResult<Option<PythonFormat>> {
        self.shared.with(py, Takes::Moments, |reader| reader.format().map(format_to_python))
    }

    fn description(&self, py: Python<'_>) -> PyResult<(Option<Py<PyBytes>>, bool)> {
        let (description, missed) = self
            .shared
            .with(py, Takes::Moments, |reader| (reader.description().cloned(), reader.description_missed()))?;
        Ok((self.convert(py, description)?, missed))
    }

    /// `(generation, position, lost)`
    fn cursor(&self, py: Python<'_>) -> PyResult<(Option<u32>, u64, u64)> {
        self.shared.with(py, Takes::Moments, |reader| (reader.generation(), reader.position(), reader.lost()))
    }

    /// Frames that are committed and not read, and seconds since the oldest of them was committed.
    fn lag(&self, py: Python<'_>) -> PyResult<(u64, f64)> {
        let lag = self.shared.with(py, Takes::Moments, |reader| reader.lag())?;
        Ok((lag.frames, lag.time.as_secs_f64()))
    }

    /// How the stream is, the writer that made the ring that is read, and the one that has the stream now.
    fn status(&self, py: Python<'_>, idle_after: f64) -> PyResult<(&'static str, Option<Writer>, Option<Writer>)> {
        let idle_after = Duration::try_from_secs_f64(idle_after).unwrap_or(Duration::MAX);
        self.shared.try_with(py, Takes::Moments, |reader| {
            let id = |writer: WriterId| (writer.stream_id, writer.epoch);
            let liveness = reader.liveness(idle_after)?;
            Ok((state(liveness), reader.writer_of_ring().map(id), reader.newest_writer().map(id)))
        })
    }

    fn info<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let info = self.shared.try_with(py, Takes::Moments, |reader| reader.info())?;
        info_to_python(py, &info)
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

fn new_arrays<'py>(
    py: Python<'py>,
    format: &ring::Format,
    frames: u64,
) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
    let shape = std::iter::once(frames).chain(format.frame_shape().iter().copied()).collect();
    Ok((empty(py, shape, format.dtype().name())?, empty(py, vec![frames], "float64")?))
}

/// Passes everything but the newest generation, and in that everything, without copying.
fn skip_to_newest(reader: &mut ring::Reader) -> ring::Result<()> {
    // A writer that is always ahead is not chased for ever.
    for _ in 0..16 {
        match reader.view(u64::MAX)? {
            Outcome::Data(view) => {
                reader.finish(view);
            }
            Outcome::Generation | Outcome::Closed => {}
            Outcome::Nothing => break,
        }
    }
    Ok(())
}
