//! Writers whose caller need not name the clock of the times.

use super::{Begun, Chunk, Times, Writer, check_times, whole_frames};
use crate::shm::free_bytes;
use crate::{Clock, Description, Error, Format, Result};

/// A [`Writer`] whose caller need not name the clock of a generation: how its first frames are written decides. They are
/// on [`Clock::Source`] if the caller gives their times, else on [`Clock::Unix`]. A generation never mixes clocks:
///
/// - Frames without times in a generation on `Clock::Source` follow the newest frame, as in [`Writer::write_now`].
/// - Frames with times in a generation on `Clock::Unix` begin a generation on `Clock::Source`. So the clock changes at
///   most once until the caller begins a generation.
///
/// If the caller names a clock, all frames are on it.
pub struct LazyWriter {
    writer: Writer,
    /// The generation that begins with the next message.
    next: Option<Prepared>,
    /// Whether the caller named the clock of the current generation.
    is_named: bool,
}

struct Prepared {
    begun: Begun,
    ring_frames: u64,
}

impl LazyWriter {
    /// Takes a writer that has no generation yet.
    pub fn new(writer: Writer) -> Self {
        Self { writer, next: None, is_named: true }
    }

    /// The writer.
    pub fn writer(&self) -> &Writer {
        &self.writer
    }

    /// The writer, for calls that neither begin a generation, nor describe or write one.
    pub fn writer_mut(&mut self) -> &mut Writer {
        &mut self.writer
    }

    /// Begins a generation at once, as [`Writer::begin`] does. With `is_named`, all its frames are on the clock of
    /// `format`; otherwise its first frames decide, and another generation begins if they are not on that clock.
    ///
    /// # Errors
    /// Those of `Writer::begin`.
    pub fn begin(
        &mut self,
        format: &Format,
        description: &Description,
        first_chunk_frames: u64,
        is_named: bool,
    ) -> Result<()> {
        self.writer.begin(format, description, first_chunk_frames)?;
        (self.next, self.is_named) = (None, is_named);
        Ok(())
    }

    /// Begins a generation with the next message, which decides its clock; that of `format` is ignored. Until then
    /// readers see the stream as it is: before the first generation, it has a live writer and no ring.
    ///
    /// # Errors
    /// Those of [`Writer::begin`], as far as they can be known now; what was prepared before remains. A ring for which
    /// there is no room when the message is written is an error of that message, and the next one tries again.
    pub fn prepare(&mut self, format: &Format, description: &Description, first_chunk_frames: u64) -> Result<()> {
        let geometry = self.writer.plan(format, description, first_chunk_frames)?;
        let (needed, free) = (geometry.length, free_bytes());
        let fits = needed <= free
            || self.writer.publisher.as_ref().is_some_and(|publisher| publisher.would_fit_alone(needed, free));
        if !fits {
            return Err(Error::NoSpace { needed, free });
        }
        let begun = Begun { format: format.clone(), description: description.clone(), first_chunk_frames };
        self.next = Some(Prepared { begun, ring_frames: geometry.frames });
        Ok(())
    }

    /// Drops what was [prepared](Self::prepare) and has not begun.
    pub fn forget_prepared(&mut self) {
        self.next = None;
    }

    /// Describes the frames that are written from now on, as [`Writer::describe`] does. A generation that was
    /// [prepared](Self::prepare) begins with this description.
    ///
    /// # Errors
    /// Those of `Writer::describe`.
    pub fn describe(&mut self, description: &Description) -> Result<()> {
        let Some(Prepared { begun, .. }) = &mut self.next else { return self.writer.describe(description) };
        self.writer.check_process()?;
        description.check(begun.format.frame_shape().len()).map_err(|reason| Error::BadArgument { reason })?;
        begun.description = description.clone();
        Ok(())
    }

    /// Writes one chunk whose times the caller gives, as [`Writer::write`] does. On [`Clock::Unix`], it follows the wall
    /// clock first ([`Writer::follow_wall_clock`]).
    ///
    /// # Errors
    /// Those of `Writer::write`, and those of [`Writer::begin`] if a generation has to begin.
    pub fn write(&mut self, chunk: &Chunk<'_>) -> Result<()> {
        self.settle(chunk.samples, Some(chunk.times))?;
        if self.is_on_unix() {
            // If no generation can begin, the times of this one stay right on its own pair of clocks.
            let _ = self.writer.follow_wall_clock();
        }
        self.writer.write(chunk)
    }

    /// Writes one chunk to whose frames the caller gives no times, as [`Writer::write_now`] does.
    ///
    /// # Errors
    /// Those of `Writer::write_now`, and those of [`Writer::begin`] if a generation has to begin.
    pub fn write_now(&mut self, samples: &[u8], send_ns: i64) -> Result<()> {
        self.settle(samples, None)?;
        self.writer.write_now(samples, send_ns)
    }

    /// Number of the generation that the next frame is written to, as far as it can be known; `None` if none was begun
    /// or prepared.
    pub fn generation(&self) -> Option<u32> {
        match (&self.next, &self.writer.publisher) {
            (Some(_), Some(publisher)) => Some(publisher.next_generation()),
            _ => self.writer.generation(),
        }
    }

    /// Frames written in that generation.
    pub fn position(&self) -> u64 {
        if self.next.is_some() { 0 } else { self.writer.position() }
    }

    /// Frames that its ring holds.
    pub fn ring_frames(&self) -> u64 {
        self.next.as_ref().map_or_else(|| self.writer.ring_frames(), |next| next.ring_frames)
    }

    fn is_on_unix(&self) -> bool {
        self.writer.clock().is_some_and(|generation| generation.clock == Clock::Unix)
    }

    /// Begins a generation if this message needs one. A message that cannot be written begins none.
    fn settle(&mut self, samples: &[u8], times: Option<Times<'_>>) -> Result<()> {
        let begun = match (&self.next, &self.writer.begun) {
            (Some(next), _) => &next.begun,
            (None, Some(begun)) => begun,
            (None, None) => return Ok(()),
        };
        let frames = whole_frames(&begun.format, samples)?;
        times.map_or(Ok(()), |times| check_times(times, frames))?;
        let clock = if times.is_some() { Clock::Source } else { Clock::Unix };
        // An empty message has no times, and frames without times can follow those of the source.
        let fits = self.is_named
            || frames == 0
            || begun.format.clock() == clock
            || (clock == Clock::Unix && self.writer.position() > 0);
        if self.next.is_none() && fits {
            return Ok(());
        }
        let Begun { format, description, first_chunk_frames } = begun.clone();
        self.begin(&format.on_clock(clock), &description, first_chunk_frames, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dtype, Frames, Liveness, Outcome, Reader, ReaderOptions, WriterOptions};

    fn lazy(case: &str) -> (LazyWriter, String) {
        let name = format!("ring-test/{}/lazy-{case}", std::process::id());
        (LazyWriter::new(Writer::create(&name, WriterOptions::default()).unwrap()), name)
    }

    fn format(rate_hz: f64) -> Format {
        Format::new(Dtype::U8, &[], rate_hz, 1000).unwrap()
    }

    fn at(samples: &[u8], start: f64) -> Chunk<'_> {
        Chunk { samples, times: Times::Linear { start, step: 0.01 }, send_ns: 0 }
    }

    /// For each generation that can be read: its number, clock and frames.
    fn generations(reader: &mut Reader) -> Vec<(u32, Clock, u64)> {
        let (mut frames, mut found) = (Frames::new(), Vec::new());
        loop {
            match reader.read(&mut frames, 10_000).unwrap() {
                Outcome::Data(_) => {
                    let format = reader.format().unwrap();
                    found.push((frames.generation(), format.clock(), frames.frames()));
                }
                Outcome::Generation => {}
                Outcome::Nothing | Outcome::Closed => return found,
            }
        }
    }

    #[test]
    fn a_prepared_generation_begins_with_its_first_frames_on_the_clock_that_they_decide() {
        for (case, clock) in [("given", Clock::Source), ("made", Clock::Unix)] {
            let (mut lazy, name) = lazy(case);
            lazy.prepare(&format(100.0), &Description::default(), 1).unwrap();
            let mut reader = Reader::open(&name, ReaderOptions::default()).unwrap();
            assert_eq!(reader.info().unwrap().liveness, Liveness::Waiting);
            assert_eq!((lazy.generation(), lazy.writer().generation(), lazy.position()), (Some(0), None, 0));
            assert!(lazy.ring_frames() >= 1000);
            for _ in 0..3 {
                if clock == Clock::Unix {
                    lazy.write_now(&[1, 2], 0).unwrap();
                } else {
                    lazy.write(&at(&[1, 2], 5.0)).unwrap();
                }
            }
            assert_eq!((lazy.generation(), lazy.position()), (Some(0), 6));
            assert_eq!(generations(&mut reader), [(0, clock, 6)]);
        }
    }

    #[test]
    fn frames_without_times_follow_those_of_the_source_and_begin_no_generation() {
        let (mut lazy, name) = lazy("follow");
        lazy.prepare(&format(100.0), &Description::default(), 1).unwrap();
        let mut reader = Reader::open(&name, ReaderOptions::default()).unwrap();
        lazy.write(&at(&[1, 2], 5.0)).unwrap();
        lazy.write_now(&[3], 0).unwrap();
        let mut frames = Frames::new();
        while !matches!(reader.read(&mut frames, 10).unwrap(), Outcome::Data(_)) {}
        assert_eq!(frames.times(), [5.0, 5.01, 5.01 + 0.01]);
        assert_eq!(lazy.generation(), Some(0));
    }

    #[test]
    fn times_that_are_given_after_times_that_were_made_begin_one_generation() {
        let (mut lazy, name) = lazy("switch");
        lazy.prepare(&format(100.0), &Description::default(), 1).unwrap();
        let mut reader = Reader::open(&name, ReaderOptions::default()).unwrap();
        lazy.write_now(&[1], 0).unwrap();
        for start in [5.0, 6.0] {
            lazy.write(&at(&[], start)).unwrap();
            lazy.write(&at(&[2], start)).unwrap();
            lazy.write_now(&[3], 0).unwrap();
        }
        assert_eq!(generations(&mut reader), [(0, Clock::Unix, 1), (1, Clock::Source, 4)]);
    }

    #[test]
    fn a_named_clock_is_kept_however_frames_are_written() {
        let (mut lazy, name) = lazy("named");
        let mut reader = Reader::open(&name, ReaderOptions::default()).unwrap();
        lazy.begin(&format(100.0).on_clock(Clock::Unix), &Description::default(), 1, true).unwrap();
        let future = lazy.writer().clock().unwrap().time_at(crate::shm::monotonic_ns()).unwrap() + 5.0;
        lazy.write(&at(&[1], future)).unwrap();
        lazy.write_now(&[2], 0).unwrap();
        let mut frames = Frames::new();
        while !matches!(reader.read(&mut frames, 10).unwrap(), Outcome::Data(_)) {}
        assert!(frames.times()[1] > future, "never before the frame before it");
        assert_eq!((lazy.generation(), reader.format().unwrap().clock()), (Some(0), Clock::Unix));
    }

    #[test]
    fn a_generation_that_has_begun_on_a_clock_that_its_first_frames_do_not_have_begins_again() {
        let (mut lazy, name) = lazy("again");
        let mut reader = Reader::open(&name, ReaderOptions::default()).unwrap();
        lazy.begin(&format(0.0), &Description::default(), 1, false).unwrap();
        lazy.write_now(&[1], 0).unwrap();
        lazy.write_now(&[2], 0).unwrap();
        assert_eq!(generations(&mut reader), [(1, Clock::Unix, 2)]);
    }

    #[test]
    fn a_generation_that_cannot_begin_is_refused_when_it_is_prepared() {
        let (mut lazy, name) = lazy("refused");
        let mut reader = Reader::open(&name, ReaderOptions::default()).unwrap();
        let none = Description::default();
        let long = |frames| Format::new(Dtype::U8, &[1 << 20], 0.0, frames).unwrap();
        assert!(matches!(lazy.prepare(&long(2000), &none, 1), Err(Error::TooLarge { .. })));
        let wrong = Description { dims: vec!["time".into(), "ch".into()], ..none.clone() };
        assert!(matches!(lazy.prepare(&format(0.0), &wrong, 1), Err(Error::BadArgument { .. })));
        assert_eq!(lazy.generation(), None);
        lazy.prepare(&format(0.0), &none, 1).unwrap();
        assert!(matches!(lazy.describe(&wrong), Err(Error::BadArgument { .. })));
        let right = Description { dims: vec!["t".into()], ..none };
        lazy.describe(&right).unwrap();
        // A message that cannot be written begins nothing.
        let two_times = Chunk { samples: &[1], times: Times::Values(&[1.0, 2.0]), send_ns: 0 };
        assert!(matches!(lazy.write(&two_times), Err(Error::BadArgument { .. })));
        assert_eq!(lazy.writer().generation(), None);
        lazy.write_now(&[1], 0).unwrap();
        assert_eq!(generations(&mut reader), [(0, Clock::Unix, 1)]);
        assert_eq!(lazy.writer().description(), Some(&right));
    }

    #[test]
    fn a_prepared_generation_replaces_the_current_one_with_its_first_message() {
        let (mut lazy, name) = lazy("next");
        let mut reader = Reader::open(&name, ReaderOptions::default()).unwrap();
        for expected in 0..3 {
            // Prepared several times, begun once.
            for _ in 0..3 {
                lazy.prepare(&format(100.0), &Description::default(), 1).unwrap();
                assert_eq!((lazy.generation(), lazy.position()), (Some(expected), 0));
            }
            lazy.write_now(&[], 0).unwrap();
            lazy.write_now(&[1], 0).unwrap();
            assert_eq!((lazy.writer().generation(), lazy.position()), (Some(expected), 1));
        }
        lazy.prepare(&format(100.0), &Description::default(), 1).unwrap();
        lazy.forget_prepared();
        assert_eq!((lazy.generation(), lazy.position()), (Some(2), 1));
        let expected = [0, 1, 2].map(|generation| (generation, Clock::Unix, 1));
        assert_eq!(generations(&mut reader), expected);
    }
}
