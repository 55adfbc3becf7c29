//! The settings and the stream of a sink that has not joined the dataflow yet.

use dora_node_api::DoraNode;
use dora_shm_node_kit::launch::Surroundings;
use dora_shm_node_kit::report::Log;
use dora_shm_node_kit::settings::SinkSettings;
use eyre::Context as _;

use crate::sink::Sink;
use crate::stream::SinkStream;

/// An open stream, still without a ring, and its settings. Dropping it closes the stream.
pub struct Opened {
    stream: SinkStream,
    fresh_name: String,
    log: Log,
}

impl Opened {
    /// Reads the settings and opens the stream.
    ///
    /// # Errors
    /// If a setting is wrong, or the stream has a live writer or cannot be created.
    pub fn open(surroundings: &Surroundings) -> eyre::Result<Self> {
        let settings = SinkSettings::from_env(&surroundings.env).wrap_err("the settings of this node are wrong")?;
        let fresh_name = fresh_name(surroundings);
        let log = Log::new(&*surroundings.node);
        let name = settings.shmem_name.as_ref().unwrap_or(&fresh_name);
        let writer = SinkStream::open(name, &settings)?;
        let origin = if settings.shmem_name.is_some() { "" } else { " (SHMEM_NAME is unset: a fresh name)" };
        log.info(&format!("writes stream {name:?}{origin}"));
        Ok(Self { stream: SinkStream::new(writer, settings, log.clone()), fresh_name, log })
    }

    pub(crate) fn into_sink(self, node: &mut DoraNode) -> Sink {
        Sink::new(node, self.stream, self.fresh_name, self.log)
    }
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
