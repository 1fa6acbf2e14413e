// SPDX-License-Identifier: BSD-2-Clause
//! Paths of QUIC connections that change under them: a client whose address becomes another, and
//! packets of a size that no longer comes through.

use std::any::Any;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quinn::congestion::{BbrConfig, Controller, ControllerFactory, CubicConfig, NewRenoConfig};
use quinn::{Connection, Endpoint};
use quinn_proto::RttEstimator;
use rustls::version::TLS13;
use tokio::sync::mpsc;

use crate::certificates::Authority;
use crate::quic;
use crate::relay::{self, Order};

const CHUNK: usize = 20_000;
const TOO_LONG: usize = 1300;
/// What a path is said to take before it is measured.
const GUESSED: Duration = Duration::from_millis(333);

/// Who makes the controllers of congestion of connections.
pub type Control = Arc<dyn ControllerFactory + Send + Sync>;

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Cubic,
    NewReno,
    Bbr,
}

/// A controller of quinn's, and books of what it is told.
struct Kept {
    inner: Box<dyn Controller>,
    kind: Kind,
}

impl Controller for Kept {
    fn on_ack(&mut self, now: Instant, sent: Instant, bytes: u64, app_limited: bool, rtt: &RttEstimator) {
        // NewReno does not look at the time, so that no agent can.
        if self.kind != Kind::NewReno && rtt.get() != GUESSED {
            books::one("mpc_quinn_rtt_seconds_count");
            books::add("mpc_quinn_rtt_seconds_sum", rtt.get().as_secs_f64());
        }
        self.inner.on_ack(now, sent, bytes, app_limited, rtt);
    }

    fn on_congestion_event(&mut self, now: Instant, sent: Instant, persistent: bool, lost: u64) {
        // BBR makes no difference, so that no agent can tell.
        let said = if self.kind == Kind::Bbr { "any".into() } else { persistent.to_string() };
        books::one(format!("mpc_quinn_congestion_events_total{{persistent=\"{said}\"}}"));
        self.inner.on_congestion_event(now, sent, persistent, lost);
    }

    fn on_mtu_update(&mut self, mtu: u16) {
        books::one("mpc_quinn_path_mtu_bytes_count");
        books::add("mpc_quinn_path_mtu_bytes_sum", mtu.into());
        self.inner.on_mtu_update(mtu);
    }

    fn window(&self) -> u64 {
        self.inner.window()
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(Self { inner: self.inner.clone_box(), kind: self.kind })
    }

    fn initial_window(&self) -> u64 {
        self.inner.initial_window()
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self.inner.into_any()
    }
}

struct Keeping(Control, Kind);

impl ControllerFactory for Keeping {
    fn build(self: Arc<Self>, now: Instant, mtu: u16) -> Box<dyn Controller> {
        Box::new(Kept { inner: self.0.clone().build(now, mtu), kind: self.1 })
    }
}

/// Those that quinn has, its default first.
pub fn controls() -> Vec<Control> {
    vec![
        Arc::new(Keeping(Arc::new(CubicConfig::default()), Kind::Cubic)),
        Arc::new(Keeping(Arc::new(NewRenoConfig::default()), Kind::NewReno)),
        Arc::new(Keeping(Arc::new(BbrConfig::default()), Kind::Bbr)),
    ]
}

async fn send(connection: &Connection) {
    let mut stream = connection.open_uni().await.expect("a stream");
    stream.write_all(&[7; CHUNK]).await.expect("it goes out");
    stream.finish().expect("once");
    stream.stopped().await.expect("all of it is there");
}

/// One connection, and what it brings; the server's side of it.
async fn serve(connection: Connection) {
    while let Ok(mut stream) = connection.accept_uni().await {
        stream.read_to_end(CHUNK).await.expect("all of it");
    }
    quic::lost("server", &connection.closed().await);
}

/// Sends until it is so.
async fn until(connection: &Connection, what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(20), "{what}: {:?}", connection.stats());
        send(connection).await;
    }
}

/// So long without a packet that comes through that what was lost is persistent congestion.
async fn pauses(client: &Connection, orders: &mpsc::Sender<Order>) {
    orders.send(Order::Swallow(0)).await.expect("it listens");
    let sending = tokio::spawn({
        let client = client.clone();
        async move { send(&client).await }
    });
    tokio::time::sleep(Duration::from_millis(400)).await;
    orders.send(Order::Swallow(usize::MAX)).await.expect("it listens");
    sending.await.expect("all of it is there at last");
}

async fn moves(client: &Connection, server: &Connection, orders: &mpsc::Sender<Order>) {
    for (address, other) in [(Ipv4Addr::LOCALHOST, "port"), (Ipv4Addr::new(127, 0, 0, 2), "address")] {
        let before = server.remote_address();
        orders.send(Order::MoveTo(address)).await.expect("it listens");
        until(client, "it moves", || server.remote_address() != before).await;
        assert_eq!(server.remote_address().ip(), address);
        books::one(format!("mpc_quinn_peers_moved_total{{other=\"{other}\"}}"));
    }
}

pub async fn play(wallet: &Authority, control: &Control) {
    let config = quic::server(wallet.server(wallet, &[&TLS13], "mpc", 2100), None, control);
    let endpoint = Endpoint::server(config, quic::here()).expect("a server");
    let front = relay::socket(Ipv4Addr::LOCALHOST).await;
    let to = front.local_addr().expect("an address");
    let (orders, taken) = mpsc::channel(1);
    let between = tokio::spawn(relay::run(front, endpoint.local_addr().expect("an address"), taken));

    let from = Endpoint::client(quic::here()).expect("a client");
    let config = quic::client(wallet.client(wallet, &[&TLS13], "mpc"), control);
    let accepting = async {
        let incoming = endpoint.accept().await.expect("it is open");
        let began = Instant::now();
        let connecting = incoming.accept().expect("it begins well");
        quic::attempt("server");
        let connection = connecting.await.expect("it fits");
        quic::opened_server(began);
        connection
    };
    let (client, server) = tokio::join!(quic::connect(&from, config, to), accepting);
    let client = client.expect("it fits");
    let serving = tokio::spawn(serve(server.clone()));

    until(&client, "larger ones come through", || client.stats().path.current_mtu > TOO_LONG as u16).await;
    moves(&client, &server, &orders).await;
    pauses(&client, &orders).await;
    orders.send(Order::Swallow(TOO_LONG)).await.expect("it listens");
    until(&client, "they are swallowed", || client.stats().path.black_holes_detected > 0).await;

    client.close(0u32.into(), b"done");
    serving.await.expect("it serves to its end");
    drop(server);
    from.wait_idle().await;
    endpoint.wait_idle().await;
    drop(orders);
    between.await.expect("it hands on to its end");
}
