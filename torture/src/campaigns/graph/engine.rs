//! The real dora command line: a coordinator and a daemon of our own, and the graphs and processes they run.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use crate::follower::PATIENCE;
use crate::scene::Outcome;

/// Environment variable by which all processes that dora starts for us are known.
const MARK: &str = "DORA_SHM_TORTURE_GRAPH";

/// Between two looks at what is waited for.
const PAUSE: Duration = Duration::from_millis(5);

/// Lines of a log that go into the report of a defect.
const LAST_LINES: usize = 12;

/// Looks until `look` gives something.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Result<Option<T>, String>) -> Result<T, String> {
    let deadline = Instant::now() + 2 * PATIENCE;
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if Instant::now() > deadline {
            return Err(format!("waited {:?} in vain for {what}", 2 * PATIENCE));
        }
        std::thread::sleep(PAUSE);
    }
}

/// What the campaign needs from outside, and its folder.
pub struct Place {
    dora: PathBuf,
    programs: PathBuf,
    folder: PathBuf,
}

impl Place {
    pub fn new() -> Result<Self, String> {
        let variable = |name: &str| {
            let path = std::env::var_os(name).map(PathBuf::from);
            path.ok_or_else(|| {
                format!("{name} is not set: run `cargo xtask torture`, which builds the nodes and sets it")
            })
        };
        let (dora, programs) = (variable("DORA_BIN")?, variable("DORA_SHM_PROGRAMS")?);
        // As the kernel tells it of a process.
        let programs = programs.canonicalize().map_err(|error| format!("{}: {error}", programs.display()))?;
        let folder = std::env::temp_dir().join(format!("dora-shm-torture-graph-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("home")).map_err(|error| format!("{}: {error}", folder.display()))?;
        Ok(Self { dora, programs, folder })
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn program(&self, name: &str) -> PathBuf {
        self.programs.join(name)
    }

    /// What was written there is worth nothing after a good end.
    pub fn remove(self) {
        let _ = std::fs::remove_dir_all(self.folder);
    }

    /// After a defect: whatever still runs is not waited for.
    pub fn end_processes(&self) {
        for (pid, _) in self.processes() {
            let _ = rustix::process::kill_process(pid, Signal::KILL);
        }
    }

    fn mark(&self) -> String {
        format!("{MARK}={}", self.folder.display())
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.dora);
        command
            .current_dir(&self.folder)
            .env(MARK, &self.folder)
            .env("HOME", self.folder.join("home"))
            .env("RUST_BACKTRACE", "0")
            .env("DORA_ZENOH_MULTICAST", "off")
            .stdin(Stdio::null());
        command
    }

    /// Every process of ours that dora has started, and its program.
    pub fn processes(&self) -> Vec<(Pid, PathBuf)> {
        let mark = self.mark();
        let pids = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        pids.filter(|pid| {
            let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment.split(|&byte| byte == 0).any(|variable| variable == mark.as_bytes())
        })
        .filter_map(|pid| Some((Pid::from_raw(pid)?, std::fs::read_link(format!("/proc/{pid}/exe")).ok()?)))
        .collect()
    }

    /// The process of `program`, when there is exactly one.
    pub fn process_of(&self, program: &str) -> Option<Pid> {
        let program = self.program(program);
        let own: Vec<_> = self.processes().into_iter().filter(|(_, exe)| *exe == program).collect();
        if let [(pid, _)] = own[..] { Some(pid) } else { None }
    }

    /// The last lines of what `node` printed into dora's logs, over all graphs.
    pub fn last_words(&self, node: &str) -> String {
        let graphs = std::fs::read_dir(self.folder.join("out")).into_iter().flatten().flatten();
        let logs = graphs.map(|graph| graph.path().join(format!("log_{node}.jsonl"))).filter(|path| path.exists());
        let newest = logs.max_by_key(|path| path.metadata().and_then(|metadata| metadata.modified()).ok());
        newest.map_or_else(|| format!("no log of {node}"), |path| last_lines(&path))
    }
}

fn last_lines(path: &Path) -> String {
    let text = String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned();
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(LAST_LINES)..].join("\n    ")
}

/// A process of dora's own; what it prints goes to a file. It is in the campaign's group, and ends with it.
struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    fn start(place: &Place, name: &str, command: &mut Command) -> Result<Self, String> {
        let log = place.folder.join(format!("{name}.log"));
        let told = |error: std::io::Error| format!("{name} does not start: {error}");
        let file = File::create(&log).map_err(told)?;
        let child = command.stderr(file.try_clone().map_err(told)?).stdout(file).spawn().map_err(told)?;
        Ok(Self { name: name.to_owned(), child, log })
    }

    fn printed(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    fn end(&mut self) -> Result<ExitStatus, String> {
        let (name, child) = (&self.name, &mut self.child);
        until(&format!("the end of {name}"), || child.try_wait().map_err(|error| error.to_string()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A coordinator and a daemon.
pub struct Engine<'a> {
    place: &'a Place,
    port: u16,
    /// Dropped first: a daemon that loses its coordinator complains at length.
    daemon: Process,
    coordinator: Process,
}

impl<'a> Engine<'a> {
    pub fn start(place: &'a Place) -> Result<Self, String> {
        let port = free_port()?;
        let arguments = ["coordinator", "--store", "memory", "--port", &port.to_string()];
        let coordinator = Process::start(place, "coordinator", place.command().args(arguments))?;
        until("the coordinator's port", || {
            Ok(std::net::TcpStream::connect(("127.0.0.1", port)).is_ok().then_some(()))
        })?;
        let mut daemon = place.command();
        daemon.args(["daemon", "--local-listen-port", &free_port()?.to_string()]);
        let daemon = Process::start(place, "daemon", daemon.env("DORA_COORDINATOR_PORT", port.to_string()))?;
        let engine = Self { place, port, daemon, coordinator };
        until("the daemon's registration", || {
            Ok(engine.coordinator.printed().contains("reports 0 running dataflow(s)").then_some(()))
        })
        .map_err(|defect| format!("{defect}; coordinator: {}", last_lines(&engine.coordinator.log)))?;
        Ok(engine)
    }

    /// Runs `dora <arguments>`, which must succeed.
    fn dora(&self, arguments: &[&str]) -> Result<String, String> {
        let mut command = self.place.command();
        command.args(arguments).env("DORA_COORDINATOR_PORT", self.port.to_string());
        let mut process = Process::start(self.place, &format!("dora-{}", arguments[0]), &mut command)?;
        let status = process.end()?;
        let printed = process.printed();
        if status.success() { Ok(printed) } else { Err(format!("`dora {}` failed:\n{printed}", arguments.join(" "))) }
    }

    /// Starts a graph; the id that dora gave it.
    pub fn run(&self, name: &str, yaml: &str) -> Result<String, String> {
        let path = self.place.folder.join(format!("{name}.yml"));
        std::fs::write(&path, yaml).map_err(|error| format!("{}: {error}", path.display()))?;
        let answer = self.dora(&["start", "--detach", "--name", name, &path.display().to_string()])?;
        let id = answer.split("dataflow started: ").nth(1).and_then(|rest| rest.split_whitespace().next());
        id.map(str::to_owned).ok_or_else(|| format!("`dora start` gave no id:\n{answer}"))
    }

    /// Stops a graph in order.
    pub fn stop(&self, id: &str) -> Outcome {
        self.dora(&["stop", id]).map(|_| ())
    }

    /// SIGKILL of the daemon. Its nodes have to notice and end by themselves; the coordinator, which none of them knows, is
    /// ended afterwards.
    pub fn kill_daemon(mut self) -> Outcome {
        let _ = self.daemon.child.kill();
        self.daemon.end()?;
        let programs = &self.place.programs;
        until("the end of all nodes after their daemon's death", || {
            Ok(self.place.processes().iter().all(|(_, exe)| !exe.starts_with(programs)).then_some(()))
        })
        .map_err(|defect| format!("{defect}: {:?}", self.place.processes()))
    }

    /// Whether dora itself still runs.
    pub fn check(&mut self) -> Outcome {
        for process in [&mut self.daemon, &mut self.coordinator] {
            if let Ok(Some(status)) = process.child.try_wait() {
                return Err(format!("dora's {} ended ({status}): {}", process.name, last_lines(&process.log)));
            }
        }
        Ok(())
    }
}

/// A port that nobody listens on now.
fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
    listener.map(|address| address.port()).map_err(|error| format!("no loopback port: {error}"))
}

/// A node that is harmed.
pub struct Victim {
    program: &'static str,
    node: &'static str,
    /// Its process that was seen last.
    pid: Option<Pid>,
    /// When it was killed, if nobody has come in its place yet.
    killed: Option<Instant>,
    pub kills: u64,
    pub restarts: u64,
    pub stops: u64,
}

impl Victim {
    pub fn new(program: &'static str, node: &'static str) -> Self {
        Self { program, node, pid: None, killed: None, kills: 0, restarts: 0, stops: 0 }
    }

    /// Its process, if it lives. That it ended without our doing is a defect, and that dora does not bring it back as well.
    pub fn look(&mut self, place: &Place) -> Result<Option<Pid>, String> {
        let now = place.process_of(self.program);
        match (now, self.killed) {
            (Some(pid), _) if self.pid == Some(pid) && self.killed.is_none() => return Ok(now),
            // The dead process may still be seen.
            (Some(pid), Some(_)) if self.pid == Some(pid) => {}
            (Some(pid), killed) => {
                if killed.is_none() && self.pid.is_some() {
                    return Err(self.ended_by_itself(place));
                }
                self.restarts += u64::from(killed.is_some());
                (self.pid, self.killed) = (Some(pid), None);
                return Ok(now);
            }
            (None, None) if self.pid.is_some() => return Err(self.ended_by_itself(place)),
            (None, _) => {}
        }
        if self.killed.is_some_and(|killed| killed.elapsed() > 2 * PATIENCE) {
            let words = place.last_words(self.node);
            return Err(format!("dora has not restarted {} for {:?}; it said: {words}", self.node, 2 * PATIENCE));
        }
        Ok(None)
    }

    fn ended_by_itself(&self, place: &Place) -> String {
        format!("{} ended by itself; it said:\n    {}", self.node, place.last_words(self.node))
    }

    /// Waits until it runs.
    pub fn comes(&mut self, place: &Place) -> Result<Pid, String> {
        until(&format!("a process of {}", self.program), || self.look(place))
    }

    /// SIGKILL, if it lives.
    pub fn kill(&mut self, place: &Place) -> Result<bool, String> {
        let Some(pid) = self.look(place)? else { return Ok(false) };
        let _ = rustix::process::kill_process(pid, Signal::KILL);
        self.killed = Some(Instant::now());
        self.kills += 1;
        Ok(true)
    }

    /// SIGSTOP, if it lives; while the guard lives.
    pub fn stop(&mut self, place: &Place) -> Result<Option<Stopped>, String> {
        let Some(pid) = self.look(place)? else { return Ok(None) };
        let _ = rustix::process::kill_process(pid, Signal::STOP);
        let stopped = Stopped(pid);
        until(&format!("{} to be stopped", self.program), || {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
            Ok(stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('T')).then_some(()))
        })?;
        self.stops += 1;
        Ok(Some(stopped))
    }

    /// The graph ends, or the daemon: whatever becomes of the process is right.
    pub fn forget(&mut self) {
        (self.pid, self.killed) = (None, None);
    }
}

/// A stopped process, which goes on when this is dropped.
pub struct Stopped(Pid);

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = rustix::process::kill_process(self.0, Signal::CONT);
    }
}
