//! The rule for names of files and folders: each says what is in it.

use super::Finding;

/// Checks the path of one file.
pub(crate) fn check(path: &str) -> Vec<Finding> {
    let parts = path.split('/').map(|part| part.split('.').next().unwrap_or(part));
    let last_word = |part: &str| part.rsplit('_').next().unwrap_or(part).to_ascii_lowercase();
    let banned = parts.filter(|part| BANNED.contains(&last_word(part).as_str()));
    let what = |part: &str| format!("`{part}` says nothing; name the thing that is in it");
    banned.map(|part| Finding::new(path, 0, what(part))).collect()
}

const BANNED: &[&str] =
    &["util", "utils", "helper", "helpers", "manager", "managers", "common", "misc", "handy"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_and_files_are_held_to_it() {
        assert_eq!(check("paxos/src/quorum.rs"), []);
        assert_eq!(check("paxos/src/commonplace.rs"), []);
        assert_eq!(check("paxos/src/utils/mod.rs").len(), 1);
        assert_eq!(check("smr/src/session_manager.rs").len(), 1);
        assert!(check("kv/src/Helpers.rs")[0].to_string().contains("`Helpers` says nothing"));
    }

    #[test]
    fn each_name_that_says_nothing_is_refused() {
        for name in
            ["util", "utils", "helper", "helpers", "manager", "managers", "common", "misc", "handy"]
        {
            assert_eq!(check(&format!("a/{name}.rs")).len(), 1, "{name}");
            assert_eq!(check(&format!("a/my_{name}/b.rs")).len(), 1, "{name}");
            assert_eq!(check(&format!("a/{name}_x.rs")).len(), 0, "{name}");
        }
    }
}
