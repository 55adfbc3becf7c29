//! Checks for values that the element type of the ring cannot represent.

use dora_shm_ring::Dtype;

use crate::array::payload::Payload;
use crate::copy::cast::{holds_all, unfit};
use crate::copy::columns::{Columns, Nulls, Values};
use crate::refusal::Reason;
use crate::shape::element_type::ElementType;

/// Up to here, a double represents every integer exactly.
const EXACT: u128 = 1 << 53;

/// What is checked in each column.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Checks {
    /// Element type of the samples.
    dtype: Dtype,
    columns: Vec<Check>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Check {
    /// A null becomes NaN.
    may_be_null: bool,
    values: Rule,
}

/// Which values of a column are refused.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Rule {
    /// No values: nothing is converted, or the samples' type represents every value.
    No,
    /// 64-bit integers that would be rounded, because the columns' common type is `float64`.
    Inexact,
    /// Values that the type of the setting `DTYPE` cannot represent.
    Unfit,
}

impl Checks {
    /// The checks of a message; `asked` is the setting `DTYPE`.
    pub(crate) fn new(payload: &Payload, element: &ElementType, asked: Option<Dtype>) -> Self {
        let is_float = |dtype| matches!(dtype, Dtype::F16 | Dtype::F32 | Dtype::F64);
        let columns = payload.columns.iter().map(|column| Check {
            may_be_null: !element.is_bytes && is_float(asked.unwrap_or(column.dtype)),
            values: match asked {
                _ if element.is_bytes => Rule::No,
                Some(asked) if !holds_all(column.dtype, asked) => Rule::Unfit,
                None if element.dtype == Dtype::F64 && matches!(column.dtype, Dtype::I64 | Dtype::U64) => Rule::Inexact,
                _ => Rule::No,
            },
        });
        Self { dtype: element.dtype, columns: columns.collect() }
    }

    /// # Errors
    /// [`Reason::Nulls`], [`Reason::Inexact`] or [`Reason::Unfit`], with the column's name.
    pub(crate) fn run(&self, columns: &Columns, payload: &Payload) -> Result<(), Reason> {
        for (index, (column, check)) in payload.columns.iter().zip(&self.columns).enumerate() {
            let (values, nulls) = columns.column(index);
            let path = || column.path.clone();
            if !nulls.is_empty() && !check.may_be_null {
                let is_asked = check.values == Rule::Unfit;
                let dtype = if is_asked { self.dtype } else { column.dtype };
                return Err(Reason::Nulls { path: path(), dtype });
            }
            match check.values {
                Rule::No => {}
                Rule::Inexact => {
                    if let Some(found) = inexact(values, column.dtype) {
                        return Err(Reason::Inexact { path: path(), found });
                    }
                }
                Rule::Unfit => {
                    if let Some(found) = unfit_value(values, nulls, column.dtype, self.dtype) {
                        return Err(Reason::Unfit { path: path(), found, own: column.dtype, dtype: self.dtype });
                    }
                }
            }
        }
        Ok(())
    }
}

/// A value that `to` cannot represent. Values under a null do not count.
fn unfit_value(values: &Values, nulls: &[Nulls], from: Dtype, to: Dtype) -> Option<String> {
    let Values::Bytes(bytes) = values else { return None };
    unfit(from, bytes, to, &|index| nulls.iter().any(|nulls| nulls.mask.is_null(index / nulls.run)))
}

/// An integer above the limit up to which a double represents all integers. Larger ones are refused even if a double
/// happens to represent them: otherwise timestamps in nanoseconds would be accepted now and then.
fn inexact(values: &Values, dtype: Dtype) -> Option<i128> {
    let Values::Bytes(bytes) = values else { return None };
    let (integers, _) = bytes.as_chunks::<8>();
    let mut integers = integers.iter().map(|bytes| match dtype {
        Dtype::U64 => i128::from(u64::from_ne_bytes(*bytes)),
        _ => i128::from(i64::from_ne_bytes(*bytes)),
    });
    integers.find(|integer| integer.unsigned_abs() > EXACT)
}
