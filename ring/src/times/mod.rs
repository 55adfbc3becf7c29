//! Computes times: the sample clock, the measured rate of a source that states none, and steps of the wall clock.
//!
//! Everything here is pure: no function reads a clock, blocks or allocates after its first window. Instants are
//! integers of nanoseconds on CLOCK_MONOTONIC, and only their differences matter to the algorithms, so that a day is
//! simulated in a moment (`ring/tests/sample_clock`).
//!
//! | to | use |
//! |---|---|
//! | give times to frames that come without any | [`Stamper`]: by the [`SampleClock`] if a rate is stated |
//! | do so on the clock of a stream, over its generations | [`Timekeeper`] |
//! | find the rate and the ring's length of a source that states no rate | [`RateMeter`], [`RingLength`] |
//! | notice that a stated rate contradicts what comes | [`StatedRate`] |
//! | know when a message came, and when the wall clock was set | [`WallClock`] |

mod arrivals;
mod far_off;
mod line;
mod rate;
mod ring_length;
mod run;
mod sample_clock;
mod seconds;
mod slope;
mod stamper;
mod stretch;
mod timekeeper;
mod wall;
mod window;

pub use far_off::OffRate;
pub use rate::{Amount, Measured, RateMeter, StatedRate};
pub use ring_length::{Counts, HOLD, RingLength, Sizing};
pub use run::{Run, RunTimes};
pub use sample_clock::SampleClock;
pub use stamper::Stamper;
pub use timekeeper::Timekeeper;
pub use wall::WallClock;

const NS_PER_S: u64 = 1_000_000_000;

/// The duration from `earlier` to `later`, in seconds; 0 if they are in the other order.
fn elapsed_s(earlier_ns: u64, later_ns: u64) -> f64 {
    later_ns.saturating_sub(earlier_ns) as f64 * 1e-9
}
