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
}

/// The beginning of an error after which no more of dora's own events come. The event stream does not end then, because
/// inputs that come directly from other nodes keep it open.
const FATAL: &str = "fatal event stream error";

/// What ended a wait.
#[derive(Debug)]
pub enum Next {
    /// An event came.
    Event(Event),
    /// The point in time has come.
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
    waker: AtomicWaker,
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
        Self { stream, stopper, delay: Delay::new(Duration::ZERO), delay_ends: now, broken: false }
    }

    /// Blocks until something happens, at the latest until `due`. A stop takes precedence over the point in time, and
    /// the point in time over events: a flood of messages delays neither.
    pub fn next(&mut self, due: Instant) -> Next {
        if self.stopper.is_stopped() {
            return Next::Stopped;
        }
        let now = Instant::now();
        if due <= now {
            return Next::Due;
        }
        // The timer is set again only when the point in time has moved, not for every message.
        if self.delay_ends != due {
            self.delay.reset(due - now);
            self.delay_ends = due;
        }
        let Self { stream, stopper, delay, delay_ends, broken } = self;
        let mut event = pin!(stream.recv_async());
        let next = block_on(poll_fn(|context| {
            stopper.shared.waker.register(context.waker());
            if stopper.is_stopped() {
                return Poll::Ready(Next::Stopped);
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
        self.broken |= matches!(&next, Next::Event(Event::Error(error)) if error.starts_with(FATAL));
        next
    }

    /// The stream itself, for its counters.
    pub fn stream(&mut self) -> &mut EventStream {
        &mut self.stream
    }
}
