//! Measures how long a sink that is slow, stopped, killed or failed delays its source, for each queue policy: run by
//! `cargo xtask source-delay`. Prints the table of docs/graphs.md.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand, ValueEnum};
use dora_node_api::{DoraNode, Event, MetadataParameters};
use dora_shm_node_kit::events::Stopper;
use dora_shm_node_kit::launch::Surroundings;
use dora_shm_ring::{Writer, WriterOptions};
use dora_shm_sink::Opened;
use eyre::{OptionExt as _, WrapErr as _, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

/// What the source sends: bytes per message, and messages per second.
const LOADS: [(usize, u32); 4] = [(64, 500), (64 << 10, 500), (1 << 20, 100), (6 << 20, 30)];

/// Time that a slow sink spends on each message.
const SLOW: Duration = Duration::from_millis(10);

/// Longest time for a graph to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long after its planned end a source that still sends gives up.
const GIVEN_UP: Duration = Duration::from_secs(10);

/// How long the sink runs well before it is stopped or killed.
const SETTLED: Duration = Duration::from_secs(3);

#[derive(Parser)]
#[command(name = "cargo xtask source-delay", about = "Measures how long a sink in trouble delays its source")]
struct Arguments {
    /// Seconds for which the source sends
    #[arg(long, default_value_t = 25)]
    seconds: u32,
    /// Only these states of the sink
    #[arg(long, value_delimiter = ',', value_enum)]
    only: Vec<State>,
    /// The queue_size of the sink's input
    #[arg(long, default_value_t = 1000)]
    queue_size: u32,
    #[command(subcommand)]
    node: Option<Node>,
}

/// A node of the measured graph.
#[derive(Subcommand)]
enum Node {
    #[command(hide = true)]
    Source {
        #[arg(long)]
        bytes: usize,
        #[arg(long)]
        rate: u32,
        #[arg(long)]
        seconds: u32,
        #[arg(long)]
        report: PathBuf,
    },
    #[command(hide = true)]
    Sink {
        #[arg(long)]
        slow: bool,
        #[arg(long)]
        pid_file: PathBuf,
    },
}

/// What the sink does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum State {
    /// Runs
    Running,
    /// Takes 10 ms for each message
    Slow,
    /// Is stopped by SIGSTOP after three seconds
    Stopped,
    /// Is killed by SIGKILL after three seconds
    Killed,
    /// Cannot work, because of a wrong setting
    Failed,
}

impl State {
    const ALL: [Self; 5] = [Self::Running, Self::Slow, Self::Stopped, Self::Killed, Self::Failed];

    fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Slow => "slow, 10 ms a message",
            Self::Stopped => "stopped (SIGSTOP)",
            Self::Killed => "killed",
            Self::Failed => "failed (a wrong setting)",
        }
    }
}

/// What the source measured.
#[derive(Clone, Copy, Debug)]
struct Report {
    sent: u64,
    planned: u64,
    longest: Duration,
    median: Duration,
    /// Whether the last send had ended.
    over: bool,
}

impl Report {
    fn write(&self, path: &Path) -> eyre::Result<()> {
        let Report { sent, planned, longest, median, over } = self;
        let text = format!("{sent} {planned} {} {} {}", longest.as_nanos(), median.as_nanos(), u64::from(*over));
        // The reader of the file never sees a part of it.
        let new = path.with_extension("new");
        fs::write(&new, text)?;
        Ok(fs::rename(new, path)?)
    }

    fn read(path: &Path) -> eyre::Result<Self> {
        let text = fs::read_to_string(path).wrap_err("the source wrote no report")?;
        let numbers: Vec<u64> = text.split(' ').map(str::parse).collect::<Result<_, _>>()?;
        let [sent, planned, longest, median, over] = numbers[..] else {
            bail!("expected five numbers, found {text:?}")
        };
        let [longest, median] = [longest, median].map(Duration::from_nanos);
        Ok(Self { sent, planned, longest, median, over: over == 1 })
    }
}

fn main() -> eyre::Result<()> {
    let arguments = Arguments::parse();
    match &arguments.node {
        Some(Node::Source { bytes, rate, seconds, report }) => source(*bytes, *rate, *seconds, report),
        Some(Node::Sink { slow, pid_file }) => sink(*slow, pid_file),
        None => measure(&arguments),
    }
}

/// Sends on schedule, and measures each `send_output`. A late message is sent at once, but no message is sent after the
/// planned end. If a send still lasts [`GIVEN_UP`] later, the report is about the time until then.
fn source(bytes: usize, rate: u32, seconds: u32, report: &Path) -> eyre::Result<()> {
    let (mut node, mut events) = DoraNode::init_from_env()?;
    let message = vec![7_u8; bytes];
    let planned = rate * seconds;
    let sends = Arc::new(Mutex::new(Sends::default()));
    let begin = Instant::now();
    let end = Duration::from_secs(seconds.into());
    let watched = sends.clone();
    let path = report.to_owned();
    std::thread::spawn(move || {
        std::thread::sleep(end + GIVEN_UP);
        // The main thread ends the process if it is not blocked.
        if let Err(error) = locked(&watched).report(planned).and_then(|report| report.write(&path)) {
            eprintln!("error: {error:#}");
        }
    });
    'sending: for sequence in 0..planned {
        let due = begin + Duration::from_secs(1) * sequence / rate;
        while let Some(left) = due.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            // A timeout comes as an error event, which adds nothing to the clock.
            if let None | Some(Event::Stop(_)) = events.recv_timeout(left) {
                break 'sending;
            }
        }
        if begin.elapsed() > end {
            break;
        }
        locked(&sends).begun = Some(Instant::now());
        let sent = node.send_output_raw("data".to_owned().into(), MetadataParameters::default(), bytes, |memory| {
            memory.copy_from_slice(&message);
        });
        sent.wrap_err("cannot send")?;
        let mut sends = locked(&sends);
        let begun = sends.begun.take().ok_or_eyre("no send was begun")?;
        sends.took.push(begun.elapsed());
    }
    let measured = locked(&sends).report(planned)?;
    measured.write(report)
}

/// The sends of a source.
#[derive(Default)]
struct Sends {
    took: Vec<Duration>,
    /// When the send that is not over yet began.
    begun: Option<Instant>,
}

impl Sends {
    fn report(&self, planned: u32) -> eyre::Result<Report> {
        let mut took = self.took.clone();
        let sent = took.len() as u64;
        took.extend(self.begun.map(|begun| begun.elapsed()));
        took.sort_unstable();
        let longest = took.last().copied().ok_or_eyre("nothing was sent")?;
        Ok(Report { sent, planned: planned.into(), longest, median: took[took.len() / 2], over: self.begun.is_none() })
    }
}

fn locked(sends: &Mutex<Sends>) -> MutexGuard<'_, Sends> {
    sends.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The sink itself. Writes its process ID at the first message, or at once if it has failed.
fn sink(slow: bool, pid_file: &Path) -> eyre::Result<()> {
    let surroundings = Surroundings::before_init()?.ok_or_eyre("not started by dora")?;
    let opened = Opened::open(&surroundings);
    let (node, events) = DoraNode::init_from_env()?;
    let write_pid = || {
        let new = pid_file.with_extension("new");
        let written = fs::write(&new, std::process::id().to_string()).and_then(|()| fs::rename(&new, pid_file));
        written.expect("the process ID is written");
    };
    let mut first = opened.started.failure().is_none();
    if !first {
        write_pid();
    }
    dora_shm_sink::run_observed(node, events, opened, Stopper::default(), |event| {
        if !matches!(event, Event::Input { .. }) {
            return;
        }
        if std::mem::take(&mut first) {
            write_pid();
        }
        if slow {
            std::thread::sleep(SLOW);
        }
    })
}

fn measure(arguments: &Arguments) -> eyre::Result<()> {
    let dora = std::env::var_os("DORA_BIN").ok_or_eyre("DORA_BIN is not set: run `cargo xtask source-delay`")?;
    let states = if arguments.only.is_empty() { &State::ALL[..] } else { &arguments.only };
    let mut table = String::from("| message | sink | default policy | `backpressure` |\n| --- | --- | --- | --- |\n");
    for (bytes, rate) in LOADS {
        for &state in states {
            write!(table, "| {} at {rate} Hz | {} |", size(bytes), state.word())?;
            for policy in ["drop_oldest", "backpressure"] {
                eprintln!("{} at {rate} Hz, sink {}, {policy} ...", size(bytes), state.word());
                let graph = Graph { dora: dora.as_ref(), bytes, rate, policy, state, arguments };
                let cell = match graph.run() {
                    Ok(report) => cell(&report),
                    Err(error) => format!("failed: {error:#}"),
                };
                eprintln!("    {cell}");
                write!(table, " {cell} |")?;
            }
            table.push('\n');
        }
    }
    println!("{table}");
    // A sink that was killed leaves its stream. The next writer takes it over, and closing removes it.
    Writer::create(&stream(), WriterOptions::default())?.close();
    Ok(())
}

/// The stream that all sinks write, one after the other.
fn stream() -> String {
    format!("source-delay-{}", std::process::id())
}

fn cell(report: &Report) -> String {
    let percent = 100 * report.sent / report.planned;
    let ms = |time: Duration| match time.as_secs_f64() * 1e3 {
        ms if ms < 1.0 => format!("{ms:.2} ms"),
        ms if ms < 1000.0 => format!("{ms:.0} ms"),
        ms => format!("{:.1} s", ms * 1e-3),
    };
    let more = if report.over { "" } else { "over " };
    format!("{percent} % sent, longest {more}{}, median {}", ms(report.longest), ms(report.median))
}

fn size(bytes: usize) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..0x10_0000 => format!("{} KiB", bytes >> 10),
        _ => format!("{} MiB", bytes >> 20),
    }
}

/// One graph to measure.
struct Graph<'a> {
    dora: &'a Path,
    bytes: usize,
    rate: u32,
    policy: &'a str,
    state: State,
    arguments: &'a Arguments,
}

impl Graph<'_> {
    fn run(&self) -> eyre::Result<Report> {
        let folder = tempfile::tempdir()?;
        let (report, pid_file) = (folder.path().join("report"), folder.path().join("pid"));
        let graph = folder.path().join("graph.yml");
        fs::write(&graph, self.yaml(&report, &pid_file)?)?;
        let mut dora = Command::new(self.dora)
            .arg("run")
            .arg(&graph)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.path().join("log"))?)
            .spawn()
            .wrap_err("cannot start dora")?;
        let measured = self.disturb(&mut dora, &report, &pid_file);
        // A stopped sink would not end with its graph. Both may have ended already.
        if self.state == State::Stopped
            && let Some(sink) = fs::read_to_string(&pid_file).ok().and_then(|text| Pid::from_raw(text.parse().ok()?))
        {
            let _ = kill_process(sink, Signal::KILL);
        }
        if !measured.as_ref().is_ok_and(|report| report.over) {
            let _ = dora.kill();
        }
        dora.wait()?;
        measured.wrap_err_with(|| fs::read_to_string(folder.path().join("log")).unwrap_or_default())
    }

    fn yaml(&self, report: &Path, pid_file: &Path) -> eyre::Result<String> {
        let program = std::env::current_exe()?;
        let Self { bytes, rate, policy, state, arguments, .. } = self;
        let (seconds, queue_size) = (arguments.seconds, arguments.queue_size);
        let slow = if *state == State::Slow { "--slow " } else { "" };
        let length = if *state == State::Failed { "BUFDUR" } else { "BUF_DUR" };
        Ok(format!(
            "nodes:
- id: source
  path: {program}
  args: source --bytes {bytes} --rate {rate} --seconds {seconds} --report {report}
  outputs: [data]
- id: sink
  path: {program}
  args: sink {slow}--pid-file {pid_file}
  inputs:
    data: {{source: source/data, queue_size: {queue_size}, queue_policy: {policy}}}
  env: {{SHMEM_NAME: {stream}, {length}: 1.0}}
",
            program = program.display(),
            report = report.display(),
            pid_file = pid_file.display(),
            stream = stream(),
        ))
    }

    /// Stops or kills the sink, and waits for the source's report.
    fn disturb(&self, dora: &mut Child, report: &Path, pid_file: &Path) -> eyre::Result<Report> {
        wait_for(pid_file, PATIENCE, dora)?;
        let sink = Pid::from_raw(fs::read_to_string(pid_file)?.parse()?).ok_or_eyre("a process ID of 0")?;
        std::thread::sleep(SETTLED);
        match self.state {
            State::Running | State::Slow | State::Failed => {}
            State::Stopped => kill_process(sink, Signal::STOP)?,
            State::Killed => kill_process(sink, Signal::KILL)?,
        }
        wait_for(report, Duration::from_secs(self.arguments.seconds.into()) + GIVEN_UP + PATIENCE, dora)?;
        Report::read(report)
    }
}

/// Waits until `path` exists.
fn wait_for(path: &Path, patience: Duration, dora: &mut Child) -> eyre::Result<()> {
    let end = Instant::now() + patience;
    while !path.exists() {
        ensure!(Instant::now() < end, "no {} within {patience:?}", path.display());
        if let Some(status) = dora.try_wait()?
            && !path.exists()
        {
            bail!("dora ended early ({status})");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
