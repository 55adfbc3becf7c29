//! A stream that ezmsg itself wrote (struct versions 1 and 2) as a cursor's source, read as well as it can be.
//!
//! Such a stream has no `reserved`, no records, no wake word, no lock and no final position. What stands in for them:
//!
//! - its position is what the header's index and laps say, looked at until two looks agree ([`Track`](super::seen::Track));
//! - a copy is checked by another look, and what the writer may have come to since is lost; frames in the older half of
//!   the ring, where it comes next, are copied twice and must be the same. A torn frame cannot be excluded: a writer that
//!   is stopped in the middle of one looks as if it were idle;
//! - its records are made here: what is new at a look is a message, sent when it was found;
//! - waiting is polling, the more seldom the longer nothing has come;
//! - its end is that its public name is gone while its header is not valid; another file under that name is the next
//!   stream.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::{Duration, Instant};

use super::files::{HeaderFile, Name, RingFile, read_pickle};
use super::metadata;
use super::seen::{Seen, is_read};
use crate::frames::view::View;
use crate::frames::{AlignedBytes, Frames};
use crate::layout::{Record, header};
use crate::protocol::cursor::{Beginning, Came, Ends, RingFacts, Source, Start, Status, Unit, Update};
use crate::protocol::{Committed, Snapshot};
use crate::shm;
use crate::shm::open::{Owner, corrupt};
use crate::stream::{Liveness, WriterId};
use crate::{Description, Error, Format, Result};

/// Between two looks at whose the public name is.
const NAME_PAUSE: Duration = Duration::from_millis(50);

/// A stream whose name is gone and whose header is not valid for so long has ended: a writer whose name was removed by a
/// mirror's end may just be making its next ring.
const GRACE: Duration = Duration::from_millis(250);

/// Shortest and longest pause between two looks. In between it is an eighth of the time without news: little beside what
/// has been waited already, and no more than 50 looks a second for a stream that is quiet.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

/// Longest message, in bytes: what is safe from the writer for a while, and not much memory.
const MESSAGE_BYTES: u64 = 1 << 20;

/// Fewest records that are kept.
const RECORDS: u64 = 1024;

/// Looks for a description that is newer than the last.
const TIMES_TRIED: usize = 4;

/// A stream of ezmsg's.
pub(crate) struct EzmsgStream {
    name: String,
    max_ring_bytes: u64,
    header: HeaderFile,
    ring: Option<RingFile>,
    /// The newest look that could be believed.
    seen: Option<Seen>,
    /// The last look found the header to be valid.
    valid: bool,
    /// Frames of the generations before, as far as they were seen.
    base: u64,
    /// When, and at which position, the reader came to the ring.
    entered: (Instant, u64),
    /// When the position last changed.
    news: Instant,
    records: Records,
    refused: Option<String>,
    left_out: Vec<String>,
    name_looked_at: Instant,
    /// Since when the name has been gone and the header not valid.
    ended_since: Option<Instant>,
    end: Option<End>,
}

/// What is known of a stream that ezmsg itself wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EzmsgInfo {
    /// 1: ezmsg-tools 0.6, whose frames have no times. 2: ezmsg-tools 0.10.
    pub struct_version: u32,
    /// The signal's key as the header has it, where it can be read.
    pub key: Option<String>,
    /// Why the description in force cannot be read; `None` when it was read, or there is none.
    pub refused: Option<String>,
    /// What that description says and a [`Description`] has no word for, each with its name and what it is.
    pub left_out: Vec<String>,
}

/// What is known of a stream.
pub(crate) struct Facts {
    pub segment: String,
    /// User id of the writer.
    pub owner: u32,
    pub ring_bytes: Option<u64>,
    /// Frames written in this generation.
    pub position: u64,
    /// Frames written since the generation at which the reader came.
    pub stream_position: u64,
    /// Frames a second since then.
    pub measured_rate_hz: Option<f64>,
    pub info: EzmsgInfo,
}

/// How a stream was found to be over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Closed,
    /// Another stream has its name.
    Replaced,
}

/// The messages of one ring, as they were found: the newest of them.
#[derive(Default)]
struct Records {
    /// Number of the first one that is kept.
    first: u64,
    kept: VecDeque<Record>,
    /// Position behind the newest one.
    end: u64,
    most: u64,
}

impl Records {
    /// For a ring that is read from `position` on.
    fn new(position: u64, most: u64) -> Self {
        Self { first: 0, kept: VecDeque::new(), end: position, most }
    }

    fn next(&self) -> u64 {
        self.first + self.kept.len() as u64
    }

    /// Everything up to `position` has been found now; frames before `oldest` have been overwritten by then.
    fn found(&mut self, position: u64, oldest: u64, longest: u64, meta_generation: u32) {
        let (send_ns, mono_ns) = (shm::unix_ns(), shm::monotonic_ns());
        // What was overwritten before it was found would make one message of any length.
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
    /// The stream `name`, if ezmsg wrote it and it can be read; `None`: it is gone again.
    ///
    /// # Errors
    /// [`Error::Ezmsg`] of a struct version that is not read; those of opening a segment.
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
            news: now,
            records: Records::default(),
            refused: None,
            left_out: Vec::new(),
            name_looked_at: now,
            ended_since: None,
            end: None,
        }))
    }

    /// Whether an error says that a stream is one of ezmsg's that is read.
    pub fn can_read(error: &Error) -> bool {
        matches!(error, Error::Ezmsg { struct_version, .. } if is_read(*struct_version))
    }

    /// Between two looks, since such a writer wakes nobody.
    pub fn pause(&self) -> Duration {
        (self.news.elapsed() / 8).clamp(SHORTEST_PAUSE, LONGEST_PAUSE)
    }

    /// Format of the ring that is read.
    pub fn format(&self) -> Option<&Format> {
        self.ring.as_ref().map(|ring| &ring.layout.format)
    }

    /// Takes in what the header says now; `None`: nothing that can be believed.
    fn look(&mut self) -> Result<Option<Seen>> {
        let Some(seen) = self.header.look()? else { return Ok(None) };
        self.valid = seen.is_valid();
        self.seen = Some(seen);
        if let Some(ring) = &mut self.ring
            && seen.generation() == Some(ring.generation)
        {
            let position = ring.track.look(&seen).map_err(|reason| corrupt(&self.header.segment, reason))?;
            if ring.track.advance(position) {
                self.news = Instant::now();
                self.note_found();
            }
        }
        Ok(Some(seen))
    }

    /// What has come since the last look is a message, or several where it is long.
    fn note_found(&mut self) {
        let Some(ring) = &self.ring else { return };
        let longest = longest_message(ring);
        let position = ring.track.position();
        let meta_generation = self.seen.as_ref().map_or(0, Seen::meta_generation);
        self.records.found(position, position.saturating_sub(ring.layout.frames), longest, meta_generation);
    }

    /// Whether the stream has ended, or another one has its name; asked when nothing is new.
    fn look_at_name(&mut self) -> Result<()> {
        let now = Instant::now();
        if self.end.is_some() || now.duration_since(self.name_looked_at) < NAME_PAUSE {
            return Ok(());
        }
        self.name_looked_at = now;
        let name = self.header.name()?;
        let ended = name == Name::Gone && !self.valid;
        self.ended_since = if ended { Some(self.ended_since.unwrap_or(now)) } else { None };
        let over = name == Name::Replaced || self.ended_since.is_some_and(|since| now.duration_since(since) >= GRACE);
        if over {
            // That it was closed is reported if its writer ended orderly.
            self.end = Some(if self.valid { End::Replaced } else { End::Closed });
        }
        Ok(())
    }

    /// Where the writer is now.
    fn position(&self) -> u64 {
        let Some(ring) = &self.ring else { return 0 };
        let seen = self.header.look().ok().flatten().filter(|seen| seen.generation() == Some(ring.generation));
        let now = seen.and_then(|seen| ring.track.look(&seen).ok().flatten());
        now.unwrap_or(ring.track.position()).max(ring.track.position())
    }

    /// What can be known: that the stream is there, or that it was closed.
    pub fn liveness(&self) -> Result<Liveness> {
        let gone = self.header.name()? != Name::Mine && !self.valid;
        Ok(match (gone, self.ring.is_some()) {
            (false, _) => Liveness::Ezmsg,
            (true, true) => Liveness::Closed,
            (true, false) => Liveness::Absent,
        })
    }

    /// What is known of the stream, but for its liveness and description.
    pub fn facts(&self) -> Result<Facts> {
        let seen = self.header.look()?;
        let position = self.position();
        let (since, from) = self.entered;
        let seconds = self.news.duration_since(since).as_secs_f64();
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

    /// Copies one piece, and gives the position from which on it is whole.
    fn copy_piece(&mut self, piece: &Range<u64>, times: &mut [f64], samples: &mut [u8]) -> Result<u64> {
        let Some(ring) = &mut self.ring else { return Ok(piece.end) };
        let (ring_frames, frame_bytes) = (ring.layout.frames, ring.layout.frame_bytes);
        ring.check_backing(piece.end)?;
        ring.copy_samples(piece, samples)?;
        ring.copy_times(piece, times)?;
        // What the writer comes to next, long before it says so.
        let is_old = piece.start + ring_frames / 2 < ring.track.position();
        let mut whole = piece.start;
        if is_old {
            let mut again = AlignedBytes::default();
            again.set_length(samples.len());
            ring.copy_samples(piece, again.as_mut_slice())?;
            whole += frames_that_differ(samples, again.as_slice(), frame_bytes);
        }
        let now = self.header.look()?.filter(|seen| seen.generation() == Some(ring.generation));
        let now = now.and_then(|seen| ring.track.look(&seen).ok().flatten());
        Ok(match now {
            Some(now) => {
                if ring.track.advance(Some(now)) {
                    self.news = Instant::now();
                    self.note_found();
                }
                whole.max(now.saturating_sub(ring_frames))
            }
            // The header says nothing just now. The writer has hardly come half round since it did.
            None if is_old => piece.end,
            None => whole,
        }
        .min(piece.end))
    }
}

/// Most frames of a message.
fn longest_message(ring: &RingFile) -> u64 {
    (MESSAGE_BYTES / ring.layout.frame_bytes).min(ring.layout.frames / 2).max(1)
}

/// How many frames from the first on up to the last that differs.
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
        self.look()?;
        let generation = self.seen.as_ref().filter(|_| self.valid).and_then(Seen::generation);
        if generation.is_none() || self.ring.is_none() {
            self.look_at_name()?;
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
            // How many more the old ring got before the switch is not known.
            self.base = self.base.saturating_add(old.track.position());
        }
        self.entered = (Instant::now(), ring.track.position());
        self.news = self.entered.0;
        self.ring = Some(ring);
        Ok(true)
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

    /// Each writer has a header of its own.
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

    /// Also of messages, which such a stream does not remember: there, so many frames.
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
        let seen = self.look()?;
        let Some(ring) = &self.ring else {
            return Err(self.corrupt_header("its ring is read, and is not there".to_owned()));
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
        self.look_at_name()?;
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

    /// A copy, which stays as it is.
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

    /// A pickle that is refused leaves the samples as they are.
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
