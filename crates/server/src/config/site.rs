//! What a browser calls a site: it sends the cookies of one host to all of its site that ask for them, and a page may set
//! cookies for all of its site (rule V4).

use url::{Host, Url};

use super::Config;

impl Config {
    /// One sentence where the hosted URLs, which begin with `base`, share the site of the operator's own page.
    pub(super) fn site_warning(&self, base: &str) -> Option<String> {
        let page = self.page_url.as_ref()?;
        let site = site_of(base)?;
        (site_of(page.as_str())? == site).then(|| {
            format!(
                "SOKU_PUBLIC_URL ({base}) and SOKU_PAGE_URL ({page}) share the site {site}, so the files of strangers \
                 are served among the cookies of your page: serve media from a domain of their own that sets none"
            )
        })
    }
}

/// The site that a URL belongs to: the registrable domain, or the host where there is none, as of an address, of
/// `localhost`, and of what is itself a public suffix. Neither scheme nor port tells cookies apart.
fn site_of(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    match url.host()? {
        Host::Domain(name) => {
            let name = name.trim_end_matches('.');
            Some(psl::domain_str(name).unwrap_or(name).to_owned())
        }
        host @ (Host::Ipv4(_) | Host::Ipv6(_)) => Some(host.to_string()),
    }
}
