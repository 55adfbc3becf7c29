//! Waiting for a writer that wakes nobody.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::super::attachment::Attachment;
use super::{ForeignStream, current};
use crate::Result;
use crate::reader::Wait;
use crate::shm::{self, Word};

/// Shortest and longest pause between two looks. In between it is an eighth of the time without news: little beside what
/// has been waited already, and no more than 50 looks a second for a stream that is quiet.
const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_millis(20);

/// [`Reader::wait`](crate::Reader::wait) of a stream of either kind.
pub(in super::super) fn wait(
    own: &mut Attachment,
    foreign: &mut Option<Box<ForeignStream>>,
    timeout: Duration,
) -> Result<Wait> {
    let deadline = Instant::now().checked_add(timeout);
    loop {
        if let Some(stream) = current(foreign, own) {
            match stream.wait(own, deadline)? {
                Some(wait) => return Ok(wait),
                None => continue,
            }
        }
        match own.wait(left(deadline)) {
            Err(error) => *foreign = ForeignStream::instead(own, error)?,
            done => return done,
        }
    }
}

fn left(deadline: Option<Instant>) -> Duration {
    deadline.map_or(Duration::MAX, |deadline| deadline.saturating_duration_since(Instant::now()))
}

impl ForeignStream {
    /// `None`: the stream is over, and another one may have its name.
    fn wait(&mut self, own: &mut Attachment, deadline: Option<Instant>) -> Result<Option<Wait>> {
        loop {
            // Acquire, partner of `Interrupter::interrupt`.
            let interrupts = own.interrupts.load(Ordering::Acquire);
            if interrupts != own.interrupts_seen {
                own.interrupts_seen = interrupts;
                return Ok(Some(Wait::Interrupted));
            }
            self.look(own)?;
            if self.has_news(own) {
                return Ok(Some(Wait::Ready));
            }
            if self.over {
                return Ok(None);
            }
            let left = left(deadline);
            if left.is_zero() {
                return self.liveness(own).map(|liveness| Some(Wait::Quiet(liveness)));
            }
            let pause = (self.news.elapsed() / 8).clamp(SHORTEST, LONGEST).min(left);
            shm::private_wait(Word { word: &own.interrupts, expected: interrupts }, pause);
        }
    }
}
