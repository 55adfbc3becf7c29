//! Settings of a node that does not work yet: those of its environment, with the corrections that came since.
//!
//! A running node changes settings that are complete and right ([`SinkSettings::changed_by_document`]). These may be wrong or
//! missing, so they stay text, and every correction reads all of them again. Nothing runs yet, so every key can change.

use std::collections::BTreeMap;

use serde_yaml::Value;

use super::document::{key_text, mapping, unknown};
use super::error::{PREFIX, Result, SettingsError};
use super::mirror::{self, MirrorSettings};
use super::sink::{self, SinkSettings};
use super::source::NodeEnv;
use super::table::{Entry, keys, read_env};
use super::value::Setting;

const REQUIRED: &str = "REQUIRED";
const SHMEM_NAME: &str = "SHMEM_NAME";

/// Settings `S` of a node that starts.
pub struct StartSettings<S: 'static> {
    at_start: NodeEnv,
    current: NodeEnv,
    table: &'static [Entry<S>],
    blank: fn() -> S,
    read: fn(&NodeEnv) -> Result<S>,
    /// Keys of which only the latest counts.
    either: Option<[&'static str; 2]>,
}

impl StartSettings<SinkSettings> {
    /// The settings of a sink.
    pub fn of_sink(env: NodeEnv) -> Self {
        let either = Some(["BUF_DUR", "BUF_FRAMES"]);
        let (table, blank, read) = (sink::TABLE, SinkSettings::default, SinkSettings::from_env);
        Self { at_start: env.clone(), current: env, table, blank, read, either }
    }
}

impl StartSettings<MirrorSettings> {
    /// The settings of a mirror.
    pub fn of_mirror(env: NodeEnv) -> Self {
        let (table, blank, read) = (mirror::TABLE, MirrorSettings::blank, MirrorSettings::from_env);
        Self { at_start: env.clone(), current: env, table, blank, read, either: None }
    }
}

impl<S> StartSettings<S> {
    /// The settings as they are now.
    ///
    /// # Errors
    /// Every mistake at once.
    pub fn read(&self) -> Result<S> {
        (self.read)(&self.current)
    }

    /// The settings without those that are wrong, if none of the mistakes is about the name of the stream.
    pub fn read_name(&self) -> Option<S> {
        let wrong = self.read().err();
        if wrong.iter().flat_map(SettingsError::mistakes).any(|mistake| mistake.is_about(SHMEM_NAME)) {
            return None;
        }
        let mut settings = (self.blank)();
        read_env(self.table, &[], &self.current, &mut settings);
        Some(settings)
    }

    /// Whether `REQUIRED` is true, whatever is wrong with other settings.
    pub fn is_required(&self) -> bool {
        let NodeEnv { own, process, is_own_in_process } = &self.at_start;
        let prefixed = format!("{PREFIX}{REQUIRED}");
        let own = if *is_own_in_process { process } else { own };
        let written = own.get(REQUIRED).or_else(|| own.get(&prefixed)).or_else(|| process.get(&prefixed));
        let value = Value::String(written.cloned().unwrap_or_default());
        Setting { key: REQUIRED, value: &value }.flag().unwrap_or(false)
    }

    /// Corrects settings by `document`: a YAML mapping with the keys in lower case. A `null` restores the value at the
    /// start. A refused key counts as corrected once the key that it was meant for is set.
    ///
    /// # Errors
    /// Every mistake in the document at once. Then nothing has changed.
    pub fn correct_by_document(&mut self, document: &str) -> Result<()> {
        let mapping = mapping(document)?;
        let (mut mistakes, mut corrections) = (Vec::new(), Vec::new());
        for (key, value) in &mapping {
            let written = key_text(key);
            match self.table.iter().find(|entry| entry.lower() == written) {
                Some(entry) => corrections.push((entry, value)),
                None => mistakes.push(self.unknown(&written)),
            }
        }
        self.correct(&corrections, mistakes)
    }

    /// Corrects one setting by `dora param set NODE key value`: the key in lower or upper case, the value any JSON.
    ///
    /// # Errors
    /// As for [`StartSettings::correct_by_document`].
    pub fn correct_by_param(&mut self, key: &str, value: &serde_json::Value) -> Result<()> {
        let entry = self.table.iter().find(|entry| entry.key == key || entry.lower() == key);
        let entry = entry.ok_or_else(|| self.unknown(key))?;
        let value = serde_yaml::to_value(value).unwrap_or(Value::Null);
        self.correct(&[(entry, &value)], Vec::new())
    }

    fn correct(&mut self, corrections: &[(&Entry<S>, &Value)], mut mistakes: Vec<SettingsError>) -> Result<()> {
        let sets = |key: &str| corrections.iter().any(|(entry, value)| entry.key == key && !value.is_null());
        if let Some([one, other]) = self.either.filter(|either| either.iter().all(|key| sets(key))) {
            let (duration, frames) = (one.to_ascii_lowercase(), other.to_ascii_lowercase());
            mistakes.push(SettingsError::TwoLengths { duration, frames });
        }
        for (entry, value) in corrections.iter().filter(|(_, value)| !value.is_null()) {
            let setting = Setting { key: &entry.lower(), value };
            mistakes.extend((entry.read)(&mut (self.blank)(), &setting).err());
        }
        SettingsError::collect(mistakes)?;
        let refused = self.read().err();
        // Values that return to their first ones come first, so that the null of one length does not undo the other.
        for (entry, _) in corrections.iter().filter(|(_, value)| value.is_null()) {
            self.restore(entry.key);
        }
        for (entry, value) in corrections.iter().filter(|(_, value)| !value.is_null()) {
            for mistake in refused.iter().flat_map(SettingsError::mistakes) {
                self.remove(mistake.misspelt(entry.key));
            }
            if let Some(either) = self.either.filter(|either| either.contains(&entry.key)) {
                either.iter().for_each(|key| {
                    self.remove(Some(*key));
                    self.remove(Some(&format!("{PREFIX}{key}")));
                });
            }
            self.current.own.insert(entry.key.to_owned(), text(value));
        }
        Ok(())
    }

    fn remove(&mut self, variable: Option<&str>) {
        for variables in [&mut self.current.own, &mut self.current.process] {
            variable.map(|variable| variables.remove(variable));
        }
    }

    /// Gives the variables of `key` the values that they had at the start.
    fn restore(&mut self, key: &str) {
        let prefixed = format!("{PREFIX}{key}");
        let restore = |current: &mut BTreeMap<String, String>, at_start: &BTreeMap<String, String>| {
            for variable in [key, &prefixed] {
                match at_start.get(variable) {
                    Some(value) => current.insert(variable.to_owned(), value.clone()),
                    None => current.remove(variable),
                };
            }
        };
        restore(&mut self.current.own, &self.at_start.own);
        restore(&mut self.current.process, &self.at_start.process);
    }

    fn unknown(&self, written: &str) -> SettingsError {
        unknown(written, &keys(self.table))
    }
}

/// A value as a variable of the environment would have it: text, or YAML in one line.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        // JSON is YAML.
        other => serde_json::to_string(other).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::settings::Length;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    fn sink(own: &[(&str, &str)], process: &[(&str, &str)]) -> StartSettings<SinkSettings> {
        StartSettings::of_sink(NodeEnv { own: map(own), process: map(process), is_own_in_process: false })
    }

    fn mirror(own: &[(&str, &str)]) -> StartSettings<MirrorSettings> {
        StartSettings::of_mirror(NodeEnv { own: map(own), ..NodeEnv::default() })
    }

    #[test]
    fn a_wrong_value_is_corrected_by_a_document_or_by_a_param_of_any_key() {
        let mut settings = sink(&[("BUF_DUR", "two"), ("MODE", "0777"), ("SHAPE", "a")], &[]);
        settings.correct_by_document("{buf_dur: 5, mode: '0640'}").unwrap();
        assert!(settings.read().is_err(), "SHAPE is still wrong");
        settings.correct_by_param("SHAPE", &json!([4, 5])).unwrap();
        let read = settings.read().unwrap();
        assert_eq!((read.length, read.mode, read.message.shape), (Length::Duration(5.0), 0o640, Some(vec![4, 5])));
    }

    #[test]
    fn a_missing_name_is_corrected_by_setting_it() {
        let mut settings = mirror(&[("CHUNK", "7")]);
        assert!(settings.read().is_err());
        settings.correct_by_param("shmem_name", &json!("eeg")).unwrap();
        assert_eq!(settings.read().unwrap().shmem_name, "eeg");
    }

    #[test]
    fn a_refused_key_counts_as_corrected_once_the_key_that_it_was_meant_for_is_set() {
        let mut settings = mirror(&[("SHMEM_NAM", "eeg"), ("ON_CLOSED", "stop")]);
        settings.correct_by_param("SHMEM_NAME", &json!("eeg")).unwrap();
        let error = settings.read().unwrap_err().to_string();
        assert!(error.contains("ON_CLOSED") && !error.contains("SHMEM_NAM"), "{error}");
        settings.correct_by_document("on_close: wait").unwrap();
        assert_eq!(settings.read().unwrap().shmem_name, "eeg");

        let mut prefixed = sink(&[], &[("DORA_SHM_BUFDUR", "7")]);
        assert!(prefixed.read().is_err());
        prefixed.correct_by_document("buf_dur: 7").unwrap();
        assert_eq!(prefixed.read().unwrap().length, Length::Duration(7.0));
    }

    #[test]
    fn a_guessed_name_counts_as_corrected_once_one_of_its_keys_is_set() {
        let mut settings = sink(&[("BUFFER", "5")], &[("DORA_SHM_NAME", "eeg")]);
        settings.correct_by_document("buf_frames: 7").unwrap();
        let error = settings.read().unwrap_err().to_string();
        assert!(error.contains("DORA_SHM_NAME") && !error.contains("BUFFER"), "{error}");
        settings.correct_by_param("shmem_name", &json!("eeg")).unwrap();
        assert_eq!(settings.read().unwrap().length, Length::Frames(7));
        let error = settings.correct_by_param("buffer", &json!(5)).unwrap_err().to_string();
        assert_eq!(error, "setting buffer is not known; use buf_dur or buf_frames instead");
    }

    #[test]
    fn the_settings_of_an_added_node_are_corrected_in_its_process_environment() {
        let process = map(&[("BUF_DUR", "two"), ("SHM_NAME", "eeg"), ("REQUIRED", "true"), ("HOME", "/")]);
        let env = NodeEnv { process, is_own_in_process: true, ..NodeEnv::default() };
        let mut settings = StartSettings::of_sink(env);
        assert!(settings.is_required());
        settings.correct_by_document("{buf_frames: 7, shmem_name: eeg}").unwrap();
        assert_eq!(settings.read().unwrap().length, Length::Frames(7));
        settings.correct_by_document("{buf_frames: null, buf_dur: null}").unwrap();
        assert!(settings.read().unwrap_err().to_string().contains("expected seconds"));
    }

    #[test]
    fn of_two_lengths_the_one_that_is_set_remains() {
        let both = [("BUF_DUR", "2"), ("BUF_FRAMES", "7")];
        let mut settings = sink(&both, &[]);
        settings.correct_by_document("buf_frames: 9").unwrap();
        assert_eq!(settings.read().unwrap().length, Length::Frames(9));
        let mut settings = sink(&[("BUF_DUR", "2")], &[("DORA_SHM_BUF_FRAMES", "7")]);
        settings.correct_by_document("buf_dur: 3").unwrap();
        assert_eq!(settings.read().unwrap().length, Length::Duration(3.0));
        let error = sink(&both, &[]).correct_by_document("{buf_frames: 9, buf_dur: 3}").unwrap_err();
        assert!(error.to_string().contains("both give the length"), "{error}");
    }

    #[test]
    fn a_wrong_correction_changes_nothing() {
        let mut settings = sink(&[("BUF_DUR", "two")], &[]);
        for document in ["{buf_dur: 5, axis: [no, name]}", "{buf_dur: 5, bufdur: 1}", "{buf_dur: 0}", "buf_dur", "7: 5"]
        {
            assert!(settings.correct_by_document(document).is_err(), "{document}");
            assert!(settings.read().is_err(), "{document} must not correct BUF_DUR");
        }
        assert!(settings.correct_by_param("BufDur", &json!(5)).is_err());
    }

    #[test]
    fn the_name_of_the_stream_is_known_beside_mistakes_that_are_not_about_it() {
        let name = |own: &[(&str, &str)]| sink(own, &[]).read_name().map(|settings| settings.shmem_name);
        let eeg = Some(Some("eeg".to_owned()));
        assert_eq!(name(&[("SHMEM_NAME", "eeg"), ("BUF_DUR", "two"), ("MOD", "0640"), ("BUFFER", "5")]), eeg);
        assert_eq!(name(&[("BUF_DUR", "1"), ("BUF_FRAMES", "7")]), Some(None), "a fresh one");
        for wrong in [&[("SHMEM_NAM", "eeg")][..], &[("STREAM", "eeg")], &[("SHMEM_NAME", "")]] {
            assert_eq!(name(wrong), None, "{wrong:?}");
        }
        assert_eq!(name(&[("SHMEM_NAME", "eeg"), ("SHM_NAME", "ecg")]), None, "one of the two was meant");
        assert!(sink(&[], &[("DORA_SHM_SHMEM_NAME", "a/buffer7")]).read_name().is_none());

        let mut mirror = mirror(&[("CHUNK", "seven")]);
        assert!(mirror.read_name().is_none(), "a mirror needs a name");
        mirror.correct_by_param("shmem_name", &json!("eeg")).unwrap();
        assert_eq!(mirror.read_name().unwrap().shmem_name, "eeg");
    }

    #[test]
    fn null_restores_the_value_at_the_start() {
        let mut settings = sink(&[("BUF_DUR", "3"), ("SHAPE", "a")], &[]);
        settings.correct_by_document("{buf_frames: 9, shape: 4}").unwrap();
        assert_eq!(settings.read().unwrap().length, Length::Frames(9));
        settings.correct_by_document("{buf_frames: null, buf_dur: null}").unwrap();
        assert_eq!(settings.read().unwrap().length, Length::Duration(3.0));
        settings.correct_by_param("shape", &json!(null)).unwrap();
        assert!(settings.read().is_err());
    }

    #[test]
    fn required_is_obeyed_beside_wrong_settings_but_only_if_it_is_true() {
        for (own, process, expected) in [
            (&[("REQUIRED", "true"), ("BUFDUR", "2")][..], &[][..], true),
            (&[("DORA_SHM_REQUIRED", "true")], &[], true),
            (&[], &[("DORA_SHM_REQUIRED", "true")], true),
            (&[("REQUIRED", "false")], &[("DORA_SHM_REQUIRED", "true")], false),
            (&[("REQUIRED", "maybe")], &[], false),
            (&[], &[("REQUIRED", "true")], false),
            (&[], &[], false),
        ] {
            assert_eq!(sink(own, process).is_required(), expected, "{own:?} {process:?}");
        }
        assert!(sink(&[("REQUIRED", "maybe")], &[]).read().is_err());
    }
}
