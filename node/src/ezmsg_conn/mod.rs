//! `CONN`: informs a listener outside the dataflow, made with Python's `multiprocessing.connection`, of every step of
//! the stream. The listener can end the node. It is the `conn` of ezmsg's `ShMemCircBuff`.
//!
//! `steps` has the strings, `wire` and `pickle` the bytes, `outbox` the queue, `link` the socket.

mod link;
mod outbox;
mod pickle;
mod quit;
mod steps;
mod wire;

use std::path::Path;
use std::thread::JoinHandle;

use dora_shm_node_kit::events::Stopper;
use dora_shm_node_kit::report::Log;
use dora_shm_ring::Description;

use self::link::Link;
use self::quit::Quit;
use self::steps::{CLOSE, Steps, Words};

/// The listener, if there is one, and what it is sent. Dropping this sends the end of the stream and disconnects.
///
/// No call waits for a listener, except that dropping blocks for up to half a second until the last strings are sent.
pub struct Conn {
    steps: Steps,
    link: Option<Link>,
    /// Threads of earlier connections, which are ending.
    leaving: Vec<JoinHandle<()>>,
    /// Strings that were dropped for listeners before the current one.
    dropped_before: u64,
    quit: Quit,
    log: Log,
    /// The warning that the listener does not read has been logged.
    warned: bool,
    /// The listener has been sent the end of the stream.
    ending: bool,
}

impl Conn {
    /// A connection for a stream that has just been created, with a listener at `path`.
    pub fn new(path: Option<&Path>, log: Log) -> Self {
        let mut conn = Self {
            steps: Steps::default(),
            link: None,
            leaving: Vec::new(),
            dropped_before: 0,
            quit: Quit::default(),
            log,
            warned: false,
            ending: false,
        };
        conn.set_path(path);
        conn
    }

    /// Sets what "quit" from a listener stops.
    pub fn stops(&self, stopper: Stopper) {
        self.quit.stops(stopper);
    }

    /// If `path` differs from the current path, ends the connection and starts one to the listener at `path`.
    pub fn set_path(&mut self, path: Option<&Path>) {
        if path == self.link.as_ref().map(Link::path) {
            return;
        }
        self.leave(vec![CLOSE]);
        self.warned = false;
        let Some(path) = path else { return };
        match Link::start(path, self.steps.so_far(), self.quit.clone(), self.log.clone()) {
            Ok(link) => self.link = Some(link),
            Err(error) => self.log.warn(&format!("CONN {path:?}: cannot start the connection: {error}")),
        }
    }

    /// The stream has moved to another name.
    pub fn moved(&mut self) {
        let words = self.steps.opened();
        self.send(&words);
    }

    /// A generation has begun.
    pub fn begun(&mut self, description: &Description) {
        let words = self.steps.begun(description);
        self.send(&words);
    }

    /// A description is in force.
    pub fn described(&mut self, description: &Description) {
        let words = self.steps.described(description);
        self.send(&words);
    }

    /// The ring will get no more frames, and the next message begins another.
    pub fn ring_ended(&mut self) {
        let words = self.steps.ring_ended();
        self.send(&words);
    }

    /// The stream is about to be closed.
    pub fn ending(&mut self) {
        if !std::mem::replace(&mut self.ending, true) {
            self.send(&Steps::ending());
        }
    }

    /// Strings that were dropped because listeners did not read.
    pub fn dropped(&self) -> u64 {
        self.dropped_before + self.link.as_ref().map_or(0, Link::dropped)
    }

    fn send(&mut self, words: &[&'static str]) {
        let Some(link) = self.link.as_ref().filter(|_| !words.is_empty()) else { return };
        let so_far = if self.ending { words.to_vec() } else { self.steps.so_far() };
        if link.send(words, so_far) && !std::mem::replace(&mut self.warned, true) {
            self.log.warn(&format!(
                "CONN {:?}: the listener does not read what it is sent; strings are dropped and counted (conn_dropped). \
                 The stream continues. When the listener reads again, it is sent the strings that lead to the current \
                 state",
                link.path()
            ));
        }
    }

    /// Ends the connection with `close`. If the listener has not read for long, `instead` replaces all strings that
    /// wait.
    fn leave(&mut self, instead: Words) {
        if let Some(link) = self.link.take() {
            self.dropped_before += link.dropped();
            self.leaving.push(link.end(instead));
        }
    }
}

impl Drop for Conn {
    fn drop(&mut self) {
        self.ending();
        self.leave([Steps::ending(), vec![CLOSE]].concat());
        for thread in self.leaving.drain(..) {
            // If the thread panicked, the panic has been reported already.
            let _ = thread.join();
        }
    }
}
