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

/// A campaign: a kind of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Campaign {
    /// SIGKILL and SIGSTOP of writers and readers at random moments, zombies
    Kills,
    /// SIGKILL after every store, compared with the crash table
    Stores,
    /// Format changes as fast as possible
    Formats,
    /// Public names and anchors removed under a live writer
    Names,
    /// Several writers that compete for one name and are killed
    Racers,
    /// Attaching and detaching during restarts
    Attaches,
    /// Counters that wrap around, the smallest rings, the largest frames
    Edges,
    /// A shared memory of 64 MB that is full, and fills while frames flow
    SmallShm,
    /// Segments that are overwritten at random, and files that are not segments under a stream's names
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

    /// Size of the campaign's private shared memory.
    pub fn megabytes(self) -> u64 {
        match self {
            Self::SmallShm => 64,
            _ => 2048,
        }
    }

    /// Whether a segment of this name may be left in shared memory. dora's nodes leave their pools behind when they are
    /// killed, until zenoh removes them.
    pub fn may_leave(self, segment: &str) -> bool {
        self == Self::Graph && segment.ends_with(".zenoh")
    }

    /// Share of the time of all campaigns together, in the long form. The soak takes a third of it.
    pub fn share(self) -> f64 {
        match self {
            Self::Kills | Self::Stores => 0.12,
            Self::Graph => 0.11,
            Self::Soak => 0.34,
            Self::Edges | Self::Names | Self::Hostile => 0.05,
            Self::Racers | Self::Formats | Self::Attaches | Self::SmallShm => 0.04,
        }
    }

    /// Time in the short form, in seconds.
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
