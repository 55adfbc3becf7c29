//! Listens to dora while the mirror waits for its stream.

use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use dora_node_api::{Event, EventStream};
use dora_shm_node_kit::events::{Events, Next, Stopper};
use dora_shm_node_kit::report::Log;
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
    stopper: Stopper,
    thread: JoinHandle<Events>,
}

impl Control {
    /// Listens to `events` and `stopper`. An order to stop also ends the wait for the stream, by `interrupter`.
    ///
    /// # Errors
    /// If the thread cannot be created.
    pub fn spawn(events: EventStream, stopper: Stopper, interrupter: Interrupter, log: Log) -> eyre::Result<Self> {
        let (sender, orders) = channel();
        let mut events = Events::new(events, stopper.clone());
        let listen = move || {
            let order = wait_for_order(&mut events, &log);
            // If the mirror has ended by itself, there is no receiver.
            let _ = sender.send(order);
            interrupter.interrupt();
            events
        };
        let thread = std::thread::Builder::new().name("dora-events".into()).spawn(listen);
        Ok(Self { orders, stopper, thread: thread.wrap_err("cannot start a thread for dora's events")? })
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
        self.stopper.stop();
        self.thread.join().ok()
    }
}

fn wait_for_order(events: &mut Events, log: &Log) -> Order {
    // Nothing is due here: any distant point in time works.
    const LONG: Duration = Duration::from_secs(3600);
    loop {
        match events.next(Instant::now() + LONG) {
            Next::Event(Event::Stop(_)) | Next::Stopped => return Order::Stop,
            Next::Event(Event::ParamUpdate { key, .. } | Event::ParamDeleted { key }) => log.warn(&format!(
                "setting {key} cannot change while the mirror runs; change it in the dataflow and restart the node"
            )),
            Next::Event(Event::Error(error)) => {
                log.warn(&format!("dora: {}", error.lines().next().unwrap_or_default()))
            }
            // The input `tick` is ignored. It exists because dora does not restart a node without inputs.
            Next::Event(_) | Next::Due => {}
            Next::End => return Order::Lost,
        }
    }
}
