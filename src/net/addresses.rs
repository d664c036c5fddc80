//! How many connections each client address has.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex};

/// The connections of each address, and how many there may be.
#[derive(Debug)]
pub struct Addresses {
    limit: usize,
    open: Mutex<HashMap<IpAddr, usize>>,
}

/// One connection of an address; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Held {
    addresses: Arc<Addresses>,
    network: IpAddr,
}

/// An IPv4 address, or the first 64 bits of an IPv6 address: one subscriber has all the others.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from(u128::from(address) & !u128::from(u64::MAX)).into(),
    }
}

impl Addresses {
    /// At most `limit` connections for each.
    pub fn new(limit: usize) -> Arc<Addresses> {
        Arc::new(Addresses { limit, open: Mutex::new(HashMap::new()) })
    }

    /// One more connection of `address`, unless it has all it may have.
    pub(super) fn admit(self: &Arc<Addresses>, address: IpAddr) -> Option<Held> {
        let network = network(address);
        let mut open = self.open.lock().expect("no panic while locked");
        let count = open.entry(network).or_default();
        if *count >= self.limit {
            return None;
        }
        *count += 1;
        Some(Held { addresses: self.clone(), network })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut open = self.addresses.open.lock().expect("no panic while locked");
        if let Some(count) = open.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_network_has_its_own() {
        let addresses = Addresses::new(2);
        let admit = |text: &str| addresses.admit(text.parse().unwrap());
        let held = [admit("192.0.2.1").unwrap(), admit("::ffff:192.0.2.1").unwrap()];
        assert!(admit("192.0.2.1").is_none());
        let others = [admit("192.0.2.2"), admit("2001:db8::1"), admit("2001:db8::ffff:2")];
        assert!(others.iter().all(Option::is_some));
        assert!(admit("2001:db8::3").is_none(), "the same /64");
        drop(held);
        assert!(admit("192.0.2.1").is_some());
        drop(others);
        assert!(addresses.open.lock().unwrap().is_empty());
    }
}
