//! What the campaign uses outside of this process: its folder, and the nodes that it kills and stops.

use std::path::{Path, PathBuf};
use std::time::Instant;

use dora_shm_testkit::PATIENCE;
use dora_shm_testkit::logged::last_lines;
use dora_shm_testkit::process::state_of;
use dora_shm_testkit::sandbox::Sandbox;
use dora_shm_testkit::until::try_until;
use rustix::process::{Pid, Signal};

use crate::fixture::Outcome;

/// Like [`try_until`], with this campaign's time limit.
pub fn until<T>(what: &str, poll: impl FnMut() -> Result<Option<T>, String>) -> Result<T, String> {
    try_until(2 * PATIENCE, what, poll)
}

/// The programs that the campaign runs, and its folder.
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
        // The kernel reports the canonical path of a process's program.
        let programs = programs.canonicalize().map_err(|error| format!("{}: {error}", programs.display()))?;
        let sandbox = Sandbox::new(&format!("torture-graph-{}", std::process::id()));
        Ok(Self { dora, programs, sandbox: sandbox.map_err(|error| format!("the campaign's folder: {error}"))? })
    }

    pub fn program(&self, name: &str) -> PathBuf {
        self.programs.join(name)
    }

    /// The process of `program`, if there is exactly one.
    pub fn process_of(&self, program: &str) -> Option<Pid> {
        if let [pid] = self.sandbox.processes_of(&self.program(program))[..] { Some(pid) } else { None }
    }

    /// Waits until no process of this campaign runs whose program `counts`.
    pub fn wait_for_end(&self, what: &str, counts: impl Fn(&Path) -> bool) -> Outcome {
        until(what, || Ok(self.sandbox.processes().iter().all(|(_, exe)| !counts(exe)).then_some(())))
            .map_err(|defect| format!("{defect}: {:?}", self.sandbox.processes()))
    }

    /// Waits until all nodes have ended.
    pub fn wait_for_nodes_to_end(&self) -> Outcome {
        self.wait_for_end("all nodes have ended after their daemon's death", |exe| exe.starts_with(&self.programs))
    }

    /// The last lines of `node` in dora's newest log of it, of all graphs.
    pub fn last_words(&self, node: &str) -> String {
        let graphs = std::fs::read_dir(self.sandbox.folder().join("out")).into_iter().flatten().flatten();
        let logs = graphs.map(|graph| graph.path().join(format!("log_{node}.jsonl"))).filter(|path| path.exists());
        let newest = logs.max_by_key(|path| path.metadata().and_then(|metadata| metadata.modified()).ok());
        newest.map_or_else(|| format!("no log of {node}"), |path| last_lines(&path))
    }
}

/// A node that the campaign kills and stops.
pub struct Victim {
    program: &'static str,
    node: &'static str,
    /// The node's newest known process.
    pid: Option<Pid>,
    /// Time of the kill, until a new process runs.
    killed: Option<Instant>,
    pub kills: u64,
    pub restarts: u64,
    pub stops: u64,
}

impl Victim {
    pub fn new(program: &'static str, node: &'static str) -> Self {
        Self { program, node, pid: None, killed: None, kills: 0, restarts: 0, stops: 0 }
    }

    /// The node's process, if it lives. It is a defect if the process ended by itself, or if dora does not restart it.
    pub fn poll(&mut self, place: &Place) -> Result<Option<Pid>, String> {
        let now = place.process_of(self.program);
        match (now, self.killed) {
            (Some(pid), _) if self.pid == Some(pid) && self.killed.is_none() => return Ok(now),
            // The dead process may still be listed.
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
            return Err(format!(
                "dora has not restarted {} within {:?}; its last lines:\n    {words}",
                self.node,
                2 * PATIENCE
            ));
        }
        Ok(None)
    }

    fn ended_by_itself(&self, place: &Place) -> String {
        format!("{} ended by itself; its last lines:\n    {}", self.node, place.last_words(self.node))
    }

    /// Waits until the node runs.
    pub fn comes(&mut self, place: &Place) -> Result<Pid, String> {
        until(&format!("{} runs", self.program), || self.poll(place))
    }

    /// Sends SIGKILL to the node if it lives. Returns whether it did.
    pub fn kill(&mut self, place: &Place) -> Result<bool, String> {
        let Some(pid) = self.poll(place)? else { return Ok(false) };
        let _ = rustix::process::kill_process(pid, Signal::KILL);
        self.killed = Some(Instant::now());
        self.kills += 1;
        Ok(true)
    }

    /// Stops the node with SIGSTOP if it lives, until the guard is dropped.
    pub fn stop(&mut self, place: &Place) -> Result<Option<Stopped>, String> {
        let Some(pid) = self.poll(place)? else { return Ok(None) };
        let _ = rustix::process::kill_process(pid, Signal::STOP);
        let stopped = Stopped(pid);
        until(&format!("{} is stopped", self.program), || {
            Ok((state_of(pid.as_raw_nonzero().get().cast_unsigned()) == Some('T')).then_some(()))
        })?;
        self.stops += 1;
        Ok(Some(stopped))
    }

    /// Accepts whatever happens to the process, since its graph or its daemon ends.
    pub fn forget(&mut self) {
        (self.pid, self.killed) = (None, None);
    }
}

/// A stopped process, which continues when this guard is dropped.
pub struct Stopped(Pid);

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = rustix::process::kill_process(self.0, Signal::CONT);
    }
}
