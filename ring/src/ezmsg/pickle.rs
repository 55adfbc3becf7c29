//! Writes the pickle in a metadata segment, which `EZShmMirror` decodes. (`metadata` reads those that ezmsg writes.)
//!
//! A `dict` of plain Python types: `version`, `dims`, `axes`, `attrs`, `key`, `buffered_axis`, `stream_dim`. Arrays and
//! timestamps are calls of the public `numpy.array` and `numpy.datetime64`, which exist in numpy 1 and 2 (numpy 1
//! cannot read what numpy 2 pickles by default). Labels of one kind are arrays of strings or numbers; labels that are
//! objects with the same members are structured arrays, as in ezmsg's own pickles; other labels are a list.
//!
//! Parts of a description that ezmsg's format does not have:
//!
//! - an [`Attr::Timestamp`] is a `numpy.datetime64[ns]`, which is exact and keeps its type;
//! - a frame of rank 0, which the header stores as shape (N, 1), has an additional dim, `ch`;
//! - a buffered axis that the description lacks is derived from the rate;
//! - a linear axis without an offset begins at 0, unless it is the buffered one.

use serde_json::Value;

use crate::{Attr, Axis, Description};

const VERSION: i64 = 1;

/// Largest array of strings, in bytes, where each string takes the width of the longest. Larger ones are stored as a
/// list.
const MAX_TEXT_ARRAY_BYTES: usize = 16 << 20;

/// Bound of the integers that a float holds exactly.
const MAX_EXACT_INTEGER: u64 = 1 << 53;

/// The pickle of `description`, for frames at `rate_hz` (0: irregular or unknown).
pub(crate) fn encode(description: &Description, rate_hz: f64) -> Vec<u8> {
    let dims = dims(description);
    let buffered_axis = description.buffered_axis();
    let mut out = Pickle::new();
    out.dict(|out| {
        out.entry("version", |out| out.integer(VERSION));
        out.entry("dims", |out| out.list(&dims, |out, dim| out.text(dim)));
        out.entry("axes", |out| {
            out.dict(|out| {
                if let Some(name) = buffered_axis {
                    out.entry(name, |out| buffered(out, name, description.axes.get(name), rate_hz));
                }
                for (name, axis) in &description.axes {
                    if buffered_axis != Some(name) {
                        out.entry(name, |out| other(out, name, axis));
                    }
                }
            });
        });
        out.entry("attrs", |out| {
            out.dict(|out| {
                for (name, value) in &description.attrs {
                    out.entry(name, |out| attr(out, value));
                }
            });
        });
        out.entry("key", |out| out.text(&description.key));
        out.entry("buffered_axis", |out| out.optional_text(buffered_axis));
        out.entry("stream_dim", |out| out.optional_text(description.stream_dim.as_deref()));
    });
    out.finish()
}

pub(super) fn dims(description: &Description) -> Vec<&str> {
    let mut dims: Vec<&str> = description.dims.iter().map(String::as_str).collect();
    if let [buffered] = dims[..] {
        dims.push(if buffered == "ch" { "value" } else { "ch" });
    }
    dims
}

/// The buffered axis: its coordinates are the frames' times in the ring, so it has neither offset nor data.
fn buffered(out: &mut Pickle, name: &str, axis: Option<&Axis>, rate_hz: f64) {
    match axis {
        Some(Axis::Linear { unit, gain, .. }) => linear(out, unit, *gain, None),
        Some(Axis::Coord { unit, .. }) => coord(out, name, unit, None),
        None if rate_hz > 0.0 => linear(out, "s", 1.0 / rate_hz, None),
        None => coord(out, name, if name == "time" { "s" } else { "" }, None),
    }
}

fn other(out: &mut Pickle, name: &str, axis: &Axis) {
    match axis {
        Axis::Linear { unit, gain, offset } => linear(out, unit, *gain, Some(offset.unwrap_or(0.0))),
        Axis::Coord { unit, data } => coord(out, name, unit, data.as_deref()),
    }
}

fn linear(out: &mut Pickle, unit: &str, gain: f64, offset: Option<f64>) {
    out.dict(|out| {
        out.entry("kind", |out| out.text("linear"));
        out.entry("unit", |out| out.text(unit));
        out.entry("gain", |out| out.float(gain));
        if let Some(offset) = offset {
            out.entry("offset", |out| out.float(offset));
        }
    });
}

fn coord(out: &mut Pickle, name: &str, unit: &str, data: Option<&[Value]>) {
    out.dict(|out| {
        out.entry("kind", |out| out.text("coord"));
        out.entry("unit", |out| out.text(unit));
        out.entry("dims", |out| out.list(&[name], |out, dim| out.text(dim)));
        if let Some(data) = data {
            out.entry("data", |out| labels(out, data));
        }
    });
}

fn attr(out: &mut Pickle, attr: &Attr) {
    match attr {
        Attr::Bool(value) => out.boolean(*value),
        Attr::Integer(value) => out.integer(*value),
        Attr::Float(value) => out.float(*value),
        Attr::String(value) => out.text(value),
        Attr::ListInt(values) => out.list(values, |out, value| out.integer(*value)),
        Attr::ListFloat(values) => out.list(values, |out, value| out.float(*value)),
        Attr::ListString(values) => out.list(values, |out, value| out.text(value)),
        Attr::Timestamp(ns) => out.call("numpy", "datetime64", |out| {
            out.integer(*ns);
            out.text("ns");
        }),
    }
}

/// The coordinates of an axis, as an array if possible.
fn labels(out: &mut Pickle, data: &[Value]) {
    if let Some(column) = Column::of(data.iter(), data.len()) {
        out.call("numpy", "array", |out| {
            out.list(data, value);
            out.text(&column.dtype());
        });
    } else if let Some(fields) = fields(data) {
        out.call("numpy", "array", |out| {
            out.list(data, |out, row| {
                out.tuple(|out| {
                    for (name, column) in &fields {
                        match (&row[*name], column) {
                            (Value::Number(number), Column::Float) => out.float(number.as_f64().unwrap_or(f64::NAN)),
                            (cell, _) => value(out, cell),
                        }
                    }
                });
            });
            out.list(&fields, |out, (name, column)| {
                out.tuple(|out| {
                    out.text(name);
                    out.text(&column.dtype());
                });
            });
        });
    } else {
        out.list(data, value);
    }
}

/// The fields of a structured array, if all of `data` are objects with the same members and each member has one type.
fn fields(data: &[Value]) -> Option<Vec<(&str, Column)>> {
    let first = data.first()?.as_object()?;
    let rows: Vec<_> = data.iter().map(Value::as_object).collect::<Option<_>>()?;
    if first.is_empty() || first.contains_key("") || rows.iter().any(|row| row.len() != first.len()) {
        return None;
    }
    let column = |name: &str| Column::of(rows.iter().map(|row| row.get(name).unwrap_or(&Value::Null)), rows.len());
    first.keys().map(|name| Some((name.as_str(), column(name)?))).collect()
}

/// The numpy type that a sequence of values has.
enum Column {
    Bool,
    Signed,
    Unsigned,
    Float,
    Text { width: usize },
}

impl Column {
    /// `None` if an array of one type cannot hold each of the `count` values exactly.
    fn of<'a>(values: impl Iterator<Item = &'a Value> + Clone, count: usize) -> Option<Self> {
        let all = |holds: fn(&Value) -> bool| values.clone().all(holds);
        // numpy drops NUL characters at the end of a string.
        if all(|value| value.as_str().is_some_and(|text| !text.ends_with('\0'))) {
            let width = values.map(|value| value.as_str().map_or(0, |text| text.chars().count())).max().unwrap_or(0);
            let width = width.max(1);
            let bytes = count.checked_mul(width)?.checked_mul(4)?;
            return (bytes <= MAX_TEXT_ARRAY_BYTES).then_some(Self::Text { width });
        }
        if all(Value::is_boolean) {
            Some(Self::Bool)
        } else if all(Value::is_i64) {
            Some(Self::Signed)
        } else if all(Value::is_u64) {
            Some(Self::Unsigned)
        } else if all(|value| value.is_f64() || as_exact_float(value)) {
            Some(Self::Float)
        } else {
            None
        }
    }

    fn dtype(&self) -> String {
        match self {
            Self::Bool => "?".to_owned(),
            Self::Signed => "<i8".to_owned(),
            Self::Unsigned => "<u8".to_owned(),
            Self::Float => "<f8".to_owned(),
            Self::Text { width } => format!("<U{width}"),
        }
    }
}

fn as_exact_float(value: &Value) -> bool {
    let magnitude = value.as_u64().or_else(|| value.as_i64().map(i64::unsigned_abs));
    magnitude.is_some_and(|magnitude| magnitude <= MAX_EXACT_INTEGER)
}

fn value(out: &mut Pickle, any: &Value) {
    match any {
        Value::Null => out.none(),
        Value::Bool(value) => out.boolean(*value),
        Value::String(text) => out.text(text),
        Value::Number(number) => {
            if let Some(integer) = number.as_i64() {
                out.integer(integer);
            } else if let Some(integer) = number.as_u64() {
                out.unsigned(integer);
            } else {
                out.float(number.as_f64().unwrap_or(f64::NAN));
            }
        }
        Value::Array(values) => out.list(values, value),
        Value::Object(members) => out.dict(|out| {
            for (name, member) in members {
                out.entry(name, |out| value(out, member));
            }
        }),
    }
}

/// Writes pickle protocol 4 (any Python since 3.4), without memo and frames, which are optional.
struct Pickle(Vec<u8>);

mod opcode {
    pub const PROTO: u8 = 0x80;
    pub const STOP: u8 = b'.';
    pub const MARK: u8 = b'(';
    pub const NONE: u8 = b'N';
    pub const TRUE: u8 = 0x88;
    pub const FALSE: u8 = 0x89;
    pub const BININT: u8 = b'J';
    pub const LONG1: u8 = 0x8a;
    pub const BINFLOAT: u8 = b'G';
    pub const BINUNICODE: u8 = b'X';
    pub const BINUNICODE8: u8 = 0x8d;
    pub const EMPTY_LIST: u8 = b']';
    pub const APPENDS: u8 = b'e';
    pub const EMPTY_DICT: u8 = b'}';
    pub const SETITEMS: u8 = b'u';
    pub const TUPLE: u8 = b't';
    pub const STACK_GLOBAL: u8 = 0x93;
    pub const REDUCE: u8 = b'R';
}

impl Pickle {
    fn new() -> Self {
        Self(vec![opcode::PROTO, 4])
    }

    fn finish(mut self) -> Vec<u8> {
        self.op(opcode::STOP);
        self.0
    }

    fn op(&mut self, opcode: u8) {
        self.0.push(opcode);
    }

    fn none(&mut self) {
        self.op(opcode::NONE);
    }

    fn boolean(&mut self, value: bool) {
        self.op(if value { opcode::TRUE } else { opcode::FALSE });
    }

    fn integer(&mut self, value: i64) {
        if let Ok(small) = i32::try_from(value) {
            self.op(opcode::BININT);
            self.0.extend(small.to_le_bytes());
        } else {
            self.long(&value.to_le_bytes());
        }
    }

    fn unsigned(&mut self, value: u64) {
        // One additional byte, so that the highest bit is not read as a sign.
        self.long(&u128::from(value).to_le_bytes()[..9]);
    }

    fn long(&mut self, little_endian: &[u8]) {
        self.0.extend([opcode::LONG1, little_endian.len() as u8]);
        self.0.extend(little_endian);
    }

    fn float(&mut self, value: f64) {
        self.op(opcode::BINFLOAT);
        self.0.extend(value.to_be_bytes());
    }

    fn text(&mut self, text: &str) {
        if let Ok(length) = u32::try_from(text.len()) {
            self.op(opcode::BINUNICODE);
            self.0.extend(length.to_le_bytes());
        } else {
            self.op(opcode::BINUNICODE8);
            self.0.extend((text.len() as u64).to_le_bytes());
        }
        self.0.extend(text.as_bytes());
    }

    fn optional_text(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.text(text),
            None => self.none(),
        }
    }

    fn list<T>(&mut self, values: &[T], mut each: impl FnMut(&mut Self, &T)) {
        self.0.extend([opcode::EMPTY_LIST, opcode::MARK]);
        for value in values {
            each(self, value);
        }
        self.op(opcode::APPENDS);
    }

    fn tuple(&mut self, inside: impl FnOnce(&mut Self)) {
        self.op(opcode::MARK);
        inside(self);
        self.op(opcode::TUPLE);
    }

    fn dict(&mut self, inside: impl FnOnce(&mut Self)) {
        self.0.extend([opcode::EMPTY_DICT, opcode::MARK]);
        inside(self);
        self.op(opcode::SETITEMS);
    }

    /// One key and value of a [`dict`](Self::dict).
    fn entry(&mut self, key: &str, value: impl FnOnce(&mut Self)) {
        self.text(key);
        value(self);
    }

    /// A call of `module.function` with the arguments that `arguments` writes.
    fn call(&mut self, module: &str, function: &str, arguments: impl FnOnce(&mut Self)) {
        self.text(module);
        self.text(function);
        self.op(opcode::STACK_GLOBAL);
        self.tuple(arguments);
        self.op(opcode::REDUCE);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    fn text(text: &str) -> Vec<u8> {
        [b"X", &(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat()
    }

    fn contains(pickle: &[u8], part: &[u8]) -> bool {
        pickle.windows(part.len()).any(|window| window == part)
    }

    fn coord(data: Value) -> Description {
        let axis = Axis::Coord { unit: String::new(), data: Some(data.as_array().unwrap().clone()) };
        Description {
            dims: vec!["time".into(), "ch".into()],
            axes: BTreeMap::from([("ch".into(), axis)]),
            ..Description::default()
        }
    }

    #[test]
    fn a_small_description_gives_these_very_bytes() {
        let description = Description { dims: vec!["time".into()], key: "k".into(), ..Description::default() };
        let expected = [
            &b"\x80\x04}("[..],
            &text("version"),
            b"J\x01\0\0\0",
            &text("dims"),
            b"](",
            &text("time"),
            &text("ch"),
            b"e",
            &text("axes"),
            b"}(",
            &text("time"),
            b"}(",
            &text("kind"),
            &text("linear"),
            &text("unit"),
            &text("s"),
            &text("gain"),
            b"G\x3f\xe0\0\0\0\0\0\0",
            b"uu",
            &text("attrs"),
            b"}(u",
            &text("key"),
            &text("k"),
            &text("buffered_axis"),
            &text("time"),
            &text("stream_dim"),
            b"Nu.",
        ]
        .concat();
        assert_eq!(encode(&description, 2.0), expected);
    }

    #[test]
    #[cfg_attr(miri, ignore = "takes minutes in Miri and runs no unsafe code")]
    fn labels_become_the_array_that_holds_each_of_them_exactly() {
        let dtype_of = |data: Value| Column::of(data.as_array().unwrap().iter(), 2).map(|column| column.dtype());
        for (data, dtype) in [
            (json!([]), Some("<U1")),
            (json!(["a", "\u{f6}l"]), Some("<U2")),
            (json!(["", ""]), Some("<U1")),
            (json!(["a\0", "b"]), None),
            (json!([true, false]), Some("?")),
            (json!([1, i64::MIN]), Some("<i8")),
            (json!([1, u64::MAX]), Some("<u8")),
            (json!([-1, u64::MAX]), None),
            (json!([1, -0.5]), Some("<f8")),
            (json!([(1_i64 << 53) + 1, 0.5]), None),
            (json!([1, "a"]), None),
            (json!([null]), None),
            (json!(["x".repeat(MAX_TEXT_ARRAY_BYTES / 8), "y"]), Some("<U2097152")),
            (json!(["x".repeat(MAX_TEXT_ARRAY_BYTES / 8 + 1), "y"]), None),
        ] {
            assert_eq!(dtype_of(data).as_deref(), dtype);
        }
    }

    #[test]
    fn objects_with_the_same_members_become_a_structured_array() {
        let same = encode(&coord(json!([{"label": "Cz", "x": 0}, {"label": "Pz", "x": 0.5}])), 0.0);
        assert!(contains(&same, &[text("numpy"), text("array"), vec![opcode::STACK_GLOBAL]].concat()));
        let dtype = [&b"]("[..], b"(", &text("label"), &text("<U2"), b"t(", &text("x"), &text("<f8"), b"te"].concat();
        assert!(contains(&same, &dtype));
        for other in [
            json!([{"a": 1}, {"b": 1}]),
            json!([{"a": 1}, {"a": 1, "b": 1}]),
            json!([{"a": 1}, {"a": "1"}]),
            json!([{"a": [1]}]),
            json!([{"": 1}]),
            json!([{}]),
        ] {
            assert!(!contains(&encode(&coord(other.clone()), 0.0), b"numpy"), "{other}");
        }
    }

    #[test]
    fn the_buffered_axis_has_neither_offset_nor_data() {
        let dims = vec!["time".to_owned(), "y".to_owned()];
        let with = |axis: Axis| {
            encode(
                &Description {
                    dims: dims.clone(),
                    axes: BTreeMap::from([("time".into(), axis)]),
                    ..Description::default()
                },
                1.0,
            )
        };
        let linear = with(Axis::Linear { unit: "s".into(), gain: 0.25, offset: Some(7.0) });
        assert!(contains(&linear, &0.25_f64.to_be_bytes()) && !contains(&linear, b"offset"));
        let coord = with(Axis::Coord { unit: "s".into(), data: Some(vec![json!(1)]) });
        assert!(contains(&coord, b"coord") && !contains(&coord, b"data"));
    }
}
