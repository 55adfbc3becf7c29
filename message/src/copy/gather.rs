//! The one copy: from the columns of a message into the memory of a ring.

use std::ops::Range;

use dora_shm_ring::Dtype;

use crate::array::payload::{Column, Node, Payload};
use crate::copy::cast::{convert, nan};
use crate::copy::columns::{Columns, Values};
use crate::copy::roll::{Roll, Transpose, scatter};
use crate::refusal::Reason;

/// How the columns of a message form its samples, in the message's own order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Gather {
    /// Element type of the samples.
    dtype: Dtype,
    /// Type of the numbers in each column; `dtype` itself if bytes are read as it.
    types: Vec<Dtype>,
    /// Number of samples of the smallest part that repeats.
    unit: usize,
    /// Where the samples of a unit come from. Empty if there is one column, which holds the samples in order.
    segments: Vec<Segment>,
    /// Numbers of each column in a unit.
    column_units: Vec<usize>,
}

/// A run of samples of a unit that are contiguous in one column.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Segment {
    start: usize,
    length: usize,
    column: usize,
    column_start: usize,
}

/// Most runs in a unit: more would take longer to plan than to copy. Only lists of structs inside structs have many.
const MAX_SEGMENTS: usize = 1 << 16;

impl Gather {
    /// # Errors
    /// [`Reason::TooComplex`] for lists of structs inside structs with too many parts.
    pub(crate) fn new(payload: &Payload, dtype: Dtype, reinterpreted: bool) -> Result<Self, Reason> {
        let source = |column: &Column| if reinterpreted { dtype } else { column.dtype };
        let types: Vec<_> = payload.columns.iter().map(source).collect();
        let mut gather = Self { dtype, types, unit: 1, segments: Vec::new(), column_units: vec![1] };
        if gather.types.len() > 1 {
            let unit = repeating(&payload.root);
            gather.unit = unit.numbers() as usize;
            gather.column_units = vec![0; gather.types.len()];
            let mut start = 0;
            gather.add(unit, &mut start)?;
        }
        Ok(gather)
    }

    /// Appends the runs of `node`, whose first sample is `start`, and moves `start` behind it.
    fn add(&mut self, node: &Node, start: &mut usize) -> Result<(), Reason> {
        if let Some(column) = only_column(node) {
            let length = node.numbers() as usize;
            if self.segments.len() == MAX_SEGMENTS {
                let found = format!("more than {MAX_SEGMENTS} parts in a row");
                return Err(Reason::TooComplex { found, limit: MAX_SEGMENTS });
            }
            self.segments.push(Segment { start: *start, length, column, column_start: self.column_units[column] });
            self.column_units[column] += length;
            *start += length;
            return Ok(());
        }
        match node {
            Node::Struct(members) => members.iter().try_for_each(|member| self.add(&member.node, start)),
            Node::List { length, child, .. } => (0..*length).try_for_each(|_| self.add(child, start)),
            Node::Number { .. } | Node::Bytes { .. } => Ok(()),
        }
    }

    /// Copies the frames `range` of a message into `target`.
    pub(crate) fn frames(&self, columns: &Columns, roll: Roll, range: Range<usize>, target: &mut [u8]) {
        let Roll { outer, frames, inner } = roll;
        if outer == 1 || frames == 1 {
            return self.run(columns, range.start * outer * inner, target);
        }
        let cell_bytes = inner * self.dtype.size();
        if let (true, Some(source)) = (self.segments.is_empty(), self.plain(columns, 0)) {
            let transpose = Transpose {
                rows: outer,
                columns: range.len(),
                source_stride: frames,
                source_offset: range.start,
                target_stride: outer,
                target_offset: 0,
            };
            return transpose.run(cell_bytes, source, target);
        }
        let mut cells = target.chunks_exact_mut(cell_bytes);
        for frame in range {
            for o in 0..outer {
                let cell = cells.next().expect("the memory has room for every frame asked for");
                self.run(columns, (o * frames + frame) * inner, cell);
            }
        }
    }

    /// The bytes of a column that are samples as they are.
    fn plain<'a>(&self, columns: &'a Columns, column: usize) -> Option<&'a [u8]> {
        match columns.column(column) {
            (Values::Bytes(bytes), []) if self.types[column] == self.dtype => Some(bytes),
            _ => None,
        }
    }

    /// Fills `target` with the samples from `first` on.
    fn run(&self, columns: &Columns, first: usize, target: &mut [u8]) {
        if self.segments.is_empty() {
            return self.column(columns, 0, first, target);
        }
        let size = self.dtype.size();
        let last = first + target.len() / size;
        let units = first / self.unit..last / self.unit;
        let are_whole = units.start * self.unit == first && units.end * self.unit == last;
        for segment in &self.segments {
            let is_single = segment.length == 1 && self.column_units[segment.column] == 1;
            if let (true, true, Some(source)) = (are_whole, is_single, self.plain(columns, segment.column)) {
                scatter(size, &source[units.start * size..units.end * size], target, self.unit, segment.start);
                continue;
            }
            for unit in first / self.unit..last.div_ceil(self.unit) {
                let start = unit * self.unit + segment.start;
                let (from, to) = (start.max(first), (start + segment.length).min(last));
                if from < to {
                    let number = unit * self.column_units[segment.column] + segment.column_start + (from - start);
                    let target = &mut target[(from - first) * size..(to - first) * size];
                    self.column(columns, segment.column, number, target);
                }
            }
        }
    }

    /// Fills `target` with the numbers of one column from `first` on.
    fn column(&self, columns: &Columns, column: usize, first: usize, target: &mut [u8]) {
        let (values, nulls) = columns.column(column);
        let size = self.dtype.size();
        match values {
            Values::Bytes(source) if self.types[column] == self.dtype => {
                target.copy_from_slice(&source[first * size..][..target.len()]);
            }
            Values::Bytes(source) => {
                let dtype = self.types[column];
                convert(dtype, &source[first * dtype.size()..], self.dtype, target);
            }
            Values::Bits(bits) if self.dtype == Dtype::Bool => {
                unpack(bits.values(), bits.offset() + first, target);
            }
            Values::Bits(bits) => {
                for (i, number) in target.chunks_exact_mut(size).enumerate() {
                    convert(Dtype::Bool, &[u8::from(bits.value(first + i))], self.dtype, number);
                }
            }
        }
        if let (false, Some((nan, size))) = (nulls.is_empty(), nan(self.dtype)) {
            for (i, number) in target.chunks_exact_mut(size).enumerate() {
                if nulls.iter().any(|nulls| nulls.mask.is_null((first + i) / nulls.run)) {
                    number.copy_from_slice(&nan[..size]);
                }
            }
        }
    }
}

/// The part that `node` is a repetition of.
fn repeating(node: &Node) -> &Node {
    match node {
        Node::List { child, .. } => repeating(child),
        Node::Struct(members) if members.len() == 1 => repeating(&members[0].node),
        _ => node,
    }
}

/// The column that `node` is a run of.
fn only_column(node: &Node) -> Option<usize> {
    match repeating(node) {
        Node::Number { index } | Node::Bytes { index, .. } => Some(*index),
        _ => None,
    }
}

/// Writes the bits from `first` on as one byte each, 0 or 1.
fn unpack(bits: &[u8], first: usize, target: &mut [u8]) {
    let bit = |i: usize| (bits[i / 8] >> (i % 8)) & 1;
    let head = target.len().min(first.next_multiple_of(8) - first);
    let (head, rest) = target.split_at_mut(head);
    for (i, byte) in head.iter_mut().enumerate() {
        *byte = bit(first + i);
    }
    let aligned = first + head.len();
    let (eights, tail) = rest.as_chunks_mut::<8>();
    for (eight, source) in eights.iter_mut().zip(&bits[aligned / 8..]) {
        // Copy the byte into each target byte, keep one bit in each, and carry it to bit 7 by the sum.
        let spread = (u64::from(*source) * 0x0101_0101_0101_0101) & 0x8040_2010_0804_0201;
        let ones = ((spread + 0x0040_6070_787c_7e7f) >> 7) & 0x0101_0101_0101_0101;
        *eight = ones.to_le_bytes();
    }
    let done = aligned + eights.len() * 8;
    for (i, byte) in tail.iter_mut().enumerate() {
        *byte = bit(done + i);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_bit_becomes_its_byte(bits in proptest::collection::vec(any::<u8>(), 1..40), from in 0_usize..20, length in 0_usize..300) {
            let from = from.min(bits.len() * 8);
            let length = length.min(bits.len() * 8 - from);
            let mut bytes = vec![0xaa; length];
            unpack(&bits, from, &mut bytes);
            let expected: Vec<u8> = (from..from + length).map(|i| (bits[i / 8] >> (i % 8)) & 1).collect();
            prop_assert_eq!(bytes, expected);
        }
    }
}
