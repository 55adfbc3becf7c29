//! A stream that ezmsg wrote (struct versions 1 and 2) as a cursor's source, read as far as its format allows.
//!
//! Such a stream has no `reserved`, no records, no wake word, no lock and no final position. Their substitutes:
//!
//! - **Position**: computed from the header's index and laps, which are read until two reads agree
//!   ([`Track`](super::seen::Track)).
//! - **Check of a copy**: another poll after the copy; frames that the writer may have reached since are lost. Frames
//!   in the older half of the ring, which the writer reaches next, are copied twice, and both copies must be equal. A
//!   torn frame is still possible: a writer that is stopped in the middle of a frame appears to be idle.
//! - **Records**: made here. The frames that one poll finds are a message, sent when they were found.
//! - **Waiting**: polling, at intervals that grow while nothing is new.
//! - **End**: the public name is gone and the header is not valid. Another file under that name is the next stream.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::{Duration, Instant};

use super::files::{HeaderFile, Name, RingFile, read_pickle};
use super::metadata;
use super::seen::{Seen, is_read};
use crate::frames::view::View;
use crate::frames::{AlignedBytes, Frames};
use crate::layout::{Record, header};
use crate::protocol::cursor::{Beginning, Came, Ends, RingFacts, Source, Stand, Start, Status, Unit, Update};
use crate::protocol::{Committed, Snapshot};
use crate::shm;
use crate::shm::open::{Owner, corrupt};
use crate::stream::{Liveness, WriterId};
use crate::{Description, Error, Format, Result};

/// Time between two checks of the public name.
const NAME_PAUSE: Duration = Duration::from_millis(50);

/// A stream has ended once its name has been gone and its header not valid for this long. A shorter time proves
/// nothing: a mirror may have removed the name at its end, while the writer is making its next ring.
const GRACE: Duration = Duration::from_millis(250);

/// Shortest and longest pause between two polls. In between, the pause is an eighth of the time without an update:
/// short compared with the time waited so far, and at most 50 polls per second for a quiet stream.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

/// Longest message, in bytes: short enough not to be overwritten soon, and not to need much memory.
const MESSAGE_BYTES: u64 = 1 << 20;

/// The least number of records that are kept.
const RECORDS: u64 = 1024;

/// How often a copy is tried that the writer may overtake.
const TIMES_TRIED: usize = 4;

/// A stream that ezmsg wrote.
pub(crate) struct EzmsgStream {
    name: String,
    max_ring_bytes: u64,
    header: HeaderFile,
    ring: Option<RingFile>,
    /// The newest header that was read consistently.
    seen: Option<Seen>,
    /// Whether the last poll found the header valid.
    valid: bool,
    /// Frames of the earlier generations, as far as they were seen.
    base: u64,
    /// When, and at which position, the reader entered the ring.
    entered: (Instant, u64),
    /// When the position last advanced.
    last_update: Instant,
    records: Records,
    refused: Option<String>,
    left_out: Vec<String>,
    name_checked: Instant,
    /// Since when the name has been gone and the header not valid.
    ended_since: Option<Instant>,
    end: Option<End>,
}

/// Facts about a stream that ezmsg wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EzmsgInfo {
    /// 1: ezmsg-tools 0.6, whose frames have no times. 2: ezmsg-tools 0.10.
    pub struct_version: u32,
    /// The signal's key in the header, if it can be decoded.
    pub key: Option<String>,
    /// Why the description in force cannot be read; `None` if it was read, or if there is none.
    pub refused: Option<String>,
    /// Parts of that description which a [`Description`] cannot represent, each with its name and its type.
    pub left_out: Vec<String>,
}

/// Facts about a stream.
pub(crate) struct Facts {
    pub segment: String,
    /// User ID of the writer.
    pub owner: u32,
    pub ring_bytes: Option<u64>,
    /// Frames written in this generation.
    pub position: u64,
    /// Frames written since the start of the generation in which the reader attached, as far as they were seen.
    pub stream_position: u64,
    /// Frames per second since the reader entered the ring.
    pub measured_rate_hz: Option<f64>,
    pub info: EzmsgInfo,
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Closed,
    /// Another stream has its name.
    Replaced,
}

/// The newest messages of one ring, as polls found them.
#[derive(Default)]
struct Records {
    /// Number of the oldest message kept.
    first: u64,
    kept: VecDeque<Record>,
    /// Position behind the newest message.
    end: u64,
    most: u64,
}

impl Records {
    /// The records of a ring that is read from `position` on.
    fn new(position: u64, most: u64) -> Self {
        Self { first: 0, kept: VecDeque::new(), end: position, most }
    }

    fn next(&self) -> u64 {
        self.first + self.kept.len() as u64
    }

    /// Records that a poll found everything up to `position`, when frames before `oldest` had been overwritten.
    fn found(&mut self, position: u64, oldest: u64, longest: u64, meta_generation: u32) {
        let (send_ns, mono_ns) = (shm::unix_ns(), shm::monotonic_ns());
        // Frames that were overwritten before they were found are left out: they would make a message of any length.
        let mut first = self.end.max(oldest);
        while first < position {
            let frames = longest.min(position - first);
            if self.kept.len() as u64 == self.most {
                self.kept.pop_front();
                self.first += 1;
            }
            self.kept.push_back(Record { first, frames, send_ns, mono_ns, meta_generation, flags: 0 });
            first += frames;
        }
        self.end = self.end.max(position);
    }

    fn get(&self, chunk: u64) -> Option<Record> {
        self.kept.get(chunk.checked_sub(self.first)? as usize).copied()
    }
}

impl EzmsgStream {
    /// Opens the stream `name`, if ezmsg wrote it in a supported version; `None`: it is gone.
    ///
    /// # Errors
    /// [`Error::Ezmsg`] if its struct version is not supported; those of opening a segment.
    pub fn open(name: &str, owner: Owner, max_ring_bytes: u64) -> Result<Option<Self>> {
        let Some(header) = HeaderFile::open(name, owner)? else { return Ok(None) };
        let now = Instant::now();
        Ok(Some(Self {
            name: name.to_owned(),
            max_ring_bytes,
            header,
            ring: None,
            seen: None,
            valid: false,
            base: 0,
            entered: (now, 0),
            last_update: now,
            records: Records::default(),
            refused: None,
            left_out: Vec::new(),
            name_checked: now,
            ended_since: None,
            end: None,
        }))
    }

    /// The stream's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether an error means that ezmsg wrote the stream, in a supported version.
    pub fn can_read(error: &Error) -> bool {
        matches!(error, Error::Ezmsg { struct_version, .. } if is_read(*struct_version))
    }

    /// Pause until the next poll, since ezmsg's writer does not wake readers.
    pub fn pause(&self) -> Duration {
        (self.last_update.elapsed() / 8).clamp(SHORTEST_PAUSE, LONGEST_PAUSE)
    }

    /// Format of the ring that is read.
    pub fn ring_format(&self) -> Option<&Format> {
        self.ring.as_ref().map(|ring| &ring.layout.format)
    }

    /// Reads the header and takes in what is new; `None`: it could not be read consistently.
    fn poll(&mut self) -> Result<Option<Seen>> {
        let Some(seen) = self.header.poll()? else { return Ok(None) };
        self.valid = seen.is_valid();
        self.seen = Some(seen);
        if let Some(ring) = &mut self.ring
            && seen.generation() == Some(ring.generation)
        {
            let position = ring.track.poll(&seen).map_err(|reason| corrupt(&self.header.segment, reason))?;
            if ring.track.advance(position) {
                self.last_update = Instant::now();
                self.note_found();
            }
        }
        Ok(Some(seen))
    }

    /// Records the frames since the last poll as a message, or as several if they are many.
    fn note_found(&mut self) {
        let Some(ring) = &self.ring else { return };
        let longest = longest_message(ring);
        let position = ring.track.position();
        let meta_generation = self.seen.as_ref().map_or(0, Seen::meta_generation);
        self.records.found(position, position.saturating_sub(ring.layout.frames), longest, meta_generation);
    }

    /// Checks whether the stream has ended, or another one has its name; called while nothing is new.
    fn check_name(&mut self) -> Result<()> {
        let now = Instant::now();
        if self.end.is_some() || now.duration_since(self.name_checked) < NAME_PAUSE {
            return Ok(());
        }
        self.name_checked = now;
        let name = self.header.name()?;
        let ended = name == Name::Gone && !self.valid;
        self.ended_since = if ended { Some(self.ended_since.unwrap_or(now)) } else { None };
        let over = name == Name::Replaced || self.ended_since.is_some_and(|since| now.duration_since(since) >= GRACE);
        if over {
            // The end is reported as closed only if the writer ended cleanly.
            self.end = Some(if self.valid { End::Replaced } else { End::Closed });
        }
        Ok(())
    }

    /// The writer's current position.
    fn position(&self) -> u64 {
        let Some(ring) = &self.ring else { return 0 };
        let seen = self.header.poll().ok().flatten().filter(|seen| seen.generation() == Some(ring.generation));
        let now = seen.and_then(|seen| ring.track.poll(&seen).ok().flatten());
        now.unwrap_or(ring.track.position()).max(ring.track.position())
    }

    /// State of the stream, as far as it can be known: that it exists, or that it was closed.
    pub fn poll_liveness(&self) -> Result<Liveness> {
        let gone = self.header.name()? != Name::Mine && !self.valid;
        Ok(match (gone, self.ring.is_some()) {
            (false, _) => Liveness::Ezmsg,
            (true, true) => Liveness::Closed,
            (true, false) => Liveness::Absent,
        })
    }

    /// Facts about the stream, except its liveness and description.
    pub fn facts(&self) -> Result<Facts> {
        let seen = self.header.poll()?;
        let position = self.position();
        let (since, from) = self.entered;
        let seconds = self.last_update.duration_since(since).as_secs_f64();
        let frames = position.saturating_sub(from) as f64;
        Ok(Facts {
            segment: self.header.segment.clone(),
            owner: self.header.owner,
            ring_bytes: self.ring.as_ref().map(|ring| ring.layout.length),
            position,
            stream_position: self.base.saturating_add(position),
            measured_rate_hz: (seconds > 0.0 && frames > 0.0).then(|| frames / seconds),
            info: EzmsgInfo {
                struct_version: self.header.struct_version,
                key: seen.and_then(|seen| seen.key()),
                refused: self.refused.clone(),
                left_out: self.left_out.clone(),
            },
        })
    }

    /// Copies one piece, and returns the position from which it is whole.
    fn copy_piece(&mut self, piece: &Range<u64>, times: &mut [f64], samples: &mut [u8]) -> Result<u64> {
        let Some(ring) = &mut self.ring else { return Ok(piece.end) };
        let (ring_frames, frame_bytes) = (ring.layout.frames, ring.layout.frame_bytes);
        ring.check_backing(piece.end)?;
        ring.copy_samples(piece, samples)?;
        ring.copy_times(piece, times)?;
        // The writer may overwrite these frames long before its position shows that.
        let is_old = piece.start + ring_frames / 2 < ring.track.position();
        let mut whole = piece.start;
        if is_old {
            let mut again = AlignedBytes::default();
            again.set_length(samples.len());
            ring.copy_samples(piece, again.as_mut_slice())?;
            whole += frames_that_differ(samples, again.as_slice(), frame_bytes);
        }
        let now = self.header.poll()?.filter(|seen| seen.generation() == Some(ring.generation));
        let now = now.and_then(|seen| ring.track.poll(&seen).ok().flatten());
        Ok(match now {
            Some(now) => {
                if ring.track.advance(Some(now)) {
                    self.last_update = Instant::now();
                    self.note_found();
                }
                whole.max(now.saturating_sub(ring_frames))
            }
            // The header cannot be read at the moment. Since it could, the writer is unlikely to have written half a
            // ring.
            None if is_old => piece.end,
            None => whole,
        }
        .min(piece.end))
    }
}

/// The most frames of a message.
fn longest_message(ring: &RingFile) -> u64 {
    (MESSAGE_BYTES / ring.layout.frame_bytes).min(ring.layout.frames / 2).max(1)
}

/// The number of frames up to and including the last one that differs.
fn frames_that_differ(a: &[u8], b: &[u8], frame_bytes: u64) -> u64 {
    let frame_bytes = frame_bytes as usize;
    let mut frames = a.chunks_exact(frame_bytes).zip(b.chunks_exact(frame_bytes));
    frames.rposition(|(a, b)| a != b).map_or(0, |last| last as u64 + 1)
}

impl Source for EzmsgStream {
    type View = View;

    fn find_stream(&mut self) -> Result<bool> {
        Ok(true)
    }

    fn let_go(&mut self) {
        self.ring = None;
        self.end = Some(End::Replaced);
    }

    fn status(&mut self) -> Result<Status> {
        self.poll()?;
        let generation = self.seen.as_ref().filter(|_| self.valid).and_then(Seen::generation);
        if generation.is_none() || self.ring.is_none() {
            self.check_name()?;
        }
        Ok(Status { closed: self.end == Some(End::Closed), generation })
    }

    fn open_ring(&mut self, generation: u32) -> Result<bool> {
        let Some(seen) = self.seen.filter(|seen| seen.generation() == Some(generation)) else { return Ok(false) };
        let Some(mut ring) = RingFile::open(&self.name, &self.header, &seen, self.max_ring_bytes)? else {
            return Ok(false);
        };
        ring.check_backing(ring.track.position())?;
        if let Some(old) = &self.ring {
            // Frames that the old ring received after the last poll are unknown.
            self.base = self.base.saturating_add(old.track.position());
        }
        self.entered = (Instant::now(), ring.track.position());
        self.last_update = self.entered.0;
        self.ring = Some(ring);
        Ok(true)
    }

    /// ezmsg keeps no rings.
    fn open_kept(&mut self, _generation: u32, _stand: Stand) -> Result<bool> {
        Ok(false)
    }

    fn could_open_kept(&self, _generation: u32, _stand: Stand) -> bool {
        false
    }

    fn could_open(&self, generation: u32) -> bool {
        let Some(seen) = self.seen.filter(|seen| seen.generation() == Some(generation)) else { return true };
        !matches!(RingFile::open(&self.name, &self.header, &seen, self.max_ring_bytes), Ok(None))
    }

    fn is_gone(&self) -> bool {
        self.end.is_some()
    }

    fn final_position(&self) -> Option<u64> {
        None
    }

    fn wake(&self) -> Option<u32> {
        None
    }

    /// Each writer has its own header.
    fn ring_writer(&self) -> Option<WriterId> {
        self.ring.as_ref().map(|_| WriterId { stream_id: self.header.number(), epoch: 1 })
    }

    fn newest_writer(&self) -> Option<WriterId> {
        self.ring_writer()
    }

    fn is_younger_than(&self, _came: &Came) -> bool {
        true
    }

    fn ring(&self) -> Option<RingFacts> {
        self.ring.as_ref().map(|ring| RingFacts {
            generation: ring.generation,
            base: self.base,
            frames: ring.layout.frames,
            frame_bytes: ring.layout.frame_bytes,
            records: self.records.most,
            meta_generation: self.newest_description().unwrap_or(0),
        })
    }

    /// Counts frames even for a cursor over messages, since such a stream does not record its messages.
    fn beginning(&self, start: Start, _unit: Unit) -> Option<Beginning> {
        let ring = self.ring.as_ref()?;
        let (committed, ring_frames) = (ring.track.position(), ring.layout.frames);
        Some(Ends { oldest: committed.saturating_sub(ring_frames), committed, ring_frames }.beginning(start))
    }

    fn begin_at(&mut self, position: u64) {
        let Some(ring) = &self.ring else { return };
        self.records = Records::new(position, RECORDS.max(ring.layout.frames / longest_message(ring) + 2));
        self.note_found();
    }

    fn update(&mut self, is_new: impl Fn(Committed) -> bool) -> Result<Update> {
        let seen = self.poll()?;
        let Some(ring) = &self.ring else {
            return Err(self.corrupt_header("the cursor has a header and no ring".to_owned()));
        };
        let mine = ring.generation;
        let committed = Committed { frames: ring.track.position(), chunks: self.records.next() };
        let snapshot = |state, generation| Update::Nothing(Snapshot { wake: 0, state, generation, committed });
        if let Some(other) = seen.filter(Seen::is_valid).and_then(|seen| seen.generation()).filter(|&now| now != mine) {
            return Ok(snapshot(header::STATE_OPEN, other));
        }
        if is_new(committed) {
            return Ok(Update::Committed(committed));
        }
        self.check_name()?;
        Ok(match self.end {
            None => snapshot(header::STATE_OPEN, mine),
            Some(End::Closed) => snapshot(header::STATE_CLOSED, mine),
            Some(End::Replaced) => Update::Replaced(committed),
        })
    }

    fn committed(&self) -> u64 {
        self.position()
    }

    fn described(&self) -> u32 {
        self.newest_description().unwrap_or(0)
    }

    fn held(&self) -> Range<u64> {
        let Some(ring) = &self.ring else { return 0..0 };
        let end = self.position();
        end.saturating_sub(ring.layout.frames)..end
    }

    fn chunks(&self) -> Range<u64> {
        self.records.first..self.records.next()
    }

    fn record(&self, chunk: u64) -> Option<Record> {
        self.records.get(chunk)
    }

    fn copy_whole(
        &mut self,
        positions: &Range<u64>,
        _committed: u64,
        times: &mut [f64],
        samples: &mut [u8],
    ) -> Result<u64> {
        self.copy_piece(positions, times, samples)
    }

    fn copy_times_whole(&self, positions: &Range<u64>, times: &mut [f64]) -> Option<u64> {
        self.ring.as_ref()?.copy_times(positions, times).ok()?;
        Some(positions.start)
    }

    /// Lends a copy, which does not change.
    fn lend(&mut self, positions: &Range<u64>) -> Result<Option<View>> {
        let Some((frame_bytes, token)) = self.ring.as_ref().map(|ring| (ring.layout.frame_bytes, ring.token.clone()))
        else {
            return Ok(None);
        };
        let mut wanted = positions.clone();
        for _ in 0..TIMES_TRIED {
            let mut frames = Frames::new();
            frames.set_frames(wanted.end - wanted.start, frame_bytes);
            let whole = self.copy_piece(&wanted, &mut frames.times, frames.samples.as_mut_slice())?;
            if whole == wanted.start {
                let Some(ring) = &self.ring else { break };
                frames.set_place(wanted.start, ring.generation, &ring.layout.format);
                return Ok(Some(View::of_copy(frames, token)));
            }
            wanted.start = whole;
            if wanted.is_empty() {
                break;
            }
        }
        Ok(None)
    }

    fn lent(view: &View) -> Range<u64> {
        view.range()
    }

    fn judge(&self, view: &View) -> Option<u64> {
        view.is_copy_of(&self.ring.as_ref()?.token).then_some(view.range().start)
    }

    fn newest_description(&self) -> Option<u32> {
        self.seen.as_ref().map(Seen::meta_generation)
    }

    /// Refusing a pickle does not affect the samples.
    fn open_description(&mut self, meta_generation: u32) -> Result<Option<Description>> {
        let (Some(seen), Some(ring)) = (&self.seen, &self.ring) else { return Ok(None) };
        if seen.meta_generation() != meta_generation {
            return Ok(None);
        }
        let rank = ring.layout.format.frame_shape().len();
        (self.refused, self.left_out) = (None, Vec::new());
        let Some(pickle) = read_pickle(&self.name, &self.header, seen)? else { return Ok(None) };
        let read = pickle.and_then(|pickle| metadata::decode(&pickle));
        match read.and_then(|read| read.description.check(rank).map(|()| read)) {
            Ok(read) => {
                self.left_out = read.left_out;
                Ok(Some(read.description))
            }
            Err(reason) => {
                self.refused = Some(reason);
                Ok(None)
            }
        }
    }

    fn corrupt(&self, reason: String) -> Error {
        corrupt(self.ring.as_ref().map_or(&self.header.segment, |ring| &ring.segment), reason)
    }

    fn corrupt_header(&self, reason: String) -> Error {
        corrupt(&self.header.segment, reason)
    }
}
