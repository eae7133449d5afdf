//! Resource classes: what inventories count.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::interner::{self, Interner};

/// Names a class of resources, which is what an inventory counts, such as `VCPU` or
/// `nvidia.com/gpu`.
///
/// The standard classes of OpenStack are constants here; other classes are made from their names. A
/// class is a small number, the same in every forest of the process, and costs nothing to copy and
/// compare. Classes are ordered by when the process first met them.
///
/// ```
/// use provider_tree::ResourceClass;
///
/// let gpu = ResourceClass::new("nvidia.com/gpu")?;
/// assert_eq!(gpu.name(), "nvidia.com/gpu");
/// assert_eq!(ResourceClass::new("VCPU")?, ResourceClass::VCPU);
/// # Ok::<(), provider_tree::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceClass(u16);

/// Bounds the number of classes: a provider's words name a class in 16 bits.
const LIMIT: usize = 1 << 16;

macro_rules! standard {
    ($($class:ident),* $(,)?) => {
        static CLASSES: Interner = Interner::new(&[$(stringify!($class)),*], LIMIT);

        #[expect(non_camel_case_types, clippy::upper_case_acronyms, reason = "named as the classes are")]
        enum Standard { $($class),* }

        impl ResourceClass {
            $(
                #[doc = concat!("`", stringify!($class), "`.")]
                pub const $class: ResourceClass = ResourceClass(Standard::$class as u16);
            )*
        }
    };
}

standard!(
    VCPU,
    MEMORY_MB,
    DISK_GB,
    PCI_DEVICE,
    SRIOV_NET_VF,
    NUMA_SOCKET,
    NUMA_CORE,
    NUMA_THREAD,
    NUMA_MEMORY_MB,
    IPV4_ADDRESS,
    VGPU,
    VGPU_DISPLAY_HEAD,
    NET_BW_EGR_KILOBIT_PER_SEC,
    NET_BW_IGR_KILOBIT_PER_SEC,
    PCPU,
    MEM_ENCRYPTION_CONTEXT,
    FPGA,
    PGPU,
    NET_PACKET_RATE_KILOPACKET_PER_SEC,
    NET_PACKET_RATE_EGR_KILOPACKET_PER_SEC,
    NET_PACKET_RATE_IGR_KILOPACKET_PER_SEC,
);

impl ResourceClass {
    /// Returns the class called `name`. The name stays known for the life of the process.
    ///
    /// # Errors
    ///
    /// [`InvalidName`](Error::InvalidName) unless the name is 1 to 255 ASCII letters, digits and
    /// `_ . / - :`; [`TooLarge`](Error::TooLarge) beyond 65,536 classes.
    pub fn new(name: &str) -> Result<Self> {
        if let Some(reason) = interner::fault(name) {
            return Err(Error::invalid_name(name, reason));
        }
        let number = CLASSES.intern(name);
        let number = number.ok_or(Error::TooLarge {
            what: "resource classes in the process",
            limit: LIMIT as u64,
        })?;
        Ok(ResourceClass(number as u16))
    }

    /// Returns the name of the class. Wait-free.
    pub fn name(self) -> &'static str {
        CLASSES.name(u32::from(self.0))
    }

    pub(crate) fn number(self) -> u16 {
        self.0
    }

    pub(crate) fn from_number(number: u16) -> Self {
        ResourceClass(number)
    }
}

impl fmt::Display for ResourceClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for ResourceClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for ResourceClass {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        ResourceClass::new(name)
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
