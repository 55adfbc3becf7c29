//! Frames to which nobody gives times, and a wall clock that is set.

use super::{Begun, Chunk, Times, Writer};
use crate::shm::{ClockPair, clock_pair, monotonic_ns, unix_ns};
use crate::times::{OffRate, Stamper, WallClock};
use crate::{Clock, Error, GenerationClock, Result};

/// What a writer remembers to give times to frames, from one message to the next.
#[derive(Clone, Debug)]
pub(super) struct Timing {
    /// Watches the wall clock, beside the pair of the generation `pair_of`.
    wall: WallClock,
    pair_of: GenerationClock,
    stamper: Stamper,
    carried: Carried,
}

impl Timing {
    fn new(generation: GenerationClock, rate_hz: f64) -> Self {
        Self {
            wall: WallClock::new(ahead_ns(&generation)),
            pair_of: generation,
            stamper: Stamper::new(Some(rate_hz)),
            carried: Carried::default(),
        }
    }

    /// Takes up a generation that has begun since the last message.
    fn follow(&mut self, generation: GenerationClock, rate_hz: f64, mono_ns: u64) {
        if generation == self.pair_of {
            return;
        }
        self.wall.begun(ahead_ns(&generation), mono_ns);
        let is_as_before = generation.clock == self.pair_of.clock && self.stamper.rate_hz().unwrap_or(0.0) == rate_hz;
        if !is_as_before {
            self.stamper = Stamper::new(Some(rate_hz));
        }
        (self.pair_of, self.carried) = (generation, Carried::default());
    }
}

/// Unix time minus CLOCK_MONOTONIC.
fn ahead_ns(generation: &GenerationClock) -> i64 {
    generation.created_ns.saturating_sub_unsigned(generation.created_mono_ns)
}

/// Frames whose times follow from the last time that was given, by the rate: counted from there, so that no rounding
/// adds up.
#[derive(Clone, Copy, Debug, Default)]
struct Carried {
    given: f64,
    frames: u64,
    /// Time of the newest of them.
    newest: f64,
}

impl Carried {
    /// The times of the next `frames` frames, after a frame at `last`.
    fn times(&mut self, last: f64, frames: u64, step: f64) -> Times<'static> {
        if self.frames == 0 || self.newest != last {
            *self = Self { given: last, frames: 0, newest: last };
        }
        let start = self.given + (self.frames + 1) as f64 * step;
        self.frames = self.frames.saturating_add(frames);
        if let Some(further) = frames.checked_sub(1) {
            // As the ring computes it.
            self.newest = start + further as f64 * step;
        }
        Times::Linear { start, step }
    }
}

impl Writer {
    /// Writes one chunk to whose frames nobody gives times: they get them now. Otherwise as [`write`](Self::write).
    ///
    /// On [`Clock::Unix`] and [`Clock::Monotonic`], the [`Stamper`] gives them, as of now: by the rate, if the format
    /// has one, else by when chunks are written. In both cases the last frame is taken to be of now. Frames that would
    /// come before the newest one, to which a caller gave a time, follow it by the rate.
    ///
    /// On [`Clock::Source`], which only the caller can read, frames follow the newest one by the rate.
    ///
    /// If the wall clock was set, a generation begins first, as by [`follow_wall_clock`](Self::follow_wall_clock). If it
    /// cannot begin, the chunk is written to the current one.
    ///
    /// Returns a warning once, if the frames come at another rate than the format says, by more than 3 % for ten
    /// seconds. Their times then follow the rate at which they come.
    ///
    /// # Errors
    /// As `write`. [`Error::BadArgument`] on `Clock::Source` if the format has no rate, or if no frame has a time yet:
    /// use `write`, and give times.
    pub fn write_now(&mut self, samples: &[u8], send_ns: i64) -> Result<Option<OffRate>> {
        self.write_at(samples, send_ns, ClockPair { unix_ns: unix_ns(), mono_ns: monotonic_ns() }, clock_pair)
    }

    /// Begins a generation like the current one, if that is on [`Clock::Unix`] and the wall clock no longer agrees with
    /// its pair of clocks: somebody set it, a leap second came, or the machine slept. So times of CLOCK_MONOTONIC become
    /// right Unix times again. Happens at most once a minute. Returns whether a generation has begun.
    ///
    /// Call it before each chunk whose times the caller gives on Unix time. It costs two clock readings, and blocks as
    /// [`begin`](Self::begin) does if it begins a generation.
    ///
    /// # Errors
    /// Those of `begin`.
    pub fn follow_wall_clock(&mut self) -> Result<bool> {
        self.check_process()?;
        self.follow(ClockPair { unix_ns: unix_ns(), mono_ns: monotonic_ns() }, clock_pair)
    }

    /// `now` is compared with the pair of the generation. `again` reads both clocks anew, and more exactly: a process
    /// that stood still between two readings must not take that for a step.
    fn follow(&mut self, now: ClockPair, again: impl Fn() -> ClockPair) -> Result<bool> {
        let Some(Begun { format, .. }) = &self.begun else { return Ok(false) };
        let Some(generation) = self.clock() else { return Ok(false) };
        let rate_hz = format.rate_hz();
        let timing = self.timing.get_or_insert_with(|| Box::new(Timing::new(generation, rate_hz)));
        timing.follow(generation, rate_hz, now.mono_ns);
        let is_set = timing.wall.compare(now.unix_ns, now.mono_ns) && generation.clock == Clock::Unix;
        if !is_set {
            return Ok(false);
        }
        let now = again();
        if !timing.wall.compare(now.unix_ns, now.mono_ns) {
            return Ok(false);
        }
        timing.wall.begins(now.mono_ns);
        let Some(Begun { format, description, first_chunk_frames }) = self.begun.clone() else { return Ok(false) };
        self.begin(&format, &description, first_chunk_frames)?;
        if let (Some(begun), Some(timing)) = (self.clock(), &mut self.timing) {
            timing.follow(begun, rate_hz, now.mono_ns);
        }
        Ok(true)
    }

    fn write_at(
        &mut self,
        samples: &[u8],
        send_ns: i64,
        now: ClockPair,
        again: impl Fn() -> ClockPair,
    ) -> Result<Option<OffRate>> {
        self.check_process()?;
        let Some(begun) = &self.begun else { return Err(Error::NoGeneration) };
        let (frame_bytes, rate_hz) = (begun.format.frame_bytes(), begun.format.rate_hz());
        let frames = samples.len() as u64 / frame_bytes;
        // Segments that were removed are created again before the pair of clocks is used.
        self.maintain()?;
        // The times of this generation stay right on its own pair.
        let _ = self.follow(now, again);
        let (Some(generation), Some(last)) = (self.clock(), self.publisher.as_ref().map(|own| own.last_time())) else {
            return Err(Error::NoGeneration);
        };
        let Some(timing) = &mut self.timing else { return Err(Error::NoGeneration) };
        let mut warning = None;
        let times = if generation.clock == Clock::Source {
            if frames > 0 && (rate_hz <= 0.0 || last.is_nan()) {
                return Err(Error::BadArgument {
                    reason: "no times for frames on the source's own clock, expected one for each frame; or use the \
                             clock unix"
                        .into(),
                });
            }
            timing.carried.times(last, frames, 1.0 / rate_hz)
        } else {
            let run = timing.stamper.stamp(frames, now.mono_ns);
            warning = run.warning();
            let times = run.on(&generation);
            if frames > 0 && times.at(0) < last || (rate_hz > 0.0 && times.at(0) == last) {
                timing.carried.times(last, frames, if rate_hz > 0.0 { 1.0 / rate_hz } else { 0.0 })
            } else {
                Times::Run(times)
            }
        };
        self.write(&Chunk { samples, times, send_ns })?;
        Ok(warning)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Description, Dtype, Format, Frames, Outcome, Reader, ReaderOptions, WriterOptions};

    const S: u64 = 1_000_000_000;

    struct Fixture {
        writer: Writer,
        reader: Reader,
        /// CLOCK_MONOTONIC when the first generation began, and Unix time minus that.
        began_ns: u64,
        ahead_ns: i64,
    }

    impl Fixture {
        fn new(case: &str, rate_hz: f64, clock: Clock) -> Self {
            let name = format!("ring-test/{}/now-{case}", std::process::id());
            let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
            let format = Format::new(Dtype::U8, &[], rate_hz, 10_000).unwrap().on_clock(clock);
            writer.begin(&format, &Description::default(), 1).unwrap();
            let reader = Reader::open(&name, ReaderOptions::default()).unwrap();
            let generation = writer.clock().unwrap();
            Self { writer, reader, began_ns: generation.created_mono_ns, ahead_ns: ahead_ns(&generation) }
        }

        /// Writes `frames` frames `after_ns` after the beginning, when the wall clock was set forward by `set_ns`.
        fn write(&mut self, frames: usize, after_ns: u64, set_ns: i64) -> Result<Option<OffRate>> {
            let mono_ns = self.began_ns + after_ns;
            let now = ClockPair { unix_ns: mono_ns as i64 + self.ahead_ns + set_ns, mono_ns };
            self.writer.write_at(&vec![0; frames], 0, now, || now)
        }

        fn seconds(&self, after_ns: u64) -> f64 {
            self.writer.clock().unwrap().time_at(self.began_ns + after_ns).unwrap()
        }

        /// All times that can be read now.
        fn times(&mut self) -> Vec<f64> {
            let (mut frames, mut times) = (Frames::new(), Vec::new());
            loop {
                match self.reader.read(&mut frames, 100_000).unwrap() {
                    Outcome::Data(_) => times.extend_from_slice(frames.times()),
                    Outcome::Generation => {}
                    Outcome::Nothing | Outcome::Closed => return times,
                }
            }
        }
    }

    #[test]
    fn times_that_a_writer_gives_are_those_of_the_sample_clock_on_the_pair_of_the_generation() {
        let mut fixture = Fixture::new("rate", 1000.0, Clock::Unix);
        let mut stamper = Stamper::new(Some(1000.0));
        let mut expected = Vec::new();
        for i in 1..=1000 {
            let after_ns = i * 10_000_000 + i * 7919 % 3_000_000;
            fixture.write(10, after_ns, 0).unwrap();
            let run = stamper.stamp(10, fixture.began_ns + after_ns).on(&fixture.writer.clock().unwrap());
            expected.extend((0..10).map(|frame| run.at(frame)));
        }
        assert_eq!(fixture.times(), expected);
        assert!(expected.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn frames_that_are_written_one_by_one_at_their_rate_do_not_drift_by_rounding() {
        let mut fixture = Fixture::new("one-by-one", 1000.0, Clock::Unix);
        for after_ms in 1..=9000 {
            fixture.write(1, after_ms * 1_000_000, 0).unwrap();
        }
        let (times, ulp) = (fixture.times(), 1.0 / f64::from(1 << 22));
        assert_eq!(times.len(), 9000);
        for (after_ms, time) in (1..).zip(times) {
            assert!((time - fixture.seconds(after_ms * 1_000_000)).abs() <= ulp, "{after_ms} ms: {time}");
        }
    }

    #[test]
    fn the_last_frame_of_a_chunk_is_of_now_with_a_rate_and_without() {
        for (case, rate_hz) in [("last-with", 100.0), ("last-without", 0.0)] {
            for clock in [Clock::Unix, Clock::Monotonic] {
                let mut fixture = Fixture::new(&format!("{case}-{clock}"), rate_hz, clock);
                fixture.write(5, S, 0).unwrap();
                let end = fixture.seconds(S);
                assert!((fixture.times()[4] - end).abs() < 1e-6, "{clock} {rate_hz} Hz");
            }
        }
    }

    #[test]
    fn a_wall_clock_that_is_set_begins_one_generation_whose_times_are_right() {
        let mut fixture = Fixture::new("set", 100.0, Clock::Unix);
        let before = fixture.writer.generation().unwrap();
        for (after_s, set_s) in [(1, 0), (2, 0), (3, -3600), (4, -3600)] {
            fixture.write(100, after_s * S, set_s * S as i64).unwrap();
        }
        // A generation reads the real clocks, which nobody set: its pair says how far the times must be off.
        assert_eq!(fixture.writer.generation().unwrap(), before + 1);
        assert_eq!(fixture.writer.position(), 200);
        let times = fixture.times();
        assert_eq!(times.len(), 400);
        let end = fixture.seconds(4 * S);
        assert!((times[399] - end).abs() < 1e-6, "{} {end}", times[399]);
        assert!((times[199] + 2.0 - end).abs() < 0.001, "the sample clock continues over the change");
    }

    #[test]
    fn a_process_that_stood_still_between_two_readings_begins_no_generation() {
        let mut fixture = Fixture::new("still", 100.0, Clock::Unix);
        let before = fixture.writer.generation();
        let mono_ns = fixture.began_ns + S;
        let apart = ClockPair { unix_ns: mono_ns as i64 + fixture.ahead_ns + S as i64, mono_ns };
        let close = ClockPair { unix_ns: mono_ns as i64 + fixture.ahead_ns, mono_ns };
        fixture.writer.write_at(&[0; 100], 0, apart, || close).unwrap();
        assert_eq!(fixture.writer.generation(), before);
    }

    #[test]
    fn a_stream_that_is_not_on_unix_time_does_not_care_for_the_wall_clock() {
        let mut fixture = Fixture::new("not-unix", 100.0, Clock::Monotonic);
        let before = fixture.writer.generation();
        for (after_s, set_s) in [(1, 0), (2, 3600)] {
            fixture.write(100, after_s * S, set_s * S as i64).unwrap();
        }
        assert_eq!(fixture.writer.generation(), before);
    }

    #[test]
    fn on_the_clock_of_the_source_frames_follow_the_newest_one_by_the_rate_and_no_rounding_adds_up() {
        let mut fixture = Fixture::new("source", 30_000.0, Clock::Source);
        fixture.writer.write(&Chunk { samples: &[0], times: Times::Values(&[5.0]), send_ns: 0 }).unwrap();
        for after_s in 1..=9000 {
            fixture.write(1, after_s * S, 0).unwrap();
        }
        let expected: Vec<f64> = (0..=9000).map(|frame| 5.0 + f64::from(frame) * (1.0 / 30_000.0)).collect();
        assert_eq!(fixture.times(), expected);
    }

    #[test]
    fn frames_on_the_clock_of_the_source_that_follow_nothing_need_times() {
        for (case, rate_hz) in [("first", 100.0), ("no-rate", 0.0)] {
            let mut fixture = Fixture::new(case, rate_hz, Clock::Source);
            if rate_hz == 0.0 {
                fixture.writer.write(&Chunk { samples: &[0], times: Times::Values(&[5.0]), send_ns: 0 }).unwrap();
            }
            let error = fixture.write(1, S, 0).unwrap_err().to_string();
            assert!(error.contains("expected one for each frame"), "{error}");
            assert_eq!(fixture.writer.position(), u64::from(rate_hz == 0.0), "nothing was written");
            fixture.write(0, S, 0).unwrap();
        }
    }

    #[test]
    fn frames_are_never_before_the_frame_to_which_the_caller_gave_a_time() {
        for (case, rate_hz) in [("given-rate", 100.0), ("given-no-rate", 0.0)] {
            let mut fixture = Fixture::new(case, rate_hz, Clock::Unix);
            let future = fixture.seconds(5 * S);
            fixture.writer.write(&Chunk { samples: &[0], times: Times::Values(&[future]), send_ns: 0 }).unwrap();
            for after_ns in [S, 2 * S, 10 * S] {
                fixture.write(2, after_ns, 0).unwrap();
            }
            let times = fixture.times();
            assert!(times.windows(2).all(|pair| pair[0] <= pair[1]), "{times:?}");
            assert!((times[6] - fixture.seconds(10 * S)).abs() < if rate_hz > 0.0 { 9.0 } else { 1e-6 }, "{times:?}");
        }
    }

    #[test]
    fn a_device_that_is_far_off_its_rate_is_told_once() {
        let mut fixture = Fixture::new("off", 100.0, Clock::Unix);
        let warnings: Vec<OffRate> = (1..=400).filter_map(|i| fixture.write(10, i * 80_000_000, 0).unwrap()).collect();
        assert_eq!(warnings.len(), 1);
    }

    #[test]
    fn nothing_is_written_before_the_first_generation() {
        let name = format!("ring-test/{}/now-none", std::process::id());
        let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
        assert!(matches!(writer.write_now(&[0], 0), Err(Error::NoGeneration)));
        assert!(!writer.follow_wall_clock().unwrap());
    }
}
