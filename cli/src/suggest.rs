//! Names similar to one that does not exist.

/// Least likeness of a name that is shown to the user; 1 is equal.
const ALIKE: f64 = 0.74;

/// The `names` that are similar to `wanted`, nearest first: equal except for case, with the same beginning, one
/// contained in the other, or different in a few letters.
pub fn nearest<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let wanted = wanted.to_lowercase();
    let mut found: Vec<(f64, &str)> = names
        .map(|name| (likeness(&wanted, &name.to_lowercase()), name))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .collect();
    found.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    found.into_iter().map(|(_, name)| name).collect()
}

/// How similar two names in lower case are, from 0 to 1.
fn likeness(wanted: &str, name: &str) -> f64 {
    let by_letters = strsim::jaro_winkler(wanted, name).max(strsim::normalized_damerau_levenshtein(wanted, name));
    // People remember only `camera` of `robot/camera`.
    let contained = wanted.len() >= 2 && (name.contains(wanted) || (name.len() >= 2 && wanted.contains(name)));
    if contained { by_letters.max(0.9) } else { by_letters }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near<'a>(wanted: &str, names: &[&'a str]) -> Vec<&'a str> {
        nearest(wanted, names.iter().copied())
    }

    #[test]
    fn names_with_typing_errors_are_near_and_unrelated_ones_are_not() {
        let names = ["camera", "eeg", "imu", "my-signal"];
        assert_eq!(near("camrea", &names), ["camera"]);
        assert_eq!(near("cameras", &names), ["camera"]);
        assert_eq!(near("my_signal", &names), ["my-signal"]);
        assert_eq!(near("EEG", &names), ["eeg"]);
        assert!(near("lidar", &names).is_empty());
    }

    #[test]
    fn the_last_part_of_a_path_is_enough() {
        assert_eq!(near("camera", &["robot/camera", "robot/imu"]), ["robot/camera"]);
        assert_eq!(near("robot/camera", &["camera", "imu"]), ["camera"]);
    }

    #[test]
    fn the_nearest_comes_first_and_equally_near_ones_by_name() {
        assert_eq!(near("eeg1", &["eeg3", "eeg2", "eeg11"]), ["eeg11", "eeg2", "eeg3"]);
    }
}
