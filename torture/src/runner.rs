//! Runs the campaigns one after the other, each in a process and a shared memory of its own, and gathers what they found.

use std::io::{BufRead as _, BufReader, IsTerminal as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use dora_shm_testkit::isolated::in_private_shm;
use dora_shm_testkit::rng::{mix, of_text};
use eyre::{WrapErr as _, eyre};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::campaigns::Campaign;
use crate::counters::Counts;

/// Lines that a campaign's process prints begin with one of these.
pub const LIVE_MARK: &str = "% ";
pub const REPORT_MARK: &str = "= ";

/// How long a campaign may go on beyond its time: what it has begun is finished, checked and counted.
const OVERTIME: Duration = Duration::from_secs(180);

/// What a campaign found.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Report {
    pub count: Counts,
    pub notes: Vec<String>,
    /// What went wrong; the campaign ended there.
    pub defect: Option<String>,
}

/// A campaign that has been run.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Result {
    pub campaign: String,
    pub seed: u64,
    pub seconds: f64,
    #[serde(flatten)]
    pub report: Report,
}

/// The seed of one campaign, from the seed of all.
pub fn seed_of(seed: u64, campaign: Campaign) -> u64 {
    mix(seed ^ of_text(&campaign.word()))
}

pub fn run(campaign: Campaign, seed: u64, budget: Duration, evidence: &Path) -> eyre::Result<Result> {
    let own_seed = seed_of(seed, campaign);
    let started = Instant::now();
    let mut live = Live::new(campaign);
    let report = play(campaign, own_seed, budget, evidence, &mut live)?;
    let seconds = started.elapsed().as_secs_f64();
    live.end(&report, seconds);
    if let Some(defect) = &report.defect {
        println!("DEFECT in {}: {defect}", campaign.word());
        println!(
            "    again: dora-shm-torture --only {} --seed {seed} --minutes {:.2}",
            campaign.word(),
            budget.as_secs_f64() / 60.0
        );
    }
    Ok(Result { campaign: campaign.word(), seed: own_seed, seconds, report })
}

fn play(campaign: Campaign, seed: u64, budget: Duration, evidence: &Path, live: &mut Live) -> eyre::Result<Report> {
    let mut command = in_private_shm(campaign.megabytes(), std::env::current_exe()?);
    command.args(["campaign", &campaign.word(), &seed.to_string(), &budget.as_millis().to_string()]).arg(evidence);
    // A group of its own: whatever it has started ends with it. Its input is closed when this process ends.
    command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().wrap_err("cannot start `unshare`, which gives a campaign its own shared memory")?;
    // Held until it has ended: a wait would close it first, and end it.
    let _input = child.stdin.take();
    let group = Pid::from_raw(child.id() as i32).ok_or_else(|| eyre!("a process without a number"))?;
    let stdout = BufReader::new(child.stdout.take().ok_or_else(|| eyre!("the output is piped"))?);
    let (sender, lines) = channel();
    std::thread::spawn(move || stdout.lines().map_while(std::io::Result::ok).try_for_each(|line| sender.send(line)));
    let deadline = Instant::now() + budget + OVERTIME;
    let mut count = Counts::default();
    let report = loop {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                if let Some(json) = line.strip_prefix(LIVE_MARK) {
                    count = serde_json::from_str(json)?;
                    live.show(count);
                } else if let Some(json) = line.strip_prefix(REPORT_MARK) {
                    break Some(serde_json::from_str(json)?);
                } else {
                    println!("{line}");
                }
            }
            Err(RecvTimeoutError::Disconnected) => break None,
            Err(RecvTimeoutError::Timeout) => {
                let _ = kill_process_group(group, Signal::KILL);
                let _ = child.wait();
                let defect = Some(format!("still busy {OVERTIME:?} after its time; killed"));
                return Ok(Report { count, notes: Vec::new(), defect });
            }
        }
    };
    let status = child.wait()?;
    // Nothing of the group is left after an orderly end; after any other it is ended here.
    let _ = kill_process_group(group, Signal::KILL);
    Ok(match report {
        Some(report) if status.success() => report,
        _ => Report { count, notes: Vec::new(), defect: Some(format!("the campaign's own process ended: {status}")) },
    })
}

/// The line that says how a campaign goes.
struct Live {
    campaign: String,
    started: Instant,
    is_terminal: bool,
}

impl Live {
    fn new(campaign: Campaign) -> Self {
        let live =
            Self { campaign: campaign.word(), started: Instant::now(), is_terminal: std::io::stdout().is_terminal() };
        live.show(Counts::default());
        live
    }

    fn line(&self, count: Counts) -> String {
        format!(
            "{:<10} {:>6.1} s {:>14} frames checked {:>9} faults",
            self.campaign,
            self.started.elapsed().as_secs_f64(),
            count.frames,
            count.faults
        )
    }

    fn show(&self, count: Counts) {
        if self.is_terminal {
            print!("\r{}", self.line(count));
            let _ = std::io::stdout().flush();
        }
    }

    fn end(&self, report: &Report, seconds: f64) {
        let start = if self.is_terminal { "\r" } else { "" };
        let count = report.count;
        let verdict = if report.defect.is_some() { "DEFECT" } else { "ok" };
        println!(
            "{start}{:<10} {seconds:>6.1} s {:>14} frames checked {:>9} faults  {verdict}",
            self.campaign, count.frames, count.faults
        );
        report.notes.iter().for_each(|note| println!("           {note}"));
    }
}

/// Where a campaign's evidence goes.
pub fn evidence_of(folder: &Path, campaign: Campaign, seed: u64) -> PathBuf {
    folder.join(format!("{}-{seed:x}", campaign.word()))
}
