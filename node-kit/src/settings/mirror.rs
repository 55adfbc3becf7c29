//! Settings of the mirror.

use std::time::Duration;

use serde_yaml::Value;

use super::error::{Result, SettingsError};
use super::source::NodeEnv;
use super::table::{Change, Entry, entry, read_env};
use super::value::{Setting, duration};

/// What one message of the mirror holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChunkBy {
    /// What one original message held.
    Message,
    /// This many frames.
    Frames(u64),
    /// The frames of this time span.
    Duration(Duration),
}

/// Where a mirror begins in a running stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartAt {
    /// With the next frame that comes.
    Newest,
    /// With the oldest frame that the ring still holds.
    Oldest,
}

/// What a loss does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnLoss {
    /// The next message has the number of lost frames.
    Mark,
    /// The node ends with an error.
    Stop,
}

/// What the end of the stream does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnClose {
    /// Wait for the next writer.
    Wait,
    /// End the node.
    Stop,
}

/// Settings of the mirror.
#[derive(Clone, Debug, PartialEq)]
pub struct MirrorSettings {
    /// Name of the stream.
    pub shmem_name: String,
    /// What one message holds.
    pub chunk: ChunkBy,
    /// Where to begin.
    pub start: StartAt,
    /// What a loss does.
    pub on_loss: OnLoss,
    /// What the stream's end does.
    pub on_close: OnClose,
    /// The user id of the stream's owner, if it is another user.
    pub owner: Option<u32>,
    /// Whether a node that cannot work fails the graph, instead of waiting until it can.
    pub required: bool,
}

impl MirrorSettings {
    /// The defaults, without the name that every mirror needs.
    pub(super) fn blank() -> Self {
        Self {
            shmem_name: String::new(),
            chunk: ChunkBy::Message,
            start: StartAt::Newest,
            on_loss: OnLoss::Mark,
            on_close: OnClose::Wait,
            owner: None,
            required: false,
        }
    }

    /// Reads the settings of a node that starts. `others` are the keys of the other node.
    pub(super) fn read(env: &NodeEnv, others: &[&'static str]) -> Result<Self> {
        let mut settings = Self::blank();
        let (found, mut mistakes) = read_env(TABLE, others, env, &mut settings);
        if !found.iter().any(|found| found.key == "SHMEM_NAME") {
            let (key, example) = ("SHMEM_NAME".to_owned(), "SHMEM_NAME: <name of the stream>".to_owned());
            mistakes.push(SettingsError::Missing { key, example });
        }
        SettingsError::collect(mistakes)?;
        Ok(settings)
    }
}

/// Every setting.
pub(super) const TABLE: &[Entry<MirrorSettings>] = &[
    entry!("SHMEM_NAME", shmem_name, Restart, |setting| setting.stream_name()),
    entry!("CHUNK", chunk, Restart, chunk),
    entry!("START", start, Restart, |setting| {
        setting.word(&[("newest", StartAt::Newest), ("oldest", StartAt::Oldest)])
    }),
    entry!("ON_LOSS", on_loss, Restart, |setting| { setting.word(&[("mark", OnLoss::Mark), ("stop", OnLoss::Stop)]) }),
    entry!("ON_CLOSE", on_close, Restart, |setting| {
        setting.word(&[("wait", OnClose::Wait), ("stop", OnClose::Stop)])
    }),
    entry!("OWNER", owner, Restart, |setting| owner(setting).map(Some)),
    entry!("REQUIRED", required, Restart, |setting| setting.flag()),
];

fn owner(setting: &Setting<'_>) -> Result<u32> {
    let uid = setting.parsed().as_u64().and_then(|uid| u32::try_from(uid).ok());
    uid.ok_or_else(|| setting.bad("a numeric user id, as printed by `id -u`"))
}

fn chunk(setting: &Setting<'_>) -> Result<ChunkBy> {
    const EXPECTED: &str = "message, a number of frames, or a duration such as 20ms";
    match setting.parsed() {
        Value::String(word) if word == "message" => Ok(ChunkBy::Message),
        Value::String(text) => duration(&text).map(ChunkBy::Duration).ok_or_else(|| setting.bad(EXPECTED)),
        _ => setting.count(EXPECTED, u32::MAX.into()).map(ChunkBy::Frames),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(own: &[(&str, &str)]) -> Result<MirrorSettings> {
        let own = own.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect();
        MirrorSettings::from_env(&NodeEnv { own, ..NodeEnv::default() })
    }

    #[test]
    fn only_the_name_is_required() {
        let settings = read(&[("SHMEM_NAME", "eeg")]).unwrap();
        let expected = MirrorSettings {
            shmem_name: "eeg".into(),
            chunk: ChunkBy::Message,
            start: StartAt::Newest,
            on_loss: OnLoss::Mark,
            on_close: OnClose::Wait,
            owner: None,
            required: false,
        };
        assert_eq!(settings, expected);
        let error = read(&[]).unwrap_err().to_string();
        assert!(error.contains("SHMEM_NAME is missing"), "{error}");
    }

    #[test]
    fn every_key_reaches_its_setting() {
        let settings = read(&[
            ("SHMEM_NAME", "eeg"),
            ("CHUNK", "64"),
            ("START", "oldest"),
            ("ON_LOSS", "stop"),
            ("ON_CLOSE", "stop"),
            ("OWNER", "1000"),
            ("REQUIRED", "true"),
        ])
        .unwrap();
        let expected = MirrorSettings {
            shmem_name: "eeg".into(),
            chunk: ChunkBy::Frames(64),
            start: StartAt::Oldest,
            on_loss: OnLoss::Stop,
            on_close: OnClose::Stop,
            owner: Some(1000),
            required: true,
        };
        assert_eq!(settings, expected);
    }

    #[test]
    fn a_chunk_is_a_message_frames_or_a_duration() {
        for (value, expected) in [
            ("message", Some(ChunkBy::Message)),
            ("1", Some(ChunkBy::Frames(1))),
            ("20ms", Some(ChunkBy::Duration(Duration::from_millis(20)))),
            ("0.5 s", Some(ChunkBy::Duration(Duration::from_millis(500)))),
            ("0", None),
            ("-1", None),
            ("1.5", None),
            ("messages", None),
            ("[1]", None),
            ("", None),
        ] {
            assert_eq!(read(&[("SHMEM_NAME", "eeg"), ("CHUNK", value)]).ok().map(|s| s.chunk), expected, "{value}");
        }
    }

    #[test]
    fn names_that_users_guess_are_refused_with_the_right_key() {
        for (written, key) in [
            ("STREAM", "SHMEM_NAME"),
            ("CHUNK_SIZE", "CHUNK"),
            ("START_AT", "START"),
            ("ON_DROP", "ON_LOSS"),
            ("ON_END", "ON_CLOSE"),
            ("UID", "OWNER"),
        ] {
            let error = read(&[("SHMEM_NAME", "eeg"), (written, "x")]).unwrap_err().to_string();
            assert_eq!(error, format!("setting {written} is not known; use {key} instead"));
        }
        // These are guesses for the sink's keys only.
        read(&[("SHMEM_NAME", "eeg"), ("RATE", "10"), ("BUFFER", "2")]).unwrap();
    }

    #[test]
    fn every_mistake_is_reported() {
        let error = read(&[("SHMEMNAME", "eeg"), ("START", "now"), ("OWNER", "root")]).unwrap_err().to_string();
        for part in ["nearest known key is SHMEM_NAME", "SHMEM_NAME is missing", "newest, oldest", "setting OWNER"] {
            assert!(error.contains(part), "{part}: {error}");
        }
    }
}
