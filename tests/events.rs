//! What the feature `tracing` tells: who asked for what, and what became of it.

#![cfg(feature = "tracing")]

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use provider_tree::{
    Batch, Claim, Deadline, Edit, Expect, Inventories, Inventory, Now, Provider, ProviderSpec,
    ProviderTree, ResourceClass, Trait,
};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use uuid::Uuid;

const VCPU: ResourceClass = ResourceClass::VCPU;

/// What one event said.
struct Told {
    level: Level,
    fields: BTreeMap<&'static str, String>,
}

impl Told {
    /// The fields that were told, as text: `operation=claim consumer=.. message=done`.
    fn has(&self, expected: &[(&str, &str)]) {
        for (name, value) in expected {
            let told = self.fields.get(name).map(String::as_str);
            assert_eq!(told, Some(*value), "{name} in {:?}", self.fields);
        }
    }

    fn lacks(&self, names: &[&str]) {
        for name in names {
            assert_eq!(self.fields.get(name), None, "{name}");
        }
    }
}

/// Keeps all events of a thread.
#[derive(Clone, Default)]
struct Keeper(Arc<Mutex<Vec<Told>>>);

impl<S: Subscriber> Layer<S> for Keeper {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let level = *event.metadata().level();
        assert_eq!(event.metadata().target(), "provider_tree");
        self.0.lock().unwrap().push(Told { level, fields: fields.0 });
    }
}

#[derive(Default)]
struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

/// Returns what is told while `body` runs.
fn told<T>(body: impl FnOnce() -> T) -> Vec<Told> {
    let keeper = Keeper::default();
    let subscriber = tracing_subscriber::registry().with(keeper.clone());
    tracing::subscriber::with_default(subscriber, || drop(body()));
    std::mem::take(&mut *keeper.0.lock().unwrap())
}

/// Returns the one event that is told while `body` runs.
fn one<T>(body: impl FnOnce() -> T) -> Told {
    let mut told = told(body);
    assert_eq!(told.len(), 1);
    told.remove(0)
}

fn host(tree: &ProviderTree) -> Provider {
    let host = tree.create_root("host", None).unwrap();
    let vcpu = Inventories::new().with(VCPU, Inventory::new(8));
    tree.configure(&host, vcpu, Expect::Any).unwrap();
    host
}

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

#[test]
fn a_claim_says_who_takes_what_from_where_and_why_not() {
    let tree = ProviderTree::new();
    let host = host(&tree);
    let mut worker = tree.worker().unwrap();
    let claim = |consumer, amount| Claim::new(id(consumer)).take(&host, VCPU, amount);
    let amounts = |amount: u64| format!("[{} VCPU {amount}]", host.uuid());

    let done = one(|| worker.claim(&claim(1, 6)).unwrap());
    let consumer = id(1).to_string();
    done.has(&[("message", "done"), ("operation", "claim"), ("consumer", &consumer)]);
    done.has(&[("amounts", &amounts(6)), ("retries", "0")]);
    done.lacks(&["error", "provider", "name"]);
    assert_eq!(done.level, Level::TRACE);

    let mut reason = String::new();
    let refused = one(|| reason = worker.claim(&claim(2, 4)).unwrap_err().to_string());
    let consumer = id(2).to_string();
    refused.has(&[("message", "refused"), ("operation", "claim"), ("consumer", &consumer)]);
    refused.has(&[("amounts", &amounts(4)), ("error", &reason)]);
    assert_eq!(refused.level, Level::DEBUG);

    let mut named = None;
    let unnamed = Claim::unnamed().take(&host, VCPU, 1);
    let done = one(|| named = Some(worker.claim(&unnamed).unwrap().consumer));
    done.has(&[("consumer", &named.unwrap().to_string())]);
    let done = one(|| worker.replace(&claim(1, 2), Expect::Any).unwrap());
    done.has(&[("operation", "replace"), ("amounts", &amounts(2))]);
    let done = one(|| worker.release(id(1)).unwrap());
    done.has(&[("operation", "release"), ("consumer", &id(1).to_string())]);
    one(|| worker.release(id(1)).unwrap_err()).has(&[("message", "refused")]);
}

#[test]
fn leases_gangs_batches_and_amounts_without_a_consumer_are_told() {
    let tree = ProviderTree::new();
    let host = host(&tree);
    let mut worker = tree.worker().unwrap();
    let claim = |consumer, amount| Claim::new(id(consumer)).take(&host, VCPU, amount);
    let consumer = id(1).to_string();

    let mut lease = None;
    let leased = one(|| lease = Some(worker.lease(&claim(1, 1), Deadline(100)).unwrap()));
    leased.has(&[("operation", "lease"), ("consumer", &consumer), ("values", "100")]);
    let lease = lease.unwrap();
    let renewed = one(|| worker.renew(&lease, Deadline(200), Now(50)).unwrap());
    renewed.has(&[("operation", "renew"), ("consumer", &consumer), ("values", "200")]);
    let expired = one(|| worker.expire(Now(200)).unwrap());
    expired.has(&[("operation", "expire"), ("consumer", &consumer)]);
    let ended = one(|| worker.confirm(&lease, Now(50)).unwrap_err());
    ended.has(&[("operation", "confirm"), ("message", "refused")]);
    one(|| worker.cancel(&lease).unwrap_err()).has(&[("operation", "cancel")]);

    let gang = one(|| worker.claim_gang(&[claim(1, 1), claim(2, 2)], 2).unwrap());
    let (one_takes, two_takes) = (
        format!("{}: [{} VCPU 1]", id(1), host.uuid()),
        format!("{}: [{} VCPU 2]", id(2), host.uuid()),
    );
    gang.has(&[("amounts", &format!("{{{one_takes}, {two_takes}}}"))]);
    let partly = one(|| worker.claim_partly(&claim(3, 1)).unwrap());
    partly.has(&[("operation", "claim_partly"), ("consumer", &id(3).to_string())]);
    let partly = one(|| worker.claim_partly(&claim(5, 1).take(&host, VCPU, 9)).unwrap());
    assert!(partly.fields["refused"].starts_with("{1: 10 of VCPU asked"), "{:?}", partly.fields);
    let gang = one(|| worker.claim_gang(&[claim(6, 99), claim(7, 1)], 1).unwrap());
    assert!(gang.fields["refused"].starts_with("{0: 99 of VCPU asked"), "{:?}", gang.fields);
    let gang = one(|| worker.claim_gang(&[claim(8, 99)], 1).unwrap_err());
    gang.lacks(&["refused"]);
    let batch = Batch::new().release(id(1), Expect::Any).claim(claim(4, 1));
    let committed = one(|| worker.commit(&batch).unwrap());
    committed.has(&[("operation", "commit"), ("message", "done")]);
    let child = ProviderSpec::new(id(20), "child").with_parent(host.uuid());
    let reshape = Batch::new().create(child.clone()).reparent(&host, None);
    let reshaped = one(|| worker.commit(&reshape).unwrap());
    let what = &reshaped.fields["amounts"];
    assert!(what.contains(&format!("{}: created: child", id(20))), "{what}");
    assert!(what.contains(&format!("{}: parent: None", host.uuid())), "{what}");
    let removal = Batch::new().remove(&tree.find("child").unwrap());
    let removed = one(|| worker.commit(&removal).unwrap());
    assert!(removed.fields["amounts"].contains("removed"), "{:?}", removed.fields);
    let edits = &committed.fields["amounts"];
    assert!(edits.contains(&format!("{}: None", id(1))), "{edits}");
    assert!(edits.contains(&format!("{}: Some([{} VCPU 1])", id(4), host.uuid())), "{edits}");

    let provider = host.uuid().to_string();
    let taken = one(|| worker.take(&host, &[(VCPU, 1)]).unwrap());
    taken.has(&[("operation", "take"), ("provider", &provider), ("amounts", "[(VCPU, 1)]")]);
    let put_back = one(|| worker.put_back(&host, &[(VCPU, 1)]).unwrap());
    put_back.has(&[("operation", "put_back"), ("provider", &provider)]);

    // A provider that is gone is a reason like any other.
    let gone = tree.create_root("gone", None).unwrap();
    tree.remove(&gone).unwrap();
    let before = worker.metrics();
    one(|| worker.take(&gone, &[(VCPU, 1)])).has(&[("message", "refused")]);
    one(|| worker.put_back(&gone, &[(VCPU, 1)])).has(&[("message", "refused")]);
    assert_eq!((worker.metrics() - before).out_of_service, 2);
}

#[test]
fn structure_configuration_and_cordons_are_told() {
    let tree = ProviderTree::new();
    let root = id(7).to_string();
    let mut host = None;
    let created = one(|| host = Some(tree.create_root("host", id(7)).unwrap()));
    let host = host.unwrap();
    created.has(&[("operation", "create_root"), ("provider", &root), ("name", "host")]);
    assert_eq!(created.level, Level::DEBUG);
    let refused = one(|| tree.create_child(&host, "host", id(8)).unwrap_err());
    refused.has(&[("operation", "create_child"), ("parent", &root), ("message", "refused")]);
    let unnamed = one(|| tree.create_root("host", None).unwrap_err());
    unnamed.has(&[("name", "host"), ("message", "refused")]);
    unnamed.lacks(&["provider"]);
    let mut numa = None;
    one(|| numa = Some(tree.create_child(&host, "numa", id(8)).unwrap()));
    let numa = numa.unwrap();

    let ssd = Trait::new("STORAGE_DISK_SSD").unwrap();
    let set = one(|| tree.configure(&host, Edit::new().set_traits([ssd]), Expect::Any).unwrap());
    set.has(&[("operation", "configure"), ("provider", &root)]);
    set.has(&[("values", "[SetTraits({STORAGE_DISK_SSD})]")]);
    let conflict = one(|| {
        tree.configure(&host, Edit::new().add_traits([ssd]), Expect::Generation(99)).unwrap_err()
    });
    conflict.has(&[("operation", "configure"), ("message", "refused")]);
    let vcpu = Inventories::new().with(VCPU, Inventory::new(8));
    let set = one(|| tree.configure(&host, vcpu, Expect::Any).unwrap());
    assert!(set.fields["values"].contains("VCPU"), "{:?}", set.fields);
    let set =
        one(|| tree.configure(&host, Edit::new().set_aggregates([id(9)]), Expect::Any).unwrap());
    set.has(&[("operation", "configure")]);
    set.has(&[("values", &format!("[SetAggregates({{{}}})]", id(9)))]);

    one(|| tree.cordon(&host).unwrap()).has(&[("operation", "cordon"), ("provider", &root)]);
    one(|| tree.uncordon(&host).unwrap()).has(&[("operation", "uncordon")]);
    let moved = one(|| tree.reparent(&numa, None).unwrap());
    moved.has(&[("operation", "reparent"), ("provider", &id(8).to_string())]);
    moved.lacks(&["parent"]);
    one(|| tree.rename(&numa, "another").unwrap()).has(&[("name", "another")]);
    one(|| tree.remove_leaf(&numa).unwrap()).has(&[("operation", "remove_leaf")]);
    one(|| tree.remove(&host).unwrap()).has(&[("operation", "remove"), ("provider", &root)]);
    let list = [ProviderSpec::new(id(7), "host")];
    one(|| tree.populate(&list).unwrap()).has(&[("operation", "populate"), ("values", "1")]);
    // What only reads tells nothing.
    let read = told(|| {
        (
            tree.find("host"),
            tree.snapshot().audit().unwrap(),
            tree.snapshot().dump().unwrap(),
            tree.view(),
        )
    });
    assert!(read.is_empty());
}
