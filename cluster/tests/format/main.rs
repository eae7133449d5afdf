//! What commands, entries and dumps look like when they are written: against bytes that were written once,
//! and against what is read again.

#[allow(dead_code, reason = "the tests of replicas use more of it")]
#[path = "../replica/commands.rs"]
mod commands;
mod golden;
#[allow(dead_code, reason = "the tests of replicas use more of it")]
#[path = "../replica/memory_log.rs"]
mod memory_log;

use bytes::Bytes;
use golden::{COMMANDS, DUMP};
use memory_log::MemoryLog;
use proptest::prelude::*;
use provider_tree::{
    Deadline, Expect, Inventories, Inventory, Now, PartialInventories, PartialInventory,
    ProviderSpec, ResourceClass, Trait,
};
use provider_tree_cluster::command::*;
use provider_tree_cluster::log::{EntryKey, Log, Position};
use provider_tree_cluster::{Options, Replica, read_dump};
use shared::plan::Rng;
use uuid::Uuid;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.split_whitespace().collect::<String>();
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(byte).collect()
}

fn written(command: &Command) -> Vec<u8> {
    postcard::to_stdvec(command).unwrap()
}

/// A command of each kind, in the order of the kinds, and of what else is written in ways of its own.
fn all_kinds() -> Vec<Command> {
    let [a, b, vm, aggregate] = [0xa, 0xb, 0xc, 0xd].map(Uuid::from_u128);
    let class = ResourceClass::new("CUSTOM_GOLD").unwrap();
    let (vcpu, memory) = (ResourceClass::VCPU, ResourceClass::MEMORY_MB);
    let claim = Claim::new(vm)
        .take(a, vcpu, 4)
        .take(a, memory, 4096)
        .take(b, class, 1)
        .take_with_ancestors(a, vcpu, 2)
        .require_generation(a, 300)
        .with_tag(7);
    let small = Claim::new(vm).take(a, vcpu, 1);
    let inventory = Inventory::new(16).with_reserved(1).with_allocation_ratio(1.5);
    let inventories = Inventories::new().with(vcpu, inventory).with(class, Inventory::new(2));
    let partial = PartialInventories::new().with(vcpu, PartialInventory::new(8));
    let shared = Trait::MISC_SHARES_VIA_AGGREGATE;
    let spec = ProviderSpec::new(a, "host-ä")
        .with_parent(b)
        .with_generation(3)
        .with_inventories(inventories.clone())
        .with_traits([shared])
        .with_aggregates([aggregate]);
    let edit = Edit::new()
        .with(EditStep::SetInventories(inventories))
        .with(EditStep::UpdateInventories(partial))
        .with(EditStep::RemoveInventories(vec![class]))
        .with(EditStep::SetTraits(vec![shared]))
        .with(EditStep::AddTraits(vec![]))
        .with(EditStep::RemoveTraits(vec![shared]))
        .with(EditStep::SetAggregates(vec![aggregate]))
        .with(EditStep::AddAggregates(vec![]))
        .with(EditStep::RemoveAggregates(vec![aggregate]));
    let configure = Configure { provider: a, edit, expect: Expect::Mirror(9) };
    let amounts = vec![(vcpu, 2)];
    let (consumer, provider, generation, now) = (vm, a, 5, Now(1_000));
    let batch = Batch {
        consumers: vec![
            ConsumerChange::Claim(small.clone()),
            ConsumerChange::Replace { claim: small.clone(), expect: Expect::Keep },
            ConsumerChange::Release { consumer, expect: Expect::Generation(2) },
        ],
        created: vec![ProviderSpec::new(b, "b")],
        configured: vec![Configure { provider, edit: Edit::new(), expect: Expect::Any }],
        moved: vec![Move { provider, parent: None }],
        removed: vec![a],
        cordoned: vec![b],
        uncordoned: vec![a, b],
    };
    vec![
        claim.clone().into(),
        Replace { claim: small.clone(), expect: Expect::Generation(5) }.into(),
        Release { consumer }.into(),
        ClaimGang { members: vec![claim.clone(), small.clone()], at_least: 1 }.into(),
        ClaimPartly { claim }.into(),
        Lease { claim: small, deadline: Deadline(2_000) }.into(),
        Confirm { consumer, generation, now }.into(),
        Renew { consumer, generation, deadline: Deadline(3_000), now }.into(),
        Cancel { consumer, generation }.into(),
        Expire { now }.into(),
        Take { provider, amounts: amounts.clone() }.into(),
        PutBack { provider, amounts }.into(),
        batch.into(),
        Create { uuid: a, name: "a".to_owned(), parent: Some(b) }.into(),
        Populate { providers: vec![spec] }.into(),
        Remove { provider }.into(),
        RemoveLeaf { provider }.into(),
        Move { provider, parent: Some(b) }.into(),
        Rename { provider, name: String::new() }.into(),
        Cordon { provider }.into(),
        Uncordon { provider }.into(),
        configure.into(),
    ]
}

#[test]
fn every_kind_of_command_is_written_as_it_always_was() {
    let all = all_kinds();
    assert_eq!(all.len() as u64, commands::KINDS);
    let print = || {
        let line = |command| {
            let json = serde_json::to_string(command).unwrap();
            format!(
                "    (\n        r#\"{json}\"#,\n        \"{}\",\n    ),\n",
                hex(&written(command))
            )
        };
        all.iter().map(line).collect::<String>()
    };
    assert_eq!(COMMANDS.len(), all.len(), "now:\n{}", print());
    for (at, (command, (json, bytes))) in all.iter().zip(COMMANDS).enumerate() {
        assert_eq!(written(command)[0] as usize, at, "the number of the kind");
        assert_eq!(hex(&written(command)), *bytes, "{command:?}");
        assert_eq!(serde_json::to_string(command).unwrap(), *json);
        assert_eq!(postcard::from_bytes::<Command>(&unhex(bytes)).unwrap(), *command);
        assert_eq!(serde_json::from_str::<Command>(json).unwrap(), *command);
    }
}

#[test]
fn what_need_not_be_said_in_json_need_not_be_said() {
    let (vm, host) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let claim = Claim::new(vm).take(host, ResourceClass::VCPU, 4);
    let cases: [(&str, Command); 4] = [
        (
            r#"{"claim": {"consumer": "00000000-0000-0000-0000-000000000001",
                "takes": [{"provider": "00000000-0000-0000-0000-000000000002", "amounts": {"VCPU": 4}}]}}"#,
            claim.into(),
        ),
        (
            r#"{"release": {"consumer": "00000000-0000-0000-0000-000000000001"}}"#,
            Release { consumer: vm }.into(),
        ),
        (
            r#"{"create": {"uuid": "00000000-0000-0000-0000-000000000002", "name": "a"}}"#,
            Create { uuid: host, name: "a".to_owned(), parent: None }.into(),
        ),
        (r#"{"batch": {}}"#, Batch::default().into()),
    ];
    for (json, command) in cases {
        assert_eq!(serde_json::from_str::<Command>(json).unwrap(), command);
    }
    let unknown =
        r#"{"release": {"consumer": "00000000-0000-0000-0000-000000000001", "force": true}}"#;
    assert!(serde_json::from_str::<Command>(unknown).is_err());
    let nowhere = r#"{"move": {"provider": "00000000-0000-0000-0000-000000000002"}}"#;
    assert!(serde_json::from_str::<Command>(nowhere).is_err());
    let to_the_roots =
        r#"{"move": {"provider": "00000000-0000-0000-0000-000000000002", "parent": null}}"#;
    let command: Command = Move { provider: host, parent: None }.into();
    assert_eq!(serde_json::from_str::<Command>(to_the_roots).unwrap(), command);
}

fn options() -> Options {
    Options { most_entry_bytes: 20, dump_every_bytes: 2_000, ..Options::default() }
}

#[tokio::test]
async fn every_content_of_an_entry_is_written_as_it_always_was() {
    let log = MemoryLog::new();
    let replica = Replica::start(log.clone(), options()).await.unwrap();
    let provider = Uuid::from_u128(0xa);
    let refused = replica.ask(Rename { provider, name: "twenty and some bytes".to_owned() }).await;
    assert!(refused.is_err());
    let mark = replica.mark().await.unwrap();
    let entries = log.history();
    let name = hex(b"twenty and some bytes");
    let (first, rest) = (&name[..2], &name[2..]);
    // The version, the basis, the kind; then a part, whose first byte is the kind of the command.
    assert_eq!(
        hex(&entries[0].bytes),
        format!("010001 12 10{:032x} 15 {first}", 0xa).replace(' ', "")
    );
    let ends = entries[1].bytes.iter().skip(3).copied().collect::<Vec<_>>();
    assert_eq!(hex(&ends), rest[..40]);
    assert_eq!(hex(&entries[1].bytes[..1]), "01");
    let end = entries.iter().position(|entry| entry.position == mark.position).unwrap();
    let basis = end - 1;
    let expected = format!("01{basis:02x}0310{}", hex(mark.answer.as_bytes()));
    let found = hex(&entries[end].bytes);
    assert_eq!(found[4..], expected[4..]);

    let fenced = Uuid::from_u128(0xf);
    let position = replica.fence(fenced).await.unwrap();
    let fence = log.history().iter().find(|entry| entry.position == position).unwrap().clone();
    assert_eq!(hex(&fence.bytes)[4..], format!("0410{}", hex(fenced.as_bytes())));

    while replica.status().dumped == Position(0) {
        replica.mark().await.unwrap();
    }
    let dumped = replica.status().dumped;
    // The basis ends with the first byte that has no highest bit.
    let content = |bytes: &[u8]| {
        let basis = bytes[1..].iter().position(|byte| byte & 0x80 == 0).unwrap();
        bytes[basis + 2..].to_vec()
    };
    let contents: Vec<_> = log.history().iter().map(|entry| content(&entry.bytes)).collect();
    let size = log.newest_dump().await.unwrap().unwrap().bytes.len();
    let told = [2, dumped.0 as usize, size].map(|it| u8::try_from(it).unwrap());
    assert!(contents.iter().any(|content| *content == told), "{told:?}");
}

#[tokio::test]
async fn a_dump_is_written_as_it_always_was() {
    let log = MemoryLog::new();
    let replica = Replica::start(log.clone(), Options::default()).await.unwrap();
    let host = Uuid::from_u128(0xa);
    let inventories = Inventories::new().with(ResourceClass::VCPU, Inventory::new(8));
    let providers = vec![ProviderSpec::new(host, "host").with_inventories(inventories)];
    let held = Claim::new(Uuid::from_u128(0xc)).take(host, ResourceClass::VCPU, 3).with_tag(1);
    let ended = Claim::new(Uuid::from_u128(0xd)).take(host, ResourceClass::VCPU, 1);
    let consumer = ended.consumer;
    let commands: [Command; 4] =
        [Populate { providers }.into(), held.into(), ended.into(), Release { consumer }.into()];
    let group: Vec<u8> = commands.iter().flat_map(written).collect();
    let entries = [[&[1, 0, 0][..], &group].concat(), vec![1, 1, 1, 18, 16], vec![1, 2, 2, 1, 7]];
    for (sequence, bytes) in (1..).zip(entries) {
        let key = EntryKey { replica: Uuid::from_u128(0xe), sequence };
        log.append(key, bytes.into()).await.unwrap();
    }
    replica.wait_for(Position(3)).await.unwrap();
    let dump = replica.dump().await.unwrap();
    assert_eq!(hex(&dump.bytes), DUMP.split_whitespace().collect::<String>());
    let (position, forest) = read_dump(&unhex(DUMP)).unwrap();
    assert_eq!((position, forest.providers.len()), (Position(3), 1));

    // A replica that begins with it has it again.
    let log = MemoryLog::new();
    let bytes = Bytes::from(unhex(DUMP));
    let stored = provider_tree_cluster::log::StoredDump { position, bytes };
    assert!(log.store_dump(stored).await.unwrap());
    let loaded = Replica::start(log, Options::default()).await.unwrap();
    assert_eq!(loaded.dump().await.unwrap(), dump);
}

/// A number that is at the edge now and then.
fn number() -> impl Strategy<Value = u64> + Clone {
    prop_oneof![0..5_u64, Just(u64::MAX), Just(u64::MAX - 1), Just(1 << 63), any::<u64>()]
}

fn ratio() -> impl Strategy<Value = f64> + Clone {
    let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 0.0, f64::MIN_POSITIVE, f64::MAX];
    prop_oneof![Just(1.5), proptest::sample::select(odd.to_vec()), any::<f64>()]
}

/// Commands of all kinds with any values that their types allow.
fn wild() -> impl Strategy<Value = Command> {
    let class = prop_oneof![Just("VCPU".to_owned()), "CUSTOM_[A-Z0-9_]{1,3}"];
    let name = prop_oneof![Just(String::new()), ".*", "\\PC{0,300}", Just("\0".to_owned())];
    let values = (any::<u64>(), name, class, ratio(), proptest::array::uniform6(number()));
    values.prop_map(|(seed, name, class, ratio, [a, b, c, d, e, f])| {
        let rng = &mut Rng::new(seed);
        let class = ResourceClass::new(&class).unwrap();
        let inventory = Inventory {
            total: a,
            reserved: b,
            min_unit: c,
            max_unit: d,
            step_size: e,
            allocation_ratio: ratio,
        };
        let partial = PartialInventory { reserved: None, ..inventory.into() };
        let of_few = commands::of_kind(rng.below(commands::KINDS), rng);
        wilder(of_few, &name, class, inventory, partial, [a, b, c, d, e, f])
    })
}

fn wilder(
    command: Command,
    name: &str,
    class: ResourceClass,
    inventory: Inventory,
    partial: PartialInventory,
    [a, b, c, d, e, f]: [u64; 6],
) -> Command {
    let wild_claim = |claim: Claim| {
        let provider = claim.amounts()[0].provider;
        let claim = claim.take(provider, class, a).take(provider, class, b);
        claim.take_with_ancestors(provider, class, c).require_generation(provider, d).with_tag(e)
    };
    let inventories = || Inventories::new().with(class, inventory);
    let wild_spec = |spec: ProviderSpec| ProviderSpec {
        name: name.into(),
        generation: Some(f),
        ..spec.with_inventories(inventories())
    };
    match command {
        Command::Claim(claim) => wild_claim(claim).into(),
        Command::Replace(it) => {
            Replace { claim: wild_claim(it.claim), expect: Expect::Mirror(f) }.into()
        }
        Command::ClaimGang(it) => {
            let members = it.members.into_iter().map(wild_claim).collect();
            ClaimGang { members, at_least: f }.into()
        }
        Command::ClaimPartly(it) => ClaimPartly { claim: wild_claim(it.claim) }.into(),
        Command::Lease(it) => Lease { deadline: Deadline(f), ..it }.into(),
        Command::Confirm(it) => Confirm { now: Now(a), ..it }.into(),
        Command::Renew(it) => Renew { deadline: Deadline(f), now: Now(a), ..it }.into(),
        Command::Expire(_) => Expire { now: Now(f) }.into(),
        Command::Take(it) => Take { amounts: vec![(class, a), (class, b)], ..it }.into(),
        Command::PutBack(it) => PutBack { amounts: vec![(class, a), (class, a)], ..it }.into(),
        Command::Create(it) => Create { name: name.to_owned(), ..it }.into(),
        Command::Rename(it) => Rename { name: name.to_owned(), ..it }.into(),
        Command::Populate(it) => {
            Populate { providers: it.providers.into_iter().map(wild_spec).collect() }.into()
        }
        Command::Batch(it) => {
            let created = it.created.into_iter().map(wild_spec).collect();
            Batch { created, ..it }.into()
        }
        Command::Configure(it) => {
            let step = match a % 2 {
                0 => EditStep::SetInventories(inventories()),
                _ => EditStep::UpdateInventories(PartialInventories::new().with(class, partial)),
            };
            Configure { edit: it.edit.with(step), expect: Expect::Mirror(f), ..it }.into()
        }
        other => other,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_again(command in wild()) {
        let bytes = written(&command);
        let read: Command = postcard::from_bytes(&bytes).unwrap();
        // A ratio that is not a number is not equal to itself, and its bits are.
        prop_assert_eq!(written(&read), bytes);
        prop_assert_eq!(format!("{read:?}"), format!("{command:?}"));
        let json = serde_json::to_string(&command).unwrap();
        if !json.contains("\"allocation_ratio\":null") {
            let read: Command = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(format!("{read:?}"), format!("{command:?}"));
        }
    }

    #[test]
    fn no_command_halts_a_replica(commands in proptest::collection::vec(wild(), 1..30)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let log = MemoryLog::new();
            let replica = Replica::start(log.clone(), Options::default()).await.unwrap();
            replica.ask(commands::first_providers()).await.unwrap();
            replica.submit_all(commands.clone()).await.unwrap().await.unwrap();
            let other = Replica::start(log.clone(), Options::default()).await.unwrap();
            replica.sync().await.unwrap();
            let dump = replica.dump().await.unwrap();
            other.wait_for(dump.position).await.unwrap();
            assert_eq!(other.dump().await.unwrap(), dump);
            // What it has come to can be loaded.
            let stored = provider_tree_cluster::log::StoredDump {
                position: dump.position,
                bytes: dump.bytes.clone(),
            };
            let log = MemoryLog::new();
            assert!(log.store_dump(stored).await.unwrap());
            let loaded = Replica::start(log, Options::default()).await.unwrap();
            assert_eq!(loaded.dump().await.unwrap(), dump);
        });
    }
}
