//! Several writers compete for one name and are killed at random moments. Two of them never own it at the same time.

use std::time::Duration;

use dora_shm_testkit::follower::Kind;
use dora_shm_testkit::ledger::Ledger;
use dora_shm_testkit::process::Process;
use dora_shm_testkit::rng::Rng;

use crate::fixture::{Fixture, Outcome};
use crate::role::Role;

const CONTENDERS: u64 = 6;

pub fn run(fixture: &Fixture) -> Outcome {
    let token = std::env::temp_dir().join(format!("dora-shm-torture-token-{}", std::process::id()));
    std::fs::write(&token, "").map_err(|error| format!("{}: {error}", token.display()))?;
    let raced = fixture.among_followers(&Kind::ALL, &Ledger::default(), |_| {
        let mut rng = fixture.rng(1);
        let token = token.display().to_string();
        let start =
            |rng: &mut Rng| fixture.start(Role::Contender, &[&rng.next_u64().to_string(), &token, &fixture.name]);
        let mut contenders = Vec::new();
        for _ in 0..CONTENDERS {
            contenders.push(start(&mut rng)?);
        }
        let (mut killed, mut owned) = (0, 0);
        while fixture.goes_on() {
            std::thread::sleep(Duration::from_micros(rng.below(8000)));
            let unlucky = rng.below(CONTENDERS) as usize;
            let contender = std::mem::replace(&mut contenders[unlucky], start(&mut rng)?);
            owned += end(contender)?;
            killed += 1;
            fixture.counters.fault();
        }
        for contender in contenders {
            owned += end(contender)?;
        }
        fixture.counters.note(format!("{killed} contenders killed, the name was owned {owned} times"));
        fixture.last_writer()
    });
    let _ = std::fs::remove_file(&token);
    raced
}

/// Kills a contender. Returns how many times it had owned the name.
fn end(mut contender: Process) -> Result<u64, String> {
    contender.kill();
    let mut owned = 0;
    while let Some(line) = contender.read_line()? {
        match line.as_str() {
            "begins" => {}
            "owned" => owned += 1,
            other => return Err(format!("a contender printed {other:?}, expected \"begins\" or \"owned\"")),
        }
    }
    contender.end_killed()?;
    Ok(owned)
}
