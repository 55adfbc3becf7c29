//! Values of a message that a ring of its element type cannot hold.

use dora_shm_ring::Dtype;

use super::Reason;
use super::bind::{Bound, Values};
use super::payload::Payload;
use super::typed::Typed;

/// The largest integer up to which a double holds every one.
const EXACT: u128 = 1 << 53;

/// What is looked for in each column.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Checks(Vec<Check>);

#[derive(Clone, Copy, Debug, PartialEq)]
struct Check {
    /// A null becomes NaN.
    may_be_null: bool,
    /// Integers of 64 bits become doubles, though nobody asked for it.
    must_be_exact: bool,
}

impl Checks {
    /// The checks of a message; `asked` is the setting `DTYPE`.
    pub(super) fn new(payload: &Payload, typed: &Typed, asked: Option<Dtype>) -> Self {
        let is_float = |dtype| matches!(dtype, Dtype::F16 | Dtype::F32 | Dtype::F64);
        let checks = payload.columns.iter().map(|column| Check {
            may_be_null: !typed.is_bytes && (is_float(column.dtype) || asked.is_some_and(is_float)),
            must_be_exact: asked.is_none()
                && typed.dtype == Dtype::F64
                && matches!(column.dtype, Dtype::I64 | Dtype::U64),
        });
        Self(checks.collect())
    }

    /// # Errors
    /// [`Reason::Nulls`] or [`Reason::Inexact`], with the column's name.
    pub(super) fn run(&self, bound: &Bound, payload: &Payload) -> Result<(), Reason> {
        for (index, (column, check)) in payload.columns.iter().zip(&self.0).enumerate() {
            let (values, nulls) = bound.column(index);
            if !nulls.is_empty() && !check.may_be_null {
                return Err(Reason::Nulls { path: column.path.clone(), dtype: column.dtype });
            }
            if check.must_be_exact
                && let Some(found) = inexact(values, column.dtype)
            {
                return Err(Reason::Inexact { path: column.path.clone(), found });
            }
        }
        Ok(())
    }
}

/// An integer beyond those that all are doubles. That a larger one is a double by chance does not save it: nanoseconds
/// would pass now and then.
fn inexact(values: &Values, dtype: Dtype) -> Option<i128> {
    let Values::Bytes(bytes) = values else { return None };
    let (integers, _) = bytes.as_chunks::<8>();
    let mut integers = integers.iter().map(|bytes| match dtype {
        Dtype::U64 => i128::from(u64::from_ne_bytes(*bytes)),
        _ => i128::from(i64::from_ne_bytes(*bytes)),
    });
    integers.find(|integer| integer.unsigned_abs() > EXACT)
}
