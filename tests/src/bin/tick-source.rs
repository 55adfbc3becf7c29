//! dora node for tests: sends messages of one number without a rate on its output `data`, `MESSAGES` at each tick of
//! `TICKS_HZ`, which begin after `AFTER_S` seconds, behind a burst of `BURST` at the start. The numbers count from 0.
//!
//! It runs until it is stopped.

use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::Int64Array;
use dora_node_api::{DoraArray, DoraNode, Event};
use eyre::{WrapErr as _, eyre};

fn main() -> eyre::Result<()> {
    let (ticks_hz, after_s) = (setting::<f64>("TICKS_HZ")?, setting::<f64>("AFTER_S")?);
    let (messages, burst) = (setting::<u64>("MESSAGES")?, setting::<u64>("BURST")?);
    let (mut node, mut events) = DoraNode::init_from_env()?;
    let (start, mut next) = (Instant::now(), 0i64);
    let mut send = |node: &mut DoraNode, messages| {
        for _ in 0..messages {
            let data = DoraArray::from(Arc::new(Int64Array::from_iter_values([next])) as arrow::array::ArrayRef);
            node.send_output("data".to_owned().into(), Default::default(), data)?;
            next += 1;
        }
        eyre::Ok(())
    };
    send(&mut node, burst)?;
    for tick in 1u32.. {
        let due = start + Duration::from_secs_f64(after_s + f64::from(tick) / ticks_hz);
        while let Some(left) = due.checked_duration_since(Instant::now()) {
            if let None | Some(Event::Stop(_)) = events.recv_timeout(left.max(Duration::from_micros(100))) {
                return Ok(());
            }
        }
        send(&mut node, messages)?;
    }
    Ok(())
}

fn setting<T: FromStr>(name: &str) -> eyre::Result<T> {
    let text = std::env::var(name).wrap_err_with(|| format!("{name} is not set"))?;
    text.parse().map_err(|_| eyre!("{name} is {text:?}, not a number"))
}
