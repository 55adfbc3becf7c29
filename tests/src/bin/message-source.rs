//! dora node for tests: sends the messages of the script `SCRIPT`, one every `PERIOD`, on its output `data`.
//!
//! It stays until it is stopped when `STAY` is set, so that its outputs remain open.

use std::time::{Duration, Instant};

use dora_node_api::{DoraArray, DoraNode, Event, EventStream};
use dora_shm_dataflows::duration;
use dora_shm_tests::script;
use eyre::{OptionExt as _, WrapErr as _};

fn main() -> eyre::Result<()> {
    let name = std::env::var("SCRIPT").wrap_err("SCRIPT names the script")?;
    let period = duration::parse(&std::env::var("PERIOD").unwrap_or_else(|_| "5ms".to_owned()))?;
    let messages = script::messages(&name).ok_or_eyre("no script of that name")?;
    let (mut node, mut events) = DoraNode::init_from_env()?;
    let start = Instant::now();
    for (index, message) in messages.into_iter().enumerate() {
        if !wait_until(start + period * index as u32, &mut events) {
            return Ok(());
        }
        node.send_output("data".to_owned().into(), message.parameters, DoraArray::from(message.data))?;
    }
    println!("message-source: sent all");
    if std::env::var_os("STAY").is_some() {
        while events.recv().is_some() {}
    }
    Ok(())
}

/// Waits until `due`; false when the graph stops before.
fn wait_until(due: Instant, events: &mut EventStream) -> bool {
    loop {
        let left = due.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        if let None | Some(Event::Stop(_)) = events.recv_timeout(left.max(Duration::from_micros(100))) {
            return false;
        }
    }
}
