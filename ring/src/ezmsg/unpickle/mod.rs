//! Reads the pickle that ezmsg publishes beside its samples, without running anything.
//!
//! A pickle is a program for a small stack machine, and loading one runs whatever its writer chose. This decoder knows
//! the opcodes that CPython writes for plain values, and of callables only the few names in [`Callable`], for each of
//! which it does itself what little the call means: it can call nothing. Every other opcode and name is refused, by name.
//!
//! What the bytes claim is bounded: they make no more objects than they have bytes, [`MAX_OBJECTS`] at most, whose texts
//! and buffers are borrowed from them; and the tree that is made of these objects, which may contain one another any
//! number of times, has a limit of its own ([`Budget`](plain::Budget)) and at most [`MAX_DEPTH`](plain::MAX_DEPTH) levels.

mod dtype;
mod machine;
mod numpy;
mod plain;
mod value;

pub(crate) use value::{Element, Plain};

use std::borrow::Cow;

/// Most objects that a pickle may make.
const MAX_OBJECTS: usize = 1 << 18;

/// The value that a pickle stands for.
///
/// # Errors
/// A sentence that says what is refused, or what is wrong with the bytes.
pub(crate) fn decode(pickle: &[u8]) -> Result<Plain, String> {
    let (heap, top) = machine::run(pickle)?;
    plain::of(&heap, top)
}

/// Number of an object on the heap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Id(u32);

/// What a pickle has made so far. Objects refer to each other by number, as Python's do, also in circles.
struct Heap<'a> {
    objects: Vec<Object<'a>>,
    /// Fields of dtypes, which take more than the few bytes that can refer to them again.
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
    /// The entries of a list, each a tuple whose members have the names that a list of fields gives.
    Rows {
        list: Id,
        fields: Id,
    },
    /// The entries of a list.
    Same {
        list: Id,
    },
    Timestamp(i64),
    /// Something that no description can say; the words for it.
    Other(&'static str),
}

impl Object<'_> {
    /// What it is, for messages.
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

/// The callables that stand in ezmsg's pickles and in our own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Callable {
    /// `numpy._core.numeric._frombuffer`: how protocol 5 writes an array that is contiguous.
    FromBuffer,
    /// `numpy._core.multiarray._reconstruct`: an empty array that a state is put into; any other array.
    Reconstruct,
    /// `numpy._core.multiarray.scalar`.
    Scalar,
    /// `numpy.dtype`.
    Dtype,
    /// `numpy.ndarray` or a subclass that adds no data: what [`Reconstruct`](Self::Reconstruct) makes.
    Ndarray,
    /// `numpy.record`: the type of a dtype that is an array's of records.
    Record,
    /// `numpy._core._internal._convert_to_stringdtype_kwargs`: the dtype of strings of any length.
    StringDtype,
    /// `numpy.array`, of a list and a dtype: in pickles of our own.
    Array,
    /// `numpy.datetime64`, of an integer and `ns`: in pickles of our own.
    Datetime,
    /// `builtins.complex`.
    Complex,
}

impl Callable {
    /// numpy 2 says `numpy._core` where numpy 1 says `numpy.core`.
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

/// A name from a pickle, fit for a message whatever a hostile writer put there.
fn shown(name: &str) -> String {
    let mut chars = name.chars();
    let text: String = chars.by_ref().take(60).flat_map(char::escape_debug).collect();
    if chars.next().is_some() { text + "..." } else { text }
}

#[cfg(test)]
mod tests;
