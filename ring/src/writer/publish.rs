//! Publishing under one header: write, switch, describe, close.

use std::mem::ManuallyDrop;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::acquire;
use super::following::Following;
use super::kept::{Young, YoungRing};
use super::segment::{CreatePoints, Named, Segment};
use super::service::{Names, Service, Waker};
use super::warning::Warning;
use super::{Times, WriterOptions};
use crate::ezmsg::header::{EzmsgFormat, EzmsgHeader, EzmsgPosition};
use crate::ezmsg::pickle;
use crate::layout::{
    Geometry, MAJOR, MAX_METADATA_BYTES, MINOR, RECORD_BYTES, RawFooter, RawTrailer, Record, SEGMENT_UNIT, footer,
    next_generation, next_meta_generation, trailer,
};
use crate::protocol::copy::{Stores, racing_copy};
use crate::protocol::counts::{self, Counted};
use crate::protocol::failpoint;
use crate::protocol::sync::Ordering;
use crate::protocol::{self, Counters, RingWords as _};
use crate::shm::memory::{EveryWaiter, HeaderMemory, RingMemory, runs};
use crate::shm::{Lock, WriteMapping, clock_id, clock_pair, monotonic_ns};
use crate::stream::name::SegmentName;
use crate::{Description, Error, Format, GenerationClock, Result};

/// Bytes of frames that are prefaulted before a ring is announced: enough for a few chunks while the service thread
/// does the rest.
const PREFAULT_AT_ONCE: u64 = 1 << 20;

/// How long a replaced description stays: longer than a reader that is awake needs to reach the frames it describes.
const KEEP_REPLACED: Duration = Duration::from_secs(1);

/// A stream that this process owns, from one header's creation or takeover to its end.
pub(super) struct Publisher {
    name: String,
    mode: u32,
    /// Most bytes of a ring, and of all rings together that are kept.
    max_ring_bytes: u64,
    /// Whether replaced descriptions stay linked for a while.
    keep_replaced: bool,
    young: Young,
    lock: Lock,
    header: HeaderMemory<Waker>,
    ezmsg: EzmsgHeader,
    /// Left alone in a forked child, where its thread does not exist.
    service: ManuallyDrop<Service>,
    /// The mapping that `header` and `ezmsg` point into.
    _map: Arc<WriteMapping>,
    stream_id: u64,
    epoch: u32,
    generation: Option<u32>,
    /// Frames committed under this stream_id before this writer's current ring.
    base: u64,
    ring: Option<ActiveRing>,
    meta_generation: u32,
    /// The description that is published, and the rate that its pickle holds.
    published: Option<(Description, f64)>,
    /// Length of the longest pickle ever announced to mirrors; never shrinks.
    aux_len: u64,
}

struct ActiveRing {
    memory: RingMemory,
    counters: Counters,
    ezmsg: EzmsgPosition,
    /// `mono_ns` of the newest record; 0 before the first.
    committed_ns: u64,
    clock: GenerationClock,
    following: Following,
    /// When it became current (S8).
    since: Instant,
    /// The mapping that `memory` points into.
    _map: Arc<WriteMapping>,
}

impl Publisher {
    /// Waits for at most `patience`.
    pub fn acquire(name: &str, options: &WriterOptions, patience: Duration) -> Result<Self> {
        let &WriterOptions { mode, max_ring_bytes, keep_replaced, young, .. } = options;
        let (lock, acquired) = acquire::acquire(name, mode, patience)?;
        let map = acquired.header.map.clone();
        // SAFETY: the words of a mapped header, kept mapped by `map`; nothing else in this process stores there.
        let ezmsg = unsafe { EzmsgHeader::new(acquired.words.start()) };
        let service = Service::start(name, acquired.header, acquired.words, acquired.epoch > 1)?;
        {
            let shared = service.shared();
            let mut names = shared.names();
            names.ring = acquired.ring;
            names.metadata = acquired.metadata;
            names.kept.spare(acquired.ring_metadata);
        }
        Ok(Self {
            name: name.to_owned(),
            mode,
            max_ring_bytes,
            keep_replaced,
            young,
            lock,
            header: acquired.words.with_waker(service.waker()),
            ezmsg,
            service: ManuallyDrop::new(service),
            _map: map,
            stream_id: acquired.stream_id,
            epoch: acquired.epoch,
            generation: acquired.generation,
            base: acquired.base,
            ring: None,
            meta_generation: acquired.meta_generation,
            published: None,
            aux_len: acquired.aux_len,
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
        let ActiveRing { memory, counters, ezmsg: ezmsg_position, committed_ns, following, .. } = ring;
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
                    // SAFETY: the run's memory is in the ring, and only this thread writes it: this process holds the
                    // stream's lock, and `&mut self` excludes its other threads. Readers race with it; see
                    // `racing_copy`.
                    let samples = unsafe { memory.samples_mut(run) };
                    fill(frame..frame + run.frames, samples);
                }
                frame += run.frames;
            }
        };
        let record = |first| {
            *committed_ns = monotonic_ns();
            let flags = match frames.checked_sub(1) {
                Some(last) => following.flags(time_of(&times, 0), time_of(&times, last)),
                None => 0,
            };
            Record { first, frames, send_ns, mono_ns: *committed_ns, meta_generation, flags }
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
        let shared = self.service.shared();
        let mut names = shared.names();
        self.ezmsg.set_valid(false);
        failpoint::point("S1");
        let mut made = self.make(format, &geometry, generation, base, description);
        if matches!(made, Err(Error::NoSpace { .. })) && names.kept.remove_rings().unlink() {
            made = self.make(format, &geometry, generation, base, description);
        }
        let Made { segment, metadata, clock } = match made {
            Ok(made) => made,
            Err(error) => {
                // A dead writer's ring stays hidden from mirrors, since its ezmsg counters cannot be relied on.
                if self.ring.is_some() {
                    self.ezmsg.set_valid(true);
                }
                return Err(error);
            }
        };
        names.kept.make_room_for_ring(generation).unlink();
        let (old_meta_generation, young) = (self.meta_generation, self.young_ring());
        let old_metadata = metadata.and_then(|metadata| self.announce(&mut names, metadata, description, format));
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
        let since = Instant::now();
        self.generation = Some(generation);
        self.base = base;
        let offset = first_not_prefaulted(memory.geometry());
        let (counters, ezmsg, following) =
            (Counters::default(), EzmsgPosition::default(), Following::new(format.rate_hz()));
        self.ring =
            Some(ActiveRing { memory, counters, ezmsg, committed_ns: 0, clock, following, since, _map: map.clone() });
        let old_ring = match (old_ring, young) {
            (Some(segment), Some(generation)) => {
                let until = since + self.young.keeps_names;
                let names_of_ring = segment.into_named();
                let ring = YoungRing { generation, meta_generation: old_meta_generation, until, names: names_of_ring };
                names.kept.keep_ring(ring);
                None
            }
            (old_ring, _) => old_ring,
        };
        if let Some(old) = old_metadata.and_then(|old| self.retire(&mut names, old_meta_generation, old)) {
            old.unlink("S11-metadata");
        }
        let spared = names.kept.take_spared();
        if let Some(spared) = spared.and_then(|(number, spared)| self.retire(&mut names, number, spared)) {
            spared.unlink("S11-spared");
        }
        if let Some(old) = old_ring {
            old.unlink("S11-half");
        }
        names.kept.limit(self.max_ring_bytes).unlink();
        drop(names);
        self.service.begun(map, offset);
        failpoint::point("S11");
        Ok(())
    }

    /// S2 to S5 and M1: creates the next ring and, if it differs from the published one, the next description, both
    /// complete and linked but not announced. If one fails, neither is left.
    fn make(
        &self,
        format: &Format,
        geometry: &Geometry,
        generation: u32,
        base: u64,
        description: &Description,
    ) -> Result<Made> {
        let changed = self.published.as_ref().is_none_or(|(published, rate_hz)| {
            published != description || rate_hz.to_bits() != format.rate_hz().to_bits()
        });
        let meta_generation = if changed { next_meta_generation(self.meta_generation) } else { self.meta_generation };
        let raw = self.trailer(format, geometry, generation, base, meta_generation);
        let points = CreatePoints { removed: "S2", reserved: "S3", filled: "S4", linked: "S5" };
        let names = SegmentName::ring(&self.name, generation);
        let ring = Segment::create(&self.name, names, geometry.length, self.mode, &points, |map| {
            // SAFETY: mapped with the geometry's length, and the geometry is planned.
            let memory = unsafe { RingMemory::new(map.start(), geometry.clone()) };
            prefault_at_once(map, geometry);
            memory.fill_trailer(&raw);
        })?;
        match changed.then(|| self.make_metadata(description, format.rate_hz())).transpose() {
            Ok(metadata) => Ok(Made { segment: ring, metadata, clock: raw.generation_clock() }),
            Err(error) => {
                ring.unlink("S5-undo");
                Err(error)
            }
        }
    }

    fn trailer(
        &self,
        format: &Format,
        geometry: &Geometry,
        generation: u32,
        base: u64,
        meta_generation: u32,
    ) -> RawTrailer {
        let created = clock_pair();
        RawTrailer {
            magic: trailer::MAGIC_VALUE,
            major: MAJOR,
            minor: MINOR,
            stream_id: self.stream_id,
            generation,
            epoch: self.epoch,
            base,
            meta_generation,
            created_ns: created.unix_ns,
            created_mono_ns: created.mono_ns,
            clock_id: clock_id().0,
            ..geometry.fields(format)
        }
    }

    /// M1 to M5: publishes a new description of the current generation.
    pub fn describe(&mut self, description: &Description, format: &Format) -> Result<()> {
        let shared = self.service.shared();
        let mut names = shared.names();
        let metadata = self.make_metadata(description, format.rate_hz())?;
        let old_meta_generation = self.meta_generation;
        let old = self.announce(&mut names, metadata, description, format);
        protocol::bump(&self.header);
        failpoint::point("M4");
        if let Some(old) = old.and_then(|old| self.retire(&mut names, old_meta_generation, old)) {
            old.unlink("M5-half");
        }
        failpoint::point("M5");
        Ok(())
    }

    /// M1: creates the next metadata segment, complete and linked, but not announced.
    fn make_metadata(&self, description: &Description, rate_hz: f64) -> Result<NextMetadata> {
        let meta_generation = next_meta_generation(self.meta_generation);
        let pickle = pickle::encode(description, rate_hz);
        let json = description.to_json();
        let aux_len = (pickle.len() as u64).max(self.aux_len);
        let json_offset = aux_len.next_multiple_of(8);
        let length = (json_offset + json.len() as u64 + footer::LENGTH).next_multiple_of(SEGMENT_UNIT);
        if length > MAX_METADATA_BYTES {
            return Err(Error::BadArgument {
                reason: format!("the description takes {length} bytes, expected at most {MAX_METADATA_BYTES}"),
            });
        }
        let raw = RawFooter {
            magic: footer::MAGIC_VALUE,
            major: MAJOR,
            minor: MINOR,
            stream_id: self.stream_id,
            meta_generation,
            aux_len,
            json_offset,
            json_len: json.len() as u64,
            ..RawFooter::default()
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
                    // SAFETY: in bounds, and no other process has the segment: it has no public name yet.
                    unsafe { racing_copy(bytes.as_ptr(), map.start().add(offset), bytes.len()) };
                }
            },
        )?;
        Ok(NextMetadata { segment, meta_generation, aux_len })
    }

    /// M2 and M3. Returns the replaced description's segment.
    fn announce(
        &mut self,
        names: &mut Names,
        metadata: NextMetadata,
        description: &Description,
        format: &Format,
    ) -> Option<Segment> {
        let NextMetadata { segment, meta_generation, aux_len } = metadata;
        let old = names.metadata.replace(segment);
        names.kept.make_room_for_description(meta_generation).unlink();
        let aux_nbytes = u32::try_from(aux_len).expect("a metadata segment has at most 64 MiB");
        self.ezmsg.set_metadata(aux_nbytes, meta_generation);
        failpoint::point("M2");
        // Release, partner of the readers' Acquire load: a reader that sees the number finds the segment.
        self.header.meta_generation().store(meta_generation, Ordering::Release);
        failpoint::point("M3");
        self.meta_generation = meta_generation;
        self.aux_len = aux_len;
        self.published = Some((description.clone(), format.rate_hz()));
        old
    }

    /// M5: returns the replaced description, whose names have to be removed, unless it is kept for a while.
    fn retire(&self, names: &mut Names, meta_generation: u32, old: Segment) -> Option<Named> {
        let until = self.keep_replaced.then(|| Instant::now() + KEEP_REPLACED);
        names.kept.keep_description(meta_generation, old.into_named(), until)
    }

    /// The current generation, if its ring has frames and has been current for so short a time that a reader which was
    /// woken for it may not have opened it.
    fn young_ring(&self) -> Option<u32> {
        let ring = self.ring.as_ref().filter(|ring| ring.counters.position > 0)?;
        self.generation.filter(|_| ring.since.elapsed() < self.young.replaced_within)
    }

    /// Stores the totals of what was not written.
    pub fn count(&self, counted: Counted) {
        if self.is_own_process() {
            counts::store(&self.header, counted);
        }
    }

    /// Until when readers that were woken may still have to open the last ring, or one that is kept for them; `None`:
    /// they have had the time.
    pub fn young_until(&self) -> Option<Instant> {
        let ring = self.ring.as_ref()?;
        // A kept ring was replaced when this one became current, or before, so it is not kept for longer.
        let has_frames = ring.counters.position > 0 || self.service.shared().names().kept.has_rings();
        let until = ring.since + self.young.keeps_names;
        (has_frames && until > Instant::now()).then_some(until)
    }

    /// Whether a ring of `needed` bytes fits once the old one is gone.
    pub fn would_fit_alone(&self, needed: u64, free: u64) -> bool {
        let old = self.service.shared().names().ring.as_ref().map_or(0, |ring| ring.map.length() as u64);
        old > 0 && needed <= free.saturating_add(old)
    }

    pub fn is_own_process(&self) -> bool {
        self.lock.is_own_process()
    }

    pub fn has_lost(&self) -> bool {
        self.service.has_lost()
    }

    pub fn take_lost(&self) -> u32 {
        self.service.take_lost()
    }

    pub fn set_lost(&self, lost: u32) {
        self.service.set_lost(lost);
    }

    pub fn take_warnings(&mut self) -> Vec<Warning> {
        if self.is_own_process() { std::mem::take(&mut self.service.shared().names().warnings) } else { Vec::new() }
    }

    pub fn generation(&self) -> Option<u32> {
        self.ring.as_ref().and(self.generation)
    }

    /// Number of the generation that begins next.
    pub fn next_generation(&self) -> u32 {
        next_generation(self.generation)
    }

    pub fn position(&self) -> u64 {
        self.ring.as_ref().map_or(0, |ring| ring.counters.position)
    }

    pub fn clock(&self) -> Option<GenerationClock> {
        self.ring.as_ref().map(|ring| ring.clock)
    }

    /// Time of the newest frame of the current generation; NaN before the first.
    pub fn last_time(&self) -> f64 {
        self.ring.as_ref().map_or(f64::NAN, |ring| ring.following.last())
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

/// K1 to K8. A forked child leaves everything to its parent.
impl Drop for Publisher {
    fn drop(&mut self) {
        if !self.is_own_process() {
            // The service thread does not exist in a child, and its mutex may be locked forever, so both are left
            // alone.
            return;
        }
        let names = std::mem::take(&mut *self.service.shared().names());
        self.ezmsg.set_valid(false);
        failpoint::point("K1");
        protocol::close(&self.header.with_waker(EveryWaiter), self.stream_position());
        if let Some(ring) = names.ring {
            ring.unlink("K5-half");
        }
        if let Some(metadata) = names.metadata {
            metadata.unlink("K5-metadata");
        }
        names.kept.remove_all();
        failpoint::point("K5");
        if let Some(header) = names.header {
            header.unlink("K6");
        }
        failpoint::point("K7");
        // SAFETY: only taken here, and `self` is not used afterwards.
        let service = unsafe { ManuallyDrop::take(&mut self.service) };
        service.stop();
        // The lock's own drop is K8.
    }
}

/// A generation that was created and is not announced yet.
struct Made {
    segment: Segment,
    /// Its description, if that is another one than before.
    metadata: Option<NextMetadata>,
    clock: GenerationClock,
}

/// A description that was created and is not announced yet.
struct NextMetadata {
    segment: Segment,
    meta_generation: u32,
    /// Bytes of the pickle, with its padding.
    aux_len: u64,
}

#[inline]
fn time_of(times: &Times<'_>, frame: u64) -> f64 {
    match times {
        Times::Linear { start, step } => start + frame as f64 * step,
        Times::Values(values) => values[frame as usize],
        Times::Run(run) => run.at(frame),
    }
}

/// Bytes from the start of the samples that are prefaulted before the ring is announced.
fn prefaulted_at_once(geometry: &Geometry) -> usize {
    let samples = PREFAULT_AT_ONCE.max(2 * geometry.frame_bytes);
    (geometry.samples_offset + samples).min(geometry.length) as usize
}

/// Where the service thread continues: with the times, if not all of them were prefaulted.
fn first_not_prefaulted(geometry: &Geometry) -> usize {
    if geometry.samples_offset > PREFAULT_AT_ONCE { PREFAULT_AT_ONCE as usize } else { prefaulted_at_once(geometry) }
}

/// Prefaults what the next chunks touch: the first times, samples and records, and the trailer.
fn prefault_at_once(map: &WriteMapping, geometry: &Geometry) {
    let samples = geometry.samples_offset as usize;
    let times = PREFAULT_AT_ONCE.min(geometry.samples_offset) as usize;
    map.populate(0, times);
    map.populate(samples, prefaulted_at_once(geometry) - samples);
    let index = (geometry.records * RECORD_BYTES).min(PREFAULT_AT_ONCE) as usize;
    map.populate(geometry.index_offset as usize, index);
    map.populate(geometry.trailer_offset() as usize, trailer::LENGTH as usize);
}

/// A writer may be moved to another thread.
const _: fn() = || {
    fn is_send<T: Send>() {}
    is_send::<Publisher>();
};
