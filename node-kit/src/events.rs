//! Waiting for dora, a point in time, and an order to stop, all at once.

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

/// dora's events, with a way to be woken for other reasons.
pub struct Events {
    stream: EventStream,
    stopper: Stopper,
    delay: Delay,
    delay_ends: Instant,
    /// dora said that it is gone: what is queued still comes, and then nothing.
    broken: bool,
}

/// How dora begins an error after which its events are of no use. It does not end the stream then, since inputs that
/// come directly from other nodes keep it open.
const FATAL: &str = "fatal event stream error";

/// What ended a wait.
#[derive(Debug)]
pub enum Next {
    /// dora said something.
    Event(Event),
    /// The point in time has come.
    Due,
    /// Somebody called [`Stopper::stop`].
    Stopped,
    /// dora will say nothing more.
    End,
}

/// Ends a wait from any thread, at once and for good.
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
        // SeqCst on both sides: the waiter registers and then looks, we set and then wake.
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

    /// Blocks until something happens, at the latest at `due`. An order to stop comes before a point in time, and that
    /// before events: a flood of messages delays neither.
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
                // A timer that has fired must be set again before it is asked again.
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
