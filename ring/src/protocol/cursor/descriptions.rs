//! The description that a cursor holds.

use std::ops::Range;
use std::sync::Arc;

use super::{Cursor, Source};
use crate::stream::EventKind;
use crate::{Description, Result};

/// How often the newest description is looked for while newer ones are published.
const MOST_NEWER: usize = 8;

/// The description that a cursor holds, and the one that it should hold.
#[derive(Default)]
pub(super) struct Descriptions {
    held: Option<(u32, Arc<Description>)>,
    /// Number of the description in force, if it could not be opened. The one held is then another.
    missed: Option<u32>,
    /// The number that the ring's counters named when a description was last looked for.
    looked_for: Option<u32>,
    /// Whether the ring has been entered with the description held, so that another one is an event.
    in_ring: bool,
}

impl Descriptions {
    /// Prepares for a ring that began with the description `meta_generation`. Drops any other, since it may describe
    /// another format.
    pub fn enter_ring(&mut self, meta_generation: u32) {
        self.held.take_if(|(held, _)| *held != meta_generation);
        self.looked_for = None;
        self.in_ring = false;
    }

    /// The ring has been entered: each new description held from now on is an event.
    pub fn in_force(&mut self) {
        self.in_ring = true;
    }

    pub fn held(&self) -> Option<&Arc<Description>> {
        self.held.as_ref().map(|(_, description)| description)
    }

    /// Whether the description in force could not be opened.
    pub fn is_missed(&self) -> bool {
        self.missed.is_some()
    }

    /// Whether the description `meta_generation` is held, and no other is missed.
    pub fn is(&self, meta_generation: u32) -> bool {
        let held = self.held.as_ref().is_some_and(|(held, _)| *held == meta_generation);
        held && self.missed.is_none()
    }

    /// Whether the description `meta_generation` was looked for and was gone.
    pub fn has_missed(&self, meta_generation: u32) -> bool {
        self.missed == Some(meta_generation)
    }

    /// Whether counters that name the description `meta_generation` are a reason to look for it. Returns true once for
    /// each number, since a description that is gone stays gone. One older than the description held was gone already
    /// when the newer one was taken in its place.
    #[inline]
    pub fn may_be_new(&mut self, meta_generation: u32) -> bool {
        let held = self.held.as_ref().map_or(0, |(held, _)| *held);
        held < meta_generation && self.looked_for.replace(meta_generation) != Some(meta_generation)
    }
}

impl<S: Source> Cursor<S> {
    /// Whether the description in force was gone before it could be read.
    pub fn description_missed(&self) -> bool {
        self.descriptions.is_missed()
    }

    /// Holds the description of the ring's newest frames.
    ///
    /// The header's number is not enough: from M3 on it is the next generation's, before S8 announces that generation,
    /// and remains so if the writer dies in between.
    pub(super) fn refresh_description(&mut self) -> Result<()> {
        // Each round that finds nothing was overtaken by a newer description.
        for _ in 0..MOST_NEWER {
            let (Some(newest), Some(ring)) = (self.source.newest_description(), self.source.ring()) else {
                return Ok(());
            };
            if let Some(of_frames) = self.description_of_newest_frames()
                && self.hold_description(of_frames)?
            {
                return Ok(());
            }
            // It is gone: another one has replaced it and has no frames yet. That one belongs to this generation,
            // unless the next one has begun: a switch removes the old description only after S8.
            if self.source.status()?.generation == Some(ring.generation) && self.hold_description(newest)? {
                return Ok(());
            }
            self.descriptions.missed = Some(newest);
            if self.source.newest_description() == Some(newest) {
                return Ok(());
            }
        }
        Ok(())
    }

    /// The number of the description that the newest committed chunk names, or, before the first chunk, the ring
    /// itself. `None`: the writer overtook the loads.
    fn description_of_newest_frames(&self) -> Option<u32> {
        let ring = self.source.ring()?;
        let chunks = self.source.chunks();
        // The newest chunk may be half-committed (W7 without W8); the one before it is not.
        for chunk in (chunks.end.saturating_sub(2)..chunks.end).rev() {
            let record = self.source.record(chunk)?;
            if record.first.saturating_add(record.frames) <= self.source.committed() {
                return Some(record.meta_generation);
            }
        }
        Some(ring.meta_generation)
    }

    /// Makes `meta_generation` the description held. `false`: it is gone, and the old one stays.
    pub(super) fn hold_description(&mut self, meta_generation: u32) -> Result<bool> {
        if meta_generation == 0 || self.descriptions.held.as_ref().is_some_and(|(held, _)| *held == meta_generation) {
            self.descriptions.missed = None;
            return Ok(true);
        }
        let Some(description) = self.source.open_description(meta_generation)? else {
            self.descriptions.missed = Some(meta_generation);
            return Ok(false);
        };
        let description = Arc::new(description);
        let before = self.descriptions.held.replace((meta_generation, description.clone()));
        self.descriptions.missed = None;
        if self.descriptions.in_ring && before.is_none_or(|(_, before)| before != description) {
            self.push_event(EventKind::NewDescription);
        }
        Ok(true)
    }

    /// The number of the description of the first frame of `range`, which is committed, and the end of the frames that
    /// share it. There is no number if the records have been overwritten and the frames have not.
    pub(super) fn described_alike(&self, range: &Range<u64>) -> (Option<u32>, u64) {
        // A reader that sees a frame committed also sees the description that it was sent under, or a newer one.
        if let Some(newest) = self.source.newest_description().filter(|&newest| self.descriptions.is(newest)) {
            // Numbers only grow, so no older description follows.
            return (Some(newest), range.end);
        }
        let mut of_first = None;
        for (_, record) in self.records_of(range.clone()).filter(|(_, record)| record.frames > 0) {
            match of_first {
                None => of_first = Some(record.meta_generation),
                Some(first) if first == record.meta_generation => {}
                Some(_) => return (of_first, record.first.clamp(range.start + 1, range.end)),
            }
        }
        (of_first, range.end)
    }

    /// Holds the description `number`, or, without a number, that of the newest frames.
    pub(super) fn hold_or_miss(&mut self, number: Option<u32>) -> Result<()> {
        let Some(number) = number else { return self.refresh_description() };
        if !self.descriptions.has_missed(number) && !self.hold_description(number)? && self.description().is_none() {
            // Another description of the same generation is better than none.
            self.refresh_description()?;
            self.descriptions.missed = Some(number);
        }
        Ok(())
    }
}
