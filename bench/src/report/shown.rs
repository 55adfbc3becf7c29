//! What the page shows of all that was measured.

use super::aggregate::Results;
use crate::case::Case;
use crate::probe::Class;
use crate::task::Mode;

/// What the page shows of all that was measured: one distance of the cores, and one length of the ring.
#[derive(Clone, Copy, Debug)]
pub struct Shown {
    /// The distance in which most was measured.
    pub class: Class,
    /// The shortest ring, in bytes.
    pub ring: usize,
}

impl Shown {
    /// `None` if no row was measured.
    pub fn of(results: &Results<'_>) -> Option<Self> {
        let rounds = |class| results.entries.iter().filter(|entry| entry.measured.class == class).count();
        let class = results.classes().into_iter().max_by_key(|class| rounds(*class))?;
        Some(Self { class, ring: results.cases().into_iter().map(|case| case.ring).min()? })
    }

    /// The case of this ring.
    pub fn case(self, mode: Mode, payload: usize) -> Case {
        Case { mode, payload, ring: self.ring }
    }
}
