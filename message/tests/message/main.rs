//! How messages and frames correspond: what real nodes send, every shape and type there and back, and refusals.

mod conversions;
mod emitters;
mod hints;
mod meaning;
mod nulls;
mod pictures;
mod presence;
mod recipes;
mod refusals;
mod round_trip;
mod statics;
mod support;
mod times;
mod units;
