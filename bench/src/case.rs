//! What is measured, and what that gave.

use serde::{Deserialize, Serialize};

use crate::measure::Measured;
use crate::task::Mode;

/// Conditions under which rows are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Case {
    pub mode: Mode,
    pub payload: usize,
    pub ring: usize,
}

/// One row's measurement in one round.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)]
pub struct Entry {
    pub row: &'static str,
    pub case: Case,
    pub round: usize,
    pub measured: Measured,
}
