//! The rows of the IANA special-purpose registries, written out a second time on purpose: they are the oracle.

use ipnet::IpNet;

use super::*;

const V4: &str = "0.0.0.0/8, 0.0.0.0/32, 10.0.0.0/8, 100.64.0.0/10, 127.0.0.0/8, 169.254.0.0/16, 172.16.0.0/12, \
    192.0.0.0/24, 192.0.0.0/29, 192.0.0.8/32, 192.0.0.9/32, 192.0.0.10/32, 192.0.0.170/32, 192.0.0.171/32, \
    192.0.2.0/24, 192.31.196.0/24, 192.52.193.0/24, 192.88.99.0/24, 192.88.99.2/32, 192.168.0.0/16, 192.175.48.0/24, \
    198.18.0.0/15, 198.51.100.0/24, 203.0.113.0/24, 224.0.0.0/4, 240.0.0.0/4, 255.255.255.255/32";

const V6: &str = "::1/128, ::/128, 64:ff9b:1::/48, 100::/64, 100:0:0:1::/64, 2001::/23, 2001::/32, \
    2001:1::1/128, 2001:1::2/128, 2001:1::3/128, 2001:2::/48, 2001:3::/32, 2001:4:112::/48, 2001:10::/28, \
    2001:20::/28, 2001:30::/28, 2001:db8::/32, 2002::/16, 2620:4f:8000::/48, 3fff::/20, 5f00::/16, fc00::/7, \
    fe80::/10, ff00::/8, fec0::/10";

pub(super) fn every_row() -> Vec<IpNet> {
    networks(V4).iter().chain(networks(V6).iter()).copied().collect()
}

#[test]
fn every_row_of_the_special_purpose_registries_is_refused_at_both_ends_of_its_range() {
    let policy = policy("", "");
    for row in every_row() {
        for address in [row.network(), row.broadcast()] {
            assert_eq!(judge(&policy, &address.to_string()), Verdict::Refused, "{address} of {row}");
        }
    }
}

#[test]
fn the_addresses_right_outside_a_row_are_judged_on_their_own() {
    let policy = policy("", "");
    for address in [
        "1.0.0.0",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "191.255.255.255",
        "192.0.1.0",
        "192.0.3.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "2001:200::",
        "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff",
        "2001:db9::",
        "2003::",
        "3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "3fff:1000::",
        "2000::",
    ] {
        assert_eq!(judge(&policy, address), Verdict::Public, "{address}");
    }
}

#[test]
fn nothing_outside_global_unicast_is_dialled() {
    let policy = policy("", "");
    for address in [
        "::",
        "::1",
        "::8.8.8.8",
        "::ffff:0:8.8.8.8",
        "64:ff9b:1::8.8.8.8",
        "64:ff9b:2::8.8.8.8",
        "100::1",
        "100:0:0:1::1",
        "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "4000::",
        "5f00::1",
        "fc00::1",
        "fd12:3456::1",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        "ff0e::1",
        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    ] {
        assert_eq!(judge(&policy, address), Verdict::Refused, "{address}");
    }
    assert_eq!(judge(&policy, "2606:4700::1111"), Verdict::Public);
}

proptest! {
    #[test]
    fn every_address_inside_a_row_is_refused(row in proptest::sample::select(every_row()), bits in any::<u128>()) {
        let address = match row {
            IpNet::V4(net) => {
                let host = u32::try_from(bits & 0xffff_ffff).unwrap() & u32::from(net.hostmask());
                IpAddr::V4(Ipv4Addr::from_bits(u32::from(net.network()) | host))
            }
            IpNet::V6(net) => {
                IpAddr::V6(Ipv6Addr::from_bits(u128::from(net.network()) | (bits & u128::from(net.hostmask()))))
            }
        };
        prop_assert_eq!(judge(&policy("", ""), &address.to_string()), Verdict::Refused);
    }

    #[test]
    fn an_ipv6_address_outside_2000_3_is_refused(bits in any::<u128>()) {
        let address = Ipv6Addr::from_bits(bits);
        let wraps = matches!(address.segments(), [0, 0, 0, 0, 0, 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..]);
        if bits >> 125 != 1 && !wraps {
            prop_assert_eq!(judge(&policy("", ""), &address.to_string()), Verdict::Refused);
        }
    }
}
