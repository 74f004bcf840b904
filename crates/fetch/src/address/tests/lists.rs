//! The operator's lists: what can be written, and what stops the start.

use super::*;

#[test]
fn a_list_holds_networks_and_addresses_of_both_families() {
    let list = networks(" 10.0.0.0/8,192.0.2.7 , fd00::/8,2001:db8::1");

    assert_eq!(list.to_string(), "10.0.0.0/8, 192.0.2.7, fd00::/8, 2001:db8::1");
    assert!(list.contains(ip("10.255.255.255")) && list.contains(ip("192.0.2.7")) && list.contains(ip("fdff::1")));
    assert!(!list.contains(ip("192.0.2.8")));
    assert!(networks("").is_empty() && networks("  ").is_empty());
}

#[test]
fn a_misspelt_network_stops_the_start() {
    for entry in [
        "10.0.0.0/33",
        "10.0.0.0/-1",
        "10.0.0.0/+8",
        "10.0.0.0/",
        "10.0.0.0/8/8",
        "10.0.0/8",
        "010.0.0.0/8",
        "fd00::/129",
        "fe80::1%eth0",
        "intranet.example.com",
        "localhost",
        "10.0.0.1-10.0.0.9",
        "",
    ] {
        let list = format!("192.168.0.0/16,{entry},8.8.8.8");

        let error = Networks::parse_list(&list).unwrap_err();

        assert_eq!(error, NetworksError::Unreadable { entry: entry.to_owned() });
        assert!(error.to_string().contains(&format!("`{entry}`")), "{error}");
    }
}

#[test]
fn host_bits_stop_the_start_and_the_network_that_may_be_meant_is_named() {
    for (entry, network) in [("10.1.2.3/8", "10.0.0.0/8"), ("fd00::1/64", "fd00::/64")] {
        let error = Networks::parse_list(entry).unwrap_err();

        assert!(matches!(error, NetworksError::HostBits { .. }), "{error}");
        assert!(error.to_string().contains(&format!("`{entry}`")), "{error}");
        assert!(error.to_string().contains(network), "{error}");
    }
}

#[test]
fn allowing_everything_is_refused() {
    for everything in ["0.0.0.0/0", "::/0", "10.0.0.0/8, ::/0", "::ffff:0:0/96", "0.0.0.0/1, 128.0.0.0/1"] {
        let error = Policy::new(networks(everything), Networks::default(), vec![80]).unwrap_err();

        assert!(matches!(error, PolicyError::AllowsEverything { .. }), "{everything}: {error}");
    }
    assert!(
        Policy::new(Networks::default(), networks("0.0.0.0/0, ::/0"), vec![80]).is_ok(),
        "denying all is odd, not unsafe"
    );
}

#[test]
fn port_zero_is_no_port_to_allow() {
    let error = Policy::new(Networks::default(), Networks::default(), vec![80, 0]).unwrap_err();

    assert_eq!(error, PolicyError::PortZero);
}

#[test]
fn a_mapped_network_means_the_ipv4_network() {
    let policy = policy("::ffff:10.0.0.0/104", "");

    assert_eq!(judge(&policy, "10.1.2.3"), Verdict::Allowed);
    assert_eq!(judge(&policy, "::ffff:10.1.2.3"), Verdict::Allowed);
    assert_eq!(judge(&policy, "11.0.0.1"), Verdict::Public, "outside, and public anyway");
}
