//! Keys that are almost right.

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
    fn distance_counts_edits_and_swaps() {
        for (a, b, expected) in
            [("", "", 0), ("", "ab", 2), ("ab", "ba", 1), ("abc", "acb", 1), ("kitten", "sitting", 3)]
        {
            assert_eq!(distance(a, b), expected, "{a} {b}");
            assert_eq!(distance(b, a), expected, "{b} {a}");
        }
    }
}
