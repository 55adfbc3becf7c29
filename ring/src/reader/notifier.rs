//! A stream's updates as a file descriptor, for event loops: epoll, Qt, asyncio.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::any::AnyStream;
use super::wait::Waiter;
use super::{Interrupter, ReaderOptions, Wait, open};
use crate::Result;
use crate::error::io_error;
use crate::protocol::cursor::{Cursor, Start, Unit};
use crate::shm::{Event, ProcessGuard};
use crate::stream::Liveness;

/// Pause of the thread after a poll that failed, and between two attempts to find a stream that does not exist.
const PAUSE: Duration = Duration::from_millis(250);

/// A file descriptor that becomes readable when a stream has something for a reader: frames, a new generation, its end,
/// or the death of its writer.
///
/// A dedicated thread waits for the stream. It follows generations and writers, and wakes four times a second while
/// nothing is new. Once the descriptor is readable, the thread sleeps until [`clear`](Self::clear), so a stream that is
/// not read costs nothing, at any rate.
///
/// The descriptor is readable at first. Whenever it is readable, **clear it first, then read until nothing is left**
/// (or [`set`](Self::set) it again). Anything committed after the clearing makes it readable again, so no update is
/// missed. It may also become readable for frames that have just been read.
///
/// It can be used from any thread. In a forked child, which does not have the thread, its methods do nothing.
///
/// ```
/// use std::os::fd::AsFd;
/// use dora_shm_ring::{Notifier, ReaderOptions};
/// # let name = format!("doc/{}/notifier", std::process::id());
///
/// let notifier = Notifier::open(&name, ReaderOptions::default())?;
/// let descriptor = notifier.as_fd(); // for poll, epoll, QSocketNotifier, ...
/// // When it is readable:
/// notifier.clear();
/// // ... and read.
/// # let _ = descriptor;
/// # Ok::<(), dora_shm_ring::Error>(())
/// ```
pub struct Notifier {
    shared: Arc<Shared>,
    interrupter: Interrupter,
    process: ProcessGuard,
    /// `Some` until the drop.
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    event: Event,
    state: Mutex<State>,
    /// Notified when `fired` is cleared and when `stop` is set.
    changed: Condvar,
    /// Locked by the thread while it polls and waits, so never while `fired` is set.
    watched: Mutex<Watched>,
}

struct Watched {
    cursor: Cursor<AnyStream>,
    waiter: Waiter,
}

#[derive(Default)]
struct State {
    /// Whether the descriptor is readable.
    readable: bool,
    /// The thread has seen an update and sleeps.
    fired: bool,
    stop: bool,
}

impl Notifier {
    /// Watches the stream `name`, which need not exist yet. Of the options, `owner` and `max_ring_bytes` matter. Never
    /// blocks.
    ///
    /// # Errors
    /// Those of [`Reader::open`](super::Reader::open); [`Error::Io`](crate::Error::Io) if the process or the system has
    /// no descriptors or threads left.
    pub fn open(name: &str, options: ReaderOptions) -> Result<Notifier> {
        let options = ReaderOptions { start: Start::Newest, ..options };
        let cursor = open(name, &options, Unit::Frames)?;
        let mut waiter = Waiter::new(&options);
        waiter.set_attach_pause(PAUSE);
        let interrupter = waiter.interrupter();
        let event = Event::new().map_err(io_error("making an eventfd for", name))?;
        event.set();
        let shared = Arc::new(Shared {
            event,
            state: Mutex::new(State { readable: true, fired: true, stop: false }),
            changed: Condvar::new(),
            watched: Mutex::new(Watched { cursor, waiter }),
        });
        let of_thread = shared.clone();
        let thread = std::thread::Builder::new()
            .name("dora-shm-notify".to_owned())
            .spawn(move || of_thread.watch())
            .map_err(io_error("starting a thread for", name))?;
        Ok(Self { shared, interrupter, process: ProcessGuard::current(), thread: Some(thread) })
    }

    /// Makes the descriptor unreadable until there is something new. Call it before reading, not after.
    pub fn clear(&self) {
        if !self.process.is_current() {
            return;
        }
        let mut state = self.shared.state();
        if std::mem::take(&mut state.readable) {
            self.shared.event.clear();
        }
        if std::mem::take(&mut state.fired) {
            // Everything committed by now is left to the read that follows.
            let _ = self.shared.watched().cursor.skip_to_newest();
            self.shared.changed.notify_all();
        }
    }

    /// Makes the descriptor readable, for a reader that has left something unread.
    pub fn set(&self) {
        if self.process.is_current() {
            self.shared.state().set(&self.shared.event);
        }
    }
}

impl AsFd for Notifier {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.shared.event.as_fd()
    }
}

impl AsRawFd for Notifier {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl Drop for Notifier {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        if !self.process.is_current() {
            // A forked child does not have this thread, and one of the locks may have been held at the fork.
            std::mem::forget(thread);
            return;
        }
        self.shared.state().stop = true;
        self.shared.changed.notify_all();
        self.interrupter.interrupt();
        // An error means that the thread panicked, which the panic hook has reported.
        let _ = thread.join();
    }
}

impl std::fmt::Debug for Notifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Notifier").field("descriptor", &self.as_raw_fd()).finish_non_exhaustive()
    }
}

impl State {
    fn set(&mut self, event: &Event) {
        if !std::mem::replace(&mut self.readable, true) {
            event.set();
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watched(&self) -> MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The body of the thread.
    fn watch(&self) {
        loop {
            let state = self.changed.wait_while(self.state(), |state| state.fired && !state.stop);
            if state.unwrap_or_else(PoisonError::into_inner).stop {
                return;
            }
            let update = {
                let Watched { cursor, waiter } = &mut *self.watched();
                waiter.wait(cursor, Duration::MAX)
            };
            let failed = update.is_err();
            match update {
                Ok(Wait::Interrupted) => continue,
                Ok(Wait::Timeout(liveness)) if liveness != Liveness::Dead => continue,
                // A failure is an update, too: the reader's own call returns the error.
                Ok(Wait::Ready | Wait::Timeout(_)) | Err(_) => {}
            }
            let mut state = self.state();
            state.set(&self.event);
            state.fired = true;
            if failed {
                // The failure may persist, and the reader may ignore it, so this must not become a busy loop.
                let _ = self.changed.wait_timeout_while(state, PAUSE, |state| !state.stop);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notifier_can_be_shared_between_threads() {
        fn shared<T: Send + Sync>() {}
        shared::<Notifier>();
    }
}
