//! Rule O2: the program under the restrictions of its container (`deploy/Containerfile` names them).

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use soku_testkit::{Answer, Origin, samples};

use crate::program::Place;

/// What the container engine does: a root that cannot be written, one volume, another user, no capability, no way to more.
const CONTAINER: &str = r#"
set -eu
mount -o remount,bind,ro /
mount -t tmpfs -o mode=0700,uid="$USER_ID",gid="$USER_ID" tmpfs "$DATA"
user=
[ "$USER_ID" = 0 ] || user="--reuid=$USER_ID --regid=$USER_ID --clear-groups"
exec setpriv $user --no-new-privs --bounding-set=-all --inh-caps=-all --ambient-caps=-all "$@"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn the_program_needs_no_more_than_its_container_gives() {
    let (place, origin) = (Place::new(), Origin::start().await);
    origin.serve("/film.mp4", Answer::ok("video/mp4", samples::MP4.bytes));
    let program = place.folder().join("soku");
    fs::copy(env!("CARGO_BIN_EXE_soku"), &program).expect("copied");
    fs::create_dir(place.data()).expect("made");
    // The other user passes through, and sees nothing else.
    fs::set_permissions(place.folder(), Permissions::from_mode(0o711)).expect("set");
    let is_root = rustix::process::geteuid().is_root();
    let mut command = Command::new("unshare");
    if !is_root {
        command.args(["--user", "--map-root-user"]);
    }
    let user = if is_root { "10001" } else { "0" };
    command.args(["--mount", "--propagation", "private", "--", "env"]);
    command.arg(format!("USER_ID={user}")).arg(format!("DATA={}", place.data().display()));
    command.args(["sh", "-c", CONTAINER, "sh"]).arg(&program);

    let running = place.start_as(command);

    let (status, body) = running.import(&origin.url("/film.mp4")).await;
    assert_eq!(status, 201, "{body}");
    let url = body["url"].as_str().expect("a url");
    assert_eq!(running.get(url).await, (200, samples::MP4.bytes.to_vec()));
    let status = fs::read_to_string(format!("/proc/{}/status", running.id())).expect("it runs");
    for line in ["NoNewPrivs:\t1", "CapEff:\t0000000000000000", "CapBnd:\t0000000000000000"] {
        assert!(status.contains(line), "no `{line}` in\n{status}");
    }
    assert!(status.contains(&format!("Uid:\t{user}\t")) || !is_root, "{status}");
    assert_eq!(running.terminate(), Some(0));
}
