//! Batches that create, move, configure and remove providers, beside the same steps made one by one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use provider_tree::coming_from_nova::NovaProviderTree;
use provider_tree::{
    Batch, Claim, Dump, Edit, Error, Expect, Fault, Group, Inventories, Inventory, Mirror,
    Provider, ProviderSpec, ProviderTree, Request, ResourceClass, Result, Snapshot, Trait, View,
    Worker,
};
use shared::books::assert_no_leaks;
use shared::dumps::without_floors;
use uuid::Uuid;

const VCPU: ResourceClass = ResourceClass::VCPU;
const DISK: ResourceClass = ResourceClass::DISK_GB;

fn uuid(number: u64) -> Uuid {
    Uuid::from_u128(1 << 64 | u128::from(number))
}

fn consumer(number: u64) -> Uuid {
    Uuid::from_u128(2 << 64 | u128::from(number))
}

fn of(class: ResourceClass, total: u64) -> Inventories {
    Inventories::new().with(class, Inventory::new(total))
}

fn spec(number: u64) -> ProviderSpec {
    ProviderSpec::new(uuid(number), format!("p{number}"))
}

/// ```text
/// 1
/// +- 2
/// |  +- 3
/// +- 4
/// 5
/// ```
fn forest() -> (ProviderTree, [Provider; 5]) {
    let tree = ProviderTree::new();
    let one = tree.create_root("p1", uuid(1)).unwrap();
    let two = tree.create_child(&one, "p2", uuid(2)).unwrap();
    let three = tree.create_child(&two, "p3", uuid(3)).unwrap();
    let four = tree.create_child(&one, "p4", uuid(4)).unwrap();
    let five = tree.create_root("p5", uuid(5)).unwrap();
    (tree, [one, two, three, four, five])
}

/// Commits a batch that has to be refused, and returns why. Fails if it has changed anything or left
/// anything behind.
#[track_caller]
fn refused(tree: &ProviderTree, batch: &Batch) -> Error {
    let before = tree.snapshot().dump().unwrap();
    let error = tree.worker().unwrap().commit(batch).unwrap_err();
    assert_eq!(tree.snapshot().dump().unwrap(), before, "{error}");
    assert_no_leaks(tree);
    error
}

#[track_caller]
fn commit(tree: &ProviderTree, batch: &Batch) {
    tree.worker().unwrap().commit(batch).unwrap();
    check(tree);
    assert_no_leaks(tree);
}

/// Fails unless what the forest says of its structure agrees with itself.
#[track_caller]
fn check(tree: &ProviderTree) {
    let snapshot = tree.snapshot();
    check_snapshot(&snapshot);
    for provider in snapshot.providers().unwrap() {
        let now = tree.configuration(&provider).unwrap();
        assert_eq!(snapshot.configuration(&provider).unwrap(), now);
        assert_eq!(tree.find(provider.uuid()), Some(provider));
        assert_eq!(tree.find(&now.name), Some(provider));
        assert_eq!(tree.is_cordoned(&provider), snapshot.is_cordoned(&provider));
    }
    for class in [VCPU, DISK] {
        assert_eq!(Ok(tree.has_sharing_provider(class)), snapshot.has_sharing_provider(class));
    }
}

/// Fails unless what a snapshot says of the structure agrees with itself.
#[track_caller]
fn check_snapshot(snapshot: &Snapshot) {
    let dump = snapshot.dump().unwrap();
    let own: BTreeMap<_, _> =
        dump.providers.iter().map(|it| (it.configuration.uuid, it.cordoned)).collect();
    let mut shared = BTreeSet::new();
    let mut holds = BTreeMap::new();
    for provider in snapshot.providers().unwrap() {
        let parent = snapshot.parent(&provider).unwrap();
        let now = snapshot.configuration(&provider).unwrap();
        assert_eq!(now.parent, parent.map(|parent| parent.uuid()));
        let siblings = match parent {
            Some(parent) => snapshot.children(&parent).unwrap(),
            None => snapshot.roots().unwrap(),
        };
        assert_eq!(siblings.iter().filter(|sibling| **sibling == provider).count(), 1);
        // Parents come before their children.
        let is_cordoned = own[&provider.uuid()] || parent.is_some_and(|it| holds[&it.uuid()]);
        holds.insert(provider.uuid(), is_cordoned);
        assert_eq!(snapshot.is_cordoned(&provider), Ok(is_cordoned), "{provider:?}");
        if now.is_sharing() {
            shared.extend(now.inventories.iter().map(|(class, _)| class));
        }
    }
    for class in [VCPU, DISK] {
        assert_eq!(snapshot.has_sharing_provider(class), Ok(shared.contains(&class)));
    }
    assert!(snapshot.audit().unwrap().holds());
}

fn also_removed(numbers: &[u64]) -> Error {
    let fault = |number: &u64| Fault::AlsoRemoved { provider: uuid(*number) };
    Error::InvalidEntries { faults: numbers.iter().map(fault).collect() }
}

#[test]
fn a_provider_and_its_ancestor_are_removed_in_either_order() {
    for order in [[0, 2], [2, 0], [0, 1], [1, 2], [2, 1]] {
        let (tree, all) = forest();
        let batch = order.iter().fold(Batch::new(), |batch, at| batch.remove(&all[*at]));
        commit(&tree, &batch);
        for at in order {
            assert_eq!(tree.find(all[at].uuid()), None);
        }
    }
}

#[test]
fn a_provider_that_is_removed_twice_goes_once() {
    let (tree, [_, two, ..]) = forest();
    commit(&tree, &Batch::new().remove(&two).remove(&two));
    assert_eq!(tree.providers().len(), 3);
    let error = refused(&tree, &Batch::new().remove(&two));
    assert_eq!(error, Error::Removed { provider: two.uuid() });
}

#[test]
fn what_moves_out_of_a_removed_tree_stays() {
    let (tree, [one, two, three, four, five]) = forest();
    let batch = Batch::new()
        .remove(&one)
        .reparent(&three, Some(&five))
        .reparent(&four, None)
        .create(spec(6).with_parent(three.uuid()));
    commit(&tree, &batch);
    let six = tree.find(uuid(6)).unwrap();
    assert_eq!(tree.providers(), [five, three, six, four]);
    for gone in [one, two] {
        assert_eq!(tree.find(gone.uuid()), None);
    }
}

#[test]
fn what_a_batch_creates_or_changes_it_does_not_remove() {
    let (tree, [one, two, three, four, five]) = forest();
    let batch = Batch::new().remove(&two);
    let below = batch.clone().create(spec(6).with_parent(three.uuid()));
    assert_eq!(refused(&tree, &below), also_removed(&[6]));
    let into = batch.clone().reparent(&five, Some(&three));
    assert_eq!(refused(&tree, &into), also_removed(&[5]));
    let within = batch.clone().reparent(&three, Some(&two));
    assert_eq!(refused(&tree, &within), also_removed(&[3]));
    let configured = batch.clone().configure(&three, of(VCPU, 1), Expect::Any);
    assert_eq!(refused(&tree, &configured), also_removed(&[3]));
    let all =
        below.reparent(&five, Some(&three)).remove(&one).configure(&four, of(VCPU, 1), Expect::Any);
    assert!(matches!(refused(&tree, &all), Error::InvalidEntries { faults } if faults.len() == 3));
}

#[test]
fn moves_of_one_batch_are_checked_for_circles_together() {
    let (tree, [one, two, three, four, five]) = forest();
    let circle = Batch::new().reparent(&five, Some(&three)).reparent(&one, Some(&five));
    let error = Error::WouldCycle { provider: one.uuid(), parent: five.uuid() };
    assert_eq!(refused(&tree, &circle), error);
    let below_new = Batch::new()
        .create(spec(6).with_parent(three.uuid()))
        .create(spec(7).with_parent(uuid(6)))
        .reparent(&two, Some(&spec(7).to_come()));
    let error = Error::WouldCycle { provider: two.uuid(), parent: uuid(7) };
    assert_eq!(refused(&tree, &below_new), error);
    let turned = Batch::new().reparent(&three, None).reparent(&one, Some(&three));
    commit(&tree, &turned);
    assert_eq!(tree.providers(), [five, three, one, two, four]);
}

#[test]
fn moves_are_made_in_the_order_in_which_they_were_added() {
    let (tree, [one, two, ..]) = forest();
    let inner_first = Batch::new()
        .configure(&one, of(VCPU, 1), Expect::Any)
        .reparent(&two, None)
        .reparent(&one, Some(&two));
    let outer_first = Batch::new().reparent(&one, Some(&two)).reparent(&two, None).configure(
        &two,
        of(VCPU, 1),
        Expect::Any,
    );
    let error = Error::WouldCycle { provider: one.uuid(), parent: two.uuid() };
    assert_eq!(refused(&tree, &outer_first), error);
    commit(&tree, &inner_first);
    assert_eq!(tree.ancestors(&one), Ok(vec![two]));
}

#[test]
fn a_provider_is_moved_by_one_entry() {
    let (tree, [_, two, three, _, five]) = forest();
    let twice = Batch::new().reparent(&three, None).reparent(&three, Some(&five));
    let faults = vec![Fault::DuplicateUuid { provider: three.uuid() }];
    assert_eq!(refused(&tree, &twice), Error::InvalidEntries { faults });
    commit(&tree, &Batch::new().reparent(&three, Some(&two)));
    assert_eq!(tree.configuration(&three).unwrap().generation, 1);
    let both = Batch::new().reparent(&three, Some(&five)).configure(
        &three,
        of(VCPU, 1),
        Expect::Generation(1),
    );
    commit(&tree, &both);
    assert_eq!(tree.configuration(&three).unwrap().generation, 2);
}

#[test]
fn what_is_to_come_is_made_by_its_entry_alone() {
    let (tree, [one, ..]) = forest();
    let new = spec(6).with_parent(one.uuid()).with_inventories(of(VCPU, 4));
    let batch = Batch::new().create(new.clone());
    let twice = Error::InvalidEntries { faults: vec![Fault::DuplicateUuid { provider: uuid(6) }] };
    let configured = batch.clone().configure(&new.to_come(), of(VCPU, 5), Expect::Any);
    assert_eq!(refused(&tree, &configured), twice);
    assert_eq!(refused(&tree, &batch.clone().reparent(&new.to_come(), None)), twice);
    let foreign = Error::ForeignProvider { provider: uuid(6) };
    assert_eq!(refused(&tree, &batch.clone().remove(&new.to_come())), foreign);
    let claim = Claim::new(consumer(1)).take(&one, VCPU, 1).require_generation(&new.to_come(), 0);
    assert_eq!(refused(&tree, &batch.claim(claim)), foreign);
}

#[test]
fn a_handle_of_what_is_to_come_means_nothing_elsewhere() {
    let (tree, [one, ..]) = forest();
    tree.configure(&one, of(VCPU, 4), Expect::Any).unwrap();
    let (new, other) = (spec(6), spec(7));
    let handle = new.to_come();
    let foreign = Error::ForeignProvider { provider: uuid(6) };
    let claim = || Claim::new(consumer(1)).take(&handle, VCPU, 1);
    let chain = || Claim::new(consumer(1)).take_with_ancestors(&handle, VCPU, 1);
    for batch in [Batch::new(), Batch::new().create(other)] {
        let batches = [
            batch.clone().claim(claim()),
            batch.clone().claim(claim().take(&one, VCPU, 1)),
            batch.clone().claim(chain()),
            batch.clone().replace(claim(), Expect::Any),
            batch.clone().configure(&handle, of(VCPU, 1), Expect::Any),
            batch.clone().reparent(&handle, None),
            batch.clone().reparent(&one, Some(&handle)),
            batch.clone().cordon(&handle),
            batch.clone().uncordon(&handle),
            batch.clone().remove(&handle),
        ];
        for batch in &batches {
            assert_eq!(refused(&tree, batch), foreign, "{batch:?}");
        }
    }
    {
        let mut worker = tree.worker().unwrap();
        assert_eq!(worker.claim(&claim()), Err(foreign.clone()));
        assert_eq!(worker.claim(&chain()), Err(foreign.clone()));
        assert_eq!(worker.replace(&claim(), Expect::Any), Err(foreign.clone()));
        assert_eq!(worker.take(&handle, &[(VCPU, 1)]), Err(foreign.clone()));
        assert_eq!(worker.put_back(&handle, &[(VCPU, 1)]), Err(foreign.clone()));
        assert_eq!(worker.configuration(&handle).map(drop), Err(foreign.clone()));
        assert_eq!(worker.claim_partly(&claim()).map(drop), Err(foreign.clone()));
        assert_eq!(worker.claim_gang(&[claim()], 1).map(drop), Err(foreign.clone()));
    }
    {
        let snapshot = tree.snapshot();
        let mut fork = snapshot.fork();
        assert_eq!(fork.claim(&claim()), Err(foreign.clone()));
        assert_eq!(fork.fits(&chain()), Err(foreign.clone()));
        assert_eq!(fork.set_inventories(&handle, of(VCPU, 1)), Err(foreign.clone()));
        assert_eq!(fork.cordon(&handle), Err(foreign.clone()));
        assert_eq!(fork.usage(&handle, VCPU), Err(foreign.clone()));
        assert_eq!(snapshot.usage(&handle, VCPU), Err(foreign.clone()));
        assert_eq!(snapshot.children(&handle), Err(foreign.clone()));
        assert_eq!(snapshot.configuration(&handle).map(drop), Err(foreign.clone()));
        let mut view = tree.view();
        assert!(view.usage(&handle, VCPU).is_err());
        assert!(view.reread(&handle).is_err());
        view.claimed(&claim());
        view.released(&claim());
        view.assume(&claim());
        view.undo(&claim());
        view.refresh();
        let fresh = tree.view();
        assert_eq!(view.usage(&one, VCPU), fresh.usage(&one, VCPU));
    }
    assert_eq!(tree.configuration(&handle).map(drop), Err(foreign.clone()));
    assert_eq!(tree.configure(&handle, of(VCPU, 1), Expect::Any).map(drop), Err(foreign.clone()));
    assert_eq!(tree.reparent(&handle, None), Err(foreign.clone()));
    assert_eq!(tree.reparent(&one, Some(&handle)), Err(foreign.clone()));
    assert_eq!(tree.create_child(&handle, "x", None), Err(foreign.clone()));
    assert_eq!(tree.remove(&handle), Err(foreign.clone()));
    assert_eq!(tree.remove_leaf(&handle), Err(foreign.clone()));
    assert_eq!(tree.rename(&handle, "x"), Err(foreign.clone()));
    assert_eq!(tree.cordon(&handle), Err(foreign.clone()));
    assert_eq!(tree.usage(&handle, VCPU), Err(foreign.clone()));
    assert_eq!(tree.version(&handle).map(drop), Err(foreign.clone()));
    assert_eq!(tree.subtree(&handle), Err(foreign));
    assert_no_leaks(&tree);
}

#[test]
fn entries_that_contradict_each_other_or_the_forest_are_refused() {
    let (tree, [one, two, ..]) = forest();
    let faults_of = |batch: &Batch| match refused(&tree, batch) {
        Error::InvalidEntries { faults } => faults,
        error => panic!("{error}"),
    };
    let twice = Batch::new().create(spec(6)).create(spec(6));
    assert_eq!(faults_of(&twice), [Fault::DuplicateUuid { provider: uuid(6) }]);
    let same_name = Batch::new().create(spec(6)).create(ProviderSpec::new(uuid(7), "p6"));
    assert_eq!(faults_of(&same_name).len(), 2);
    let itself = Batch::new().create(spec(6).with_parent(uuid(6)));
    assert_eq!(faults_of(&itself), [Fault::Cycle { provider: uuid(6) }]);
    for parent in [Uuid::nil(), uuid(99), consumer(1)] {
        let orphan = Batch::new().create(spec(6).with_parent(parent));
        assert_eq!(faults_of(&orphan), [Fault::Orphan { provider: uuid(6), parent }]);
    }
    let exists = Batch::new().create(ProviderSpec::new(two.uuid(), "x"));
    assert_eq!(refused(&tree, &exists), Error::UuidExists { uuid: two.uuid() });
    let renewed = exists.remove(&two);
    assert_eq!(refused(&tree, &renewed), Error::UuidExists { uuid: two.uuid() });
    let named = Batch::new().create(ProviderSpec::new(uuid(6), "p2")).remove(&two);
    assert_eq!(refused(&tree, &named), Error::NameExists { name: "p2".into() });
    tree.configure(&one, of(VCPU, 4), Expect::Any).unwrap();
    let _receipt =
        tree.worker().unwrap().claim(&Claim::new(consumer(1)).take(&one, VCPU, 1)).unwrap();
    let orphan = Batch::new().create(spec(6).with_parent(consumer(1)));
    let fault = Fault::Orphan { provider: uuid(6), parent: consumer(1) };
    assert_eq!(faults_of(&orphan), [fault]);
    commit(&tree, &Batch::new().create(ProviderSpec::new(Uuid::nil(), "nil")));
    commit(&tree, &Batch::new().create(spec(6).with_parent(Uuid::nil())));
}

#[test]
fn every_creation_whose_parent_is_gone_is_named() {
    let (tree, [one, two, three, four, five]) = forest();
    let held = Claim::new(consumer(1)).take(&four, VCPU, 1);
    tree.configure(&four, of(VCPU, 4), Expect::Any).unwrap();
    let _receipt = tree.worker().unwrap().claim(&held).unwrap();
    let new = spec(10).with_inventories(of(VCPU, 4));
    let batch = Batch::new()
        .replace(Claim::new(consumer(2)).take(&new.to_come(), VCPU, 1), Expect::Any)
        .create(new)
        // Orphans, two of them of one parent.
        .create(spec(11).with_parent(two.uuid()))
        .create(spec(12).with_parent(three.uuid()))
        .create(spec(13).with_parent(five.uuid()))
        .create(spec(14).with_parent(two.uuid()))
        // Below an orphan, below a parent that stays, and below one that is new.
        .create(spec(15).with_parent(uuid(11)))
        .create(spec(16).with_parent(one.uuid()))
        .create(spec(17).with_parent(uuid(10)))
        // What has never been a provider, and what is something else.
        .create(spec(18).with_parent(uuid(99)))
        .create(spec(19).with_parent(consumer(1)))
        .configure(&one, of(DISK, 4), Expect::Any)
        .reparent(&four, None);
    // With what is below it.
    tree.remove(&two).unwrap();
    tree.remove(&five).unwrap();
    let orphans = [
        (11, two.uuid()),
        (12, three.uuid()),
        (13, five.uuid()),
        (14, two.uuid()),
        (18, uuid(99)),
        (19, consumer(1)),
    ];
    let faults = orphans.map(|(new, parent)| Fault::Orphan { provider: uuid(new), parent });
    assert_eq!(refused(&tree, &batch), Error::InvalidEntries { faults: faults.to_vec() });
    assert_eq!(tree.providers(), [one, four]);
    // The same orphans as a list.
    let specs = orphans.map(|(new, parent)| spec(new).with_parent(parent));
    assert_eq!(tree.populate(&specs), Err(Error::InvalidEntries { faults: faults.to_vec() }));
}

/// Random numbers from a seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn is_one_of(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }
}

/// An amount of a class of a provider, and whether its ancestors give it too.
type Line = (Provider, ResourceClass, u64, bool);

/// What a batch does, as plain values. Providers are named by their handles; those to come by theirs.
#[derive(Clone, Default, Debug)]
struct Steps {
    created: Vec<ProviderSpec>,
    moved: Vec<(Provider, Option<Provider>)>,
    edited: Vec<(Provider, Edit)>,
    uncordoned: Vec<Provider>,
    released: Vec<Uuid>,
    /// The consumers with what they want, and whether that replaces what they hold.
    claimed: Vec<(Uuid, Vec<Line>, bool)>,
    cordoned: Vec<Provider>,
    removed: Vec<Provider>,
}

/// Counts the uuids of providers and of consumers that there are.
const UUIDS: u64 = 12;

impl Steps {
    fn random(random: &mut Random, tree: &ProviderTree, old: &[Provider]) -> Self {
        let mut steps = Steps::default();
        let mut known = tree.providers();
        let count = |random: &mut Random| random.below(3) * random.below(2);
        for _ in 0..count(random) {
            let mut new = spec(random.below(UUIDS));
            if !random.is_one_of(3) {
                new = new.with_parent(uuid(random.below(UUIDS)));
            }
            new = new.with_inventories(inventories(random)).with_traits(traits(random));
            new = new.with_aggregates(aggregates(random));
            known.push(new.to_come());
            steps.created.push(new);
        }
        if random.is_one_of(20) {
            known.extend(old);
        }
        if known.is_empty() {
            return steps;
        }
        let any = |random: &mut Random| known[random.below(known.len() as u64) as usize];
        for _ in 0..random.below(4) {
            let (provider, parent) = (any(random), any(random));
            let parent = (!random.is_one_of(4)).then_some(parent);
            if !provider_is_to_come(&steps, &provider)
                && !steps.moved.iter().any(|(moved, _)| *moved == provider)
            {
                steps.moved.push((provider, parent));
            }
        }
        for _ in 0..count(random) {
            let provider = any(random);
            let edit = match random.below(4) {
                0 => inventories(random).into(),
                2 => Edit::new().set_aggregates(aggregates(random)),
                1 => Edit::new().set_traits(traits(random)),
                _ => Edit::new().add_traits(traits(random)).set_inventories(inventories(random)),
            };
            if !provider_is_to_come(&steps, &provider)
                && !steps.edited.iter().any(|(edited, _)| *edited == provider)
            {
                steps.edited.push((provider, edit));
            }
        }
        let cordons =
            |random: &mut Random| (0..count(random)).map(|_| any(random)).collect::<Vec<_>>();
        steps.uncordoned = cordons(random);
        steps.cordoned = cordons(random);
        steps.removed = cordons(random);
        steps.removed.retain(|provider| !steps.created.iter().any(|it| it.to_come() == *provider));
        let mut names: BTreeSet<u64> = BTreeSet::new();
        for _ in 0..count(random) {
            let number = random.below(UUIDS);
            if names.insert(number) {
                steps.released.push(consumer(number));
            }
        }
        for _ in 0..count(random) {
            let number = random.below(UUIDS);
            if !names.insert(number) {
                continue;
            }
            let lines = (0..=random.below(2)).map(|_| {
                let class = if random.is_one_of(3) { DISK } else { VCPU };
                (any(random), class, 1 + random.below(3), random.is_one_of(5))
            });
            let lines = lines.collect();
            steps.claimed.push((consumer(number), lines, random.is_one_of(2)));
        }
        steps
    }

    fn batch(&self) -> Batch {
        let mut batch = Batch::new();
        for provider in &self.removed {
            batch = batch.remove(provider);
        }
        for (provider, edit) in &self.edited {
            if provider.uuid().as_u128() % 2 == 0 {
                batch = batch.configure(provider, edit.clone(), Expect::Any);
            }
        }
        for (provider, parent) in &self.moved {
            batch = batch.reparent(provider, parent.as_ref());
        }
        for (provider, edit) in &self.edited {
            if provider.uuid().as_u128() % 2 == 1 {
                batch = batch.configure(provider, edit.clone(), Expect::Any);
            }
        }
        for provider in &self.cordoned {
            batch = batch.cordon(provider);
        }
        for (consumer, lines, replaces) in &self.claimed {
            let claim = claim(*consumer, lines, |provider| *provider);
            batch = match replaces {
                true => batch.replace(claim, Expect::Any),
                false => batch.claim(claim),
            };
        }
        for provider in &self.uncordoned {
            batch = batch.uncordon(provider);
        }
        for consumer in &self.released {
            batch = batch.release(*consumer, Expect::Any);
        }
        self.created.iter().cloned().fold(batch, Batch::create)
    }

    /// The providers that there are already, as far as the handles say, and that the batch names.
    fn named(&self) -> impl Iterator<Item = &Provider> {
        let moved = self.moved.iter().flat_map(|(one, parent)| [Some(one), parent.as_ref()]);
        let edited = self.edited.iter().map(|(one, _)| one);
        let claimed = self.claimed.iter().flat_map(|(_, lines, _)| lines.iter().map(|it| &it.0));
        let cordons = self.uncordoned.iter().chain(&self.cordoned).chain(&self.removed);
        let all = moved.flatten().chain(edited).chain(claimed).chain(cordons);
        all.filter(|provider| !provider_is_to_come(self, provider))
    }
}

fn provider_is_to_come(steps: &Steps, provider: &Provider) -> bool {
    steps.created.iter().any(|it| it.to_come() == *provider)
}

fn claim(consumer: Uuid, lines: &[Line], handle: impl Fn(&Provider) -> Provider) -> Claim {
    lines.iter().fold(Claim::new(consumer), |claim, (provider, class, amount, is_chain)| {
        let provider = handle(provider);
        match is_chain {
            true => claim.take_with_ancestors(&provider, *class, *amount),
            false => claim.take(&provider, *class, *amount),
        }
    })
}

fn inventories(random: &mut Random) -> Inventories {
    let mut all = Inventories::new();
    if !random.is_one_of(3) {
        all = all.with(VCPU, Inventory::new(1 + random.below(8)));
    }
    if random.is_one_of(2) {
        all =
            all.with(DISK, Inventory::new(4 + random.below(4)).with_max_unit(2 + random.below(4)));
    }
    all
}

fn traits(random: &mut Random) -> Vec<Trait> {
    let mut all = Vec::new();
    if random.is_one_of(3) {
        all.push(Trait::MISC_SHARES_VIA_AGGREGATE);
    }
    if random.is_one_of(2) {
        all.push(Trait::new("HW_CPU_X86_AVX2").unwrap());
    }
    all
}

fn aggregates(random: &mut Random) -> Vec<Uuid> {
    (0..2).filter(|_| random.is_one_of(2)).map(|number| uuid(100 + number)).collect()
}

/// Why the steps were refused.
enum Refused {
    /// The batch has to be refused too.
    All,
    /// The batch may pass, as it may take again what it has given back.
    Perhaps,
}

impl From<Error> for Refused {
    fn from(_: Error) -> Self {
        Refused::All
    }
}

/// Makes the steps one by one in a copy of the forest. Returns the dump of the copy, and which providers
/// have changed once.
fn one_by_one(tree: &ProviderTree, steps: &Steps) -> Result<(Dump, BTreeSet<Uuid>), Refused> {
    let copy = ProviderTree::load(&tree.snapshot().dump().unwrap()).unwrap();
    let lives = |provider: &Provider| tree.find(provider.uuid()) == Some(*provider);
    let mut worker = copy.worker().unwrap();
    let mut replaces = false;
    for consumer in &steps.released {
        let _receipt = worker.release(*consumer)?;
        replaces = true;
    }
    for (consumer, _, is_replacement) in &steps.claimed {
        match worker.release(*consumer) {
            Ok(_) if !is_replacement => return Err(Refused::All),
            Ok(_) => replaces = true,
            Err(_) => {}
        }
    }
    // Parents first, and else in their order.
    let uuids: BTreeSet<_> = steps.created.iter().map(|it| it.uuid).collect();
    if uuids.len() < steps.created.len() {
        return Err(Refused::All);
    }
    let is_listed = |parent: &Option<Uuid>| parent.is_some_and(|parent| uuids.contains(&parent));
    let mut order: Vec<_> = steps.created.iter().filter(|it| !is_listed(&it.parent)).collect();
    let mut next = 0;
    while let Some(parent) = order.get(next) {
        let parent = parent.uuid;
        order.extend(steps.created.iter().filter(|it| it.parent == Some(parent)));
        next += 1;
    }
    if order.len() < steps.created.len() {
        return Err(Refused::All);
    }
    for new in order {
        let provider = match new.parent {
            None => copy.create_root(&new.name, new.uuid)?,
            Some(parent) => {
                let Some(parent) = copy.find(parent) else { return Err(Refused::All) };
                copy.create_child(&parent, &new.name, new.uuid)?
            }
        };
        let edit = Edit::from((*new.inventories).clone())
            .set_traits(new.traits.iter().copied())
            .set_aggregates(new.aggregates.iter().copied());
        copy.configure(&provider, edit, Expect::Keep)?;
    }
    let handle = |provider: &Provider| -> Result<Provider, Refused> {
        match provider_is_to_come(steps, provider) || lives(provider) {
            true => copy.find(provider.uuid()).ok_or(Refused::All),
            false => Err(Refused::All),
        }
    };
    let mut changed = BTreeSet::new();
    for &(provider, parent) in &steps.moved {
        let parent = parent.as_ref().map(handle).transpose()?;
        copy.reparent(&handle(&provider)?, parent.as_ref())?;
        changed.insert(provider.uuid());
    }
    for (provider, edit) in &steps.edited {
        if copy.configure(&handle(provider)?, edit.clone(), Expect::Keep)?.changed {
            changed.insert(provider.uuid());
        }
    }
    for provider in &steps.uncordoned {
        copy.uncordon(&handle(provider)?)?;
    }
    for (consumer, lines, _) in &steps.claimed {
        for (provider, ..) in lines {
            handle(provider)?;
        }
        let claim = claim(*consumer, lines, |it| copy.find(it.uuid()).unwrap());
        worker.claim(&claim).map_err(|error| match error {
            Error::CapacityExceeded { .. }
            | Error::Cordoned { .. }
            | Error::UnitViolation { .. }
                if replaces =>
            {
                Refused::Perhaps
            }
            _ => Refused::All,
        })?;
    }
    for provider in &steps.cordoned {
        copy.cordon(&handle(provider)?)?;
    }
    for provider in &steps.removed {
        match (lives(provider), copy.find(provider.uuid())) {
            (true, Some(provider)) => drop(copy.remove(&provider)?),
            (true, None) => {}
            (false, _) => return Err(Refused::All),
        }
    }
    let touched = steps.edited.iter().map(|(it, _)| it).chain(steps.moved.iter().map(|(it, _)| it));
    let touched = touched.map(Provider::uuid).chain(uuids.iter().copied());
    if touched.into_iter().any(|uuid| copy.find(uuid).is_none()) {
        return Err(Refused::All);
    }
    check(&copy);
    Ok((copy.snapshot().dump().unwrap(), changed))
}

/// The dump without generations, and the generations of the providers.
fn without_generations(mut dump: Dump) -> (Dump, BTreeMap<Uuid, u64>) {
    let mut generations = BTreeMap::new();
    for provider in &mut dump.providers {
        let configuration = &mut provider.configuration;
        generations.insert(configuration.uuid, std::mem::take(&mut configuration.generation));
    }
    for consumer in &mut dump.consumers {
        consumer.generation = 0;
    }
    dump.consumers.sort_by_key(|it| it.consumer);
    for consumer in &mut dump.consumers {
        consumer.allocations.sort_by_key(|it| (it.provider, it.class));
    }
    (dump, generations)
}

/// Everything that a view finds, sorted.
fn found(view: &View) -> Vec<Vec<(Uuid, ResourceClass, u64)>> {
    let one = |class| Group::new().take(class, 1);
    let requests = [
        Request::new().group("one", one(VCPU)),
        Request::new().group("one", one(DISK)),
        Request::new().group("cpu", one(VCPU)).group("disk", one(DISK)),
    ];
    let mut all = Vec::new();
    for request in &requests {
        let mut prepared = view.prepare(request).unwrap();
        for candidate in view.candidates(&mut prepared).unwrap() {
            let lines = candidate.lines().map(|(it, class, amount)| (it.uuid(), class, amount));
            all.push(lines.collect());
        }
    }
    all.sort();
    all
}

#[test]
fn a_batch_does_what_its_steps_do_one_by_one() {
    let (mut passed, mut refused, mut open) = (0, 0, 0);
    let seeds = if cfg!(debug_assertions) { 60 } else { 1_000 };
    for seed in 0..seeds {
        let random = &mut Random(seed);
        let tree = ProviderTree::new();
        {
            let mut worker: Worker = tree.worker().unwrap();
            let mut view = tree.view();
            let mut old: Vec<Provider> = Vec::new();
            let first = tree.snapshot();
            let mut feed = tree.subscribe(&first);
            let mut mirror = Mirror::new(&first).unwrap();
            drop(first);
            for round in 0..40 {
                let steps = Steps::random(random, &tree, &old);
                let before = tree.snapshot().dump().unwrap();
                let known = tree.providers();
                let expected = one_by_one(&tree, &steps);
                let told = || format!("seed {seed}, round {round}: {steps:?} in {before:?}");
                let outcome = worker.commit(&steps.batch());
                let after = tree.snapshot().dump().unwrap();
                match (&outcome, expected) {
                    (Ok(_), Ok((expected, changed))) => {
                        passed += 1;
                        let (after, generations) = without_generations(after.clone());
                        let (expected, _) = without_generations(expected);
                        assert_eq!(after, expected, "{}", told());
                        let (_, before) = without_generations(before.clone());
                        for (uuid, generation) in generations {
                            let grown = u64::from(changed.contains(&uuid));
                            let expected = before.get(&uuid).map_or(0, |before| before + grown);
                            assert_eq!(generation, expected, "{uuid} {}", told());
                        }
                    }
                    (Err(error), Err(_)) => {
                        refused += 1;
                        assert_eq!(after, before, "{}", told());
                        if let Error::Removed { provider } = error {
                            let is_old = |it: &Provider| it.uuid() == *provider;
                            assert!(old.iter().any(is_old), "{error}: {}", told());
                        }
                    }
                    (Ok(_), Err(Refused::Perhaps)) => open += 1,
                    (Ok(_), Err(Refused::All)) => panic!("passed: {}", told()),
                    (Err(error), Ok(_)) => panic!("refused: {error}: {}", told()),
                }
                check(&tree);
                old.extend(known.into_iter().filter(|it| tree.find(it.uuid()) != Some(*it)));
                for provider in tree.providers() {
                    let remembered = worker.configuration(&provider).unwrap().clone();
                    assert_eq!(remembered, tree.configuration(&provider).unwrap(), "{}", told());
                }
                if !random.is_one_of(4) {
                    view.refresh();
                    let fresh = tree.view();
                    assert_eq!(found(&view), found(&fresh), "{}", told());
                    for provider in tree.providers() {
                        for class in [VCPU, DISK] {
                            let (one, other) =
                                (view.usage(&provider, class), fresh.usage(&provider, class));
                            assert_eq!(one, other, "{}", told());
                        }
                    }
                    assert_eq!(view.providers(), fresh.providers(), "{}", told());
                    assert_eq!(view.trees(), fresh.trees(), "{}", told());
                }
                if random.is_one_of(2) {
                    mirror.apply(&feed.poll().unwrap()).unwrap();
                    assert_eq!(
                        mirror.dump(),
                        without_floors(tree.snapshot().dump().unwrap()),
                        "{}",
                        told()
                    );
                }
            }
        }
        assert_no_leaks(&tree);
    }
    println!("{passed} passed, {refused} refused, {open} open");
    assert!(passed > 10 * seeds && refused > 5 * seeds);
}

/// Fails unless an error can have been true of some instant of a forest in which others make batches.
fn check_error(steps: &Steps, error: &Error) {
    let named = |uuid: &Uuid| steps.named().any(|it| it.uuid() == *uuid);
    match error {
        Error::Removed { provider } => assert!(named(provider), "{error}: {steps:?}"),
        Error::ForeignProvider { .. } | Error::TooLarge { .. } | Error::NotIssued { .. } => {
            panic!("{error}: {steps:?}")
        }
        _ => {}
    }
}

#[test]
fn batches_of_several_threads_keep_the_forest_sound() {
    let rounds = if cfg!(debug_assertions) { 1_500 } else { 20_000 };
    let tree = ProviderTree::new();
    let passed = AtomicU64::new(0);
    thread::scope(|threads| {
        let others = [0, 1, 2].map(|seed| {
            let (tree, passed) = (&tree, &passed);
            threads.spawn(move || {
                let random = &mut Random(1_000 + seed);
                let mut worker = tree.worker().unwrap();
                let mut old: Vec<Provider> = Vec::new();
                for _ in 0..rounds {
                    let steps = Steps::random(random, tree, &old);
                    match worker.commit(&steps.batch()) {
                        Ok(_) => drop(passed.fetch_add(1, Ordering::Relaxed)),
                        Err(error) => check_error(&steps, &error),
                    }
                    let all = tree.providers();
                    if let Some(provider) = all.get(random.below(UUIDS) as usize) {
                        let other = all[random.below(all.len() as u64) as usize];
                        if let Ok(now) = worker.configuration(provider) {
                            assert_eq!(now.uuid, provider.uuid());
                        }
                        match random.below(12) {
                            0 => drop(tree.remove(provider)),
                            1 => drop(tree.reparent(provider, Some(&other))),
                            2 => drop(tree.cordon(provider)),
                            3 => drop(tree.uncordon(provider)),
                            4 => drop(tree.create_child(provider, "p1", uuid(1))),
                            5 => drop(tree.rename(provider, &format!("p{}", random.below(UUIDS)))),
                            6 => drop(tree.populate(&[spec(2), spec(3).with_parent(uuid(2))])),
                            _ => {}
                        }
                    }
                    old.truncate(4);
                    old.extend(all.into_iter().take(2));
                }
            })
        });
        let mut view = tree.view();
        let first = tree.snapshot();
        let mut feed = tree.subscribe(&first);
        let mut mirror = Mirror::new(&first).unwrap();
        drop(first);
        let mut looks = 0;
        while others.iter().any(|other| !other.is_finished()) {
            check_snapshot(&tree.snapshot());
            view.refresh();
            mirror.apply(&feed.poll().unwrap()).unwrap();
            assert_eq!(mirror.dump(), without_floors(feed.position().dump().unwrap()));
            looks += 1;
        }
        others.into_iter().for_each(|other| other.join().unwrap());
        view.refresh();
        let fresh = tree.view();
        assert_eq!(found(&view), found(&fresh));
        assert_eq!((view.providers(), view.trees()), (fresh.providers(), fresh.trees()));
        println!("{} batches passed, {looks} looks", passed.load(Ordering::Relaxed));
    });
    check(&tree);
    assert_no_leaks(&tree);
}
