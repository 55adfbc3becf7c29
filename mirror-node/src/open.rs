//! A mirror that has not joined the dataflow yet: its stream, or the reason why it has none.

use dora_shm_node_kit::failing::Failure;
use dora_shm_node_kit::launch::Surroundings;
use dora_shm_node_kit::recovery::{Started, Starter};
use dora_shm_node_kit::report::Log;
use dora_shm_node_kit::settings::{MirrorSettings, StartAt, StartSettings};
use dora_shm_ring::{MessageReader, ReaderOptions, Start};
use eyre::Context as _;

/// A stream that was opened, though it need not exist yet, and the settings that it was opened with.
pub struct Source {
    pub settings: MirrorSettings,
    pub reader: MessageReader,
}

/// A mirror with its stream, or without one because it has failed.
pub struct Opened {
    /// The outcome of the first attempt.
    pub started: Started<MirrorSettings, Source>,
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
        let mut starter =
            Starter::new(StartSettings::of_mirror(surroundings.env.clone()), |settings, _| open(settings));
        if let Some(failure) = failure {
            starter.fails_by(failure);
        }
        Self { started: starter.start(), log: surroundings.log(crate::PROGRAM) }
    }
}

fn open(settings: MirrorSettings) -> eyre::Result<Source> {
    let start = match settings.start {
        StartAt::Newest => Start::Newest,
        StartAt::Oldest => Start::Oldest,
    };
    let options = ReaderOptions::default().start(start).owner(settings.owner);
    let name = &settings.shmem_name;
    let reader = MessageReader::open(name, options)
        .map_err(|error| match error {
            dora_shm_ring::Error::WrongOwner { found, .. } => eyre::Report::new(error)
                .wrap_err(format!("the stream belongs to another user; to trust it, set OWNER: {found}")),
            error => eyre::Report::new(error),
        })
        .wrap_err_with(|| format!("cannot read the stream {name:?}"))?;
    Ok(Source { settings, reader })
}
