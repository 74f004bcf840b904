//! What sources answer: heads, redirects, cookies, framings, codings, through the real fetch from a real socket.

use std::io::Read as _;
use std::sync::LazyLock;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use soku_fetch::{DialSettings, Dialer, FetchJob, Fetcher, Limits, Networks, Policy, SourceUrl, Tables};
use soku_testkit::{Answer, Origin};
use tempfile::TempDir;
use tokio::runtime::Runtime;

const MAX_BYTES: u64 = 256 * 1024;

struct Bed {
    runtime: Runtime,
    fetcher: Fetcher,
    spool: TempDir,
}

static BED: LazyLock<Bed> = LazyLock::new(|| {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let _ = rustls::crypto::ring::default_provider().install_default();
    let limits = Limits {
        max_bytes: MAX_BYTES,
        min_free_bytes: 0,
        max_header_bytes: 8 * 1024,
        max_redirects: 3,
        first_byte_timeout: Duration::from_millis(200),
        idle_timeout: Duration::from_millis(200),
        total_timeout: Duration::from_secs(2),
        tries: 2,
        backoff: Duration::from_millis(1),
        longest_retry_after: Duration::ZERO,
        ..Limits::default()
    };
    // Wherever an answer points, nothing but this machine's 127.0.0.1 is ever dialled or asked.
    let elsewhere = "0.0.0.0/2,64.0.0.0/3,96.0.0.0/4,112.0.0.0/5,120.0.0.0/6,124.0.0.0/7,126.0.0.0/8,127.0.0.2/31,\
                     127.0.0.4/30,127.0.0.8/29,127.0.0.16/28,127.0.0.32/27,127.0.0.64/26,127.0.0.128/25,127.0.1.0/24,\
                     127.0.2.0/23,127.0.4.0/22,127.0.8.0/21,127.0.16.0/20,127.0.32.0/19,127.0.64.0/18,127.0.128.0/17,\
                     127.1.0.0/16,127.2.0.0/15,127.4.0.0/14,127.8.0.0/13,127.16.0.0/12,127.32.0.0/11,127.64.0.0/10,\
                     127.128.0.0/9,128.0.0.0/1,2000::/3";
    let deny = Networks::parse_list(elsewhere).expect("networks");
    let policy = Policy::with_tables(Networks::default(), deny, (1..=u16::MAX).collect(), Tables::loopback());
    let dial = DialSettings {
        dns_servers: vec![([127, 0, 0, 1], 9).into()],
        dns_timeout: Duration::from_millis(20),
        connect_timeout: Duration::from_millis(200),
        tls_timeout: Duration::from_millis(200),
        ..DialSettings::default()
    };
    let dialer = Dialer::new(policy.expect("a policy"), dial).expect("a dialer");
    let fetcher = runtime.block_on(async { Fetcher::new(dialer, limits, "soku-fuzzing".to_owned()) });
    Bed { runtime, fetcher, spool: tempfile::tempdir().expect("a directory") }
});

/// Records that are the raw answers of a source, one a request, the last for all that follow.
pub(crate) fn answers(data: &[u8]) {
    let bed = &*BED;
    let answers: Vec<Vec<u8>> = super::records(data).map(<[u8]>::to_vec).collect();
    let expected = if answers.len() == 1 { obvious(&answers[0]) } else { Expected::Anything };
    bed.runtime.block_on(async {
        let origin = Origin::start().await;
        origin.answer_all_with(move |_, nth| Answer::raw(answers[nth.min(answers.len() - 1)].clone()));
        let url = SourceUrl::parse(&origin.url("/a/file")).expect("a URL");
        let spool = tempfile::Builder::new().tempdir_in(bed.spool.path()).expect("a directory");
        let job = FetchJob {
            url: &url,
            on_behalf_of: "test",
            spool: spool.path().join("spooled"),
            verdict: &|_| Ok(()),
            progress: None,
        };
        let outcome = tokio::time::timeout(Duration::from_secs(20), bed.fetcher.fetch(job)).await.expect("it ends");
        let left = || std::fs::read_dir(spool.path()).expect("a directory").count();
        match outcome {
            Err(_) => {
                assert_eq!(left(), 0, "a failure leaves nothing");
                assert!(!matches!(expected, Expected::Bytes(_)), "a plain answer was refused");
            }
            Ok(fetched) => {
                let mut bytes = Vec::new();
                std::fs::File::open(fetched.spooled.path()).expect("a file").read_to_end(&mut bytes).expect("read");
                assert_eq!(bytes.len() as u64, fetched.spooled.size_bytes());
                assert!(!bytes.is_empty() && bytes.len() as u64 <= MAX_BYTES);
                let digest: [u8; 32] = Sha256::digest(&bytes).into();
                assert_eq!(digest, *fetched.spooled.sha256());
                match expected {
                    Expected::Bytes(body) => assert_eq!(bytes, body),
                    Expected::Failure => panic!("{} bytes of a cut answer", bytes.len()),
                    Expected::Anything => {}
                }
                drop(fetched);
                assert_eq!(left(), 0, "what is not kept is removed");
            }
        }
    });
}

/// What a reader with a ruler would say of an answer, where that is beyond doubt.
enum Expected {
    Bytes(Vec<u8>),
    Failure,
    Anything,
}

fn obvious(answer: &[u8]) -> Expected {
    const PLAIN: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: ";
    let Some(rest) = answer.strip_prefix(PLAIN) else { return Expected::Anything };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let Some(body) = rest[digits..].strip_prefix(b"\r\n\r\n") else { return Expected::Anything };
    let length = std::str::from_utf8(&rest[..digits]).ok().and_then(|digits| digits.parse::<u64>().ok());
    match length {
        Some(length @ 1..=MAX_BYTES) => match body.get(..usize::try_from(length).expect("small")) {
            Some(body) => Expected::Bytes(body.to_vec()),
            None => Expected::Failure,
        },
        _ => Expected::Failure,
    }
}
