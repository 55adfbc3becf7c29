//! Parameters and the ring's attributes: the same values under two types.

use chrono::DateTime;
use dora_node_api::Parameter;
use dora_shm_ring::Attr;

/// The attribute with the value of a parameter. `None`: a timestamp outside the range of an attribute's.
pub(crate) fn attr(value: &Parameter) -> Option<Attr> {
    Some(match value {
        Parameter::Bool(value) => Attr::Bool(*value),
        Parameter::Integer(value) => Attr::Integer(*value),
        Parameter::Float(value) => Attr::Float(*value),
        Parameter::String(value) => Attr::String(value.clone()),
        Parameter::ListInt(values) => Attr::ListInt(values.clone()),
        Parameter::ListFloat(values) => Attr::ListFloat(values.clone()),
        Parameter::ListString(values) => Attr::ListString(values.clone()),
        Parameter::Timestamp(time) => Attr::Timestamp(time.timestamp_nanos_opt()?),
    })
}

/// The parameter with the value of an attribute.
pub(crate) fn parameter(attr: &Attr) -> Parameter {
    match attr {
        Attr::Bool(value) => Parameter::Bool(*value),
        Attr::Integer(value) => Parameter::Integer(*value),
        Attr::Float(value) => Parameter::Float(*value),
        Attr::String(value) => Parameter::String(value.clone()),
        Attr::ListInt(values) => Parameter::ListInt(values.clone()),
        Attr::ListFloat(values) => Parameter::ListFloat(values.clone()),
        Attr::ListString(values) => Parameter::ListString(values.clone()),
        Attr::Timestamp(ns) => Parameter::Timestamp(DateTime::from_timestamp_nanos(*ns)),
    }
}

/// Equality of two parameters. A NaN equals the same NaN.
pub(crate) fn same(a: &Parameter, b: &Parameter) -> bool {
    match (a, b) {
        (Parameter::Float(a), Parameter::Float(b)) => a.to_bits() == b.to_bits(),
        (Parameter::ListFloat(a), Parameter::ListFloat(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits())
        }
        (a, b) => a == b,
    }
}
