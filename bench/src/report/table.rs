//! The tables: all of them for the terminal, one for the page.

use super::aggregate::{Results, SeriesPoint, Summary};
use super::format::{duration, exact, number, throughput};
use super::shown::Shown;
use super::targets::{self, Verdict};
use crate::case::Case;
use crate::measure::Figure;
use crate::rows;
use crate::series::Series;
use crate::statistics::Spread;
use crate::task::{Mode, PAYLOADS, payload_name};

/// A title, what the columns are, and the cells.
pub struct Table {
    #[allow(missing_docs)]
    pub title: String,
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    fn new(title: impl Into<String>, header: &[&str]) -> Self {
        Self { title: title.into(), header: header.iter().map(|&name| name.to_owned()).collect(), rows: Vec::new() }
    }

    /// Aligned by blanks.
    pub fn to_text(&self) -> String {
        let all = || std::iter::once(&self.header).chain(&self.rows);
        let width = |column: usize| all().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
        let widths: Vec<usize> = (0..self.header.len()).map(|column| width(column).unwrap_or(0)).collect();
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:<width$}"));
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        let lines: Vec<String> = all().map(line).collect();
        format!("{}\n{}\n", self.title, lines.join("\n"))
    }

    /// As Markdown.
    pub fn to_markdown(&self) -> String {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let rule = format!("|{}\n", " --- |".repeat(self.header.len()));
        let rows: String = self.rows.iter().map(|row| line(row)).collect();
        format!("{}{rule}{rows}", line(&self.header))
    }
}

/// The page's table: a line for each row that has a reader, with its latency by payload and its lossless throughput.
pub fn latency(results: &Results<'_>, shown: Shown) -> Table {
    let cases = results.cases();
    let of_ring = || cases.iter().filter(|case| case.ring == shown.ring);
    let paced: Vec<Case> = of_ring().filter(|case| case.mode == Mode::Paced).copied().collect();
    let lossless = Case { mode: Mode::Lossless, payload: PAYLOADS[1], ring: shown.ring };
    let sizes: Vec<String> = paced.iter().map(|case| payload_name(case.payload)).collect();
    let sizes: Vec<&str> = sizes.iter().map(|size| &**size).collect();
    let mut table = Table::new("Latency", &[&["row", "what it is"], &sizes[..], &["lossless"]].concat());
    let summary = |row: &str, case| results.summary(row, case, shown.class);
    let through = |row: &str, case| summary(row, case)?.through.map(|spread| duration(spread.p50_ns));
    for row in rows::all() {
        let mut figures: Vec<Option<String>> = paced.iter().map(|&case| through(row.name(), case)).collect();
        if figures.iter().all(Option::is_none) {
            continue;
        }
        figures.push(summary(row.name(), lossless).and_then(|summary| summary.bytes_per_second).map(throughput));
        let cells = figures.into_iter().map(|figure| figure.unwrap_or_else(|| "-".to_owned()));
        table.rows.push([row.name(), row.about()].map(str::to_owned).into_iter().chain(cells).collect());
    }
    table
}

/// One table for each case.
pub fn cases(results: &Results<'_>) -> Vec<Table> {
    let summaries = results.summaries();
    let table = |case: Case| {
        let size = payload_name(case.payload);
        let title = format!("{size}, ring {}, {}", payload_name(case.ring), case.mode.name());
        let mut table = Table::new(title, columns(case.mode));
        let rows = summaries.iter().filter(|summary| summary.case == case);
        table.rows = rows.map(|summary| cells(results, summary)).collect();
        table
    };
    results.cases().into_iter().map(table).collect()
}

fn columns(mode: Mode) -> &'static [&'static str] {
    match mode {
        Mode::AloneFlatOut => &["row", "cores", "write p50", "x memcpy", "p99", "max", "rate"],
        Mode::AlonePaced => &["row", "cores", "write p50", "x memcpy", "p99", "max"],
        Mode::Paced => &[
            "row",
            "cores",
            "write p50",
            "p99",
            "max",
            "seen p50",
            "x floor",
            "p99",
            "max",
            "read p50",
            "through p50",
            "x floor",
            "p99",
            "max",
        ],
        Mode::Lossless => &["row", "cores", "rate", "x floor"],
    }
}

fn cells(results: &Results<'_>, summary: &Summary) -> Vec<String> {
    let mode = summary.case.mode;
    let floor = rows::find(summary.row).map_or("", |row| row.floor(mode));
    let ratio = |figure| {
        let compared = results.compare(summary.row, floor, summary.case, summary.class, figure);
        compared.map_or_else(|| "-".to_owned(), |compared| number(compared.ratio))
    };
    let p50 = |spread: Option<Spread>| spread.map_or_else(|| "-".to_owned(), |spread| duration(spread.p50_ns));
    let p99 = |spread: Option<Spread>| spread.map_or_else(|| "-".to_owned(), |spread| duration(spread.p99_ns));
    let max = |spread: Option<Spread>| spread.map_or_else(|| "-".to_owned(), |spread| duration(spread.max_ns));
    let rate = summary.bytes_per_second.map_or_else(|| "-".to_owned(), throughput);
    let missed = if summary.missed > 0 { format!(", {} missed", summary.missed) } else { String::new() };
    let cores =
        format!("{} {}, {} rounds{missed}", summary.class.name(), duration(summary.round_trip_ns), summary.rounds);
    let mut cells = vec![summary.row.to_owned(), cores];
    let write = [p50(summary.write), p99(summary.write), max(summary.write)];
    match mode {
        Mode::AloneFlatOut | Mode::AlonePaced => {
            let [p50, p99, max] = write;
            cells.extend([p50, ratio(Figure::Write), p99, max]);
            cells.extend((mode == Mode::AloneFlatOut).then_some(rate));
        }
        Mode::Paced => {
            cells.extend(write);
            cells.extend([p50(summary.seen), ratio(Figure::Seen), p99(summary.seen), max(summary.seen)]);
            cells.push(p50(summary.read));
            cells.extend([p50(summary.through), ratio(Figure::Through), p99(summary.through), max(summary.through)]);
        }
        Mode::Lossless => cells.extend([rate, ratio(Figure::Throughput)]),
    }
    cells
}

/// A series with more lines has one row for each.
const MOST_COLUMNS: usize = 8;

/// One table for each series: a row for each value of what it varies, unless that makes it too wide.
pub fn series(results: &Results<'_>) -> Vec<(Series, Table)> {
    let points = results.series_points();
    let mut kinds: Vec<Series> = points.iter().map(|point| point.series).collect();
    kinds.sort();
    kinds.dedup();
    let table = |series: Series| {
        let of: Vec<&SeriesPoint> = points.iter().filter(|point| point.series == series).collect();
        let (mut lines, mut xs): (Vec<&str>, Vec<f64>) = (Vec::new(), Vec::new());
        for point in &of {
            if !lines.contains(&&*point.point.line) {
                lines.push(&point.point.line);
            }
            if !xs.contains(&point.point.x) {
                xs.push(point.point.x);
            }
        }
        let unit = of.first().map_or("", |point| &point.point.x_unit);
        let cell = |line: &str, x: f64| {
            let found = of.iter().find(|point| point.point.line == line && point.point.x == x);
            found.map_or_else(|| "-".to_owned(), |point| value(point))
        };
        // The points of a series share these values.
        let title = of.first().map_or_else(
            || series.name(),
            |point| {
                let cores = point.class.map_or("near and far", |class| class.name());
                format!("{}, cores {cores} {}, {} rounds", series.name(), duration(point.round_trip_ns), point.rounds)
            },
        );
        let mut table;
        if lines.len() <= MOST_COLUMNS {
            table = Table::new(title, &[&[unit], &lines[..]].concat());
            let row = |&x: &f64| std::iter::once(exact(x)).chain(lines.iter().map(|line| cell(line, x))).collect();
            table.rows.extend(xs.iter().map(row));
        } else {
            let names: Vec<String> = xs.iter().map(|&x| format!("{} {unit}", exact(x))).collect();
            let names: Vec<&str> = std::iter::once("").chain(names.iter().map(|name| &**name)).collect();
            table = Table::new(title, &names);
            let row =
                |line: &&str| std::iter::once((*line).to_owned()).chain(xs.iter().map(|&x| cell(line, x))).collect();
            table.rows.extend(lines.iter().map(row));
        }
        (series, table)
    };
    kinds.into_iter().map(table).collect()
}

fn value(point: &SeriesPoint) -> String {
    match &*point.point.unit {
        "ns" => duration(point.point.value),
        unit => format!("{} {unit}", number(point.point.value)),
    }
}

/// The targets, and whether they were reached.
pub fn summary(verdicts: &[Verdict]) -> Table {
    let mut table = Table::new("Targets", &["target", "cores", "verdict", "conditions reached"]);
    for entry in targets::together(verdicts) {
        table.rows.push(vec![
            entry.target.to_owned(),
            entry.class.map_or("-", |class| class.name()).to_owned(),
            entry.verdict().to_owned(),
            format!("{} of {}{}", entry.reached, entry.measured, unmeasured(entry.asked - entry.measured)),
        ]);
    }
    table
}

fn unmeasured(count: usize) -> String {
    if count == 0 { String::new() } else { format!(", {count} not measured") }
}

/// Every condition of every target.
pub fn conditions(verdicts: &[Verdict]) -> Table {
    let mut table = Table::new("Conditions", &["target", "condition", "cores", "measured", "verdict"]);
    for verdict in verdicts.iter().filter(|verdict| verdict.reached.is_some()) {
        table.rows.push(vec![
            verdict.target.to_owned(),
            verdict.condition.clone(),
            verdict.class.map_or("-", |class| class.name()).to_owned(),
            verdict.figure.clone().unwrap_or_default(),
            if verdict.reached == Some(true) { "reached" } else { "not reached" }.to_owned(),
        ]);
    }
    table
}

/// All of it, on the terminal.
pub fn print(results: &Results<'_>, verdicts: &[Verdict]) {
    for table in cases(results) {
        println!("{}", table.to_text());
    }
    for (series, table) in series(results) {
        println!("{}\n{}", series.about(), table.to_text());
    }
    println!("{}", conditions(verdicts).to_text());
    println!("{}", summary(verdicts).to_text());
    for entry in targets::together(verdicts).iter().filter(|entry| !entry.missed.is_empty()) {
        let class = entry.class.map_or(String::new(), |class| format!(" ({})", class.name()));
        println!("not reached: {}{class}", entry.target);
        entry.missed.iter().for_each(|condition| println!("    {condition}"));
    }
    for failure in results.failures {
        println!("failed: {failure}");
    }
}
