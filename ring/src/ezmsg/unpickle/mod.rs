//! Decodes the pickle that ezmsg publishes with its samples, without executing any code in it.
//!
//! A pickle is a program for a small stack machine, and loading one in Python runs any code that its writer chose. This
//! decoder supports the opcodes that CPython writes for plain values, and the few callables in [`Callable`], whose
//! effect it reproduces itself. It cannot call anything. Every other opcode and name is refused, and named in the
//! error.
//!
//! Memory is bounded. A pickle makes at most as many objects as it has bytes, and at most [`MAX_OBJECTS`]; their texts
//! and buffers are borrowed from it. Since objects may contain each other any number of times, the resulting tree has
//! limits of its own: a [`Budget`](plain::Budget), and [`MAX_DEPTH`](plain::MAX_DEPTH) levels.

mod dtype;
mod machine;
mod numpy;
mod plain;
mod value;

pub(crate) use value::{Element, Plain};

use std::borrow::Cow;

/// The most objects that a pickle may make.
const MAX_OBJECTS: usize = 1 << 18;

/// The value that a pickle encodes.
///
/// # Errors
/// The reason for which the pickle is refused.
pub(crate) fn decode(pickle: &[u8]) -> Result<Plain, String> {
    let (heap, top) = machine::run(pickle)?;
    plain::of(&heap, top)
}

/// Number of an object on the heap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Id(u32);

/// The objects that a pickle has made so far. They refer to each other by number and may form cycles, as in Python.
struct Heap<'a> {
    objects: Vec<Object<'a>>,
    /// Number of fields in all dtypes. They are limited, since a few bytes can refer to many fields again.
    fields: usize,
}

enum Object<'a> {
    None,
    Bool(bool),
    Integer(i64),
    Unsigned(u64),
    Float(f64),
    Text(Cow<'a, str>),
    Bytes(&'a [u8]),
    List(Vec<Id>),
    Tuple(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Callable(Callable),
    Dtype(Box<dtype::Dtype>),
    Array(Box<numpy::Array<'a>>),
    /// The entries of a list, each a tuple whose members are named by a list of fields.
    Rows {
        list: Id,
        fields: Id,
    },
    /// The entries of a list.
    Same {
        list: Id,
    },
    Timestamp(i64),
    /// A value that a description cannot hold, and its name for messages.
    Other(&'static str),
}

impl Object<'_> {
    /// Its type, for messages.
    fn kind(&self) -> &'static str {
        match self {
            Object::None => "None",
            Object::Bool(_) => "a boolean",
            Object::Integer(_) | Object::Unsigned(_) => "an integer",
            Object::Float(_) => "a float",
            Object::Text(_) => "a string",
            Object::Bytes(_) => "bytes",
            Object::List(_) => "a list",
            Object::Tuple(_) => "a tuple",
            Object::Dict(_) => "a dict",
            Object::Callable(_) => "a callable",
            Object::Dtype(_) => "a dtype",
            Object::Array(_) | Object::Rows { .. } | Object::Same { .. } => "an array",
            Object::Timestamp(_) => "a timestamp",
            Object::Other(what) => what,
        }
    }
}

impl<'a> Heap<'a> {
    fn add(&mut self, object: Object<'a>) -> Result<Id, String> {
        if self.objects.len() >= MAX_OBJECTS {
            return Err(format!("it makes more than {MAX_OBJECTS} objects"));
        }
        self.objects.push(object);
        Ok(Id(self.objects.len() as u32 - 1))
    }

    fn get(&self, id: Id) -> &Object<'a> {
        &self.objects[id.0 as usize]
    }

    fn get_mut(&mut self, id: Id) -> &mut Object<'a> {
        &mut self.objects[id.0 as usize]
    }

    fn text(&self, id: Id, what: &str) -> Result<&str, String> {
        match self.get(id) {
            Object::Text(text) => Ok(text),
            other => Err(wrong(what, "a string", other)),
        }
    }

    fn bytes(&self, id: Id, what: &str) -> Result<&'a [u8], String> {
        match self.get(id) {
            Object::Bytes(bytes) => Ok(bytes),
            other => Err(wrong(what, "bytes", other)),
        }
    }

    fn size(&self, id: Id, what: &str) -> Result<usize, String> {
        match self.get(id) {
            Object::Integer(value) => usize::try_from(*value).map_err(|_| format!("{what} is {value}")),
            other => Err(wrong(what, "an integer", other)),
        }
    }

    fn tuple(&self, id: Id, what: &str) -> Result<&[Id], String> {
        match self.get(id) {
            Object::Tuple(items) => Ok(items),
            other => Err(wrong(what, "a tuple", other)),
        }
    }

    fn list(&self, id: Id, what: &str) -> Result<&[Id], String> {
        match self.get(id) {
            Object::List(items) => Ok(items),
            other => Err(wrong(what, "a list", other)),
        }
    }

    fn dtype(&self, id: Id, what: &str) -> Result<&dtype::Dtype, String> {
        match self.get(id) {
            Object::Dtype(dtype) => Ok(dtype),
            other => Err(wrong(what, "a dtype", other)),
        }
    }
}

fn wrong(what: &str, expected: &str, found: &Object<'_>) -> String {
    format!("{what} is {}, expected {expected}", found.kind())
}

/// The callables that occur in ezmsg's pickles and in those of this library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Callable {
    /// `numpy._core.numeric._frombuffer`: a contiguous array in protocol 5.
    FromBuffer,
    /// `numpy._core.multiarray._reconstruct`: any other array, empty until its state is set.
    Reconstruct,
    /// `numpy._core.multiarray.scalar`.
    Scalar,
    /// `numpy.dtype`.
    Dtype,
    /// `numpy.ndarray` or a subclass without additional data: the class that [`Reconstruct`](Self::Reconstruct) makes.
    Ndarray,
    /// `numpy.record`: the type in the dtype of a record array.
    Record,
    /// `numpy._core._internal._convert_to_stringdtype_kwargs`: the dtype of variable-length strings.
    StringDtype,
    /// `numpy.array` of a list and a dtype, in pickles of this library.
    Array,
    /// `numpy.datetime64` of an integer and `ns`, in pickles of this library.
    Datetime,
    /// `builtins.complex`.
    Complex,
}

impl Callable {
    /// numpy 2 names `numpy._core` what numpy 1 names `numpy.core`.
    fn of(module: &str, name: &str) -> Result<Self, String> {
        let module_of_2 = module.strip_prefix("numpy.core.").map(|rest| format!("numpy._core.{rest}"));
        Ok(match (module_of_2.as_deref().unwrap_or(module), name) {
            ("numpy._core.numeric", "_frombuffer") => Self::FromBuffer,
            ("numpy._core.multiarray", "_reconstruct") => Self::Reconstruct,
            ("numpy._core.multiarray", "scalar") => Self::Scalar,
            ("numpy._core._internal", "_convert_to_stringdtype_kwargs") => Self::StringDtype,
            ("numpy", "dtype") => Self::Dtype,
            ("numpy", "ndarray" | "recarray") | ("numpy.rec" | "numpy._core.records", "recarray") => Self::Ndarray,
            ("numpy", "record") | ("numpy.rec" | "numpy._core.records", "record") => Self::Record,
            ("numpy", "array") => Self::Array,
            ("numpy", "datetime64") => Self::Datetime,
            ("builtins", "complex") => Self::Complex,
            _ => return Err(format!("it wants to call {}.{}, which is never done", shown(module), shown(name))),
        })
    }
}

/// A name from a pickle, escaped and shortened for a message, since a hostile writer may have chosen it.
fn shown(name: &str) -> String {
    let mut chars = name.chars();
    let text: String = chars.by_ref().take(60).flat_map(char::escape_debug).collect();
    if chars.next().is_some() { text + "..." } else { text }
}

#[cfg(test)]
mod tests;
