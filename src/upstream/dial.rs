//! Dialling several addresses of one host (RFC 8305, "Happy Eyeballs").

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;

/// How long one attempt runs alone (RFC 8305, 5).
const STAGGER: Duration = Duration::from_millis(250);

/// The first connection that comes about: attempts start one after the other, the next when the last one has failed
/// or has run alone for 250 ms. The error is that of the first attempt that failed.
pub(crate) async fn dial(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    race(interleave(addresses), TcpStream::connect).await
}

async fn race<T, F>(addresses: Vec<SocketAddr>, connect: impl Fn(SocketAddr) -> F) -> io::Result<T>
where
    F: Future<Output = io::Result<T>>,
{
    let mut waiting = VecDeque::from(addresses);
    let mut running = FuturesUnordered::new();
    let mut failure = None;
    loop {
        if let Some(address) = waiting.pop_front() {
            running.push(connect(address));
        }
        let outcome = match waiting.is_empty() {
            true => running.next().await,
            false => match tokio::time::timeout(STAGGER, running.next()).await {
                Ok(outcome) => outcome,
                Err(_slow) => continue,
            },
        };
        match outcome {
            Some(Ok(connection)) => return Ok(connection),
            Some(Err(error)) => _ = failure.get_or_insert(error),
            None if waiting.is_empty() => {
                return Err(failure.unwrap_or_else(|| io::Error::other("the host has no address")));
            }
            None => {}
        }
    }
}

/// Families take turns, beginning with the one that the resolver put first (RFC 8305, 4).
fn interleave(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let Some(first) = addresses.first().map(SocketAddr::is_ipv6) else { return addresses };
    let (mut preferred, mut other): (VecDeque<_>, VecDeque<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == first);
    let mut order = Vec::with_capacity(preferred.len() + other.len());
    while !(preferred.is_empty() && other.is_empty()) {
        order.extend(preferred.pop_front());
        order.extend(other.pop_front());
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn families_take_turns() {
        let given = addresses(&["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1"]);
        assert_eq!(interleave(given), addresses(&["[::1]:1", "1.1.1.1:1", "[::2]:1", "[::3]:1"]));
        assert_eq!(interleave(Vec::new()), []);
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_address_costs_a_quarter_second() {
        let begun = Instant::now();
        let reached = race(addresses(&["[::1]:1", "1.1.1.1:1"]), async |address| match address.is_ipv6() {
            true => std::future::pending().await,
            false => Ok(address),
        });
        assert_eq!(reached.await.unwrap(), "1.1.1.1:1".parse().unwrap());
        assert_eq!(begun.elapsed(), STAGGER);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_costs_nothing_and_the_first_error_is_told() {
        let begun = Instant::now();
        let refused = race(addresses(&["1.1.1.1:1", "1.1.1.1:2"]), async |address| {
            io::Result::<()>::Err(io::Error::other(address.to_string()))
        });
        assert_eq!(refused.await.unwrap_err().to_string(), "1.1.1.1:1");
        assert_eq!(begun.elapsed(), Duration::ZERO);
        assert!(race(Vec::new(), async |_| Ok(())).await.is_err());
    }
}
