//! Resource classes: what inventories count.

use std::fmt;

use crate::values::interner::Interner;

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
pub(super) const MOST_CLASSES_EVER: usize = 1 << 16;

macro_rules! standard {
    ($($class:ident),* $(,)?) => {
        static CLASSES: Interner = Interner::new(&[$(stringify!($class)),*], MOST_CLASSES_EVER);

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
    /// Returns the class called `name`, which breaks no rule for names. Returns `None` if there are
    /// too many classes.
    pub(super) fn intern(name: &str) -> Option<Self> {
        CLASSES.intern(name).map(|number| ResourceClass(number as u16))
    }

    /// Returns the class called `name` if the process has met it. Unlike [`new`](Self::new), makes no class of
    /// a name that comes from outside: if this is `None`, no inventory in the process is of that class.
    ///
    /// ```
    /// use provider_tree::ResourceClass;
    ///
    /// assert_eq!(ResourceClass::find("VCPU"), Some(ResourceClass::VCPU));
    /// assert_eq!(ResourceClass::find("CUSTOM_FOUND"), None);
    /// let class = ResourceClass::new("CUSTOM_FOUND")?;
    /// assert_eq!(ResourceClass::find("CUSTOM_FOUND"), Some(class));
    /// # Ok::<(), provider_tree::Error>(())
    /// ```
    pub fn find(name: &str) -> Option<Self> {
        CLASSES.find(name).map(|number| ResourceClass(number as u16))
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
