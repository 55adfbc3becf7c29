//! What the campaign runs outside this process: its folder, and the nodes that are harmed.

use std::path::{Path, PathBuf};
use std::time::Instant;

use dora_shm_testkit::PATIENCE;
use dora_shm_testkit::logged::last_lines;
use dora_shm_testkit::process::state_of;
use dora_shm_testkit::sandbox::Sandbox;
use dora_shm_testkit::until::try_until;
use rustix::process::{Pid, Signal};

use crate::fixture::Outcome;

/// As [`try_until`], with the patience of this campaign.
pub fn until<T>(what: &str, look: impl FnMut() -> Result<Option<T>, String>) -> Result<T, String> {
    try_until(2 * PATIENCE, what, look)
}

/// What the campaign needs from outside, and its folder.
pub struct Place {
    pub dora: PathBuf,
    programs: PathBuf,
    pub sandbox: Sandbox,
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
        // As the kernel names the program of a process.
        let programs = programs.canonicalize().map_err(|error| format!("{}: {error}", programs.display()))?;
        let sandbox = Sandbox::new(&format!("torture-graph-{}", std::process::id()));
        Ok(Self { dora, programs, sandbox: sandbox.map_err(|error| format!("the campaign's folder: {error}"))? })
    }

    pub fn program(&self, name: &str) -> PathBuf {
        self.programs.join(name)
    }

    /// The process of `program`, when there is exactly one.
    pub fn process_of(&self, program: &str) -> Option<Pid> {
        if let [pid] = self.sandbox.processes_of(&self.program(program))[..] { Some(pid) } else { None }
    }

    /// Waits until no process of ours runs, of those whose program `counts`.
    pub fn wait_for_end(&self, what: &str, counts: impl Fn(&Path) -> bool) -> Outcome {
        until(what, || Ok(self.sandbox.processes().iter().all(|(_, exe)| !counts(exe)).then_some(())))
            .map_err(|defect| format!("{defect}: {:?}", self.sandbox.processes()))
    }

    /// Waits until no node runs.
    pub fn wait_for_nodes_to_end(&self) -> Outcome {
        self.wait_for_end("all nodes have ended after their daemon's death", |exe| exe.starts_with(&self.programs))
    }

    /// The last lines that `node` printed into dora's logs, over all graphs.
    pub fn last_words(&self, node: &str) -> String {
        let graphs = std::fs::read_dir(self.sandbox.folder().join("out")).into_iter().flatten().flatten();
        let logs = graphs.map(|graph| graph.path().join(format!("log_{node}.jsonl"))).filter(|path| path.exists());
        let newest = logs.max_by_key(|path| path.metadata().and_then(|metadata| metadata.modified()).ok());
        newest.map_or_else(|| format!("no log of {node}"), |path| last_lines(&path))
    }
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
        until(&format!("{} runs", self.program), || self.look(place))
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
        until(&format!("{} is stopped", self.program), || {
            Ok((state_of(pid.as_raw_nonzero().get().cast_unsigned()) == Some('T')).then_some(()))
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
