//! dora node: sends the synthetic signal in real time on its output `data`.
//!
//! If the environment variable `SIGNAL_DURATION` is set (such as `10s`), the node ends after this duration. Otherwise
//! it sends until it is stopped.

use std::time::{Duration, Instant};

use dora_node_api::{DoraNode, Event, EventStream, MetadataParameters, Parameter};
use dora_shm_dataflows::duration;
use dora_shm_dataflows::signal::{CHANNELS, FRAMES_PER_MESSAGE, RATE_HZ, Signal, axes_json};
use eyre::WrapErr;

fn main() -> eyre::Result<()> {
    let limit = match std::env::var("SIGNAL_DURATION") {
        Ok(text) => Some(duration::parse(&text).wrap_err("SIGNAL_DURATION is not valid")?),
        Err(_) => None,
    };
    let messages = limit.map(|limit| (limit.as_secs_f64() * RATE_HZ as f64 / FRAMES_PER_MESSAGE as f64).round() as u64);
    let (mut node, mut events) = DoraNode::init_from_env()?;

    let signal = Signal::default();
    let parameters = parameters();
    let period = Duration::from_secs(1) * FRAMES_PER_MESSAGE as u32 / RATE_HZ as u32;
    let start = Instant::now();
    let mut sequence = 0;
    while messages.is_none_or(|messages| sequence < messages)
        && wait_until(start + period * sequence as u32, &mut events)
    {
        send(&mut node, &signal, sequence, parameters.clone())?;
        sequence += 1;
    }
    println!("signal-source: sent {} frames", sequence * FRAMES_PER_MESSAGE as u64);
    Ok(())
}

/// Waits until `due`. Returns `false` if the dataflow stops before.
fn wait_until(due: Instant, events: &mut EventStream) -> bool {
    loop {
        let left = due.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        // A timeout arrives as an error event. The clock decides what it means.
        match events.recv_timeout(left) {
            None | Some(Event::Stop(_)) => return false,
            Some(_) => {}
        }
    }
}

/// Sends message number `sequence`. The time of its newest frame is the time of this call.
fn send(node: &mut DoraNode, signal: &Signal, sequence: u64, mut parameters: MetadataParameters) -> eyre::Result<()> {
    let first = sequence * FRAMES_PER_MESSAGE as u64;
    let mut samples = Vec::with_capacity(FRAMES_PER_MESSAGE * CHANNELS);
    (first..first + FRAMES_PER_MESSAGE as u64).for_each(|frame| signal.push_frame(frame, &mut samples));

    let newest = dora_shm_ring::internal::monotonic_ns() as f64 * 1e-9;
    let oldest = newest - (FRAMES_PER_MESSAGE - 1) as f64 / RATE_HZ as f64;
    parameters.insert("sequence".to_owned(), Parameter::Integer(sequence as i64));
    parameters.insert("axis_offset".to_owned(), Parameter::Float(oldest));
    node.send_output("data".to_owned().into(), parameters, samples).wrap_err("cannot send the signal")
}

/// The parameters that every message carries.
fn parameters() -> MetadataParameters {
    let shape = vec![FRAMES_PER_MESSAGE as i64, CHANNELS as i64];
    [
        ("key", Parameter::String("synthetic signal".to_owned())),
        ("shape", Parameter::ListInt(shape)),
        ("dims", Parameter::ListString(vec!["time".to_owned(), "ch".to_owned()])),
        ("sample_rate", Parameter::Float(RATE_HZ as f64)),
        ("axes", Parameter::String(axes_json())),
        ("unit", Parameter::String("uV".to_owned())),
    ]
    .into_iter()
    .chain(clock())
    .map(|(key, value)| (key.to_owned(), value))
    .collect()
}

/// The clock of `axis_offset`: the monotonic clock of this machine, if it can be named.
fn clock() -> Vec<(&'static str, Parameter)> {
    let id = dora_shm_ring::clock_id();
    if !id.is_known() {
        return Vec::new();
    }
    vec![("clock", Parameter::String("monotonic".to_owned())), ("clock_id", Parameter::String(id.to_string()))]
}
