//! A simulated source: a device, and the link over which its messages come.

use dora_shm_testkit::rng::Rng;

/// What happens to a message on its way, in seconds.
#[derive(Clone, Copy, Debug)]
pub enum Delay {
    /// The same for all.
    Least(f64),
    /// A least delay, and an exponential one of this mean on top.
    Exponential { least: f64, mean: f64 },
    /// As above, and this part of the messages is late by 1 to `late` more.
    OftenLate { least: f64, mean: f64, part: f64, late: f64 },
    /// A least delay, and a Pareto one on top: of this scale, with a tail of this exponent, at most 5 s.
    Pareto { least: f64, scale: f64, exponent: f64 },
    /// Any in this range alike.
    Uniform { least: f64, most: f64 },
}

impl Delay {
    pub fn least_s(self) -> f64 {
        match self {
            Delay::Least(least)
            | Delay::Exponential { least, .. }
            | Delay::OftenLate { least, .. }
            | Delay::Pareto { least, .. }
            | Delay::Uniform { least, .. } => least,
        }
    }

    fn draw(self, rng: &mut Rng) -> f64 {
        match self {
            Delay::Least(least) => least,
            Delay::Exponential { least, mean } => least + exponential(rng, mean),
            Delay::OftenLate { least, mean, part, late } => {
                let more = if uniform(rng) < part { 0.001 + uniform(rng) * (late - 0.001) } else { 0.0 };
                least + exponential(rng, mean) + more
            }
            Delay::Pareto { least, scale, exponent } => {
                least + (scale * ((1.0 - uniform(rng)).powf(-1.0 / exponent) - 1.0)).min(5.0)
            }
            Delay::Uniform { least, most } => least + uniform(rng) * (most - least),
        }
    }
}

/// A number from 0 to below 1.
pub fn uniform(rng: &mut Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

fn exponential(rng: &mut Rng, mean: f64) -> f64 {
    -mean * (1.0 - uniform(rng)).ln()
}

/// What happens at `at` seconds after the start, for `lasts` seconds.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    pub at: f64,
    pub lasts: f64,
    pub kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Nothing gets through. Afterwards what queued up comes this many times as fast as it was sent; infinity: at once.
    Stall { drain: f64 },
    /// The device takes no frames.
    Pause,
    /// Messages vanish.
    Loss,
}

/// A source, and everything that happens to it.
#[derive(Clone, Debug)]
pub struct Source {
    pub rate_hz: f64,
    /// How much faster than stated the device is, as a fraction.
    pub off: f64,
    /// Smallest and largest number of frames in a message.
    pub chunk: (u64, u64),
    pub delay: Delay,
    /// Messages that wait at the start and come at once.
    pub burst: u64,
    pub lasts: f64,
    pub events: Vec<Event>,
    /// CLOCK_MONOTONIC at the start.
    pub start_ns: u64,
}

impl Source {
    pub fn new(rate_hz: f64, chunk: u64) -> Self {
        Self {
            rate_hz,
            off: 0.0,
            chunk: (chunk, chunk),
            delay: Delay::Exponential { least: 0.0003, mean: 0.0003 },
            burst: 0,
            lasts: 180.0,
            events: Vec::new(),
            start_ns: 1_000_000_000_000,
        }
    }

    pub fn messages(&self, seed: u64) -> Messages<'_> {
        let mut rng = Rng::new(seed);
        let mean_chunk = (self.chunk.0 + self.chunk.1) as f64 / 2.0;
        let period = 1.0 / (self.rate_hz * (1.0 + self.off));
        // Devices start at any phase, which decides how instants round.
        let taken = uniform(&mut rng) * 1e-3 - self.burst as f64 * mean_chunk * period;
        Messages { source: self, rng, period, taken, paused: 0, queue_end: 0.0 }
    }
}

/// A message, and the truth about it.
#[derive(Clone, Copy, Debug)]
pub struct Message {
    pub frames: u64,
    pub came_ns: u64,
    /// When its last frame was taken, in seconds after the start.
    pub last_taken: f64,
    /// The true time from frame to frame.
    pub period: f64,
}

pub struct Messages<'a> {
    source: &'a Source,
    rng: Rng,
    period: f64,
    /// When the last frame so far was taken.
    taken: f64,
    /// Pauses that are over.
    paused: usize,
    /// When the last message came: links keep the order.
    queue_end: f64,
}

impl Iterator for Messages<'_> {
    type Item = Message;

    fn next(&mut self) -> Option<Message> {
        loop {
            let (fewest, most) = self.source.chunk;
            let frames = fewest + self.rng.below(most - fewest + 1);
            let lasts = frames as f64 * self.period;
            let mut pauses = self.source.events.iter().filter(|event| event.kind == Kind::Pause);
            if let Some(pause) = pauses.nth(self.paused).filter(|pause| self.taken + lasts > pause.at) {
                self.paused += 1;
                self.taken += pause.lasts;
            }
            self.taken += lasts;
            if self.taken > self.source.lasts {
                return None;
            }
            let sent = self.taken;
            let mut came = sent + self.source.delay.draw(&mut self.rng);
            let mut lost = false;
            for event in self.source.events.iter().filter(|event| event.at <= sent) {
                let end = event.at + event.lasts;
                match event.kind {
                    Kind::Stall { drain } => came = came.max(stalled(event.at, end, sent, drain)),
                    Kind::Loss => lost |= sent < end,
                    Kind::Pause => {}
                }
            }
            if lost {
                continue;
            }
            came = came.max(0.0).max(self.queue_end);
            self.queue_end = came;
            let came_ns = self.source.start_ns + (came * 1e9) as u64;
            return Some(Message { frames, came_ns, last_taken: sent, period: self.period });
        }
    }
}

/// When a message of a stalled link comes at the earliest.
fn stalled(begin: f64, end: f64, sent: f64, drain: f64) -> f64 {
    if drain.is_finite() {
        end + (sent - begin) / drain
    } else if sent < end {
        end
    } else {
        sent
    }
}
