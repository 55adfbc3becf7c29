//! What a pickle says, in plain values.

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Plain {
    None,
    Bool(bool),
    Integer(i64),
    /// Above `i64::MAX`.
    Unsigned(u64),
    Float(f64),
    Text(String),
    /// Nanoseconds since the Unix epoch.
    Timestamp(i64),
    /// A list, a tuple, or one dimension of an array, and what an array says of its elements, also when it has none.
    List(Vec<Plain>, Option<Element>),
    /// A dict, or an element of a structured array. A key that is no string is left out.
    Table(Vec<(String, Plain)>),
    /// What has no place in a description: the words for it.
    Other(&'static str),
}

/// What the elements of an array are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Element {
    Integer,
    Float,
    Text,
}
