//! Opening a stream by what was said on the command line, and saying what is wrong where that fails.

use std::path::Path;
use std::time::Duration;

use dora_shm_ring::{
    Error, Liveness, MessageReader, Reader, ReaderOptions, SHM_DIR, Start, StreamInfo, is_segment_name, shorten,
};
use eyre::{Report, eyre};

use crate::near::nearest;
use crate::permissions::Permissions;
use crate::text::quoted;
use crate::users;

/// Names that are told of streams that were not asked for.
const MOST_NAMES: usize = 5;

/// Which stream a command is about: flatten this into the command's arguments.
#[derive(clap::Args, Clone, Debug)]
pub struct Which {
    /// Name of the stream, as `dora-shm list` shows it
    #[arg(value_name = "NAME")]
    pub name: String,

    /// Read the stream of this user (name or number); without it only your own and root's are read
    #[arg(long, value_name = "USER", value_parser = users::parse)]
    pub owner: Option<u32>,
}

impl Which {
    /// How it is read, beginning at `start`.
    pub fn options(&self, start: Start) -> ReaderOptions {
        ReaderOptions::default().start(start).owner(self.owner)
    }

    /// A reader of the stream, which has to be there.
    ///
    /// # Errors
    /// A sentence for the user: no such stream, with the nearest names; may not be read, and why; cannot be read.
    pub fn open(&self, options: ReaderOptions) -> eyre::Result<Reader> {
        let mut reader = self.open_or_wait(options.clone())?;
        match self.say(reader.liveness(options.idle_after))? {
            Liveness::Absent => Err(Report::msg(self.absent())),
            _ => Ok(reader),
        }
    }

    /// A reader of the stream, which may come later: [`absent`](Self::absent) is then what to tell the user.
    ///
    /// # Errors
    /// As [`open`](Self::open), but for the absent one.
    pub fn open_or_wait(&self, options: ReaderOptions) -> eyre::Result<Reader> {
        self.say(Reader::open(&self.resolved()?, options))
    }

    /// As [`open_or_wait`](Self::open_or_wait), message by message.
    ///
    /// # Errors
    /// As there.
    pub fn open_messages_or_wait(&self, options: ReaderOptions) -> eyre::Result<MessageReader> {
        self.say(MessageReader::open(&self.resolved()?, options))
    }

    /// What a later call on the reader said, for the user.
    ///
    /// # Errors
    /// The same, explained.
    pub fn say<T>(&self, result: dora_shm_ring::Result<T>) -> eyre::Result<T> {
        result.map_err(|error| self.explain(error))
    }

    /// That there is no such stream, and which names are like it.
    pub fn absent(&self) -> String {
        let others: Vec<String> = dora_shm_ring::streams().unwrap_or_default().iter().filter_map(name_of).collect();
        no_such_stream(&self.name, &others)
    }

    /// The stream's name where its segment's was given, which is all that `list` can show of some streams.
    fn resolved(&self) -> eyre::Result<String> {
        if !is_segment_name(&self.name) || Path::new(SHM_DIR).join(shorten(&self.name)).exists() {
            return Ok(self.name.clone());
        }
        let segment = &self.name;
        let streams = dora_shm_ring::streams().unwrap_or_default();
        match streams.into_iter().find(|stream| segment_of(stream) == segment) {
            Some(StreamInfo::Ezmsg { segment, key: Some(key), .. }) if shorten(&key) == segment => Ok(key),
            Some(StreamInfo::Ezmsg { .. }) => Err(eyre!(
                "{segment} is the segment of a stream that ezmsg wrote, which does not say its name; give the name that \
                 its writer was given (shmem_name)"
            )),
            Some(StreamInfo::Stream(info)) => Ok(info.name),
            Some(StreamInfo::OtherUser { owner, .. }) => Err(eyre!(
                "{segment} is the segment of a stream of user {owner}; its name is inside: `dora-shm list --owner \
                 {owner}` shows it, as far as it may be read",
                owner = users::name(owner)
            )),
            Some(StreamInfo::Unreadable { reason, .. }) => Err(eyre!("{segment} cannot be read: {reason}")),
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
                        "stream {name} belongs to user {owner}, and you are {me}: since anybody can give a stream any name, another user's is \
                         only read when that user is named; `--owner {owner}` reads it"
                    ),
                    Some(asked) => eyre!("stream {name} belongs to user {owner}, not to {}", users::name(asked)),
                }
            }
            Error::Permission { segment } => {
                let me = users::name(users::me());
                let Some(permissions) = Permissions::of(&segment) else {
                    return eyre!(
                        "you are {me} and may not look into {SHM_DIR}, so whether there is a stream {name} cannot be \
                         told; `dora-shm doctor` says what to do"
                    );
                };
                let (refusal, remedy) = (permissions.refusal(), permissions.remedy());
                eyre!("you are {me} and may not read stream {name}: {refusal}; {remedy}")
            }
            error => Report::new(error),
        }
    }
}

/// Why shared memory cannot be looked through, for the user.
pub fn unlisted(error: Error) -> Report {
    eyre!("{:#}; `dora-shm doctor` says what to do", Report::new(error))
}

fn segment_of(stream: &StreamInfo) -> &str {
    match stream {
        StreamInfo::Stream(info) => &info.segment,
        StreamInfo::OtherUser { segment, .. }
        | StreamInfo::Unreadable { segment, .. }
        | StreamInfo::Ezmsg { segment, .. } => segment,
    }
}

/// The name by which a stream can be opened, where it is known.
pub fn name_of(stream: &StreamInfo) -> Option<String> {
    match stream {
        StreamInfo::Stream(info) => (info.liveness != Liveness::Absent).then(|| info.name.clone()),
        // ezmsg does not write its name down, but a key may be the name.
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
            _ => format!("there is no stream {name}, nor one whose name is like it; `dora-shm list` shows {count}"),
        };
    }
    format!("there is no stream {name}; nearest: {} (`dora-shm list` shows {count})", list(&near))
}

/// How long a loop of a command waits at once: as long as a reader's own look at its writer.
pub const WAIT_SLICE: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn a_name_that_does_not_exist_is_answered_with_the_nearest() {
        let said = no_such_stream("eg1", &names(&["eeg1", "camera", "eeg2"]));
        assert_eq!(
            said,
            "there is no stream \"eg1\"; nearest: \"eeg1\", \"eeg2\" (`dora-shm list` shows all 3 streams)"
        );
    }

    #[test]
    fn where_none_is_near_a_few_names_are_told_or_where_to_find_them() {
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
    fn names_of_others_cannot_write_to_the_terminal() {
        assert!(!no_such_stream("a", &names(&["a\u{1b}[2J"])).contains('\u{1b}'));
        assert!(!no_such_stream("\u{1b}[2J", &[]).contains('\u{1b}'));
    }
}
