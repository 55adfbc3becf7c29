//! Which parameters are static: those that rarely change. Only they belong in the description.

use std::collections::{BTreeMap, BTreeSet};

use dora_node_api::{MetadataParameters, Parameter};

use crate::params::attr::same;
use crate::params::keys::{CHANNELS, ENCODING, HEIGHT, Role, WIDTH, role};

/// A value that has changed this many times changes with the messages, and leaves the description for good.
const MAX_CHANGES: u8 = 3;

/// Once this many attributes have come late and left again, a new name has to stay for a while before it counts. If a
/// source's names change with its messages, each name comes only once, so that no name ever changes three times.
const MAX_DEPARTURES: u8 = 8;

/// Number of consecutive messages that must then have a new name before it counts.
const STAYING: u8 = 8;

/// Most attributes under names that the first message did not have. Further ones are never described. This bounds what
/// is remembered, and the number of descriptions that such names can cause.
const MAX_LATE: usize = 256;

/// Something that is static until it has changed three times.
#[derive(Clone, Debug)]
pub(crate) struct Watched<T> {
    value: T,
    changes: u8,
}

impl<T> Watched<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { value, changes: 0 }
    }

    /// Takes the next value. `same`: it equals the one before. `counts`: a change counts.
    fn next(&mut self, value: T, same: bool, counts: bool) {
        if !same && counts {
            self.changes = self.changes.saturating_add(1);
        }
        self.value = value;
    }

    pub(crate) fn set(&mut self, value: T)
    where
        T: PartialEq,
    {
        self.set_counted(value, true);
    }

    /// Takes the next value. `counts`: a change counts.
    pub(crate) fn set_counted(&mut self, value: T, counts: bool)
    where
        T: PartialEq,
    {
        let same = self.value == value;
        self.next(value, same, counts);
    }

    pub(crate) fn is_static(&self) -> bool {
        self.changes < MAX_CHANGES
    }

    /// The value, if it is static.
    pub(crate) fn get(&self) -> Option<&T> {
        self.is_static().then_some(&self.value)
    }
}

/// All parameters of a source, other than those that belong to one message.
#[derive(Clone, Debug, Default)]
pub(crate) struct StaticParams {
    /// `None` inside: absent from the newest message.
    known: BTreeMap<String, Watched<Option<Parameter>>>,
    has_seen_any: bool,
    /// Names that came after the first message.
    late: BTreeSet<String>,
    /// How many of them have left again.
    departures: u8,
    /// New names that have to stay, with the number of messages in which they came.
    candidates: BTreeMap<String, u8>,
    /// A parameter that belongs to one message, because a setting says so.
    passing: Option<String>,
}

impl StaticParams {
    /// Whether those of `parameters` that matter are unchanged since the message before. `is_same` compares two values
    /// of a parameter, the earlier one first. Allocates nothing.
    #[inline]
    pub(crate) fn is_unchanged(
        &self,
        parameters: &MetadataParameters,
        mut is_same: impl FnMut(&str, &Parameter, &Parameter) -> bool,
    ) -> bool {
        let mut present = self.known.iter().filter_map(|(key, watched)| Some((key, watched.get()?.as_ref()?)));
        for (key, value) in parameters {
            if !self.is_watched(key, value) {
                continue;
            }
            match present.next() {
                Some((known, before)) if known == key && is_same(key, before, value) => {}
                _ => return false,
            }
        }
        // While there are candidates, every message has to be counted.
        self.has_seen_any && present.next().is_none() && self.candidates.is_empty()
    }

    /// Sets which parameter belongs to one message, although it would be an attribute by its name.
    pub(crate) fn set_passing(&mut self, name: Option<&str>) {
        self.passing = name.map(str::to_owned);
        self.known.retain(|key, watched| {
            let is_attr = watched.value.as_ref().is_none_or(|value| role(key, value) == Role::Attr);
            name != Some(key.as_str()) || !is_attr
        });
    }

    /// Whether a change of this parameter matters.
    fn is_watched(&self, key: &str, value: &Parameter) -> bool {
        if self.passing.as_deref() == Some(key) && role(key, value) == Role::Attr {
            return false;
        }
        match (role(key, value), self.known.get(key)) {
            (Role::Passing, _) => false,
            (_, Some(watched)) => watched.is_static(),
            (Role::Meaning, None) => true,
            (Role::Attr, None) => self.late.len() < MAX_LATE,
        }
    }

    /// Whether a parameter of this name is described.
    pub(crate) fn is_static(&self, key: &str) -> bool {
        self.known.get(key).is_none_or(Watched::is_static)
    }

    /// Takes the parameters of the next message. A change of a size together with the frames' shape (`new_shape`) does
    /// not count: it starts a generation anyway.
    pub(crate) fn update(&mut self, parameters: &MetadataParameters, new_shape: bool) {
        let is_size = |key: &str| matches!(key, WIDTH | HEIGHT | ENCODING | CHANNELS);
        let counts = |key: &str, value: &Parameter| role(key, value) == Role::Attr && !(is_size(key) && new_shape);
        for (key, watched) in &mut self.known {
            if let (true, Some(before)) = (watched.is_static() && !parameters.contains_key(key), &watched.value) {
                let counts = counts(key, before);
                watched.next(None, false, counts);
                self.departures = self.departures.saturating_add(u8::from(self.late.contains(key)));
            }
        }
        let mut candidates = BTreeMap::new();
        for (key, value) in parameters {
            if !self.is_watched(key, value) {
                continue;
            }
            let counts = self.has_seen_any && counts(key, value);
            match self.known.get_mut(key) {
                Some(watched) => {
                    let is_same = watched.value.as_ref().is_some_and(|before| same(before, value));
                    if !is_same {
                        watched.next(Some(value.clone()), false, counts);
                    }
                }
                None => {
                    if self.has_seen_any && role(key, value) == Role::Attr {
                        let came = self.candidates.get(key).map_or(1, |before| before + 1);
                        if self.departures >= MAX_DEPARTURES && came < STAYING {
                            candidates.insert(key.clone(), came);
                            continue;
                        }
                        self.late.insert(key.clone());
                    }
                    let changes = u8::from(counts);
                    self.known.insert(key.clone(), Watched { value: Some(value.clone()), changes });
                }
            }
        }
        self.candidates = candidates;
        self.has_seen_any = true;
    }

    /// The parameters of the newest message that are static.
    pub(crate) fn present(&self) -> impl Iterator<Item = (&String, &Parameter)> {
        self.known.iter().filter_map(|(key, watched)| Some((key, watched.get()?.as_ref()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(entries: &[(&str, i64)]) -> MetadataParameters {
        entries.iter().map(|&(key, value)| (key.to_owned(), Parameter::Integer(value))).collect()
    }

    fn is_unchanged(params: &StaticParams, parameters: &MetadataParameters) -> bool {
        params.is_unchanged(parameters, |_, before, now| same(before, now))
    }

    fn present(params: &StaticParams) -> Vec<&str> {
        params.present().map(|(key, _)| key.as_str()).collect()
    }

    #[test]
    fn a_parameter_that_changed_three_times_leaves_for_good() {
        let mut params = StaticParams::default();
        for (value, expected) in [(1, true), (2, true), (3, true), (4, false), (4, false), (4, false)] {
            params.update(&parameters(&[("gain", value), ("montage", 7)]), false);
            assert_eq!(present(&params).contains(&"gain"), expected, "value {value}");
            assert!(present(&params).contains(&"montage"));
        }
        assert!(is_unchanged(&params, &parameters(&[("gain", 99), ("montage", 7)])));
        assert!(is_unchanged(&params, &parameters(&[("montage", 7)])));
        assert!(!is_unchanged(&params, &parameters(&[("gain", 99), ("montage", 8)])));
    }

    #[test]
    fn appearing_and_disappearing_are_changes() {
        let mut params = StaticParams::default();
        params.update(&parameters(&[("a", 1)]), false);
        assert!(!is_unchanged(&params, &parameters(&[])));
        assert!(!is_unchanged(&params, &parameters(&[("a", 1), ("b", 1)])));
        for _ in 0..2 {
            params.update(&parameters(&[]), false);
            assert!(present(&params).is_empty());
            params.update(&parameters(&[("a", 1)]), false);
        }
        assert!(present(&params).is_empty());
        assert!(is_unchanged(&params, &parameters(&[("a", 1)])) && is_unchanged(&params, &parameters(&[])));
    }

    #[test]
    fn parameters_that_belong_to_one_message_are_ignored() {
        let mut params = StaticParams::default();
        params.update(&parameters(&[("sequence", 1), ("timestamp", 1), ("_x", 1), ("a", 1)]), false);
        assert_eq!(present(&params), ["a"]);
        assert!(is_unchanged(&params, &parameters(&[("sequence", 2), ("timestamp", 2), ("_y", 1), ("a", 1)])));
    }

    #[test]
    fn a_parameter_that_a_setting_takes_for_times_is_ignored() {
        let mut params = StaticParams::default();
        params.update(&parameters(&[("a", 1), ("stamp", 1), ("sample_rate", 1)]), false);
        params.set_passing(Some("stamp"));
        assert_eq!(present(&params), ["a", "sample_rate"]);
        assert!(is_unchanged(&params, &parameters(&[("a", 1), ("stamp", 2), ("sample_rate", 1)])));
        assert!(is_unchanged(&params, &parameters(&[("a", 1), ("sample_rate", 1)])));
        params.set_passing(None);
        assert!(!is_unchanged(&params, &parameters(&[("a", 1), ("stamp", 2), ("sample_rate", 1)])));
        // What defines the meaning of a message is never ignored.
        params.set_passing(Some("sample_rate"));
        assert!(!is_unchanged(&params, &parameters(&[("a", 1), ("sample_rate", 2)])));
    }

    #[test]
    fn names_that_are_new_with_each_message_are_ignored() {
        let mut params = StaticParams::default();
        let names: Vec<_> = (0..1000).map(|i| format!("k{i}")).collect();
        for name in &names {
            params.update(&parameters(&[("montage", 7), (name, 1)]), false);
        }
        assert_eq!(present(&params), ["montage"]);
        assert!(params.known.len() < 20, "{} names", params.known.len());
        assert!(params.candidates.len() < 2, "{} candidates", params.candidates.len());
        params.update(&parameters(&[("montage", 7)]), false);
        assert!(is_unchanged(&params, &parameters(&[("montage", 7)])));
        // Known names are still watched, and those that define what a message means always are.
        assert!(!is_unchanged(&params, &parameters(&[("montage", 8)])));
        assert!(!is_unchanged(&params, &parameters(&[("montage", 7), ("sample_rate", 8)])));
        // A name that stays is accepted after a while.
        let sent = parameters(&[("montage", 7), ("operator", 3)]);
        for _ in 0..STAYING {
            assert_eq!(present(&params), ["montage"]);
            assert!(!is_unchanged(&params, &sent));
            params.update(&sent, false);
        }
        assert_eq!(present(&params), ["montage", "operator"]);
        assert!(is_unchanged(&params, &sent));
    }

    #[test]
    fn late_names_that_stay_are_described_until_there_are_too_many() {
        let mut params = StaticParams::default();
        let names: Vec<_> = (0..1000).map(|i| format!("k{i:04}")).collect();
        let mut sent = parameters(&[("montage", 7)]);
        params.update(&sent, false);
        for (i, name) in names.iter().enumerate() {
            sent.insert(name.clone(), Parameter::Integer(1));
            params.update(&sent, false);
            assert_eq!(present(&params).len(), 1 + (i + 1).min(MAX_LATE));
        }
        assert!(is_unchanged(&params, &sent));
        // Further names cost nothing, and are not described even when others leave.
        let few = parameters(&[("montage", 7), ("k0999", 1)]);
        params.update(&few, false);
        assert_eq!(present(&params), ["montage"]);
        assert!(is_unchanged(&params, &few));
    }

    #[test]
    fn not_a_number_equals_itself() {
        let nan = MetadataParameters::from([("a".to_owned(), Parameter::Float(f64::NAN))]);
        let mut params = StaticParams::default();
        params.update(&nan, false);
        assert!(is_unchanged(&params, &nan));
    }

    #[test]
    fn a_size_that_changes_with_the_frames_shape_stays() {
        let mut params = StaticParams::default();
        for size in 0..9 {
            params.update(&parameters(&[("width", size)]), true);
        }
        assert_eq!(present(&params), ["width"]);
        for size in 9..12 {
            params.update(&parameters(&[("width", size)]), false);
        }
        assert!(present(&params).is_empty());
    }
}
