//! dora graphs: `dora run` for one alone, a coordinator with its daemons for everything else.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

use crate::process::Process;
use crate::programs;
use crate::stage::Stage;
use crate::until::until;

/// Starts `dora run` of the graph `yaml`, written to `<name>.yml` in the test's folder.
pub fn run(stage: &Stage, name: &str, yaml: &str) -> Process {
    run_with(stage, name, yaml, &[])
}

/// As [`run`], with more arguments for `dora run`.
pub fn run_with(stage: &Stage, name: &str, yaml: &str, arguments: &[&str]) -> Process {
    let path = stage.file(&format!("{name}.yml"), yaml);
    stage.start(name, stage.command(programs::dora()).arg("run").args(arguments).arg(path))
}

/// The text of `dataflows/<file>` with its relative paths made absolute, and with each name replaced by another.
///
/// # Panics
/// When the file is not there, or one of the names does not occur in it.
pub fn project_graph(file: &str, replace: &[(&str, &str)]) -> String {
    let folder = programs::root().join("dataflows");
    let text = std::fs::read_to_string(folder.join(file)).expect("a graph of the project");
    let text = text.replace("../target/release", &programs::folder().display().to_string());
    replace.iter().fold(text, |text, (from, to)| {
        assert!(text.contains(from), "{file} does not hold {from:?}");
        text.replace(from, to)
    })
}

/// A coordinator and its daemons on ports of their own.
pub struct Engine<'a> {
    stage: &'a Stage,
    coordinator_port: u16,
    /// The daemons' ports for dynamic nodes, in the order of the machines.
    daemon_ports: Vec<u16>,
    // Dropped in this order: daemons that lose their coordinator first complain at length.
    daemons: Vec<Process>,
    coordinator: Process,
}

impl<'a> Engine<'a> {
    /// One daemon without a machine's name.
    pub fn start(stage: &'a Stage) -> Self {
        Self::start_machines(stage, &[None])
    }

    /// One daemon for each of `machines`, each with the workspace's programs on its PATH.
    pub fn start_machines(stage: &'a Stage, machines: &[Option<&str>]) -> Self {
        let coordinator_port = free_port();
        let mut coordinator = stage.command(programs::dora());
        coordinator.args(["coordinator", "--store", "memory", "--port", &coordinator_port.to_string()]);
        let coordinator = stage.start("coordinator", &mut coordinator);
        let mut engine = Self { stage, coordinator_port, daemon_ports: vec![], daemons: vec![], coordinator };
        until("the coordinator's answer", || engine.dora(&["list"]).status.success().then_some(()));

        for machine in machines {
            let port = free_port();
            let mut daemon = engine.command();
            daemon.args(["daemon", "--local-listen-port", &port.to_string()]);
            daemon.args(machine.map(|machine| ["--machine-id", machine]).iter().flatten());
            daemon.env("PATH", programs::path_with(&programs::folder()));
            daemon.arg("--zenoh-config-overlay").arg(programs::root().join("dataflows/two-machines.json5"));
            let name = format!("daemon-{}", machine.unwrap_or("unnamed"));
            engine.daemons.push(stage.start(&name, &mut daemon));
            engine.daemon_ports.push(port);
        }
        until("the daemons' registration", || {
            let registered = engine.coordinator.log().matches("reports 0 running dataflow(s)").count();
            (registered == machines.len()).then_some(())
        });
        engine
    }

    /// Runs `dora <arguments>` against this coordinator.
    ///
    /// # Panics
    /// When dora cannot be run.
    pub fn dora(&self, arguments: &[&str]) -> Output {
        self.command().args(arguments).output().expect("dora runs")
    }

    /// As [`Engine::dora`], and it must succeed.
    ///
    /// # Panics
    /// When it fails.
    pub fn must(&self, arguments: &[&str]) -> String {
        let output = self.dora(arguments);
        let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        assert!(output.status.success(), "dora {arguments:?} failed:\n{text}");
        text
    }

    /// Starts the graph `yaml`, written to `<name>.yml`, with more arguments for `dora start`; returns when dora has,
    /// with the id that dora gave it.
    ///
    /// # Panics
    /// When dora refuses it.
    pub fn start_graph(&self, name: &str, yaml: &str, arguments: &[&str]) -> String {
        let path = self.stage.file(&format!("{name}.yml"), yaml).display().to_string();
        let answer = self.must(&[&["start", "--detach", "--name", name], arguments, &[&path]].concat());
        let id = answer.split("dataflow started: ").nth(1).and_then(|rest| rest.split_whitespace().next());
        id.unwrap_or_else(|| panic!("dora start did not give an id:\n{answer}")).to_owned()
    }

    /// Stops the graph `id` in order.
    pub fn stop(&self, id: &str) {
        self.must(&["stop", id]);
    }

    /// What `node` of the graph `id` has printed.
    pub fn log(&self, id: &str, node: &str) -> String {
        self.must(&["logs", id, "--node", node])
    }

    /// Waits until the graph `id` has ended, and gives dora's word for how: `Finished` or `Failed`.
    pub fn end_of_graph(&self, id: &str) -> String {
        until(&format!("the end of graph {id}"), || {
            let list = self.must(&["list"]);
            let line = list.lines().find(|line| line.contains(id))?;
            ["Finished", "Failed"].into_iter().find(|word| line.contains(word)).map(str::to_owned)
        })
    }

    /// A node that dora does not start: `program`, attached to the first daemon as the node `id`.
    pub fn dynamic_node(&self, program: &Path, id: &str) -> Command {
        let mut command = self.stage.command(program);
        command.args(["--name", id]);
        command.env("DORA_DAEMON_LOCAL_LISTEN_PORT", self.daemon_ports[0].to_string());
        command
    }

    fn command(&self) -> Command {
        let mut command = self.stage.command(programs::dora());
        command.env("DORA_COORDINATOR_PORT", self.coordinator_port.to_string());
        command
    }
}

/// A port that nobody listens on now.
fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a loopback address");
    listener.local_addr().expect("a bound listener has an address").port()
}
