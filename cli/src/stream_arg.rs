//! Opens the stream that the command line names, and explains errors to the user.

use std::path::Path;
use std::time::Duration;

use dora_shm_ring::{
    Error, Liveness, MessageReader, Reader, ReaderOptions, SHM_DIR, Start, StreamInfo, is_segment_name, shorten,
};
use eyre::{Report, eyre};

use crate::permissions::Permissions;
use crate::suggest::nearest;
use crate::text::quoted;
use crate::users;

/// Why a stream cannot be shown or read if its kind is newer than this program.
pub const UNKNOWN_KIND: &str = "a kind of stream that this version does not know";

/// Most names of other streams in a message.
const MOST_NAMES: usize = 5;

/// The stream that a command is about: flatten this into the command's arguments.
#[derive(clap::Args, Clone, Debug)]
pub struct Which {
    /// Name of the stream, as `dora-shm list` shows it
    #[arg(value_name = "NAME")]
    pub name: String,

    /// Read the stream of this user (name or number) [default: only your own streams and root's]
    #[arg(long, value_name = "USER", value_parser = users::parse)]
    pub owner: Option<u32>,
}

impl Which {
    /// Options for a reader that begins at `start`.
    pub fn options(&self, start: Start) -> ReaderOptions {
        ReaderOptions::default().start(start).owner(self.owner)
    }

    /// A reader of the stream, which has to exist.
    ///
    /// # Errors
    /// A sentence for the user: there is no such stream, with similar names; it may not be read, and why; or it cannot
    /// be read.
    pub fn open(&self, options: ReaderOptions) -> eyre::Result<Reader> {
        let mut reader = self.open_or_wait(options.clone())?;
        match self.explained(reader.liveness(options.idle_after))? {
            Liveness::Absent => Err(Report::msg(self.absent())),
            _ => Ok(reader),
        }
    }

    /// A reader of the stream, which need not exist yet. If it does not, [`absent`](Self::absent) is the sentence for
    /// the user.
    ///
    /// # Errors
    /// As [`open`](Self::open), except that an absent stream is not an error.
    pub fn open_or_wait(&self, options: ReaderOptions) -> eyre::Result<Reader> {
        self.explained(Reader::open(&self.resolved()?, options))
    }

    /// As [`open_or_wait`](Self::open_or_wait), message by message.
    ///
    /// # Errors
    /// As there.
    pub fn open_messages_or_wait(&self, options: ReaderOptions) -> eyre::Result<MessageReader> {
        self.explained(MessageReader::open(&self.resolved()?, options))
    }

    /// The result of a call on the reader.
    ///
    /// # Errors
    /// The reader's error, explained to the user.
    pub fn explained<T>(&self, result: dora_shm_ring::Result<T>) -> eyre::Result<T> {
        result.map_err(|error| self.explain(error))
    }

    /// A sentence that there is no such stream, with similar names.
    pub fn absent(&self) -> String {
        let others: Vec<String> = dora_shm_ring::streams().unwrap_or_default().iter().filter_map(name_of).collect();
        no_such_stream(&self.name, &others)
    }

    /// The stream's name, if the user gave the name of its segment: of some streams `list` shows nothing else.
    fn resolved(&self) -> eyre::Result<String> {
        if !is_segment_name(&self.name) || Path::new(SHM_DIR).join(shorten(&self.name)).exists() {
            return Ok(self.name.clone());
        }
        let segment = &self.name;
        let streams = dora_shm_ring::streams().unwrap_or_default();
        match streams.into_iter().find(|stream| stream.segment() == segment) {
            Some(StreamInfo::Ezmsg { segment, key: Some(key), .. }) if shorten(&key) == segment => Ok(key),
            Some(StreamInfo::Ezmsg { .. }) => Err(eyre!(
                "{segment} is the segment of a stream that ezmsg wrote, which does not contain its name; use the name \
                 that its writer was given (shmem_name)"
            )),
            Some(StreamInfo::Stream(info)) => Ok(info.name),
            Some(StreamInfo::OtherUser { owner, .. }) => Err(eyre!(
                "{segment} is the segment of a stream of user {owner}; `dora-shm list --owner {owner}` shows the \
                 stream's name, if you may read it",
                owner = users::name(owner)
            )),
            Some(StreamInfo::Unreadable { reason, .. }) => Err(eyre!("{segment} cannot be read: {reason}")),
            Some(_) => Err(eyre!("{segment}: {UNKNOWN_KIND}")),
            None => Ok(self.name.clone()),
        }
    }

    fn explain(&self, error: Error) -> Report {
        let name = quoted(&self.name);
        match error {
            Error::WrongOwner { found, .. } => {
                let (owner, me) = (users::name(found), users::name(users::me()));
                match self.owner {
                    None => eyre!(
                        "stream {name} belongs to user {owner}, and you are {me}; anybody can give a stream any name, \
                         so another user's stream is read only if you name that user: `--owner {owner}`"
                    ),
                    Some(asked) => eyre!("stream {name} belongs to user {owner}, not to {}", users::name(asked)),
                }
            }
            Error::Permission { segment } => {
                let me = users::name(users::me());
                let Some(permissions) = Permissions::of(&segment) else {
                    return eyre!(
                        "you are {me} and may not access {SHM_DIR}, so it is unknown whether there is a stream {name}; \
                         `dora-shm doctor` shows what to do"
                    );
                };
                let (refusal, remedy) = (permissions.refusal(), permissions.remedy());
                eyre!("you are {me} and may not read stream {name}: {refusal}; {remedy}")
            }
            error => Report::new(error),
        }
    }
}

/// The error for the user when shared memory cannot be listed.
pub fn unlisted(error: Error) -> Report {
    eyre!("{:#}; `dora-shm doctor` shows what to do", Report::new(error))
}

/// The name by which a stream can be opened, if it is known.
pub fn name_of(stream: &StreamInfo) -> Option<String> {
    match stream {
        StreamInfo::Stream(info) => (info.liveness != Liveness::Absent).then(|| info.name.clone()),
        // ezmsg does not store the stream's name, but the key may be the name.
        StreamInfo::Ezmsg { segment, key: Some(key), .. } if shorten(key) == *segment => Some(key.clone()),
        _ => None,
    }
}

fn no_such_stream(name: &str, others: &[String]) -> String {
    let list = |names: &[&str]| {
        let shown: Vec<String> = names.iter().take(MOST_NAMES).map(|name| quoted(name)).collect();
        shown.join(", ")
    };
    let near = nearest(name, others.iter().map(String::as_str));
    let name = quoted(name);
    if others.is_empty() {
        return format!("there is no stream {name}, and no other on this machine (`dora-shm doctor` looks for causes)");
    }
    let count = match others.len() {
        1 => "the only stream".to_owned(),
        count => format!("all {count} streams"),
    };
    if near.is_empty() {
        let all: Vec<&str> = others.iter().map(String::as_str).collect();
        let some = list(&all);
        return match others.len() {
            1 => format!("there is no stream {name}; the only one is {some}"),
            count if count <= MOST_NAMES => format!("there is no stream {name}; there are {some}"),
            _ => format!("there is no stream {name}, nor one with a similar name; `dora-shm list` shows {count}"),
        };
    }
    format!("there is no stream {name}; nearest: {} (`dora-shm list` shows {count})", list(&near))
}

/// Longest single wait in a command's loop: the interval at which a reader checks its writer.
pub const WAIT_SLICE: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn the_error_for_an_unknown_name_lists_the_nearest_names() {
        let message = no_such_stream("eg1", &names(&["eeg1", "camera", "eeg2"]));
        assert_eq!(
            message,
            "there is no stream \"eg1\"; nearest: \"eeg1\", \"eeg2\" (`dora-shm list` shows all 3 streams)"
        );
    }

    #[test]
    fn if_no_name_is_near_the_error_lists_a_few_or_the_command_that_lists_all() {
        assert_eq!(no_such_stream("x", &names(&["camera"])), "there is no stream \"x\"; the only one is \"camera\"");
        assert_eq!(
            no_such_stream("x", &names(&["camera", "imu"])),
            "there is no stream \"x\"; there are \"camera\", \"imu\""
        );
        let many = names(&["aaa", "bbb", "ccc", "ddd", "eee", "fff"]);
        assert!(no_such_stream("x", &many).contains("`dora-shm list` shows all 6 streams"));
        assert!(no_such_stream("x", &[]).contains("dora-shm doctor"));
    }

    #[test]
    fn names_of_other_streams_cannot_control_the_terminal() {
        assert!(!no_such_stream("a", &names(&["a\u{1b}[2J"])).contains('\u{1b}'));
        assert!(!no_such_stream("\u{1b}[2J", &[]).contains('\u{1b}'));
    }
}
