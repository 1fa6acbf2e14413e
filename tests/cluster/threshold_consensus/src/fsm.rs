// SPDX-License-Identifier: BSD-2-Clause
use threshold_types::{Error, Result};

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum VoteState {
    Collecting,
    ThresholdReached,
    Submitted,
    Confirmed,
    AbortedByzantine,
}

/// The voting of one transaction. A step out of order is an error and changes nothing.
pub struct VoteFSM {
    state: VoteState,
}

impl Default for VoteFSM {
    fn default() -> Self {
        VoteFSM { state: VoteState::Collecting }
    }
}

impl VoteFSM {
    pub fn state(&self) -> VoteState {
        self.state
    }

    pub fn reach_threshold(&mut self) -> Result<()> {
        let call = books::begin("reach_threshold");
        call.close(self.step(VoteState::Collecting, VoteState::ThresholdReached))
    }

    pub fn submit(&mut self) -> Result<()> {
        let call = books::begin("submit");
        call.close(self.step(VoteState::ThresholdReached, VoteState::Submitted))
    }

    pub fn confirm(&mut self) -> Result<()> {
        let call = books::begin("confirm");
        call.close(self.step(VoteState::Submitted, VoteState::Confirmed))
    }

    /// Only an open vote can be aborted: what is decided stays decided.
    pub fn abort_byzantine(&mut self) -> Result<()> {
        let call = books::begin("abort_byzantine");
        call.close(self.step(VoteState::Collecting, VoteState::AbortedByzantine))
    }

    fn step(&mut self, from: VoteState, to: VoteState) -> Result<()> {
        if self.state != from {
            return Err(Error::InvalidState(format!("{:?} to {to:?}", self.state)));
        }
        self.state = to;
        Ok(())
    }
}
