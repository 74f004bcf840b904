//! What `strace` wrote of the program's system calls, read back.

use std::collections::HashMap;

/// The system calls that change files or make them durable, and those that speak to a client or an operator.
pub(super) const CALLS: &str = "openat,creat,write,pwrite64,writev,pwritev,pwritev2,copy_file_range,sendfile,sendto,\
    sendmsg,fsync,fdatasync,sync_file_range,rename,renameat,renameat2,link,linkat,unlink,unlinkat,mkdir,mkdirat,rmdir,\
    ftruncate,truncate,fallocate,lseek";

/// One call, whole.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) name: String,
    /// The path or thing that the first descriptor stands for.
    pub(super) descriptor: String,
    /// Every string argument, as the bytes that it is.
    pub(super) texts: Vec<Vec<u8>>,
    /// The arguments as they were printed.
    pub(super) words: String,
    /// What it gave; negative where it failed.
    pub(super) result: i64,
}

/// The beginning or the end of a call; the number is its place in the list of calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Moment {
    Begins(usize),
    Ends(usize),
}

/// A recording: the calls, and in which order they began and ended, as far as their process could tell.
#[derive(Default)]
pub(super) struct Recording {
    pub(super) calls: Vec<Call>,
    pub(super) moments: Vec<Moment>,
}

impl Recording {
    /// Reads the output of `strace -f -y -xx`. A call that never ended is left out, unless it only spoke.
    pub(super) fn read(text: &str) -> Recording {
        let mut recording = Recording::default();
        let mut open: HashMap<(&str, &str), (usize, String)> = HashMap::new();
        for line in text.lines() {
            let Some((process, rest)) = line.split_once(' ') else { continue };
            let rest = rest.trim_start();
            if let Some(rest) = rest.strip_prefix("<... ") {
                let Some((name, tail)) = rest.split_once(" resumed>") else { continue };
                let Some((nth, head)) = open.remove(&(process, name)) else { continue };
                recording.calls[nth] = Call::read(name, &format!("{head}{tail}"));
                recording.moments.push(Moment::Ends(nth));
                continue;
            }
            let Some((name, arguments)) = rest.split_once('(') else { continue };
            if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
                continue;
            }
            let nth = recording.calls.len();
            recording.moments.push(Moment::Begins(nth));
            if let Some(head) = arguments.strip_suffix(" <unfinished ...>") {
                open.insert((process, name), (nth, head.to_owned()));
                recording.calls.push(Call::read(name, head));
            } else {
                recording.calls.push(Call::read(name, arguments));
                recording.moments.push(Moment::Ends(nth));
            }
        }
        recording
    }

    /// Where the calls begin for which `is_it` holds.
    pub(super) fn beginnings(&self, is_it: impl Fn(&Call) -> bool) -> Vec<usize> {
        self.places(|moment| matches!(moment, Moment::Begins(nth) if is_it(&self.calls[nth])))
    }

    /// Where the calls end for which `is_it` holds.
    pub(super) fn ends(&self, is_it: impl Fn(&Call) -> bool) -> Vec<usize> {
        self.places(|moment| matches!(moment, Moment::Ends(nth) if is_it(&self.calls[nth])))
    }

    fn places(&self, is_it: impl Fn(Moment) -> bool) -> Vec<usize> {
        self.moments.iter().enumerate().filter(|(_, moment)| is_it(**moment)).map(|(place, _)| place).collect()
    }

    pub(super) fn call_at(&self, place: usize) -> &Call {
        match self.moments[place] {
            Moment::Begins(nth) | Moment::Ends(nth) => &self.calls[nth],
        }
    }
}

impl Call {
    /// From `arguments) = result`, where the end may be missing.
    fn read(name: &str, arguments: &str) -> Call {
        let (words, result) = arguments.rsplit_once(") ").unwrap_or((arguments, ""));
        let result = result.trim_start().strip_prefix("= ").unwrap_or("-1");
        let digits = result.find(|c: char| c != '-' && !c.is_ascii_digit()).unwrap_or(result.len());
        Call {
            name: name.to_owned(),
            descriptor: between(words, '<', '>').map(|text| text_of(&unescape(text))).unwrap_or_default(),
            texts: words.split('"').skip(1).step_by(2).map(unescape).collect(),
            words: words.to_owned(),
            result: result[..digits].parse().unwrap_or(-1),
        }
    }

    pub(super) fn is_sync(&self) -> bool {
        self.name == "fsync" || self.name == "fdatasync"
    }

    /// The nth string argument, as a path.
    pub(super) fn path(&self, nth: usize) -> String {
        self.texts.get(nth).map(|bytes| text_of(bytes)).unwrap_or_default()
    }

    /// The last argument, as a number.
    pub(super) fn last_number(&self) -> usize {
        self.words.rsplit(", ").next().and_then(|word| word.trim_end_matches(')').parse().ok()).unwrap_or(0)
    }

    /// Everything that it wrote.
    pub(super) fn written(&self) -> Vec<u8> {
        let mut bytes = self.texts.concat();
        bytes.truncate(usize::try_from(self.result).unwrap_or(0));
        bytes
    }

    /// Whether it sends or prints `text`.
    pub(super) fn says(&self, text: &str) -> bool {
        let speaks = matches!(self.name.as_str(), "write" | "writev" | "sendto" | "sendmsg");
        speaks && self.texts.iter().any(|bytes| text_of(bytes).contains(text))
    }
}

fn between(text: &str, open: char, close: char) -> Option<&str> {
    let start = text.find(open)? + 1;
    Some(&text[start..start + text[start..].find(close)?])
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The bytes of a string that is all `\xNN`.
fn unescape(text: &str) -> Vec<u8> {
    text.split("\\x").skip(1).filter_map(|digits| u8::from_str_radix(digits.get(..2)?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_that_overlap_are_put_together() {
        let text = concat!(
            "7 pwrite64(3<\\x2f\\x61>, \"\\x41\\x42\", 2, 4096) = 2\n",
            "7 fsync(3<\\x2f\\x61> <unfinished ...>\n",
            "8 openat(AT_FDCWD<\\x2f>, \"\\x62\", O_RDWR|O_CREAT, 0600) = -1 EACCES (Permission denied)\n",
            "7 <... fsync resumed>) = 0\n",
            "8 +++ exited with 0 +++\n",
        );

        let recording = Recording::read(text);

        let [write, sync, open] = &recording.calls[..] else { panic!("{:?}", recording.calls) };
        assert_eq!((&write.descriptor[..], &write.written()[..], write.last_number()), ("/a", &b"AB"[..], 4096));
        assert!(sync.is_sync() && sync.result == 0);
        assert_eq!((open.path(0), open.result), ("b".to_owned(), -1));
        use Moment::{Begins, Ends};
        assert_eq!(recording.moments, [Begins(0), Ends(0), Begins(1), Begins(2), Ends(2), Ends(1)]);
    }
}
