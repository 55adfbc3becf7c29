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
//! dims are those of one frame.
//!
//! # Times
//! The values of the buffered axis ([`Placement`]) come from the first of these that a message has:
//! 1. what the setting `TIME` names: a parameter, or a field of the array;
//! 2. `axis_values`; else `axis_offset`, or the offset or the data in `axes`, with the rate;
//! 3. a mirror's marks `source_time` and `clock`;
//! 4. nothing: the sink makes them, by the rate if there is one, and by when messages come.
//!
//! A single value of `TIME` is the time of the first frame, or of the last (`TIME_OF`). The others follow by the rate;
//! without a rate, they are spread over the time since the message before, but no further apart than is usual.
//!
//! A message that lacks what `TIME` names follows the frame before by one step. So does a message without any times
//! after some that had them, up to eight in a row. [`TimeNote`] reports both.
//!
//! All times of a generation are of one clock ([`Plan::clock`]). Times that the sink makes are on `unix`, or on
//! `monotonic` if `CLOCK` says so. Others are on the clock that `CLOCK` names, else the parameter `clock` (`monotonic`
//! counts only beside this machine's `clock_id`), else on the source's own. An axis that is not time is on the source's
//! own, too; if nothing places its frames, they begin at the send time.
//!
//! Values of a time axis are seconds in the ring and in its description. In `axes` they may have another unit of time;
//! a sink converts them, and a mirror converts them back. `axis_values` and `axis_offset` are always seconds, and
//! `sample_rate` is Hz. An axis that is not time (Hz, mm) keeps its unit and its numbers. Its step is the gain, and
//! without a `sample_rate` its rate is frames per unit: one over the gain.
//!
//! # What is static
//! All other parameters are attributes. An attribute that has changed three times leaves the description for good,
//! because it changes with the messages. The same holds for `axes` other than the buffered one. dora's own parameters,
//! a `timestamp` that is not a timestamp, what `TIME` names, the `clock` that is in force, and parameters that mirrors
//! add are never attributes. Once eight late
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
pub use interpret::{Interpreted, Interpreter, Placement, TimeNote};
pub use params::read::send_ns;
pub use rebuild::error::RebuildError;
pub use rebuild::params::Marks;
pub use rebuild::{Rebuilder, recipe};
pub use refusal::{Reason, Refusal};
pub use settings::{FrameRule, MessageSettings, StampedFrame, TimestampUnit};
