//! A node that has failed: why, whether that can pass by itself, when to try again, and what to log. Pure: no clock, no
//! stream, no log.

use std::fmt::Display;
use std::time::{Duration, Instant};

/// Time between two attempts.
pub const RETRY: Duration = Duration::from_secs(1);

/// Least time between two lines about attempts that fail for changing reasons.
const SILENCE: Duration = Duration::from_secs(60);

/// Why a node cannot do its work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    sentence: String,
    passes: bool,
}

impl Failure {
    /// A failure that lasts until a setting is corrected.
    pub fn of_settings(error: impl Display) -> Self {
        Self { sentence: format!("the settings of this node are wrong: {error}"), passes: false }
    }

    /// A failure that lasts until the node is started in another way.
    pub fn of_arguments(error: impl Display) -> Self {
        Self { sentence: format!("the arguments of this node (`args:`) are wrong: {error}"), passes: false }
    }

    /// A failure that may pass by itself: a name that is taken, or memory that is full.
    pub fn of_stream(error: &eyre::Report) -> Self {
        Self { sentence: format!("{error:#}"), passes: true }
    }

    /// What is wrong, and what to do.
    pub fn sentence(&self) -> &str {
        &self.sentence
    }
}

/// What the node does about its failure, from one attempt to the next.
#[derive(Debug)]
pub struct Failing {
    failure: Failure,
    next: Next,
    /// The sentence that was logged last, and when.
    logged: Option<(String, Instant)>,
    /// Whether the log has a line about the current failure.
    is_logged: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// Try again at this time.
    At(Instant),
    /// Only corrected settings can help.
    Correction,
    /// An attempt runs. `is_outdated`: settings have changed since it began.
    Trying { is_outdated: bool },
}

impl Failing {
    /// A node that has failed at `now`.
    pub fn new(failure: Failure, now: Instant) -> Self {
        let next = Self::after(&failure, now);
        Self { failure, next, logged: None, is_logged: false }
    }

    fn after(failure: &Failure, now: Instant) -> Next {
        if failure.passes { Next::At(now + RETRY) } else { Next::Correction }
    }

    /// Why the node has failed.
    pub fn sentence(&self) -> &str {
        &self.failure.sentence
    }

    /// Whether the failure may pass by itself.
    pub fn passes(&self) -> bool {
        self.failure.passes
    }

    /// When to try again, if time alone decides.
    pub fn due_at(&self) -> Option<Instant> {
        match self.next {
            Next::At(due) => Some(due),
            Next::Correction | Next::Trying { .. } => None,
        }
    }

    /// Whether to try again now. If so, the attempt has begun.
    pub fn begins_attempt(&mut self, now: Instant) -> bool {
        let begins = self.due_at().is_some_and(|due| due <= now);
        if begins {
            self.next = Next::Trying { is_outdated: false };
        }
        begins
    }

    /// Settings have changed: try at once, or again as soon as the current attempt has ended.
    pub fn corrected(&mut self, now: Instant) {
        self.next = match self.next {
            Next::Trying { .. } => Next::Trying { is_outdated: true },
            Next::At(_) | Next::Correction => Next::At(now),
        };
    }

    /// The attempt has succeeded. Returns false if it was made with settings that have changed since: its result does not
    /// count, and the next attempt is due at once.
    pub fn succeeded(&mut self, now: Instant) -> bool {
        let is_outdated = self.next == Next::Trying { is_outdated: true };
        if is_outdated {
            self.next = Next::At(now);
        }
        !is_outdated
    }

    /// The node has failed again, at an attempt or later on.
    pub fn failed(&mut self, failure: Failure, now: Instant) {
        self.next = match self.next {
            Next::Trying { is_outdated: true } => Next::At(now),
            _ => Self::after(&failure, now),
        };
        self.is_logged &= self.failure == failure;
        self.failure = failure;
    }

    /// The sentence, if it is to be logged: once, and a changing one at most once a minute. A failure of settings is
    /// logged at each change, because only a corrected setting changes it.
    pub fn line(&mut self, now: Instant) -> Option<&str> {
        let is_to_be_logged = match &self.logged {
            None => true,
            Some((sentence, _)) if *sentence == self.failure.sentence && self.is_logged => false,
            Some((sentence, _)) if *sentence != self.failure.sentence && !self.failure.passes => true,
            Some((_, at)) => now.saturating_duration_since(*at) >= SILENCE,
        };
        if !is_to_be_logged {
            return None;
        }
        self.logged = Some((self.failure.sentence.clone(), now));
        self.is_logged = true;
        Some(&self.failure.sentence)
    }

    /// The node works. Returns whether the log needs a line about it: whether it has one about the failure.
    pub fn ends(&mut self) -> bool {
        std::mem::take(&mut self.is_logged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(sentence: &str) -> Failure {
        Failure::of_stream(&eyre::eyre!("{sentence}"))
    }

    #[test]
    fn what_can_pass_is_tried_again_every_second_and_wrong_settings_wait_for_a_correction() {
        let now = Instant::now();
        let mut taken = Failing::new(stream("taken"), now);
        assert_eq!(taken.due_at(), Some(now + RETRY));
        assert!(!taken.begins_attempt(now));
        assert!(taken.begins_attempt(now + RETRY));
        assert_eq!(taken.due_at(), None, "an attempt runs");
        assert!(!taken.begins_attempt(now + 9 * RETRY));
        taken.failed(stream("taken"), now + 3 * RETRY);
        assert_eq!(taken.due_at(), Some(now + 4 * RETRY));

        let mut wrong = Failing::new(Failure::of_settings("BUFDUR"), now);
        assert_eq!(wrong.due_at(), None);
        wrong.corrected(now + RETRY);
        assert!(wrong.begins_attempt(now + RETRY));
        assert!(wrong.succeeded(now + RETRY));
    }

    #[test]
    fn an_attempt_with_settings_that_have_changed_since_does_not_count() {
        let now = Instant::now();
        let mut failing = Failing::new(stream("taken"), now);
        assert!(failing.begins_attempt(now + RETRY));
        failing.corrected(now + RETRY);
        assert!(!failing.succeeded(now + RETRY));
        assert!(failing.begins_attempt(now + RETRY), "the next one is due at once");
        failing.corrected(now + RETRY);
        failing.failed(stream("taken"), now + RETRY);
        assert!(failing.begins_attempt(now + RETRY), "and so after a failure");
        assert!(failing.succeeded(now + RETRY));
    }

    #[test]
    fn a_sentence_is_logged_once_and_changing_ones_once_a_minute() {
        let now = Instant::now();
        let mut failing = Failing::new(stream("1 byte is free"), now);
        assert_eq!(failing.line(now), Some("1 byte is free"));
        assert_eq!(failing.line(now + 2 * SILENCE), None);
        failing.failed(stream("2 bytes are free"), now + RETRY);
        assert_eq!(failing.line(now + RETRY), None);
        assert_eq!(failing.line(now + SILENCE), Some("2 bytes are free"));
        failing.failed(stream("2 bytes are free"), now + SILENCE);
        assert_eq!(failing.line(now + 3 * SILENCE), None, "it is the same failure");
    }

    #[test]
    fn wrong_settings_are_logged_whenever_they_change() {
        let now = Instant::now();
        let mut failing = Failing::new(Failure::of_settings("A; B"), now);
        assert!(failing.line(now).is_some());
        failing.failed(Failure::of_settings("B"), now);
        assert!(failing.line(now).is_some_and(|line| line.ends_with("wrong: B")));
        assert_eq!(failing.line(now), None);
    }

    #[test]
    fn a_failure_that_comes_and_goes_is_logged_at_most_once_a_minute() {
        let now = Instant::now();
        let mut failing = Failing::new(stream("corrupt"), now);
        assert!(failing.line(now).is_some());
        assert!(failing.ends(), "its end is logged, too");
        failing.failed(stream("corrupt"), now + RETRY);
        assert_eq!(failing.line(now + RETRY), None);
        assert!(!failing.ends());
        failing.failed(stream("corrupt"), now + SILENCE);
        assert_eq!(failing.line(now + SILENCE), Some("corrupt"));
        assert!(failing.ends());
    }
}
