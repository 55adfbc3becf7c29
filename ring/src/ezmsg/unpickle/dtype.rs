//! numpy's dtypes: how many bytes an element has, and how they are decoded.

use std::collections::HashMap;

use super::value::Plain;
use super::{Callable, Heap, Id, MAX_OBJECTS, Object};

/// The most dimensions that numpy allows.
const MAX_RANK: usize = 64;

/// The type of an element's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Bool,
    Signed,
    Unsigned,
    Float,
    Complex,
    /// UTF-32, padded with NUL.
    Text,
    /// Bytes, padded with NUL.
    Bytes,
    /// Fields, a subarray, or raw bytes.
    Void,
    /// References to objects, which are never stored in a buffer.
    Object,
    Datetime,
    Timedelta,
}

/// A field of a structured dtype.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    /// A text object.
    pub name: Id,
    pub dtype: Id,
    pub offset: usize,
}

/// A dtype. A pickle first names it, and then sets its state.
#[derive(Debug)]
pub(super) struct Dtype {
    pub kind: Kind,
    /// Bytes of an element.
    pub size: usize,
    pub big_endian: bool,
    pub fields: Vec<Field>,
    /// Each element is itself an array, of this dtype and shape.
    pub subarray: Option<(Id, Vec<usize>)>,
    /// Nanoseconds per unit of a datetime.
    pub nanoseconds: Option<i64>,
}

impl Dtype {
    fn plain(kind: Kind, size: usize) -> Self {
        Self { kind, size, big_endian: false, fields: Vec::new(), subarray: None, nanoseconds: None }
    }

    /// Variable-length strings, or any objects: their values are in a list.
    pub fn of_objects() -> Self {
        Self::plain(Kind::Object, 8)
    }

    /// The dtype with the short name `name` (`f8`, `<U3`, `?`).
    pub fn parse(name: &str) -> Result<Self, String> {
        let unknown = || format!("there is no dtype {:?}", super::shown(name));
        let stem = name.trim_start_matches(['<', '>', '|', '=']);
        let letter = stem.chars().next().filter(char::is_ascii).ok_or_else(unknown)?;
        let digits = &stem[1..];
        let number = if digits.is_empty() { None } else { Some(digits.parse::<usize>().map_err(|_| unknown())?) };
        let (kind, size) = match (letter, number) {
            ('?', None) | ('b', Some(1)) => (Kind::Bool, 1),
            ('i', Some(size @ (1 | 2 | 4 | 8))) => (Kind::Signed, size),
            ('u', Some(size @ (1 | 2 | 4 | 8))) => (Kind::Unsigned, size),
            ('f', Some(size @ (2 | 4 | 8 | 12 | 16))) => (Kind::Float, size),
            ('c', Some(size @ (8 | 16 | 24 | 32))) => (Kind::Complex, size),
            ('U', Some(chars)) => (Kind::Text, chars.checked_mul(4).ok_or_else(unknown)?),
            ('S' | 'a', Some(bytes)) => (Kind::Bytes, bytes),
            ('V', Some(bytes)) => (Kind::Void, bytes),
            ('O', None | Some(_)) => (Kind::Object, 8),
            ('M', Some(8)) => (Kind::Datetime, 8),
            ('m', Some(8)) => (Kind::Timedelta, 8),
            _ => return Err(unknown()),
        };
        Ok(Self { big_endian: name.starts_with('>'), ..Self::plain(kind, size) })
    }

    /// `numpy.dtype(name, align, copy)`.
    pub fn called(heap: &Heap<'_>, arguments: &[Id]) -> Result<Self, String> {
        let &[name, ..] = arguments else { return Err("numpy.dtype without an argument".to_owned()) };
        match heap.get(name) {
            // Makes the elements of a structured dtype records; the state has the rest.
            Object::Callable(Callable::Record) => Ok(Self::plain(Kind::Void, 0)),
            _ => Self::parse(heap.text(name, "the argument of numpy.dtype")?),
        }
    }

    /// The state `(version, byte order, subarray, names, fields, size, alignment, flags[, metadata])`.
    pub fn set_state(&mut self, heap: &mut Heap<'_>, state: &[Id]) -> Result<(), String> {
        let &[version, order, subarray, names, fields, size, _alignment, _flags, ref metadata @ ..] = state else {
            return Err(format!("a dtype's state has {} parts, expected 8 or 9", state.len()));
        };
        if !matches!(heap.size(version, "the version of a dtype's state")?, 3 | 4) {
            return Err("a dtype's state has a version other than 3 and 4".to_owned());
        }
        self.big_endian = heap.text(order, "a dtype's byte order")? == ">";
        // -1 if the name determines the size.
        if let Object::Integer(size @ 0..) = heap.get(size) {
            self.size = usize::try_from(*size).map_err(|_| "a dtype is too large".to_owned())?;
        }
        if !matches!(heap.get(subarray), Object::None) {
            let &[base, shape] = heap.tuple(subarray, "a subarray")? else {
                return Err("a subarray is not a dtype with a shape".to_owned());
            };
            heap.dtype(base, "a subarray's dtype")?;
            self.subarray = Some((base, shape_of(heap, shape)?));
        }
        if !matches!(heap.get(names), Object::None) {
            self.fields = fields_of(heap, names, fields, self.size)?;
        }
        if let (Kind::Datetime, Some(&metadata)) = (self.kind, metadata.first()) {
            self.nanoseconds = nanoseconds(heap, metadata)?;
        }
        Ok(())
    }

    /// Decodes one element's `bytes`, [`size`](Self::size) of them, which are neither fields nor a subarray.
    pub fn scalar(&self, bytes: &[u8]) -> Plain {
        let mut wide = [0; 8];
        let narrow = wide.get_mut(..bytes.len()).map(|place| {
            place.copy_from_slice(bytes);
            if self.big_endian {
                place.reverse();
            }
        });
        let number = u64::from_le_bytes(wide);
        let signed = || {
            let unused = 64 - 8 * bytes.len() as u32;
            (number << unused).cast_signed() >> unused
        };
        match (self.kind, narrow) {
            (Kind::Bool, Some(())) => Plain::Bool(number != 0),
            (Kind::Signed, Some(())) if !bytes.is_empty() => Plain::Integer(signed()),
            (Kind::Unsigned, Some(())) => i64::try_from(number).map_or(Plain::Unsigned(number), Plain::Integer),
            (Kind::Float, Some(())) => match bytes.len() {
                2 => Plain::Float(half::f16::from_bits(number as u16).to_f64()),
                4 => Plain::Float(f32::from_bits(number as u32).into()),
                8 => Plain::Float(f64::from_bits(number)),
                _ => Plain::Other("a float of another size"),
            },
            (Kind::Float, None) => Plain::Other("a long double"),
            (Kind::Datetime, Some(())) => self.timestamp(number.cast_signed()),
            (Kind::Text, _) => Plain::Text(self.text(bytes)),
            (Kind::Bytes, _) => bytes_as_text(bytes),
            (Kind::Complex, _) => Plain::Other("a complex number"),
            (Kind::Timedelta, _) => Plain::Other("a timedelta"),
            _ => Plain::Other("raw bytes"),
        }
    }

    fn timestamp(&self, count: i64) -> Plain {
        if count == i64::MIN {
            return Plain::Other("a time without a value (NaT)");
        }
        match self.nanoseconds.and_then(|nanoseconds| count.checked_mul(nanoseconds)) {
            Some(ns) => Plain::Timestamp(ns),
            None => Plain::Other("a datetime that 64 bits of nanoseconds cannot hold"),
        }
    }

    fn text(&self, bytes: &[u8]) -> String {
        let code =
            |bytes: &[u8; 4]| if self.big_endian { u32::from_be_bytes(*bytes) } else { u32::from_le_bytes(*bytes) };
        let codes: Vec<u32> = bytes.as_chunks().0.iter().map(code).collect();
        let length = codes.iter().rposition(|&code| code != 0).map_or(0, |last| last + 1);
        codes[..length].iter().map(|&code| char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
    }
}

/// Decodes bytes that are text, as in labels from HDF5 files.
pub(super) fn bytes_as_text(bytes: &[u8]) -> Plain {
    let length = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    match std::str::from_utf8(&bytes[..length]) {
        Ok(text) if !text.contains('\0') => Plain::Text(text.to_owned()),
        _ => Plain::Other("bytes that are not text"),
    }
}

/// A shape: a tuple of integers, or a single integer.
pub(super) fn shape_of(heap: &Heap<'_>, shape: Id) -> Result<Vec<usize>, String> {
    match heap.get(shape) {
        Object::Tuple(dims) if dims.len() > MAX_RANK => Err(format!("an array of {} dimensions", dims.len())),
        Object::Tuple(dims) => dims.iter().map(|&dim| heap.size(dim, "a dimension")).collect(),
        _ => Ok(vec![heap.size(shape, "a dimension")?]),
    }
}

/// `names` is a tuple; `fields` is a dict of `(dtype, offset[, title])`, by name and also by title.
fn fields_of(heap: &mut Heap<'_>, names: Id, fields: Id, size: usize) -> Result<Vec<Field>, String> {
    let Object::Dict(entries) = heap.get(fields) else { return Err("the fields of a dtype are not a dict".to_owned()) };
    let names = heap.tuple(names, "the names of a dtype's fields")?;
    let made = heap.fields + names.len() + entries.len();
    if made > MAX_OBJECTS {
        return Err(format!("its dtypes have more than {MAX_OBJECTS} fields"));
    }
    let mut by_name = HashMap::new();
    for &(name, entry) in entries {
        by_name.insert(heap.text(name, "the name of a field")?, entry);
    }
    let field = |&name: &Id| {
        let text = heap.text(name, "the name of a field")?;
        let entry = by_name.get(text).ok_or_else(|| format!("field {:?} is missing", super::shown(text)))?;
        let &[dtype, offset, ..] = heap.tuple(*entry, "a field")? else {
            return Err(format!("field {:?} has no offset", super::shown(text)));
        };
        let offset = heap.size(offset, "the offset of a field")?;
        let end = offset.checked_add(heap.dtype(dtype, "the dtype of a field")?.size);
        if end.is_none_or(|end| end > size) {
            return Err(format!("field {:?} ends behind its {size} bytes", super::shown(text)));
        }
        Ok(Field { name, dtype, offset })
    };
    let fields = names.iter().map(field).collect();
    heap.fields = made;
    fields
}

/// `(None, (unit, count, 1, 1))` of a datetime, in nanoseconds; `None` for a unit without a fixed length.
fn nanoseconds(heap: &Heap<'_>, metadata: Id) -> Result<Option<i64>, String> {
    let &[_, unit] = heap.tuple(metadata, "a datetime's metadata")? else {
        return Err("a datetime's metadata has no unit".to_owned());
    };
    let &[unit, count, ..] = heap.tuple(unit, "a datetime's unit")? else {
        return Err("a datetime's unit has no count".to_owned());
    };
    let unit: i64 = match heap.get(unit) {
        Object::Bytes(b"ns") => 1,
        Object::Bytes(b"us") => 1_000,
        Object::Bytes(b"ms") => 1_000_000,
        Object::Bytes(b"s") => 1_000_000_000,
        Object::Bytes(b"m") => 60_000_000_000,
        Object::Bytes(b"h") => 3_600_000_000_000,
        Object::Bytes(b"D") => 86_400_000_000_000,
        Object::Bytes(b"W") => 604_800_000_000_000,
        _ => return Ok(None),
    };
    let count = i64::try_from(heap.size(count, "a datetime's count")?).ok();
    Ok(count.and_then(|count| unit.checked_mul(count)))
}
