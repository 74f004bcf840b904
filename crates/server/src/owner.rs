//! Whose a file is: the mend of an error that says no more than "Permission denied".

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// What to do about an `error` at `path`, in parentheses behind a blank; nothing where it is about no permission.
pub(crate) fn mend(path: &Path, error: &io::Error) -> String {
    if error.kind() != io::ErrorKind::PermissionDenied {
        return String::new();
    }
    let Some((place, found)) = path.ancestors().find_map(seen) else { return String::new() };
    let (place, mode) = (place.display(), found.mode() & 0o777);
    if found.uid() == rustix::process::geteuid().as_raw() {
        format!(" (the mode of `{place}` is {mode:03o}: allow it by `chmod u+rwX`)")
    } else {
        format!(" (`{place}` belongs to {}: run this as that user)", user(found.uid()))
    }
}

/// Whose `path` is, where root is about to write there and it is not root's.
pub(crate) fn other_than_root(path: &Path) -> Option<String> {
    let owner = fs::metadata(path).ok()?.uid();
    (rustix::process::geteuid().is_root() && owner != 0).then(|| user(owner))
}

/// What can be looked at of a path and its parents.
fn seen(path: &Path) -> Option<(&Path, Metadata)> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    Some((path, fs::metadata(path).ok()?))
}

/// A user by name, or by number where nobody in the local list has it.
fn user(number: u32) -> String {
    let list = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let named = list.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == number.to_string()).then_some(name)
    });
    match named {
        Some(name) => format!("the user `{name}`"),
        None => format!("the user with the number {number}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_a_name_or_at_least_a_number() {
        assert_eq!(user(0), "the user `root`");
        assert_eq!(user(4_294_900_000), "the user with the number 4294900000");
    }

    #[test]
    fn only_what_is_not_permitted_is_a_question_of_the_owner() {
        assert_eq!(mend(Path::new("/"), &io::ErrorKind::NotFound.into()), "");
        assert!(mend(Path::new("/proc/1/nothing"), &io::ErrorKind::PermissionDenied.into()).starts_with(" ("));
    }
}
