//! A sink that has not joined the dataflow yet: its stream, or the reason why it has none.

use std::time::Duration;

use dora_shm_node_kit::failing::Failure;
use dora_shm_node_kit::launch::Surroundings;
use dora_shm_node_kit::recovery::{Started, Starter};
use dora_shm_node_kit::report::Log;
use dora_shm_node_kit::settings::{SinkSettings, StartSettings};

use crate::stream::SinkStream;

/// A sink with its open stream, still without a ring, or without one because it has failed. Dropping it closes the stream.
pub struct Opened {
    /// The outcome of the first attempt.
    pub started: Started<SinkSettings, SinkStream>,
    pub(crate) fresh_name: String,
    pub(crate) log: Log,
}

impl Opened {
    /// Reads the settings and opens the stream. A failure does not keep the node from joining the dataflow, so it is part of
    /// the result.
    pub fn open(surroundings: &Surroundings) -> Self {
        Self::open_unless(None, surroundings)
    }

    /// As [`Opened::open`], but fails for good if there is a `failure` already.
    pub(crate) fn open_unless(failure: Option<Failure>, surroundings: &Surroundings) -> Self {
        let (fresh_name, log) = (fresh_name(surroundings), surroundings.log(crate::PROGRAM));
        let settings = StartSettings::of_sink(surroundings.env.clone());
        let mut starter = Starter::new(settings, {
            let (fresh_name, log) = (fresh_name.clone(), log.clone());
            move |settings, patience| open(settings, &fresh_name, &log, patience)
        });
        if let Some(failure) = failure {
            starter.fails_by(failure);
        }
        Self { started: starter.start(), fresh_name, log }
    }
}

fn open(settings: SinkSettings, fresh_name: &str, log: &Log, patience: Duration) -> eyre::Result<SinkStream> {
    let name = name(&settings, fresh_name);
    let writer = SinkStream::open(&name, &settings, patience)?;
    let origin = if settings.shmem_name.is_some() { "" } else { " (SHMEM_NAME is unset: a fresh name)" };
    log.info(&format!("writes stream {name:?}{origin}"));
    Ok(SinkStream::new(writer, settings, log.clone()))
}

/// The name of the stream that `settings` ask for.
pub(crate) fn name(settings: &SinkSettings, fresh_name: &str) -> String {
    settings.shmem_name.clone().unwrap_or_else(|| fresh_name.to_owned())
}

/// A unique name: every start of a dataflow has a new id. When dora restarts the sink, the name is the same, so the
/// sink takes over its stream and the readers stay.
fn fresh_name(surroundings: &Surroundings) -> String {
    // A colon rather than a slash: the node's id may be `buffer1`, and a stream's name must not end in `/buffer1`.
    format!("{}:{}", surroundings.dataflow, surroundings.node)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fresh_name_differs_for_each_dataflow_and_node() {
        let named = |dataflow: &str, node: &str| {
            fresh_name(&Surroundings { node: node.into(), dataflow: dataflow.into(), ..Surroundings::default() })
        };
        assert_eq!(named("1", "sink"), named("1", "sink"));
        assert_ne!(named("1", "sink"), named("2", "sink"));
        assert_ne!(named("1", "sink"), named("1", "sink2"));
        for node in ["sink", "buffer1", "meta0"] {
            dora_shm_ring::check_name(&named("01a2054e-91c7-78ac-b8f5-65f979701244", node)).unwrap();
        }
    }
}
