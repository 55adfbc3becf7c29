//! The page.

use std::fmt::Write as _;

use super::aggregate::Results;
use super::svg::Drawn;
use super::table;
use super::targets::{self, Verdict};
use crate::machine::Machine;
use crate::rows::Row;

const METHOD: &str = "\
Each measurement is two processes, a writer and a reader, whose measuring threads are bound to a core each. The payload \
carries its number and the time before the writer's copy (CLOCK_MONOTONIC), and the reader checks it. *Write* is the \
writer's call; *seen* is from just before the step that publishes a message to the reader knowing of it; *through* is from \
before the writer's copy to after the reader's. Throughput has both copies in it, and nothing may be lost: the reader \
acknowledges, and the writer stays within half a ring of it (iceoryx2 has its own back-pressure). A lap of the ring has been \
written and read before anything is measured.

The source is one of several buffers used in turn, 8 MiB of them or at least two: a message is in no cache that belongs to \
one core when it is sent, the same for every row. Paced: 500 messages a second up to 64 KiB, 250 up to 1 MiB, 60 above; \
the writer spins in between.

iceoryx2 gives the memory of a message that everybody has released to the next one: where the reader keeps up it writes to the \
same few buffers, which stay in the cache, and keeps no past; the rings go round. dora-shm's polling row copies \
a paced message out of the view by which it knows of it, since Reader::read returns after its copy; back to back it reads \
small messages that have piled up together, up to 1 MiB.

Beside each figure stands the round trip of a cache line between the two cores, measured before and after (beside the \
rows in Python by two other processes, just before and just after): *near* below 350 ns, *far* above. On virtual machines it flips by itself. A measurement in which it changed is made again, \
and one in the class in which fewer are is kept and made again, up to three times; ratios are made within one round and one \
class, and what is shown is the median over rounds. Up to three rounds are added until every row of a case has been measured \
in five of one class; of the other there are as many as came. *x floor* is the ratio to the minimal ring \
that is read in the same way (polled, with a futex, in place); *p99* and *max* are medians over rounds, too.
";

/// The page's text.
pub fn text(
    machine: &Machine,
    rows: &[Box<dyn Row>],
    results: &Results<'_>,
    verdicts: &[Verdict],
    pictures: &[Drawn],
) -> eyre::Result<String> {
    let mut page = String::new();
    writeln!(page, "# Benchmarks\n\nMade by `{}` on {}. Do not edit.\n", machine.command, machine.date)?;
    writeln!(page, "- Machine: {}\n- Versions: {}\n", machine.sentence(), machine.versions())?;
    writeln!(page, "## Targets\n\n{}", table::summary(verdicts).to_markdown())?;
    for entry in targets::together(verdicts).iter().filter(|entry| !entry.missed.is_empty()) {
        let class = entry.class.map_or(String::new(), |class| format!(" ({})", class.name()));
        writeln!(page, "Not reached: {}{class}\n", entry.target)?;
        entry.missed.iter().try_for_each(|condition| writeln!(page, "- {condition}"))?;
        writeln!(page)?;
    }
    writeln!(page, "## Pictures\n")?;
    for picture in pictures {
        writeln!(page, "![{}]({})\n", picture.title, picture.file)?;
    }
    writeln!(page, "## Method\n\n{METHOD}\n| row | what it is |\n| --- | --- |")?;
    for row in rows {
        writeln!(page, "| {} | {} |", row.name(), row.about())?;
    }
    writeln!(page, "\n## Figures\n")?;
    for table in table::cases(results) {
        writeln!(page, "### {}\n\n{}", table.title, table.to_markdown())?;
    }
    writeln!(page, "## Series\n")?;
    for (series, table) in table::series(results) {
        writeln!(page, "### {}\n\n{}.\n\n{}", table.title, series.about(), table.to_markdown())?;
    }
    writeln!(page, "## Every condition\n\n{}", table::conditions(verdicts).to_markdown())?;
    if !results.failures.is_empty() {
        writeln!(page, "## Failed\n")?;
        results.failures.iter().try_for_each(|failure| writeln!(page, "- {failure}"))?;
    }
    Ok(page)
}
