//! The content of shared memory: what dead writers left, and what cannot be read.

use std::collections::BTreeMap;

use dora_shm_ring::{Leftover, Liveness, SHM_DIR, StreamInfo, leftovers};

use super::Streams;
use super::check::Check;
use crate::permissions::Permissions;
use crate::text::quoted;
use crate::unwritten::words;
use crate::{units, users};

/// Most names in a message.
const MOST_NAMES: usize = 5;

pub fn examine(streams: &Streams) -> Vec<Check> {
    let mut found = vec![match leftovers() {
        Ok(left) => judge_leftovers(&left),
        Err(error) => {
            let text = format!("what dead writers left cannot be listed: {:#}", eyre::Report::new(error));
            Check::finding("leftovers", text, "see the checks of the folder above")
        }
    }];
    found.extend(dead_of_others(streams));
    found.extend(unreadable(streams));
    found.extend(streams.all.iter().filter_map(unwritten));
    found.extend(of_other_users(streams));
    found
}

fn judge_leftovers(left: &[Leftover]) -> Check {
    const CHECK: &str = "leftovers";
    if left.is_empty() {
        return Check::ok(CHECK, "dead writers left nothing");
    }
    let bytes = left.iter().map(|left| left.bytes).sum();
    let names: Vec<String> =
        left.iter().map(|left| left.stream.as_deref().map_or_else(|| left.segments[0].clone(), quoted)).collect();
    let text = format!("dead writers left {}, {}", some(&names), units::bytes(bytes));
    Check::finding(
        CHECK,
        text,
        "`dora-shm clean` removes it; a new writer of the same name continues the stream instead",
    )
}

/// Dead streams that are not this user's to remove.
fn dead_of_others(streams: &Streams) -> Option<Check> {
    let dead = streams.all.iter().filter_map(|stream| match stream {
        StreamInfo::Stream(info) if info.liveness == Liveness::Dead && info.owner != Some(users::me()) => {
            Some((quoted(&info.name), info.owner.map(users::name).unwrap_or_default()))
        }
        _ => None,
    });
    let (names, owners): (Vec<String>, Vec<String>) = dead.unzip();
    let owner = owners.first()?;
    let text = format!("dead writers of user {owner} left {}", some(&names));
    Some(Check::note("leftovers", text, format!("`dora-shm clean`, run as {owner}, removes it")))
}

/// Streams of this user that contradict the format.
fn unreadable(streams: &Streams) -> Vec<Check> {
    let own = |segment: &str| Permissions::of(segment).is_none_or(|permissions| permissions.owner == users::me());
    let unreadable = streams.all.iter().filter_map(|stream| match stream {
        StreamInfo::Unreadable { segment, reason, .. } if own(segment) => Some((segment, reason)),
        _ => None,
    });
    let finding = |(segment, reason): (&String, &String)| {
        Check::finding(
            "unreadable",
            format!("{segment} cannot be read: {reason}"),
            format!("restart its writer; if there is none, `dora-shm clean`, and then `rm {SHM_DIR}/{segment}*`"),
        )
    };
    unreadable.map(finding).collect()
}

/// A stream whose writer does not write all that it is given.
fn unwritten(stream: &StreamInfo) -> Option<Check> {
    const CHECK: &str = "unwritten";
    let StreamInfo::Stream(info) = stream else { return None };
    let counted = info.counted.as_ref()?;
    let text = format!("{}: messages not written since its writer began: {}", quoted(&info.name), words(counted)?);
    Some(if counted.refused > 0 {
        Check::finding(CHECK, text, "the writer's log, and the output `status` of a sink, say why it refuses messages")
    } else {
        Check::note(
            CHECK,
            text,
            "if each message counts, enlarge the queue (`queue_size`) of the writer's input, or make its source slower",
        )
    })
}

/// Streams of other users that were not read. The key's `true`: this user may not read them.
fn of_other_users(streams: &Streams) -> Vec<Check> {
    let mut owners: BTreeMap<(u32, bool), u64> = BTreeMap::new();
    for stream in &streams.all {
        let owner = match stream {
            StreamInfo::OtherUser { owner, .. } => Some((*owner, false)),
            StreamInfo::Unreadable { segment, .. } => Permissions::of(segment)
                .filter(|permissions| permissions.owner != users::me())
                .map(|permissions| (permissions.owner, true)),
            _ => None,
        };
        if let Some(owner) = owner {
            *owners.entry(owner).or_default() += 1;
        }
    }
    let note = |((owner, refused), count): ((u32, bool), u64)| {
        let owner = users::name(owner);
        let streams = units::counted(count, "stream");
        if refused {
            Check::note(
                "others",
                format!("user {owner} has {streams} that you may not read"),
                "if you want to read them, have their writers started with another MODE",
            )
        } else {
            Check::note(
                "others",
                format!("user {owner} has {streams} that were not read"),
                format!("`dora-shm list --owner {owner}` reads them"),
            )
        }
    };
    owners.into_iter().map(note).collect()
}

fn some(names: &[String]) -> String {
    let shown = names.iter().take(MOST_NAMES).cloned().collect::<Vec<_>>().join(", ");
    match names.len().checked_sub(MOST_NAMES) {
        None | Some(0) => shown,
        Some(more) => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::Level;
    use super::*;

    #[test]
    fn what_dead_writers_left_is_a_finding_with_its_size() {
        assert_eq!(judge_leftovers(&[]).level, Level::Ok);
        let (mut stream, mut part) = (Leftover::default(), Leftover::default());
        (stream.stream, stream.segments, stream.bytes) = (Some("eeg".into()), vec!["sm_a".into()], 1024);
        (part.segments, part.bytes) = (vec!["sm_b".into()], 1024);
        let found = judge_leftovers(&[stream, part]);
        assert_eq!((found.level, &*found.text), (Level::Finding, "dead writers left \"eeg\", sm_b, 2.0 KiB"));
        assert!(found.advice.unwrap().contains("dora-shm clean"));
    }

    #[test]
    fn a_message_lists_only_some_of_many_names() {
        let names: Vec<String> = (0..7).map(|i| i.to_string()).collect();
        assert_eq!((some(&names), some(&names[..5])), ("0, 1, 2, 3, 4 and 2 more".into(), "0, 1, 2, 3, 4".into()));
    }
}
