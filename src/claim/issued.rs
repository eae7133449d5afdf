//! [`Issued`]: a uuid that waits for the consumer that is to have it.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use uuid::Uuid;

use crate::claim::batch::Batch;
use crate::claim::core::Core;
use crate::claim::request::{Before, Claim};
use crate::error::{Error, Result};
use crate::forest::KeyCell;
use crate::ledger::Writer;

/// Represents a uuid that the forest has issued for a consumer to come; see
/// [`ProviderTree::issue`](crate::ProviderTree::issue).
///
/// Until it is claimed, the uuid is good as long as this value lives, and [`replace`
/// ](crate::Worker::replace) serves as well as [`claim`](crate::Worker::claim). Once it is claimed, this
/// value no longer matters: the consumer holds what it holds until it is released. So keep the value
/// until the claim has succeeded, or nobody will ask again.
///
/// The value gives back what it stands for when it is dropped unclaimed, also by a thread that
/// panics. Of a thread that stops for ever, or a value that is forgotten, the forest loses a cell,
/// as it does of any consumer that nobody releases.
#[must_use = "the uuid is good as long as this value lives"]
pub struct Issued {
    core: Arc<Core>,
    consumer: Uuid,
    key: KeyCell,
}

impl Issued {
    /// Issues a uuid of the forest.
    pub(crate) fn new(core: &Arc<Core>, writer: &mut Writer) -> Result<Self> {
        let (consumer, key) = core.claims.consumers.issue(writer)?;
        Ok(Issued { core: Arc::clone(core), consumer, key })
    }

    /// Returns the uuid, which no other consumer has ever had or will have.
    pub fn consumer(&self) -> Uuid {
        self.consumer
    }
}

impl Drop for Issued {
    fn drop(&mut self) {
        let Core { forest, claims } = &*self.core;
        if claims.consumers.waits(&forest.ledger, self.key) {
            // Refused: there are as many workers as there can be. The cell is lost.
            let _ = forest.with_writer(|writer| {
                claims.consumers.take_back(writer, &self.consumer, self.key);
                Ok(())
            });
        }
    }
}

impl fmt::Debug for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Issued").field(&self.consumer).finish()
    }
}

/// Names the consumers of the unnamed claims among `claims`. The uuids are good as long as what is
/// returned beside the claims lives.
pub(super) fn name_all<'a>(
    core: &Arc<Core>,
    writer: &mut Writer,
    claims: &'a [Claim],
) -> Result<(Cow<'a, [Claim]>, Vec<Issued>)> {
    let mut issued = Vec::new();
    if claims.iter().all(|claim| claim.consumer().is_some()) {
        return Ok((Cow::Borrowed(claims), issued));
    }
    let mut named = claims.to_vec();
    for claim in &mut named {
        name(core, writer, claim, &mut issued)?;
    }
    Ok((Cow::Owned(named), issued))
}

/// Names the consumers of the unnamed claims of a batch, as [`name_all`] does. Refuses an unnamed
/// replacement.
pub(super) fn name_batch<'a>(
    core: &Arc<Core>,
    writer: &mut Writer,
    batch: &'a Batch,
) -> Result<(Cow<'a, Batch>, Vec<Issued>)> {
    let mut issued = Vec::new();
    let is_unnamed = |claim: &Claim| claim.consumer().is_none();
    let mut unnamed = batch
        .consumers
        .iter()
        .filter(|change| change.claim.as_ref().is_some_and(is_unnamed))
        .peekable();
    if unnamed.peek().is_none() {
        return Ok((Cow::Borrowed(batch), issued));
    }
    if !unnamed.all(|change| matches!(change.before, Before::Nothing)) {
        return Err(Error::Unnamed);
    }
    let mut named = batch.clone();
    for change in &mut named.consumers {
        if let Some(claim) = &mut change.claim {
            name(core, writer, claim, &mut issued)?;
            change.consumer = claim.consumer().unwrap_or_default();
        }
    }
    Ok((Cow::Owned(named), issued))
}

fn name(
    core: &Arc<Core>,
    writer: &mut Writer,
    claim: &mut Claim,
    issued: &mut Vec<Issued>,
) -> Result<()> {
    if claim.consumer().is_none() {
        let new = Issued::new(core, writer)?;
        claim.for_consumer(new.consumer());
        issued.push(new);
    }
    Ok(())
}
