//! What a cursor needs from a stream of any kind.

use std::ops::Range;

use super::{Beginning, Start, Unit};
use crate::layout::Record;
use crate::protocol::{Committed, Update};
use crate::stream::WriterId;
use crate::{Description, Error, Result};

/// A point in time, by both clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Came {
    pub unix_ns: i64,
    pub mono_ns: u64,
}

/// Where a cursor stands that may have to open a ring that was kept.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stand {
    /// It has passed that many frames of the stream.
    After(u64),
    /// It came then, and had to wait. It stands before the stream's first frame if the stream is younger.
    Waiting(Came),
}

/// What a stream's header states about its rings (R2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Status {
    pub closed: bool,
    /// The current generation; `None` before the first.
    pub generation: Option<u32>,
}

/// The facts of one ring, which do not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RingFacts {
    pub generation: u32,
    /// Frames of the stream before this generation.
    pub base: u64,
    /// Frames in the ring (N).
    pub frames: u64,
    pub frame_bytes: u64,
    /// Chunk records that are kept (C).
    pub records: u64,
    /// The description in force when the generation began.
    pub meta_generation: u32,
}

/// A stream, and its ring that a cursor is in. All values returned are private copies.
///
/// An error of the kind `Corrupt` makes the cursor detach.
pub(crate) trait Source {
    /// Frames lent in place.
    type View;

    /// A1 and A2: whether there is a stream of the name. If found, it is kept open.
    fn find_stream(&mut self) -> Result<bool>;

    /// Closes the stream and its ring.
    fn let_go(&mut self);

    /// R2, for a stream that has been found.
    fn status(&mut self) -> Result<Status>;

    /// A4: opens the ring of `generation`, which replaces the one before. `false`: it does not exist, and the one
    /// before stays.
    fn open_ring(&mut self, generation: u32) -> Result<bool>;

    /// Whether [`open_ring`](Self::open_ring) would return anything other than `false`.
    fn could_open(&self, generation: u32) -> bool;

    /// As [`open_ring`](Self::open_ring), for the ring of an earlier generation that may have kept its name. `false` also
    /// if it begins before the cursor's stand, or cannot be used: its frames are then counted as lost.
    fn open_kept(&mut self, generation: u32, stand: Stand) -> Result<bool>;

    /// Whether [`open_kept`](Self::open_kept) would return anything other than `false`.
    fn could_open_kept(&self, generation: u32, stand: Stand) -> bool;

    /// Whether a ring of this stream that cannot be found will never be found.
    fn is_gone(&self) -> bool;

    /// Total number of frames of the stream, if it is closed and the number is known.
    fn final_position(&self) -> Option<u64>;

    /// R1: the wake word; `None` without a stream, or if the stream wakes no readers.
    fn wake(&self) -> Option<u32>;

    /// The writer that made the ring.
    fn ring_writer(&self) -> Option<WriterId>;

    /// The current or last writer of the stream.
    fn newest_writer(&self) -> Option<WriterId>;

    /// Whether the stream was created at or after `came`.
    fn is_younger_than(&self, came: &Came) -> bool;

    /// The facts of the ring; `None`: there is no ring yet.
    fn ring(&self) -> Option<RingFacts>;

    /// A6: where to begin in the ring. `None`: the writer overtook the loads.
    fn beginning(&self, start: Start, unit: Unit) -> Option<Beginning>;

    /// Announces that the cursor begins at `position` of the ring.
    fn begin_at(&mut self, _position: u64) {}

    /// R3 and, if that is not `is_new`, R1 to R3.
    fn update(&mut self, is_new: impl Fn(Committed) -> bool) -> Result<Update>;

    /// Frames committed in the ring.
    fn committed(&self) -> u64;

    /// The number of the description that the counters name, as of the last [`update`](Self::update). A number that
    /// differs from the description held is a hint to look for a newer one, and proves nothing else.
    fn described(&self) -> u32;

    /// Positions of the frames that the ring holds.
    fn held(&self) -> Range<u64>;

    /// The chunks whose records may be whole.
    fn chunks(&self) -> Range<u64>;

    /// A copy of a chunk's record; `None` if it has been lapped.
    fn record(&self, chunk: u64) -> Option<Record>;

    /// Announces that frames from `position` on are about to be copied.
    fn expect_copy(&self, _position: u64) {}

    /// R4 to R7: copies the frames at `positions`, given that `committed` frames are committed, and judges the copy.
    /// Returns the position from which it is whole; earlier frames may be torn. Both slices have exactly the frames'
    /// size.
    fn copy_whole(
        &mut self,
        positions: &Range<u64>,
        committed: u64,
        times: &mut [f64],
        samples: &mut [u8],
    ) -> Result<u64>;

    /// As [`copy_whole`](Self::copy_whole), for the times alone. `None`: they cannot be read.
    fn copy_times_whole(&self, positions: &Range<u64>, times: &mut [f64]) -> Option<u64>;

    /// Lends the frames at `positions`. `None`: they have already been overwritten.
    fn lend(&mut self, positions: &Range<u64>) -> Result<Option<Self::View>>;

    /// The positions of a view.
    fn lent(view: &Self::View) -> Range<u64>;

    /// R5 to R7 for a view of this ring: the position from which it is whole. `None`: the view is of another ring.
    fn judge(&self, view: &Self::View) -> Option<u64>;

    /// The number of the newest description of the stream, which may be the next generation's; `None`: the source has
    /// no descriptions.
    fn newest_description(&self) -> Option<u32>;

    /// Reads a description; `None` if it is gone, or cannot be decoded.
    fn open_description(&mut self, meta_generation: u32) -> Result<Option<Description>>;

    /// The error for a ring, or else a stream, that contradicts the protocol.
    fn corrupt(&self, reason: String) -> Error;

    /// The error for a stream that contradicts the protocol.
    fn corrupt_header(&self, reason: String) -> Error;
}
