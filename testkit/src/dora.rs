//! dora graphs, run by the real dora command line: a coordinator with its daemons on separate ports.

use std::ffi::OsStr;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::logged::{LoggedProcess, PATIENCE};
use crate::sandbox::Sandbox;
use crate::until::try_until;

/// A daemon of an [`Engine`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Machine<'a> {
    /// Its name in dataflows.
    pub name: Option<&'a str>,
    /// A folder that is searched for programs before the PATH.
    pub programs: Option<&'a Path>,
    /// A file with zenoh's settings.
    pub zenoh: Option<&'a Path>,
}

/// A coordinator and its daemons.
#[derive(Debug)]
pub struct Engine<'a> {
    dora: PathBuf,
    sandbox: &'a Sandbox,
    port: u16,
    /// The daemons' ports for dynamic nodes, in the order of the machines.
    daemon_ports: Vec<u16>,
    /// Number of dora commands that were run.
    runs: AtomicU32,
    // Dropped in this order, since a daemon that loses its coordinator prints many errors.
    daemons: Vec<LoggedProcess>,
    coordinator: LoggedProcess,
}

type Result<T> = std::result::Result<T, String>;

impl<'a> Engine<'a> {
    /// Starts a coordinator and one daemon for each of `machines`.
    ///
    /// # Errors
    /// When dora cannot be started, or does not come up within [`PATIENCE`].
    pub fn start(dora: &Path, sandbox: &'a Sandbox, machines: &[Machine<'_>]) -> Result<Self> {
        let port = free_port()?;
        let mut coordinator = sandbox.command(dora);
        coordinator.args(["coordinator", "--store", "memory", "--port", &port.to_string()]);
        let coordinator = sandbox.start("coordinator", &mut coordinator)?;
        try_until(PATIENCE, "the coordinator listens", || {
            Ok(TcpStream::connect(("127.0.0.1", port)).is_ok().then_some(()))
        })?;
        let (daemons, daemon_ports, runs) = (Vec::new(), Vec::new(), AtomicU32::new(0));
        let mut engine = Self { dora: dora.to_owned(), sandbox, port, daemon_ports, runs, daemons, coordinator };
        for machine in machines {
            engine.start_daemon(machine)?;
        }
        try_until(PATIENCE, "the daemons are registered", || {
            let registered = engine.coordinator.log().matches("reports 0 running dataflow(s)").count();
            Ok((registered == machines.len()).then_some(()))
        })
        .map_err(|sentence| format!("{sentence}; coordinator: {}", engine.coordinator.last_lines()))?;
        Ok(engine)
    }

    fn start_daemon(&mut self, machine: &Machine<'_>) -> Result<()> {
        let port = free_port()?;
        let mut daemon = self.command();
        daemon.args(["daemon", "--local-listen-port", &port.to_string()]);
        daemon.args(machine.name.map(|name| ["--machine-id", name]).iter().flatten());
        daemon.args(
            machine.zenoh.map(|zenoh| [OsStr::new("--zenoh-config-overlay"), zenoh.as_os_str()]).iter().flatten(),
        );
        if let Some(programs) = machine.programs {
            let path = std::env::var_os("PATH").unwrap_or_default();
            let folders = std::iter::once(programs.to_owned()).chain(std::env::split_paths(&path));
            daemon.env("PATH", std::env::join_paths(folders).map_err(|error| error.to_string())?);
        }
        let name = format!("daemon-{}", machine.name.unwrap_or("unnamed"));
        self.daemons.push(self.sandbox.start(&name, &mut daemon)?);
        self.daemon_ports.push(port);
        Ok(())
    }

    fn command(&self) -> Command {
        let mut command = self.sandbox.command(&self.dora);
        command.env("DORA_COORDINATOR_PORT", self.port.to_string());
        command
    }

    /// Runs `dora <arguments>` against this coordinator. Returns what it prints.
    ///
    /// # Errors
    /// When it fails, or does not end within [`PATIENCE`].
    pub fn must(&self, arguments: &[&str]) -> Result<String> {
        let number = self.runs.fetch_add(1, Ordering::Relaxed);
        let name = format!("dora-{}-{number}", arguments.first().unwrap_or(&"help"));
        let mut dora = self.sandbox.start(&name, self.command().args(arguments))?;
        dora.succeed()?;
        Ok(dora.log())
    }

    /// Starts the graph `yaml`, written to `<name>.yml`, with more arguments for `dora start`. Waits until dora has
    /// started it and returns dora's ID of it.
    ///
    /// # Errors
    /// When dora refuses it.
    pub fn start_graph(&self, name: &str, yaml: &str, arguments: &[&str]) -> Result<String> {
        let path = self.sandbox.file(&format!("{name}.yml"), yaml).map_err(|error| format!("{name}.yml: {error}"))?;
        let path = path.display().to_string();
        let output = self.must(&[&["start", "--detach", "--name", name], arguments, &[&path]].concat())?;
        let id = output.split("dataflow started: ").nth(1).and_then(|rest| rest.split_whitespace().next());
        id.map(str::to_owned).ok_or_else(|| format!("`dora start` printed no ID:\n{output}"))
    }

    /// Stops the graph `id` with `dora stop`.
    ///
    /// # Errors
    /// When dora fails.
    pub fn stop(&self, id: &str) -> Result<()> {
        self.must(&["stop", id]).map(|_| ())
    }

    /// The output of `node` of the graph `id` so far.
    ///
    /// # Errors
    /// When dora fails.
    pub fn log(&self, id: &str, node: &str) -> Result<String> {
        self.must(&["logs", id, "--node", node])
    }

    /// Waits until the graph `id` has ended. Returns its state as dora lists it: `Finished` or `Failed`.
    ///
    /// # Errors
    /// When it does not end within [`PATIENCE`].
    pub fn end_of_graph(&self, id: &str) -> Result<String> {
        try_until(PATIENCE, &format!("graph {id} ends"), || {
            let list = self.must(&["list"])?;
            let line = list.lines().find(|line| line.contains(id));
            let word = line.and_then(|line| ["Finished", "Failed"].into_iter().find(|word| line.contains(word)));
            Ok(word.map(str::to_owned))
        })
    }

    /// A command for a dynamic node, which dora does not start: `program`, as the node `id` of the first daemon.
    ///
    /// # Panics
    /// When the engine has no daemon.
    pub fn dynamic_node(&self, program: &Path, id: &str) -> Command {
        let mut command = self.sandbox.command(program);
        command.args(["--name", id]);
        command.env("DORA_DAEMON_LOCAL_LISTEN_PORT", self.daemon_ports[0].to_string());
        command
    }

    /// Kills the daemons, then the coordinator, which has no connection to nodes.
    pub fn kill_daemons(mut self) {
        self.daemons.iter_mut().for_each(LoggedProcess::kill);
    }

    /// Fails if the coordinator or a daemon has ended.
    ///
    /// # Errors
    /// A sentence with the last lines of the process that ended.
    pub fn check(&mut self) -> Result<()> {
        for process in self.daemons.iter_mut().chain([&mut self.coordinator]) {
            if let Some(status) = process.ended() {
                return Err(format!("dora's {} ended ({status}): {}", process.name(), process.last_lines()));
            }
        }
        Ok(())
    }
}

/// A port on which no process listens at the moment.
fn free_port() -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
    listener.map(|address| address.port()).map_err(|error| format!("no loopback port: {error}"))
}
