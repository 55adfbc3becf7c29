//! Why a message cannot become frames.

use std::fmt;

use dora_shm_ring::Dtype;
use dora_shm_ring::internal::MAX_RANK;

/// A message that was refused. Its text names the input, the Arrow type, what was expected, what was found, and a
/// remedy.
#[derive(Debug, thiserror::Error)]
#[error("input `{input}` ({arrow_type}): {reason}")]
pub struct Refusal {
    input: String,
    arrow_type: String,
    reason: Box<Reason>,
}

/// Longest text of an Arrow type in a refusal: a struct of a hundred columns must not fill a log line.
const MAX_TYPE_CHARS: usize = 160;

impl Refusal {
    pub(crate) fn new(input: &str, arrow_type: &impl fmt::Display, reason: Reason) -> Self {
        let mut arrow_type = arrow_type.to_string();
        if let Some((end, _)) = arrow_type.char_indices().nth(MAX_TYPE_CHARS) {
            arrow_type.truncate(end);
            arrow_type.push_str("...");
        }
        Self { input: input.to_owned(), arrow_type, reason: Box::new(reason) }
    }

    /// Id of the input that the message came from.
    pub fn input(&self) -> &str {
        &self.input
    }

    /// The Arrow type of the message, shortened when it is very long.
    pub fn arrow_type(&self) -> &str {
        &self.arrow_type
    }

    /// What is wrong.
    pub fn reason(&self) -> &Reason {
        &self.reason
    }
}

/// What is wrong with a message.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// Values that are not fixed-size numbers.
    #[error("{} has type {found}, expected fixed-size numbers{}", place(path), choose(fields, path))]
    NotNumeric {
        /// Path of the column; empty: the array itself.
        path: String,
        /// Its Arrow type.
        found: String,
        /// The numeric columns that FIELD could name.
        fields: Vec<String>,
    },
    /// Bytes whose element type is unknown.
    #[error(
        "{} holds bytes of an unknown element type; set DTYPE (uint8 for plain bytes), or have the source send `dtype`",
        place(path)
    )]
    BytesNeedDtype {
        /// Path of the column; empty: the array itself.
        path: String,
    },
    /// A compressed picture.
    #[error("encoding `{encoding}` is compressed; decode it upstream, e.g. to bgr8")]
    Compressed {
        /// The encoding's name.
        encoding: String,
    },
    /// Rows of different lengths.
    #[error(
        "the rows of {} have {shortest} to {longest} values, expected the same number in each; pad them upstream, or \
         choose another column with FIELD",
        place(path)
    )]
    Ragged {
        /// Path of the list; empty: the array itself.
        path: String,
        /// Values of the shortest row.
        shortest: u64,
        /// Values of the longest row.
        longest: u64,
    },
    /// `FIELD` names a column that does not exist.
    #[error("FIELD names `{field}`, which is not a column{}", choose(fields, field))]
    UnknownField {
        /// The path as given.
        field: String,
        /// The numeric columns that FIELD could name.
        fields: Vec<String>,
    },
    /// `FIELD` is set, but the message has no columns.
    #[error("FIELD names `{field}`, but the message is not a struct; unset FIELD")]
    NoStruct {
        /// The setting.
        field: String,
    },
    /// `FIELD` selects bytes together with other columns.
    #[error("{} holds bytes, which cannot be combined with other columns; select it alone with FIELD", place(path))]
    BytesAmongOthers {
        /// Path of the bytes.
        path: String,
    },
    /// A shape that does not fit the length.
    #[error("{origin} {shape:?} means {expected} samples, found {samples}; {}", correct(origin))]
    Shape {
        /// Where the shape comes from.
        origin: &'static str,
        /// The shape.
        shape: Vec<u64>,
        /// Samples it stands for.
        expected: u64,
        /// Samples of the message.
        samples: u64,
    },
    /// A shape with more samples than can be counted.
    #[error("{origin} {shape:?} is too large: no message has that many samples (found {samples}); {}", correct(origin))]
    ShapeTooLarge {
        /// Where the shape comes from.
        origin: &'static str,
        /// The shape.
        shape: Vec<u64>,
        /// Samples of the message.
        samples: u64,
    },
    /// Names of dims whose number differs from that of the dimensions.
    #[error(
        "{origin} names {dims:?}, but the message has {}; {}",
        dimensions(shape),
        if *origin == "DIMS" { "correct DIMS, or set SHAPE" } else { "send `shape` too, or set SHAPE and DIMS" }
    )]
    Dims {
        /// Where the names come from.
        origin: &'static str,
        /// The names.
        dims: Vec<String>,
        /// The shape they should name.
        shape: Vec<u64>,
    },
    /// Two dims of the same name, or a dim without one.
    #[error("the dims {dims:?} need names that are all different and not empty; correct DIMS or the parameter `dims`")]
    DimNames {
        /// The names.
        dims: Vec<String>,
    },
    /// `AXIS` names no dim.
    #[error(
        "AXIS is `{axis}`, but the dims are {dims:?}; name one of these (or set FRAMES: message, for one frame per message)"
    )]
    UnknownAxis {
        /// The setting.
        axis: String,
        /// The dims of the message.
        dims: Vec<String>,
    },
    /// The parameter `stream_dim` names no dim.
    #[error(
        "the parameter `stream_dim` is `{dim}`, but the dims are {dims:?}; fix the source, or set AXIS to one of these \
         (or FRAMES: message, for one frame per message)"
    )]
    UnknownStreamDim {
        /// The parameter.
        dim: String,
        /// The dims of the message.
        dims: Vec<String>,
    },
    /// `AXIS` names a dim of the frame that `SHAPE` gives.
    #[error(
        "AXIS is `{axis}`, which is one of the dims {dims:?} of the frame of SHAPE {shape:?}; leave it out of SHAPE, or \
         unset AXIS"
    )]
    AxisInFrame {
        /// The setting `AXIS`.
        axis: String,
        /// The setting `SHAPE`.
        shape: Vec<u64>,
        /// The frame's dims.
        dims: Vec<String>,
    },
    /// Frames by `SHAPE` that would mix samples from several of the source's frames.
    #[error(
        "SHAPE implies a message of shape {shape:?}, but the source declares shape {source_shape:?} with dims {dims:?}, \
         whose frames are not contiguous; correct SHAPE, or set DIMS as well"
    )]
    Regrouped {
        /// The message's shape by the setting `SHAPE`.
        shape: Vec<u64>,
        /// The parameter `shape`.
        source_shape: Vec<u64>,
        /// The parameter `dims`.
        dims: Vec<String>,
    },
    /// `SHAPE` has the width of a picture before its height.
    #[error(
        "SHAPE is {shape:?}, but the message states width {width} and height {height}, and the rows of a picture come \
         first; set SHAPE to {}, or, if the columns do come first, set DIMS as well",
        height_first(shape, *width, *height)
    )]
    Transposed {
        /// The setting `SHAPE`.
        shape: Vec<u64>,
        /// The parameter or column `width`.
        width: u64,
        /// The parameter or column `height`.
        height: u64,
    },
    /// Samples that are not whole frames.
    #[error(
        "{samples} samples are not a whole number of frames of {channels} channels; correct `channels`, or set SHAPE"
    )]
    Channels {
        /// Samples of the message.
        samples: u64,
        /// Samples of a frame.
        channels: u64,
    },
    /// Bytes that are not whole numbers.
    #[error("{bytes} bytes are not a whole number of {dtype}; correct DTYPE or the parameter `dtype`")]
    PartialNumber {
        /// Bytes of a row, or of the message.
        bytes: u64,
        /// The type they should be.
        dtype: Dtype,
    },
    /// Nulls in a column whose element type has no value for them.
    #[error(
        "{} contains nulls, for which {dtype} has no value; fill them upstream, or set DTYPE: float64 (a null becomes NaN)",
        place(path)
    )]
    Nulls {
        /// Path of the column; empty: the array itself.
        path: String,
        /// Its type.
        dtype: Dtype,
    },
    /// An integer that `float64`, the common type of the columns, would round.
    #[error(
        "{} contains {found}, which float64, the common type of the columns, would round (integers are exact up to \
         2^53); use FIELD to select columns of one integer type, or convert it upstream",
        place(path)
    )]
    Inexact {
        /// Path of the column.
        path: String,
        /// The integer.
        found: i128,
    },
    /// A value that the type of the setting `DTYPE` cannot represent.
    #[error(
        "{} contains {found}, which DTYPE {dtype} cannot represent; unset DTYPE (the column is {own}), set one that can, \
         or convert it upstream",
        place(path)
    )]
    Unfit {
        /// Path of the column; empty: the array itself.
        path: String,
        /// The value.
        found: String,
        /// Type of the column.
        own: Dtype,
        /// The setting.
        dtype: Dtype,
    },
    /// An array that Arrow itself rejects.
    #[error("Arrow rejects the array: {found}; fix the source")]
    Arrow {
        /// Its reason.
        found: String,
    },
    /// A parameter that cannot be understood.
    #[error("the parameter `{key}` is {found}, expected {expected}; fix the source{}", instead(key))]
    Parameter {
        /// Its name.
        key: String,
        /// Its value.
        found: String,
        /// What it should be.
        expected: String,
    },
    /// `TIME` names something other than times.
    #[error(
        "TIME is `{name}`, which is {found}, expected a number, a timestamp, or a struct of `sec` and `nanosec`; set TIME \
         to the name of another parameter or field, or unset it"
    )]
    NotATime {
        /// The setting.
        name: String,
        /// What it names.
        found: String,
    },
    /// `TIME` names times whose number does not fit the frames.
    #[error(
        "TIME is `{name}`, which has {found} different times for a message of {frames} frames, expected one for each frame \
         or a single one; fix the source, or set FRAMES and SHAPE to the frames that are meant"
    )]
    TimeCount {
        /// The setting.
        name: String,
        /// Number of times.
        found: u64,
        /// Number of frames.
        frames: u64,
    },
    /// The message lacks what `TIME` names, and there is no frame before that its frames could follow.
    #[error(
        "TIME is `{name}`, expected a parameter or a field of this name, found {}",
        time_candidates(name, candidates)
    )]
    NoTime {
        /// The setting.
        name: String,
        /// What `TIME` could name.
        candidates: Vec<String>,
    },
    /// More dimensions than a frame can have.
    #[error("a frame of shape {shape:?} has {} dimensions, at most {MAX_RANK} are possible; set SHAPE", shape.len())]
    Rank {
        /// The frame's shape.
        shape: Vec<u64>,
    },
    /// A type nested too deeply, or with too many parts in a row.
    #[error("the type has {found}, at most {limit} are possible; choose columns with FIELD, or flatten it upstream")]
    TooComplex {
        /// What exceeds the limit, with its number.
        found: String,
        /// The limit.
        limit: usize,
    },
}

/// The remedy for a `TIME` that names nothing.
fn time_candidates(name: &str, candidates: &[String]) -> String {
    if candidates.iter().any(|candidate| candidate == name) {
        return "one without a value in the first message; have the source send it from its first message on"
            .to_owned();
    }
    let remedy = match candidates {
        [] => "correct or unset TIME, or have the source send it".to_owned(),
        _ => format!("set TIME to {}, or unset it", candidates[..candidates.len().min(MAX_FIELDS)].join(" or ")),
    };
    format!("none with the first message; {remedy}")
}

/// The setting that can replace a parameter.
fn instead(key: &str) -> &'static str {
    match key {
        "shape" => ", or set SHAPE",
        "dims" => ", or set DIMS",
        "dtype" => ", or set DTYPE",
        "sample_rate" => ", or set SAMPLE_RATE",
        "stream_dim" => ", or set AXIS",
        "channels" => ", or set SHAPE",
        _ => "",
    }
}

/// The remedy for a shape from `origin` that does not fit.
fn correct(origin: &str) -> &'static str {
    match origin {
        "the parameter `shape`" => "fix the source, or set SHAPE",
        _ => "set SHAPE to the shape of one frame (FRAMES: rows when a message holds several)",
    }
}

/// `shape` with the first `width` and the `height` after it exchanged, as the setting is written.
fn height_first(shape: &[u64], width: u64, height: u64) -> String {
    let mut shape = shape.to_vec();
    let first = shape.iter().position(|&dim| dim == width);
    let second = first.and_then(|first| Some(first + 1 + shape[first + 1..].iter().position(|&dim| dim == height)?));
    if let (Some(first), Some(second)) = (first, second) {
        shape.swap(first, second);
    }
    let dims: Vec<String> = shape.iter().map(u64::to_string).collect();
    dims.join(",")
}

fn place(path: &str) -> String {
    if path.is_empty() { "the array".to_owned() } else { format!("column `{path}`") }
}

fn dimensions(shape: &[u64]) -> String {
    match shape.len() {
        1 => format!("one dimension of {}", shape[0]),
        rank => format!("{rank} dimensions {shape:?}"),
    }
}

/// Columns named in a refusal, at most.
const MAX_FIELDS: usize = 12;

fn choose(fields: &[String], path: &str) -> String {
    if fields.is_empty() {
        return match path {
            "" => "; convert it upstream".to_owned(),
            _ => " (none of its columns is numeric)".to_owned(),
        };
    }
    let more = if fields.len() > MAX_FIELDS { ", ..." } else { "" };
    format!("; set FIELD to one or several of: {}{more}", fields[..fields.len().min(MAX_FIELDS)].join(", "))
}
