//! Graphs that several tests run.

use std::path::Path;

use dora_shm_tests::programs::program;

/// The synthetic signal into a sink. `settings` are further lines of the sink's `env:`, `keys` are further lines of the
/// sink.
pub fn signal_into_sink(stream: &str, settings: &[&str], keys: &str) -> String {
    sink_behind(
        &format!("  - {{id: source, path: {}, outputs: [data]}}\n", program("signal-source").display()),
        stream,
        settings,
        keys,
    )
}

/// A script's messages into a sink. If `stay`, the source runs until it is stopped.
pub fn script_into_sink(script: &str, period: &str, stay: bool, stream: &str, settings: &[&str]) -> String {
    let stay = if stay { ", STAY: yes" } else { "" };
    source_into_sink(&format!("SCRIPT: {script}, PERIOD: {period}{stay}"), stream, settings)
}

/// A script's messages into a sink. Each is sent when the previous one has its receipt in `receipts`, so the reader
/// that writes the receipts cannot be left behind.
pub fn script_in_step_into_sink(script: &str, receipts: &Path, stream: &str, settings: &[&str]) -> String {
    source_into_sink(&format!("SCRIPT: {script}, AFTER: {}", receipts.display()), stream, settings)
}

fn source_into_sink(env: &str, stream: &str, settings: &[&str]) -> String {
    let source = program("message-source");
    let source = format!("  - {{id: source, path: {}, outputs: [data], env: {{{env}}}}}\n", source.display());
    sink_behind(&source, stream, settings, "")
}

fn sink_behind(source: &str, stream: &str, settings: &[&str], keys: &str) -> String {
    let settings: String = settings.iter().map(|line| format!("\n      {line}")).collect();
    format!(
        "nodes:
{source}
  - id: sink
    path: {}
    inputs:
      data: {{source: source/data, queue_size: 5000, queue_policy: backpressure}}
    env:
      SHMEM_NAME: {stream}{settings}
{keys}",
        program("dora-shm-sink").display()
    )
}

/// A stream that is mirrored and recorded. `settings` are further lines of the mirror's `env:`.
pub fn mirror_into_recorder(stream: &str, settings: &[&str], record: &Path) -> String {
    let settings: String = settings.iter().map(|line| format!("\n      {line}")).collect();
    format!(
        "nodes:
  - id: mirror
    path: {}
    outputs: [data]
    env:
      SHMEM_NAME: {stream}{settings}

  - id: recorder
    path: {}
    inputs:
      data: {{source: mirror/data, queue_size: 5000, queue_policy: backpressure}}
    env:
      RECORD: {}
",
        program("dora-shm-mirror").display(),
        program("message-recorder").display(),
        record.display()
    )
}
