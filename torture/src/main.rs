//! `dora-shm-torture` injects faults into streams, campaign after campaign. Meanwhile readers verify every frame and
//! account for every position as read or lost.

mod campaigns;
mod counters;
mod fixture;
mod follow;
mod play;
mod report;
mod role;
mod runner;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::{Parser, Subcommand, ValueEnum as _};
use dora_shm_testkit::process::{print_line, read_line};
use dora_shm_testkit::{rng, segments};
use dora_shm_torture::{events, sequence};
use eyre::{WrapErr as _, bail};
use rustix::process::{Signal, kill_current_process_group};

use campaigns::Campaign;
use counters::Counters;
use fixture::Fixture;
use report::{Machine, Run};
use role::Role;
use runner::{LIVE_MARK, REPORT_MARK, Report};

/// Inject faults into streams while readers verify every frame and account for every position as read or lost. The
/// default is `--short`.
#[derive(Parser)]
#[command(name = "dora-shm-torture", args_conflicts_with_subcommands = true)]
struct Arguments {
    /// Run all campaigns within a minute and a half
    #[arg(long, conflicts_with = "minutes")]
    short: bool,
    /// Run all campaigns in M minutes, a third of them for the soak
    #[arg(long, value_name = "M")]
    minutes: Option<f64>,
    /// Run only these campaigns; with --minutes, they share the whole time
    #[arg(long, value_delimiter = ',', value_name = "CAMPAIGN,...")]
    only: Vec<Campaign>,
    /// Seed of all random decisions; default: a different one for each run
    #[arg(long)]
    seed: Option<u64>,
    /// Write torture.json and figures.md into this folder
    #[arg(long)]
    out: Option<PathBuf>,
    #[command(subcommand)]
    part: Option<Part>,
}

/// What the processes do that this program starts.
#[derive(Subcommand)]
enum Part {
    /// Run one campaign in the shared memory of this process
    #[command(hide = true)]
    Campaign { campaign: Campaign, seed: u64, milliseconds: u64, evidence: PathBuf },
    /// Play a role in a campaign
    #[command(hide = true)]
    Role { role: Role, arguments: Vec<String> },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match arguments.part {
        Some(Part::Role { role, arguments }) => {
            play::play(role, &arguments).wrap_err_with(|| role.word()).map(|()| ExitCode::SUCCESS)
        }
        Some(Part::Campaign { campaign, seed, milliseconds, evidence }) => {
            perform(campaign, seed, Duration::from_millis(milliseconds), evidence);
            Ok(ExitCode::SUCCESS)
        }
        None => run_all(&arguments),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn run_all(arguments: &Arguments) -> eyre::Result<ExitCode> {
    let campaigns = if arguments.only.is_empty() { Campaign::value_variants() } else { &arguments.only };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seed = arguments.seed.unwrap_or_else(|| rng::mix(now.as_nanos() as u64) >> 32);
    let form = match arguments.minutes {
        Some(minutes) if !(minutes > 0.0 && minutes.is_finite()) => {
            bail!("--minutes is {minutes}, expected a number above 0")
        }
        Some(minutes) => format!("--minutes {minutes}"),
        None => "--short".to_owned(),
    };
    let shares: f64 = campaigns.iter().map(|campaign| campaign.share()).sum();
    let folder = arguments.out.clone().unwrap_or_else(|| std::env::temp_dir().join("dora-shm-torture"));
    println!("seed {seed}, {form}");
    let mut done = Vec::new();
    for &campaign in campaigns {
        let seconds = match arguments.minutes {
            Some(minutes) => minutes * 60.0 * campaign.share() / shares,
            None => campaign.short_seconds(),
        };
        let evidence = runner::evidence_of(&folder, campaign, seed);
        done.push(runner::run(campaign, seed, Duration::from_secs_f64(seconds), &evidence)?);
    }
    let run = Run { form, seed, unix_seconds: now.as_secs(), machine: Machine::this(), campaigns: done };
    run.print();
    if let Some(out) = &arguments.out {
        run.write(out)?;
    }
    Ok(if run.defects() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs one campaign and prints its report as the last line.
fn perform(campaign: Campaign, seed: u64, budget: Duration, evidence: PathBuf) {
    // The runner holds our input open. When the runner ends, so do this process and all processes that it has started.
    std::thread::spawn(|| {
        while read_line().is_some() {}
        let _ = kill_current_process_group(Signal::KILL);
    });
    let counters = Arc::new(Counters::of_campaign(evidence));
    let performed = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !performed.load(Ordering::Relaxed) {
                print_line(&format!("{LIVE_MARK}{}", serde_json::json!(counters.counts())));
                std::thread::park_timeout(Duration::from_millis(500));
            }
        });
        let name = format!("torture/{}/{}", campaign.word(), std::process::id());
        let fixture = Fixture { name, seed, budget, started: Instant::now(), counters: counters.clone() };
        if let Err(defect) = campaign.run(&fixture) {
            counters.defect(&defect);
        }
        let mut left = segments::listing();
        left.retain(|segment| !campaign.may_leave(segment));
        if !left.is_empty() {
            counters.defect(&format!("left in shared memory: {left:?}"));
        }
        performed.store(true, Ordering::Relaxed);
    });
    let report = Report { count: counters.counts(), notes: counters.notes(), defect: counters.found() };
    print_line(&format!("{REPORT_MARK}{}", serde_json::json!(report)));
}
