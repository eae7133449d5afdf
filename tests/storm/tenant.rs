//! A tenant: one thread's worker, and the consumers that only it changes, beside a model of them.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use linearize::Model as _;
use provider_tree::{Allocations, Error, Expect, Provider, ProviderTree, Worker};
use shared::caller;
use shared::model::{Amounts, Model};
use shared::operation::{self, Answer, Handle, Op, Outcome};
use uuid::Uuid;

use crate::books::assert_no_leaks;
use crate::rig::{Gust, Rng};
use crate::stall::stalling;

/// An amount of one class of one provider.
pub(crate) type Line = operation::Line<Provider>;

/// Makes calls, and compares what they answer with what the model says: nobody else touches its
/// consumers, so there is exactly one right answer at any time, but for what the providers refuse.
pub(crate) struct Tenant {
    tree: ProviderTree,
    pub(crate) worker: Worker,
    model: Model,
    pub(crate) consumers: Vec<Uuid>,
    /// The last provider that was met with each uuid, and how many before it.
    met: HashMap<Uuid, (Provider, u32)>,
    /// When others end what it has leased.
    clock: Arc<AtomicU64>,
    expired: u64,
}

impl Tenant {
    /// So many tenants, no two with a consumer in common.
    pub(crate) fn several(tree: &ProviderTree, tenants: usize, consumers: usize) -> Vec<Tenant> {
        let clock = Arc::default();
        (0..tenants).map(|number| Tenant::new(tree, number, consumers, &clock)).collect()
    }

    /// The `number`th tenant, with so many consumers.
    pub(crate) fn new(
        tree: &ProviderTree,
        number: usize,
        consumers: usize,
        clock: &Arc<AtomicU64>,
    ) -> Self {
        let consumer = |index| Uuid::from_u64_pair(number as u64 + 1, index as u64);
        Tenant {
            tree: tree.clone(),
            worker: tree.worker().expect("a worker"),
            model: Model::default(),
            consumers: (0..consumers).map(consumer).collect(),
            met: HashMap::new(),
            clock: Arc::clone(clock),
            expired: 0,
        }
    }

    /// Does something with a random consumer or without one: claims `lines`, or gives back.
    pub(crate) fn act(
        &mut self,
        gust: &mut Gust<'_>,
        lines: &[Line],
        explained: impl Fn(&Error) -> bool,
    ) {
        let consumer = *gust.rng.pick(&self.consumers);
        if self.model.standing(consumer).flatten().is_some() {
            // When others end its lease, a replacement begins a life, which the answer does not tell.
            return;
        }
        let (what, op) = match gust.rng.below(10) {
            0..=2 => ("claim", Op::Claim(consumer, lines.to_vec())),
            3..=4 => ("replace", Op::Replace(consumer, lines.to_vec(), Expect::Any)),
            5 => {
                let expect = self.guess(consumer, &mut gust.rng);
                ("replace at a generation", Op::Replace(consumer, lines.to_vec(), expect))
            }
            6..=7 => ("release", Op::Release(consumer)),
            8 if !self.model.taken().is_empty() => {
                let taken: Vec<_> = self.model.taken().into_iter().collect();
                let &((provider, class), amount) = gust.rng.pick(&taken);
                let amounts = vec![(class, gust.rng.up_to(amount))];
                ("put back", Op::PutBack(self.met[&provider].0, amounts))
            }
            _ => {
                let Some(&(provider, ..)) = lines.first() else { return };
                let lines = lines.iter().filter(|line| line.0 == provider);
                ("take", Op::Take(provider, lines.map(|line| (line.1, line.2)).collect()))
            }
        };
        self.make(gust, what, &op, explained);
    }

    /// Makes a call and looks at its consumers. Fails if the model does not explain the outcome, or
    /// if a provider has refused something for a reason that `explained` does not accept.
    pub(crate) fn make(
        &mut self,
        gust: &mut Gust<'_>,
        what: &'static str,
        op: &Op<Provider>,
        explained: impl Fn(&Error) -> bool,
    ) -> Option<Answer<Provider>> {
        let outcome = self.call(gust, op);
        self.conclude(gust, what, op, outcome, explained)
    }

    /// Makes a call, and gives way within it.
    pub(crate) fn call(&mut self, gust: &mut Gust<'_>, op: &Op<Provider>) -> Outcome<Provider> {
        let at = gust.rng.below(20) as u32;
        stalling(at, || caller::call(&self.tree, &mut self.worker, op))
    }

    /// Does the rest for a call that has been made.
    pub(crate) fn conclude(
        &mut self,
        gust: &mut Gust<'_>,
        what: &'static str,
        op: &Op<Provider>,
        outcome: Outcome<Provider>,
        explained: impl Fn(&Error) -> bool,
    ) -> Option<Answer<Provider>> {
        self.note(op, &outcome);
        let explained = |error: &Error| is_of_consumer(error) || explained(error);
        let all = |refused: &[(usize, Error)]| refused.iter().all(|(_, error)| explained(error));
        let in_part = match &outcome {
            Ok(Answer::Gang(made)) => made.iter().filter_map(|it| it.as_ref().err()).all(explained),
            Ok(Answer::Partly(partial)) => all(&partial.refused),
            _ => true,
        };
        assert!(in_part, "{what}: the race does not explain {outcome:?}");
        gust.expect(what, outcome, |error| match error {
            Error::TooFewFit { refused, .. } => all(refused),
            error => explained(error),
        })
    }

    /// Makes a call that can't be refused.
    fn must(&mut self, op: &Op<Provider>) {
        let outcome = caller::call(&self.tree, &mut self.worker, op);
        self.note(op, &outcome);
        assert!(outcome.is_ok(), "{op:?} -> {outcome:?}");
    }

    /// Tells the model of a call, and looks at its consumers.
    fn note(&mut self, op: &Op<Provider>, outcome: &Outcome<Provider>) {
        assert!(self.explains(op, outcome), "{op:?} -> {outcome:?} is wrong in {:#?}", self.model);
        op.consumers().into_iter().for_each(|consumer| self.check(consumer));
    }

    /// Whether the forest says of the consumer what the model says.
    pub(crate) fn check(&mut self, consumer: Uuid) {
        let held = Op::Allocations(consumer);
        let outcome = caller::call(&self.tree, &mut self.worker, &held);
        assert!(self.explains(&held, &outcome), "{outcome:?} is wrong in {:#?}", self.model);
    }

    /// Whether the model explains an outcome, if need be by leases that have ended meanwhile.
    pub(crate) fn explains(&mut self, op: &Op<Provider>, outcome: &Outcome<Provider>) -> bool {
        let op = op.map(|provider| self.handle(provider));
        let outcome = outcome.clone().map(|answer| answer.map(|provider| self.handle(provider)));
        let now = self.clock.load(SeqCst);
        let mut due = op.consumers();
        due.retain(|one| self.model.standing(*one).flatten().is_some_and(|due| due <= now));
        let before = (!due.is_empty()).then(|| self.model.clone());
        if self.allows(&op, &outcome) {
            return true;
        }
        let Some(before) = before else { return false };
        self.model = before;
        self.expired += due.len() as u64;
        for consumer in due {
            self.model.end(consumer).expect("it has a deadline");
        }
        self.allows(&op, &outcome)
    }

    /// Whether the model explains an outcome. A new life begins wherever others, who share its
    /// floor, have come to.
    fn allows(&mut self, op: &Op<Handle>, outcome: &Outcome<Handle>) -> bool {
        for made in outcome.iter().flat_map(Answer::receipts) {
            if self.model.standing(made.consumer).is_none() {
                self.model.raise(made.consumer, made.generation.saturating_sub(1));
            }
        }
        self.model.allows(op, outcome)
    }

    fn handle(&mut self, provider: Provider) -> Handle {
        let uuid = provider.uuid();
        let (last, life) = self.met.entry(uuid).or_insert((provider, 0));
        if *last != provider {
            (*last, *life) = (provider, *life + 1);
        }
        let handle = Handle { uuid, life: *life };
        self.model.meet(handle);
        handle
    }

    /// All consumers that hold something, each with when its lease ends, if it has one.
    pub(crate) fn holders(&self) -> impl Iterator<Item = (Uuid, Option<u64>)> {
        self.model.standings()
    }

    /// Consumers that hold nothing, from a random one on.
    pub(crate) fn newcomers(&self, rng: &mut Rng) -> impl Iterator<Item = Uuid> {
        let (before, from) = self.consumers.split_at(rng.index(self.consumers.len()));
        let all = from.iter().chain(before).copied();
        all.filter(|consumer| self.model.standing(*consumer).is_none())
    }

    /// What a consumer holds; none if it does not exist.
    pub(crate) fn held(&self, consumer: Uuid) -> Option<Allocations> {
        self.model.allocations(consumer)
    }

    /// The same with handles.
    pub(crate) fn lines_of(&self, consumer: Uuid) -> Vec<Line> {
        let held = self.held(consumer).map_or_else(Vec::new, |held| held.allocations);
        held.iter().map(|it| (self.met[&it.provider].0, it.class, it.amount)).collect()
    }

    /// Gives everything back.
    pub(crate) fn leave(&mut self) {
        for consumer in self.consumers.clone() {
            if self.held(consumer).is_some() {
                self.must(&Op::Release(consumer));
            }
        }
        for ((provider, class), amount) in self.model.taken() {
            self.must(&Op::PutBack(self.met[&provider].0, vec![(class, amount)]));
        }
    }

    /// What is held exists: it is found, says itself that it is in use, and can't be removed. Looks
    /// at one amount.
    pub(crate) fn check_that_what_is_held_stays(&self, gust: &mut Gust<'_>) {
        let tree = &self.tree;
        let settled = self.consumers.iter().filter(|it| self.model.standing(**it) == Some(None));
        let held: Vec<Line> = settled.flat_map(|consumer| self.lines_of(*consumer)).collect();
        if let [_, ..] = held[..] {
            let (provider, class, amount) = *gust.rng.pick(&held);
            assert_eq!(tree.find(provider.uuid()), Some(provider), "held, and not found");
            let usage = tree.usage(&provider, class).expect("held, so the provider has it");
            assert!(usage.used >= amount, "{amount} held of {class}, {usage:?}");
            let removed = tree.remove(&provider);
            let in_use = matches!(removed, Err(Error::InUse { used: 1.., .. }));
            assert!(
                in_use,
                "removal of {provider:?}, of which {amount} {class} are held: {removed:?}"
            );
            gust.count("removal refused to the holder");
        }
    }

    /// How often its changes were prepared in vain.
    pub(crate) fn retries(&self) -> u64 {
        self.worker.metrics().retries
    }

    /// The consumer's generation, or one that it is not at: be it of a life that is over.
    fn guess(&self, consumer: Uuid, rng: &mut Rng) -> Expect {
        let actual = self.held(consumer).map_or(1, |held| held.generation);
        match rng.below(10) {
            0..=6 => Expect::Generation(actual),
            7..=8 => Expect::Generation(actual + rng.up_to(2)),
            _ => Expect::Generation(actual.saturating_sub(rng.up_to(4))),
        }
    }
}

/// Refusals that no provider has to do with, so that the model knows them exactly.
fn is_of_consumer(error: &Error) -> bool {
    matches!(
        error,
        Error::ConsumerExists { .. }
            | Error::AlreadyHeld { .. }
            | Error::ConsumerConflict { .. }
            | Error::ConsumerNotFound { .. }
            | Error::LeaseEnded { .. }
            | Error::NotLeased { .. }
    )
}

/// What all providers say is used of each class, if any is.
pub(crate) fn usages(tree: &ProviderTree) -> Amounts {
    let used = |provider: Provider| {
        let usages = tree.usages(&provider).expect("nothing is removed meanwhile").into_iter();
        usages.map(move |(class, usage)| ((provider.uuid(), class), usage.used))
    };
    tree.providers().into_iter().flat_map(used).filter(|(_, used)| *used > 0).collect()
}

/// After a storm: the forest says what the tenants' models say, and is empty once all have left.
/// Returns how many of their leases others have ended.
pub(crate) fn check_books(tree: &ProviderTree, mut tenants: Vec<Tenant>) -> u64 {
    let mut sums = Amounts::new();
    let mut consumers = 0;
    for tenant in &mut tenants {
        tenant.consumers.clone().into_iter().for_each(|consumer| tenant.check(consumer));
        consumers += tenant.consumers.iter().filter(|it| tenant.held(**it).is_some()).count();
        for (key, amount) in tenant.model.amounts() {
            *sums.entry(key).or_default() += amount;
        }
    }
    assert_eq!(usages(tree), sums);
    let audit = tree.snapshot().audit().unwrap();
    assert!(audit.holds(), "{audit:?}");
    assert_eq!(
        (audit.consumers, tree.snapshot().consumers().unwrap().len()),
        (consumers, consumers)
    );
    tenants.iter_mut().for_each(Tenant::leave);
    assert_eq!(usages(tree), Amounts::new());
    assert!(tree.snapshot().consumers().unwrap().is_empty());
    assert!(tree.snapshot().audit().unwrap().holds());
    let expired = tenants.iter().map(|tenant| tenant.expired).sum();
    drop(tenants);
    assert_no_leaks(tree);
    expired
}
