// SPDX-License-Identifier: BSD-2-Clause
//! Async functions and a plain one without crates, built with split debug information
//! by 28-sources.py.
use std::future::Future;
use std::hint::black_box;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

pub struct Vote {
    pub approve: bool,
    pub round: u32,
}

struct Once(bool);

impl Future for Once {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) { Poll::Ready(()) } else { Poll::Pending }
    }
}

pub async fn process_vote(vote: Vote) -> Result<u32, String> {
    Once(false).await;
    if vote.approve { Ok(vote.round) } else { Err(format!("round {}", vote.round)) }
}

pub async fn store(kind: u32) -> u32 {
    Once(false).await;
    black_box(kind) + 1
}

#[inline(never)]
pub fn plain(approve: bool) -> bool {
    if black_box(approve) {
        println!("approved");
    }
    approve
}

pub async fn all(n: u32) -> u32 {
    let mut sum = 0;
    for round in 0..n {
        sum += process_vote(Vote { approve: round % 3 != 0, round }).await.unwrap_or(0);
        sum += store(round).await;
        plain(round % 7 == 0);
    }
    sum
}

struct Nothing;

impl Wake for Nothing {
    fn wake(self: Arc<Self>) {}
}

fn main() {
    let waker = Waker::from(Arc::new(Nothing));
    let mut future = Box::pin(all(10));
    while future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {}
}
