//! Closing a stream later, so that neither its last frames are missed nor its writer's thread waits.

use std::sync::mpsc::{self, Sender};
use std::thread::JoinHandle;
use std::time::Instant;

use super::publish::Publisher;
use crate::shm::ProcessGuard;

/// A stream that is being closed: see [`Writer::close_later`](super::Writer::close_later).
///
/// Dropping it waits until the stream is closed. So a process that keeps it until its end leaves no stream that looks
/// as if its writer had died.
pub struct Closing {
    name: String,
    /// `None` if the stream is closed already.
    thread: Option<JoinHandle<()>>,
    /// Dropped to close the stream at once.
    patience: Option<Sender<()>>,
    process: ProcessGuard,
}

impl Closing {
    /// Closes the stream at `until`, in a thread, or at once without one.
    pub(super) fn start(name: String, publisher: Option<Publisher>, until: Option<Instant>) -> Self {
        let process = ProcessGuard::current();
        let Some((publisher, until)) = publisher.filter(|_| until.is_some()).zip(until) else {
            return Self { name, thread: None, patience: None, process };
        };
        let (patience, hurry) = mpsc::channel();
        // If the thread cannot be started, this drops the publisher, which closes the stream at once.
        let thread = std::thread::Builder::new().name("dora-shm-close".to_owned()).spawn(move || {
            let _ = hurry.recv_timeout(until.saturating_duration_since(Instant::now()));
            drop(publisher);
        });
        Self { name, thread: thread.ok(), patience: Some(patience), process }
    }

    /// The stream's name. A writer of the same name can be created once the stream is closed.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the stream is closed. Does not block.
    pub fn is_closed(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Blocks until the stream is closed: at most 100 ms. Dropping does the same.
    pub fn wait(self) {}

    /// Closes the stream at once, as [`Writer::close`](super::Writer::close) does. Readers that have not opened its
    /// last ring count the frames in it as lost.
    pub fn close_now(mut self) {
        self.patience.take_if(|_| self.process.is_current());
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        if self.process.is_current() {
            // It does not panic.
            let _ = thread.join();
        } else {
            // The thread does not exist in a forked child, so it can be neither joined nor detached, nor is there
            // anything to hurry.
            std::mem::forget((thread, self.patience.take()));
        }
    }
}

impl std::fmt::Debug for Closing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Closing")
            .field("name", &self.name)
            .field("is_closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}
