//! Listens to dora while the mirror waits for its stream.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use dora_node_api::Event;
use dora_shm_node_kit::events::{Events, Next, Nudge};
use dora_shm_node_kit::report::{Log, Refusals};
use dora_shm_ring::Interrupter;
use eyre::Context as _;

/// Why the mirror has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// dora or a signal stops it.
    Stop,
    /// The connection to dora is lost.
    Lost,
}

/// The thread that owns dora's events.
pub struct Control {
    orders: Receiver<Order>,
    released: Arc<AtomicBool>,
    nudge: Nudge,
    thread: JoinHandle<Events>,
}

impl Control {
    /// Listens to `events`. An order to stop also ends the wait for the stream, by `interrupter`.
    ///
    /// # Errors
    /// If the thread cannot be created.
    pub fn spawn(mut events: Events, interrupter: Interrupter, log: Log) -> eyre::Result<Self> {
        let (sender, orders) = channel();
        let (released, nudge) = (Arc::<AtomicBool>::default(), events.nudge());
        let is_released = released.clone();
        let listen = move || {
            if let Some(order) = wait_for_order(&mut events, &is_released, &log) {
                // If the mirror has ended by itself, there is no receiver.
                let _ = sender.send(order);
                interrupter.interrupt();
            }
            events
        };
        let thread = std::thread::Builder::new().name("dora-events".into()).spawn(listen);
        Ok(Self { orders, released, nudge, thread: thread.wrap_err("cannot start a thread for dora's events")? })
    }

    /// The order to stop, if there is one.
    pub fn order(&self) -> Option<Order> {
        match self.orders.try_recv() {
            Ok(order) => Some(order),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Order::Lost),
        }
    }

    /// Ends the thread and returns its events.
    pub fn join(self) -> Option<Events> {
        // The nudge comes after this store: the thread that it wakes reads the flag.
        self.released.store(true, Ordering::SeqCst);
        self.nudge.nudge();
        self.thread.join().ok()
    }
}

/// The order to stop, or nothing if the thread is to hand its events back.
fn wait_for_order(events: &mut Events, is_released: &AtomicBool, log: &Log) -> Option<Order> {
    // Nothing is due here: any distant point in time works.
    const LONG: Duration = Duration::from_secs(3600);
    let mut refused = Refusals::default();
    let mut cannot_change = |what: &str| {
        let reason =
            format!("{what} cannot change while the mirror works; change it in the dataflow and restart the node");
        if let Some(line) = refused.add(reason, Instant::now()) {
            log.warn(&line);
        }
    };
    loop {
        match events.next(Instant::now() + LONG) {
            Next::Event(Event::Stop(_)) | Next::Stopped => return Some(Order::Stop),
            Next::Event(Event::ParamUpdate { key, .. } | Event::ParamDeleted { key }) => {
                cannot_change(&format!("setting {key}"))
            }
            Next::Event(Event::Input { id, .. }) if id.as_str() == "settings" => cannot_change("a setting"),
            Next::Event(Event::Error(error)) => {
                log.warn(&format!("dora: {}", error.lines().next().unwrap_or_default()))
            }
            Next::Due if is_released.load(Ordering::SeqCst) => return None,
            // The input `tick` is ignored. It exists because dora does not restart a node without inputs.
            Next::Event(_) | Next::Due => {}
            Next::End => return Some(Order::Lost),
        }
    }
}
