//! Where the frames of a message are on the buffered axis.

use std::fmt;

use dora_shm_ring::Times;

use crate::params::keys::TIMESTAMP;

/// Where the frames of a message are on the buffered axis.
#[derive(Clone, Copy, Debug)]
pub enum Placement<'a> {
    /// Here, in seconds for a time axis: the source gives the times, or they follow those that it gave. They are stored
    /// as they are.
    Given(Times<'a>),
    /// The source gives a rate and nothing else: the frames are to be placed by that rate and by when messages came.
    ByRate,
    /// The source gives neither times nor a rate: the frames are to be placed by when messages came.
    ByArrival,
}

/// Something about the times of a message that its user may want to know. Displayed, it is a sentence for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimeNote<'a> {
    /// The message lacks times, unlike those before it: its frames follow the frame before.
    Carried {
        /// What `TIME` names, if it is set.
        name: Option<&'a str>,
    },
    /// The message has a `timestamp`, and nothing uses it. It comes once.
    UnusedTimestamp,
}

impl fmt::Display for TimeNote<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Carried { name: Some(name) } => write!(
                f,
                "a message lacks `{name}`, which TIME names: its frames follow the frame before by one step; have the \
                 source send it with each message"
            ),
            Self::Carried { name: None } => f.write_str(
                "a message lacks times, which those before it had: its frames follow the frame before by one step; have \
                 the source send them with each message",
            ),
            Self::UnusedTimestamp => write!(
                f,
                "messages have a parameter `{TIMESTAMP}`, which is not used; to take the frames' times from it, set \
                 TIME: {TIMESTAMP}; also TIME_UNIT if it is neither an integer in ns nor a float in s, and CLOCK: unix if it \
                 is Unix time"
            ),
        }
    }
}
