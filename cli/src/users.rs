//! Users by name and number.

use nix::unistd::{Gid, Group, Uid, User};

/// The effective user of this process.
pub fn me() -> u32 {
    nix::unistd::geteuid().as_raw()
}

/// The user's name, or number if the system has no name for it.
pub fn name(uid: u32) -> String {
    User::from_uid(Uid::from_raw(uid)).ok().flatten().map_or_else(|| uid.to_string(), |user| user.name)
}

/// The group's name, or number if the system has no name for it.
pub fn group(gid: u32) -> String {
    Group::from_gid(Gid::from_raw(gid)).ok().flatten().map_or_else(|| gid.to_string(), |group| group.name)
}

/// The number of a user that is given by name or number.
pub fn parse(user: &str) -> Result<u32, String> {
    if let Ok(uid) = user.parse() {
        return Ok(uid);
    }
    match User::from_name(user) {
        Ok(Some(user)) => Ok(user.uid.as_raw()),
        _ => Err("this machine has no user of that name; give the name or the number of a user".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_given_by_name_or_number() {
        assert_eq!((parse("root"), parse("1234567")), (Ok(0), Ok(1_234_567)));
        assert!(parse("nobody-of-that-name").is_err());
        assert_eq!((name(0), name(1_234_567)), ("root".to_owned(), "1234567".to_owned()));
        assert_eq!(group(1_234_567), "1234567");
    }
}
