//! zenoh with its shared-memory provider, as its own examples use it: allocate, copy in, put; a callback receives.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use eyre::{bail, eyre};
use zenoh::pubsub::Publisher;
use zenoh::qos::CongestionControl;
use zenoh::shm::{
    AllocAlignment, BlockOn, Defragment, GarbageCollect, MemoryLayout, PosixShmProviderBackend, ShmProvider,
    ShmProviderBuilder,
};
use zenoh::{Config, Session, Wait};

use super::{Reader, Row, Writer, sweep};
use crate::clock::now_ns;
use crate::control::{Control, Word};
use crate::pin;
use crate::receipts::Receipts;
use crate::task::{Mode, Task};

const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
/// Messages are aligned to a line of 64 bytes.
const ALIGNMENT_POWER: u8 = 6;

/// Two peers over a Unix socket, with a shared-memory pool of the ring's size, express messages and blocking congestion
/// control.
pub struct Zenoh;

impl Row for Zenoh {
    fn name(&self) -> &'static str {
        "zenoh"
    }

    fn about(&self) -> &'static str {
        "zenoh with its shared-memory provider; a callback receives and copies out"
    }

    fn floor(&self, mode: Mode) -> &'static str {
        // It sleeps until there is something, but the floor of the lossless rows is the polling one.
        if mode == Mode::Paced { "minimal-futex" } else { "minimal" }
    }

    fn modes(&self) -> &'static [Mode] {
        &[Mode::Paced, Mode::Lossless]
    }

    fn warm_up(&self, task: &Task) -> u64 {
        (task.ring_messages() + 20).min(2000)
    }

    fn writer(&self, task: &Task, _control: &Arc<Control>) -> eyre::Result<Box<dyn Writer>> {
        let session = open(task, "listen")?;
        let publisher = session.declare_publisher(task.name.clone());
        let publisher = publisher.congestion_control(CongestionControl::Block).express(true).wait();
        let size = task.ring_messages() as usize * task.payload.next_multiple_of(1 << ALIGNMENT_POWER);
        let backend = PosixShmProviderBackend::builder(layout(size)?).wait();
        let backend = backend.map_err(|error| eyre!("no pool: {error:?}"))?;
        let provider = ShmProviderBuilder::backend(backend).wait();
        Ok(Box::new(Sender { publisher: publisher.map_err(|error| eyre!(error))?, provider, _session: session }))
    }

    fn reader(&self, task: &Task, control: &Arc<Control>) -> eyre::Result<Option<Box<dyn Reader>>> {
        // The callback's thread inherits the processor.
        pin::pin_to(task.reader_cpu)?;
        let session = open(task, "connect")?;
        Ok(Some(Box::new(Receiver { session, key: task.name.clone(), control: control.clone() })))
    }

    fn sweep(&self, task: &Task) {
        sweep(&std::env::temp_dir().to_string_lossy(), &task.name);
        // zenoh names its segments itself. This removes those whose processes have ended.
        zenoh::shm::cleanup_orphaned_shm_segments();
    }
}

/// A peer that knows the other one and does not search for more.
fn open(task: &Task, end: &str) -> eyre::Result<Session> {
    let socket = std::env::temp_dir().join(format!("{}.sock", task.name));
    let endpoint = serde_json::json!([format!("unixsock-stream/{}", socket.display())]).to_string();
    let mut config = Config::default();
    for (key, value) in [
        ("mode", "\"peer\""),
        ("scouting/multicast/enabled", "false"),
        ("scouting/gossip/enabled", "false"),
        ("listen/endpoints", if end == "listen" { &endpoint } else { "[]" }),
        ("connect/endpoints", if end == "connect" { &endpoint } else { "[]" }),
        // Otherwise its set-up would be part of the first message.
        ("transport/shared_memory/mode", "\"init\""),
    ] {
        config.insert_json5(key, value).map_err(|error| eyre!("setting {key}: {error}"))?;
    }
    zenoh::open(config).wait().map_err(|error| eyre!("cannot open a session: {error}"))
}

#[inline]
fn layout(size: usize) -> eyre::Result<MemoryLayout> {
    let alignment = AllocAlignment::new(ALIGNMENT_POWER).map_err(|error| eyre!("no alignment: {error:?}"))?;
    MemoryLayout::new(size, alignment).map_err(|error| eyre!("no layout: {error:?}"))
}

struct Sender {
    publisher: Publisher<'static>,
    provider: ShmProvider<PosixShmProviderBackend>,
    _session: Session,
}

impl Sender {
    #[inline]
    fn write(&self, message: &[u8], clock: impl Fn() -> u64) -> eyre::Result<u64> {
        let buffer = self.provider.alloc(layout(message.len())?);
        let buffer = buffer.with_policy::<BlockOn<Defragment<GarbageCollect>>>().wait();
        let mut buffer = buffer.map_err(|error| eyre!("no buffer: {error:?}"))?;
        buffer.copy_from_slice(message);
        let committing = clock();
        self.publisher.put(buffer).wait().map_err(|error| eyre!("cannot put: {error}"))?;
        Ok(committing)
    }
}

impl Writer for Sender {
    fn wait_for_reader(&mut self, control: &Control) -> eyre::Result<()> {
        control.wait_until("the subscriber", CONNECT_PATIENCE, || {
            self.publisher.matching_status().wait().is_ok_and(|status| status.matching())
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
    session: Session,
    key: String,
    control: Arc<Control>,
}

impl Reader for Receiver {
    fn run(self: Box<Self>, receipts: Receipts) -> eyre::Result<()> {
        let receipts = Mutex::new(receipts);
        let control = self.control.clone();
        let subscriber = self.session.declare_subscriber(&self.key).callback(move |sample| {
            let mut receipts = receipts.lock().unwrap_or_else(PoisonError::into_inner);
            let seen_ns = receipts.seen_ns();
            // A payload that came over the socket would measure something else.
            match sample.payload().as_shm() {
                Some(memory) => receipts.copy(seen_ns, |to| to.copy_from_slice(memory), || true),
                None => control.fail(),
            }
        });
        let _subscriber = subscriber.wait().map_err(|error| eyre!("cannot subscribe: {error}"))?;
        while self.control.word(Word::Stop).load(std::sync::atomic::Ordering::Acquire) == 0 {
            if self.control.word(Word::Failed).load(std::sync::atomic::Ordering::Acquire) != 0 {
                bail!("the writer failed, or a payload came without shared memory");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}
