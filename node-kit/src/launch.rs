//! How a node process starts: its arguments, what dora hands over, and joining the dataflow.

use std::collections::BTreeMap;
use std::process::ExitCode;

use dora_node_api::dora_core::config::NodeId;
use dora_node_api::{DoraNode, EventStream};
use eyre::{Context as _, bail};
use serde_yaml::Value;

use crate::release;
use crate::report::{Level, Log};
use crate::settings::NodeEnv;

/// The environment variable in which dora hands its configuration to a node that it starts.
const NODE_CONFIG: &str = "DORA_NODE_CONFIG";

const RUST_LOG: &str = "RUST_LOG";

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Invocation {
    /// Run; with a name, as the dynamic node of that id.
    Run {
        /// Id of the node in the dataflow.
        name: Option<String>,
    },
    /// Print a text and exit.
    Print(String),
}

impl Invocation {
    /// Reads the arguments after the program's name. `about` describes `program` in one line.
    ///
    /// # Errors
    /// If an argument is unknown.
    pub fn parse(program: &str, about: &str, arguments: impl IntoIterator<Item = String>) -> eyre::Result<Self> {
        let mut arguments = arguments.into_iter();
        let mut name = None;
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--help" | "-h" => return Ok(Self::Print(help(program, about))),
                "--version" | "-V" => return Ok(Self::Print(format!("{program} {}", env!("CARGO_PKG_VERSION")))),
                "--name" | "-n" => match arguments.next() {
                    Some(id) => name = Some(id),
                    None => bail!("{argument} expects the id of a node"),
                },
                other => match other.strip_prefix("--name=") {
                    Some(id) => name = Some(id.to_owned()),
                    None => {
                        bail!("unknown argument {other:?}; expected --name NODE_ID, or nothing when dora starts it")
                    }
                },
            }
        }
        Ok(Self::Run { name })
    }
}

fn help(program: &str, about: &str) -> String {
    format!(
        "{about}\n\nUsage: {program} [--name NODE_ID]\n\ndora starts it without arguments, as a node of a dataflow. With \
         --name, it attaches itself to a\nrunning dataflow as the node NODE_ID, whose `path:` must be `dynamic`. \
         Settings come from the\nnode's `env:` in the dataflow, or from the environment as DORA_SHM_<KEY>."
    )
}

/// What a node knows about itself when it starts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Surroundings {
    /// Id of the node in its dataflow.
    pub node: String,
    /// Id of the running dataflow, new for every start.
    pub dataflow: String,
    /// Where settings come from.
    pub env: NodeEnv,
    /// The key `min_log_level` of the node in the dataflow.
    pub min_log_level: Option<String>,
}

impl Surroundings {
    /// The node's log, which has what `RUST_LOG` or `min_log_level` request. `program` is the node's program.
    pub fn log(&self, program: &str) -> Log {
        let rust_log = self.env.own.get(RUST_LOG).or_else(|| self.env.process.get(RUST_LOG));
        Log::new(&*self.node, Level::requested(program, rust_log.map(String::as_str), self.min_log_level.as_deref()))
    }

    /// The surroundings of a node that dora started, before it joins the dataflow. `None` for any other node.
    ///
    /// # Errors
    /// If dora's configuration cannot be read.
    pub fn before_init() -> eyre::Result<Option<Self>> {
        let Ok(config) = std::env::var(NODE_CONFIG) else { return Ok(None) };
        Self::of_config(&config, process_env()).map(Some)
    }

    /// The surroundings of a node that has joined, if [`Surroundings::before_init`] returned none: those of a dynamic
    /// node, whose settings are in the dataflow's descriptor.
    pub fn of_node(node: &DoraNode) -> Self {
        let descriptor = node.dataflow_descriptor().ok();
        let declared = descriptor.and_then(|all| all.nodes.iter().find(|candidate| &candidate.id == node.id()));
        let own = declared
            .and_then(|declared| declared.env.clone())
            .unwrap_or_default()
            .into_iter()
            .map(|(key, value)| (key, value.to_string()))
            .collect();
        Self {
            node: node.id().to_string(),
            dataflow: node.dataflow_id().to_string(),
            env: NodeEnv { own, process: process_env(), is_own_in_process: false },
            min_log_level: declared.and_then(|declared| declared.min_log_level.clone()),
        }
    }

    fn of_config(config: &str, process: BTreeMap<String, String>) -> eyre::Result<Self> {
        let config: Value = serde_yaml::from_str(config).wrap_err_with(|| format!("{NODE_CONFIG} is not YAML"))?;
        let text = |key: &str| config.get(key).and_then(Value::as_str).map(str::to_owned);
        let Some(node) = text("node_id") else { bail!("{NODE_CONFIG}: expected a text `node_id`, found none") };
        // The descriptor is that of the dataflow as it was started. A node that was added later is not in it.
        let declared =
            config.get("dataflow_descriptor").and_then(|descriptor| descriptor.get("nodes")?.as_sequence()).and_then(
                |nodes| nodes.iter().find(|candidate| candidate.get("id").and_then(Value::as_str) == Some(&node)),
            );
        let is_own_in_process = declared.is_none();
        let min_log_level = declared.and_then(|declared| declared.get("min_log_level")?.as_str().map(str::to_owned));
        // dora has put the values into the environment, with variables expanded.
        let own = declared
            .and_then(|declared| declared.get("env")?.as_mapping())
            .into_iter()
            .flatten()
            .filter_map(|(key, _)| key.as_str())
            .filter_map(|key| Some((key.to_owned(), process.get(key)?.clone())))
            .collect();
        let env = NodeEnv { own, process, is_own_in_process };
        Ok(Self { node, dataflow: text("dataflow_id").unwrap_or_default(), env, min_log_level })
    }
}

/// Joins a dataflow: the one that started this process, else, with a `name`, the one that has a dynamic node of that
/// name. Blocks until every other static node has joined too.
///
/// # Errors
/// If there is neither.
pub fn join(name: Option<&str>) -> eyre::Result<(DoraNode, EventStream)> {
    let joined = match name {
        Some(name) => {
            let id: NodeId =
                name.parse().map_err(|error| eyre::eyre!("{name:?} cannot be the id of a node: {error}"))?;
            DoraNode::init_flexible(id)
        }
        None => DoraNode::init_from_env_force(),
    };
    joined.map_err(|error| {
        let error = eyre::Report::from(error);
        let what = release::misfit(&format!("{error:#}")).unwrap_or_else(|| match name {
            Some(name) => {
                format!("no running dataflow has a dynamic node {name:?} to attach to; start the dataflow first")
            }
            // dora has started the node: the error that follows this text gives the reason.
            None if std::env::var_os(NODE_CONFIG).is_some() => "cannot join the dataflow".to_owned(),
            None => "this is a node of a dora dataflow: let dora start it, or give --name NODE_ID to attach it to a \
                     running dataflow as a dynamic node"
                .to_owned(),
        });
        error.wrap_err(what)
    })
}

/// The exit code of a node's program. An error is printed as one line on standard error, without a backtrace: dora
/// repeats the line as the reason why the node failed.
pub fn exit(outcome: eyre::Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn process_env() -> BTreeMap<String, String> {
    // A variable that is not text cannot be a setting.
    std::env::vars_os().filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> eyre::Result<Invocation> {
        Invocation::parse("dora-shm-x", "Does things.", arguments.iter().map(|&argument| argument.to_owned()))
    }

    #[test]
    fn the_id_of_a_dynamic_node_is_an_argument() {
        for arguments in [&["--name", "sink"][..], &["-n", "sink"], &["--name=sink"]] {
            assert_eq!(parse(arguments).unwrap(), Invocation::Run { name: Some("sink".into()) });
        }
        assert_eq!(parse(&[]).unwrap(), Invocation::Run { name: None });
        assert!(matches!(parse(&["-h"]).unwrap(), Invocation::Print(text) if text.contains("--name NODE_ID")));
        assert!(matches!(parse(&["--version"]).unwrap(), Invocation::Print(text) if text.starts_with("dora-shm-x ")));
        for wrong in [&["--nam", "sink"][..], &["sink"], &["--name"]] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn only_keys_of_this_nodes_own_env_are_its_own() {
        let config = "
dataflow_id: 01a2054e
node_id: sink
dataflow_descriptor:
  nodes:
  - id: source
    env: {BUF_DUR: 9}
  - id: sink
    env: {SHMEM_NAME: $USER, BUF_DUR: 2.0, NOT_PASSED_ON: 1}
    min_log_level: debug
  env: {AXIS: time}
";
        let process: BTreeMap<String, String> =
            [("SHMEM_NAME", "ada"), ("BUF_DUR", "2"), ("AXIS", "time"), ("HOME", "/")]
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect();
        let surroundings = Surroundings::of_config(config, process.clone()).unwrap();
        assert_eq!(surroundings.node, "sink");
        assert_eq!(surroundings.dataflow, "01a2054e");
        let own: Vec<_> = surroundings.env.own.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(own, [("BUF_DUR", "2"), ("SHMEM_NAME", "ada")]);
        assert_eq!(surroundings.env.process, process);
        assert_eq!(surroundings.min_log_level.as_deref(), Some("debug"));
        assert!(!surroundings.env.is_own_in_process);
    }

    #[test]
    fn the_env_of_a_node_that_the_descriptor_does_not_list_is_in_the_process() {
        for descriptor in ["{nodes: [{id: source, env: {BUF_DUR: 9}}]}", "{nodes: []}", "null"] {
            let config = format!("{{node_id: sink, dataflow_id: d, dataflow_descriptor: {descriptor}}}");
            let process = BTreeMap::from([("SHMEM_NAME".to_owned(), "ada".to_owned())]);
            let env = Surroundings::of_config(&config, process.clone()).unwrap().env;
            assert_eq!(env, NodeEnv { own: BTreeMap::new(), process, is_own_in_process: true }, "{descriptor}");
        }
    }

    #[test]
    fn a_node_without_env_has_no_settings() {
        let bare = "{node_id: sink, dataflow_id: d, dataflow_descriptor: {nodes: [{id: sink, env: null}]}}";
        assert!(Surroundings::of_config(bare, BTreeMap::new()).unwrap().env.own.is_empty());
        let without = "{node_id: sink, dataflow_id: d, dataflow_descriptor: null}";
        assert!(Surroundings::of_config(without, BTreeMap::new()).unwrap().env.own.is_empty());
        for broken in ["{", "{dataflow_id: d}", "7"] {
            assert!(Surroundings::of_config(broken, BTreeMap::new()).is_err(), "{broken}");
        }
    }
}
