//! One TCP connection, with TLS where it is wanted.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How long one address may take to answer.
const CONNECT: Duration = Duration::from_secs(5);

/// When the next address is tried beside one that has not answered.
const STAGGER: Duration = Duration::from_millis(250);

/// Addresses tried for one connection.
const MAX_ADDRESSES: usize = 8;

/// The first of the addresses that answers. They are started one after the other, and those that are late are
/// given up.
pub(super) async fn tcp(addresses: Vec<SocketAddr>) -> Result<TcpStream, String> {
    let mut attempts = JoinSet::new();
    let mut addresses = addresses.into_iter().take(MAX_ADDRESSES);
    let mut failure = "the name has no address".to_owned();
    loop {
        let more = match addresses.next() {
            Some(address) => {
                attempts.spawn(dial(address));
                true
            }
            None => false,
        };
        let outcome = if more {
            match timeout(STAGGER, attempts.join_next()).await {
                Ok(outcome) => outcome,
                Err(_) => continue,
            }
        } else {
            attempts.join_next().await
        };
        match outcome {
            Some(Ok(Ok(stream))) => return Ok(stream),
            Some(Ok(Err(reason))) => failure = reason,
            Some(Err(panic)) => failure = panic.to_string(),
            None => return Err(failure),
        }
    }
}

async fn dial(address: SocketAddr) -> Result<TcpStream, String> {
    let stream = timeout(CONNECT, TcpStream::connect(address))
        .await
        .map_err(|_| format!("{address} does not answer"))?
        .map_err(|error| format!("{address}: {error}"))?;
    // Requests are written whole; waiting for more would only delay them.
    stream.set_nodelay(true).map_err(|error| format!("{address}: {error}"))?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn an_address_that_refuses_is_passed_over() {
        let closed = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let refused = closed.local_addr().expect("bound");
        drop(closed);
        let open = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let address = open.local_addr().expect("bound");
        let stream = tcp(vec![refused, address]).await.expect("the second is open");
        assert_eq!(stream.peer_addr().expect("connected"), address);
        let message = tcp(vec![refused]).await.expect_err("nobody listens");
        assert!(message.contains(&refused.to_string()), "{message}");
        assert!(tcp(Vec::new()).await.is_err());
    }
}
