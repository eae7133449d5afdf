//! Pages about the crate as a whole: what it promises, what it costs, how much there can be.

pub mod consistency {
    #![doc = include_str!("consistency.md")]
    #![allow(unused_imports, reason = "the page names what is there")]

    use crate::*;
}

pub mod progress {
    #![doc = include_str!("progress.md")]
    #![allow(unused_imports, reason = "the page names what is there")]

    use crate::*;
}

pub mod limits {
    #![doc = include_str!("limits.md")]
    #![allow(unused_imports, reason = "the page names what is there")]

    use crate::*;
}

pub mod events {
    #![doc = include_str!("events.md")]
    #![allow(unused_imports, reason = "the page names what is there")]

    use crate::*;
}
