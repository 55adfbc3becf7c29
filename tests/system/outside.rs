//! Programs outside the graph in Python, C and C++, which use the installed packages.

use std::path::{Path, PathBuf};
use std::process::Command;

use arrow::array::{Array, Float64Array, Int16Array};
use dora_node_api::Parameter;
use dora_shm_dataflows::signal::CHANNELS;
use dora_shm_testkit::logged::LoggedProcess;
use dora_shm_tests::dora::{project_graph, run, run_with};
use dora_shm_tests::programs::{c_prefix, package_python, root};
use dora_shm_tests::record::Message;
use dora_shm_tests::stage::Stage;

use crate::graphs::{mirror_into_recorder, signal_into_sink};

/// Number of frames in `SIGNAL_DURATION`, four seconds.
const FRAMES: &str = "4000";
const DURATION: [&str; 2] = ["--env", "SIGNAL_DURATION=4s"];
/// Longer than the signal, so that nothing is lost on a slow machine.
const LONG_RING: &str = "BUF_DUR: 10.0";
/// So short that a slow reader is lapped.
const SHORT_RING: &str = "BUF_FRAMES: 500";

fn folder() -> PathBuf {
    root().join("tests/system/outside")
}

/// Starts one test of `file`, and waits until it is ready.
fn pytest(stage: &Stage, file: &str, test: &str, stream: &str) -> LoggedProcess {
    start_pytest(stage, file, test, &[("STREAM", stream), ("FRAMES", FRAMES)])
}

fn start_pytest(stage: &Stage, file: &str, test: &str, environment: &[(&str, &str)]) -> LoggedProcess {
    let mut command = stage.command(package_python());
    command.args(["-m", "pytest", "--quiet", "-s", "-p", "no:cacheprovider", "-o", "faulthandler_timeout=60"]);
    command.arg(format!("{}::{test}", folder().join(file).display()));
    command.envs(environment.iter().copied()).env("PYTHONDONTWRITEBYTECODE", "1");
    let mut process = stage.start(test, &mut command);
    process.wait_for_line("ready").unwrap();
    process
}

/// Compiles a program of the folder with the installed library.
fn compile(stage: &Stage, source: &str, kind: &str, flags: &[&str]) -> PathBuf {
    let (compiler, standard) = if source.ends_with(".c") { ("cc", "-std=c11") } else { ("c++", "-std=c++17") };
    let program = stage.folder().join(format!("{}-{kind}", source.replace('.', "-")));
    let output = Command::new("pkg-config")
        .args(["--cflags", "--libs", "dora_shm"])
        .env("PKG_CONFIG_PATH", c_prefix().join("lib/pkgconfig"))
        .output()
        .expect("pkg-config runs");
    assert!(output.status.success(), "pkg-config: {}", String::from_utf8_lossy(&output.stderr));
    let library = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut command = Command::new(compiler);
    command.args([standard, "-g", "-O1", "-pedantic", "-Wall", "-Wextra", "-Werror"]).args(flags);
    command.arg(folder().join(source)).arg("-o").arg(&program).args(library.split_whitespace()).arg("-lm");
    command.arg(format!("-Wl,-rpath,{}", c_prefix().join("lib").display()));
    let output = command.output().expect("a compiler runs");
    assert!(output.status.success(), "{command:?}:\n{}", String::from_utf8_lossy(&output.stderr));
    program
}

/// Starts a compiled program, directly or in valgrind.
fn start(stage: &Stage, program: &Path, in_valgrind: bool, arguments: &[&str]) -> LoggedProcess {
    let name = program.file_name().expect("a program has a name").to_string_lossy().into_owned();
    let (name, mut command) = if in_valgrind {
        let mut command = stage.command("valgrind");
        command.args(["--quiet", "--error-exitcode=99", "--leak-check=full"]).arg(program);
        (format!("{name}-valgrind"), command)
    } else {
        (name, stage.command(program))
    };
    let mut process = stage.start(&name, command.args(arguments));
    process.wait_for_line("ready").unwrap();
    process
}

#[test]
#[ignore = "needs the dora command line and the Python package: cargo xtask system"]
fn python_reads_every_sample_of_a_graph_in_every_way() {
    let stage = Stage::new("outside-python");
    let stream = stage.stream("signal");
    let mut readers = pytest(&stage, "test_reader.py", "test_every_way_to_read_gets_every_frame", &stream);
    run_with(&stage, "graph", &signal_into_sink(&stream, &[LONG_RING], ""), &DURATION).succeed().unwrap();
    readers.succeed().unwrap();
}

#[test]
#[ignore = "needs the dora command line and the Python package: cargo xtask system"]
fn a_python_reader_that_is_lapped_by_a_graph_accounts_for_every_frame() {
    let stage = Stage::new("outside-python-slow");
    let stream = stage.stream("signal");
    let mut reader = pytest(&stage, "test_reader.py", "test_a_slow_reader_accounts_for_every_frame", &stream);
    run_with(&stage, "graph", &signal_into_sink(&stream, &[SHORT_RING], ""), &DURATION).succeed().unwrap();
    reader.succeed().unwrap();
}

#[test]
#[ignore = "needs the dora command line and the Python package: cargo xtask system"]
fn our_ezmsg_mirror_reads_every_sample_of_a_graph() {
    let stage = Stage::new("outside-mirror");
    let stream = stage.stream("signal");
    let mut mirror = pytest(&stage, "test_mirror.py", "test_the_mirror_gets_every_frame", &stream);
    // The ring wraps several times and is filled exactly, in which case ezmsg's own mirror returns a whole ring again.
    run_with(&stage, "graph", &signal_into_sink(&stream, &["BUF_FRAMES: 1000"], ""), &DURATION).succeed().unwrap();
    mirror.succeed().unwrap();
}

#[test]
#[ignore = "needs the dora command line and the Python package: cargo xtask system"]
fn a_signal_that_python_writes_comes_out_of_a_mirrors_graph_whole() {
    let stage = Stage::new("outside-writer");
    let stream = stage.stream("signal");
    let renamed = format!("SHMEM_NAME: {stream}");
    let graph = project_graph("mirror.yml", &[("SHMEM_NAME: demo", &renamed)]);
    let mut dora = run_with(&stage, "mirror", &graph, &["--env", "DORA_SHM_ON_CLOSE=stop"]);
    dora.wait_for_line(&stream).unwrap();
    pytest(&stage, "test_writer.py", "test_the_signal", &stream).succeed().unwrap();
    let line = dora.wait_for_line("signal-check: ").unwrap();
    assert!(line.contains(" 200 messages, 2000 frames, 0 missing, 0 wrong"), "{line}");
    dora.succeed().unwrap();
}

#[test]
#[ignore = "needs the dora command line and the Python package: cargo xtask system"]
fn each_write_in_python_is_a_message_in_the_mirrors_graph() {
    let stage = Stage::new("outside-messages");
    let stream = stage.stream("messages");
    let record = stage.folder().join("record");
    let mut dora = run(&stage, "mirror", &mirror_into_recorder(&stream, &["ON_CLOSE: stop"], &record));
    dora.wait_for_line(&stream).unwrap();
    let folder = record.display().to_string();
    let environment = [("STREAM", &*stream), ("FRAMES", FRAMES), ("RECORD", &folder)];
    start_pytest(&stage, "test_writer.py", "test_messages", &environment).succeed().unwrap();
    dora.succeed().unwrap();
    let received = Message::read_all(&record).expect("a whole record");
    let [one, several, none, described, another] = &received[..] else { panic!("{received:#?}") };
    assert_eq!(&*one.data, &Int16Array::from_iter_values(0..6) as &dyn Array);
    assert_eq!(&*several.data, &Int16Array::from_iter_values(0..24) as &dyn Array);
    assert_eq!(&*none.data, &Int16Array::from_iter_values([]) as &dyn Array);
    assert_eq!(&*described.data, &Int16Array::from_iter_values([-7; 18]) as &dyn Array);
    let sent = |message: &Message| match message.parameters["source_timestamp"] {
        Parameter::Timestamp(time) => time.timestamp(),
        ref other => panic!("{other:?}"),
    };
    assert_eq!(sent(one), 1);
    assert!(sent(several) > 1_700_000_000);
    // The rate does not place the second message's frames, so each has its time.
    let uneven = Parameter::ListFloat(vec![2.0, 2.25, 2.5, 3.0]);
    for (message, frames, run, offset) in
        [(one, 1, 1, Some(1.5)), (several, 4, 1, None), (none, 0, 1, None), (described, 3, 2, Some(4.0))]
    {
        let found = |key: &str| message.parameters.get(key);
        assert_eq!(found("shape"), Some(&Parameter::ListInt(vec![frames, 2, 3])));
        assert_eq!(found("dims"), Some(&Parameter::ListString(["time", "y", "x"].map(str::to_owned).into())));
        assert_eq!(found("sample_rate"), Some(&Parameter::Float(100.0)));
        assert_eq!(found("run"), Some(&Parameter::Integer(run)));
        assert_eq!(found("axis_offset"), offset.map(Parameter::Float).as_ref());
        assert_eq!(found("axis_values"), (frames == 4).then_some(&uneven));
    }
    let Some(Parameter::String(axes)) = described.parameters.get("axes") else { panic!("{described:?}") };
    assert!(axes.contains(r#""data":["upper","lower"]"#), "{axes}");
    let numbers = another.data.as_any().downcast_ref::<Float64Array>().expect("float64");
    assert_eq!((numbers.len(), numbers.value(0), numbers.value(1).is_nan()), (2, 0.5, true));
    assert_eq!(another.parameters.get("key"), Some(&Parameter::String("k".to_owned())));
    let generation = |message: &Message| match message.parameters["generation"] {
        Parameter::Integer(generation) => generation,
        ref other => panic!("{other:?}"),
    };
    let generations = received.iter().map(generation).collect::<Vec<_>>();
    assert_eq!(generations, [0, 0, 0, 0, 1]);
}

#[test]
#[ignore = "needs the dora command line, compilers, pkg-config and valgrind: cargo xtask system"]
fn programs_in_c_and_cpp_read_every_sample_of_a_graph_plainly_in_valgrind_and_with_address_sanitizer() {
    let stage = Stage::new("outside-c");
    let stream = stage.stream("signal");
    let mut readers = Vec::new();
    for source in ["reader.c", "reader.cpp"] {
        let plain = compile(&stage, source, "plain", &[]);
        let asan = compile(&stage, source, "asan", &["-fsanitize=address,undefined", "-fno-omit-frame-pointer"]);
        for (program, in_valgrind) in [(&plain, false), (&plain, true), (&asan, false)] {
            readers.push(start(&stage, program, in_valgrind, &[&stream, FRAMES, "all"]));
        }
    }
    run_with(&stage, "graph", &signal_into_sink(&stream, &[LONG_RING], ""), &DURATION).succeed().unwrap();
    for reader in &mut readers {
        reader.succeed().unwrap();
        assert!(reader.line(&format!("{FRAMES} frames x {CHANNELS}, 0 lost")).is_some(), "{}", reader.log());
    }
}

#[test]
#[ignore = "needs the dora command line, compilers and pkg-config: cargo xtask system"]
fn readers_in_c_and_cpp_that_are_lapped_by_a_graph_account_for_every_frame() {
    let stage = Stage::new("outside-c-slow");
    let stream = stage.stream("signal");
    let programs = ["reader.c", "reader.cpp"].map(|source| compile(&stage, source, "plain", &[]));
    let mut readers = programs.map(|program| start(&stage, &program, false, &[&stream, FRAMES, "slow"]));
    run_with(&stage, "graph", &signal_into_sink(&stream, &[SHORT_RING], ""), &DURATION).succeed().unwrap();
    readers.iter_mut().for_each(|reader| reader.succeed().unwrap());
}
