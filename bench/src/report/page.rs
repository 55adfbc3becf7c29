//! The page for people: the method, one table, the pictures, and three conclusions.

use std::fmt::Write as _;

use super::aggregate::Results;
use super::format::{duration, number};
use super::shown::Shown;
use super::svg::Drawn;
use super::table;
use crate::case::Case;
use crate::machine::Machine;
use crate::measure::Figure;
use crate::rows::OURS;
use crate::series::Series;
use crate::statistics::median;
use crate::task::{Mode, PAYLOADS, payload_name};

const METHOD: &str = "\
A writer and a reader are two processes, each bound to a core. A message carries its number and the time just before the
writer copies it (`CLOCK_MONOTONIC`); the reader checks the number. *Latency* runs from that time until just after the reader
has copied the message out, or has summed it in place. Messages are paced: 500 a second up to 64 KiB, 250 at 1 MiB, 60 at
6.2 MB. *Lossless* is the throughput of 64 KiB messages sent back to back, both copies included: the reader acknowledges, and
the writer stays at most half a ring ahead (iceoryx2 has its own back-pressure).

The writer takes its messages in turn from buffers of at least 8 MiB together, so that no message is in a core's own cache
when it is sent. One lap of the ring is written and read before anything is measured. The rows alternate within each round,
and a figure is the median over the rounds. iceoryx2 reuses the memory of released messages, which stays in the cache. The
rings keep the past, so each of their messages lies elsewhere. Notes on each row are in `bench/src/rows`.
";

/// The page's text.
pub fn text(machine: &Machine, results: &Results<'_>, pictures: &[Drawn]) -> eyre::Result<String> {
    let mut page = String::new();
    writeln!(page, "# Benchmarks\n\nWritten by `{}` on {}. Do not edit.\n", machine.command, machine.date)?;
    writeln!(page, "{}", wrapped(&format!("- Machine: {}", machine.sentence()), "  "))?;
    writeln!(page, "{}\n", wrapped(&format!("- Versions: {}", machine.versions()), "  "))?;
    writeln!(page, "## Method\n\n{METHOD}")?;
    if let Some(shown) = Shown::of(results) {
        writeln!(page, "## Latency and throughput\n\n{}\n", wrapped(&conditions(results, shown), ""))?;
        writeln!(page, "{}", table::latency(results, shown).to_markdown())?;
    }
    for picture in pictures {
        writeln!(page, "![{}]({})\n", picture.title, picture.file)?;
    }
    writeln!(page, "## Conclusions\n")?;
    for conclusion in conclusions(results) {
        writeln!(page, "- {}", wrapped(&conclusion, "  "))?;
    }
    if !results.failures.is_empty() {
        writeln!(page, "\n## Failed\n")?;
        results.failures.iter().try_for_each(|failure| writeln!(page, "- {failure}"))?;
    }
    Ok(page)
}

/// In lines of at most 120 characters; those after the first begin with `indent`.
fn wrapped(text: &str, indent: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().filter(|line| line.chars().count() + word.chars().count() < 118);
        match line {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) => line.extend([" ", word]),
            None => lines.push(format!("{indent}{word}")),
        }
    }
    lines.join("\n")
}

/// What the figures of the table have in common.
fn conditions(results: &Results<'_>, shown: Shown) -> String {
    let is_shown = |case: Case, class| case.mode.has_reader() && case.ring == shown.ring && class == shown.class;
    let entries = results.entries.iter().filter(|entry| is_shown(entry.case, entry.measured.class));
    let trip = median(entries.flat_map(|entry| entry.measured.round_trip_ns)).unwrap_or_default();
    let summaries = results.summaries();
    let rounds = || summaries.iter().filter(|row| is_shown(row.case, row.class)).map(|row| row.rounds);
    format!(
        "Median latency by payload, with a ring of {}, on two cores between which a cache line takes {} there and back; \
         {} to {} rounds a figure.",
        payload_name(shown.ring),
        duration(trip),
        rounds().min().unwrap_or_default(),
        rounds().max().unwrap_or_default(),
    )
}

/// One sentence each on polling, sleeping and writing, as far as they were measured.
fn conclusions(results: &Results<'_>) -> Vec<String> {
    let Some(shown) = Shown::of(results) else { return vec![NOTHING.to_owned()] };
    let found = [polling(results, shown), sleeping(results, shown), writing(results, shown)];
    let found: Vec<String> = found.into_iter().flatten().collect();
    if found.is_empty() { vec![NOTHING.to_owned()] } else { found }
}

const NOTHING: &str = "This run did not measure what the conclusions need.";
const SMALL: usize = PAYLOADS[0];
const LARGE: usize = PAYLOADS[2];

fn polling(results: &Results<'_>, shown: Shown) -> Option<String> {
    let of = |payload| {
        let case = shown.case(Mode::Paced, payload);
        let latency = results.summary(OURS, case, shown.class)?.through?.p50_ns;
        let times = |other| Some(number(results.compare(OURS, other, case, shown.class, Figure::Through)?.ratio));
        Some((duration(latency), times("minimal")?, times("iceoryx2")?))
    };
    let ((small, small_floor, small_other), (large, large_floor, large_other)) = (of(SMALL)?, of(LARGE)?);
    Some(format!(
        "**A reader that polls** has copied a message of {} after {small}: {small_floor} times what the hundred lines of the \
         minimal ring take, {small_other} times iceoryx2. At {} it is {large}: {large_floor} and {large_other} times.",
        payload_name(SMALL),
        payload_name(LARGE),
    ))
}

fn sleeping(results: &Results<'_>, shown: Shown) -> Option<String> {
    let case = shown.case(Mode::Paced, SMALL);
    let latency = |row| Some(duration(results.summary(row, case, shown.class)?.through?.p50_ns));
    let floor = results.compare("dora-shm-wait", "minimal-futex", case, shown.class, Figure::Through)?.ratio;
    Some(format!(
        "**A reader that sleeps** pays for the wake-up: {} at {}, {} times the minimal ring with a futex. With `spin` it is \
         {}, where messages come at a steady rate and a core is to spare.",
        latency("dora-shm-wait")?,
        payload_name(SMALL),
        number(floor),
        latency("dora-shm-wait-spin")?,
    ))
}

fn writing(results: &Results<'_>, shown: Shown) -> Option<String> {
    let of = |payload| {
        let case = shown.case(Mode::AloneFlatOut, payload);
        let write = results.summary(OURS, case, shown.class)?.write?.p50_ns;
        Some((duration(write), number(results.compare(OURS, "memcpy", case, shown.class, Figure::Write)?.ratio)))
    };
    let ((small, small_floor), (large, large_floor)) = (of(SMALL)?, of(LARGE)?);
    let cost = |readers| results.series_value(Series::Readers, "not waiting, p50", readers).map(duration);
    Some(format!(
        "**A write** of {} takes {small} back to back, {small_floor} times `memcpy`, and one of {} takes {large}, \
         {large_floor} times. At 500 messages a second it takes {} without readers, and {} with 64 attached ones that do \
         not sleep.",
        payload_name(SMALL),
        payload_name(LARGE),
        cost(0.0)?,
        cost(64.0)?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_sentence_is_wrapped_between_its_words() {
        let words = vec!["word"; 60].join(" ");
        let lines = wrapped(&words, "  ");
        assert!(lines.lines().count() == 3 && lines.lines().all(|line| line.len() <= 120), "{lines}");
        assert_eq!(lines.split_whitespace().count(), 60);
        assert_eq!(wrapped("two words", "  "), "two words");
    }
}
