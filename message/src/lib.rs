//! How a dora message and the frames of a stream correspond, in both directions.
//!
//! An [`Interpreter`] says what a message means and copies its samples into a ring, once. A [`Rebuilder`] makes the
//! message again from the frames. What it needs besides the samples is in the stream's description: the
//! [`recipe`] of a message.
//!
//! # Order of belief
//! What a message is comes from, the first that says anything:
//! 1. the settings ([`MessageSettings`]);
//! 2. the parameters `shape` and `dims`, with `dtype` for bytes and `sample_rate`;
//! 3. the parameters, or columns beside the samples, `width`, `height` and `encoding`, when the length fits them;
//! 4. the Arrow type: rows of lists and structs are frames;
//! 5. otherwise it is a flat vector: one frame. With a `sample_rate` it is frames of `channels` values (1 by default).
//!
//! Something given that contradicts the number of samples is a [`Refusal`], never a guess; only the third may describe
//! another array, and is passed over then.
//!
//! # The buffered axis
//! `AXIS`, else the parameter `stream_dim`, else the dim called `time`. Dims that do not name it are those of one frame.
//! Its values are `axis_values`, else they begin at `axis_offset` or at the offset in `axes`, else when the message was
//! sent; they go on in steps of one over the rate.
//!
//! Those of a time axis are seconds in the ring and in its description. In `axes` they may be in another unit of time,
//! from which they are converted; a mirror converts them back. `axis_values` and `axis_offset` are seconds whatever the
//! unit in `axes`, as `sample_rate` is Hz. An axis that is no time (Hz, mm) keeps its unit and its numbers: its steps are
//! the gain, and without a `sample_rate` the rate is frames per unit, one over the gain.
//!
//! # What is static
//! Parameters that are no part of the above are attributes. One that has changed three times changes with the messages
//! and leaves the description for good; so do `axes` other than the buffered one. dora's own parameters, a `timestamp`
//! that is none, and those that mirrors add are never attributes. Once eight messages have brought new names, further
//! ones are let pass.
//!
//! # Pictures
//! What the samples of a picture are is decided here, once. The description has it as the attribute `_picture`: `gray`,
//! `rgb`, `bgr`, `rgba`, `bgra`, or `yuv420`. A frame of shape `[height, width]` has one sample per pixel; colours are the
//! last dim, or the first if the last is not as long; `yuv420` has one and a half times the height. The attribute is
//! absent unless the size, or dims called `y` and `x`, and the order of the colours are certain. A mirror does not send it.

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
pub use interpret::{Chunk, Interpreter};
pub use params::read::send_ns;
pub use rebuild::error::RebuildError;
pub use rebuild::params::Marks;
pub use rebuild::{Rebuilder, recipe};
pub use refusal::{Reason, Refusal};
pub use settings::{FrameRule, MessageSettings};
