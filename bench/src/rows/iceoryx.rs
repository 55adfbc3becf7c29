//! iceoryx2: publish-subscribe of byte slices between two processes, as its own benchmark has it, with a copy of the
//! payload on the way in (loan, write, send), because a message has to come from somewhere.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use eyre::OptionExt as _;
use iceoryx2::port::listener::Listener;
use iceoryx2::port::notifier::Notifier;
use iceoryx2::port::publisher::Publisher;
use iceoryx2::port::subscriber::Subscriber;
use iceoryx2::prelude::*;
use iceoryx2::service::port_factory::{event, publish_subscribe};

use super::{Reader, Row, Writer, sweep};
use crate::clock::now_ns;
use crate::control::Control;
use crate::message::{sum_words, word};
use crate::receipts::Receipts;
use crate::task::{Mode, Task};

const SLICE: Duration = Duration::from_millis(50);
/// Messages that wait for a subscriber. In lossless modes, as many as the ring's window, within these bounds (each
/// subscriber's queue is allocated in full). Otherwise a number that does not overflow at the payload's rate.
const QUEUE: std::ops::RangeInclusive<u64> = 2..=1024;
const QUEUE_PACED: usize = 4;

type Slices = publish_subscribe::PortFactory<ipc::Service, [u8], ()>;

#[derive(Clone, Copy, PartialEq)]
pub enum Iceoryx {
    Poll,
    Listener,
    InPlace,
}

impl Row for Iceoryx {
    fn name(&self) -> &'static str {
        match self {
            Self::Poll => "iceoryx2",
            Self::Listener => "iceoryx2-listener",
            Self::InPlace => "iceoryx2-in-place",
        }
    }

    fn about(&self) -> &'static str {
        match self {
            Self::Poll => "iceoryx2: loan, copy in, send; the reader polls and copies out",
            Self::Listener => "iceoryx2: the reader sleeps in a Listener, which a Notifier wakes at each message",
            Self::InPlace => "iceoryx2: the reader polls and sums each message in place",
        }
    }

    fn floor(&self, mode: Mode) -> &'static str {
        match self {
            _ if !mode.has_reader() => "memcpy",
            Self::Poll => "minimal",
            Self::Listener => "minimal-futex",
            Self::InPlace => "minimal-in-place",
        }
    }

    fn modes(&self) -> &'static [Mode] {
        match self {
            Self::Poll => &Mode::ALL,
            Self::Listener => &[Mode::Paced],
            Self::InPlace => &[Mode::Paced, Mode::Lossless],
        }
    }

    /// Its memory is reused at once, last in first out, so no lap is needed to warm up.
    fn warm_up(&self, task: &Task) -> u64 {
        (task.ring_messages() + 20).min(2000)
    }

    fn holds_back(&self) -> bool {
        true
    }

    fn writer(&self, task: &Task, _control: &Arc<Control>) -> eyre::Result<Box<dyn Writer>> {
        let domain = Domain::open(self, task)?;
        let publisher = domain.slices.publisher_builder().initial_max_slice_len(task.payload);
        let publisher = publisher.backpressure_strategy(BackpressureStrategy::RetryUntilDelivered).create()?;
        let notifier = domain.events.as_ref().map(|events| events.notifier_builder().create()).transpose()?;
        Ok(Box::new(Sender { publisher, notifier, domain }))
    }

    fn reader(&self, task: &Task, _control: &Arc<Control>) -> eyre::Result<Option<Box<dyn Reader>>> {
        let domain = Domain::open(self, task)?;
        let subscriber = domain.slices.subscriber_builder().create()?;
        let listener = domain.events.as_ref().map(|events| events.listener_builder().create()).transpose()?;
        Ok(Some(Box::new(Receiver { subscriber, listener, in_place: *self == Self::InPlace, _domain: domain })))
    }

    fn sweep(&self, task: &Task) {
        sweep("/dev/shm", &task.name);
        let _ = std::fs::remove_dir_all(root(task));
    }
}

fn root(task: &Task) -> PathBuf {
    std::env::temp_dir().join(&task.name)
}

/// The services, in a domain of their own for this measurement.
struct Domain {
    slices: Slices,
    events: Option<event::PortFactory<ipc::Service>>,
    _node: Node<ipc::Service>,
}

impl Domain {
    fn open(row: &Iceoryx, task: &Task) -> eyre::Result<Self> {
        set_log_level(LogLevel::Error);
        let mut config = Config::default();
        let root = root(task);
        let root = root.to_str().ok_or_eyre("the temporary folder's name is no UTF-8")?;
        config.global.set_root_path(&iceoryx2::prelude::Path::new(root.as_bytes())?);
        config.global.prefix = FileName::new(format!("{}-", task.name).as_bytes())?;
        let node = NodeBuilder::new().config(&config).create::<ipc::Service>()?;
        let lossless = task.mode == Mode::Lossless;
        let queue = if lossless { task.window().clamp(*QUEUE.start(), *QUEUE.end()) as usize } else { QUEUE_PACED };
        let name = ServiceName::new("bench")?;
        let slices = node.service_builder(&name).publish_subscribe::<[u8]>();
        let slices = slices.payload_alignment(Alignment::new(64).ok_or_eyre("64 is a power of two")?);
        let slices = slices.max_publishers(1).max_subscribers(1).history_size(0);
        let slices = slices.subscriber_max_buffer_size(queue).enable_safe_overflow(!lossless).open_or_create()?;
        let events = (*row == Iceoryx::Listener)
            .then(|| node.service_builder(&name).event().max_notifiers(1).max_listeners(1).open_or_create())
            .transpose()?;
        Ok(Self { slices, events, _node: node })
    }
}

struct Sender {
    publisher: Publisher<ipc::Service, [u8], ()>,
    notifier: Option<Notifier<ipc::Service>>,
    domain: Domain,
}

impl Sender {
    #[inline]
    fn write(&self, message: &[u8], clock: impl Fn() -> u64) -> eyre::Result<u64> {
        let sample = self.publisher.loan_slice_uninit(message.len())?.write_from_slice(message);
        let committing = clock();
        sample.send()?;
        if let Some(notifier) = &self.notifier {
            notifier.notify()?;
        }
        Ok(committing)
    }
}

impl Writer for Sender {
    fn wait_for_reader(&mut self, control: &Control) -> eyre::Result<()> {
        control.wait_until("the subscriber", Duration::from_secs(5), || {
            self.domain.slices.dynamic_config().number_of_subscribers() == 1
        })
    }

    fn send(&mut self, message: &[u8]) -> eyre::Result<()> {
        self.write(message, || 0)?;
        Ok(())
    }

    fn send_stamped(&mut self, message: &[u8]) -> eyre::Result<u64> {
        self.write(message, now_ns)
    }
}

struct Receiver {
    subscriber: Subscriber<ipc::Service, [u8], ()>,
    listener: Option<Listener<ipc::Service>>,
    in_place: bool,
    _domain: Domain,
}

impl Reader for Receiver {
    fn run(self: Box<Self>, mut receipts: Receipts) -> eyre::Result<()> {
        while !receipts.is_over() {
            if let Some(listener) = &self.listener {
                listener.timed_wait(|_| {}, SLICE)?;
            }
            while let Some(sample) = self.subscriber.receive()? {
                let seen_ns = receipts.seen_ns();
                let message = sample.payload();
                if self.in_place {
                    receipts.summed(seen_ns, sum_words(message), word(message, 0), word(message, 1));
                } else {
                    receipts.copy(seen_ns, |to| to.copy_from_slice(message), || true);
                }
                if self.listener.is_none() {
                    break;
                }
            }
        }
        Ok(())
    }
}
