//! The hosts file: what an operator wrote there comes before any name server.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::names::without_root;

/// Names and their addresses, in the order of the file.
#[derive(Debug, Default)]
pub(super) struct Hosts(HashMap<String, Vec<IpAddr>>);

impl Hosts {
    /// Reads the text of a hosts file; what cannot be read in it is passed over, as everywhere.
    pub(super) fn parse(text: &str) -> Hosts {
        let mut hosts = Hosts::default();
        for line in text.lines() {
            let line = line.split_once('#').map_or(line, |(before, _)| before);
            let mut words = line.split_whitespace();
            let Some(Ok(address)) = words.next().map(str::parse::<IpAddr>) else { continue };
            for name in words {
                let name = without_root(name).to_ascii_lowercase();
                hosts.0.entry(name).or_default().push(address);
            }
        }
        hosts
    }

    /// The addresses of a lower-case name without its final dot.
    pub(super) fn addresses_of(&self, name: &str) -> Option<&[IpAddr]> {
        self.0.get(name).map(Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_all_the_addresses_of_its_lines() {
        let hosts = Hosts::parse(
            "# comment\n127.0.0.1 localhost\n\n  10.0.0.7\tFiles.Example.com  nas # the box\n::1 files.example.com.\n\
             fe80::1%lo0 zoned.example.com\nnonsense\n10.0.0.8\n",
        );

        let addresses = |name| hosts.addresses_of(name).map(|found| found.iter().map(IpAddr::to_string).collect());
        assert_eq!(addresses("files.example.com"), Some(vec!["10.0.0.7".to_owned(), "::1".to_owned()]));
        assert_eq!(addresses("nas"), Some(vec!["10.0.0.7".to_owned()]));
        assert_eq!(addresses("zoned.example.com"), None);
        assert_eq!(addresses("the"), None);
    }
}
