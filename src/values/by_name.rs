//! Makes classes and traits from their names.

use std::str::FromStr;

use crate::error::{Error, Result, check_term_name};
use crate::values::resource_class::{MOST_CLASSES_EVER, ResourceClass};
use crate::values::traits::{MOST_TRAITS, Trait};

impl ResourceClass {
    /// Returns the class called `name`. The name stays known for the life of the process.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidName`](Error::InvalidName) unless the name is 1 to 255 ASCII letters,
    /// digits and `_ . / - :`; [`TooLarge`](Error::TooLarge) beyond 65,536 classes.
    pub fn new(name: &str) -> Result<Self> {
        check_term_name(name)?;
        let (what, limit) = ("resource classes in the process", MOST_CLASSES_EVER as u64);
        ResourceClass::intern(name).ok_or(Error::TooLarge { what, limit, full: true })
    }
}

impl FromStr for ResourceClass {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        ResourceClass::new(name)
    }
}

impl Trait {
    /// Returns the trait called `name`. The name stays known for the life of the process.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidName`](Error::InvalidName) unless the name is 1 to 255 ASCII letters,
    /// digits and `_ . / - :`; [`TooLarge`](Error::TooLarge) beyond 2<sup>32</sup> - 1 traits.
    pub fn new(name: &str) -> Result<Self> {
        check_term_name(name)?;
        let (what, limit) = ("traits in the process", MOST_TRAITS as u64);
        Trait::intern(name).ok_or(Error::TooLarge { what, limit, full: true })
    }
}

impl FromStr for Trait {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Trait::new(name)
    }
}

#[cfg(all(test, not(provider_tree_loom)))]
mod tests {
    use super::*;

    #[test]
    fn one_name_one_class() {
        let class = ResourceClass::new("CUSTOM_ONE_NAME").unwrap();
        assert_eq!(ResourceClass::new("CUSTOM_ONE_NAME").unwrap(), class);
        assert_ne!(ResourceClass::new("CUSTOM_OTHER_NAME").unwrap(), class);
        assert_eq!(class.to_string(), "CUSTOM_ONE_NAME");
    }

    #[test]
    fn standard_classes_have_their_names() {
        assert_eq!(ResourceClass::VCPU.name(), "VCPU");
        assert_eq!(ResourceClass::NET_PACKET_RATE_IGR_KILOPACKET_PER_SEC.number(), 20);
        assert_eq!("PCPU".parse(), Ok(ResourceClass::PCPU));
    }

    #[test]
    fn names_are_checked() {
        for name in ["", "two words", "CUSTOM_\u{e9}", &"x".repeat(256)] {
            let error = ResourceClass::new(name).unwrap_err();
            assert!(matches!(error, Error::InvalidName { .. }), "{name:?}: {error}");
        }
        assert!(ResourceClass::new(&"x".repeat(255)).is_ok());
    }

    #[test]
    fn threads_agree_on_a_new_class() {
        let classes: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..8).map(|_| scope.spawn(|| ResourceClass::new("CUSTOM_RACED"))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap().unwrap()).collect()
        });
        assert!(classes.iter().all(|class| *class == classes[0]));
    }
}
