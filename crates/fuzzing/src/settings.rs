//! Settings files.

use soku_server::config::{Config, Environment, Flags};

/// A settings file. It is read or refused with words; a password in it is never among them.
pub(crate) fn configuration(data: &[u8]) {
    const SECRET: &str = "tellnobody";
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), data).expect("written");
    let flags = Flags { file: Some(file.path().to_owned()), ..Flags::default() };
    let place = file.path().display().to_string();
    match Config::load(&flags, &Environment::default()) {
        Ok(loaded) => assert!(loaded.warnings.iter().all(|warning| !warning.contains(SECRET))),
        Err(error) => {
            assert!(!error.problems.is_empty());
            let words: Vec<String> = error.problems.iter().map(ToString::to_string).collect();
            let named = |words: &String| words.contains(&place) || words.contains('`');
            assert!(words.iter().all(named), "a problem names nothing: {words:?}");
            // What stands in another setting, or where no secret would, is none.
            let is_secret = |line: &[u8]| {
                (line.starts_with(b"url = ") || line.starts_with(b"public_url = "))
                    && (holds(line, b":tellnobody") || holds(line, b"?") && holds(line, b"=tellnobody"))
            };
            let mut lines = data.split(|&byte| byte == b'\n').filter(|line| holds(line, SECRET.as_bytes()));
            assert!(!lines.all(is_secret) || words.iter().all(|words| !words.contains(SECRET)), "{words:?}");
        }
    }
}

fn holds(text: &[u8], needle: &[u8]) -> bool {
    text.windows(needle.len()).any(|window| window == needle)
}
