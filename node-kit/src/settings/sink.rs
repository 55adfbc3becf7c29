//! Settings of the sink.

use std::path::PathBuf;

use dora_shm_message::{FrameRule, MessageSettings, StampedFrame, TimestampUnit};
use dora_shm_ring::{Clock, Dtype};
use serde_yaml::Value;

use super::document::{self, key_text, mapping};
use super::error::{Result, SettingsError};
use super::source::NodeEnv;
use super::table::{Change, Entry, entry, read_env};
use super::value::Setting;

/// How much a ring holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Length {
    /// Seconds along the buffered axis, more than 0.
    Duration(f64),
    /// Frames, at least 1.
    Frames(u64),
}

/// What a change of dtype, frame shape, rate, clock or key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnChange {
    /// Begin the next generation.
    Generation,
    /// Refuse the message.
    Skip,
    /// End the node with an error.
    Stop,
}

/// Settings of the sink.
#[derive(Clone, Debug, PartialEq)]
pub struct SinkSettings {
    /// Name of the stream; unset: a fresh one.
    pub shmem_name: Option<String>,
    /// How much a ring holds.
    pub length: Length,
    /// What the messages mean.
    pub message: MessageSettings,
    /// What a change of format does.
    pub on_change: OnChange,
    /// Most bytes of shared memory that one ring may take.
    pub max_bytes: u64,
    /// Permissions of the segments: 0600, 0640 or 0644.
    pub mode: u32,
    /// Whether a node that cannot work fails the graph, instead of waiting until it can.
    pub required: bool,
    /// Path of a Unix socket whose listener is informed of every step of the stream. Unset: there is no listener.
    pub conn: Option<PathBuf>,
}

impl Default for SinkSettings {
    fn default() -> Self {
        Self {
            shmem_name: None,
            length: Length::Duration(2.0),
            message: MessageSettings::default(),
            on_change: OnChange::Generation,
            max_bytes: 1 << 30,
            mode: 0o600,
            required: false,
            conn: None,
        }
    }
}

impl SinkSettings {
    /// Reads the settings of a node that starts. `others` are the keys of the other node.
    pub(super) fn read(env: &NodeEnv, others: &[&'static str]) -> Result<Self> {
        let mut settings = Self::default();
        let (found, mut mistakes) = read_env(TABLE, others, env, &mut settings);
        let written = |key: &str| found.iter().find(|found| found.key == key).map(|found| found.written.clone());
        if let (Some(duration), Some(frames)) = (written("BUF_DUR"), written("BUF_FRAMES")) {
            mistakes.push(SettingsError::TwoLengths { duration, frames });
        }
        SettingsError::collect(mistakes)?;
        Ok(settings)
    }

    /// The settings after a live change by `document`: a YAML mapping with the keys in lower case. A `null` restores
    /// the value in `initial`, the settings at the node's start. `buf_dur` and `buf_frames` replace each other.
    ///
    /// # Errors
    /// Every mistake at once. In this case `self` stays in force.
    pub fn changed_by_document(&self, initial: &Self, document: &str) -> Result<Self> {
        let mapping = mapping(document)?;
        let mut mistakes = Vec::new();
        let mut changes = Vec::new();
        for (key, value) in &mapping {
            let written = key_text(key);
            match find(|key| key.to_ascii_lowercase() == written) {
                Some(entry) => changes.push((entry, value)),
                None => mistakes.push(unknown(&written)),
            }
        }
        self.changed(initial, &changes, mistakes)
    }

    /// The settings after `dora param set NODE key value`: the key in lower or upper case, the value any JSON.
    ///
    /// # Errors
    /// As for [`SinkSettings::changed_by_document`].
    pub fn changed_by_param(&self, initial: &Self, key: &str, value: &serde_json::Value) -> Result<Self> {
        let entry = find(|known| known == key || known.to_ascii_lowercase() == key);
        let entry = entry.ok_or_else(|| unknown(key))?;
        let value = serde_yaml::to_value(value).unwrap_or(Value::Null);
        self.changed(initial, &[(entry, &value)], Vec::new())
    }

    fn changed(
        &self,
        initial: &Self,
        changes: &[(&Entry<Self>, &Value)],
        mut mistakes: Vec<SettingsError>,
    ) -> Result<Self> {
        let mut settings = self.clone();
        let sets = |key: &str| changes.iter().any(|(entry, value)| entry.key == key && !value.is_null());
        if sets("BUF_DUR") && sets("BUF_FRAMES") {
            let (duration, frames) = ("buf_dur".to_owned(), "buf_frames".to_owned());
            mistakes.push(SettingsError::TwoLengths { duration, frames });
        }
        // Values that return to their initial ones come first, so that the null of one length does not undo the other.
        for (entry, _) in changes.iter().filter(|(_, value)| value.is_null()) {
            match entry.check_live() {
                Ok(()) => (entry.copy)(&mut settings, initial),
                Err(mistake) => mistakes.push(mistake),
            }
        }
        for (entry, value) in changes.iter().filter(|(_, value)| !value.is_null()) {
            let setting = Setting { key: &entry.lower(), value };
            let outcome = entry.check_live().and_then(|()| (entry.read)(&mut settings, &setting));
            mistakes.extend(outcome.err());
        }
        SettingsError::collect(mistakes)?;
        Ok(settings)
    }

    /// Whether `other` requires a different ring, and so a new generation.
    pub fn changes_ring(&self, other: &Self) -> bool {
        TABLE.iter().any(|entry| entry.change == Change::Generation && (entry.differs)(self, other))
    }
}

/// Every setting. `node/dora-node.yml` and `docs/settings.md` list the same ones, which a test compares.
pub(super) const TABLE: &[Entry<SinkSettings>] = &[
    entry!("SHMEM_NAME", shmem_name, Live, |setting| setting.stream_name().map(Some)),
    entry!("BUF_DUR", length, Generation, |setting| {
        setting.float("seconds, more than 0", |seconds| seconds > 0.0).map(Length::Duration)
    }),
    entry!("BUF_FRAMES", length, Generation, |setting| {
        setting.count("a number of frames, 1 to 4294967295", u32::MAX.into()).map(Length::Frames)
    }),
    entry!("AXIS", message.axis, Generation, |setting| { setting.nonempty("the name of a dimension").map(Some) }),
    entry!("SAMPLE_RATE", message.sample_rate_hz, Generation, |setting| {
        setting.float("Hz, 0 (irregular or unknown) or more", |rate| rate >= 0.0).map(Some)
    }),
    entry!("SHAPE", message.shape, Generation, |setting| {
        let expected =
            "the shape of a frame, such as 480,640,3 (at most 8 numbers, each at least 1; none for a scalar)";
        setting.sizes(expected, dora_shm_ring::internal::MAX_RANK).map(Some)
    }),
    entry!("DIMS", message.dims, Generation, |setting| {
        setting.names("names of dimensions, such as time,ch (none of them twice)").map(Some)
    }),
    entry!("DTYPE", message.dtype, Generation, |setting| dtype(setting).map(Some)),
    entry!("FIELD", message.fields, Generation, |setting| {
        setting.paths("paths of a struct's fields, such as pose.x or positions,velocities")
    }),
    entry!("FRAMES", message.frames, Generation, |setting| {
        setting.word(&[("auto", FrameRule::Auto), ("message", FrameRule::Message), ("rows", FrameRule::Rows)])
    }),
    entry!("TIME", message.time, Generation, |setting| time(setting).map(Some)),
    entry!("TIME_UNIT", message.time_unit, Generation, |setting| {
        let word = setting.word(&[
            ("s", TimestampUnit::Seconds),
            ("ms", TimestampUnit::Milliseconds),
            ("us", TimestampUnit::Microseconds),
            ("ns", TimestampUnit::Nanoseconds),
        ]);
        word.map(Some)
    }),
    entry!("TIME_OF", message.time_of, Generation, |setting| {
        setting.word(&[("first", StampedFrame::First), ("last", StampedFrame::Last)])
    }),
    entry!("CLOCK", message.clock, Generation, |setting| {
        let words = Clock::ALL.map(|clock| (clock.name(), clock));
        setting.word(&words).map(Some)
    }),
    entry!("ON_CHANGE", on_change, Live, |setting| {
        setting.word(&[("generation", OnChange::Generation), ("skip", OnChange::Skip), ("stop", OnChange::Stop)])
    }),
    entry!("KEY", message.key, Generation, |setting| {
        setting.verbatim("the source's name for the signal").map(Some)
    }),
    entry!("MAX_BYTES", max_bytes, Restart, |setting| {
        setting.count("a number of bytes, more than 0", u64::MAX >> 1)
    }),
    entry!("MODE", mode, Restart, mode),
    entry!("REQUIRED", required, Restart, |setting| setting.flag()),
    entry!("CONN", conn, Live, conn),
];

fn time(setting: &Setting<'_>) -> Result<String> {
    const EXPECTED: &str = "the name of a parameter or the path of a struct's field, such as timestamp or header.stamp";
    let name = setting.nonempty(EXPECTED)?.trim().to_owned();
    if name.split('.').any(str::is_empty) { Err(setting.bad(EXPECTED)) } else { Ok(name) }
}

fn dtype(setting: &Setting<'_>) -> Result<Dtype> {
    let name = setting.verbatim("the name of an element type")?;
    name.trim().parse().map_err(|error| setting.bad(format!("an element type ({error})")))
}

fn mode(setting: &Setting<'_>) -> Result<u32> {
    const EXPECTED: &str = "0600, 0640 or 0644 (in quotes: a bare 0o640 reaches the node as 416)";
    let octal = u32::from_str_radix(setting.verbatim(EXPECTED)?.trim(), 8);
    octal.ok().filter(|mode| matches!(mode, 0o600 | 0o640 | 0o644)).ok_or_else(|| setting.bad(EXPECTED))
}

fn conn(setting: &Setting<'_>) -> Result<Option<PathBuf>> {
    const EXPECTED: &str = "the path of a Unix socket, at most 107 bytes (empty: no connection)";
    /// Bytes of `sun_path` in a socket's address, without the one that ends it.
    const LONGEST: usize = 107;
    let path = setting.verbatim(EXPECTED)?;
    if path.len() > LONGEST || path.contains('\0') {
        return Err(setting.bad(EXPECTED));
    }
    Ok((!path.is_empty()).then(|| path.into()))
}

/// The setting whose key satisfies `is`.
fn find(is: impl Fn(&str) -> bool) -> Option<&'static Entry<SinkSettings>> {
    TABLE.iter().find(|entry| is(entry.key))
}

/// The error for an unknown key of a live change.
fn unknown(written: &str) -> SettingsError {
    let live = TABLE.iter().filter(|entry| entry.change != Change::Restart);
    document::unknown(written, &live.map(|entry| entry.key).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn env(own: &[(&str, &str)]) -> NodeEnv {
        let own = own.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect();
        NodeEnv { own, ..NodeEnv::default() }
    }

    fn read(own: &[(&str, &str)]) -> Result<SinkSettings> {
        SinkSettings::from_env(&env(own))
    }

    #[test]
    fn without_settings_there_are_defaults() {
        let settings = read(&[]).unwrap();
        assert_eq!(settings.shmem_name, None);
        assert_eq!(settings.length, Length::Duration(2.0));
        assert_eq!(settings.on_change, OnChange::Generation);
        assert_eq!((settings.max_bytes, settings.mode), (1 << 30, 0o600));
        assert_eq!(settings.message, MessageSettings::default());
    }

    #[test]
    fn every_key_reaches_its_setting() {
        let settings = read(&[
            ("SHMEM_NAME", "eeg"),
            ("BUF_FRAMES", "500"),
            ("AXIS", "time"),
            ("SAMPLE_RATE", "250"),
            ("SHAPE", "480,640,3"),
            ("DIMS", "[time, y, x, c]"),
            ("DTYPE", "float32"),
            ("FIELD", "pose.x, pose.y"),
            ("FRAMES", "rows"),
            ("TIME", " header.stamp"),
            ("TIME_UNIT", "us"),
            ("TIME_OF", "last"),
            ("CLOCK", "monotonic"),
            ("ON_CHANGE", "skip"),
            ("KEY", "7"),
            ("MAX_BYTES", "1000000"),
            ("MODE", "0640"),
            ("REQUIRED", "true"),
            ("CONN", "/run/user/1000/gui 1.sock"),
        ])
        .unwrap();
        assert_eq!(settings.shmem_name.as_deref(), Some("eeg"));
        assert_eq!(settings.length, Length::Frames(500));
        assert_eq!(settings.message.axis.as_deref(), Some("time"));
        assert_eq!(settings.message.sample_rate_hz, Some(250.0));
        assert_eq!(settings.message.shape, Some(vec![480, 640, 3]));
        assert_eq!(settings.message.dims, Some(["time", "y", "x", "c"].map(str::to_owned).to_vec()));
        assert_eq!(settings.message.dtype, Some(Dtype::F32));
        assert_eq!(settings.message.fields, ["pose.x", "pose.y"]);
        assert_eq!(settings.message.frames, FrameRule::Rows);
        assert_eq!(settings.message.time.as_deref(), Some("header.stamp"));
        assert_eq!(settings.message.time_unit, Some(TimestampUnit::Microseconds));
        assert_eq!(settings.message.time_of, StampedFrame::Last);
        assert_eq!(settings.message.clock, Some(Clock::Monotonic));
        assert_eq!(settings.on_change, OnChange::Skip);
        assert_eq!(settings.message.key.as_deref(), Some("7"));
        assert_eq!((settings.max_bytes, settings.mode), (1_000_000, 0o640));
        assert!(settings.required);
        assert_eq!(settings.conn, Some("/run/user/1000/gui 1.sock".into()));
    }

    #[test]
    fn bad_values_are_refused_with_key_and_expectation() {
        for (key, value, expected) in [
            ("SHMEM_NAME", "", "setting SHMEM_NAME: expected a stream's name"),
            ("SHMEM_NAME", "a/buffer7", "setting SHMEM_NAME: expected a stream's name"),
            ("BUF_DUR", "0", "setting BUF_DUR: expected seconds, more than 0, found \"0\""),
            ("BUF_DUR", "two", "setting BUF_DUR: expected seconds"),
            ("BUF_FRAMES", "1.5", "setting BUF_FRAMES: expected a number of frames"),
            ("BUF_FRAMES", "4294967296", "setting BUF_FRAMES: expected a number of frames"),
            ("AXIS", "", "setting AXIS: expected the name of a dimension"),
            ("SAMPLE_RATE", "-1", "setting SAMPLE_RATE: expected Hz"),
            ("SHAPE", "480x640", "setting SHAPE: expected the shape of a frame"),
            ("SHAPE", "1,1,1,1,1,1,1,1,1", "setting SHAPE: expected the shape of a frame"),
            ("DIMS", "time,time", "setting DIMS: expected names of dimensions"),
            ("DTYPE", "float128", "setting DTYPE: expected an element type"),
            ("FRAMES", "row", "setting FRAMES: expected one of auto, message, rows"),
            ("TIME", "", "setting TIME: expected the name of a parameter or the path of a struct's field"),
            ("TIME", "header.", "setting TIME: expected the name of a parameter"),
            ("TIME_UNIT", "seconds", "setting TIME_UNIT: expected one of s, ms, us, ns, found \"seconds\""),
            ("TIME_OF", "newest", "setting TIME_OF: expected one of first, last"),
            ("CLOCK", "utc", "setting CLOCK: expected one of source, unix, monotonic"),
            ("TIMES", "x", "setting TIMES is not known; the nearest known key is TIME"),
            ("TIMEUNIT", "s", "setting TIMEUNIT is not known; the nearest known key is TIME_UNIT"),
            ("time_of", "last", "setting time_of is not known; the nearest known key is TIME_OF"),
            ("CLOCKS", "unix", "setting CLOCKS is not known; the nearest known key is CLOCK"),
            ("ON_CHANGE", "ignore", "setting ON_CHANGE: expected one of generation, skip, stop"),
            ("MAX_BYTES", "0", "setting MAX_BYTES: expected a number of bytes"),
            ("FIELD", "a,,b", "setting FIELD: expected paths of a struct's fields"),
            ("FIELD", "..", "setting FIELD: expected paths of a struct's fields"),
            ("FIELD", "pose..x", "setting FIELD: expected paths of a struct's fields"),
            ("FIELD", "pose.", "setting FIELD: expected paths of a struct's fields"),
            ("DORA_SHM_BUF_DUR", "two", "setting DORA_SHM_BUF_DUR: expected seconds"),
            ("CON", "x", "setting CON is not known; the nearest known key is CONN"),
            ("DORA_SHM_conn", "x", "setting DORA_SHM_conn is not known; the nearest known key is DORA_SHM_CONN"),
            ("CONN", &"x".repeat(108), "setting CONN: expected the path of a Unix socket, at most 107 bytes"),
            ("CONN", "a\0b", "setting CONN: expected the path of a Unix socket"),
            ("MODE", "0666", "setting MODE: expected 0600, 0640 or 0644"),
            ("MODE", "416", "setting MODE: expected 0600, 0640 or 0644"),
        ] {
            let error = read(&[(key, value)]).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{key}={value}: {error}");
        }
    }

    #[test]
    fn names_that_users_guess_are_refused_with_the_right_key() {
        for (written, keys) in [
            ("NAME", "SHMEM_NAME"),
            ("STREAM", "SHMEM_NAME"),
            ("SHM_NAME", "SHMEM_NAME"),
            ("RATE", "SAMPLE_RATE"),
            ("FS", "SAMPLE_RATE"),
            ("BUFFER_DURATION", "BUF_DUR"),
            ("BUF_SECONDS", "BUF_DUR"),
            ("BUFFER", "BUF_DUR or BUF_FRAMES"),
            ("BUFFER_FRAMES", "BUF_FRAMES"),
            ("TIME_AXIS", "AXIS"),
            ("N_CHANNELS", "SHAPE"),
            ("DIM_NAMES", "DIMS"),
            ("DATA_TYPE", "DTYPE"),
            ("COLUMNS", "FIELD"),
            ("ROWS", "FRAMES"),
            ("ON_FORMAT_CHANGE", "ON_CHANGE"),
            ("SIGNAL", "KEY"),
            ("MAX_SIZE", "MAX_BYTES"),
            ("PERMISSIONS", "MODE"),
            ("SOCKET", "CONN"),
            ("TIMESTAMP", "TIME"),
            ("TIME_FIELD", "TIME"),
            ("TIMESTAMP_UNIT", "TIME_UNIT"),
            ("STAMP_OF", "TIME_OF"),
            ("CLOCK_ID", "CLOCK"),
        ] {
            let error = read(&[(written, "x")]).unwrap_err().to_string();
            assert_eq!(error, format!("setting {written} is not known; use {keys} instead"));
        }
        let initial = SinkSettings::default();
        let error = initial.changed_by_document(&initial, "buffer: 5").unwrap_err().to_string();
        assert_eq!(error, "setting buffer is not known; use buf_dur or buf_frames instead");
        let error = initial.changed_by_param(&initial, "rate", &json!(5)).unwrap_err().to_string();
        assert_eq!(error, "setting rate is not known; use sample_rate instead");
    }

    #[test]
    fn every_mistake_is_reported() {
        let error =
            read(&[("BUF_DUR", "1"), ("BUF_FRAMES", "1"), ("SHMEM_NAEM", "x"), ("MODE", "7")]).unwrap_err().to_string();
        for part in ["BUF_DUR and BUF_FRAMES", "nearest known key is SHMEM_NAME", "setting MODE"] {
            assert!(error.contains(part), "{part}: {error}");
        }
        // Each setting is named by the variable that has it.
        let error = read(&[("DORA_SHM_BUF_DUR", "1"), ("BUF_FRAMES", "1")]).unwrap_err().to_string();
        assert!(error.starts_with("settings DORA_SHM_BUF_DUR and BUF_FRAMES both"), "{error}");
    }

    #[test]
    fn a_document_changes_what_it_names() {
        let initial = read(&[("SHMEM_NAME", "eeg"), ("BUF_FRAMES", "100"), ("KEY", "k")]).unwrap();
        let changed = initial
            .changed_by_document(&initial, "buf_dur: 5\naxis: time\nshape: [2, 3]\nshmem_name: other\nkey: 7\n")
            .unwrap();
        assert_eq!(changed.length, Length::Duration(5.0));
        assert_eq!(changed.message.axis.as_deref(), Some("time"));
        assert_eq!(changed.message.shape, Some(vec![2, 3]));
        assert_eq!(changed.shmem_name.as_deref(), Some("other"));
        assert_eq!(changed.message.key.as_deref(), Some("7"));
        assert!(initial.changes_ring(&changed));

        let back = changed.changed_by_document(&initial, "{buf_dur: null, axis: ~, shape: null, key: null}").unwrap();
        assert_eq!(SinkSettings { shmem_name: initial.shmem_name.clone(), ..back }, initial);
    }

    #[test]
    fn a_change_of_the_times_is_live_and_begins_a_generation() {
        let initial = read(&[("TIME", "timestamp")]).unwrap();
        for (document, is_change) in [
            ("time: header.stamp", true),
            ("time: timestamp", false),
            ("time_unit: ns", true),
            ("time_of: last", true),
            ("time_of: first", false),
            ("clock: unix", true),
            ("clock: null", false),
        ] {
            let changed = initial.changed_by_document(&initial, document).unwrap();
            assert_eq!(initial.changes_ring(&changed), is_change, "{document}");
            let key = document.split(':').next().unwrap();
            let back = changed.changed_by_param(&initial, key, &serde_json::Value::Null).unwrap();
            assert_eq!(back, initial, "{document}");
        }
    }

    #[test]
    fn the_connection_changes_live_and_an_empty_path_ends_it() {
        let initial = read(&[("CONN", "7")]).unwrap();
        assert_eq!(initial.conn, Some("7".into()));
        let other = initial.changed_by_document(&initial, "conn: /tmp/other").unwrap();
        assert_eq!(other.conn, Some("/tmp/other".into()));
        assert!(!initial.changes_ring(&other));
        let none = other.changed_by_param(&initial, "CONN", &json!("")).unwrap();
        assert_eq!(none.conn, None);
        assert_eq!(none.changed_by_document(&initial, "conn: null").unwrap(), initial);
        assert_eq!(read(&[("CONN", "")]).unwrap().conn, None);
    }

    #[test]
    fn the_latest_of_the_two_lengths_wins_but_both_at_once_are_refused() {
        let initial = SinkSettings::default();
        let frames = initial.changed_by_document(&initial, "buf_frames: 10").unwrap();
        assert_eq!(frames.length, Length::Frames(10));
        let seconds = frames.changed_by_param(&initial, "BUF_DUR", &json!(3)).unwrap();
        assert_eq!(seconds.length, Length::Duration(3.0));
        let error = initial.changed_by_document(&initial, "{buf_dur: 1, buf_frames: 10}").unwrap_err();
        assert!(error.to_string().starts_with("settings buf_dur and buf_frames both"), "{error}");
        let named = initial.changed_by_document(&initial, "{buf_frames: 10, buf_dur: null}").unwrap();
        assert_eq!(named.length, Length::Frames(10));
    }

    #[test]
    fn a_bad_document_is_refused_with_every_mistake() {
        let initial = SinkSettings::default();
        for (document, expected) in [
            ("buf_dur: two", "setting buf_dur: expected seconds"),
            ("bufdur: 2", "setting bufdur is not known; the nearest known key is buf_dur"),
            ("BUF_DUR: 2", "setting BUF_DUR is not known; the nearest known key is buf_dur"),
            ("window: 2", "setting window is not known; expected one of shmem_name, buf_dur"),
            ("7: 2", "setting 7 is not known"),
            ("max_bytes: 7", "setting max_bytes cannot change while the node runs"),
            ("max_bytes: null", "setting max_bytes cannot change while the node runs"),
            ("mode: '0640'", "setting mode cannot change while the node runs"),
            ("conn: [a]", "setting conn: expected the path of a Unix socket"),
            ("", "settings: expected a YAML document"),
            ("hello", "settings: expected a YAML document such as `buf_dur: 5`, found \"hello\""),
            ("[1, 2]", "settings: expected a YAML document"),
            ("{", "settings: expected a YAML document"),
            ("{buf_dur: 1, buf_dur: 2}", "settings: expected a YAML document"),
            ("axis: [a]", "setting axis: expected the name of a dimension"),
        ] {
            let error = initial.changed_by_document(&initial, document).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{document}: {error}");
        }
        let error = initial.changed_by_document(&initial, "{buf_dur: two, mode: '0640', window: 1}").unwrap_err();
        assert!(matches!(error, SettingsError::Several(mistakes) if mistakes.len() == 3));
    }

    #[test]
    fn a_param_takes_json_in_either_case() {
        let initial = SinkSettings::default();
        for (key, value, expected) in [
            ("buf_dur", json!(4.5), Length::Duration(4.5)),
            ("BUF_DUR", json!("4.5"), Length::Duration(4.5)),
            ("buf_frames", json!(64), Length::Frames(64)),
        ] {
            assert_eq!(initial.changed_by_param(&initial, key, &value).unwrap().length, expected, "{key}");
        }
        let shaped = initial.changed_by_param(&initial, "shape", &json!([4, 5])).unwrap();
        assert_eq!(shaped.message.shape, Some(vec![4, 5]));
        for (key, value) in [("Buf_Dur", json!(1)), ("buf_dur", json!({"a": 1})), ("mode", json!("0640"))] {
            assert!(initial.changed_by_param(&initial, key, &value).is_err(), "{key}");
        }
    }
}
