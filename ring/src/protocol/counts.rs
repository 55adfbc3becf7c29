//! What a writer was given and did not write, counted in the header. Readers load these words only to show them.

use super::failpoint;
use super::order;
use super::sync::{AtomicU32, AtomicU64, Ordering};

/// Totals since a stream's writer came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counted {
    /// Messages that the writer was given and did not write.
    pub refused: u64,
    /// Messages that the queue of the writer's input dropped, as far as the writer knows.
    pub dropped: u64,
    /// Messages that are missing by the source's sequence.
    pub gaps: u64,
}

/// The words of a header that hold the counts.
pub(crate) trait CountWords {
    fn epoch(&self) -> &AtomicU32;
    fn refused(&self) -> &AtomicU64;
    fn dropped(&self) -> &AtomicU64;
    fn gaps(&self) -> &AtomicU64;
    fn counted_by(&self) -> &AtomicU32;
}

/// T2: the writer takes over as `epoch`, and begins to count.
pub(crate) fn begin_epoch<W: CountWords>(words: &W, epoch: u32) {
    // Release, partner of the Acquire load of a reader that asks for the newest writer.
    words.epoch().store(epoch, Ordering::Release);
    failpoint::point("T2-epoch");
    order::after_epoch();
    store(words, Counted::default());
    failpoint::point("T2-zeros");
    words.counted_by().store(epoch, order::counted_by());
}

/// Stores the totals. Relaxed: each is a fact of its own.
#[inline]
pub(crate) fn store<W: CountWords>(words: &W, counted: Counted) {
    words.refused().store(counted.refused, Ordering::Relaxed);
    words.dropped().store(counted.dropped, Ordering::Relaxed);
    words.gaps().store(counted.gaps, Ordering::Relaxed);
}

/// The totals of the newest writer; `None` if it keeps none.
pub(crate) fn load<W: CountWords>(words: &W) -> Option<Counted> {
    let counted_by = words.counted_by().load(order::counted_by_load());
    let counted = Counted {
        refused: words.refused().load(Ordering::Relaxed),
        dropped: words.dropped().load(Ordering::Relaxed),
        gaps: words.gaps().load(Ordering::Relaxed),
    };
    order::after_counts();
    (words.epoch().load(Ordering::Relaxed) == counted_by).then_some(counted)
}
