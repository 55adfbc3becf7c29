//! Columns next to the chosen one that describe it: an Image's `width`, an AudioFrame's `sample_rate`.

use arrow::array::{Array, AsArray, StructArray};
use arrow::datatypes::DataType;

use crate::array::arrow_types::number;
use crate::array::payload::{Node, Payload};
use crate::copy::cast::convert;
use crate::copy::columns::{Values, numbers};
use crate::params::keys::{CHANNELS, ENCODING, HEIGHT, SAMPLE_RATE, WIDTH};
use crate::params::read::Hints;
use dora_node_api::{MetadataParameters, Parameter};
use dora_shm_ring::Dtype;

/// The values next to a column of bytes or lists, if they are equal in all rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct SiblingColumns<S> {
    pub width: Option<u64>,
    pub height: Option<u64>,
    pub channels: Option<u64>,
    pub sample_rate_hz: Option<f64>,
    pub encoding: Option<S>,
}

impl<'a> SiblingColumns<&'a str> {
    /// Reads them without allocating. They exist only if exactly one column of a struct is chosen, and it holds lists
    /// or bytes.
    pub(crate) fn read(payload: &Payload, array: &'a dyn Array) -> Self {
        let Some(parent) = parent(payload, array) else { return Self::default() };
        let count = |name| number_in(parent, name).filter(|n| *n >= 1.0 && n.fract() == 0.0).map(|n| n as u64);
        Self {
            width: count(WIDTH),
            height: count(HEIGHT),
            channels: count(CHANNELS),
            sample_rate_hz: number_in(parent, SAMPLE_RATE).filter(|rate| rate.is_finite() && *rate >= 0.0),
            encoding: text_in(parent, ENCODING),
        }
    }

    pub(crate) fn to_owned(&self) -> SiblingColumns<String> {
        SiblingColumns {
            width: self.width,
            height: self.height,
            channels: self.channels,
            sample_rate_hz: self.sample_rate_hz,
            encoding: self.encoding.map(str::to_owned),
        }
    }

    /// Whether they equal those of the message before. Sizes count only if they `matter`.
    pub(crate) fn are(&self, before: &SiblingColumns<String>, matter: impl Fn(&str) -> bool) -> bool {
        (self.width == before.width || !matter(WIDTH))
            && (self.height == before.height || !matter(HEIGHT))
            && (self.channels == before.channels || !matter(CHANNELS))
            && self.sample_rate_hz == before.sample_rate_hz
            && self.encoding == before.encoding.as_deref()
    }
}

impl SiblingColumns<String> {
    /// Fills in what the parameters leave out.
    pub(crate) fn complete(&self, hints: &mut Hints) {
        hints.width = hints.width.or(self.width);
        hints.height = hints.height.or(self.height);
        hints.channels = hints.channels.or(self.channels);
        hints.sample_rate_hz = hints.sample_rate_hz.or(self.sample_rate_hz);
        if hints.encoding.is_none() {
            hints.encoding.clone_from(&self.encoding);
        }
    }

    /// The values as parameters under the names of their columns.
    pub(crate) fn parameters(&self) -> MetadataParameters {
        let integer = |n: u64| i64::try_from(n).ok().map(Parameter::Integer);
        [
            (WIDTH, self.width.and_then(integer)),
            (HEIGHT, self.height.and_then(integer)),
            (CHANNELS, self.channels.and_then(integer)),
            (ENCODING, self.encoding.clone().map(Parameter::String)),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect()
    }
}

/// The struct whose only chosen column has lists or bytes.
fn parent<'a>(payload: &Payload, array: &'a dyn Array) -> Option<&'a StructArray> {
    payload.only()?;
    let (mut node, mut array) = (&payload.root, array);
    loop {
        let Node::Struct(members) = node else { return None };
        let [member] = members.as_slice() else { return None };
        let parent = array.as_struct();
        match &member.node {
            Node::Struct(_) => (node, array) = (&member.node, &parent.columns()[member.column]),
            Node::List { .. } | Node::Bytes { .. } => return Some(parent),
            Node::Number { .. } => return None,
        }
    }
}

fn number_in(parent: &StructArray, name: &str) -> Option<f64> {
    let column = parent.column_by_name(name)?;
    let dtype = number(column.data_type()).filter(|dtype| *dtype != Dtype::Bool)?;
    if column.null_count() > 0 {
        return None;
    }
    let Values::Bytes(values) = numbers(dtype, column, &(0..column.len()))? else { return None };
    let (first, rest) = values.split_at_checked(dtype.size())?;
    if !rest.chunks_exact(dtype.size()).all(|value| value == first) {
        return None;
    }
    let mut number = [0; 8];
    convert(dtype, first, Dtype::F64, &mut number);
    Some(f64::from_ne_bytes(number))
}

fn text_in<'a>(parent: &'a StructArray, name: &str) -> Option<&'a str> {
    let column = parent.column_by_name(name)?;
    if column.null_count() > 0 || column.is_empty() {
        return None;
    }
    let is_first = |value: &dyn Fn(usize) -> &'a str| (1..column.len()).all(|row| value(row) == value(0));
    match column.data_type() {
        DataType::Utf8 => {
            let texts = column.as_string::<i32>();
            is_first(&|row| texts.value(row)).then(|| texts.value(0))
        }
        DataType::LargeUtf8 => {
            let texts = column.as_string::<i64>();
            is_first(&|row| texts.value(row)).then(|| texts.value(0))
        }
        _ => None,
    }
}
