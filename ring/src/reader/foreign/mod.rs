//! Streams that ezmsg itself wrote (struct versions 1 and 2), read as well as they can be.
//!
//! Such a stream has no `reserved`, no records, no wake word, no lock and no final position. What stands in for them:
//!
//! - its position is what the header's index and laps say, looked at until two looks agree (`files`, [`Track`]);
//! - a copy is checked by another look, and what the writer may have come to since is lost; frames in the older half of
//!   the ring, where it comes next, are copied twice and must be the same (`copy`). A torn frame cannot be excluded: a
//!   writer that is stopped in the middle of one looks as if it were idle;
//! - waiting is polling, the more seldom the longer nothing has come (`wait`);
//! - its end is that its public name is gone while its header is not valid; another file under that name is the next
//!   stream.
//!
//! [`Attachment`] keeps the books of both kinds of streams: the cursor, the losses and what has not been told yet. Readers
//! have a [`ForeignStream`] beside it as long as the name is ezmsg's.
//!
//! [`Track`]: crate::ezmsg::foreign::Track

mod copy;
mod descriptions;
mod files;
mod wait;

use std::time::{Duration, Instant};

pub(super) use wait::wait;

use super::attachment::{Attachment, Unit};
use super::{Foreign, Info, Lag, Liveness, Outcome, ReaderOptions, Start, WriterId};
use crate::ezmsg::foreign::{Seen, is_read};
use crate::shm::open::corrupt;
use crate::{Error, Format, Result, shm};
use descriptions::Descriptions;
use files::{HeaderFile, Name, RingFile};

/// Between two looks at whose the public name is.
const NAME_PAUSE: Duration = Duration::from_millis(50);
/// A stream whose name is gone and whose header is not valid for so long has ended: a writer whose name was removed by a
/// mirror's end may just be making its next ring.
const GRACE: Duration = Duration::from_millis(250);

/// A stream of ezmsg's that a reader is attached to.
pub(super) struct ForeignStream {
    header: HeaderFile,
    ring: Option<RingFile>,
    /// Frames of the generations before, as far as they were seen.
    base: u64,
    descriptions: Descriptions,
    /// The last look found the header in order.
    valid: bool,
    /// When, and at which position, the reader came to the ring.
    entered: (Instant, u64),
    /// When the position last changed, and that time by the clocks of [`MessageInfo`].
    news: Instant,
    found: Found,
    name_seen: Instant,
    /// Since when the name has been gone and the header not valid.
    ended_since: Option<Instant>,
    over: bool,
}

/// When something new was found; nobody tells when it was sent.
#[derive(Clone, Copy)]
struct Found {
    unix_ns: i64,
    mono_ns: u64,
}

impl Found {
    fn now() -> Self {
        Self { unix_ns: shm::unix_ns(), mono_ns: shm::monotonic_ns() }
    }
}

/// What a look at the stream told.
pub(super) enum Polled {
    /// There are frames up to this position.
    Data(u64),
    Nothing,
    Moved,
    Closed,
}

/// Attaches to the stream `name`, whosoever it is.
pub(super) fn open(name: &str, options: ReaderOptions, unit: Unit) -> Result<(Attachment, Option<Box<ForeignStream>>)> {
    let mut own = Attachment::new(name, options, unit)?;
    let mut foreign = None;
    if let Err(error) = own.attach() {
        foreign = ForeignStream::instead(&mut own, error)?;
        if let Some(stream) = &mut foreign {
            stream.look(&mut own)?;
        }
    }
    own.begin_here();
    Ok((own, foreign))
}

/// A reader of both kinds of streams.
pub(super) trait EitherReader: Sized {
    fn parts(&mut self) -> (&mut Attachment, &mut Option<Box<ForeignStream>>);

    /// `ours` of a stream of our own, `theirs` of one that ezmsg wrote, whichever has the name.
    #[inline]
    fn either<A, T>(
        &mut self,
        mut argument: A,
        ours: impl Fn(&mut Self, &mut A) -> Result<T>,
        theirs: impl Fn(&mut ForeignStream, &mut Attachment, &mut A) -> Result<T>,
    ) -> Result<T> {
        let mut changes = 0;
        loop {
            let (own, foreign) = self.parts();
            if foreign.is_some()
                && let Some(stream) = current(foreign, own)
            {
                return theirs(stream, own, &mut argument);
            }
            match ours(self, &mut argument) {
                // A name that changes hands at every look is not followed for ever.
                Err(error) if changes < 8 => {
                    let (own, foreign) = self.parts();
                    *foreign = ForeignStream::instead(own, error)?;
                    changes += 1;
                }
                done => return done,
            }
        }
    }
}

/// The foreign stream that a reader is attached to, if it still is.
fn current<'a>(foreign: &'a mut Option<Box<ForeignStream>>, own: &mut Attachment) -> Option<&'a mut ForeignStream> {
    if foreign.take_if(|stream| stream.over).is_some() {
        own.expect_another();
    }
    foreign.as_deref_mut()
}

impl ForeignStream {
    /// What to read instead, after attaching to a stream of ours has failed with `error`; `None`: it is gone again.
    ///
    /// # Errors
    /// `error` itself, unless it says that the stream is one of ezmsg's that is read.
    pub fn instead(own: &mut Attachment, error: Error) -> Result<Option<Box<Self>>> {
        if !matches!(error, Error::Foreign { struct_version, .. } if is_read(struct_version)) {
            return Err(error);
        }
        let Some(header) = HeaderFile::open(&own.name, own.owner())? else { return Ok(None) };
        let now = Instant::now();
        Ok(Some(Box::new(Self {
            header,
            ring: None,
            base: 0,
            descriptions: Descriptions::default(),
            valid: false,
            entered: (now, 0),
            news: now,
            found: Found::now(),
            name_seen: now,
            ended_since: None,
            over: false,
        })))
    }

    /// Looks, and tells what a read has to tell next.
    fn poll(&mut self, own: &mut Attachment) -> Result<Polled> {
        self.look(own)?;
        if std::mem::take(&mut own.ended) {
            return Ok(Polled::Closed);
        }
        if std::mem::take(&mut own.entered) {
            return Ok(Polled::Moved);
        }
        Ok(match &self.ring {
            Some(ring) if !self.over && ring.track.position() > own.next => Polled::Data(ring.track.position()),
            _ => Polled::Nothing,
        })
    }

    /// As [`Reader::advance`](super::Reader::advance).
    pub fn advance(&mut self, own: &mut Attachment) -> Result<Outcome> {
        Ok(match self.poll(own)? {
            Polled::Data(_) => Outcome::Data,
            Polled::Nothing => Outcome::Nothing,
            Polled::Moved => Outcome::Generation,
            Polled::Closed => Outcome::Closed,
        })
    }

    /// Whether [`poll`](Self::poll) has something else to tell than `Nothing`.
    fn has_news(&self, own: &Attachment) -> bool {
        let data = self.ring.as_ref().is_some_and(|ring| ring.track.position() > own.next);
        own.ended || own.entered || (data && !self.over)
    }

    /// Takes in what the header says now: where the writer is, another ring, another description, or the end.
    fn look(&mut self, own: &mut Attachment) -> Result<()> {
        if self.over || own.ended {
            return Ok(());
        }
        let Some(seen) = self.header.look()? else { return self.look_at_name(own) };
        self.valid = seen.is_valid();
        let generation = self.ring.as_ref().map(|ring| ring.generation);
        if generation.is_some() && generation == seen.generation() {
            self.take_position(own, &seen)?;
        } else if self.valid {
            self.enter(own, &seen)?;
        } else if generation.is_none() {
            // It begins with the next ring's first frame.
            own.waited = true;
        }
        if self.valid && self.ring.as_ref().is_some_and(|ring| Some(ring.generation) == seen.generation()) {
            self.take_description(own, &seen)?;
        }
        if self.has_news(own) { Ok(()) } else { self.look_at_name(own) }
    }

    /// As [`look`](Self::look), but stays in the ring that the reader is in.
    pub fn look_in_ring(&mut self, own: &mut Attachment) -> Result<()> {
        let Some(ring) = &self.ring else { return self.look(own) };
        match self.header.look()?.filter(|seen| seen.generation() == Some(ring.generation)) {
            Some(seen) => self.take_position(own, &seen),
            None => Ok(()),
        }
    }

    fn take_position(&mut self, own: &mut Attachment, seen: &Seen) -> Result<()> {
        let Some(ring) = &mut self.ring else { return Ok(()) };
        match ring.track.look(seen) {
            Ok(position) => {
                if ring.track.advance(position) {
                    (self.news, self.found) = (Instant::now(), Found::now());
                }
                ring.check_backing()
            }
            Err(reason) => Err(self.let_go(own, reason)),
        }
    }

    /// Moves on to the ring that `seen` describes, if it can be opened.
    fn enter(&mut self, own: &mut Attachment, seen: &Seen) -> Result<()> {
        let Some(mut ring) = RingFile::open(&own.name, &self.header, seen, own.options().max_ring_bytes)? else {
            return Ok(());
        };
        ring.check_backing()?;
        let position = ring.track.position();
        let oldest = position.saturating_sub(ring.layout.frames);
        let ahead = position - (ring.layout.frames / 2).max(1).min(position);
        own.not_lost_below = 0;
        match &self.ring {
            // How many more the old ring got before the switch, nothing tells.
            Some(old) => {
                own.lose_up_to(old.track.position());
                self.base = self.base.saturating_add(old.track.position());
                own.next = 0;
            }
            None if own.waited => own.next = 0,
            None => {
                (own.next, own.not_lost_below) = match own.options().start {
                    Start::Oldest => (oldest, if oldest == 0 { 0 } else { ahead }),
                    Start::Newest => (position, 0),
                    Start::Last(n) => (position.saturating_sub(n).max(oldest), if oldest == 0 { 0 } else { ahead }),
                };
            }
        }
        own.next_chunk = 0;
        own.waited = true;
        own.entered = true;
        self.entered = (Instant::now(), position);
        (self.news, self.found) = (self.entered.0, Found::now());
        self.ring = Some(ring);
        Ok(())
    }

    /// Whether the stream has ended, or another one has its name; asked when nothing is new.
    fn look_at_name(&mut self, own: &mut Attachment) -> Result<()> {
        let now = Instant::now();
        if now.duration_since(self.name_seen) < NAME_PAUSE {
            return Ok(());
        }
        self.name_seen = now;
        let name = self.header.name()?;
        let ended = name == Name::Gone && !self.valid;
        self.ended_since = if ended { Some(self.ended_since.unwrap_or(now)) } else { None };
        if name == Name::Replaced || self.ended_since.is_some_and(|since| now.duration_since(since) >= GRACE) {
            self.leave(own);
        }
        Ok(())
    }

    /// The stream is over for this reader. That it was closed is told if its writer ended in order.
    fn leave(&mut self, own: &mut Attachment) {
        if let Some(ring) = &self.ring {
            own.lose_up_to(ring.track.position());
        }
        own.ended = !self.valid;
        self.end();
    }

    fn end(&mut self) {
        self.over = true;
        self.ring = None;
        self.descriptions = Descriptions::default();
    }

    /// Detaches from a stream that contradicts itself; the next call attaches anew.
    fn let_go(&mut self, own: &mut Attachment, reason: String) -> Error {
        self.end();
        own.entered = false;
        corrupt(&self.header.segment, reason)
    }

    /// Passes what is there; whether there may be more to pass.
    pub fn pass(&mut self, own: &mut Attachment) -> Result<bool> {
        Ok(match self.poll(own)? {
            Polled::Data(end) => {
                own.deliver_up_to(end);
                true
            }
            Polled::Moved | Polled::Closed => true,
            Polled::Nothing => false,
        })
    }

    /// The writer of the ring: each has a header of its own.
    pub fn writer(&self) -> Option<WriterId> {
        self.ring.as_ref().map(|_| WriterId { stream_id: self.header.number(), epoch: 1 })
    }

    pub fn format(&self) -> Option<&Format> {
        self.ring.as_ref().map(|ring| &ring.layout.format)
    }

    pub fn generation(&self) -> Option<u32> {
        self.ring.as_ref().map(|ring| ring.generation)
    }

    /// Where the writer is now.
    fn position(&self) -> u64 {
        let Some(ring) = &self.ring else { return 0 };
        let seen = self.header.look().ok().flatten().filter(|seen| seen.generation() == Some(ring.generation));
        let now = seen.and_then(|seen| ring.track.look(&seen).ok().flatten());
        now.unwrap_or(ring.track.position()).max(ring.track.position())
    }

    /// The age of what is unread is not known: it is that of the newest look that found something.
    pub fn lag(&self, own: &Attachment) -> Lag {
        match self.position().saturating_sub(own.next) {
            0 => Lag::default(),
            frames => Lag { frames, time: self.news.elapsed() },
        }
    }

    /// What can be known: that the stream is there, or that it was closed.
    pub fn liveness(&self, own: &Attachment) -> Result<Liveness> {
        if own.ended {
            return Ok(Liveness::Closed);
        }
        let gone = self.header.name()? != Name::Mine && !self.valid;
        Ok(match (gone, self.ring.is_some()) {
            (false, _) => Liveness::Foreign,
            (true, true) => Liveness::Closed,
            (true, false) => Liveness::Absent,
        })
    }

    pub fn info(&self, own: &Attachment) -> Result<Info> {
        let seen = self.header.look()?;
        let position = self.position();
        let (since, from) = self.entered;
        let seconds = self.news.duration_since(since).as_secs_f64();
        let frames = position.saturating_sub(from) as f64;
        Ok(Info {
            name: own.name.clone(),
            segment: self.header.segment.clone(),
            liveness: self.liveness(own)?,
            stream_id: None,
            created_ns: None,
            owner: Some(self.header.owner),
            writer_pid: None,
            epoch: None,
            generation: self.generation(),
            format: self.format().cloned(),
            ring_bytes: self.ring.as_ref().map(|ring| ring.layout.length),
            position,
            stream_position: self.base.saturating_add(position),
            chunks: 0,
            newest_ns: None,
            layout: None,
            measured_rate_hz: (seconds > 0.0 && frames > 0.0).then(|| frames / seconds),
            description: self.description().cloned(),
            foreign: Some(Foreign {
                struct_version: self.header.struct_version,
                key: seen.and_then(|seen| seen.key()),
                refused: self.descriptions.refused().map(str::to_owned),
                left_out: self.descriptions.left_out().to_vec(),
            }),
        })
    }
}
