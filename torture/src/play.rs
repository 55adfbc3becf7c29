//! Plays a role. Some roles are defined by the test kit, others by their campaign.

use std::path::Path;

use dora_shm_testkit::follower::Kind;
use dora_shm_testkit::rng::Rng;
use dora_shm_testkit::roles;
use eyre::{Report, WrapErr as _, eyre};

use crate::campaigns;
use crate::counters::Counters;
use crate::role::{Role, until_input_ends};

pub fn play(role: Role, arguments: &[String]) -> eyre::Result<()> {
    let word =
        |i: usize| arguments.get(i).map(String::as_str).ok_or_else(|| eyre!("{} needs an argument {i}", role.word()));
    let number = |i: usize| word(i)?.parse::<u64>().wrap_err_with(|| format!("argument {i} is not a seed"));
    let kind = |i: usize| word(i)?.parse::<Kind>().map_err(Report::msg);
    match role {
        Role::Storm => {
            let options: Vec<&str> = arguments.iter().skip(2).map(String::as_str).collect();
            roles::storm(&mut Rng::new(number(0)?), word(1)?, &options).map_err(Report::msg)
        }
        Role::Writer => roles::writer(word(0)?).map_err(Report::msg),
        Role::Reader => {
            read(kind(0)?, Rng::new(number(1)?), word(2)?);
            Ok(())
        }
        Role::Changer => campaigns::formats::changer(Rng::new(number(0)?), word(1)?),
        Role::Contender => {
            let token = Path::new(word(1)?);
            roles::contend(&mut Rng::new(number(0)?), token, word(2)?).map_err(Report::msg)
        }
        Role::Restarter => campaigns::attaches::restarter(Rng::new(number(0)?), word(1)?),
        Role::Attacher => campaigns::attaches::attacher(Rng::new(number(0)?), word(1)?),
        Role::Victim => campaigns::hostile::victim(kind(0)?, Rng::new(number(1)?), word(2)?),
        Role::Prober => campaigns::impostors::prober(word(0)?),
        Role::FloodWriter => campaigns::soak::flood(Rng::new(number(0)?), word(1)?),
        Role::FloodReader => campaigns::soak::read_flood(kind(0)?, word(1)?),
        Role::Hog => until_input_ends(|| {
            std::hint::spin_loop();
            Ok(())
        }),
    }
}

/// Reads and checks everything until the process is killed.
fn read(kind: Kind, mut rng: Rng, name: &str) {
    let counters = Counters::of_role();
    if let Err(defect) = roles::follow(kind, &mut rng, name, |frames| counters.checked(frames)) {
        counters.defect(&defect);
    }
}
