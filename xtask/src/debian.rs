//! Packages of Debian, which are installed where that is allowed.

use std::process::Command;

use crate::shell::{self, Failure};

/// Installs packages where that is allowed. Whether what they have is there afterwards is for the caller to
/// find out: it may have come in another way.
pub(crate) fn try_to_install(packages: &[&str]) {
    if may_install() && install(packages).is_err() {
        // Where the lists of packages are too old, or there are none yet.
        shell::run(Command::new("apt-get").arg("update")).and_then(|()| install(packages)).ok();
    }
}

fn may_install() -> bool {
    let user = Command::new("id").arg("-u").output();
    shell::starts("apt-get") && user.is_ok_and(|user| user.stdout.trim_ascii() == b"0")
}

fn install(packages: &[&str]) -> Result<(), Failure> {
    let mut install = Command::new("apt-get");
    shell::run(install.args(["install", "-y", "--no-install-recommends"]).args(packages))
}
