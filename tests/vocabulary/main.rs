//! How many classes there can be: in a process of its own, as there is room for no others after it.

use provider_tree::{Error, Expect, Inventories, Inventory, ProviderTree, ResourceClass};

#[test]
fn there_are_65536_classes() {
    let new = |count: usize| ResourceClass::new(&format!("CUSTOM_FILL_{count}"));
    let made = (0..).find(|count| new(*count).is_err()).expect("there is a bound");
    let too_many =
        Error::TooLarge { what: "resource classes in the process", limit: 65_536, full: true };
    assert!(too_many.is_full());
    assert_eq!(new(made), Err(too_many));
    // The others are the standard ones.
    assert!((65_400..65_536).contains(&made), "{made}");
    assert!(ResourceClass::new("CUSTOM_ONE_MORE").is_err());
    // Those that are known stay so, and can be used, the last as well as the first.
    for known in ["VCPU".to_owned(), "CUSTOM_FILL_0".into(), format!("CUSTOM_FILL_{}", made - 1)] {
        let class = ResourceClass::new(&known).unwrap();
        assert_eq!(class.name(), known);
        let tree = ProviderTree::new();
        let host = tree.create_root("host", None).unwrap();
        let inventories = Inventories::new().with(class, Inventory::new(8));
        tree.configure(&host, inventories, Expect::Any).unwrap();
        assert_eq!(tree.usage(&host, class).unwrap().capacity, 8);
        assert_eq!(tree.usages(&host).unwrap()[0].0, class);
    }
}
