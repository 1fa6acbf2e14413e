// SPDX-License-Identifier: BSD-2-Clause
use std::fmt::Debug;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};

/// A socket whose cable can be cut, for tests: then what is sent is lost, and what arrives too.
#[derive(Debug)]
pub struct Severable {
    socket: Arc<dyn AsyncUdpSocket>,
    severed: AtomicBool,
}

impl Severable {
    pub fn new(socket: Arc<dyn AsyncUdpSocket>) -> Arc<Self> {
        Arc::new(Severable { socket, severed: AtomicBool::new(false) })
    }

    pub fn sever(&self, severed: bool) {
        self.severed.store(severed, Ordering::Relaxed);
    }

    fn is_severed(&self) -> bool {
        self.severed.load(Ordering::Relaxed)
    }
}

impl AsyncUdpSocket for Severable {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        self.socket.clone().create_io_poller()
    }

    fn try_send(&self, transmit: &Transmit) -> io::Result<()> {
        if self.is_severed() { Ok(()) } else { self.socket.try_send(transmit) }
    }

    fn poll_recv(
        &self,
        cx: &mut Context,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        loop {
            let received = ready!(self.socket.poll_recv(cx, bufs, meta));
            if received.is_err() || !self.is_severed() {
                return Poll::Ready(received);
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.socket.max_transmit_segments()
    }

    fn max_receive_segments(&self) -> usize {
        self.socket.max_receive_segments()
    }

    fn may_fragment(&self) -> bool {
        self.socket.may_fragment()
    }
}
