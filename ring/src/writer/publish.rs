//! A stream that is ours, as long as it lives under one header: write, switch, publish, close.

use std::mem::ManuallyDrop;
use std::ops::Range;
use std::sync::Arc;

use super::acquire::{self, Owned, Waking, next_generation, next_meta_generation};
use super::segment::{CreatePoints, Segment};
use super::service::Service;
use super::{Times, WriterOptions};
use crate::ezmsg::header::{EzmsgFormat, EzmsgHeader, EzmsgPosition};
use crate::ezmsg::pickle;
use crate::layout::{
    Geometry, MAJOR, MAX_METADATA_BYTES, MINOR, RECORD_BYTES, RawFooter, RawTrailer, Record, SEGMENT_UNIT, footer,
    trailer,
};
use crate::protocol::copy::{Stores, racing_copy};
use crate::protocol::failpoint;
use crate::protocol::sync::{AtomicU32, AtomicU64, Ordering};
use crate::protocol::{self, Counters, HeaderWords, RingWords as _};
use crate::shm::memory::{HeaderMemory, RingMemory, runs};
use crate::shm::{Lock, WriteMapping, monotonic_ns, unix_ns};
use crate::stream::name::SegmentName;
use crate::{Description, Error, Format, MAX_RANK, Result};

/// Bytes of frames that are prefaulted before a new ring's first chunk: what a few chunks need while the service thread
/// does the rest.
const PREFAULT_AT_ONCE: u64 = 1 << 20;

pub(super) struct Stream {
    name: String,
    mode: u32,
    /// Whether descriptions that are replaced keep their names for a while.
    keep_replaced: bool,
    lock: Lock,
    header: WriterHeader,
    ezmsg: EzmsgHeader,
    stream_id: u64,
    epoch: u32,
    generation: Option<u32>,
    /// Frames committed under this stream_id before the current ring of ours.
    base: u64,
    ring: Option<ActiveRing>,
    meta_generation: u32,
    /// The description that is published, and the rate that its pickle holds.
    published: Option<(Description, f64)>,
    /// The longest pickle a mirror may have been told of; never shrinks.
    aux_len: u64,
}

struct ActiveRing {
    memory: RingMemory,
    counters: Counters,
    ezmsg: EzmsgPosition,
    /// `mono_ns` of the newest record; 0 before the first.
    committed_ns: u64,
    /// What `memory` points into.
    _map: Arc<WriteMapping>,
}

/// The header's words, whose sleepers the service helps to wake.
struct WriterHeader {
    words: HeaderMemory,
    service: ManuallyDrop<Service>,
    /// What `words` points into.
    _map: Arc<WriteMapping>,
}

impl HeaderWords for WriterHeader {
    #[inline]
    fn wake(&self) -> &AtomicU32 {
        self.words.wake()
    }

    #[inline]
    fn state(&self) -> &AtomicU32 {
        self.words.state()
    }

    #[inline]
    fn generation(&self) -> &AtomicU32 {
        self.words.generation()
    }

    #[inline]
    fn final_position(&self) -> &AtomicU64 {
        self.words.final_position()
    }

    #[inline]
    fn wake_sleepers(&self) {
        self.service.wake_sleepers(self.words.wake());
    }

    #[inline]
    fn wake_sleepers_of_writes(&self) {
        if self.service.has_sleepers() {
            self.wake_sleepers();
        }
    }
}

impl Stream {
    pub fn acquire(name: &str, options: &WriterOptions) -> Result<Self> {
        let &WriterOptions { mode, keep_replaced, .. } = options;
        let owned: Owned = acquire::acquire(name, mode)?;
        let map = owned.header.map.clone();
        // SAFETY: the words of a mapped header, kept mapped by `map`; nothing else of this process stores there.
        let ezmsg = unsafe { EzmsgHeader::new(owned.words.start()) };
        let service = Service::start(name, owned.header, owned.words, owned.epoch > 1)?;
        {
            let mut names = service.names();
            names.ring = owned.ring;
            names.metadata = owned.metadata;
        }
        Ok(Self {
            name: name.to_owned(),
            mode,
            keep_replaced,
            lock: owned.lock,
            header: WriterHeader { words: owned.words, service: ManuallyDrop::new(service), _map: map },
            ezmsg,
            stream_id: owned.stream_id,
            epoch: owned.epoch,
            generation: owned.generation,
            base: owned.base,
            ring: None,
            meta_generation: owned.meta_generation,
            published: None,
            aux_len: owned.aux_len,
        })
    }

    #[inline]
    pub fn write(
        &mut self,
        frames: u64,
        times: Times<'_>,
        send_ns: i64,
        stores: Stores,
        fill: &mut impl FnMut(Range<u64>, &mut [u8]),
    ) -> Result<()> {
        let Some(ring) = &mut self.ring else { return Err(Error::NoGeneration) };
        let ActiveRing { memory, counters, ezmsg: ezmsg_position, committed_ns, .. } = ring;
        let start = counters.position;
        if self.base.checked_add(start).and_then(|position| position.checked_add(frames)).is_none() {
            return Err(Error::BadArgument {
                reason: format!("{frames} frames after {start} are more than 64 bits count"),
            });
        }
        let meta_generation = self.meta_generation;
        let store = |positions: Range<u64>| {
            let mut frame = positions.start - start;
            for run in runs(&positions, memory.frames()) {
                if run.frames > 0 {
                    memory.store_times(run, |i| time_of(&times, frame + i));
                    // SAFETY: the run's memory is in the ring and ours to write: we hold the stream's lock, and `&mut
                    // self` keeps other threads of ours out. Readers race with it; see `racing_copy`.
                    let samples = unsafe { memory.samples_mut(run) };
                    fill(frame..frame + run.frames, samples);
                }
                frame += run.frames;
            }
        };
        let record = |first| {
            *committed_ns = monotonic_ns();
            Record { first, frames, send_ns, mono_ns: *committed_ns, meta_generation, flags: 0 }
        };
        let ezmsg = &mut self.ezmsg;
        let publish = || {
            if frames > 0 {
                let lap_ended = ezmsg_position.advance(frames, memory.frames());
                ezmsg.set_position(*ezmsg_position, lap_ended);
                failpoint::point("W9");
            }
        };
        protocol::write(&self.header, memory, counters, frames, stores, store, record, publish);
        Ok(())
    }

    /// S1 to S11.
    pub fn switch(&mut self, format: &Format, geometry: Geometry, description: &Description) -> Result<()> {
        let generation = next_generation(self.generation);
        let base = self.base + self.position();
        let mut names = self.header.service.names();
        self.ezmsg.set_valid(false);
        failpoint::point("S1");
        let changed = self.published.as_ref().is_none_or(|(published, rate_hz)| {
            published != description || rate_hz.to_bits() != format.rate_hz().to_bits()
        });
        let meta_generation = if changed { next_meta_generation(self.meta_generation) } else { self.meta_generation };
        let raw = self.trailer(format, &geometry, generation, base, meta_generation);
        let points = CreatePoints { removed: "S2", reserved: "S3", filled: "S4", linked: "S5" };
        let made = Segment::create(
            &self.name,
            SegmentName::ring(&self.name, generation),
            geometry.length,
            self.mode,
            &points,
            |map| {
                // SAFETY: mapped with the geometry's length, and the geometry is planned.
                let memory = unsafe { RingMemory::new(map.start(), geometry.clone()) };
                prefault_at_once(map, &geometry);
                memory.fill_trailer(&raw);
            },
        );
        let published = made.and_then(|segment| {
            let next = changed.then(|| self.prepare(description, format.rate_hz())).transpose();
            match next {
                Ok(next) => Ok((segment, next)),
                Err(error) => {
                    segment.unlink("S5-undo");
                    Err(error)
                }
            }
        });
        let (segment, prepared) = match published {
            Ok(done) => done,
            Err(error) => {
                // A dead writer's ring stays hidden from mirrors: its ezmsg counters are not ours to vouch for.
                if self.ring.is_some() {
                    self.ezmsg.set_valid(true);
                }
                return Err(error);
            }
        };
        let old_metadata = match prepared {
            Some(prepared) => {
                let old = names.metadata.take();
                let (metadata, meta_generation, aux_len) = prepared;
                names.metadata = Some(metadata);
                names.make_room_for_replaced();
                announce_metadata(&mut self.ezmsg, &self.header.words, meta_generation, aux_len);
                self.meta_generation = meta_generation;
                self.aux_len = aux_len;
                self.published = Some((description.clone(), format.rate_hz()));
                old
            }
            None => None,
        };
        failpoint::point("S6");
        self.ezmsg.set_format(&EzmsgFormat {
            dtype: format.dtype(),
            rate_hz: format.rate_hz(),
            frames: geometry.frames,
            frame_shape: format.frame_shape(),
            key: &description.key,
            buffer_generation: generation,
        });
        failpoint::point("S7");
        let map = segment.map.clone();
        // SAFETY: mapped with the geometry's length, kept mapped by `map`; the geometry is planned.
        let memory = unsafe { RingMemory::new(map.start(), geometry) };
        let old_ring = names.ring.replace(segment);
        let ezmsg = &mut self.ezmsg;
        protocol::switch(&self.header, generation, || ezmsg.set_valid(true));
        self.generation = Some(generation);
        self.base = base;
        let offset = first_not_prefaulted(memory.geometry());
        let (counters, ezmsg) = (Counters::default(), EzmsgPosition::default());
        self.ring = Some(ActiveRing { memory, counters, ezmsg, committed_ns: 0, _map: map.clone() });
        if let Some(old) = old_metadata {
            if self.keep_replaced { names.keep_replaced(old) } else { old.unlink("S11-metadata") }
        }
        if let Some(old) = old_ring {
            old.unlink("S11-half");
        }
        drop(names);
        self.header.service.begun(map, offset);
        failpoint::point("S11");
        Ok(())
    }

    fn trailer(
        &self,
        format: &Format,
        geometry: &Geometry,
        generation: u32,
        base: u64,
        meta_generation: u32,
    ) -> RawTrailer {
        let mut dims = [0; MAX_RANK];
        dims[..format.frame_shape().len()].copy_from_slice(format.frame_shape());
        RawTrailer {
            magic: trailer::MAGIC_VALUE,
            major: MAJOR,
            minor: MINOR,
            stream_id: self.stream_id,
            generation,
            epoch: self.epoch,
            base,
            frames: geometry.frames,
            frame_bytes: geometry.frame_bytes,
            rate: format.rate_hz(),
            samples_offset: geometry.samples_offset,
            index_offset: geometry.index_offset,
            records: geometry.records as u32,
            record_bytes: RECORD_BYTES as u32,
            dtype: format.dtype().code(),
            rank: format.frame_shape().len() as u32,
            dims,
            meta_generation,
            created_ns: unix_ns(),
            created_mono_ns: monotonic_ns(),
            ..RawTrailer::default()
        }
    }

    /// M1 to M5: a new description of the current generation.
    pub fn describe(&mut self, description: &Description, rate_hz: f64) -> Result<()> {
        let mut names = self.header.service.names();
        let (metadata, meta_generation, aux_len) = self.prepare(description, rate_hz)?;
        let old = names.metadata.replace(metadata);
        names.make_room_for_replaced();
        announce_metadata(&mut self.ezmsg, &self.header.words, meta_generation, aux_len);
        self.meta_generation = meta_generation;
        self.aux_len = aux_len;
        self.published = Some((description.clone(), rate_hz));
        protocol::bump(&self.header);
        failpoint::point("M4");
        if let Some(old) = old {
            if self.keep_replaced { names.keep_replaced(old) } else { old.unlink("M5-half") }
        }
        failpoint::point("M5");
        Ok(())
    }

    /// The same description again, in a segment of its own: the old one has lost its names.
    pub fn republish(&mut self, description: &Description, rate_hz: f64) -> Result<()> {
        self.describe(description, rate_hz)
    }

    /// M1: the next metadata segment, whole and linked, but not announced.
    fn prepare(&self, description: &Description, rate_hz: f64) -> Result<(Segment, u32, u64)> {
        let meta_generation = next_meta_generation(self.meta_generation);
        let pickle = pickle::encode(description, rate_hz);
        let json = description.to_json();
        let aux_len = (pickle.len() as u64).max(self.aux_len);
        let json_offset = aux_len.next_multiple_of(8);
        let length = (json_offset + json.len() as u64 + footer::LENGTH).next_multiple_of(SEGMENT_UNIT);
        if length > MAX_METADATA_BYTES {
            return Err(Error::BadArgument {
                reason: format!("the description takes {length} bytes, at most {MAX_METADATA_BYTES} are possible"),
            });
        }
        let raw = RawFooter {
            magic: footer::MAGIC_VALUE,
            major: MAJOR,
            minor: MINOR,
            must_understand: 0,
            stream_id: self.stream_id,
            meta_generation,
            aux_len,
            json_offset,
            json_len: json.len() as u64,
        };
        let points = CreatePoints { removed: "M1-removed", reserved: "M1-reserved", filled: "M1-filled", linked: "M1" };
        let segment = Segment::create(
            &self.name,
            SegmentName::metadata(&self.name, meta_generation),
            length,
            self.mode,
            &points,
            |map| {
                let footer_offset = (length - footer::LENGTH) as usize;
                for (offset, bytes) in
                    [(0, &pickle[..]), (json_offset as usize, &json[..]), (footer_offset, &raw.encode()[..])]
                {
                    assert!(offset + bytes.len() <= map.length());
                    // SAFETY: in bounds, and nobody else has the segment: it has no public name yet.
                    unsafe { racing_copy(bytes.as_ptr(), map.start().add(offset), bytes.len()) };
                }
            },
        )?;
        Ok((segment, meta_generation, aux_len))
    }

    /// Whether a ring of `needed` bytes fits once the old one is gone.
    pub fn would_fit_alone(&self, needed: u64, free: u64) -> bool {
        let old = self.header.service.names().ring.as_ref().map_or(0, |ring| ring.map.length() as u64);
        old > 0 && needed <= free.saturating_add(old)
    }

    pub fn is_home(&self) -> bool {
        self.lock.is_home()
    }

    pub fn has_lost(&self) -> bool {
        self.header.service.has_lost()
    }

    pub fn take_lost(&self) -> u32 {
        self.header.service.take_lost()
    }

    pub fn set_lost(&self, lost: u32) {
        self.header.service.set_lost(lost);
    }

    pub fn take_warnings(&mut self) -> Vec<String> {
        if self.is_home() { std::mem::take(&mut self.header.service.names().warnings) } else { Vec::new() }
    }

    pub fn generation(&self) -> Option<u32> {
        self.ring.as_ref().and(self.generation)
    }

    pub fn position(&self) -> u64 {
        self.ring.as_ref().map_or(0, |ring| ring.counters.position)
    }

    pub fn committed_ns(&self) -> u64 {
        self.ring.as_ref().map_or(0, |ring| ring.committed_ns)
    }

    pub fn ring_frames(&self) -> u64 {
        self.ring.as_ref().map_or(0, |ring| ring.memory.frames())
    }

    pub fn stream_position(&self) -> u64 {
        self.base + self.position()
    }

    pub fn stream_id(&self) -> u64 {
        self.stream_id
    }

    pub fn epoch(&self) -> u32 {
        self.epoch
    }
}

/// K1 to K8, unless this is a forked child, which leaves everything to its parent.
impl Drop for Stream {
    fn drop(&mut self) {
        if !self.is_home() {
            // The service's thread does not exist here and its mutex may be held for ever: neither is touched.
            return;
        }
        let names = std::mem::take(&mut *self.header.service.names());
        self.ezmsg.set_valid(false);
        failpoint::point("K1");
        protocol::close(&Waking(self.header.words), self.stream_position());
        if let Some(ring) = names.ring {
            ring.unlink("K5-half");
        }
        if let Some(metadata) = names.metadata {
            metadata.unlink("K5-metadata");
        }
        for (_, replaced) in names.replaced {
            replaced.unlink("K5-metadata");
        }
        failpoint::point("K5");
        if let Some(header) = names.header {
            header.unlink("K6");
        }
        failpoint::point("K7");
        // SAFETY: taken here only, and `self` is not used afterwards.
        let service = unsafe { ManuallyDrop::take(&mut self.header.service) };
        service.stop();
        // The lock's own drop is K8.
    }
}

/// M2 and M3.
fn announce_metadata(ezmsg: &mut EzmsgHeader, words: &HeaderMemory, meta_generation: u32, aux_len: u64) {
    ezmsg.set_metadata(u32::try_from(aux_len).expect("a metadata segment has at most 64 MiB"), meta_generation);
    failpoint::point("M2");
    // Release, partner of the readers' Acquire load: who sees the number finds the segment.
    words.meta_generation().store(meta_generation, Ordering::Release);
    failpoint::point("M3");
}

#[inline]
fn time_of(times: &Times<'_>, frame: u64) -> f64 {
    match times {
        Times::Linear { start, step } => start + frame as f64 * step,
        Times::Values(values) => values[frame as usize],
    }
}

/// Bytes from the start of the samples that are prefaulted before the ring is announced.
fn prefaulted_at_once(geometry: &Geometry) -> usize {
    let samples = PREFAULT_AT_ONCE.max(2 * geometry.frame_bytes);
    (geometry.samples_offset + samples).min(geometry.length) as usize
}

/// Where the second thread goes on: with the times, if they were not all prefaulted.
fn first_not_prefaulted(geometry: &Geometry) -> usize {
    if geometry.samples_offset > PREFAULT_AT_ONCE { PREFAULT_AT_ONCE as usize } else { prefaulted_at_once(geometry) }
}

/// What the next chunks touch: the first times, samples and records, and the trailer.
fn prefault_at_once(map: &WriteMapping, geometry: &Geometry) {
    let samples = geometry.samples_offset as usize;
    let times = PREFAULT_AT_ONCE.min(geometry.samples_offset) as usize;
    map.populate(0, times);
    map.populate(samples, prefaulted_at_once(geometry) - samples);
    let index = (geometry.records * RECORD_BYTES).min(PREFAULT_AT_ONCE) as usize;
    map.populate(geometry.index_offset as usize, index);
    map.populate(geometry.trailer_offset() as usize, trailer::LENGTH as usize);
}

/// A writer may move to another thread.
const _: fn() = || {
    fn is_send<T: Send>() {}
    is_send::<Stream>();
};
