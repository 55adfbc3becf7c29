//! Which description a reader holds.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::attachment::Attachment;
use crate::protocol::RingWords as _;
use crate::shm::open::open_description;
use crate::{Description, Result};

/// The description that a reader holds, and the one that it should.
#[derive(Default)]
pub(super) struct Descriptions {
    held: Option<(u32, Arc<Description>)>,
    /// The number of the one that could not be opened; the one held is another.
    missed: Option<u32>,
    /// What the ring's counters named when it was last looked for.
    looked_for: Option<u32>,
}

impl Descriptions {
    /// A ring is entered that began with the description `meta_generation`. Another one that is held is of frames of
    /// another format: better none than that.
    pub fn enter(&mut self, meta_generation: u32) {
        self.held.take_if(|(held, _)| *held != meta_generation);
        self.looked_for = None;
    }
}

impl Attachment {
    pub fn description(&self) -> Option<&Arc<Description>> {
        self.descriptions.held.as_ref().map(|(_, description)| description)
    }

    pub fn description_missed(&self) -> bool {
        self.descriptions.missed.is_some()
    }

    /// Whether the description `meta_generation` is the one that is held, and no other is missed.
    pub fn holds_description(&self, meta_generation: u32) -> bool {
        let held = self.descriptions.held.as_ref().is_some_and(|(held, _)| *held == meta_generation);
        held && self.descriptions.missed.is_none()
    }

    /// Whether the description `meta_generation` was looked for and gone.
    pub fn has_missed(&self, meta_generation: u32) -> bool {
        self.descriptions.missed == Some(meta_generation)
    }

    /// Remembers that the description `meta_generation` is gone.
    pub fn miss_description(&mut self, meta_generation: u32) {
        self.descriptions.missed = Some(meta_generation);
    }

    /// Whether counters that name the description `meta_generation` are a reason to look for another one. Once for each: one
    /// that is gone stays gone. An older one than is held is gone too: it was when the newer one was taken in its place.
    pub fn may_be_news(&mut self, meta_generation: u32) -> bool {
        let held = self.descriptions.held.as_ref().map_or(0, |(held, _)| *held);
        held < meta_generation && self.descriptions.looked_for.replace(meta_generation) != Some(meta_generation)
    }

    /// Holds the description of the ring's newest frames.
    ///
    /// It is not simply the header's: that one is the next generation's from M3 on, before S8 says that there is a next
    /// generation, and stays it if the writer dies in between.
    pub fn refresh_description(&mut self) -> Result<()> {
        // Each round that finds nothing has been overtaken by a newer description.
        for _ in 0..8 {
            let (Some(header), Some(ring)) = (&self.header, &self.ring) else { return Ok(()) };
            // Acquire, partner of M3.
            let newest = header.words.meta_generation().load(Ordering::Acquire);
            let mine = ring.generation;
            if let Some(of_frames) = self.description_of_newest_frames()
                && self.hold_description(of_frames)?
            {
                return Ok(());
            }
            // Gone: another one has taken its place since, before it has got frames. In this generation, unless the next
            // has begun: a switch removes the old description only after S8.
            let Some(header) = &self.header else { return Ok(()) };
            if header.words.generation_word().load(Ordering::Acquire) == mine && self.hold_description(newest)? {
                return Ok(());
            }
            self.descriptions.missed = Some(newest);
            let Some(header) = &self.header else { return Ok(()) };
            if header.words.meta_generation().load(Ordering::Acquire) == newest {
                return Ok(());
            }
        }
        Ok(())
    }

    /// The number of the description that the newest committed chunk names, or, before the first chunk, the ring itself.
    /// `None`: the writer overtook the look.
    fn description_of_newest_frames(&self) -> Option<u32> {
        let ring = self.ring.as_ref()?;
        let chunks = ring.memory.committed_chunks().load(Ordering::Acquire);
        // The newest one may be half-committed (W7 without W8); the one before it is not.
        for chunk in (chunks.saturating_sub(2)..chunks).rev() {
            let record = self.record(chunk)?;
            let committed = ring.memory.committed().load(Ordering::Acquire);
            if record.first.saturating_add(record.frames) <= committed {
                return Some(record.meta_generation);
            }
        }
        Some(ring.meta_generation)
    }

    /// Makes `meta_generation` the description that is held. `false`: it is gone, the old one stays.
    pub fn hold_description(&mut self, meta_generation: u32) -> Result<bool> {
        if meta_generation == 0 || self.descriptions.held.as_ref().is_some_and(|(held, _)| *held == meta_generation) {
            self.descriptions.missed = None;
            return Ok(true);
        }
        let Some(header) = &self.header else { return Ok(false) };
        match open_description(&self.name, header, meta_generation)? {
            Some(description) => {
                self.descriptions.held = Some((meta_generation, Arc::new(description)));
                self.descriptions.missed = None;
                Ok(true)
            }
            None => {
                self.descriptions.missed = Some(meta_generation);
                Ok(false)
            }
        }
    }
}
