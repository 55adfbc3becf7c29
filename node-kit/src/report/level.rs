//! How much a node logs.

/// The level of a log line, from the most urgent to the least.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The node cannot do its work.
    Error,
    /// A user should look at it.
    Warn,
    /// What the node does.
    #[default]
    Info,
    /// Numbers at intervals.
    Debug,
}

impl Level {
    /// The least urgent level that the node `program` logs. `rust_log` is the variable `RUST_LOG`, and `min_log_level` the
    /// node's key in the dataflow.
    ///
    /// dora passes every line on, unless `min_log_level` says otherwise. So a node must not write debug lines that nobody
    /// requested. A `min_log_level` above info needs nothing here: dora itself drops the lines.
    pub fn requested(program: &str, rust_log: Option<&str>, min_log_level: Option<&str>) -> Self {
        let of_rust_log = rust_log.and_then(|filter| of_filter(program, filter)).unwrap_or_default();
        match min_log_level {
            Some("debug" | "trace") => Level::Debug,
            _ => of_rust_log,
        }
    }

    /// The level as it is written in a log line.
    pub fn name(self) -> &'static str {
        match self {
            Level::Error => "error",
            Level::Warn => "warn",
            Level::Info => "info",
            Level::Debug => "debug",
        }
    }
}

/// The level that a filter such as `info,dora_shm_sink=debug` gives to `program`. The longest target that fits counts.
fn of_filter(program: &str, filter: &str) -> Option<Level> {
    let target = program.replace('-', "_");
    let directives = filter.split(',').map(str::trim).filter(|directive| !directive.is_empty());
    let fitting = directives.filter_map(|directive| match directive.split_once('=') {
        Some((prefix, level)) if target.starts_with(prefix.trim()) => Some((prefix.trim().len(), of_word(level)?)),
        Some(_) => None,
        None => match of_word(directive) {
            Some(level) => Some((0, level)),
            // A target without a level stands for every level.
            None => target.starts_with(directive).then_some((directive.len(), Level::Debug)),
        },
    });
    // Of two that are as long, the last counts.
    fitting.max_by_key(|&(length, _)| length).map(|(_, level)| level)
}

fn of_word(word: &str) -> Option<Level> {
    match word.trim().to_ascii_lowercase().as_str() {
        "off" | "error" => Some(Level::Error),
        "warn" => Some(Level::Warn),
        "info" => Some(Level::Info),
        "debug" | "trace" => Some(Level::Debug),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_lines_are_written_only_if_they_are_requested() {
        for (rust_log, min_log_level, expected) in [
            (None, None, Level::Info),
            (Some(""), None, Level::Info),
            (Some("debug"), None, Level::Debug),
            (Some("TRACE"), None, Level::Debug),
            (Some("warn"), None, Level::Warn),
            (Some("off"), None, Level::Error),
            (Some("zenoh=debug"), None, Level::Info),
            (Some("info,dora_shm_sink=debug"), None, Level::Debug),
            (Some("debug,dora_shm=info"), None, Level::Info),
            (Some("dora_shm=warn, dora_shm_sink=debug, dora_shm_mirror=error"), None, Level::Debug),
            (Some("dora_shm_sink"), None, Level::Debug),
            (Some("dora_shm_mirror"), None, Level::Info),
            (Some("nonsense=, =, [span]"), None, Level::Info),
            (None, Some("debug"), Level::Debug),
            (Some("warn"), Some("trace"), Level::Debug),
            (None, Some("info"), Level::Info),
            (None, Some("stdout"), Level::Info),
            (Some("debug"), Some("warn"), Level::Debug),
        ] {
            let level = Level::requested("dora-shm-sink", rust_log, min_log_level);
            assert_eq!(level, expected, "{rust_log:?} {min_log_level:?}");
        }
    }
}
