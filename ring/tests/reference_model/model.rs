//! The reference model: a stream and its readers, as simple as possible. No shared memory, no atomics, no positions
//! modulo the ring's length: frames are in a queue that drops the oldest.

use std::collections::VecDeque;

use dora_shm_ring::{Description, EventKind, Format, Liveness, Outcome, Start};

/// How many rings, and how many descriptions, are kept before the current one.
const MOST_KEPT: usize = 128;

/// One frame as it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    pub time: f64,
    pub samples: Vec<u8>,
}

/// One message as it was written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Message {
    pub first: u64,
    pub frames: u64,
    pub send_ns: i64,
    pub description: usize,
}

/// One generation.
pub struct Ring {
    pub format: Format,
    /// Number of frames that it holds.
    pub length: u64,
    /// Number of messages whose records it keeps.
    pub records: u64,
    /// Frames of the stream before this generation.
    pub base: u64,
    /// Number of the description that it began with.
    described: usize,
    /// Number of the description in force when it was replaced; 0 before.
    last_described: usize,
    /// Frames ever written.
    pub written: u64,
    /// The newest `length` of them.
    pub frames: VecDeque<Frame>,
    /// Every message ever written.
    pub messages: Vec<Message>,
}

impl Ring {
    fn new(format: &Format, first_chunk_frames: u64, base: u64, described: usize) -> Self {
        let asked = format.frames();
        let length = if asked >= 128 { asked.div_ceil(8) * 8 } else { asked };
        let power = |wanted: u64| (6..=16).map(|bits| 1 << bits).find(|&power| power >= wanted).unwrap_or(65536);
        let one_each = power(length);
        let roomy = 64 * one_each <= length * format.frame_bytes() / 8;
        let records = if roomy { one_each } else { power(2 * length / first_chunk_frames.max(1)) };
        let format = Format::new(format.dtype(), format.frame_shape(), format.rate_hz(), length).unwrap();
        let (frames, messages) = (VecDeque::new(), Vec::new());
        Self { format, length, records, base, described, last_described: 0, written: 0, frames, messages }
    }

    /// Number of the description of the newest frames.
    fn description(&self) -> usize {
        self.messages.last().map_or(self.described, |message| message.description)
    }

    /// Position of the oldest frame that it holds.
    fn oldest(&self) -> u64 {
        self.written - self.frames.len() as u64
    }

    /// Where a lapped reader continues.
    fn ahead(&self) -> u64 {
        self.written.saturating_sub((self.length / 2).max(1))
    }

    pub fn frame(&self, position: u64) -> &Frame {
        &self.frames[(position - self.oldest()) as usize]
    }

    fn remembers(&self, message: usize) -> bool {
        message as u64 + self.records >= self.messages.len() as u64
    }
}

/// Everything under one stream_id: from a `create` to its close.
#[derive(Default)]
pub struct Stream {
    pub rings: Vec<Ring>,
    pub descriptions: Vec<Description>,
    published_rate_hz: f64,
    pub closed: bool,
    /// Whether each ring with frames is kept when it is replaced, until it is too old.
    keeps_rings: bool,
}

impl Stream {
    pub fn total(&self) -> u64 {
        self.rings.last().map_or(0, |ring| ring.base + ring.written)
    }

    fn newest_description(&self) -> usize {
        self.descriptions.len()
    }

    fn is_kept(&self, ring: usize) -> bool {
        let is_old_enough = ring + 1 < self.rings.len() && ring + 1 + MOST_KEPT >= self.rings.len();
        self.keeps_rings && !self.closed && is_old_enough && self.rings[ring].written > 0
    }

    fn can_open_description(&self, number: usize) -> bool {
        let mut of_kept_rings = (0..self.rings.len()).filter(|&ring| self.is_kept(ring));
        let mut is_needed = || of_kept_rings.any(|ring| self.rings[ring].last_described == number);
        !self.closed && (number == self.newest_description() || is_needed())
    }
}

/// All streams that ever had the name, the last of which may live.
#[derive(Default)]
pub struct World {
    pub streams: Vec<Stream>,
    /// Whether each ring with frames is kept when it is replaced.
    pub keeps_rings: bool,
}

impl World {
    pub fn live(&self) -> Option<usize> {
        self.streams.len().checked_sub(1).filter(|&newest| !self.streams[newest].closed)
    }

    pub fn newest(&mut self) -> &mut Stream {
        self.streams.last_mut().expect("there is a writer")
    }

    pub fn create(&mut self) {
        self.streams.push(Stream { keeps_rings: self.keeps_rings, ..Stream::default() });
    }

    pub fn close(&mut self) {
        self.newest().closed = true;
    }

    pub fn begin(&mut self, format: &Format, description: &Description, first_chunk_frames: u64) {
        let stream = self.newest();
        let replaced = stream.newest_description();
        if stream.descriptions.last() != Some(description) || stream.published_rate_hz != format.rate_hz() {
            stream.descriptions.push(description.clone());
            stream.published_rate_hz = format.rate_hz();
        }
        let (base, described) = (stream.total(), stream.newest_description());
        if let Some(ring) = stream.rings.last_mut() {
            ring.last_described = replaced;
        }
        stream.rings.push(Ring::new(format, first_chunk_frames, base, described));
    }

    pub fn describe(&mut self, description: &Description) {
        let stream = self.newest();
        if stream.descriptions.last() != Some(description) {
            stream.descriptions.push(description.clone());
        }
    }

    pub fn write(&mut self, frames: Vec<Frame>, send_ns: i64) {
        let stream = self.newest();
        let description = stream.newest_description();
        let ring = stream.rings.last_mut().expect("a generation has begun");
        ring.messages.push(Message { first: ring.written, frames: frames.len() as u64, send_ns, description });
        for frame in frames {
            ring.frames.push_back(frame);
            ring.written += 1;
            if ring.frames.len() as u64 > ring.length {
                ring.frames.pop_front();
            }
        }
    }
}

/// Where a reader is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    /// It waits for a stream to appear.
    Nowhere,
    /// In a stream (index) that had no ring at the last poll.
    Stream(usize),
    /// In a ring (index) of a stream.
    Ring(usize, usize),
}

/// A reader's model, of frames or of messages.
#[derive(Clone, Debug)]
pub struct Reader {
    messages: bool,
    start: Start,
    place: Place,
    /// Whether it was opened before the stream's first ring.
    came_first: bool,
    /// Whether it has entered a ring without reporting that to its caller.
    untold: bool,
    /// Whether its stream has ended without its reporting that to its caller.
    untold_end: bool,
    /// Whether it skips everything, kept rings included.
    skipping: bool,
    pub position: u64,
    next_message: usize,
    /// The empty messages between the last frame before this ring and its first one: their rings and their numbers.
    before_ring: Vec<(usize, usize)>,
    pub lost: u64,
    /// Frames lost since the last delivery.
    pub pending: u64,
    /// Until the first delivery, frames lapped below this position do not count as lost.
    start_below: u64,
    /// Number of the description held, from 1.
    held: Option<usize>,
    pub description_missed: bool,
    /// The stream of the ring that it last entered.
    seen_stream: Option<usize>,
    /// Events that were not taken.
    pub events: Vec<Event>,
}

/// Something that happened to a stream, apart from its frames.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    kind: EventKind,
    generation: Option<u32>,
    position: u64,
    description: Option<Description>,
}

impl From<dora_shm_ring::Event> for Event {
    fn from(event: dora_shm_ring::Event) -> Self {
        let description = event.description.map(|description| (*description).clone());
        Self { kind: event.kind, generation: event.generation, position: event.position, description }
    }
}

/// A message as a reader returns it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Got {
    pub chunk: u64,
    pub message: Message,
    pub lost: u64,
}

impl Reader {
    pub fn open(world: &World, messages: bool, start: Start) -> Self {
        let mut reader = Self {
            messages,
            start,
            place: Place::Nowhere,
            came_first: false,
            untold: false,
            untold_end: false,
            skipping: false,
            position: 0,
            next_message: 0,
            before_ring: Vec::new(),
            lost: 0,
            pending: 0,
            start_below: 0,
            held: None,
            description_missed: false,
            seen_stream: None,
            events: Vec::new(),
        };
        reader.attach(world);
        reader.untold = false;
        reader.events.clear();
        reader.came_first = true;
        reader
    }

    pub fn ring<'a>(&self, world: &'a World) -> Option<&'a Ring> {
        match self.place {
            Place::Ring(stream, ring) => Some(&world.streams[stream].rings[ring]),
            _ => None,
        }
    }

    /// Names the ring that the reader is in.
    pub fn ring_id(&self) -> Option<(usize, usize)> {
        match self.place {
            Place::Ring(stream, ring) => Some((stream, ring)),
            _ => None,
        }
    }

    pub fn description<'a>(&self, world: &'a World) -> Option<&'a Description> {
        let (Place::Ring(stream, _) | Place::Stream(stream)) = self.place else { return None };
        self.held.map(|held| &world.streams[stream].descriptions[held - 1])
    }

    fn lose(&mut self, frames: u64) {
        self.lost += frames;
        self.pending += frames;
    }

    fn lose_up_to(&mut self, position: u64) {
        self.lose(position.saturating_sub(self.position.max(self.start_below)));
        self.position = position;
    }

    fn deliver_up_to(&mut self, position: u64) {
        self.position = position;
        self.start_below = 0;
    }

    fn note(&mut self, world: &World, kind: EventKind) {
        let generation = self.ring_id().map(|(_, ring)| ring as u32);
        let description = self.description(world).cloned();
        self.events.push(Event { kind, generation, position: self.position, description });
    }

    /// Attaches to a live stream, and enters its newest ring if it has one.
    fn attach(&mut self, world: &World) {
        if self.place == Place::Nowhere
            && !self.untold_end
            && let Some(live) = world.live()
        {
            self.place = Place::Stream(live);
        }
        if let Place::Stream(stream) = self.place {
            if world.streams[stream].closed {
                self.leave(world, stream);
            } else if !world.streams[stream].rings.is_empty() {
                self.enter(world, stream, 0);
            }
        }
    }

    /// The stream has ended: its unseen frames are lost.
    fn leave(&mut self, world: &World, stream: usize) {
        let seen = self.ring(world).map_or(0, |ring| ring.base + self.position);
        self.lose(world.streams[stream].total() - seen);
        self.note(world, EventKind::WriterGone { orderly: true });
        self.place = Place::Nowhere;
        self.untold_end = true;
        (self.position, self.next_message) = (0, 0);
        self.before_ring.clear();
        self.held = None;
        self.description_missed = false;
    }

    /// Enters the newest ring of a live stream, or the first kept one that a reader has not seen which has accounted for
    /// `seen` frames.
    fn enter(&mut self, world: &World, stream: usize, seen: u64) {
        let of = &world.streams[stream];
        let rings = &of.rings;
        let after_mine = self.ring_id().map_or(0, |(_, mine)| mine + 1);
        let kept = (after_mine..rings.len()).find(|&ring| of.is_kept(ring) && self.came_first && !self.skipping);
        let entered = kept.unwrap_or(rings.len() - 1);
        // They belong to the frame that follows, and are lost with it.
        let follows = self.came_first && rings[entered].base == seen;
        self.before_ring = if follows { self.trailing(world) } else { Vec::new() };
        self.place = Place::Ring(stream, entered);
        self.position = 0;
        self.next_message = 0;
        self.start_below = 0;
        self.untold = true;
        let ring = &rings[entered];
        if self.came_first {
            self.lose(ring.base - seen);
        } else {
            self.start_in(ring);
        }
        self.came_first = true;
        // One of another generation is dropped, unless this one began with it.
        self.held.take_if(|held| *held != ring.described);
        // That of the newest frames need not be opened if it is held.
        let of_frames = ring.description();
        let is_newest = entered + 1 == rings.len();
        if self.held == Some(of_frames) || of.can_open_description(of_frames) {
            self.held = Some(of_frames);
            self.description_missed = false;
        } else if is_newest {
            self.held = Some(of.newest_description());
            self.description_missed = false;
        } else {
            self.description_missed = true;
        }
        if self.seen_stream.replace(stream).is_some_and(|seen| seen != stream) {
            self.note(world, EventKind::WriterRestarted);
        }
        self.note(world, EventKind::NewGeneration);
    }

    /// The empty messages behind the last frame.
    fn trailing(&self, world: &World) -> Vec<(usize, usize)> {
        let Place::Ring(stream, of) = self.place else { return Vec::new() };
        let ring = &world.streams[stream].rings[of];
        let mut found = if ring.written == 0 { self.before_ring.clone() } else { Vec::new() };
        let is_behind = |i: &usize| ring.messages[*i].frames == 0 && ring.messages[*i].first == ring.written;
        found.extend((0..ring.messages.len()).filter(|&i| ring.remembers(i)).filter(is_behind).map(|i| (of, i)));
        found
    }

    /// The messages of frames that were read: those that contain them, and the empty ones directly before them. With the
    /// numbers of their rings, and their own.
    pub fn messages(&self, world: &World, from: u64, to: u64) -> Vec<(usize, usize, Message)> {
        let Place::Ring(stream, of) = self.place else { return Vec::new() };
        let rings = &world.streams[stream].rings;
        let has = |message: &Message, frame: u64| match message.frames {
            0 => message.first == frame,
            frames => (message.first..message.first + frames).contains(&frame),
        };
        let is_of = |i: &usize| (from..to).any(|frame| has(&rings[of].messages[*i], frame));
        let of_ring = (0..rings[of].messages.len()).filter(|&i| rings[of].remembers(i)).filter(is_of).map(|i| (of, i));
        let before = self.before_ring.iter().copied().filter(|_| (from..to).contains(&0));
        before.chain(of_ring).map(|(ring, i)| (ring, i, rings[ring].messages[i])).collect()
    }

    fn start_in(&mut self, ring: &Ring) {
        if self.messages {
            let wanted = match self.start {
                Start::Oldest => u64::MAX,
                Start::Newest => 0,
                Start::Last(n) => n,
            };
            let whole = |(i, message): &(usize, &Message)| ring.remembers(*i) && message.first >= ring.oldest();
            let kept = ring.messages.iter().enumerate().rev().take_while(whole).take(wanted as usize);
            (self.next_message, self.position) =
                kept.last().map_or((ring.messages.len(), ring.written), |(i, message)| (i, message.first));
        } else {
            self.position = match self.start {
                Start::Oldest => ring.oldest(),
                Start::Newest => ring.written,
                Start::Last(n) => ring.written.saturating_sub(n).max(ring.oldest()),
            };
        }
        self.start_below = if ring.oldest() == 0 { 0 } else { ring.ahead() };
    }

    /// The outcome of the next poll, without reporting it.
    fn peek(&self, world: &World) -> Outcome<()> {
        match self.place {
            Place::Nowhere if self.untold_end => Outcome::Closed,
            Place::Nowhere | Place::Stream(_) => Outcome::Nothing,
            Place::Ring(..) if self.untold => Outcome::Generation,
            Place::Ring(stream, ring) => {
                let Stream { rings, closed, .. } = &world.streams[stream];
                let has_data = match self.messages {
                    true => rings[ring].messages.len() > self.next_message,
                    false => rings[ring].written > self.position,
                };
                match (has_data, rings.len() > ring + 1, closed) {
                    (true, ..) => Outcome::Data(()),
                    (false, _, true) => Outcome::Closed,
                    (false, true, false) => Outcome::Generation,
                    (false, false, false) => Outcome::Nothing,
                }
            }
        }
    }

    fn look(&mut self, world: &World) -> Outcome<()> {
        self.attach(world);
        if let (Place::Ring(stream, ring), false, false) = (self.place, self.messages, self.untold) {
            let Stream { rings, .. } = &world.streams[stream];
            // A reader that holds a newer one took it because this one was gone.
            if self.held < Some(rings[ring].description()) {
                self.hold(world, rings[ring].description());
                if self.description_missed && ring + 1 == rings.len() {
                    self.hold(world, world.streams[stream].newest_description());
                }
            }
        }
        let seen = self.peek(world);
        match (&seen, self.place) {
            (Outcome::Generation, _) if self.untold => self.untold = false,
            (Outcome::Generation, Place::Ring(stream, ring)) => {
                let seen = world.streams[stream].rings[ring].base + self.position;
                self.enter(world, stream, seen);
                self.untold = false;
            }
            (Outcome::Closed, place) => {
                if let Place::Ring(stream, _) = place {
                    self.leave(world, stream);
                }
                self.untold_end = false;
            }
            _ => {}
        }
        seen
    }

    /// Only the newest description of a live stream can be opened, and those that are kept.
    fn hold(&mut self, world: &World, description: usize) {
        let Place::Ring(stream, _) = self.place else { return };
        let can_open = world.streams[stream].can_open_description(description);
        if self.held != Some(description) && can_open {
            let before = self.description(world).cloned();
            self.held = Some(description);
            if before.as_ref() != self.description(world) {
                self.note(world, EventKind::NewDescription);
            }
        }
        self.description_missed = self.held != Some(description);
    }

    pub fn would_be_ready(&mut self, world: &World) -> bool {
        self.attach(world);
        self.peek(world) != Outcome::Nothing
    }

    pub fn liveness(&self, world: &World) -> Liveness {
        let stream = match self.place {
            Place::Nowhere if self.untold_end => return Liveness::Closed,
            Place::Nowhere => world.live(),
            Place::Stream(stream) | Place::Ring(stream, _) => Some(stream),
        };
        match stream.map(|stream| &world.streams[stream]) {
            None => Liveness::Absent,
            Some(stream) if stream.closed => Liveness::Closed,
            Some(stream) if stream.rings.is_empty() => Liveness::Waiting,
            Some(_) => Liveness::Live,
        }
    }

    pub fn lag(&self, world: &World) -> u64 {
        self.ring(world).map_or(0, |ring| ring.written - self.position)
    }

    /// The positions that are read, and the frames lost before them.
    pub fn read(&mut self, world: &World, max_frames: u64) -> Outcome<(u64, u64, u64)> {
        if max_frames == 0 {
            return Outcome::Nothing;
        }
        match self.look(world) {
            Outcome::Nothing => Outcome::Nothing,
            Outcome::Generation => Outcome::Generation,
            Outcome::Closed => Outcome::Closed,
            Outcome::Data(()) => {
                let ring = self.ring(world).unwrap();
                if self.position < ring.oldest() {
                    self.lose_up_to(ring.ahead());
                }
                let start = self.position;
                let end = ring.written.min(start.saturating_add(max_frames));
                self.deliver_up_to(end);
                Outcome::Data((start, end, std::mem::take(&mut self.pending)))
            }
        }
    }

    /// Skips everything that is committed. Returns the most important outcome on the way.
    pub fn skip_to_newest(&mut self, world: &World) -> Outcome<u64> {
        let lost = self.lost;
        self.skipping = true;
        let (mut passed, mut moved) = (None, false);
        let end = loop {
            match self.look(world) {
                Outcome::Data(()) => {
                    let ring = self.ring(world).unwrap();
                    *passed.get_or_insert(0) += ring.written - self.position;
                    self.next_message = ring.messages.len();
                    self.deliver_up_to(ring.written);
                }
                Outcome::Generation => moved = true,
                end => break end,
            }
        };
        (self.lost, self.pending) = (lost, 0);
        self.skipping = false;
        match (end, moved, passed) {
            (Outcome::Closed, ..) => Outcome::Closed,
            (_, true, _) => Outcome::Generation,
            (_, false, Some(frames)) => Outcome::Data(frames),
            (_, false, None) => Outcome::Nothing,
        }
    }

    /// The newest frames' positions.
    pub fn latest(&mut self, world: &World, frames: u64) -> (u64, u64) {
        self.attach(world);
        self.ring(world).map_or((0, 0), |ring| (ring.written - frames.min(ring.written - ring.oldest()), ring.written))
    }

    pub fn latest_duration(&mut self, world: &World, seconds: f64) -> (u64, u64) {
        self.attach(world);
        let Some(ring) = self.ring(world) else { return (0, 0) };
        let Some(newest) = ring.frames.back() else { return (0, 0) };
        let rate_hz = ring.format.rate_hz();
        if rate_hz > 0.0 {
            return self
                .latest(world, (0..).take_while(|&n| n as f64 + 0.5 <= seconds * rate_hz).take(3000).count() as u64);
        }
        let recent = ring.frames.iter().rev().take_while(|frame| newest.time - frame.time < seconds).count() as u64;
        (ring.written - recent, ring.written)
    }

    /// The positions that are lent.
    pub fn view(&mut self, world: &World, max_frames: u64) -> Outcome<(u64, u64)> {
        if max_frames == 0 {
            return Outcome::Nothing;
        }
        match self.look(world) {
            Outcome::Nothing => Outcome::Nothing,
            Outcome::Generation => Outcome::Generation,
            Outcome::Closed => Outcome::Closed,
            Outcome::Data(()) => {
                let ring = self.ring(world).unwrap();
                let start = if self.position < ring.oldest() { ring.ahead() } else { self.position };
                Outcome::Data((start, ring.written.min(start.saturating_add(max_frames))))
            }
        }
    }

    /// The positions of a view `start..end` of `ring` that are whole.
    pub fn finish(&mut self, world: &World, ring: (usize, usize), start: u64, end: u64) -> (u64, u64) {
        if self.ring_id() != Some(ring) || end < self.position {
            return (end, end);
        }
        let whole = self.ring(world).unwrap().oldest().clamp(start, end).max(self.position);
        self.lose_up_to(whole);
        if whole < end {
            self.deliver_up_to(end);
            self.pending = 0;
        }
        (whole, end)
    }

    /// The next message that can be read whole; the cursor stays before it.
    pub fn find(&mut self, world: &World) -> Outcome<Got> {
        loop {
            match self.look(world) {
                Outcome::Nothing => return Outcome::Nothing,
                Outcome::Generation => return Outcome::Generation,
                Outcome::Closed => return Outcome::Closed,
                Outcome::Data(()) => {}
            }
            let ring = self.ring(world).unwrap();
            let message = ring.messages[self.next_message];
            if ring.remembers(self.next_message) && message.first >= ring.oldest() {
                self.hold(world, message.description);
                let chunk = self.next_message as u64;
                return Outcome::Data(Got { chunk, message, lost: self.pending });
            }
            self.skip(ring);
        }
    }

    /// Moves a lapped cursor to the first message of the newer half of the ring, among the newer half of the records.
    fn skip(&mut self, ring: &Ring) {
        let count = ring.messages.len();
        let from = self.next_message.max(count.saturating_sub((ring.records / 2) as usize));
        let to = (from..count).find(|&i| ring.messages[i].first >= ring.ahead()).unwrap_or(count - 1);
        // A message that is longer than the ring is skipped.
        let whole = ring.messages[to].first >= ring.oldest();
        self.lose_up_to(if whole { ring.messages[to].first } else { ring.written });
        self.next_message = if whole { to } else { to + 1 };
    }

    /// Moves behind the message that `find` found.
    pub fn pass(&mut self, got: &Got) {
        self.deliver_up_to(got.message.first + got.message.frames);
        self.next_message = got.chunk as usize + 1;
        self.pending = 0;
    }

    /// Takes back a lent message of `ring`. Returns whether it was whole throughout.
    pub fn finish_message(&mut self, world: &World, ring: (usize, usize), got: &Got) -> bool {
        if self.ring_id() != Some(ring) || self.next_message as u64 != got.chunk {
            return false;
        }
        let whole = got.message.frames == 0 || got.message.first >= self.ring(world).unwrap().oldest();
        if whole {
            self.pass(got);
        } else {
            self.lose_up_to(got.message.first + got.message.frames);
            self.next_message += 1;
        }
        whole
    }
}
