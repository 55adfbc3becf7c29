//! What the ring costs, compared with alternatives: run by `cargo xtask bench`.

#![deny(unsafe_op_in_unsafe_fn)]

mod case;
mod clock;
mod control;
mod graph;
mod machine;
mod measure;
mod message;
mod peer;
mod pin;
mod plan;
mod probe;
mod processes;
mod receipts;
mod report;
mod role;
mod rows;
mod series;
mod shared;
mod statistics;
mod task;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use eyre::ensure;

use crate::rows::Row;
use crate::series::Series;

/// Measures the ring and its alternatives in one run.
#[derive(Parser)]
#[command(name = "cargo xtask bench")]
struct Arguments {
    /// One round of short measurements, to check that the benchmark works
    #[arg(long)]
    quick: bool,
    /// Rounds of everything; default: five, or one with --quick
    #[arg(long, value_parser = at_least::<1>)]
    rounds: Option<usize>,
    /// Only these rows: `dora-shm` means all rows whose names begin with it
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Only these payloads, in bytes: multiples of 8, at least 32
    #[arg(long, value_delimiter = ',', value_parser = payload)]
    payload: Vec<usize>,
    /// Only rings of these sizes, in bytes; a ring has room for at least four messages
    #[arg(long, value_delimiter = ',', value_parser = at_least::<1>)]
    ring: Vec<usize>,
    /// Only these series
    #[arg(long, value_delimiter = ',', value_enum)]
    series: Vec<Series>,
    /// No series
    #[arg(long, conflicts_with = "series")]
    no_series: bool,
    /// Folder for all output. Default: the data go to target/bench; the page and its pictures go to docs/bench, or to
    /// target/bench if not everything is measured
    #[arg(long)]
    out: Option<PathBuf>,
    /// Measure nothing: print the tables and write the page for a run whose data are in this file
    #[arg(long, conflicts_with_all = ["quick", "rounds", "only", "payload", "ring", "series", "no_series"])]
    page_from: Option<PathBuf>,
    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(Subcommand)]
enum Part {
    /// One of the two processes of a measurement
    #[command(hide = true)]
    Peer {
        role: role::Role,
        #[arg(long)]
        task: String,
        #[arg(long)]
        control: PathBuf,
    },
    /// One series; prints its points
    #[command(hide = true)]
    Series {
        series: Series,
        writer_cpu: usize,
        reader_cpu: usize,
        #[arg(long)]
        quick: bool,
    },
    /// A process inside or outside a dora graph
    #[command(hide = true, subcommand)]
    Graph(graph::Part),
    /// A helper process of a series
    #[command(hide = true)]
    Helper(series::Helper),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match &arguments.part {
        Some(Part::Peer { role, task, control }) => peer::run(*role, task, control),
        Some(Part::Series { series, writer_cpu, reader_cpu, quick }) => {
            let setting = series::Setting { quick: *quick, writer_cpu: *writer_cpu, reader_cpu: *reader_cpu };
            processes::catch_interrupts().and_then(|()| series.print(&setting))
        }
        Some(Part::Graph(part)) => part.play(),
        Some(Part::Helper(helper)) => helper.run(),
        None => match &arguments.page_from {
            Some(file) => page_from(file, &arguments.page_folder()),
            None => bench(&arguments),
        },
    };
    if let Err(error) = outcome {
        eprintln!("error: {error:#}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

impl Arguments {
    /// Whether this is a run whose figures may be published.
    fn is_whole(&self) -> bool {
        let all_rows = self.only.is_empty() && self.payload.is_empty() && self.ring.is_empty();
        let all_series = self.series.is_empty() && !self.no_series;
        all_rows && all_series && !self.quick && self.rounds.is_none_or(|rounds| rounds >= plan::ROUNDS)
    }

    fn data_folder(&self) -> PathBuf {
        self.out.clone().unwrap_or_else(|| PathBuf::from("target/bench"))
    }

    fn page_folder(&self) -> PathBuf {
        let default = || PathBuf::from(if self.is_whole() { "docs/bench" } else { "target/bench" });
        self.out.clone().unwrap_or_else(default)
    }
}

fn payload(text: &str) -> Result<usize, String> {
    let bytes: usize = text.parse().map_err(|_| "expected a number of bytes".to_owned())?;
    let fits = bytes >= message::LEAST_BYTES && bytes.is_multiple_of(8);
    if fits { Ok(bytes) } else { Err(format!("expected a multiple of 8, at least {}", message::LEAST_BYTES)) }
}

fn at_least<const LEAST: usize>(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|&number| number >= LEAST).ok_or_else(|| format!("expected a number, at least {LEAST}"))
}

/// Reports a run whose data are in `file`.
fn page_from(file: &Path, page: &Path) -> eyre::Result<()> {
    report::prepare(page)?;
    let (machine, entries) = report::load(file)?;
    let results = entries.results();
    report::table::print(&results, &report::targets::verdicts(&results));
    report::save_page(page, &machine, &results)?;
    println!("page: {}", page.display());
    Ok(())
}

fn bench(arguments: &Arguments) -> eyre::Result<()> {
    let (data, page) = (arguments.data_folder(), arguments.page_folder());
    // Checked now rather than after everything has been measured.
    report::prepare(&data)?;
    report::prepare(&page)?;
    let rows = chosen(rows::all(), &arguments.only)?;
    let mut plan = plan::Plan::new(arguments.quick, arguments.rounds, rows, pin::pair()?);
    if !arguments.only.is_empty() && !arguments.only.iter().any(|row| row == rows::OURS) {
        // The series measure only our ring.
        plan.series.clear();
    }
    if !arguments.payload.is_empty() {
        plan.payloads = arguments.payload.clone();
    }
    if !arguments.ring.is_empty() {
        plan.rings = arguments.ring.clone();
    }
    if !arguments.series.is_empty() || arguments.no_series {
        plan.series = arguments.series.clone();
    }
    let machine = machine::Machine::detect();
    println!("{}\n{}\n", machine.sentence(), machine.versions());
    processes::catch_interrupts()?;
    let entries = plan::run(&plan, |what| eprintln!("{what}"));
    ensure!(!processes::interrupted(), "interrupted: nothing was written");
    let results = entries.results();
    let verdicts = report::targets::verdicts(&results);
    report::table::print(&results, &verdicts);
    report::save_data(&data, &machine, &results, &verdicts)?;
    report::save_page(&page, &machine, &results)?;
    println!("data: {}, page: {}", data.join(report::DATA).display(), page.display());
    ensure!(entries.failures.is_empty(), "{} measurements failed", entries.failures.len());
    Ok(())
}

fn chosen(rows: Vec<Box<dyn Row>>, only: &[String]) -> eyre::Result<Vec<Box<dyn Row>>> {
    let means = |wanted: &str, name: &str| name == wanted || name.starts_with(&format!("{wanted}-"));
    for wanted in only {
        ensure!(rows.iter().any(|row| means(wanted, row.name())), "there is no row {wanted:?}");
    }
    Ok(rows.into_iter().filter(|row| only.is_empty() || only.iter().any(|wanted| means(wanted, row.name()))).collect())
}
