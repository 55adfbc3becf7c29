//! What the frames of a stream mean: names of dimensions, axes with units and labels, attributes.

use std::collections::BTreeMap;

use serde_json::Value;

/// The static description of a stream. It changes rarely; values that change with every message do not belong here.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Description {
    /// A name for each dimension in the ring's order: the buffered axis first, then those of the frame.
    pub dims: Vec<String>,
    /// Axes by the name of their dimension. A dimension without an entry has no known coordinates.
    pub axes: BTreeMap<String, Axis>,
    /// Everything else that the source states about its signal and that does not change from message to message.
    pub attrs: BTreeMap<String, Attr>,
    /// The source's own name for the signal; empty if it has none.
    pub key: String,
    /// The dim along which messages accumulate, if the source names one.
    pub stream_dim: Option<String>,
    /// How a message is rebuilt from its frames (its Arrow type and layout). `SPEC.md` lists the members that the nodes
    /// write; the ring stores it without interpreting it.
    pub message: Option<Value>,
}

impl Description {
    /// Name of the buffered axis: the first of `dims`.
    pub fn buffered_axis(&self) -> Option<&str> {
        self.dims.first().map(String::as_str)
    }
}

/// Coordinates along one dimension. Floats are compared as those of [`Attr`].
#[derive(Clone, Debug)]
pub enum Axis {
    /// Evenly spaced: `offset + gain * index`, in `unit`.
    Linear {
        /// Unit of the coordinate, e.g. `s`; empty if unknown.
        unit: String,
        /// Step between neighbours; for a time axis, the inverse of the rate.
        gain: f64,
        /// Coordinate of the first entry. `None` for the buffered axis, whose coordinates are the frames' times.
        offset: Option<f64>,
    },
    /// One coordinate or label per index.
    Coord {
        /// Unit of the coordinates; empty for labels.
        unit: String,
        /// Strings, numbers, or objects such as `{"label": "Cz", "x": 0.0, "y": 0.1}`. `None` for the buffered axis,
        /// whose coordinates are the frames' times.
        data: Option<Vec<Value>>,
    },
}

/// Value of an attribute: a scalar, a list of scalars, or a time.
///
/// Two values are equal if a reader cannot distinguish them: NaN equals NaN, and -0.0 differs from 0.0. So publishing a
/// description with a NaN again does not count as a change.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub enum Attr {
    Bool(bool),
    Integer(i64),
    Float(f64),
    String(String),
    ListInt(Vec<i64>),
    ListFloat(Vec<f64>),
    ListString(Vec<String>),
    /// Nanoseconds since the Unix epoch.
    Timestamp(i64),
}

impl PartialEq for Axis {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Axis::Linear { unit, gain, offset },
                Axis::Linear { unit: other_unit, gain: other_gain, offset: other_offset },
            ) => {
                let same_offset = match (offset, other_offset) {
                    (Some(a), Some(b)) => same_float(*a, *b),
                    (None, None) => true,
                    _ => false,
                };
                unit == other_unit && same_float(*gain, *other_gain) && same_offset
            }
            (Axis::Coord { unit, data }, Axis::Coord { unit: other_unit, data: other_data }) => {
                unit == other_unit && data == other_data
            }
            _ => false,
        }
    }
}

impl PartialEq for Attr {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Attr::Bool(a), Attr::Bool(b)) => a == b,
            (Attr::Integer(a), Attr::Integer(b)) | (Attr::Timestamp(a), Attr::Timestamp(b)) => a == b,
            (Attr::Float(a), Attr::Float(b)) => same_float(*a, *b),
            (Attr::String(a), Attr::String(b)) => a == b,
            (Attr::ListInt(a), Attr::ListInt(b)) => a == b,
            (Attr::ListFloat(a), Attr::ListFloat(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_float(*a, *b))
            }
            (Attr::ListString(a), Attr::ListString(b)) => a == b,
            _ => false,
        }
    }
}

fn same_float(a: f64, b: f64) -> bool {
    a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_equal_when_no_reader_can_tell_them_apart() {
        let linear = |gain, offset| Axis::Linear { unit: String::new(), gain, offset };
        assert_eq!(Attr::Float(f64::NAN), Attr::Float(-f64::NAN));
        assert_eq!(Attr::ListFloat(vec![1.0, f64::NAN]), Attr::ListFloat(vec![1.0, f64::NAN]));
        assert_eq!(linear(f64::NAN, Some(f64::NAN)), linear(f64::NAN, Some(f64::NAN)));
        assert_ne!(Attr::Float(0.0), Attr::Float(-0.0));
        assert_ne!(Attr::ListFloat(vec![1.0]), Attr::ListFloat(vec![1.0, 2.0]));
        assert_ne!(linear(1.0, Some(0.0)), linear(1.0, Some(-0.0)));
        assert_ne!(linear(1.0, None), linear(1.0, Some(0.0)));
        assert_ne!(linear(1.0, None), linear(2.0, None));
    }

    #[test]
    fn values_of_different_types_are_never_equal() {
        let values = [
            Attr::Bool(true),
            Attr::Integer(1),
            Attr::Timestamp(1),
            Attr::Float(1.0),
            Attr::String("1".into()),
            Attr::ListInt(vec![]),
            Attr::ListFloat(vec![]),
            Attr::ListString(vec![]),
        ];
        for (i, a) in values.iter().enumerate() {
            for (j, b) in values.iter().enumerate() {
                assert_eq!(a == b, i == j, "{a:?} {b:?}");
            }
        }
    }
}
