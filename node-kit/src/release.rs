//! What it means if dora's daemon and this node do not understand each other.
//!
//! A node and a daemon work together if their releases are compatible by semantic versioning and their messages have the
//! same format: all releases of dora 1 so far. An older daemon cannot read this node's first message and closes the
//! connection, which looks like a lost connection.

/// The releases of dora whose daemon understands this node.
const FITTING: &str = "dora 1.0 or a later 1.x";

/// How dora's errors describe a daemon that refuses this node's release.
const REFUSED: [&str; 2] = ["version mismatch", "wire-format mismatch"];

/// How dora's errors describe a daemon that closes the connection, or replies with what this node cannot read.
const MISUNDERSTOOD: [&str; 2] = ["server disconnected unexpectedly", "failed to deserialize DaemonReply"];

/// The sentence for `error`, dora's error when a node joins: that the daemon is of a release that does not fit. `None`
/// if the error has another reason.
pub(crate) fn misfit(error: &str) -> Option<String> {
    const REMEDY: &str = "check the release with `dora --version`, and restart its daemon after an upgrade";
    let contains = |parts: &[&str]| parts.iter().any(|part| error.contains(part));
    if contains(&REFUSED) {
        return Some(format!(
            "dora's daemon is of a release that does not fit this node, which expects {FITTING}; {REMEDY}"
        ));
    }
    contains(&MISUNDERSTOOD).then(|| {
        format!(
            "dora's daemon does not understand this node, so it is probably of a release that does not fit: this node \
             expects {FITTING}; {REMEDY}"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_of_another_release_is_named_as_that() {
        for error in [
            // Daemons of dora 0.3 and 0.5 when a node registers, and when a dynamic one asks for its configuration.
            "internal error: failed to init event stream: failed to send register request to dora-daemon: server \
             disconnected unexpectedly",
            "internal error: failed to request node config from daemon: server disconnected unexpectedly",
            // A daemon that reads the request and compares the versions.
            "failed to register node with dora-daemon: version mismatch: message format v1.1.0 is not compatible with \
             expected message format v2.0.0",
            "failed to register node with dora-daemon: message wire-format mismatch: node speaks metadata format v2 but \
             this daemon speaks v3.",
        ] {
            let sentence = misfit(error).unwrap();
            assert!(sentence.contains("release that does not fit") && sentence.contains("dora 1.0"), "{sentence}");
        }
    }

    #[test]
    fn other_errors_are_not_about_releases() {
        for error in ["failed to open TCP connection: Connection refused", "no node with ID `sink`"] {
            assert_eq!(misfit(error), None);
        }
    }
}
