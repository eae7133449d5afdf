//! Amounts that no consumer holds: for callers that keep their own books.

use crate::claim::change::Change;
use crate::claim::lines::check_amount;
use crate::claim::worker::Worker;
use crate::error::{Error, Result};
use crate::forest::{Forest, Provider};
use crate::layout::{Layouts, PackedUsage, UsageWords, usage_of};
use crate::ledger::{Abort, NextPayload, Writer};
use crate::trace::Call;
use crate::values::ResourceClass;

/// Takes and puts back for no consumer.
impl Worker {
    /// Takes amounts from one provider for no consumer, all of them or none. Callers that keep
    /// their own books use this.
    ///
    /// Each amount obeys the units by itself. The amounts count as used, and keep the provider from
    /// being removed; an [audit](crate::Snapshot::audit) tells them apart from what consumers
    /// hold. No change is faster: one exchange decides it.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`claim`](Self::claim), without those that concern consumers.
    pub fn take(&mut self, provider: &Provider, amounts: &[(ResourceClass, u64)]) -> Result<()> {
        let call = Call::of_worker("take", None).of(provider).with_amounts(&amounts);
        let Worker { core, writer, .. } = self;
        let forest = &core.forest;
        let cell = match forest.usage_cell(provider) {
            Ok(cell) => cell,
            Err(error) => return self.counting(Err(error), |tallies| &tallies.claims, call),
        };
        let taken = writer.update(cell, |words| take_from(words, forest, provider, amounts));
        let look = move |words: NextPayload<'_>| take_from(words, forest, provider, amounts);
        let taken = taken.map_err(|error| refusal(writer, provider, error, look));
        self.counting(taken, |tallies| &tallies.claims, call)
    }

    /// Gives back amounts that were taken for no consumer, by this worker or another.
    ///
    /// # Errors
    ///
    /// Returns [`NotTaken`](Error::NotTaken) if less is taken; [`NoInventory`](Error::NoInventory);
    /// [`Removed`](Error::Removed); [`ZeroAmount`](Error::ZeroAmount).
    pub fn put_back(
        &mut self,
        provider: &Provider,
        amounts: &[(ResourceClass, u64)],
    ) -> Result<()> {
        let call = Call::of_worker("put_back", None).of(provider).with_amounts(&amounts);
        let Worker { core, writer, .. } = self;
        let layouts = &*core.forest.layouts;
        let cell = match core.forest.usage_cell(provider) {
            Ok(cell) => cell,
            Err(error) => return self.counting(Err(error), |tallies| &tallies.releases, call),
        };
        let put_back = writer.update(cell, |words| put_back_to(words, layouts, provider, amounts));
        let look = move |words: NextPayload<'_>| put_back_to(words, layouts, provider, amounts);
        let put_back = put_back.map_err(|error| refusal(writer, provider, error, look));
        self.counting(put_back, |tallies| &tallies.releases, call)
    }
}

/// Returns the error of a change that was not made. If `error` says that there is no room for the
/// change, but a `look` at the usage cell shows that the change would be refused anyway, returns the
/// reason of that refusal.
#[cold]
#[inline(never)]
fn refusal(
    writer: &mut Writer,
    provider: &Provider,
    error: Error,
    look: impl Fn(NextPayload<'_>) -> Result<(), Abort<Error>>,
) -> Error {
    let is_full = matches!(error, Error::TooLarge { .. });
    let refusal = if is_full { writer.preview(usage_of(provider.cell), look).err() } else { None };
    refusal.unwrap_or(error)
}

/// Takes amounts for no consumer, in the next version of a provider's usage cell.
#[inline(always)] // Called in two places, one of them cold.
fn take_from(
    words: NextPayload<'_>,
    forest: &Forest,
    provider: &Provider,
    amounts: &[(ResourceClass, u64)],
) -> Result<(), Abort<Error>> {
    provider.check_life(UsageWords(words).life())?;
    let head = UsageWords(words).head();
    if !head.is_cordoned()
        && let Some(packed) = PackedUsage::of(words, head, &forest.layouts)
        && let Some(()) =
            packed.take_all(amounts.iter().map(|(class, amount)| (*class, 0, *amount)))
    {
        return Ok(());
    }
    let form = head.form(&forest.layouts);
    for &(class, amount) in amounts {
        check_amount(provider, class, amount)?;
        let change = Change::taking(provider, class, amount);
        let (at, used) = change.used_after((head, form), words, forest)?;
        let taken = at.taken + amount;
        at.set(words, used, taken);
    }
    Ok(())
}

impl PackedUsage<'_> {
    /// Gives back and takes amounts of classes; or returns `None` if they have to be looked at one by one.
    #[inline]
    fn take_all(
        mut self,
        mut amounts: impl Iterator<Item = (ResourceClass, u64, u64)>,
    ) -> Option<()> {
        amounts.try_for_each(|(class, given, wanted)| {
            let is_something = given > 0 || wanted > 0;
            is_something.then(|| self.add(class.number(), given, wanted))?
        })?;
        self.take()
    }
}

/// Gives back amounts that were taken for no consumer, in the next version of a provider's usage
/// cell.
#[inline(always)] // Called in two places, one of them cold; like `take_from`.
fn put_back_to(
    words: NextPayload<'_>,
    layouts: &Layouts,
    provider: &Provider,
    amounts: &[(ResourceClass, u64)],
) -> Result<(), Abort<Error>> {
    provider.check_life(UsageWords(words).life())?;
    let head = UsageWords(words).head();
    if let Some(packed) = PackedUsage::of(words, head, layouts)
        && let Some(()) =
            packed.take_all(amounts.iter().map(|(class, amount)| (*class, *amount, 0)))
    {
        return Ok(());
    }
    let form = head.form(layouts);
    for &(class, amount) in amounts {
        check_amount(provider, class, amount)?;
        let provider = provider.uuid;
        let Some(at) = form.find(words, class.number()) else {
            return Err(Error::NoInventory { provider, class }.into());
        };
        let taken = at.taken;
        let Some(left) = taken.checked_sub(amount) else {
            let requested = amount;
            return Err(Error::NotTaken { provider, class, requested, taken }.into());
        };
        // What is taken is part of what is used, unless the layout serves others by now.
        let Some(used) = at.used.checked_sub(amount) else { return Err(Abort::Torn) };
        at.set(words, used, left);
    }
    Ok(())
}
