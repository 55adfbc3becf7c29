//! `CONN`: a listener outside the dataflow, made with Python's `multiprocessing.connection`, hears of every step of the
//! stream and can end the node. It is the `conn` of ezmsg's `ShMemCircBuff`.
//!
//! `steps` knows the strings, `wire` and `pickle` the bytes, `outbox` what is dropped, `link` the socket.

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

/// The listener, if there is one, and what it has to know. Dropped, it says goodbye.
///
/// No call waits for a listener but the end, which lets it have the last strings: half a second at most.
pub struct Conn {
    steps: Steps,
    link: Option<Link>,
    /// Threads of connections that have been given up.
    leaving: Vec<JoinHandle<()>>,
    /// Strings that were dropped for listeners before the current one.
    dropped_before: u64,
    quit: Quit,
    log: Log,
    /// A listener that does not read has been named.
    warned: bool,
    /// The end of the stream has been told.
    ending: bool,
}

impl Conn {
    /// For a stream that has just been made, with a listener at `path`.
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

    /// Names what a listener's "quit" stops.
    pub fn stops(&self, stopper: Stopper) {
        self.quit.stops(stopper);
    }

    /// Takes leave of the listener, and turns to the one at `path`, if that is another.
    pub fn set_path(&mut self, path: Option<&Path>) {
        if path == self.link.as_ref().map(Link::path) {
            return;
        }
        self.leave(vec![CLOSE]);
        self.warned = false;
        let Some(path) = path else { return };
        match Link::start(path, self.steps.so_far(), self.quit.clone(), self.log.clone()) {
            Ok(link) => self.link = Some(link),
            Err(error) => self.log.warn(&format!("CONN {path:?}: there is no connection: {error}")),
        }
    }

    /// The stream has moved to another name.
    pub fn moved(&mut self) {
        let words = self.steps.opened();
        self.tell(&words);
    }

    /// A generation has begun.
    pub fn begun(&mut self, description: &Description) {
        let words = self.steps.begun(description);
        self.tell(&words);
    }

    /// A description is in force.
    pub fn described(&mut self, description: &Description) {
        let words = self.steps.described(description);
        self.tell(&words);
    }

    /// The ring will get no more frames, and the next message begins another.
    pub fn ring_ended(&mut self) {
        let words = self.steps.ring_ended();
        self.tell(&words);
    }

    /// The stream is about to be closed.
    pub fn ending(&mut self) {
        if !std::mem::replace(&mut self.ending, true) {
            self.tell(&Steps::ending());
        }
    }

    /// Strings that listeners never got because they did not read.
    pub fn dropped(&self) -> u64 {
        self.dropped_before + self.link.as_ref().map_or(0, Link::dropped)
    }

    fn tell(&mut self, words: &[&'static str]) {
        let Some(link) = self.link.as_ref().filter(|_| !words.is_empty()) else { return };
        let so_far = if self.ending { words.to_vec() } else { self.steps.so_far() };
        if link.tell(words, so_far) && !std::mem::replace(&mut self.warned, true) {
            self.log.warn(&format!(
                "CONN {:?}: the listener does not read what it is sent. The stream goes on; strings are dropped and \
                 counted (conn_dropped), and when it reads again it gets those that lead to the current state",
                link.path()
            ));
        }
    }

    /// Ends the connection with `close`; a listener that has not read for long gets `instead` of all that waits.
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
            // A panic there has been reported, and there is nothing left to save.
            let _ = thread.join();
        }
    }
}
