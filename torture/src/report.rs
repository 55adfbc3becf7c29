//! The figures of all campaigns, as a table for the terminal, as JSON and as a page.

use std::path::Path;
use std::time::Duration;

use eyre::WrapErr as _;

use crate::runner::Result as Done;

/// Width of the page, in characters.
const WIDTH: usize = 120;

/// A run: its options, its machine and its campaigns.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Run {
    pub form: String,
    pub seed: u64,
    pub unix_seconds: u64,
    pub machine: Machine,
    pub campaigns: Vec<Done>,
}

#[derive(Clone, Debug, serde::Serialize)]
pub struct Machine {
    pub cores: usize,
    pub processor: String,
    pub kernel: String,
    pub library: &'static str,
}

impl Machine {
    pub fn this() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let processor = read("/proc/cpuinfo").lines().find_map(|line| {
            line.strip_prefix("model name").and_then(|rest| rest.split(": ").nth(1)).map(str::to_owned)
        });
        Self {
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            processor: processor.unwrap_or_else(|| "unknown".to_owned()),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            library: env!("CARGO_PKG_VERSION"),
        }
    }
}

impl Run {
    pub fn defects(&self) -> usize {
        self.campaigns.iter().filter(|done| done.report.defect.is_some()).count()
    }

    fn sum(&self, of: impl Fn(&Done) -> u64) -> u64 {
        self.campaigns.iter().map(of).sum()
    }

    fn seconds(&self) -> f64 {
        self.campaigns.iter().map(|done| done.seconds).sum()
    }

    /// One row for each campaign and one for all together: name, seconds, frames checked, faults injected, defects
    /// found.
    fn rows(&self) -> Vec<[String; 5]> {
        let row = |name: &str, seconds: f64, frames: u64, faults: u64, defects: usize| {
            [name.to_owned(), format!("{seconds:.1}"), grouped(frames), grouped(faults), defects.to_string()]
        };
        let each = self.campaigns.iter().map(|done| {
            let count = done.report.count;
            let defects = usize::from(done.report.defect.is_some());
            row(&done.campaign, done.seconds, count.frames, count.faults, defects)
        });
        let frames = self.sum(|done| done.report.count.frames);
        let faults = self.sum(|done| done.report.count.faults);
        each.chain([row("all", self.seconds(), frames, faults, self.defects())]).collect()
    }

    pub fn print(&self) {
        const HEAD: [&str; 5] = ["campaign", "seconds", "frames checked", "faults injected", "defects found"];
        let line = |cells: &[String; 5]| {
            println!("{:<12} {:>9} {:>18} {:>16} {:>14}", cells[0], cells[1], cells[2], cells[3], cells[4]);
        };
        println!();
        line(&HEAD.map(str::to_owned));
        self.rows().iter().for_each(line);
    }

    /// Writes `torture.json` and `figures.md` into a folder.
    pub fn write(&self, folder: &Path) -> eyre::Result<()> {
        std::fs::create_dir_all(folder).wrap_err_with(|| format!("cannot create {}", folder.display()))?;
        let put = |name: &str, text: String| {
            let path = folder.join(name);
            std::fs::write(&path, text).wrap_err_with(|| format!("cannot write {}", path.display()))
        };
        put("torture.json", serde_json::to_string_pretty(self)? + "\n")?;
        put("figures.md", self.page())
    }

    fn page(&self) -> String {
        let Machine { cores, processor, kernel, library } = &self.machine;
        let origin = wrapped(&format!(
            "Written by `cargo xtask torture {}`, seed {}, on {}: {processor}, {cores} cores, Linux {kernel}, version \
             {library}.",
            self.form,
            self.seed,
            date(self.unix_seconds)
        ));
        let mut page = format!(
            "# Figures of a torture campaign\n\n{origin}\n| campaign | seconds | frames checked | faults injected | \
             defects found |\n|---|--:|--:|--:|--:|\n"
        );
        for row in self.rows() {
            page += &format!("| {} |\n", row.join(" | "));
        }
        page += "\n";
        for done in &self.campaigns {
            for note in &done.report.notes {
                page += &wrapped(&format!("- {}: {note}.", done.campaign));
            }
            if let Some(defect) = &done.report.defect {
                page += &wrapped(&format!("- **Defect** in {}: {defect}", done.campaign));
            }
        }
        page
    }
}

/// In lines of at most [`WIDTH`] characters, if its words allow it. An item's lines after the first are indented.
fn wrapped(text: &str) -> String {
    let indent = if text.starts_with("- ") { "  " } else { "" };
    let mut words = text.split(' ');
    let (mut lines, mut line) = (String::new(), words.next().unwrap_or_default().to_owned());
    for word in words {
        if line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines += &std::mem::replace(&mut line, format!("{indent}{word}"));
            lines.push('\n');
        } else {
            line.extend([" ", word]);
        }
    }
    lines + &line + "\n"
}

/// A number in groups of three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join(" ")
}

/// The day of a Unix time, in UTC (days to civil date, proleptic Gregorian).
fn date(unix_seconds: u64) -> String {
    let days = Duration::from_secs(unix_seconds).as_secs() / 86400;
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_shifted + 2) / 5 + 1;
    let month = if month_shifted < 10 { month_shifted + 3 } else { month_shifted - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_agree_with_the_calendar() {
        for (seconds, day) in [(0, "1970-01-01"), (951_782_400, "2000-02-29"), (1_795_392_000, "2026-11-23")] {
            assert_eq!(date(seconds), day);
        }
    }

    #[test]
    fn a_long_item_is_wrapped_between_its_words_and_indented() {
        let page = wrapped(&format!("- {}", ["word"; 60].join(" ")));
        assert!(page.lines().count() == 3 && page.lines().all(|line| line.len() <= WIDTH), "{page}");
        assert!(page.lines().skip(1).all(|line| line.starts_with("  word")), "{page}");
        assert_eq!(page.split_whitespace().count(), 61);
        assert_eq!(wrapped("two words"), "two words\n");
    }

    #[test]
    fn digits_are_grouped_by_three() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1 000", "1 234 567"]);
    }
}
