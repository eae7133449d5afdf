//! A sequence of calls, made and compared one after the other.

use std::collections::HashMap;
use std::fmt;

use provider_tree::{Provider, ProviderTree};
use uuid::Uuid;

use linearize::Model as _;

use crate::books::find_leaks;
use crate::caller;
use crate::model::Model;
use crate::operation::{Answer, Handle, Op, Outcome, SLOTS, Slot};
use crate::plan::{self, CLASSES, Rng, providers};

/// Calls, each with the slot that keeps a handle which it returns.
pub struct Sequence(Vec<(Op<Slot>, Slot)>);

impl Sequence {
    /// The calls that these bytes choose.
    pub fn new(bytes: Vec<Vec<u8>>) -> Self {
        let call = |bytes: Vec<u8>| {
            let rng = &mut Rng::Told(bytes.into_iter());
            let into = rng.below(SLOTS as u64) as Slot;
            (plan::alone(rng), into)
        };
        Sequence(bytes.into_iter().map(call).collect())
    }

    /// Makes all calls; says which one went wrong, and how.
    pub fn run(&self) -> Result<(), String> {
        caller::forget_leases();
        let mut run = Run::new();
        for (number, (op, into)) in self.0.iter().enumerate() {
            let op = op.map(|slot| run.slots[slot]);
            let outcome = run.make(&op).map_err(|wrong| format!("call {number}: {wrong}"))?;
            if let Some(handle) = outcome.ok().as_ref().and_then(Answer::handle) {
                run.slots[*into] = handle;
            }
            run.look().map_err(|wrong| format!("after call {number}: {wrong}"))?;
        }
        let Run { tree, worker, .. } = run;
        drop(worker);
        match &find_leaks(&tree)[..] {
            [] => Ok(()),
            leaks => Err(format!("at the end: {leaks:?}")),
        }
    }
}

/// For dumps to be made from.
#[allow(dead_code, reason = "the fuzzer makes dumps of it")]
impl Sequence {
    /// The forest after all calls, whatever they answered.
    pub fn forest(&self) -> ProviderTree {
        caller::forget_leases();
        let mut run = Run::new();
        for (op, into) in &self.0 {
            let op = op.map(|slot| run.slots[slot]);
            let outcome = caller::call(&run.tree, &mut run.worker, &op);
            if let Some(handle) = outcome.ok().as_ref().and_then(Answer::handle) {
                run.slots[*into] = handle;
            }
        }
        run.tree
    }
}

impl fmt::Debug for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(op, _)| op)).finish()
    }
}

/// The forest and the model beside it.
struct Run {
    tree: ProviderTree,
    worker: provider_tree::Worker,
    model: Model,
    slots: [Provider; SLOTS],
    handles: HashMap<Provider, Handle>,
}

impl Run {
    /// One provider, in all slots.
    fn new() -> Self {
        let tree = ProviderTree::new();
        let worker = tree.worker().expect("a new forest");
        let create = Op::CreateRoot(providers()[0], "a");
        let first = tree.create_root("a", providers()[0]).expect("a new forest");
        let (model, handles) = (Model::default(), HashMap::new());
        let mut run = Run { tree, worker, model, slots: [first; SLOTS], handles };
        let created = Ok(Answer::Created(run.handle(first)));
        assert!(run.model.allows(&create, &created));
        run
    }

    /// Makes a call and compares.
    fn make(&mut self, op: &Op<Provider>) -> Result<Outcome<Provider>, String> {
        let before = matches!(op, Op::Dump).then(|| self.tree.snapshot().dump().unwrap());
        let outcome = caller::call(&self.tree, &mut self.worker, op);
        let named_op = op.map(|provider| self.handle(provider));
        let named = outcome.clone().map(|answer| answer.map(|provider| self.handle(provider)));
        let expected = self.model.clone();
        if !self.model.allows(&named_op, &named) {
            return Err(format!("{named_op:?} -> {named:?} is wrong in {expected:#?}"));
        }
        if let Some(before) = before {
            let copy = ProviderTree::load(&before).map_err(|error| error.to_string())?;
            if copy.snapshot().dump().unwrap() != before
                || !copy.snapshot().audit().unwrap().holds()
            {
                return Err(format!("loaded, {before:?} is {:?}", copy.snapshot().dump().unwrap()));
            }
        }
        Ok(outcome)
    }

    /// Compares the whole state.
    fn look(&mut self) -> Result<(), String> {
        let classes = CLASSES.map(Op::HasSharingProvider);
        let finds = providers().map(Op::Find);
        let names = plan::NAMES.map(Op::FindByName);
        let whole = [Op::Dump, Op::Providers, Op::Roots];
        for op in whole.into_iter().chain(classes).chain(finds).chain(names) {
            let outcome = caller::call(&self.tree, &mut self.worker, &op);
            let op = op.map(|provider| self.handle(provider));
            let outcome = outcome.map(|answer| answer.map(|provider| self.handle(provider)));
            if !self.model.allows(&op, &outcome) {
                return Err(format!("{op:?} -> {outcome:?} is wrong in {:#?}", self.model));
            }
        }
        let audit = self.tree.snapshot().audit().unwrap();
        if !audit.holds() {
            return Err(format!("{audit:?}"));
        }
        Ok(())
    }

    fn handle(&mut self, provider: Provider) -> Handle {
        let uuid: Uuid = provider.uuid();
        let lives = self.handles.keys().filter(|known| known.uuid() == uuid).count();
        *self.handles.entry(provider).or_insert(Handle { uuid, life: lives as u32 })
    }
}
