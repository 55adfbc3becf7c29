//! Replaced segments that keep their names for a while, for readers that are woken late.

use std::time::{Duration, Instant};

use super::segment::{Named, Segment};
use crate::layout::{kept_generations, kept_meta_generations};
use crate::protocol::failpoint;

/// How many replaced descriptions are kept at most, apart from those that kept rings need.
const MOST_REPLACED: usize = 8;

/// Which rings are kept, and for how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Young {
    /// A ring that was current for less than this is kept when it is replaced.
    pub replaced_within: Duration,
    /// How long a kept ring keeps its names. The last ring of a stream that is closed later stays as long.
    pub keeps_names: Duration,
}

impl Default for Young {
    /// A reader that sleeps is woken, and has mapped the ring, well within these times, also on a busy machine.
    fn default() -> Self {
        Self { replaced_within: Duration::from_millis(20), keeps_names: Duration::from_millis(100) }
    }
}

/// A ring that was current for a short time only.
pub(super) struct YoungRing {
    pub generation: u32,
    /// The description of its newest frames.
    pub meta_generation: u32,
    pub until: Instant,
    pub names: Named,
}

struct Description {
    meta_generation: u32,
    /// Until when it is kept although no ring needs it.
    until: Option<Instant>,
    names: Named,
}

/// What is kept. A takeover (T3) finds the numbers of [`kept_generations`] and [`kept_meta_generations`] and no others,
/// so older ones are removed before the header names the number that follows.
#[derive(Default)]
pub(super) struct Kept {
    /// Oldest first.
    rings: Vec<YoungRing>,
    descriptions: Vec<Description>,
    /// After a takeover, the description of the dead writer's frames, if the header names another one. It stays until
    /// the first switch.
    of_dead_frames: Option<(u32, Segment)>,
}

/// Segments whose names have to be removed.
#[derive(Default)]
pub(super) struct Removed {
    rings: Vec<Named>,
    descriptions: Vec<Named>,
}

impl Kept {
    /// Spares the description of the dead writer's frames.
    pub fn spare(&mut self, of_dead_frames: Option<(u32, Segment)>) {
        self.of_dead_frames = of_dead_frames;
    }

    pub fn spared(&self) -> Option<&Segment> {
        self.of_dead_frames.as_ref().map(|(_, segment)| segment)
    }

    pub fn take_spared(&mut self) -> Option<(u32, Segment)> {
        self.of_dead_frames.take()
    }

    /// Must be called before the header names the ring `next`.
    pub fn make_room_for_ring(&mut self, next: u32) -> Removed {
        self.remove_rings_where(|ring| !kept_generations(next).any(|kept| kept == ring.generation))
    }

    /// Must be called before the header names the description `next`.
    pub fn make_room_for_description(&mut self, next: u32) -> Removed {
        let is_among_newest =
            |most: usize, number: u32| kept_meta_generations(next).take(most).any(|kept| kept == number);
        for description in &mut self.descriptions {
            description.until.take_if(|_| !is_among_newest(MOST_REPLACED, description.meta_generation));
        }
        let mut removed = self.remove_unneeded(None);
        let can_be_found = |number: u32| is_among_newest(usize::MAX, number);
        let is_lost = |description: &mut Description| !can_be_found(description.meta_generation);
        removed.descriptions.extend(self.descriptions.extract_if(.., is_lost).map(|description| description.names));
        let spared = self.of_dead_frames.take_if(|(number, _)| !can_be_found(*number));
        removed.descriptions.extend(spared.map(|(_, segment)| segment.into_named()));
        removed
    }

    /// Keeps a ring.
    pub fn keep_ring(&mut self, ring: YoungRing) {
        self.rings.push(ring);
    }

    /// Keeps a description that has been replaced until `until`, if that is given, and for as long as a kept ring needs
    /// it. Returns it if nothing keeps it.
    pub fn keep_description(&mut self, meta_generation: u32, names: Named, until: Option<Instant>) -> Option<Named> {
        if until.is_none() && !is_needed(&self.rings, meta_generation) {
            return Some(names);
        }
        self.descriptions.push(Description { meta_generation, until, names });
        None
    }

    /// Removes the oldest rings until all, and the descriptions that they need, have at most `most_bytes`.
    pub fn limit(&mut self, most_bytes: u64) -> Removed {
        let mut removed = Removed::default();
        while !self.rings.is_empty() && self.bytes() > most_bytes {
            let oldest = self.rings[0].generation;
            removed.extend(self.remove_rings_where(|ring| ring.generation == oldest));
        }
        removed
    }

    fn bytes(&self) -> u64 {
        let needed = self.descriptions.iter().filter(|it| is_needed(&self.rings, it.meta_generation));
        self.rings.iter().map(|ring| ring.names.bytes).chain(needed.map(|it| it.names.bytes)).sum()
    }

    /// Whether there are rings.
    pub fn has_rings(&self) -> bool {
        !self.rings.is_empty()
    }

    /// Removes the rings, whose memory is needed.
    pub fn remove_rings(&mut self) -> Removed {
        self.remove_rings_where(|_| true)
    }

    /// Removes what was kept long enough.
    pub fn remove_expired(&mut self, now: Instant) -> Removed {
        let mut removed = self.remove_rings_where(|ring| ring.until <= now);
        removed.extend(self.remove_unneeded(Some(now)));
        removed
    }

    /// When [`remove_expired`](Self::remove_expired) has something to remove.
    pub fn next_expiry(&self) -> Option<Instant> {
        let unneeded = self.descriptions.iter().filter(|it| !is_needed(&self.rings, it.meta_generation));
        self.rings.iter().map(|ring| ring.until).chain(unneeded.filter_map(|it| it.until)).min()
    }

    fn remove_rings_where(&mut self, goes: impl Fn(&YoungRing) -> bool) -> Removed {
        let rings = self.rings.extract_if(.., |ring| goes(ring)).map(|ring| ring.names).collect();
        let mut removed = Removed { rings, descriptions: Vec::new() };
        removed.extend(self.remove_unneeded(None));
        removed
    }

    /// Removes the descriptions that no ring needs, apart from those that are kept beyond `now`, or at all.
    fn remove_unneeded(&mut self, now: Option<Instant>) -> Removed {
        let goes = |description: &mut Description| {
            let is_over = description.until.is_none_or(|until| now.is_some_and(|now| until <= now));
            is_over && !is_needed(&self.rings, description.meta_generation)
        };
        let descriptions = self.descriptions.extract_if(.., goes).map(|description| description.names).collect();
        Removed { rings: Vec::new(), descriptions }
    }

    /// K5: everything that is left.
    pub fn remove_all(self) {
        for ring in self.rings {
            ring.names.unlink("K5-kept");
        }
        let descriptions = self.descriptions.into_iter().map(|description| description.names);
        let of_dead_frames = self.of_dead_frames.map(|(_, segment)| segment.into_named());
        for names in descriptions.chain(of_dead_frames) {
            names.unlink("K5-metadata");
        }
    }
}

fn is_needed(rings: &[YoungRing], meta_generation: u32) -> bool {
    rings.iter().any(|ring| ring.meta_generation == meta_generation)
}

impl Removed {
    fn extend(&mut self, other: Self) {
        self.rings.extend(other.rings);
        self.descriptions.extend(other.descriptions);
    }

    /// Removes the names, which frees the memory of what no reader maps. Returns whether there were rings.
    pub fn unlink(self) -> bool {
        for ring in &self.rings {
            ring.unlink("kept-half");
            failpoint::point("kept");
        }
        for description in &self.descriptions {
            description.unlink("M5-half");
        }
        !self.rings.is_empty()
    }
}
