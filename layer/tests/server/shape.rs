//! The pace of the network.

use std::time::{Duration, Instant};

use crate::client::{Client, ask, open_server};
use crate::support::s3::{Object, Server, Shape};

fn read(server: &Server) -> Duration {
    let begun = Instant::now();
    let mut client = Client::to(server.addr());
    client.send("GET", "/b/k", &[], b"").expect("sent");
    let mut length = 0;
    client.receive(false, |part| length += part.len()).expect("an answer");
    assert_eq!(length as u64, server.store().get("b", "k").expect("it was put").len());
    begun.elapsed()
}

#[test]
fn each_connection_has_the_rate_both_ways() {
    let server = open_server();
    server.store().put("b", "k", Object::generated(1, 4 << 20));
    server.shape(Shape { rate: Some(16 << 20), ..Shape::none() });
    // Buffers of the kernel take the first bytes of an upload at once, and timers are late on a busy machine.
    let (least, most) = (Duration::from_millis(235), Duration::from_millis(900));
    let (first, second) = std::thread::scope(|scope| {
        let other = scope.spawn(|| read(&server));
        (read(&server), other.join().expect("the other reads too"))
    });
    assert!((least..most).contains(&first) && (least..most).contains(&second), "{first:?} {second:?}");
    let begun = Instant::now();
    assert_eq!(ask(&server, "PUT", "/b/up", &[], &vec![0; 4 << 20]).status, 200);
    assert!((least..most).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    server.shape(Shape::none());
    assert!(read(&server) < least);
}

#[test]
fn the_first_byte_is_late() {
    let server = open_server();
    server.shape(Shape { first_byte: Duration::from_millis(100), rate: None });
    let begun = Instant::now();
    assert_eq!(ask(&server, "HEAD", "/b", &[], b"").status, 200);
    assert!(begun.elapsed() >= Duration::from_millis(100));
    assert_eq!(Shape::s3_like().rate, Some(90_000_000));
}

/// Peak and present resident bytes of this process.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/statm").expect("the kernel tells");
    status.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).expect("a number of pages") * 4096
}

#[test]
fn a_gibibyte_costs_no_memory() {
    let server = open_server();
    server.store().put("b", "k", Object::generated(1, 1 << 10));
    read(&server);
    let before = resident();
    server.store().put("b", "k", Object::generated(1, 1 << 30));
    read(&server);
    // Other tests of this process run beside it.
    assert!(resident().saturating_sub(before) < 700 << 20, "{before} before, {} after", resident());
}
