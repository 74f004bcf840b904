//! The settings as flags, made from the table: taken by every command, told of in full by those about settings.

use clap::builder::StyledStr;
use clap::{Arg, ArgMatches, Command, CommandFactory, ValueHint};

use crate::config::{Flags, SETTINGS, Setting};

/// Where the settings file is named.
const FILE: &str = "config file";

/// The commands whose `--help` tells of every setting.
const TELLING: [&[&str]; 3] = [&["serve"], &["config", "check"], &["config", "print"]];

/// The settings that every command's help tells of.
const COMMON: [&str; 1] = ["data_dir"];

/// The settings that the short help of the telling commands has room for.
const FIRST: [&str; 3] = ["data_dir", "listen", "public_url"];

const MORE: &str = "`soku serve --help` tells of all settings; every command takes them as flags.";

/// A command line with all settings.
pub(super) fn with_settings<A: CommandFactory>() -> Command {
    let mut command = A::command().arg(file().global(true));
    for setting in SETTINGS.iter() {
        command = command.arg(flag(setting).global(true).hide(!COMMON.contains(&setting.name.as_str())));
    }
    tell(command, &mut Vec::new())
}

/// Gives the telling commands flags of their own, which show; the others a word on where to look.
fn tell(mut command: Command, path: &mut Vec<String>) -> Command {
    let names: Vec<String> = command.get_subcommands().map(|inner| inner.get_name().to_owned()).collect();
    for name in &names {
        path.push(name.clone());
        command = command.mut_subcommand(name, |inner| tell(inner, path));
        path.pop();
    }
    if TELLING.iter().any(|telling| *telling == path.as_slice()) {
        return command.args(SETTINGS.iter().filter(|setting| !COMMON.contains(&setting.name.as_str())).map(flag));
    }
    if names.is_empty() { command.after_help(MORE) } else { command }
}

fn file() -> Arg {
    Arg::new(FILE)
        .long("config")
        .value_name("FILE")
        .value_parser(clap::value_parser!(std::path::PathBuf))
        .value_hint(ValueHint::FilePath)
        .help_heading("Settings")
        .help("The settings file [default: `soku.toml` in the data directory, if there]")
}

fn flag(setting: &'static Setting) -> Arg {
    let default = if setting.default.is_empty() { String::new() } else { format!("[default: {}] ", setting.default) };
    let names = format!("{default}[variable: {}]", setting.variable);
    let first_sentence = setting.about.split_once(". ").map_or(setting.about, |(first, _)| first).trim_end_matches('.');
    Arg::new(setting.name.as_str())
        .long(setting.flag.as_str())
        .value_name(setting.noun)
        .allow_negative_numbers(true)
        .hide_short_help(!FIRST.contains(&setting.name.as_str()))
        .help_heading(setting.heading.as_str())
        .help(StyledStr::from(format!("{first_sentence} {names}")))
        .long_help(StyledStr::from(format!("{}\n{names}", wrapped(setting.about))))
}

/// The words in lines that fit beside the help's margin.
fn wrapped(words: &str) -> String {
    const WIDTH: usize = 88;
    let mut text = String::new();
    let mut column = 0;
    for word in words.split(' ') {
        let width = word.chars().count();
        if column > 0 && column + 1 + width > WIDTH {
            text.push('\n');
            column = 0;
        } else if column > 0 {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += width;
    }
    text
}

/// What was said about settings.
pub(super) fn given(matches: &ArgMatches) -> Flags {
    let value = |setting: &'static Setting| {
        let text = matches.try_get_one::<String>(&setting.name).ok().flatten()?;
        Some((setting.name.as_str(), text.clone()))
    };
    Flags {
        file: matches.try_get_one::<std::path::PathBuf>(FILE).ok().flatten().cloned(),
        values: SETTINGS.iter().filter_map(value).collect(),
    }
}
