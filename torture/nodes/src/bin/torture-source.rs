//! dora node for the torture campaign `graph`: floods its output `data` with messages that carry their own numbers, and
//! its output `settings` with changes, until the campaign sends the command to calm down.

use std::io::{BufRead as _, BufReader};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Thread;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, Float32Array, StringArray, UInt64Array};
use dora_node_api::{DoraArray, DoraNode, Event, MetadataParameters, Parameter};
use dora_shm_testkit::rng::Rng;
use dora_shm_testkit::signal;
use dora_shm_torture::events::{CALM, NodeEvent, SOCKET};
use dora_shm_torture::sequence::{number, stamp};
use eyre::{OptionExt as _, WrapErr as _};

/// Largest number of frames in a message.
const MOST_FRAMES: u64 = 32;

/// Time between two messages during the calm.
const CALM_PERIOD: Duration = Duration::from_millis(4);
/// Number of messages between two repetitions of the settings during the calm. They are repeated because a sink that is
/// being restarted may miss them.
const CALM_MESSAGES_PER_SETTINGS: u64 = 25;

fn main() -> eyre::Result<()> {
    let socket = std::env::var_os(SOCKET).ok_or_eyre("DORA_SHM_TORTURE_SOCKET is not set")?;
    let socket = UnixStream::connect(socket).wrap_err("cannot connect to the campaign's socket")?;
    let variable = |name: &str| std::env::var(name).wrap_err_with(|| format!("{name} is not set"));
    let (main, other) = (variable("STREAM")?, variable("OTHER_STREAM")?);
    let rng = Rng::new(variable("SEED")?.parse().wrap_err("SEED is not a number")?);
    let (node, mut events) = DoraNode::init_from_env()?;
    let orders = Arc::new(Orders::default());
    let source = std::thread::current();
    NodeEvent::Source.send(&mut &socket);
    listen(socket.try_clone()?, orders.clone(), source.clone());
    let listening = {
        let orders = orders.clone();
        std::thread::spawn(move || {
            while let Some(event) = events.recv() {
                if matches!(event, Event::Stop(_)) {
                    orders.stop(&source);
                }
            }
            orders.stop(&source);
            events
        })
    };
    // The number grows by less than one in a microsecond, so any later source begins above the numbers of this one.
    let run = dora_shm_ring::internal::monotonic_ns() / 1000;
    let mut source = Source { node, socket, rng, main, other, run, message: run, words: 8, sent: (0, 0, 0) };
    while !orders.stop.load(Ordering::Relaxed) {
        if orders.calm.load(Ordering::Relaxed) { source.calm(&orders)? } else { source.storm()? }
    }
    source.report();
    NodeEvent::Last(source.message - 1).send(&mut source.socket);
    drop(source.node);
    drop(listening.join());
    Ok(())
}

/// Commands to the source: dora's stop event, and the campaign's command to calm down.
#[derive(Default)]
struct Orders {
    stop: AtomicBool,
    calm: AtomicBool,
}

impl Orders {
    fn stop(&self, source: &Thread) {
        self.stop.store(true, Ordering::Relaxed);
        source.unpark();
    }
}

fn listen(socket: UnixStream, orders: Arc<Orders>, source: Thread) {
    std::thread::spawn(move || {
        for line in BufReader::new(socket).lines().map_while(Result::ok) {
            orders.calm.fetch_or(line == CALM, Ordering::Relaxed);
            source.unpark();
        }
    });
}

struct Source {
    node: DoraNode,
    socket: UnixStream,
    rng: Rng,
    main: String,
    other: String,
    /// Number of the first message.
    run: u64,
    /// Number of the next message.
    message: u64,
    /// Number of words in a frame.
    words: u64,
    /// Messages, documents and wrong documents since the last report.
    sent: (u64, u64, u64),
}

impl Source {
    /// Sends a burst that may exceed the sink's queue, with changes of settings in the middle of it, then pauses
    /// briefly.
    fn storm(&mut self) -> eyre::Result<()> {
        if self.rng.one_in(20) {
            self.words = 4 + self.rng.below(60);
        }
        for _ in 0..self.rng.below(400) {
            let frames = 1 + self.rng.below(MOST_FRAMES);
            self.send(frames)?;
            if self.rng.one_in(15) {
                self.change()?;
            }
        }
        self.report();
        let pause_end = Instant::now() + Duration::from_micros(self.rng.below(10_000));
        std::thread::park_timeout(pause_end.saturating_duration_since(Instant::now()));
        Ok(())
    }

    fn calm(&mut self, orders: &Orders) -> eyre::Result<()> {
        self.words = 8;
        let document = format!("{{shmem_name: {:?}, buf_frames: 20000, axis: null, key: {CALM}}}", self.main);
        self.settings(Arc::new(StringArray::from(vec![document])))?;
        for _ in 0..CALM_MESSAGES_PER_SETTINGS {
            self.send(8)?;
            let due = Instant::now() + CALM_PERIOD;
            while !orders.stop.load(Ordering::Relaxed) && Instant::now() < due {
                std::thread::park_timeout(due.saturating_duration_since(Instant::now()));
            }
            if orders.stop.load(Ordering::Relaxed) {
                break;
            }
        }
        self.report();
        Ok(())
    }

    fn report(&mut self) {
        let (messages, documents, refused) = std::mem::take(&mut self.sent);
        NodeEvent::Sent { messages, documents, refused }.send(&mut self.socket);
    }

    /// Sends the next message.
    fn send(&mut self, frames: u64) -> eyre::Result<()> {
        let (run, message) = (self.run, self.message);
        let mut bytes = vec![0; (8 * self.words * frames) as usize];
        for (index, frame) in (0..).zip(bytes.chunks_exact_mut(8 * self.words as usize)) {
            signal::fill(frame, stamp(run, message, index, frames));
        }
        let words = bytes.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word));
        let parameters: MetadataParameters = [
            ("sequence", Parameter::Integer(message as i64)),
            ("shape", Parameter::ListInt(vec![frames as i64, self.words as i64])),
            ("dims", Parameter::ListString(vec!["time".to_owned(), "word".to_owned()])),
            ("sample_rate", Parameter::Float(1.0)),
            ("axis_offset", Parameter::Float(number(message, 0) as f64)),
        ]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect();
        let data = DoraArray::from_array(UInt64Array::from_iter_values(words));
        self.node.send_output("data".to_owned().into(), parameters, data).wrap_err("cannot send a message")?;
        self.message += 1;
        self.sent.0 += 1;
        Ok(())
    }

    /// Sends a random change of settings. The sink must refuse every wrong one and change nothing.
    fn change(&mut self) -> eyre::Result<()> {
        let rng = &mut self.rng;
        let number = rng.below(1000);
        let right = match rng.below(14) {
            0..5 => format!("buf_frames: {}", 1 + number * 4),
            5..7 => format!("buf_dur: {}.5", 40 + number),
            7 => "axis: time".to_owned(),
            8 => "{axis: null, key: null}".to_owned(),
            9 | 10 => format!("key: storm {number}"),
            11 => format!("shmem_name: {:?}", if number < 300 { &self.other } else { &self.main }),
            _ => {
                const WRONG: [&str; 9] = [
                    "buf_dur: a while",
                    "buf_frames: 0",
                    "{buf_frames: 100, buf_dur: 2}",
                    "max_bytes: 1000",
                    "shmem_name: a/buffer7",
                    "{key: nothing changes, bufdur: 3}",
                    "{",
                    "",
                    "not a document",
                ];
                self.sent.2 += 1;
                let document: ArrayRef = match WRONG.get(number as usize % (WRONG.len() + 1)) {
                    Some(wrong) => Arc::new(StringArray::from(vec![*wrong])),
                    None => Arc::new(Float32Array::from(vec![0.5; 3])),
                };
                return self.settings(document);
            }
        };
        self.sent.1 += 1;
        self.settings(Arc::new(StringArray::from(vec![right])))
    }

    fn settings(&mut self, document: ArrayRef) -> eyre::Result<()> {
        let document = DoraArray::from(document);
        let sent = self.node.send_output("settings".to_owned().into(), Default::default(), document);
        sent.wrap_err("cannot send settings")
    }
}
