//! How many connections there may be, in all and from one client address: one that opens many must not keep the others out.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many connections are open at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connections {
    /// In all.
    pub total: usize,
    /// From one client address; 0: as many as in all.
    pub per_address: usize,
    /// Which addresses have a share of their own.
    pub shared_by: SharedBy,
}

impl Connections {
    /// As many as there are.
    pub const UNLIMITED: Self = Self { total: usize::MAX, per_address: 0, shared_by: SharedBy::PublicAddresses };
}

/// Which addresses have a share of the connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SharedBy {
    /// Public ones. A proxy in front brings everybody's calls from one address, mostly a private one or loopback.
    PublicAddresses,
    /// All of them.
    AllAddresses,
}

/// The places that connections take.
#[derive(Debug)]
pub struct Places {
    limit: Connections,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    total: usize,
    by_address: HashMap<IpAddr, Share>,
}

#[derive(Debug, Default)]
struct Share {
    taken: usize,
    /// Whether one was refused since the address last had a place to spare.
    was_refused: bool,
}

/// A connection's place, until it is dropped.
#[derive(Debug)]
pub struct Place {
    places: Arc<Places>,
    counted: Option<IpAddr>,
}

/// There is no place for a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoPlace {
    /// For anybody.
    Full,
    /// For this address, and that is news.
    ShareTaken,
    /// For this address, as before.
    ShareStillTaken,
}

impl Places {
    /// None of them taken.
    pub fn new(limit: Connections) -> Arc<Self> {
        Arc::new(Self { limit, taken: Mutex::default() })
    }

    /// Takes a place for a connection from an address.
    ///
    /// # Errors
    ///
    /// [`NoPlace`] if there is none.
    pub fn take(self: &Arc<Self>, from: IpAddr) -> Result<Place, NoPlace> {
        let counted = self.counted(from);
        let mut taken = self.lock();
        if taken.total >= self.limit.total {
            return Err(NoPlace::Full);
        }
        if let Some(address) = counted {
            let share = taken.by_address.entry(address).or_default();
            if share.taken >= self.limit.per_address {
                let was_refused = std::mem::replace(&mut share.was_refused, true);
                return Err(if was_refused { NoPlace::ShareStillTaken } else { NoPlace::ShareTaken });
            }
            share.taken += 1;
        }
        taken.total += 1;
        Ok(Place { places: Arc::clone(self), counted })
    }

    /// The address that a connection is counted for. A network of IPv6 has more addresses than anybody can count: it counts
    /// as one.
    fn counted(&self, from: IpAddr) -> Option<IpAddr> {
        let from = from.to_canonical();
        if self.limit.per_address == 0 || (self.limit.shared_by == SharedBy::PublicAddresses && !is_public(from)) {
            return None;
        }
        Some(match from {
            IpAddr::V4(_) => from,
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        taken.total = taken.total.saturating_sub(1);
        let Some(address) = self.counted else { return };
        if let Some(share) = taken.by_address.get_mut(&address) {
            share.taken = share.taken.saturating_sub(1);
            share.was_refused &= share.taken * 2 > self.places.limit.per_address;
            if share.taken == 0 {
                taken.by_address.remove(&address);
            }
        }
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            // 100.64.0.0/10 is shared behind a carrier, and by cloud providers' load balancers
            let is_shared = matches!(address.octets(), [100, 64..=127, _, _]);
            !(address.is_private() || address.is_loopback() || address.is_link_local() || is_shared)
        }
        IpAddr::V6(address) => !(address.is_unique_local() || address.is_loopback() || address.is_unicast_link_local()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(total: usize, per_address: usize, shared_by: SharedBy) -> Arc<Places> {
        Places::new(Connections { total, per_address, shared_by })
    }

    fn take(places: &Arc<Places>, from: &str) -> Result<Place, NoPlace> {
        places.take(from.parse().expect("an address"))
    }

    #[test]
    fn one_address_takes_its_share_and_no_more() {
        let places = places(10, 2, SharedBy::PublicAddresses);
        let held = [take(&places, "203.0.113.7"), take(&places, "203.0.113.7")];
        assert!(held.iter().all(Result::is_ok));
        // it is news once
        assert_eq!(take(&places, "203.0.113.7").err(), Some(NoPlace::ShareTaken));
        assert_eq!(take(&places, "::ffff:203.0.113.7").err(), Some(NoPlace::ShareStillTaken));
        assert!(take(&places, "203.0.113.8").is_ok());
        drop(held);
        assert!(take(&places, "203.0.113.7").is_ok());
        assert!(places.lock().by_address.is_empty(), "what is given back is not remembered");
        // a network of IPv6 is one
        let held = [take(&places, "2001:db8:0:1::1"), take(&places, "2001:db8:0:1:ffff::2")];
        assert!(held.iter().all(Result::is_ok));
        assert_eq!(take(&places, "2001:db8:0:1:2:3:4:5").err(), Some(NoPlace::ShareTaken));
        assert!(take(&places, "2001:db8:0:2::1").is_ok());
    }

    #[test]
    fn a_proxys_address_has_no_share_unless_that_is_asked_for() {
        for proxy in
            ["127.0.0.1", "10.0.0.1", "172.17.0.1", "192.168.1.1", "100.64.0.1", "169.254.1.1", "::1", "fd00::1"]
        {
            let shared = places(10, 1, SharedBy::AllAddresses);
            let first = take(&shared, proxy);
            assert!(first.is_ok() && take(&shared, proxy).is_err(), "{proxy}");
            let open = places(10, 1, SharedBy::PublicAddresses);
            let many: Vec<_> = std::iter::repeat_with(|| take(&open, proxy)).take(10).collect();
            assert!(many.iter().all(Result::is_ok), "{proxy}");
            assert_eq!(take(&open, proxy).err(), Some(NoPlace::Full));
        }
        let unlimited = places(10, 0, SharedBy::AllAddresses);
        let many: Vec<_> = std::iter::repeat_with(|| take(&unlimited, "203.0.113.7")).take(10).collect();
        assert!(many.iter().all(Result::is_ok));
    }
}
