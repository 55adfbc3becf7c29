//! The campaigns, one file each.

pub mod attaches;
pub mod edges;
pub mod formats;
pub mod graph;
pub mod hostile;
pub mod impostors;
pub mod kills;
pub mod names;
pub mod racers;
pub mod small_shm;
pub mod soak;
pub mod stores;

use clap::ValueEnum;

use crate::fixture::{Fixture, Outcome};

/// A kind of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Campaign {
    /// SIGKILL of writers and readers at random, SIGSTOP, zombies
    Kills,
    /// SIGKILL after every store, against the crash table
    Stores,
    /// Format changes as fast as possible
    Formats,
    /// Public names and anchors unlinked under a live writer
    Names,
    /// Several writers racing for one name, and killed
    Racers,
    /// Attaching and detaching during restarts
    Attaches,
    /// Numbers that wrap round, the smallest rings, the largest frames
    Edges,
    /// A shared memory of 64 MB that is full, and fills while frames flow
    SmallShm,
    /// Segments scribbled over, and what is no segment in the place of one
    Hostile,
    /// Nodes and daemons killed in running graphs, with CPU hogs, full queues and live changes of settings
    Graph,
    /// Small frames in large chunks at full speed
    Soak,
}

impl Campaign {
    pub fn word(self) -> String {
        self.to_possible_value().expect("no campaign is hidden").get_name().to_owned()
    }

    /// Room of the campaign's own shared memory.
    pub fn megabytes(self) -> u64 {
        match self {
            Self::SmallShm => 64,
            _ => 2048,
        }
    }

    /// Whether what is left in shared memory under this name is known and nobody's fault here: dora's nodes leave their
    /// pools behind when they are killed, until zenoh finds them.
    pub fn may_leave(self, segment: &str) -> bool {
        self == Self::Graph && segment.ends_with(".zenoh")
    }

    /// Share of the time that all campaigns have together. In the long form the soak has a third of it.
    pub fn share(self) -> f64 {
        match self {
            Self::Kills | Self::Stores => 0.12,
            Self::Graph => 0.11,
            Self::Soak => 0.34,
            Self::Edges | Self::Names | Self::Hostile => 0.05,
            Self::Racers | Self::Formats | Self::Attaches | Self::SmallShm => 0.04,
        }
    }

    /// Seconds in the short form.
    pub fn short_seconds(self) -> f64 {
        match self {
            Self::Graph => 15.0,
            Self::Stores => 12.0,
            Self::Kills => 8.0,
            Self::Hostile => 7.0,
            Self::Edges | Self::Names | Self::SmallShm | Self::Soak => 6.0,
            Self::Racers | Self::Formats | Self::Attaches => 4.0,
        }
    }

    pub fn run(self, fixture: &Fixture) -> Outcome {
        match self {
            Self::Kills => kills::run(fixture),
            Self::Stores => stores::run(fixture),
            Self::Formats => formats::run(fixture),
            Self::Names => names::run(fixture),
            Self::Racers => racers::run(fixture),
            Self::Attaches => attaches::run(fixture),
            Self::Edges => edges::run(fixture),
            Self::SmallShm => small_shm::run(fixture),
            Self::Hostile => hostile::run(fixture),
            Self::Graph => graph::run(fixture),
            Self::Soak => soak::run(fixture),
        }
    }
}
