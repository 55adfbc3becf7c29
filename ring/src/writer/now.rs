//! Frames whose times the caller does not give, and a wall clock that is set.

use super::publish::Publisher;
use super::{Begun, Chunk, Times, Warning, Writer, whole_frames};
use crate::shm::{ClockPair, clock_pair, monotonic_ns, unix_ns};
use crate::times::{OffRate, Timekeeper};
use crate::{Clock, Error, GenerationClock, Result};

/// What a writer remembers to give times to frames, from one message to the next.
#[derive(Clone, Debug)]
pub(super) struct Timing {
    keeper: Timekeeper,
    carried: Carried,
    /// Not reported yet.
    off_rate: Option<OffRate>,
}

impl Timing {
    fn new(now: ClockPair) -> Self {
        Self { keeper: Timekeeper::new(now.unix_ns, now.mono_ns), carried: Carried::default(), off_rate: None }
    }

    /// Takes up the current generation.
    fn follow(&mut self, generation: GenerationClock, rate_hz: f64, mono_ns: u64) {
        if self.keeper.follow(generation, rate_hz, mono_ns) {
            self.carried = Carried::default();
        }
    }

    pub fn take_warning(&mut self) -> Option<Warning> {
        self.off_rate.take().map(Warning::OffRate)
    }
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
    /// Writes one chunk as [`write`](Self::write) does, but gives its frames their times.
    ///
    /// On [`Clock::Unix`] and [`Clock::Monotonic`], a [`Stamper`](crate::times::Stamper) gives them: by the rate, if the
    /// format has one, else by when chunks are written. In both cases the last frame is of now. Frames that would come
    /// before the newest one, to which a caller gave a time, follow it by the rate.
    ///
    /// On [`Clock::Source`], which only the caller can read, frames follow the newest one by the rate.
    ///
    /// If the wall clock was set, a generation begins first, as by [`follow_wall_clock`](Self::follow_wall_clock). If it
    /// cannot begin, the chunk is written to the current one.
    ///
    /// If the frames come at another rate than the format says, by more than 3 % for ten seconds, their times follow the
    /// rate at which they come, and [`warnings`](Self::warnings) says so once.
    ///
    /// # Errors
    /// As `write`. [`Error::BadArgument`] on `Clock::Source` if the format has no rate, or if no frame has a time yet:
    /// use `write`, and give times.
    pub fn write_now(&mut self, samples: &[u8], send_ns: i64) -> Result<()> {
        self.write_at(samples, send_ns, ClockPair { unix_ns: unix_ns(), mono_ns: monotonic_ns() }, clock_pair)
    }

    /// Begins a generation like the current one, if that is on [`Clock::Unix`] and the wall clock no longer agrees with
    /// its pair of clocks: it was set, a leap second came, or the machine slept. So times of CLOCK_MONOTONIC become
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

    /// As `follow_wall_clock`, for a look at both clocks `now`; `again` takes a more exact one.
    fn follow(&mut self, now: ClockPair, again: impl FnOnce() -> ClockPair) -> Result<bool> {
        let (Some(begun), Some(generation)) = (&self.begun, self.clock()) else { return Ok(false) };
        let rate_hz = begun.format.rate_hz();
        let timing = self.timing.get_or_insert_with(|| Box::new(Timing::new(now)));
        timing.follow(generation, rate_hz, now.mono_ns);
        let read_again = || {
            let ClockPair { unix_ns, mono_ns } = again();
            (unix_ns, mono_ns)
        };
        if !timing.keeper.needs_generation(now.unix_ns, now.mono_ns, read_again) {
            return Ok(false);
        }
        let Begun { format, description, first_chunk_frames } = begun.clone();
        self.begin(&format, &description, first_chunk_frames)?;
        if let (Some(generation), Some(timing)) = (self.clock(), &mut self.timing) {
            timing.follow(generation, rate_hz, now.mono_ns);
        }
        Ok(true)
    }

    fn write_at(
        &mut self,
        samples: &[u8],
        send_ns: i64,
        now: ClockPair,
        again: impl FnOnce() -> ClockPair,
    ) -> Result<()> {
        self.check_process()?;
        let Some(begun) = &self.begun else { return Err(Error::NoGeneration) };
        let (frames, rate_hz) = (whole_frames(&begun.format, samples)?, begun.format.rate_hz());
        // Segments that were removed are created again before the pair of clocks is used.
        self.maintain()?;
        // If no generation can begin, the times of this one stay right on its own pair.
        let _ = self.follow(now, again);
        let (Some(generation), Some(timing)) = (self.clock(), &mut self.timing) else {
            return Err(Error::NoGeneration);
        };
        let last = self.publisher.as_ref().map_or(f64::NAN, Publisher::last_time);
        let step = if rate_hz > 0.0 { 1.0 / rate_hz } else { 0.0 };
        let times = if generation.clock == Clock::Source {
            if frames > 0 && (step == 0.0 || last.is_nan()) {
                return Err(Error::BadArgument {
                    reason: "no times for frames on the source's own clock, expected one for each frame; or use the \
                             clock unix"
                        .into(),
                });
            }
            timing.carried.times(last, frames, step)
        } else {
            let (times, off_rate) = timing.keeper.stamp(frames, now.mono_ns);
            timing.off_rate = off_rate.or(timing.off_rate);
            let first = times.at(0);
            if first < last || (first == last && step > 0.0) {
                timing.carried.times(last, frames, step)
            } else {
                Times::Run(times)
            }
        };
        self.write(&Chunk { samples, times, send_ns })
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
            let ahead_ns = generation.created_ns - generation.created_mono_ns as i64;
            Self { writer, reader, began_ns: generation.created_mono_ns, ahead_ns }
        }

        /// Writes `frames` frames `after_ns` after the beginning, when the wall clock was set forward by `set_ns`.
        fn write(&mut self, frames: usize, after_ns: u64, set_ns: i64) -> Result<()> {
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
        let mut stamper = crate::times::Stamper::new(Some(1000.0));
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
        // A generation reads the real clocks, which were not set: its pair says how far the times must be off.
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
        let mut warnings = Vec::new();
        for i in 1..=400 {
            fixture.write(10, i * 80_000_000, 0).unwrap();
            warnings.extend(fixture.writer.warnings().iter().map(ToString::to_string));
        }
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].starts_with("frames come at 125.0"), "{warnings:?}");
    }

    #[test]
    fn a_message_that_cannot_be_written_moves_no_time() {
        let name = format!("ring-test/{}/now-refused", std::process::id());
        let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
        let format = Format::new(Dtype::U16, &[], 100.0, 1000).unwrap().on_clock(Clock::Monotonic);
        writer.begin(&format, &Description::default(), 1).unwrap();
        let mut reader = Reader::open(&name, ReaderOptions::default()).unwrap();
        for (samples, mono_ns) in [(&[0; 2][..], S), (&[0; 3], 2 * S), (&[0; 2], S + S / 100)] {
            let now = ClockPair { unix_ns: 0, mono_ns };
            assert_eq!(writer.write_at(samples, 0, now, || now).is_ok(), samples.len() == 2);
        }
        let mut frames = Frames::new();
        while !matches!(reader.read(&mut frames, 10).unwrap(), Outcome::Data(_)) {}
        assert_eq!(frames.times(), [1.0, 1.01]);
    }

    #[test]
    fn nothing_is_written_before_the_first_generation() {
        let name = format!("ring-test/{}/now-none", std::process::id());
        let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
        assert!(matches!(writer.write_now(&[0], 0), Err(Error::NoGeneration)));
        assert!(!writer.follow_wall_clock().unwrap());
    }
}
