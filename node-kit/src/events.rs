//! Waits for dora's events, a point in time, and a stop, all at once.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use dora_node_api::futures::executor::block_on;
use dora_node_api::futures::future::poll_fn;
use dora_node_api::futures::task::AtomicWaker;
use dora_node_api::{Event, EventStream};
use futures_timer::Delay;

/// dora's events, and the other reasons for which a wait ends.
pub struct Events {
    stream: EventStream,
    stopper: Stopper,
    delay: Delay,
    delay_ends: Instant,
    /// dora has reported that the connection is lost: queued events still come, and then nothing.
    broken: bool,
    /// dora has stopped the node: queued events still come, and then the end.
    has_stop: bool,
}

/// The beginning of an error after which no more of dora's own events come. The event stream does not end then, because
/// inputs that come directly from other nodes keep it open.
const FATAL: &str = "fatal event stream error";

/// What ended a wait.
#[derive(Debug)]
pub enum Next {
    /// An event came.
    Event(Event),
    /// The point in time has come, or [`Nudge::nudge`] was called.
    Due,
    /// [`Stopper::stop`] was called.
    Stopped,
    /// No more events will come.
    End,
}

/// Ends a wait from any thread, at once and permanently.
#[derive(Clone, Default)]
pub struct Stopper {
    shared: Arc<StopFlag>,
}

#[derive(Default)]
struct StopFlag {
    stopped: AtomicBool,
    nudged: AtomicBool,
    waker: AtomicWaker,
}

/// Ends one wait from any thread.
#[derive(Clone)]
pub struct Nudge {
    shared: Arc<StopFlag>,
}

impl Nudge {
    /// Makes the current wait, or else the next one, return [`Next::Due`].
    pub fn nudge(&self) {
        // SeqCst: as in `Stopper::stop`.
        self.shared.nudged.store(true, Ordering::SeqCst);
        self.shared.waker.wake();
    }
}

impl Stopper {
    /// Makes the current and every later wait return [`Next::Stopped`].
    pub fn stop(&self) {
        // SeqCst on both sides: the waiter registers its waker and then checks the flag; this sets the flag and then
        // wakes.
        self.shared.stopped.store(true, Ordering::SeqCst);
        self.shared.waker.wake();
    }

    /// Whether [`Stopper::stop`] was called.
    pub fn is_stopped(&self) -> bool {
        self.shared.stopped.load(Ordering::SeqCst)
    }
}

impl Events {
    /// Waits on `stream` and on `stopper`.
    pub fn new(stream: EventStream, stopper: Stopper) -> Self {
        let now = Instant::now();
        Self { stream, stopper, delay: Delay::new(Duration::ZERO), delay_ends: now, broken: false, has_stop: false }
    }

    /// A handle that ends one wait.
    pub fn nudge(&self) -> Nudge {
        Nudge { shared: self.stopper.shared.clone() }
    }

    /// Whether dora has stopped the node. Then the end of the events is an orderly one.
    pub fn has_stop(&self) -> bool {
        self.has_stop
    }

    /// Blocks until something happens, at the latest until `due`. A stop takes precedence over the point in time, and
    /// the point in time over events: a flood of messages delays neither.
    pub fn next(&mut self, due: Instant) -> Next {
        if self.stopper.is_stopped() {
            return Next::Stopped;
        }
        let now = Instant::now();
        if due <= now || self.stopper.shared.nudged.swap(false, Ordering::SeqCst) {
            return Next::Due;
        }
        // The timer is set again only when the point in time has moved, not for every message.
        if self.delay_ends != due {
            self.delay.reset(due - now);
            self.delay_ends = due;
        }
        let Self { stream, stopper, delay, delay_ends, broken, has_stop: _ } = self;
        let mut event = pin!(stream.recv_async());
        let next = block_on(poll_fn(|context| {
            stopper.shared.waker.register(context.waker());
            if stopper.is_stopped() {
                return Poll::Ready(Next::Stopped);
            }
            if stopper.shared.nudged.swap(false, Ordering::SeqCst) {
                return Poll::Ready(Next::Due);
            }
            if let Poll::Ready(event) = event.as_mut().poll(context) {
                return Poll::Ready(event.map_or(Next::End, Next::Event));
            }
            if *broken {
                return Poll::Ready(Next::End);
            }
            if Pin::new(&mut *delay).poll(context).is_ready() {
                // A timer that has fired must be reset before it is polled again.
                *delay_ends = now;
                return Poll::Ready(Next::Due);
            }
            Poll::Pending
        }));
        self.has_stop |= matches!(&next, Next::Event(Event::Stop(_)));
        self.broken |= matches!(&next, Next::Event(Event::Error(error)) if error.starts_with(FATAL));
        next
    }

    /// Messages of `input` that dora's queues dropped since the last call. Those of other inputs are forgotten.
    pub fn dropped(&mut self, input: &str) -> u64 {
        let dropped = self.stream.drain_drop_counts();
        dropped.iter().filter(|(id, _)| id.as_str() == input).map(|(_, messages)| messages).sum()
    }
}
