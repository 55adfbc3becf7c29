//! Which description of a foreign stream a reader holds.

use std::sync::Arc;

use super::super::attachment::Attachment;
use super::ForeignStream;
use super::files::read_pickle;
use crate::ezmsg::foreign::Seen;
use crate::ezmsg::metadata;
use crate::{Description, Result};

/// The newest description, or why there is none.
#[derive(Default)]
pub(super) struct Descriptions {
    /// The number that was looked at last.
    number: u32,
    held: Option<Arc<Description>>,
    /// The segment of that number was gone.
    missed: bool,
    refused: Option<String>,
    left_out: Vec<String>,
}

impl Descriptions {
    /// The number of the one that was looked at last.
    pub fn number(&self) -> u32 {
        self.number
    }

    pub fn refused(&self) -> Option<&str> {
        self.refused.as_deref()
    }

    pub fn left_out(&self) -> &[String] {
        &self.left_out
    }
}

impl ForeignStream {
    /// Reads the description that `seen` names, unless it was looked at before. One that is refused, or gone, leaves the
    /// samples as they are.
    pub(super) fn take_description(&mut self, own: &Attachment, seen: &Seen) -> Result<()> {
        let number = seen.meta_generation();
        if number == self.descriptions.number {
            return Ok(());
        }
        let Some(ring) = &self.ring else { return Ok(()) };
        let rank = ring.layout.format.frame_shape().len();
        let mut now = Descriptions { number, ..Descriptions::default() };
        match read_pickle(&own.name, &self.header, seen)? {
            _ if number == 0 => {}
            None => {
                now.held = self.descriptions.held.take();
                now.missed = true;
            }
            Some(pickle) => {
                let read = pickle.and_then(|pickle| metadata::decode(&pickle));
                match read.and_then(|read| read.description.check(rank).map(|()| read)) {
                    Ok(read) => (now.held, now.left_out) = (Some(Arc::new(read.description)), read.left_out),
                    Err(reason) => now.refused = Some(reason),
                }
            }
        }
        self.descriptions = now;
        Ok(())
    }

    /// The description in force. Between a new ring and the description that follows it, the old one may be of frames of
    /// another rank: better none than that.
    pub fn description(&self) -> Option<&Arc<Description>> {
        let dims = 1 + self.format()?.frame_shape().len();
        self.descriptions.held.as_ref().filter(|held| held.dims.is_empty() || held.dims.len() == dims)
    }

    pub fn description_missed(&self) -> bool {
        self.descriptions.missed || self.descriptions.refused.is_some()
    }
}
