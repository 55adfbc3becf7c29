//! What a stream's writer was given and did not write, in words.

use dora_shm_ring::Counted;

use crate::units;

/// The counts that are not zero; `None` if all are.
pub fn words(counted: &Counted) -> Option<String> {
    let Counted { refused, dropped, gaps, .. } = *counted;
    let parts: Vec<String> = [
        (refused, "refused"),
        (dropped, "dropped by the queue of the writer's input"),
        (gaps, "missing by the source's sequence"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, how)| format!("{} {how}", units::count(count)))
    .collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_counts_above_zero_are_listed() {
        let mut counted = Counted::default();
        assert_eq!(words(&counted), None);
        (counted.refused, counted.gaps) = (1200, 1);
        assert_eq!(words(&counted).unwrap(), "1 200 refused, 1 missing by the source's sequence");
        counted.dropped = 2;
        assert!(words(&counted).unwrap().contains("2 dropped by the queue"));
    }
}
