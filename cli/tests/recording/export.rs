use std::fs;
use std::path::Path;

use dora_shm_ring::{Chunk, Clock, Description, Dtype, Format, Times, Writer, WriterOptions};

use crate::fixture::*;

/// A recording of two generations: 12 frames of a [`Source`], then 4 frames of 2 x 2 float16.
fn recording(folder: &Path) -> std::path::PathBuf {
    let (name, file) = (Name::new("recording"), folder.join("r.arrow"));
    let mut recorder = Running::start(dora_shm(&["record", &name, "-o", file.to_str().unwrap()]));
    recorder.wait_for("waiting for it");
    let mut source = Source::float32(&name, 1000);
    source.write(5);
    source.write(0);
    source.write(7);
    wait_until("a batch is written", || fs::metadata(&file).unwrap().len() > 0);
    let format = Format::new(Dtype::F16, &[2, 2], 0.0, 100).unwrap();
    source.writer.begin(&format, &Description::default(), 4).unwrap();
    let samples: Vec<u8> = (0..16_u16).flat_map(|n| half::f16::from_f32(f32::from(n) / 2.0).to_le_bytes()).collect();
    let times = Times::Linear { start: 1.0, step: 0.5 };
    source.writer.write(&Chunk { samples: &samples, times, send_ns: 1 }).unwrap();
    // If the stream were closed at once, the recorder might not reach the second generation.
    wait_until("the second generation is recorded", || {
        batches(&file).get(1).is_some_and(|batches| !batches.is_empty())
    });
    drop(source);
    let (code, _, stderr) = recorder.end();
    assert_eq!(code, Some(0), "{stderr}");
    file
}

fn export(file: &Path, output: &Path, more: &[&str]) -> (Option<i32>, String, String) {
    let arguments = ["export", file.to_str().unwrap(), "-o", output.to_str().unwrap()];
    Running::start(dora_shm(&[&arguments[..], more].concat())).end()
}

#[test]
fn csv_has_a_header_of_labels_and_a_line_per_frame_and_a_file_per_generation() {
    let folder = tempfile::tempdir().unwrap();
    let file = recording(folder.path());
    let (code, stdout, stderr) = export(&file, &folder.path().join("x.csv"), &[]);
    assert_eq!(code, Some(0), "{stderr}");
    let names: Vec<&str> = stdout.lines().collect();
    assert_eq!(names, ["x-0.csv", "x-1.csv"].map(|name| folder.path().join(name).to_str().unwrap().to_owned()));
    let first = fs::read_to_string(names[0]).unwrap();
    let mut lines = first.lines();
    assert_eq!(lines.next(), Some("time,Fz,Cz,\"a,b\""));
    assert_eq!(lines.clone().nth(11), Some("0.11,11.0,11.25,-11.0"));
    assert_eq!(lines.count(), 12);
    let second = fs::read_to_string(names[1]).unwrap();
    assert!(second.starts_with("time,dim_1[0]/dim_2[0],dim_1[0]/dim_2[1],dim_1[1]/dim_2[0],dim_1[1]/dim_2[1]\n"));
    assert!(second.ends_with("\n2.5,6.0,6.5,7.0,7.5\n"), "{second}");
}

#[test]
fn what_the_times_of_a_csv_are_is_in_a_file_beside_it_as_in_the_other_formats() {
    let folder = tempfile::tempdir().unwrap();
    let (name, file) = (Name::new("csv-clock"), folder.path().join("r.arrow"));
    let mut recorder = Running::start(dora_shm(&["record", &name, "-o", file.to_str().unwrap()]));
    recorder.wait_for("waiting for it");
    let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
    let format = Format::new(Dtype::U8, &[2], 100.0, 100).unwrap().on_clock(Clock::Unix);
    let description = Description { key: "eeg".into(), ..Description::default() };
    writer.begin(&format, &description, 1).unwrap();
    writer.write_now(&[1, 2], 1).unwrap();
    let clock = writer.clock().unwrap();
    wait_until("a batch is written", || batches(&file).first().is_some_and(|batches| !batches.is_empty()));
    drop(writer);
    assert_eq!(recorder.end().0, Some(0));
    let csv = folder.path().join("x.csv");
    let (code, stdout, stderr) = export(&file, &csv, &[]);
    assert_eq!((code, stdout.trim()), (Some(0), csv.to_str().unwrap()), "{stderr}");
    assert_eq!(fs::read_to_string(&csv).unwrap().lines().count(), 2, "a header and a frame");
    let beside = folder.path().join("x.csv.json");
    let about: serde_json::Value = serde_json::from_str(&fs::read_to_string(&beside).unwrap()).unwrap();
    assert_eq!((&about["clock"], &about["clock_id"]), (&"unix".into(), &clock.id.to_string().into()));
    assert_eq!(about["created_ns"], clock.created_ns);
    assert_eq!(about["created_mono_ns"], clock.created_mono_ns);
    assert_eq!((&about["rate_hz"], &about["description"]["key"]), (&100.0.into(), &"eeg".into()));
    // It is as precious as the data.
    fs::remove_file(&csv).unwrap();
    let (code, _, stderr) = export(&file, &csv, &[]);
    assert!(code == Some(1) && stderr.contains("x.csv.json already exists") && !csv.exists(), "{stderr}");
    assert_eq!(export(&file, &csv, &["--force"]).0, Some(0));
    assert!(csv.exists());
}

#[test]
fn existing_files_are_kept_unless_forced_and_no_partial_file_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let file = recording(folder.path());
    let output = folder.path().join("x.npz");
    fs::write(&output, "precious").unwrap();
    let (code, _, stderr) = export(&file, &output, &[]);
    assert!(code == Some(1) && stderr.contains("--force"), "{stderr}");
    assert_eq!(fs::read(&output).unwrap(), b"precious");
    assert_eq!(export(&file, &output, &["--force"]).0, Some(0));
    assert!(fs::read(&output).unwrap().starts_with(b"PK"));
    let (code, _, stderr) = export(&file, &folder.path().join("x.txt"), &[]);
    assert!(code == Some(1) && stderr.contains(".parquet, .npz or .csv"), "{stderr}");
    // Damaged in the middle of its second batch.
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes.truncate(middle);
    bytes.extend([7; 4000]);
    fs::write(&file, bytes).unwrap();
    let (code, _, _) = export(&file, &folder.path().join("y.csv"), &[]);
    let mut left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    if code == Some(1) {
        assert_eq!(left, ["r.arrow", "x.npz"]);
    }
}

#[test]
fn a_recording_cut_at_any_byte_is_exported_as_far_as_it_goes() {
    let folder = tempfile::tempdir().unwrap();
    let file = recording(folder.path());
    let whole = fs::read(&file).unwrap();
    // Every byte is tried in the format's own tests; here a few through the whole command.
    for length in (1..whole.len()).step_by(whole.len() / 16) {
        fs::write(&file, &whole[..length]).unwrap();
        for name in ["x.npz", "x.parquet", "x.csv"] {
            let (code, stdout, stderr) = export(&file, &folder.path().join(name), &["--force"]);
            assert_eq!(code, Some(0), "{length} bytes: {stderr}");
            assert!(stdout.lines().all(|file| fs::metadata(file).is_ok()));
            assert!(stderr.contains("was not finished") || stderr.contains("nothing to export"), "{stderr}");
        }
    }
}

/// Run by `cargo xtask test`, which creates the environment: pyarrow and numpy alone can read what we write.
#[test]
#[ignore = "needs DORA_SHM_PYARROW_PYTHON, a Python with pyarrow and numpy"]
fn pyarrow_and_numpy_read_the_recording_and_its_exports() {
    let folder = tempfile::tempdir().unwrap();
    let file = recording(folder.path());
    for name in ["x.npz", "x.parquet", "x.csv"] {
        let (code, _, stderr) = export(&file, &folder.path().join(name), &[]);
        assert_eq!(code, Some(0), "{stderr}");
    }
    let python = std::env::var_os("DORA_SHM_PYARROW_PYTHON").expect("DORA_SHM_PYARROW_PYTHON names a Python");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/recording/stranger.py");
    let done = std::process::Command::new(python).arg(script).arg(folder.path()).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

#[test]
#[ignore = "needs DORA_SHM_PYARROW_PYTHON, a Python with pyarrow and numpy"]
fn the_program_of_the_documentation_reads_a_recording() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::rename(recording(folder.path()), folder.path().join("recording.arrow")).unwrap();
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/recording.md")).unwrap();
    let program = page.split("```python\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let program = format!("{program}                print(len(samples) == len(times) == frames.to_numpy().sum())\n");
    let python = std::env::var_os("DORA_SHM_PYARROW_PYTHON").expect("DORA_SHM_PYARROW_PYTHON names a Python");
    let mut command = std::process::Command::new(python);
    let done = command.arg("-c").arg(program).current_dir(folder.path()).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let printed = String::from_utf8(done.stdout).unwrap();
    assert!(!printed.is_empty() && printed.lines().all(|line| line == "True"), "{printed}");
}
