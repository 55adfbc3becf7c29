//! Keys that are almost right, and names that users guess for a key.

/// Names that users guess, without `_`, and the keys that they may stand for. A guess counts for a node only if the node
/// has one of the keys.
const GUESSES: &[(&[&str], &[&str])] = &[
    (
        &[
            "NAME",
            "STREAM",
            "STREAMNAME",
            "STREAMID",
            "SHM",
            "SHMNAME",
            "SHMEM",
            "SHMEMID",
            "SHAREDMEMORY",
            "SHAREDMEMORYNAME",
            "RING",
            "RINGNAME",
            "BUFNAME",
            "BUFFERNAME",
            "SEGMENT",
            "SEGMENTNAME",
            "TOPIC",
        ],
        &["SHMEM_NAME"],
    ),
    (
        &[
            "DURATION",
            "SECONDS",
            "BUFDURATION",
            "BUFFERDUR",
            "BUFFERDURATION",
            "BUFSECONDS",
            "BUFFERSECONDS",
            "BUFSEC",
            "BUFFERSEC",
            "BUFSECS",
            "BUFFERSECS",
            "BUFS",
            "BUFFERS",
            "BUFTIME",
            "BUFFERTIME",
            "BUFMS",
            "BUFFERMS",
            "RINGDURATION",
            "RINGSECONDS",
            "HISTORY",
            "RETENTION",
        ],
        &["BUF_DUR"],
    ),
    (
        &[
            "BUF",
            "BUFFER",
            "BUFLEN",
            "BUFFERLEN",
            "BUFLENGTH",
            "BUFFERLENGTH",
            "BUFSIZE",
            "BUFFERSIZE",
            "RINGSIZE",
            "RINGLENGTH",
            "LENGTH",
            "SIZE",
            "CAPACITY",
            "DEPTH",
        ],
        &["BUF_DUR", "BUF_FRAMES"],
    ),
    (
        &[
            "BUFFERFRAMES",
            "BUFSAMPLES",
            "BUFFERSAMPLES",
            "RINGFRAMES",
            "NFRAMES",
            "NUMFRAMES",
            "MAXFRAMES",
            "FRAMECOUNT",
            "SLOTS",
            "NSLOTS",
            "NUMSLOTS",
            "BUFSLOTS",
        ],
        &["BUF_FRAMES"],
    ),
    (
        &[
            "TIMESTAMP",
            "TIMESTAMPS",
            "TIMESTAMPKEY",
            "TIMESTAMPFIELD",
            "TIMESTAMPPARAMETER",
            "TIMEFIELD",
            "TIMEKEY",
            "TIMEPARAM",
            "TIMEPARAMETER",
            "TIMEPATH",
            "TIMECOLUMN",
            "STAMP",
            "STAMPFIELD",
            "HEADERSTAMP",
        ],
        &["TIME"],
    ),
    (&["TIMEUNITS", "TIMESTAMPUNIT", "TIMESTAMPUNITS", "TIMESCALE", "TIMERESOLUTION"], &["TIME_UNIT"]),
    (&["TIMESTAMPOF", "STAMPOF", "TIMEOFFRAME", "TIMEFRAME", "TIMEPOSITION", "TIMEAT"], &["TIME_OF"]),
    (
        &[
            "CLOCKID",
            "CLOCKNAME",
            "CLOCKTYPE",
            "CLOCKSOURCE",
            "CLOCKDOMAIN",
            "TIMECLOCK",
            "TIMEBASE",
            "TIMESOURCE",
            "TIMEREFERENCE",
        ],
        &["CLOCK"],
    ),
    (&["TIMEAXIS", "TIMEDIM", "STREAMDIM", "AXISNAME", "BUFFERAXIS"], &["AXIS"]),
    (
        &[
            "RATE",
            "RATEHZ",
            "HZ",
            "FS",
            "SR",
            "SRATE",
            "SFREQ",
            "NOMINALSRATE",
            "FREQ",
            "FREQUENCY",
            "SAMPLEFREQ",
            "SAMPLEFREQUENCY",
            "SAMPLINGRATE",
            "SAMPLINGFREQ",
            "SAMPLINGFREQUENCY",
            "SAMPLERATEHZ",
            "FPS",
            "FRAMERATE",
        ],
        &["SAMPLE_RATE"],
    ),
    (
        &[
            "FRAMESHAPE",
            "IMAGESHAPE",
            "RESOLUTION",
            "WIDTH",
            "HEIGHT",
            "IMAGEWIDTH",
            "IMAGEHEIGHT",
            "CHANNELS",
            "NCHANNELS",
            "NUMCHANNELS",
            "NCHAN",
            "CHANNELCOUNT",
        ],
        &["SHAPE"],
    ),
    (&["DIMNAMES", "DIMENSIONS", "DIMENSIONNAMES"], &["DIMS"]),
    (
        &["TYPE", "DATATYPE", "ELEMENTTYPE", "SAMPLETYPE", "FORMAT", "SAMPLEFORMAT", "CHANNELFORMAT", "NUMPYDTYPE"],
        &["DTYPE"],
    ),
    (&["COLUMN", "COLUMNS", "FIELDNAME", "FIELDNAMES"], &["FIELD"]),
    (&["ROWS", "FRAMING", "FRAMEMODE", "FRAMERULE"], &["FRAMES"]),
    (&["CHANGE", "ONFORMATCHANGE", "ONMISMATCH"], &["ON_CHANGE"]),
    (&["SIGNAL", "SIGNALNAME", "SIGNALKEY", "SOURCEKEY"], &["KEY"]),
    (
        &[
            "BYTES",
            "BUFBYTES",
            "BUFFERBYTES",
            "MAXSIZE",
            "MAXMB",
            "MAXMEMORY",
            "MAXRINGBYTES",
            "MAXBUFBYTES",
            "MAXBUFFERBYTES",
            "MEMORY",
            "MEMORYLIMIT",
        ],
        &["MAX_BYTES"],
    ),
    (&["PERM", "PERMS", "PERMISSION", "PERMISSIONS", "CHMOD", "ACCESS", "FILEMODE", "SHMMODE", "UMASK"], &["MODE"]),
    (&["CONNECTION", "CONNPATH", "LISTENER", "SOCKET", "SOCKETPATH", "PIPE"], &["CONN"]),
    (
        &[
            "CHUNKSIZE",
            "CHUNKLEN",
            "CHUNKLENGTH",
            "CHUNKFRAMES",
            "CHUNKDURATION",
            "BLOCK",
            "BLOCKSIZE",
            "BATCH",
            "BATCHSIZE",
        ],
        &["CHUNK"],
    ),
    (&["BEGIN", "FROM", "POSITION", "STARTAT", "STARTFROM", "STARTPOSITION"], &["START"]),
    (&["LOSS", "ONLOST", "ONDROP", "ONGAP"], &["ON_LOSS"]),
    (&["ONEND", "ONEOF", "ONSTOP", "ATEND"], &["ON_CLOSE"]),
    (&["UID", "USERID", "OWNERID", "OWNERUID", "STREAMOWNER"], &["OWNER"]),
];

/// Every guess without `_`, and the keys that it may stand for.
#[cfg(test)]
pub(super) fn guesses() -> impl Iterator<Item = (&'static [&'static str], &'static [&'static str])> {
    GUESSES.iter().copied()
}

/// How the names begin that nobody but these nodes has, among the variables of a process.
const OUR_WORDS: [&str; 4] = ["SHM", "BUF", "SAMPL", "STREAM"];

/// The keys among `known` that a user who guessed `written` may mean.
pub(super) fn guessed<'a>(written: &str, known: &[&'a str]) -> Vec<&'a str> {
    let folded = fold(written).to_ascii_uppercase();
    let guess = GUESSES.iter().find(|(names, _)| names.contains(&folded.as_str()));
    let keys = guess.map_or(&[][..], |(_, keys)| keys);
    known.iter().copied().filter(|key| keys.contains(key)).collect()
}

/// Whether a variable of a process is meant for these nodes, rather than for some other program: `BUFFER_SECONDS`, but
/// not `NAME`, which some systems set.
pub(super) fn is_ours(written: &str) -> bool {
    let folded = fold(written).to_ascii_uppercase();
    OUR_WORDS.iter().any(|word| folded.starts_with(word))
}

/// The key among `known` that `written` probably means: it differs only in case, `-` and `_`, or by one edit. `None` if
/// `written` is itself known, or no key is that near.
pub(super) fn near_miss<'a>(written: &str, known: &[&'a str]) -> Option<&'a str> {
    if known.contains(&written) {
        return None;
    }
    let folded = fold(written);
    known
        .iter()
        .copied()
        .find(|key| fold(key) == folded)
        .or_else(|| known.iter().copied().find(|key| distance(written, key) == 1))
}

/// The key among `known` nearest to `written`, if at most half of its letters have to be edited.
pub(super) fn nearest<'a>(written: &str, known: &[&'a str]) -> Option<&'a str> {
    let written = fold(written);
    let (distance, key) = known.iter().map(|&key| (distance(&written, &fold(key)), key)).min_by_key(|&(d, _)| d)?;
    (2 * distance <= key.len()).then_some(key)
}

fn fold(key: &str) -> String {
    key.chars().filter(|c| !matches!(c, '-' | '_')).flat_map(char::to_lowercase).collect()
}

/// Damerau-Levenshtein distance (optimal string alignment): insertions, deletions, substitutions and swaps of
/// neighbours count as one each.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    rows[0] = (0..=b.len()).collect();
    for i in 1..=a.len() {
        rows[i][0] = i;
        for j in 1..=b.len() {
            let substituted = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            rows[i][j] = substituted.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                rows[i][j] = rows[i][j].min(rows[i - 2][j - 2] + 1);
            }
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[&str] = &["SHMEM_NAME", "BUF_DUR", "AXIS", "KEY"];

    #[test]
    fn one_edit_or_another_notation_is_a_near_miss() {
        for (written, meant) in [
            ("SHMEM_NAM", "SHMEM_NAME"),
            ("SHMEM_NAMEE", "SHMEM_NAME"),
            ("SHMEN_NAME", "SHMEM_NAME"),
            ("SHMEM_NAEM", "SHMEM_NAME"),
            ("shmem_name", "SHMEM_NAME"),
            ("SHMEM-NAME", "SHMEM_NAME"),
            ("ShmemName", "SHMEM_NAME"),
            ("BUFDUR", "BUF_DUR"),
            ("AXES", "AXIS"),
            ("KEYS", "KEY"),
        ] {
            assert_eq!(near_miss(written, KNOWN), Some(meant), "{written}");
        }
    }

    #[test]
    fn known_and_distant_keys_are_not_near_misses() {
        for written in ["SHMEM_NAME", "KEY", "RUST_LOG", "PYTHONPATH", "SHMEM_SIZE", "BUF_LEN", "PATH", ""] {
            assert_eq!(near_miss(written, KNOWN), None, "{written}");
        }
    }

    #[test]
    fn the_nearest_key_is_suggested_only_if_it_is_similar() {
        assert_eq!(nearest("buf_duration", &["shmem_name", "buf_dur"]), None);
        assert_eq!(nearest("bufdurs", &["shmem_name", "buf_dur"]), Some("buf_dur"));
        assert_eq!(nearest("SHMEM", &["shmem_name", "buf_dur"]), Some("shmem_name"));
        assert_eq!(nearest("zzz", &["shmem_name", "buf_dur"]), None);
    }

    #[test]
    fn a_guess_stands_for_its_keys_in_every_notation() {
        const ALL: &[&str] =
            &["SHMEM_NAME", "BUF_DUR", "BUF_FRAMES", "SAMPLE_RATE", "TIME", "TIME_UNIT", "TIME_OF", "CLOCK"];
        for (written, meant) in [
            ("NAME", &["SHMEM_NAME"][..]),
            ("STREAM", &["SHMEM_NAME"]),
            ("SHM_NAME", &["SHMEM_NAME"]),
            ("RATE", &["SAMPLE_RATE"]),
            ("sampling-rate", &["SAMPLE_RATE"]),
            ("BUFFER", &["BUF_DUR", "BUF_FRAMES"]),
            ("BUFFER_DURATION", &["BUF_DUR"]),
            ("BUF_SECONDS", &["BUF_DUR"]),
            ("TIMESTAMP", &["TIME"]),
            ("TIME_FIELD", &["TIME"]),
            ("timestamp_unit", &["TIME_UNIT"]),
            ("STAMP_OF", &["TIME_OF"]),
            ("CLOCK_ID", &["CLOCK"]),
            ("RUST_LOG", &[]),
            ("PATH", &[]),
            ("", &[]),
        ] {
            assert_eq!(guessed(written, ALL), meant, "{written}");
        }
        assert!(guessed("RATE", &["SHMEM_NAME"]).is_empty(), "the node has no such key");
    }

    #[test]
    fn a_guess_is_written_once_and_folded() {
        let mut all: Vec<_> = GUESSES.iter().flat_map(|(names, _)| *names).collect();
        assert!(all.iter().all(|name| name.chars().all(|c| c.is_ascii_uppercase())), "{all:?}");
        all.sort();
        let count = all.len();
        all.dedup();
        assert_eq!(all.len(), count);
    }

    #[test]
    fn variables_that_other_programs_have_are_not_ours() {
        for foreign in ["NAME", "USER_ID", "MEMORY_LIMIT", "BATCH_SIZE", "FORMAT", "HOME", "NODE", "MODES"] {
            assert!(!is_ours(foreign), "{foreign}");
        }
        for ours in ["SHMEM_NAM", "SHM_NAME", "BUF_DURATION", "buffer_seconds", "SAMPLING_RATE", "STREAM_NAME"] {
            assert!(is_ours(ours), "{ours}");
        }
    }

    #[test]
    fn distance_counts_edits_and_swaps() {
        for (a, b, expected) in
            [("", "", 0), ("", "ab", 2), ("ab", "ba", 1), ("abc", "acb", 1), ("kitten", "sitting", 3)]
        {
            assert_eq!(distance(a, b), expected, "{a} {b}");
            assert_eq!(distance(b, a), expected, "{b} {a}");
        }
    }
}
