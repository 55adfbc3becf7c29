//! dora node for tests of times: sends samples on its output `data` in the way that `MODE` names. Each sample is a frame
//! whose number is when it was taken: CLOCK_MONOTONIC in nanoseconds, a sample each millisecond.
//!
//! | `MODE` | a message has | it states |
//! |---|---|---|
//! | `bursts` | what was taken since the last message, 1 to 60 ms ago | the rate |
//! | `blocks` | 100 samples, when the last one was taken | the rate |
//! | `pause` | 20 samples; none for two seconds in the middle, and those taken then are lost | the rate |
//! | `plain` | every tenth of the last 40 samples | nothing |
//! | `stamped` | one sample | when it was taken: the parameter `stamp` in us, and `header.stamp` in the output `record` |
//!
//! It ends after six seconds.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, Int32Array, Int64Array, StructArray, UInt32Array};
use arrow::datatypes::Field;
use dora_node_api::{DoraArray, DoraNode, Event, EventStream, MetadataParameters, Parameter};
use dora_shm_ring::internal::monotonic_ns;
use dora_shm_testkit::rng::Rng;
use eyre::{WrapErr as _, bail};

const MS: u64 = 1_000_000;
const LASTS_MS: u64 = 6000;
const PAUSE_MS: std::ops::Range<u64> = 2000..4000;

/// The samples of a message, in ms since the start, and when it is sent.
struct Message {
    samples: Vec<u64>,
    sent: u64,
}

fn main() -> eyre::Result<()> {
    let mode = std::env::var("MODE").wrap_err("MODE is not set")?;
    let messages = messages(&mode)?;
    let rate = MetadataParameters::from([("sample_rate".to_owned(), Parameter::Float(1000.0))]);
    let (mut node, mut events) = DoraNode::init_from_env()?;
    let start_ns = monotonic_ns();
    for message in messages {
        if !wait_until(start_ns + message.sent * MS, &mut events) {
            return Ok(());
        }
        let taken_ns: Vec<_> = message.samples.iter().map(|ms| (start_ns + ms * MS) as i64).collect();
        let parameters = match mode.as_str() {
            "plain" => MetadataParameters::new(),
            "stamped" => [("stamp".to_owned(), Parameter::Integer(taken_ns[0] / 1000))].into(),
            _ => rate.clone(),
        };
        if mode == "stamped" {
            node.send_output("record".to_owned().into(), MetadataParameters::new(), record(taken_ns[0]))?;
        }
        let data: ArrayRef = Arc::new(Int64Array::from(taken_ns));
        node.send_output("data".to_owned().into(), parameters, DoraArray::from(data))?;
    }
    Ok(())
}

fn messages(mode: &str) -> eyre::Result<Vec<Message>> {
    let every = |ms: u64, samples: &dyn Fn(u64) -> Vec<u64>| {
        (1..=LASTS_MS / ms).map(|i| Message { samples: samples(i * ms), sent: i * ms }).collect::<Vec<_>>()
    };
    Ok(match mode {
        "bursts" => {
            let (mut rng, mut messages, mut taken) = (Rng::new(1), Vec::new(), 0);
            while taken < LASTS_MS {
                let sent = taken + 1 + rng.below(60);
                messages.push(Message { samples: (taken + 1..=sent).collect(), sent });
                taken = sent;
            }
            messages
        }
        "blocks" => every(100, &|sent| (sent - 99..=sent).collect()),
        "pause" => {
            let mut messages = every(20, &|sent| (sent - 19..=sent).collect());
            messages.retain(|message| !PAUSE_MS.contains(&message.sent));
            messages
        }
        "plain" => every(40, &|sent| (0..4).map(|i| sent - 30 + 10 * i).collect()),
        "stamped" => every(50, &|sent| vec![sent]),
        _ => bail!("{mode:?} is no MODE"),
    })
}

/// A record as `sensor_msgs` of ROS have them, taken at `taken_ns`.
fn record(taken_ns: i64) -> DoraArray {
    let sec: ArrayRef = Arc::new(Int32Array::from_iter_values([(taken_ns / 1_000_000_000) as i32]));
    let nanosec: ArrayRef = Arc::new(UInt32Array::from_iter_values([(taken_ns % 1_000_000_000) as u32]));
    let number: ArrayRef = Arc::new(Int64Array::from_iter_values([taken_ns]));
    let stamp = columns([("sec", sec), ("nanosec", nanosec)]);
    let header = columns([("stamp", stamp)]);
    DoraArray::from(columns([("header", header), ("x", number.clone()), ("y", number)]))
}

fn columns<const N: usize>(columns: [(&str, ArrayRef); N]) -> ArrayRef {
    let field = |name: &str, array: &ArrayRef| Arc::new(Field::new(name, array.data_type().clone(), false));
    Arc::new(StructArray::from(
        columns.into_iter().map(|(name, array)| (field(name, &array), array)).collect::<Vec<_>>(),
    ))
}

/// Waits until `due_ns`, CLOCK_MONOTONIC. Returns `false` if the graph stops before.
fn wait_until(due_ns: u64, events: &mut EventStream) -> bool {
    loop {
        let left = due_ns.saturating_sub(monotonic_ns());
        if left == 0 {
            return true;
        }
        if let Some(Event::Stop(_)) = events.recv_timeout(Duration::from_nanos(left.max(100_000))) {
            return false;
        }
    }
}
