//! A stream of any kind, as a cursor's source.

use std::ops::Range;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use super::info::Info;
use super::mapped::MappedStream;
use super::stream::Stream;
use crate::ezmsg::source::EzmsgStream;
use crate::frames::view::View;
use crate::layout::Record;
use crate::protocol::Committed;
use crate::protocol::cursor::{Beginning, Came, RingFacts, Source, Stand, Start, Status, Unit, Update};
use crate::shm::open::Owner;
use crate::stream::{Liveness, WriterId};
use crate::{Description, Error, Format, GenerationClock, Result};

/// A stream in this library's format, or one that ezmsg wrote. The kind changes only while no cursor is attached.
pub(crate) struct AnyStream {
    mapped: MappedStream,
    /// Boxed, since it is large and rarely used.
    ezmsg: Option<Box<EzmsgStream>>,
}

impl AnyStream {
    /// The stream `name`, which is not looked for yet.
    pub fn new(name: &str, owner: Owner, max_ring_bytes: u64) -> Self {
        Self { mapped: MappedStream::new(name, owner, max_ring_bytes), ezmsg: None }
    }

    pub fn name(&self) -> &str {
        self.mapped.name()
    }
}

/// Evaluates `$call` with the stream that has the name, of the two.
macro_rules! either {
    ($self:ident, $stream:ident => $call:expr) => {
        match &$self.ezmsg {
            None => {
                let $stream = &$self.mapped;
                $call
            }
            Some($stream) => $call,
        }
    };
    (mut $self:ident, $stream:ident => $call:expr) => {
        match &mut $self.ezmsg {
            None => {
                let $stream = &mut $self.mapped;
                $call
            }
            Some($stream) => $call,
        }
    };
}

impl Source for AnyStream {
    type View = View;

    fn find_stream(&mut self) -> Result<bool> {
        if self.ezmsg.is_some() {
            return Ok(true);
        }
        match self.mapped.find_stream() {
            Err(error) if EzmsgStream::can_read(&error) => {
                let found = EzmsgStream::open(self.name(), self.mapped.owner(), self.mapped.max_ring_bytes())?;
                self.ezmsg = found.map(Box::new);
                Ok(self.ezmsg.is_some())
            }
            found => found,
        }
    }

    fn let_go(&mut self) {
        self.mapped.let_go();
        self.ezmsg = None;
    }

    fn status(&mut self) -> Result<Status> {
        either!(mut self, stream => stream.status())
    }

    fn open_ring(&mut self, generation: u32) -> Result<bool> {
        either!(mut self, stream => stream.open_ring(generation))
    }

    fn open_kept(&mut self, generation: u32, stand: Stand) -> Result<bool> {
        either!(mut self, stream => stream.open_kept(generation, stand))
    }

    fn could_open_kept(&self, generation: u32, stand: Stand) -> bool {
        either!(self, stream => stream.could_open_kept(generation, stand))
    }

    fn could_open(&self, generation: u32) -> bool {
        either!(self, stream => stream.could_open(generation))
    }

    fn is_gone(&self) -> bool {
        either!(self, stream => stream.is_gone())
    }

    fn final_position(&self) -> Option<u64> {
        either!(self, stream => stream.final_position())
    }

    fn wake(&self) -> Option<u32> {
        either!(self, stream => stream.wake())
    }

    fn ring_writer(&self) -> Option<WriterId> {
        either!(self, stream => stream.ring_writer())
    }

    #[inline]
    fn newest_writer(&self) -> Option<WriterId> {
        either!(self, stream => stream.newest_writer())
    }

    fn is_younger_than(&self, came: &Came) -> bool {
        either!(self, stream => stream.is_younger_than(came))
    }

    #[inline]
    fn ring(&self) -> Option<RingFacts> {
        either!(self, stream => stream.ring())
    }

    fn beginning(&self, start: Start, unit: Unit) -> Option<Beginning> {
        either!(self, stream => stream.beginning(start, unit))
    }

    fn begin_at(&mut self, position: u64) {
        either!(mut self, stream => stream.begin_at(position));
    }

    #[inline]
    fn update(&mut self, is_new: impl Fn(Committed) -> bool) -> Result<Update> {
        either!(mut self, stream => stream.update(is_new))
    }

    #[inline]
    fn committed(&self) -> u64 {
        either!(self, stream => stream.committed())
    }

    #[inline]
    fn described(&self) -> u32 {
        either!(self, stream => stream.described())
    }

    fn held(&self) -> Range<u64> {
        either!(self, stream => stream.held())
    }

    fn chunks(&self) -> Range<u64> {
        either!(self, stream => stream.chunks())
    }

    #[inline]
    fn record(&self, chunk: u64) -> Option<Record> {
        either!(self, stream => stream.record(chunk))
    }

    #[inline]
    fn expect_copy(&self, position: u64) {
        either!(self, stream => stream.expect_copy(position));
    }

    #[inline]
    fn copy_whole(
        &mut self,
        positions: &Range<u64>,
        committed: u64,
        times: &mut [f64],
        samples: &mut [u8],
    ) -> Result<u64> {
        either!(mut self, stream => stream.copy_whole(positions, committed, times, samples))
    }

    fn copy_times_whole(&self, positions: &Range<u64>, times: &mut [f64]) -> Option<u64> {
        either!(self, stream => stream.copy_times_whole(positions, times))
    }

    #[inline]
    fn lend(&mut self, positions: &Range<u64>) -> Result<Option<View>> {
        either!(mut self, stream => stream.lend(positions))
    }

    fn lent(view: &View) -> Range<u64> {
        view.range()
    }

    #[inline]
    fn judge(&self, view: &View) -> Option<u64> {
        either!(self, stream => stream.judge(view))
    }

    fn newest_description(&self) -> Option<u32> {
        either!(self, stream => stream.newest_description())
    }

    fn open_description(&mut self, meta_generation: u32) -> Result<Option<Description>> {
        either!(mut self, stream => stream.open_description(meta_generation))
    }

    fn corrupt(&self, reason: String) -> Error {
        either!(self, stream => stream.corrupt(reason))
    }

    fn corrupt_header(&self, reason: String) -> Error {
        either!(self, stream => stream.corrupt_header(reason))
    }
}

impl Stream for EzmsgStream {
    fn format(&self) -> Option<&Format> {
        self.ring_format()
    }

    fn clock(&self) -> Option<GenerationClock> {
        None
    }

    fn liveness(&self, _idle_after: Duration) -> Result<Liveness> {
        self.poll_liveness()
    }

    fn info(&self) -> Result<Info> {
        let facts = self.facts()?;
        let mut info = Info::new(self.name(), &facts.segment);
        info.owner = Some(facts.owner);
        info.generation = self.ring().map(|ring| ring.generation);
        info.format = self.ring_format().cloned();
        info.ring_bytes = facts.ring_bytes;
        info.position = facts.position;
        info.stream_position = facts.stream_position;
        info.measured_rate_hz = facts.measured_rate_hz;
        info.ezmsg = Some(facts.info);
        Ok(info)
    }

    fn wake_word(&self) -> Option<&AtomicU32> {
        None
    }

    fn longest_sleep(&mut self) -> Duration {
        self.pause()
    }

    fn is_replaced(&self) -> bool {
        false
    }

    fn times_messages(&self) -> bool {
        false
    }
}

impl Stream for AnyStream {
    fn format(&self) -> Option<&Format> {
        either!(self, stream => stream.format())
    }

    fn clock(&self) -> Option<GenerationClock> {
        either!(self, stream => stream.clock())
    }

    fn liveness(&self, idle_after: Duration) -> Result<Liveness> {
        either!(self, stream => stream.liveness(idle_after))
    }

    fn info(&self) -> Result<Info> {
        either!(self, stream => stream.info())
    }

    fn wake_word(&self) -> Option<&AtomicU32> {
        either!(self, stream => stream.wake_word())
    }

    fn longest_sleep(&mut self) -> Duration {
        either!(mut self, stream => stream.longest_sleep())
    }

    fn is_replaced(&self) -> bool {
        either!(self, stream => stream.is_replaced())
    }

    fn times_messages(&self) -> bool {
        either!(self, stream => stream.times_messages())
    }
}
