//! Files that are not segments, under the names of a stream's segments. Part of the campaign `hostile`.

use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use dora_shm_ring::{Error, streams};
use dora_shm_testkit::follower::oldest;
use dora_shm_testkit::impostors::{Answer, NOBODY, check_readers, check_writers};
use dora_shm_testkit::probe;
use dora_shm_testkit::process::{Process, print_line, read_line};
use dora_shm_testkit::specimen::Specimen;
use rustix::process::{Gid, Uid};

use crate::fixture::{Fixture, Outcome};
use crate::role::Role;

/// Time limit of a probe.
const ANSWER: Duration = Duration::from_secs(5);

pub fn run(fixture: &Fixture) -> Outcome {
    let specimen = Specimen::new(&format!("{}/specimen", fixture.name));
    let specimen = specimen.map_err(|error| format!("the specimen: {error:?}"))?;
    let mut prober = fixture.start(Role::Prober, &[&specimen.name])?;
    fixture.counters.faults(check_readers(&specimen, || request(&mut prober, "probe"))?);
    probe_as_nobody(fixture, &specimen, &mut prober)?;
    prober.end_well()?;
    fixture.counters.faults(check_writers(&specimen)?);
    Ok(())
}

/// Sends a line to a prober, which must respond in time and must not crash.
fn request(prober: &mut Process, line: &str) -> Result<Answer, String> {
    let started = Instant::now();
    let answer = prober.request(line)?.ok_or("a reader crashed")?;
    if started.elapsed() > ANSWER {
        return Err(format!("the response {answer:?} took {:?}, expected at most {ANSWER:?}", started.elapsed()));
    }
    match answer.split_once(": ") {
        None if answer == FINE => Ok(Answer::Fine),
        Some((REFUSED, error)) => Ok(Answer::Refused(error.to_owned())),
        _ => Err(answer),
    }
}

const FINE: &str = "fine";
const REFUSED: &str = "refused";
const BECOME_NOBODY: &str = "become nobody";

/// Another user may read a stream that is readable for all users, if the reader names the owner, and no other stream.
fn probe_as_nobody(fixture: &Fixture, specimen: &Specimen, prober: &mut Process) -> Outcome {
    if request(prober, BECOME_NOBODY).is_err() {
        fixture
            .counters
            .note("reading as another user was skipped, since this process cannot change its user".to_owned());
        return Ok(());
    }
    let refused = || Answer::Refused("Permission".to_owned());
    for (mode, expected) in [(0o600, refused()), (0o640, refused()), (0o644, Answer::Fine)] {
        let failed = |error: std::io::Error| format!("the specimen: {error}");
        specimen.put().map_err(failed)?;
        for path in specimen.paths() {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).map_err(failed)?;
        }
        fixture.counters.fault();
        let answer = request(prober, "probe")?;
        if answer != expected {
            return Err(format!("mode {mode:o}, as another user: {answer:?}, expected {expected:?}"));
        }
    }
    Ok(())
}

/// The role that probes the files of a stream's name, once for each line of its input.
pub fn prober(name: &str) -> eyre::Result<()> {
    let mut owner = None;
    while let Some(line) = read_line() {
        let answer = if line == BECOME_NOBODY {
            owner = Some(0);
            become_nobody().map_or_else(|errno| errno.to_string(), |()| FINE.to_owned())
        } else {
            match streams().and_then(|_| probe::all(name, &oldest().owner(owner))) {
                Ok(()) => FINE.to_owned(),
                Err(error) if is_about_segments(&error) => match Answer::of(Some(&error)) {
                    Answer::Refused(error) => format!("{REFUSED}: {error}"),
                    Answer::Fine => FINE.to_owned(),
                },
                Err(error) => format!("error: {error:?}"),
            }
        };
        print_line(&answer);
    }
    Ok(())
}

/// Whether a reader may return this error for segments that were overwritten.
pub fn is_about_segments(error: &Error) -> bool {
    probe::is_about_segments(error) || matches!(error, Error::TooLarge { .. })
}

/// Changes the user of this thread only, which is the reading thread.
fn become_nobody() -> rustix::io::Result<()> {
    let (user, group) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    rustix::thread::set_thread_groups(&[])?;
    rustix::thread::set_thread_res_gid(group, group, group)?;
    rustix::thread::set_thread_res_uid(user, user, user)
}
