use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV6};

use proptest::prelude::*;

use super::*;

mod lists;
mod registries;

fn networks(list: &str) -> Networks {
    Networks::parse_list(list).unwrap()
}

fn policy(allow: &str, deny: &str) -> Policy {
    Policy::new(networks(allow), networks(deny), DEFAULT_PORTS.to_vec()).unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn judge(policy: &Policy, address: &str) -> Verdict {
    policy.judge(&Own::default(), SocketAddr::new(ip(address), 443))
}

#[test]
fn deny_beats_metadata_beats_allow_beats_own_beats_the_table() {
    let own = Own::of([ip("10.0.0.5"), ip("8.8.4.4")]);
    let verdict =
        |allow: &str, deny: &str, address: &str| policy(allow, deny).judge(&own, SocketAddr::new(ip(address), 443));

    assert_eq!(verdict("", "", "8.8.8.8"), Verdict::Public);
    assert_eq!(verdict("", "", "10.0.0.9"), Verdict::Refused, "the table");
    assert_eq!(verdict("", "", "8.8.4.4"), Verdict::Refused, "own beats the table");
    assert_eq!(verdict("10.0.0.0/8, 8.8.4.4", "", "10.0.0.5"), Verdict::Allowed, "allow beats own");
    assert_eq!(verdict("10.0.0.0/8, 8.8.4.4", "", "8.8.4.4"), Verdict::Allowed, "allow beats own");
    assert_eq!(verdict("169.254.0.0/16", "", "169.254.169.254"), Verdict::Refused, "metadata beats allow");
    assert_eq!(verdict("169.254.169.254", "", "169.254.169.254"), Verdict::Allowed, "named alone");
    assert_eq!(verdict("169.254.169.254", "169.254.169.254", "169.254.169.254"), Verdict::Refused, "deny beats all");
    assert_eq!(verdict("10.0.0.0/8", "10.0.0.0/24", "10.0.0.9"), Verdict::Refused, "deny beats allow");
    assert_eq!(verdict("", "8.8.8.0/24", "8.8.8.8"), Verdict::Refused, "deny beats the table");
}

#[test]
fn allowing_a_network_does_not_allow_the_metadata_service_in_it() {
    let wide = policy("169.254.0.0/16, 100.64.0.0/10, 192.0.0.0/16, 168.63.0.0/16, fd00::/8, 64:ff9b::/96", "");
    for address in [
        "169.254.169.254",
        "169.254.170.2",
        "169.254.170.23",
        "100.100.100.200",
        "192.0.0.192",
        "168.63.129.16",
        "fd00:ec2::254",
        "fd00:ec2::23",
        "fd20:ce::254",
        "::ffff:169.254.169.254",
        "64:ff9b::169.254.169.254",
    ] {
        assert_eq!(judge(&wide, address), Verdict::Refused, "{address}");
        assert_eq!(judge(&policy("", ""), address), Verdict::Refused, "{address}");
        assert_eq!(judge(&policy(address, ""), address), Verdict::Allowed, "{address} named alone");
    }
    assert_eq!(judge(&wide, "169.254.169.253"), Verdict::Allowed);
    assert_eq!(judge(&wide, "fd00:ec2::1"), Verdict::Allowed);
}

#[test]
fn the_servers_own_addresses_are_refused() {
    let own = Own::of([ip("93.184.215.14"), ip("2a00:1450:4001:82f::200e")]);
    let verdict = |address: &str| policy("", "").judge(&own, SocketAddr::new(ip(address), 443));

    assert_eq!(verdict("93.184.215.14"), Verdict::Refused);
    assert_eq!(verdict("::ffff:93.184.215.14"), Verdict::Refused);
    assert_eq!(verdict("64:ff9b::93.184.215.14"), Verdict::Refused);
    assert_eq!(verdict("93.184.215.15"), Verdict::Public);
    assert_eq!(verdict("2a00:1450:4001:82f::200e"), Verdict::Refused);
    assert_eq!(verdict("2a00:1450:4001:82f:ffff::1"), Verdict::Refused, "on the same link");
    assert_eq!(verdict("2a00:1450:4001:830::1"), Verdict::Public);
}

#[test]
fn an_address_with_a_zone_is_refused() {
    let zoned = |address: &str| SocketAddr::V6(SocketAddrV6::new(address.parse().unwrap(), 443, 0, 2));
    for address in ["fe80::1", "2606:4700::1111", "::1"] {
        for allow in ["", "fe80::/10, 2606:4700::/32, ::1"] {
            assert_eq!(policy(allow, "").judge(&Own::default(), zoned(address)), Verdict::Refused, "{address}");
        }
    }
}

#[test]
fn an_address_wrapped_in_ipv6_is_judged_by_what_it_wraps() {
    let none = policy("", "");
    for (address, verdict) in [
        ("::ffff:127.0.0.1", Verdict::Refused),
        ("::ffff:10.0.0.1", Verdict::Refused),
        ("::ffff:8.8.8.8", Verdict::Public),
        ("64:ff9b::10.0.0.1", Verdict::Refused),
        ("64:ff9b::127.0.0.1", Verdict::Refused),
        ("64:ff9b::8.8.8.8", Verdict::Public),
        // ISATAP: both ways.
        ("2606:4700::5efe:8.8.8.8", Verdict::Public),
        ("2606:4700::200:5efe:8.8.8.8", Verdict::Public),
        ("2606:4700::5efe:10.0.0.1", Verdict::Refused),
        ("2606:4700::200:5efe:169.254.169.254", Verdict::Refused),
        ("fe80::5efe:8.8.8.8", Verdict::Refused),
        // Every other embedding, whatever is inside.
        ("::8.8.8.8", Verdict::Refused),
        ("::ffff:0:8.8.8.8", Verdict::Refused),
        ("2002:808:808::1", Verdict::Refused),
        ("2001:0:808:808::f7f7:f7f7", Verdict::Refused),
        ("64:ff9b:1::8.8.8.8", Verdict::Refused),
    ] {
        assert_eq!(judge(&none, address), verdict, "{address}");
    }
}

#[test]
fn deny_and_metadata_look_into_every_wrapping_even_an_allowed_one() {
    let policy = policy("2002::/16, 64:ff9b:1::/48, 2001::/32", "10.0.0.0/8");
    for address in [
        "2002:a00:1::1",              // 10.0.0.1
        "2002:a9fe:a9fe::1",          // 169.254.169.254
        "2001::f5ff:fffe",            // 10.0.0.1, turned
        "64:ff9b:1::10.0.0.1",        // 96 bits
        "64:ff9b:1:a00:0:100::",      // 48 bits
        "64:ff9b:1:a:0:1::",          // 56 bits
        "64:ff9b:1:0:a:0:100:0",      // 64 bits
        "64:ff9b:1:0:a9:fea9:fe00:0", // 64 bits, metadata
    ] {
        assert_eq!(judge(&policy, address), Verdict::Refused, "{address}");
    }
    assert_eq!(judge(&policy, "2002:808:808::1"), Verdict::Allowed);
    assert_eq!(judge(&policy, "64:ff9b:1::8.8.8.8"), Verdict::Allowed);
}

#[test]
fn allow_entries_match_what_is_dialled_and_deny_entries_what_is_wrapped_too() {
    let allowing = policy("10.0.0.0/8", "");
    assert_eq!(judge(&allowing, "::ffff:10.0.0.1"), Verdict::Allowed);
    assert_eq!(judge(&allowing, "64:ff9b::10.0.0.1"), Verdict::Refused);

    let denying = policy("", "8.8.8.0/24");
    for address in ["8.8.8.8", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2606:4700::5efe:8.8.8.8"] {
        assert_eq!(judge(&denying, address), Verdict::Refused, "{address}");
    }
    assert_eq!(judge(&policy("", "64:ff9b::/96"), "64:ff9b::8.8.8.8"), Verdict::Refused);
}

#[test]
fn an_allowed_network_opens_every_port_there_and_none_elsewhere() {
    let policy = policy("10.0.0.0/8", "");
    let verdict = |address: &str, port| policy.judge_with_port(&Own::default(), SocketAddr::new(ip(address), port));

    for port in [1, 22, 80, 6379, 65_535] {
        assert_eq!(verdict("10.0.0.1", port), PortVerdict::Allowed, "{port}");
    }
    assert_eq!(verdict("10.0.0.1", 0), PortVerdict::PortBlocked);
    for port in [80, 443, 8080, 8443] {
        assert_eq!(verdict("8.8.8.8", port), PortVerdict::Public, "{port}");
    }
    for port in [0, 22, 81, 6379] {
        assert_eq!(verdict("8.8.8.8", port), PortVerdict::PortBlocked, "{port}");
        assert_eq!(verdict("192.168.0.1", port), PortVerdict::AddressNotPublic, "{port}");
    }
}

#[test]
fn the_test_policy_calls_one_loopback_address_public_and_the_others_not() {
    let policy = Policy::loopback();

    assert_eq!(judge(&policy, "127.0.0.1"), Verdict::Public);
    assert_eq!(judge(&policy, "::1"), Verdict::Public);
    for address in ["127.0.0.2", "0.0.0.0", "10.0.0.1", "169.254.169.254", "::"] {
        assert_eq!(judge(&policy, address), Verdict::Refused, "{address}");
    }
    assert!(policy.opens_port(1) && policy.opens_port(65_535) && !policy.opens_port(0));
}

/// Addresses of all kinds: half of them at random, half wrapped or near the edge of a reserved range.
fn any_address() -> impl Strategy<Value = IpAddr> {
    let v4 = any::<u32>().prop_map(Ipv4Addr::from_bits);
    let wrapped = (any::<u32>(), 0_usize..6).prop_map(|(bits, kind)| {
        let prefix: u128 = match kind {
            0 => 0xffff << 32,
            1 => 0x0064_ff9b << 96,
            2 => 0x2606_4700_0000_0000_0000_5efe << 32,
            3 => 0xffff << 48,
            4 => 0x0064_ff9b_0001 << 80,
            _ => 0,
        };
        Ipv6Addr::from_bits(prefix | u128::from(bits))
    });
    let edge = proptest::sample::select(registries::every_row()).prop_flat_map(|network| {
        let (first, last) = (network.network(), network.broadcast());
        proptest::sample::select(vec![first, last])
    });
    prop_oneof![
        v4.prop_map(IpAddr::V4),
        any::<u128>().prop_map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits))),
        wrapped.prop_map(IpAddr::V6),
        edge,
    ]
}

proptest! {
    #[test]
    fn what_the_judge_calls_public_no_std_predicate_calls_special(address in any_address()) {
        let verdict = policy("", "").judge(&Own::default(), SocketAddr::new(address, 80));
        if verdict == Verdict::Public {
            let special = match address.to_canonical() {
                IpAddr::V4(v4) => {
                    v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_broadcast()
                        || v4.is_documentation() || v4.is_multicast() || v4.is_unspecified()
                }
                IpAddr::V6(v6) => {
                    v6.is_loopback() || v6.is_multicast() || v6.is_unspecified() || v6.is_unique_local()
                        || v6.is_unicast_link_local()
                }
            };
            prop_assert!(!special, "{address}");
        }
    }

    #[test]
    fn mapped_and_plain_ipv4_are_judged_alike(bits in any::<u32>(), allow in any::<bool>()) {
        let policy = if allow { policy("10.0.0.0/8, 169.254.0.0/16", "10.1.0.0/16") } else { policy("", "") };
        let plain = Ipv4Addr::from_bits(bits);
        let judge = |ip| policy.judge(&Own::default(), SocketAddr::new(ip, 80));
        prop_assert_eq!(judge(IpAddr::V4(plain)), judge(IpAddr::V6(plain.to_ipv6_mapped())));
    }

    #[test]
    fn a_denied_address_is_refused_whatever_else_is_listed(address in any_address()) {
        let alone = address.to_canonical().to_string();
        prop_assert_eq!(judge(&policy(&alone, &alone), &address.to_string()), Verdict::Refused);
    }

    #[test]
    fn an_address_that_is_allowed_by_name_is_dialled(address in any_address()) {
        let alone = address.to_canonical().to_string();
        prop_assert_eq!(judge(&policy(&alone, ""), &address.to_string()), Verdict::Allowed);
    }
}

#[test]
fn what_a_connection_reaches_is_the_wrapped_address_behind_nat64_alone() {
    for (dialled, reaches) in [
        ("8.8.8.8", "8.8.8.8"),
        ("::ffff:8.8.8.8", "8.8.8.8"),
        ("64:ff9b::8.8.8.8", "8.8.8.8"),
        ("2606:4700::5efe:8.8.8.8", "2606:4700::5efe:808:808"),
        ("2606:4700::1111", "2606:4700::1111"),
    ] {
        assert_eq!(reached(ip(dialled)).to_string(), reaches, "{dialled}");
    }
}
