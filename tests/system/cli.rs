//! The command line on running graphs: the commands of the README, in the README's order.

use std::path::Path;

use dora_shm_testkit::logged::LoggedProcess;
use dora_shm_tests::dora::{project_graph, run_with};
use dora_shm_tests::pages::blocks;
use dora_shm_tests::programs::program;
use dora_shm_tests::stage::Stage;
use rustix::process::Signal;

/// A shell script that runs the command `$1` at a terminal and types `q` once `$2` is on the screen.
const AT_A_TERMINAL: &str = r#"
    (until grep --quiet "$2" screen; do sleep 0.05; done; printf q; cat) | script --quiet --return --flush --command "$1" screen
"#;

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn the_commands_of_the_readme_work_on_the_demo() {
    let stage = Stage::new("cli");
    let (stream, again) = (stage.stream("signal"), stage.stream("again"));
    let graph = project_graph("demo.yml", &[("SHMEM_NAME: demo", &format!("SHMEM_NAME: {stream}"))]);
    let mut graph = run_with(&stage, "graph", &graph, &["--env", "SIGNAL_DURATION=60s"]);
    graph.wait_for_line("generation 0 of").unwrap();

    let lines = blocks("README.md", "sh")[1..].concat();
    let mut seen = Vec::new();
    for line in lines.lines().map(|line| line.split('#').next().expect("a first part").trim()) {
        let words: Vec<String> = line.split_whitespace().map(|word| word.replace("demo-again", &again)).collect();
        // Only the stream's name is replaced, not the names of files.
        let words = words.iter().map(|word| if word == "demo" { &stream } else { word }).map(String::as_str);
        let words: Vec<&str> = words.collect();
        let ["dora-shm", command, ..] = words[..] else { panic!("{line} is not a command of dora-shm") };
        seen.push(command.to_owned());
        let output = match command {
            "scope" => at_a_terminal(&stage, &words, "kHz"),
            // Its exit status depends on this machine.
            "doctor" => start(&stage, &words).wait_for_line(" kernel ").unwrap(),
            _ => {
                let mut process = start(&stage, &words);
                process.succeed().unwrap();
                process.log()
            }
        };
        match command {
            "list" => assert!(output.lines().any(|line| line.contains(&stream) && line.contains("live")), "{output}"),
            "info" => assert!(output.contains("float32") && output.contains("sine 1 Hz"), "{output}"),
            "watch" => assert!(output.contains("1 kHz"), "{output}"),
            "plot" => assert_begins(&stage.folder().join("demo.png"), b"\x89PNG"),
            "export" => assert_begins(&stage.folder().join("demo.npz"), b"PK"),
            _ => {}
        }
    }
    assert_eq!(seen, ["list", "info", "watch", "scope", "plot", "record", "export", "replay", "doctor"]);
    graph.signal(Signal::INT);
    graph.succeed().unwrap();
}

fn start(stage: &Stage, words: &[&str]) -> LoggedProcess {
    stage.start(words[1], stage.command(program("dora-shm")).args(&words[1..]))
}

/// The terminal's output until `text` appeared and the command was quit.
fn at_a_terminal(stage: &Stage, words: &[&str], text: &str) -> String {
    let line = format!("stty cols 100 rows 30; {} {}", program("dora-shm").display(), words[1..].join(" "));
    stage.file("screen", "");
    let mut shell = stage.command("sh");
    let shell = shell.args(["-c", AT_A_TERMINAL, "sh", &line, text]).env("TERM", "xterm-256color");
    stage.start("terminal", shell).succeed().unwrap();
    std::fs::read_to_string(stage.folder().join("screen")).expect("the terminal's output")
}

#[track_caller]
fn assert_begins(file: &Path, with: &[u8]) {
    let bytes = std::fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    assert!(bytes.starts_with(with), "{} begins with {:?}", file.display(), &bytes[..bytes.len().min(8)]);
}
