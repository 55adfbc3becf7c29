//! Sizes among the parameters: they affect what the samples mean.

use dora_node_api::MetadataParameters;

use crate::params::attr::same;
use crate::params::keys::{CHANNELS, ENCODING, HEIGHT, WIDTH};
use crate::params::read::Hints;
use crate::settings::MessageSettings;

const KEYS: [&str; 4] = [ENCODING, WIDTH, HEIGHT, CHANNELS];

/// How many of [`KEYS`] matter in any case, and how many if `SHAPE` may contradict them.
const ALWAYS: usize = 1;
const FOR_CHECK: usize = 3;

/// The sizes of the newest message. They are compared even after they have left the description because they keep
/// changing: an encoding may name a compressed picture, and a size may fit some messages only.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SizeParams {
    parameters: MetadataParameters,
    give_shape: bool,
    /// The setting `SHAPE` may contradict them.
    check_shape: bool,
    may_be_picture: bool,
}

impl SizeParams {
    pub(crate) fn new(settings: &MessageSettings, hints: &Hints, parameters: &MetadataParameters) -> Self {
        let sent = KEYS.iter().filter_map(|key| parameters.get_key_value(*key));
        Self {
            parameters: sent.map(|(key, value)| (key.clone(), value.clone())).collect(),
            check_shape: settings.dims.is_none() && settings.shape.as_ref().is_some_and(|shape| shape.len() >= 2),
            give_shape: settings.shape.is_none() && hints.shape.is_none(),
            may_be_picture: hints.width.is_some() && hints.height.is_some(),
        }
    }

    /// Whether they give the shape, because neither a setting nor the parameter `shape` does.
    pub(crate) fn give_shape(&self) -> bool {
        self.give_shape
    }

    pub(crate) fn may_be_picture(&self) -> bool {
        self.may_be_picture
    }

    /// Whether a change of `key` matters, even if it has left the description.
    pub(crate) fn matters(&self, key: &str) -> bool {
        self.keys().contains(&key)
    }

    /// Whether the sizes in `parameters` are the same, as far as they matter.
    pub(crate) fn are(&self, parameters: &MetadataParameters) -> bool {
        self.keys().iter().all(|key| match (self.parameters.get(*key), parameters.get(*key)) {
            (Some(before), Some(now)) => same(before, now),
            (before, now) => before.is_none() && now.is_none(),
        })
    }

    fn keys(&self) -> &'static [&'static str] {
        match (self.give_shape, self.check_shape) {
            (true, _) => &KEYS,
            (false, true) => &KEYS[..FOR_CHECK],
            (false, false) => &KEYS[..ALWAYS],
        }
    }
}
