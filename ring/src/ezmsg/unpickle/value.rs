//! The plain values that a pickle decodes to.

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
    /// A list, a tuple, or one dimension of an array. For an array, also the type of its elements, even if it is empty.
    List(Vec<Plain>, Option<Element>),
    /// A dict, or an element of a structured array. Entries whose key is not a string are left out.
    Table(Vec<(String, Plain)>),
    /// A value that a description cannot hold, and its name for messages.
    Other(&'static str),
}

/// The type of an array's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Element {
    Integer,
    Float,
    Text,
}
