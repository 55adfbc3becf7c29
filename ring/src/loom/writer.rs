//! The writer of a modelled stream, without files: a ring exists before its generation is current.

use std::sync::Arc;

use super::memory::{End, Stream, frame_at, record_of};
use super::story::Act;
use crate::layout::{NO_GENERATION, header};
use crate::protocol::copy::Stores;
use crate::protocol::failpoint;
use crate::protocol::order::{Mutation, mutated};
use crate::protocol::sync::Ordering;
use crate::protocol::{self, Counters, HeaderWords as _, RingWords as _};

pub struct Writer {
    stream: Arc<Stream>,
    generation: u32,
    /// Frames committed before this generation.
    base: u64,
    counters: Counters,
}

/// The stream to be taken over was closed after `total` frames.
pub struct Closed {
    pub total: u64,
}

impl Writer {
    /// The first writer of a stream.
    pub fn create(stream: &Arc<Stream>) -> Self {
        Self { stream: stream.clone(), generation: NO_GENERATION, base: 0, counters: Counters::default() }
    }

    /// The writer that takes over from one that died: T3 and T5. The dead writer's stores are visible, since this one holds
    /// the lock that the kernel released at its death.
    pub fn take_over(stream: &Arc<Stream>) -> Result<Self, Closed> {
        let header = &stream.header;
        let generation = header.generation().load(Ordering::Acquire);
        // T3.
        let others = (0..).zip(&stream.rings).filter(|&(other, ring)| other != generation && ring.is_linked());
        others.for_each(|(_, ring)| ring.unlink());
        let base = if generation == NO_GENERATION {
            0
        } else {
            let ring = stream.ring(generation);
            ring.base.load(Ordering::Relaxed) + ring.committed().load(Ordering::Relaxed)
        };
        if header.state().load(Ordering::Acquire) == header::STATE_CLOSED {
            // A writer that died between K3 and K4 has not woken the readers.
            header.end_slices();
            return Err(Closed { total: base });
        }
        protocol::bump(header);
        Ok(Self { stream: stream.clone(), generation, base, counters: Counters::default() })
    }

    pub fn perform(&mut self, act: Act) {
        match act {
            Act::Begin => self.begin(false),
            Act::Keep => self.begin(true),
            Act::Expire(generation) => {
                self.stream.ring(generation).unlink();
                failpoint::point("kept");
            }
            Act::Write(frames) => self.write(frames),
            Act::Close => protocol::close(&self.stream.header, self.total()),
        }
    }

    /// Performs the last act of a story.
    pub fn perform_last(&mut self, act: Act) {
        let Self { generation, counters: Counters { position, chunks, .. }, .. } = *self;
        let end = match act {
            Act::Begin | Act::Keep => Some(End { generation: generation.wrapping_add(1), position: 0, chunks: 0 }),
            Act::Write(frames) => Some(End { generation, position: position + frames, chunks: chunks + 1 }),
            Act::Close => None,
            Act::Expire(_) => unreachable!("the end of a name is not an event"),
        };
        if let Some(end) = end {
            self.stream.end.set(end).expect("a stream ends once");
        }
        self.perform(act);
    }

    /// S4 to S11.
    fn begin(&mut self, keeps_old_ring: bool) {
        let old = self.stream.rings.get(self.generation as usize).filter(|_| !keeps_old_ring);
        self.base = self.total();
        self.generation = self.generation.wrapping_add(1);
        self.counters = Counters::default();
        self.stream.ring(self.generation).make(self.base);
        failpoint::point("S5");
        if let Some(old) = old.filter(|_| mutated(Mutation::RingRemovedBeforeSwitch)) {
            old.unlink();
        }
        protocol::switch(&self.stream.header, self.generation, || {});
        if let Some(old) = old {
            old.unlink();
            failpoint::point("S11");
        }
    }

    /// W1 to W11.
    fn write(&mut self, frames: u64) {
        let (generation, chunk) = (self.generation, self.counters.chunks);
        let ring = self.stream.ring(generation);
        ring.touch(self.counters.position + frames, chunk + 1);
        protocol::write(
            &self.stream.header,
            ring,
            &mut self.counters,
            frames,
            Stores::MayStream,
            |positions| positions.for_each(|position| ring.store_frame(position, frame_at(generation, position))),
            |first| record_of(generation, chunk, first, frames),
            || {},
        );
    }

    pub fn stream(&self) -> &Arc<Stream> {
        &self.stream
    }

    /// Frames committed in the stream.
    pub fn total(&self) -> u64 {
        self.base + self.counters.position
    }
}
