//! Cuts the frames of a stream into runs of a number of frames, or of a time span.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use dora_shm_ring::MessageInfo;

/// Where a run ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// After this many frames, at least 1.
    Frames(u64),
    /// Before the first frame whose time is at least this much later than that of the run's first frame. If no frame
    /// follows, after this much time by the clock.
    Span(Duration),
}

impl Rule {
    /// If the rate is known, a time span becomes a number of frames.
    pub fn of_span(span: Duration, rate_hz: f64) -> Self {
        if rate_hz > 0.0 {
            // The cast saturates.
            Rule::Frames(((span.as_secs_f64() * rate_hz).round() as u64).max(1))
        } else {
            Rule::Span(span)
        }
    }
}

/// Consecutive frames without a loss, to be sent as one message.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Samples in C order.
    pub samples: Vec<u8>,
    /// One value per frame on the buffered axis.
    pub times: Vec<f64>,
    /// The message that brought the first frame. `first` is the position of that frame, and `lost` the number of frames
    /// lost just before it.
    pub info: MessageInfo,
}

/// Collects frames until a run is complete.
#[derive(Debug)]
pub struct Chunker {
    rule: Rule,
    frame_bytes: usize,
    pending: Option<Run>,
    pending_since: Instant,
    complete: VecDeque<Run>,
}

impl Chunker {
    /// Cuts frames of `frame_bytes` by `rule`.
    pub fn new(rule: Rule, frame_bytes: u64, now: Instant) -> Self {
        let frame_bytes = usize::try_from(frame_bytes).unwrap_or(usize::MAX).max(1);
        Self { rule, frame_bytes, pending: None, pending_since: now, complete: VecDeque::new() }
    }

    /// Takes the frames of one message.
    pub fn push(&mut self, info: &MessageInfo, samples: &[u8], times: &[f64], now: Instant) {
        if info.lost > 0 {
            self.flush();
        }
        let mut from = 0;
        while from < times.len() {
            let frames = match &self.pending {
                Some(run) => self.fitting(run, &times[from..]),
                None => self.fitting_new(&times[from..]),
            };
            if frames == 0 {
                self.flush();
                continue;
            }
            let to = from + frames;
            let run = self.pending.get_or_insert_with(|| {
                self.pending_since = now;
                let mut info = *info;
                if from > 0 {
                    (info.first, info.lost) = (info.first + from as u64, 0);
                }
                Run { samples: Vec::new(), times: Vec::new(), info }
            });
            run.samples.extend_from_slice(&samples[from * self.frame_bytes..to * self.frame_bytes]);
            run.times.extend_from_slice(&times[from..to]);
            from = to;
            if matches!(self.rule, Rule::Frames(frames) if run.times.len() as u64 >= frames) {
                self.flush();
            }
        }
    }

    fn fitting_new(&self, times: &[f64]) -> usize {
        match self.rule {
            Rule::Frames(frames) => usize::try_from(frames).unwrap_or(usize::MAX).min(times.len()),
            // The first frame of a run always fits.
            Rule::Span(span) => 1 + within(&times[1..], times[0], span),
        }
    }

    fn fitting(&self, run: &Run, times: &[f64]) -> usize {
        match self.rule {
            Rule::Frames(frames) => {
                let room = usize::try_from(frames).unwrap_or(usize::MAX).saturating_sub(run.times.len());
                room.min(times.len())
            }
            Rule::Span(span) => within(times, run.times[0], span),
        }
    }

    /// Ends the current run, however short it is.
    pub fn flush(&mut self) {
        self.complete.extend(self.pending.take());
    }

    /// Ends a run that has waited for its time span.
    pub fn due(&mut self, now: Instant) {
        if self.deadline().is_some_and(|deadline| deadline <= now) {
            self.flush();
        }
    }

    /// When [`Chunker::due`] has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        match self.rule {
            Rule::Span(span) if self.pending.is_some() => Some(self.pending_since + span),
            _ => None,
        }
    }

    /// The next complete run.
    pub fn next(&mut self) -> Option<Run> {
        self.complete.pop_front()
    }
}

/// How many of `times` follow `first` by less than `span`.
fn within(times: &[f64], first: f64, span: Duration) -> usize {
    times.iter().take_while(|&&time| (0.0..span.as_secs_f64()).contains(&(time - first))).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pushes messages `(first, frames, lost)` whose samples are their positions and whose times are `time(position)`,
    /// and returns the runs as `(first, positions, lost)`.
    fn cut(rule: Rule, messages: &[(u64, u64, u64)], time: impl Fn(u64) -> f64) -> Vec<(u64, Vec<u8>, u64)> {
        let mut chunker = Chunker::new(rule, 1, Instant::now());
        for &(first, frames, lost) in messages {
            let positions = first..first + frames;
            let samples: Vec<u8> = positions.clone().map(|position| position as u8).collect();
            let times: Vec<f64> = positions.map(&time).collect();
            let mut info = MessageInfo::default();
            (info.first, info.frames, info.lost) = (first, frames, lost);
            chunker.push(&info, &samples, &times, Instant::now());
        }
        chunker.flush();
        std::iter::from_fn(|| chunker.next()).map(|run| (run.info.first, run.samples, run.info.lost)).collect()
    }

    #[test]
    fn runs_have_the_given_number_of_frames_regardless_of_the_messages() {
        let runs = cut(Rule::Frames(4), &[(0, 3, 0), (3, 0, 0), (3, 1, 0), (4, 9, 0)], |position| position as f64);
        let expected = [(0, vec![0, 1, 2, 3]), (4, vec![4, 5, 6, 7]), (8, vec![8, 9, 10, 11]), (12, vec![12])];
        assert_eq!(runs, expected.map(|(first, samples)| (first, samples, 0)));
    }

    #[test]
    fn a_loss_ends_a_run_and_marks_the_next() {
        let runs = cut(Rule::Frames(4), &[(0, 2, 0), (7, 6, 5)], |position| position as f64);
        assert_eq!(runs, [(0, vec![0, 1], 0), (7, vec![7, 8, 9, 10], 5), (11, vec![11, 12], 0)]);
    }

    #[test]
    fn without_a_rate_runs_span_a_time() {
        let span = Rule::Span(Duration::from_secs(1));
        // Frames at 0, 0.4, 0.8, 1.2, ...
        let runs = cut(span, &[(0, 2, 0), (2, 4, 0)], |position| position as f64 * 0.4);
        assert_eq!(runs, [(0, vec![0, 1, 2], 0), (3, vec![3, 4, 5], 0)]);
        // Times that jump back or are NaN end a run, and never delay one.
        let runs = cut(span, &[(0, 3, 0)], |position| if position == 1 { -5.0 } else { 0.0 });
        assert_eq!(runs.len(), 3);
        let runs = cut(span, &[(0, 3, 0)], |_| f64::NAN);
        assert_eq!(runs.len(), 3);
    }

    #[test]
    fn a_run_that_no_frame_follows_ends_by_the_clock() {
        let start = Instant::now();
        let mut chunker = Chunker::new(Rule::Span(Duration::from_secs(1)), 1, start);
        assert_eq!(chunker.deadline(), None);
        let mut info = MessageInfo::default();
        info.frames = 1;
        chunker.push(&info, &[7], &[0.0], start);
        assert_eq!(chunker.deadline(), Some(start + Duration::from_secs(1)));
        chunker.due(start + Duration::from_millis(999));
        assert_eq!(chunker.next(), None);
        chunker.due(start + Duration::from_secs(1));
        assert_eq!(chunker.next().unwrap().samples, [7]);
        assert_eq!(chunker.deadline(), None);
    }

    #[test]
    fn a_span_becomes_a_number_of_frames_if_the_rate_is_known() {
        let span = Duration::from_millis(20);
        assert_eq!(Rule::of_span(span, 1000.0), Rule::Frames(20));
        assert_eq!(Rule::of_span(span, 1.0), Rule::Frames(1));
        assert_eq!(Rule::of_span(span, 0.0), Rule::Span(span));
    }
}
