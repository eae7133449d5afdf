//! Judges and makes what may be made in part: gangs, and claims of which some lines are had.

use std::collections::BTreeMap;

use provider_tree::{Error, Expect};
use uuid::Uuid;

use super::{Consumer, Faults, Model};
use crate::operation::{Answer, Handle, Line, Outcome, tag_of};

impl Model {
    /// What a claim of a new consumer is refused for, if it is.
    fn not_claimable(&self, consumer: Uuid, lines: &[Line<Handle>]) -> Faults {
        let mut faults = Faults::default();
        if let Some(&Consumer { generation, .. }) = self.consumers.get(&consumer) {
            faults.add_if(true, || Error::ConsumerExists { consumer, generation });
        }
        self.not_to_be_had(&BTreeMap::new(), lines, &mut faults);
        faults
    }

    pub(super) fn gang(
        &mut self,
        members: &[(Uuid, Vec<Line<Handle>>)],
        at_least: usize,
        outcome: &Outcome<Handle>,
    ) -> bool {
        let mut after = self.clone();
        let refusal = |position: usize| match outcome {
            Ok(Answer::Gang(made)) => made.get(position)?.as_ref().err(),
            Err(Error::TooFewFit { refused, .. }) => {
                refused.iter().find(|(at, _)| *at == position).map(|(_, error)| error)
            }
            _ => None,
        };
        let mut made = Vec::new();
        for (position, (consumer, lines)) in members.iter().enumerate() {
            let faults = after.not_claimable(*consumer, lines);
            match refusal(position) {
                Some(error) if faults.contains(error) => made.push(Err(error.clone())),
                None if faults.none() => made.push(Ok(after.put(*consumer, lines, Expect::Any))),
                _ => return false,
            }
        }
        let fit = made.iter().filter(|member| member.is_ok()).count();
        match outcome {
            Ok(Answer::Gang(observed)) if fit >= at_least && *observed == made => {
                *self = after;
                true
            }
            Err(Error::TooFewFit { fit: observed, at_least: least, refused }) => {
                fit < at_least
                    && (*observed, *least) == (fit, at_least)
                    && refused.len() == made.len() - fit
            }
            _ => false,
        }
    }

    pub(super) fn partly(
        &mut self,
        consumer: Uuid,
        lines: &[Line<Handle>],
        outcome: &Outcome<Handle>,
    ) -> bool {
        if let Some(&Consumer { generation, .. }) = self.consumers.get(&consumer) {
            return *outcome == Err(Error::ConsumerExists { consumer, generation });
        }
        let refused = match outcome {
            Ok(Answer::Partly(partial)) => &partial.refused,
            Err(Error::TooFewFit { refused, .. }) => refused,
            _ => return false,
        };
        let mut after = self.clone();
        let mut had = Vec::new();
        for (position, line) in lines.iter().enumerate() {
            let same = |other: &&Line<Handle>| (other.0, other.1) == (line.0, line.1);
            let before: u64 = had.iter().filter(same).map(|other: &Line<Handle>| other.2).sum();
            // What was had before counts with it.
            let held = BTreeMap::from([((line.0.uuid, line.1), before)]);
            let mut faults = Faults::default();
            after.not_to_be_had(&held, &[(line.0, line.1, before + line.2)], &mut faults);
            match refused.iter().find(|(at, _)| *at == position) {
                Some((_, error)) if faults.contains(error) => {}
                None if faults.none() => {
                    after.take(line.0, line.1, line.2);
                    had.push(*line);
                }
                _ => return false,
            }
        }
        match outcome {
            Ok(Answer::Partly(partial)) if !had.is_empty() => {
                let receipt = self.put_tagged(consumer, &had, tag_of(lines), Expect::Any);
                partial.receipt == receipt
            }
            Err(Error::TooFewFit { fit: 0, at_least: 1, .. }) => had.is_empty(),
            _ => false,
        }
    }
}
