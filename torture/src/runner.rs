//! Runs the campaigns one after the other, each in a separate process with a private shared memory, and collects their
//! reports.

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

/// The start of a line in which a campaign's process prints its counts so far.
pub const LIVE_MARK: &str = "% ";
/// The start of the line in which a campaign's process prints its report.
pub const REPORT_MARK: &str = "= ";

/// How long a campaign may continue after its time to finish, check and count what it has begun.
const OVERTIME: Duration = Duration::from_secs(180);

/// The result of a campaign, as its process reports it.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Report {
    pub count: Counts,
    pub notes: Vec<String>,
    /// The defect that ended the campaign.
    pub defect: Option<String>,
}

/// The result of a campaign, with what the runner knows of it.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Result {
    pub campaign: String,
    pub seed: u64,
    pub seconds: f64,
    #[serde(flatten)]
    pub report: Report,
}

/// The seed of one campaign, derived from the seed of the run.
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
            "    to repeat: dora-shm-torture --only {} --seed {seed} --minutes {:.2}",
            campaign.word(),
            budget.as_secs_f64() / 60.0
        );
    }
    Ok(Result { campaign: campaign.word(), seed: own_seed, seconds, report })
}

fn play(campaign: Campaign, seed: u64, budget: Duration, evidence: &Path, live: &mut Live) -> eyre::Result<Report> {
    let mut command = in_private_shm(campaign.megabytes(), std::env::current_exe()?);
    command.args(["campaign", &campaign.word(), &seed.to_string(), &budget.as_millis().to_string()]).arg(evidence);
    // In a separate process group, so that all processes of the campaign can be ended together. The campaign's input
    // closes when this process ends.
    command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child =
        command.spawn().wrap_err("cannot start `unshare`, which gives a campaign a private shared memory")?;
    // Held until the child has ended: `wait` would close the input first, which would end the child.
    let _input = child.stdin.take();
    let group = Pid::from_raw(child.id() as i32).ok_or_else(|| eyre!("the campaign's process has no process ID"))?;
    let stdout = BufReader::new(child.stdout.take().ok_or_else(|| eyre!("the campaign's output is not piped"))?);
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
                let defect = Some(format!("killed, since it was still busy {OVERTIME:?} after its time"));
                return Ok(Report { count, notes: Vec::new(), defect });
            }
        }
    };
    let status = child.wait()?;
    // After an orderly end no process of the group is left. After any other end the rest is killed here.
    let _ = kill_process_group(group, Signal::KILL);
    Ok(match report {
        Some(report) if status.success() => report,
        _ => Report { count, notes: Vec::new(), defect: Some(format!("the campaign's process ended: {status}")) },
    })
}

/// The line that shows the progress of a campaign.
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

/// The folder for a campaign's evidence.
pub fn evidence_of(folder: &Path, campaign: Campaign, seed: u64) -> PathBuf {
    folder.join(format!("{}-{seed:x}", campaign.word()))
}
