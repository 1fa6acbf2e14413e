// SPDX-License-Identifier: BSD-2-Clause
//! What stands between a client and a server: it hands datagrams on, swallows those that are too
//! long, and changes the address that the server sees, as a NAT does.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::UdpSocket;
use tokio::sync::mpsc;

pub enum Order {
    /// Datagrams longer than that go nowhere.
    Swallow(usize),
    /// To another port of this address.
    MoveTo(Ipv4Addr),
}

pub async fn socket(address: Ipv4Addr) -> UdpSocket {
    UdpSocket::bind((address, 0)).await.expect("a socket")
}

/// Of one client, until nobody has orders any more.
pub async fn run(front: UdpSocket, server: SocketAddr, mut orders: mpsc::Receiver<Order>) {
    let (mut up, mut down) = ([0; 2048], [0; 2048]);
    let (mut longest, mut client) = (usize::MAX, None);
    let mut back = socket(Ipv4Addr::LOCALHOST).await;
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                Some(Order::Swallow(longer)) => longest = longer,
                Some(Order::MoveTo(address)) => back = socket(address).await,
                None => return,
            },
            Ok((n, from)) = front.recv_from(&mut up) => {
                client = Some(from);
                if n <= longest {
                    let _ = back.send_to(&up[..n], server).await;
                }
            }
            Ok((n, _)) = back.recv_from(&mut down) => {
                if let Some(client) = client && n <= longest {
                    let _ = front.send_to(&down[..n], client).await;
                }
            }
        }
    }
}
