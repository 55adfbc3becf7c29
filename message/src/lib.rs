//! What a dora message means as frames of a stream, and how it is rebuilt from them.
//!
//! An [`Interpreter`] works out what a message means and copies its samples into a ring, once. A [`Rebuilder`] makes
//! the message again from the frames. Everything else that it needs is in the stream's description: the [`recipe`] of a
//! message.
//!
//! # Order of belief
//! What a message means is taken from the first of these that applies:
//! 1. the settings ([`MessageSettings`]);
//! 2. the parameters `shape` and `dims`, with `dtype` for bytes and `sample_rate`;
//! 3. `width`, `height` and `encoding`, as parameters or as columns next to the samples, if the length fits them;
//! 4. the Arrow type: rows of lists and structs are frames;
//! 5. otherwise it is a flat vector, which is one frame. With a `sample_rate` it is frames of `channels` values
//!    (default 1).
//!
//! If one of them contradicts the number of samples, the message is refused ([`Refusal`]): nothing is guessed. The
//! third is the exception: it is ignored, because it may describe another array.
//!
//! # The buffered axis
//! It is named by `AXIS`, else by the parameter `stream_dim`, else it is the dim called `time`. Without such a dim, the
//! dims are those of one frame. The values of the axis are `axis_values`. Without these, they begin at `axis_offset`,
//! at the offset in `axes`, or at the send time, and increase by one over the rate.
//!
//! Values of a time axis are seconds in the ring and in its description. In `axes` they may have another unit of time;
//! a sink converts them, and a mirror converts them back. `axis_values` and `axis_offset` are always seconds, and
//! `sample_rate` is Hz. An axis that is not time (Hz, mm) keeps its unit and its numbers. Its step is the gain, and
//! without a `sample_rate` its rate is frames per unit: one over the gain.
//!
//! # What is static
//! All other parameters are attributes. An attribute that has changed three times leaves the description for good,
//! because it changes with the messages. The same holds for `axes` other than the buffered one. dora's own parameters,
//! a `timestamp` that is not a timestamp, and parameters that mirrors add are never attributes. Once eight late
//! attributes have left again, a new name is described only after it has come with eight consecutive messages.
//!
//! # Pictures
//! The sink decides once what the samples of a picture are, and describes it as the attribute `_picture`: `gray`,
//! `rgb`, `bgr`, `rgba`, `bgra`, or `yuv420`. A frame of shape `[height, width]` has one sample per pixel; colours are
//! the last dim, or the first if the last is not as long; `yuv420` has one and a half times the height. The attribute
//! is absent unless the size, or dims called `y` and `x`, and the order of the colours are certain. A mirror does not
//! send it.

mod array;
mod copy;
mod describe;
mod interpret;
mod params;
mod rebuild;
mod refusal;
mod settings;
mod shape;

pub use describe::plan::Plan;
pub use interpret::{Interpreted, Interpreter};
pub use params::read::send_ns;
pub use rebuild::error::RebuildError;
pub use rebuild::params::Marks;
pub use rebuild::{Rebuilder, recipe};
pub use refusal::{Reason, Refusal};
pub use settings::{FrameRule, MessageSettings};
