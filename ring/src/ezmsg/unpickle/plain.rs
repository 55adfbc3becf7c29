//! Turns the objects of a pickle into a tree of plain values.

use super::dtype::{Dtype, Kind, bytes_as_text};
use super::numpy::{Array, Data};
use super::value::{Element, Plain};
use super::{Heap, Id, Object};

/// The most levels of nested lists, dicts, arrays and dtypes.
pub(super) const MAX_DEPTH: usize = 128;
/// The most values in a tree.
const MAX_VALUES: usize = 1 << 20;
/// The most bytes of text in a tree.
const MAX_TEXT_BYTES: usize = 16 << 20;

/// The tree below `top`.
pub(super) fn of(heap: &Heap<'_>, top: Id) -> Result<Plain, String> {
    Tree { heap, budget: Budget { values: MAX_VALUES, text_bytes: MAX_TEXT_BYTES } }.value(top, 0)
}

/// What may still be made. Without a limit, objects that occur in many places could make the tree of a small pickle
/// arbitrarily large.
pub(super) struct Budget {
    values: usize,
    text_bytes: usize,
}

struct Tree<'h, 'a> {
    heap: &'h Heap<'a>,
    budget: Budget,
}

impl<'a> Tree<'_, 'a> {
    fn spend(&mut self, depth: usize) -> Result<(), String> {
        if depth > MAX_DEPTH {
            return Err(format!("it is nested deeper than {MAX_DEPTH} levels"));
        }
        self.budget.values = self.budget.values.checked_sub(1).ok_or("it stands for too many values")?;
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<String, String> {
        self.spend_text(text.len())?;
        Ok(text.to_owned())
    }

    fn spend_text(&mut self, bytes: usize) -> Result<(), String> {
        self.budget.text_bytes = self.budget.text_bytes.checked_sub(bytes).ok_or("it stands for too much text")?;
        Ok(())
    }

    fn value(&mut self, id: Id, depth: usize) -> Result<Plain, String> {
        self.spend(depth)?;
        let heap = self.heap;
        Ok(match heap.get(id) {
            Object::None => Plain::None,
            Object::Bool(value) => Plain::Bool(*value),
            Object::Integer(value) => Plain::Integer(*value),
            Object::Unsigned(value) => Plain::Unsigned(*value),
            Object::Float(value) => Plain::Float(*value),
            Object::Text(text) => Plain::Text(self.text(text)?),
            Object::Timestamp(ns) => Plain::Timestamp(*ns),
            Object::Bytes(bytes) => {
                self.spend_text(bytes.len())?;
                bytes_as_text(bytes)
            }
            Object::List(items) | Object::Tuple(items) => Plain::List(self.values(items, depth)?, None),
            Object::Same { list } => Plain::List(self.values(heap.list(*list, "an array")?, depth)?, None),
            Object::Rows { list, fields } => Plain::List(self.rows(*list, *fields, depth)?, None),
            Object::Dict(entries) => Plain::Table(self.entries(entries, depth)?),
            Object::Array(array) => self.array(array, depth)?,
            Object::Other(what) => Plain::Other(what),
            Object::Callable(_) => Plain::Other("a callable"),
            Object::Dtype(_) => Plain::Other("a dtype"),
        })
    }

    fn values(&mut self, items: &[Id], depth: usize) -> Result<Vec<Plain>, String> {
        items.iter().map(|&item| self.value(item, depth + 1)).collect()
    }

    fn entries(&mut self, entries: &[(Id, Id)], depth: usize) -> Result<Vec<(String, Plain)>, String> {
        let mut table = Vec::new();
        for &(key, value) in entries {
            if let Object::Text(key) = self.heap.get(key) {
                table.push((self.text(key)?, self.value(value, depth + 1)?));
            }
        }
        Ok(table)
    }

    fn rows(&mut self, list: Id, fields: Id, depth: usize) -> Result<Vec<Plain>, String> {
        let heap = self.heap;
        let fields = heap.list(fields, "the fields of an array")?;
        let mut rows = Vec::new();
        for &row in heap.list(list, "the rows of an array")? {
            self.spend(depth + 1)?;
            let cells = heap.tuple(row, "a row of an array")?;
            if cells.len() != fields.len() {
                return Err(format!("a row of {} cells, expected {}", cells.len(), fields.len()));
            }
            let mut table = Vec::new();
            for (&field, &cell) in fields.iter().zip(cells) {
                let &[name, _] = heap.tuple(field, "a field of an array")? else {
                    return Err("a field of an array is not a name with a type".to_owned());
                };
                table.push((self.text(heap.text(name, "the name of a field")?)?, self.value(cell, depth + 2)?));
            }
            rows.push(Plain::Table(table));
        }
        Ok(rows)
    }

    fn array(&mut self, array: &Array<'a>, depth: usize) -> Result<Plain, String> {
        self.spend(depth)?;
        let heap = self.heap;
        let dtype = match array.dtype {
            Some(dtype) => heap.dtype(dtype, "the dtype of an array")?,
            None => return Err("an array without a state".to_owned()),
        };
        let total = array.shape.iter().try_fold(1_usize, |product, &dim| product.checked_mul(dim));
        let total = total.ok_or("an array of more elements than memory has bytes")?;
        let elements = match array.data {
            Data::Bytes(bytes) => {
                if dtype.kind == Kind::Object || total.checked_mul(dtype.size) != Some(bytes.len()) {
                    return Err(format!(
                        "an array of {total} elements of {} bytes has {} bytes",
                        dtype.size,
                        bytes.len()
                    ));
                }
                Elements::Bytes { dtype, bytes }
            }
            Data::Items(list) => {
                let items = heap.list(list, "the elements of an array")?;
                if items.len() != total {
                    return Err(format!("an array of {total} elements has {}", items.len()));
                }
                Elements::Items(items)
            }
        };
        // Distance between two elements along each dimension.
        let mut steps = vec![1_usize; array.shape.len()];
        let inner_first: Vec<usize> =
            if array.fortran { (0..steps.len()).collect() } else { (0..steps.len()).rev().collect() };
        let mut step = 1_usize;
        for dimension in inner_first {
            steps[dimension] = step;
            step = step.saturating_mul(array.shape[dimension]);
        }
        self.dimension(&elements, &array.shape, &steps, 0, depth)
    }

    fn dimension(
        &mut self,
        elements: &Elements<'_, 'a>,
        shape: &[usize],
        steps: &[usize],
        first: usize,
        depth: usize,
    ) -> Result<Plain, String> {
        let (Some((&length, shape)), Some((&step, steps))) = (shape.split_first(), steps.split_first()) else {
            return match elements {
                Elements::Items(items) => self.value(items[first], depth),
                Elements::Bytes { dtype, bytes } => {
                    self.element(dtype, &bytes[first * dtype.size..][..dtype.size], depth)
                }
            };
        };
        let mut values = Vec::new();
        for i in 0..length {
            self.spend(depth + 1)?;
            values.push(self.dimension(elements, shape, steps, first + i * step, depth + 1)?);
        }
        Ok(Plain::List(values, elements.kind()))
    }

    /// One element of a buffer.
    fn element(&mut self, dtype: &Dtype, bytes: &'a [u8], depth: usize) -> Result<Plain, String> {
        if let Some((base, shape)) = &dtype.subarray {
            let array = Array { dtype: Some(*base), shape: shape.clone(), fortran: false, data: Data::Bytes(bytes) };
            return self.array(&array, depth + 1);
        }
        if dtype.fields.is_empty() {
            self.spend_text(bytes.len())?;
            return Ok(dtype.scalar(bytes));
        }
        let heap = self.heap;
        let mut table = Vec::new();
        for field in &dtype.fields {
            self.spend(depth + 1)?;
            let inner = heap.dtype(field.dtype, "the dtype of a field")?;
            // Checked when the field was made, but its dtype's state may have been set since.
            let end = field.offset.saturating_add(inner.size);
            let part = bytes.get(field.offset..end).ok_or("a field of an array ends behind its element")?;
            let name = self.text(heap.text(field.name, "the name of a field")?)?;
            table.push((name, self.element(inner, part, depth + 1)?));
        }
        Ok(Plain::Table(table))
    }
}

/// The elements of an array, as many as its shape requires.
enum Elements<'h, 'a> {
    Bytes { dtype: &'h Dtype, bytes: &'a [u8] },
    Items(&'h [Id]),
}

impl Elements<'_, '_> {
    fn kind(&self) -> Option<Element> {
        match self {
            Elements::Bytes { dtype: Dtype { kind: Kind::Signed | Kind::Unsigned, .. }, .. } => Some(Element::Integer),
            Elements::Bytes { dtype: Dtype { kind: Kind::Float, .. }, .. } => Some(Element::Float),
            Elements::Bytes { dtype: Dtype { kind: Kind::Text | Kind::Bytes, .. }, .. } => Some(Element::Text),
            _ => None,
        }
    }
}
