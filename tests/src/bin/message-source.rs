//! dora node for tests: sends the messages of the script `SCRIPT` on its output `data`, one every `PERIOD`. If `AFTER`
//! names a folder, it sends each message as soon as the previous one has its receipt there.
//!
//! If `STAY` is set, it runs until it is stopped, so that its output remains open.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use dora_node_api::{DoraArray, DoraNode, Event, EventStream};
use dora_shm_dataflows::duration;
use dora_shm_tests::record::receipt;
use dora_shm_tests::script;
use eyre::{OptionExt as _, WrapErr as _};

fn main() -> eyre::Result<()> {
    let name = std::env::var("SCRIPT").wrap_err("SCRIPT, the script's name, is not set")?;
    let period = duration::parse(&std::env::var("PERIOD").unwrap_or_else(|_| "5ms".to_owned()))?;
    let messages = script::messages(&name).ok_or_eyre("SCRIPT does not name a script")?;
    let (mut node, mut events) = DoraNode::init_from_env()?;
    let receipts = std::env::var_os("AFTER").map(PathBuf::from);
    let start = Instant::now();
    for (index, message) in messages.into_iter().enumerate() {
        let goes_on = match &receipts {
            Some(folder) => index == 0 || wait_for(&receipt(folder, index - 1), &mut events),
            None => wait_until(start + period * index as u32, &mut events),
        };
        if !goes_on {
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

/// Waits until `file` exists. Returns `false` if the graph stops before.
fn wait_for(file: &Path, events: &mut EventStream) -> bool {
    while !file.exists() {
        if !wait_until(Instant::now() + Duration::from_millis(1), events) {
            return false;
        }
    }
    true
}

/// Waits until `due`. Returns `false` if the graph stops before.
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
